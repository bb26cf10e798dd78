"""Every figure of the book: one style, one colour an arm, one function a figure.

Each `plot_*` function takes numbers or pictures, draws, and returns a closed figure, which a notebook shows as the
value of its cell. Nothing is computed here that the prose quotes. The only module that imports matplotlib and seaborn.
"""

from __future__ import annotations

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import seaborn as sns
from matplotlib.figure import Figure

from .results import system_title

plt.style.use(Path(__file__).with_name("book.mplstyle"))

WIDTH = 7.4
"""Width of every figure in inches, that of the page's column."""

ARM_COLOURS = {
    "student_mse": "#E69F00",
    "l2": "#D55E00",
    "ce": "#56B4E9",
    "ce_rebal": "#0072B2",
    "grey": "#999999",
    "ceiling": "#444444",
    "truth": "#000000",
}
"""One colour a system through the whole book, from Okabe and Ito's palette: warm regresses, cool classifies."""

ARM_LINES = {"student_mse": (1, 1), "l2": (4, 1.5), "ce": (6, 1, 1.5, 1), "ce_rebal": ""}
"""One line style an arm, so that curves can be told apart without colour."""


def arm_colour(system: str) -> str:
    """Colour of a system, whatever its decoder: that of `l2`, or of `ce` for `ce@0.38`."""
    return ARM_COLOURS[system.partition("@")[0]]


def _done(figure: Figure) -> Figure:
    """Close a figure, so that a notebook shows it once, as the value of the cell."""
    plt.close(figure)
    return figure


# ------------------------------------------------------------------------------------------------- picture grids


def picture_grid(
    rows: dict[str, dict[str, np.ndarray]],
    columns: list[str] | None = None,
    titles: dict[str, str] | None = None,
    width: float = WIDTH,
) -> Figure:
    """Pictures in a grid: a row a picture, a column a treatment of it, pixels untouched.

    rows: {row label: {column: uint8 [h, w, 3]}}; the pictures of a row have one shape. columns: which, in what order
    (default: those of the first row). titles: heading of a column where it is not that of `results.system_title`.
    """
    columns = columns or list(next(iter(rows.values())))
    for label, row in rows.items():
        missing = [c for c in columns if c not in row]
        if missing:
            raise ValueError(f"row {label!r} has no picture {missing[0]!r}; it has {', '.join(row)}")
    heights = [row[columns[0]].shape[0] / row[columns[0]].shape[1] for row in rows.values()]
    tall = width / len(columns) * sum(heights) + 0.35 + 0.05 * len(rows)
    figure, axes = plt.subplots(
        len(rows), len(columns), figsize=(width, tall), squeeze=False, height_ratios=heights, layout="constrained"
    )
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for axis_row, (label, row) in zip(axes, rows.items(), strict=True):
        for axis, column in zip(axis_row, columns, strict=True):
            show_picture(axis, row[column])
        axis_row[0].set_ylabel(label, fontsize=8)
    for axis, column in zip(axes[0], columns, strict=True):
        axis.set_title((titles or {}).get(column) or system_title(column), fontsize=8.5, loc="center")
    return _done(figure)


def show_picture(axis, picture: np.ndarray) -> None:
    """Show uint8 [h, w, 3] on an axis: no ticks, no frame, no smoothing of small pictures."""
    axis.imshow(picture, interpolation="nearest" if min(picture.shape[:2]) < 200 else "antialiased")
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
    for spine in axis.spines.values():
        spine.set_visible(False)


# ------------------------------------------------------------------------------------- chapters 1 to 4: the method


# ---- results chapters
