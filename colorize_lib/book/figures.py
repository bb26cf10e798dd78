"""Every figure of the book: one style, one colour an arm, one function a figure.

Each `plot_*` function takes numbers or images, draws, and returns a closed figure, which a notebook shows as the
value of its cell. Nothing is computed here that the prose quotes. Figures of single chapters stand in modules of
their own.
"""

from __future__ import annotations

import base64
import html
import io
import itertools
import re
import textwrap
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import torch
from matplotlib.collections import PatchCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from PIL import Image

from ..color import lab_to_rgb, rgb_to_lab, to_uint8, to_unit
from ..evaluation.intervals import Interval
from ..evaluation.metrics import SECTORS
from ..evaluation.results import Results
from ..evaluation.systems import system_title
from ..networks import STAGES
from ..quantize import GRID, ab_gamut_centers, rebalancing_weights
from ..readout import annealed_mean

plt.style.use(Path(__file__).with_name("book.mplstyle"))
WIDTH = 7.4
"""Width of every figure in inches, that of the page's column."""
ARM_COLOURS = {
    "student_mse": "#E69F00",
    "l2": "#D55E00",
    "l2_rebal": "#AA4499",
    "ce": "#56B4E9",
    "ce_rebal": "#0072B2",
    "grey": "#999999",
    "mean": "#BB9977",
    "weighted": "#8C6D31",
    "random": "#CC79A7",
    "ceiling": "#444444",
    "truth": "#000000",
}
"""One colour a system through the whole book, from Okabe and Ito's palette: warm regresses, cool classifies."""
ARM_LINES = {"student_mse": (1, 1), "l2": (4, 1.5), "l2_rebal": (4, 1.5, 1, 1.5), "ce": (6, 1, 1.5, 1), "ce_rebal": ""}
"""One line style an arm, so that curves can be told apart without colour."""
HALO = [withStroke(linewidth=2.5, foreground="white")]
"""Path effects of text that lines may cross."""


def _done(figure: Figure) -> Figure:
    """Close a figure, so that a notebook shows it once, as the value of the cell."""
    plt.close(figure)
    return figure


def image_grid(
    rows: dict[str, dict[str, np.ndarray]],
    columns: list[str] | None = None,
    titles: dict[str, str] | None = None,
    width: float = WIDTH,
) -> Figure:
    """Images in a grid: a row an image, a column a treatment of it, pixels untouched.

    rows: {row label: {column: uint8 [h, w, 3]}}; the images of a row have one shape. columns: which, in what order
    (default: those of the first row). titles: heading of a column where it is not that of `systems.system_title`.
    """
    columns = columns or list(next(iter(rows.values())))
    for label, row in rows.items():
        missing = [c for c in columns if c not in row]
        if missing:
            raise ValueError(f"row {label!r} has no image {missing[0]!r}; it has {', '.join(row)}")
    heights = [row[columns[0]].shape[0] / row[columns[0]].shape[1] for row in rows.values()]
    tall = width / len(columns) * sum(heights) + 0.35 + 0.05 * len(rows)
    figure, axes = plt.subplots(
        len(rows), len(columns), figsize=(width, tall), squeeze=False, height_ratios=heights, layout="compressed"
    )
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for axis_row, (label, row) in zip(axes, rows.items(), strict=True):
        for axis, column in zip(axis_row, columns, strict=True):
            show_image(axis, row[column])
        axis_row[0].set_ylabel(textwrap.fill(label, 22), fontsize=8)
    for axis, column in zip(axes[0], columns, strict=True):
        axis.set_title((titles or {}).get(column) or _heading(column), fontsize=8.5, loc="center")
    return _done(figure)


def _heading(system: str) -> str:
    """The title of a system in narrow lines."""
    parts = system_title(system).replace(" (", ", (").split(", ")
    return "\n".join(textwrap.fill(part, 16) for part in parts)


def show_image(axis, image: np.ndarray) -> None:
    """Show uint8 [h, w, 3] on an axis: no ticks, no frame, no smoothing of small images."""
    axis.imshow(image, interpolation="nearest" if min(image.shape[:2]) < 200 else "antialiased")
    axis.set(xticks=[], yticks=[])
    axis.grid(False)
    for spine in axis.spines.values():
        spine.set_visible(False)


def _colours_of(ab: np.ndarray, lightness: float = 62.0) -> np.ndarray:
    """Colours to draw with, rgb [n, 3] clipped to what a screen shows, of ab [n, 2] at one lightness."""
    ab = torch.as_tensor(np.asarray(ab), dtype=torch.float32)
    lab = torch.cat([torch.full_like(ab[:, :1], lightness), ab], 1)
    return lab_to_rgb(lab.T[None, :, :, None]).clamp(0, 1)[0, :, :, 0].T.numpy()


def _ab_axis(axis, title: str = "", reach: float = 128) -> None:
    """An ab plane: equal units, a to the right, b upwards."""
    axis.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="a", ylabel="b", title=title)


def _squares(axis, ab: np.ndarray, colours, **more) -> None:
    """One square a grid colour, as large as the grid is wide."""
    low = np.asarray(ab) - GRID / 2
    squares = [plt.Rectangle(tuple(corner), GRID, GRID) for corner in low]
    axis.add_collection(PatchCollection(squares, **({"facecolor": colours, "edgecolor": "white", "lw": 0.3} | more)))


def plot_lab(image: np.ndarray, lightness: float = 65.0) -> Figure:
    """A photograph uint8 [h, w, 3] and its three planes: L alone, and a and b alone at one lightness."""
    lab = rgb_to_lab(to_unit(torch.from_numpy(np.array(image))[None]))
    parts = {"the photograph": lab}
    for i, name in enumerate(("L alone", "a alone", "b alone")):
        part = torch.zeros_like(lab)
        part[:, 0] = lightness
        part[:, i] = lab[:, i]
        parts[name] = part
    row = {name: to_uint8(lab_to_rgb(part))[0].numpy() for name, part in parts.items()}
    return image_grid({"": row}, titles={name: name for name in row})


def plot_gamut_rules(rules: dict[str, np.ndarray], unused: np.ndarray) -> Figure:
    """The colours each rule keeps; the first rule is right, and the others are compared with it.

    rules: {rule: ab [n, 2]}. unused: those of the first rule to mark with a dot, ab [m, 2].
    """
    figure, axes = plt.subplots(2, 3, figsize=(WIDTH, 5.6), sharex=True, sharey=True)
    right = {tuple(c) for c in next(iter(rules.values()))}
    for axis, (rule, kept) in zip(axes.flat, rules.items(), strict=True):
        found = {tuple(c) for c in kept}
        missing, extra = (np.array(sorted(s)).reshape(-1, 2) for s in (right - found, found - right))
        _ab_axis(axis, textwrap.fill(f"{rule}: {len(kept)} colours", 32))
        axis.title.set_fontsize(8.5)
        _squares(axis, kept, _colours_of(kept))
        _squares(axis, missing, "none", edgecolor="#555555", lw=0.6)
        axis.plot(*extra.T, "x", color="black", ms=4)
        axis.label_outer()
    axes[0, 0].plot(*np.asarray(unused).T, ".", color="black", ms=2.5)
    return _done(figure)


def plot_colour_shares(shares: dict[str, np.ndarray]) -> Figure:
    """Distributions over the 313 colours as maps of the ab plane, on one logarithmic scale; {title: [313]}."""
    figure, axes = plt.subplots(1, len(shares), figsize=(WIDTH, 3.6), sharey=True, squeeze=False)
    ab, scale = ab_gamut_centers().numpy(), LogNorm(1e-6, 0.3, clip=True)
    for axis, (title, share) in zip(axes[0], shares.items(), strict=True):
        _ab_axis(axis, title)
        seen = np.asarray(share) > 0
        _squares(axis, ab[seen], plt.get_cmap("cividis")(scale(np.asarray(share)[seen])))
        _squares(axis, ab[~seen], "white", edgecolor="#bbbbbb")
        axis.label_outer()
    bar = figure.colorbar(plt.cm.ScalarMappable(scale, "cividis"), ax=axes, shrink=0.8, label="share of the positions")
    bar.outline.set_visible(False)
    return _done(figure)


def plot_scenes(rows: dict[str, dict[str, np.ndarray]], width: float = 0.75 * WIDTH) -> Figure:
    """Scenes in columns, versions of them in rows: {version: {scene: uint8 [h, w, 3]}}, versions named as systems."""
    named = {system_title(name) if name in ("input", "truth") else name: row for name, row in rows.items()}
    return image_grid(named, titles={scene: " " for row in rows.values() for scene in row}, width=width)


_KINDS = {"halves the side": "#E69F00", "dilated": "#0072B2", "plain": "#BBBBBB", "doubles the side": "#009E73"}


def _kind(stage) -> str:
    if stage.upsample:
        return "doubles the side"
    return "halves the side" if stage.stride == 2 else "dilated" if stage.dilation == 2 else "plain"


def plot_architecture(side: int = 64, outputs: str = "2, 3 or 313") -> Figure:
    """The table of stages as blocks: as high as the map's side, as wide as its channels, for an input of `side`."""
    figure, axis = plt.subplots(figsize=(WIDTH, 2.9))
    rows, size = [("input", "L", side, 0.12, "white")], side
    for stage in STAGES:
        size = size * 2 if stage.upsample else size // stage.stride
        label = f"{stage.channels}\n{stage.convolutions} conv."
        rows.append((stage.name, label, size, 0.2 + stage.channels / 512, _KINDS[_kind(stage)]))
    rows += [("head", outputs + "\n1 x 1", size, 0.2, "#DDDDDD"), ("colour", "ab\nenlarged x 4", side, 0.16, "white")]
    x = 0.0
    for name, label, size, wide, colour in rows:
        high = 0.12 + size / side
        axis.add_patch(plt.Rectangle((x, -high / 2), wide, high, facecolor=colour, edgecolor="#333333", lw=0.8))
        axis.text(x + wide / 2, high / 2 + 0.04, f"{name}\n{size} px", ha="center", va="bottom", fontsize=7.5)
        axis.text(x + wide / 2, -high / 2 - 0.04, label, ha="center", va="top", fontsize=7)
        x += wide + 0.46
        axis.annotate("", (x - 0.04, 0), (x - 0.42, 0), arrowprops={"arrowstyle": "->", "color": "#333333", "lw": 0.8})
    axis.texts[-1].remove()
    axis.legend(handles=[plt.Rectangle((0, 0), 1, 1, color=c, label=k) for k, c in _KINDS.items()], loc="lower center",
                ncols=4, bbox_to_anchor=(0.5, -0.06))  # fmt: skip
    axis.set(xlim=(-0.3, x), ylim=(-1.0, 0.9))
    axis.axis("off")
    return _done(figure)


def plot_receptive_field(fields: list[tuple[str, int]], sides: tuple[int, ...] = (64, 128, 256)) -> Figure:
    """How much of the input one output of each layer sees, beside the sides of possible inputs."""
    figure, axis = plt.subplots(figsize=(WIDTH, 3.0))
    names, field = zip(*fields, strict=True)
    axis.step(names, field, where="mid", color=ARM_COLOURS["ce_rebal"])
    axis.plot(names, field, "o", color=ARM_COLOURS["ce_rebal"])
    for side in sides:
        axis.axhline(side, color="#D55E00", lw=1, ls="--")
        axis.text(-0.4, side, f"input of {side} px", color="#D55E00", fontsize=8, va="bottom")
    axis.set(ylabel="receptive field, px", ylim=(0, None))
    axis.tick_params(axis="x", rotation=60)
    axis.grid(axis="x", visible=False)
    return _done(figure)


def plot_expected_loss(
    ends: np.ndarray, shares: tuple[float, ...], loss: np.ndarray, lightness: float, names: tuple[str, str]
) -> Figure:
    """Expected squared error along the line between two colours, a curve for each share of the second colour.

    ends: ab [2, 2]. shares: of the second colour. loss: [len(shares), n], at n positions from the first colour to the
    second. The strip below shows the colours predicted at those positions.
    """
    figure, (axis, strip) = plt.subplots(2, 1, figsize=(WIDTH, 3.6), height_ratios=(6, 1), sharex=True)
    at = np.linspace(0, 1, loss.shape[1])
    path = ends[0] + at[:, None] * (ends[1] - ends[0])
    for share, curve, style in zip(shares, loss, ("-", "--", ":"), strict=False):
        axis.plot(at, curve, style, color="#333333", label=f"{share:.0%} {names[1]}")
        least = curve.argmin()
        colour = _colours_of(path[[least]], lightness)
        axis.scatter(at[least], curve[least], s=110, c=colour, edgecolor="#333333", zorder=3)
    axis.set(ylabel="expected squared error", ylim=(0, None))
    axis.legend(title="the pixel is", loc="upper center", ncols=len(shares))
    strip.imshow(_colours_of(path, lightness)[None], aspect="auto", extent=(0, 1, 0, 1))
    strip.set(yticks=[], xticks=(0, 0.5, 1), xticklabels=(names[0], "predicted colour", names[1]))
    strip.grid(False)
    return _done(figure)


def plot_soft_encoding(ab: np.ndarray, near: np.ndarray, weights: np.ndarray) -> Figure:
    """One colour ab [2], the grid colours that share it [k, 2], and their weights [k]."""
    figure, axis = plt.subplots(figsize=(WIDTH * 0.6, 3.3))
    grid = ab_gamut_centers().numpy()
    _squares(axis, grid, _colours_of(grid), edgecolor="white", lw=1.5)
    axis.scatter(*near.T, s=1500 * weights, color="white", edgecolor="#333333", zorder=2)
    for place, weight in zip(near, weights, strict=True):
        below = (0, -np.sqrt(1500 * weight) / 2 - 10)
        axis.annotate(f"{weight:.2f}", place, below, textcoords="offset points", ha="center", fontsize=8, zorder=4)
    axis.plot(*ab, "x", color="black", ms=8, mew=2, zorder=5)
    axis.set(xlim=ab[0] + np.array([-22, 22]), ylim=ab[1] + np.array([-22, 22]), aspect="equal", xlabel="a", ylabel="b")
    axis.grid(False)
    return _done(figure)


def plot_rebalancing(prior: torch.Tensor, lambda_: float = 0.5) -> Figure:
    """The prior [313], the weights that eq. 4 makes of it at `lambda_`, and the mean chroma for every other lambda."""
    ab, steps = ab_gamut_centers(), torch.linspace(0, 1, 41).tolist()
    radius, seen = torch.linalg.vector_norm(ab, dim=1), prior > 0
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 2.9))
    for axis, values in zip(axes, (prior, rebalancing_weights(prior, lambda_)), strict=False):
        axis.scatter(radius[seen], values[seen], s=10, c=_colours_of(ab[seen]))
        axis.set(yscale="log", xlabel="chroma of the colour")
    axes[1].axhline(1, color="#555555", lw=0.8, ls="--")
    means = [float((prior * rebalancing_weights(prior, step)) @ radius) for step in (*steps, lambda_)]
    axes[2].plot(steps, means[:-1], color="#333333")
    axes[2].plot(lambda_, means[-1], "o", color="#333333", ms=7)
    axes[2].set(xlabel="lambda (1: no rebalancing)", ylim=(0, None))
    for axis, title in zip(axes, ("prior", f"weight at lambda = {lambda_:g}", "weighted mean chroma"), strict=True):
        axis.set_title(title)
    return _done(figure)


def plot_annealing(pixels: dict[str, torch.Tensor], temperatures: tuple[float, ...], lightness: float = 62.0) -> Figure:
    """What the annealed mean makes of one pixel's distribution, for several distributions {name: [313]}.

    Left the chroma against T, right the decoded colours as patches, from T = 1 to the mode.
    """
    figure, (axis, patches) = plt.subplots(1, 2, figsize=(WIDTH, 2.9), width_ratios=(1.2, 1))
    fine = torch.logspace(0, -1.5, 60).tolist()
    for row, ((name, p), style) in enumerate(zip(pixels.items(), ("-", "--", ":"), strict=False)):
        logits = p.clamp_min(1e-12).log()[None, :, None, None]
        curve = [float(annealed_mean(logits, t).norm()) for t in fine]
        axis.plot(fine, curve, style, color="#333333", label=name)
        decoded = np.concatenate([annealed_mean(logits, t)[:, :, 0, 0].numpy() for t in temperatures])
        patches.imshow(_colours_of(decoded, lightness)[None], extent=(0, len(temperatures), -row - 0.75, -row))
        patches.text(0, -row + 0.04, name, fontsize=8, va="bottom")
    axis.set(xscale="log", xlabel="temperature T", ylabel="chroma of the decoded colour", ylim=(0, None))
    axis.invert_xaxis()
    axis.set_xticks(temperatures, [f"{t:g}" for t in temperatures])
    axis.minorticks_off()
    axis.tick_params(axis="x", labelsize=7)
    axis.legend()
    middle = np.arange(len(temperatures)) + 0.5
    patches.set(
        xlim=(0, len(temperatures)), ylim=(0.2 - len(pixels), 0.3), yticks=[], xlabel="temperature T", aspect="auto"
    )
    patches.set_xticks(middle, [f"{t:g}" for t in temperatures])
    patches.grid(False)
    patches.spines["left"].set_visible(False)
    return _done(figure)


def training_levels(found: Results) -> dict[str, dict[str, float]]:
    """What plain grey and the mean colour reach on test images, for `plot_training`: {panel: {name: value}}."""
    measures = {"val_ab_error": "ab_error", "val_chroma_ratio": "chroma_ratio"}
    names = {"plain grey": "grey", "mean colour": "mean"}
    levels = {column: {n: found.value(s, m) for n, s in names.items()} for column, m in measures.items()}
    levels["val_chroma_ratio"]["photographs"] = 1.0
    return levels


def plot_training(history: pd.DataFrame, levels: dict[str, dict[str, float]] | None = None) -> Figure:
    """Curves of a training by epoch: its loss, that on validation images over it, colour error, chroma ratio.

    A line an arm, the mean of its seeds, and a band from the lowest seed to the highest. The second panel compares
    losses without weights and above what no network can get below, so that it means the same for every arm.
    levels: values to mark with thin lines and their names, by column of `history`.
    """
    first = history.groupby(["arm", "seed"])["loss"].transform("first")
    shown = history.assign(relative=history.loss / first, unseen=history.val_excess / history.excess)
    shown["epoch"] = history.epoch.round(3)  # seeds of one mean may differ in the last digit
    panels = {
        "relative": "training loss, first value = 1", "unseen": "loss on validation / training images",
        "val_ab_error": "mean ab error (validation)", "val_chroma_ratio": "chroma ratio (validation, T = 1)",
    }  # fmt: skip
    arms = [arm for arm in ARM_LINES if arm in set(history.arm)]
    style = {"hue": "arm", "style": "arm", "hue_order": arms, "style_order": arms, "palette": ARM_COLOURS}
    style |= {"dashes": ARM_LINES, "errorbar": ("pi", 100)}
    figure, axes = plt.subplots(2, 2, figsize=(WIDTH, 5.0), sharex=True)
    for axis, (column, title) in zip(axes.flat, panels.items(), strict=True):
        sns.lineplot(shown.reset_index(drop=True), x="epoch", y=column, ax=axis, legend=column == "relative", **style)
        axis.set(title=title, ylabel="")
        _levels(axis, (levels or {}).get(column, {}))
    axes[0, 1].axhline(1, color="#555555", lw=1, ls="dotted")
    handles, names = axes[0, 0].get_legend_handles_labels()
    axes[0, 0].get_legend().remove()
    figure.legend(handles, map(system_title, names), loc="outside lower center", ncols=3)
    return _done(figure)


def _levels(axis, values: dict[str, float]) -> None:
    """Thin dotted lines with their names at the right end, below a line where another is close above it."""
    for value in values.values():
        axis.axhline(value, color="#555555", lw=0.8, ls="dotted", zorder=1)
    close = 0.12 * np.ptp(axis.get_ylim())
    for name, value in values.items():
        above = not any(0 < other - value < close for other in values.values())
        axis.annotate(name, (1, value), (0, 1 if above else -1), xycoords=("axes fraction", "data"), fontsize=7,
                      textcoords="offset points", ha="right", va="bottom" if above else "top",
                      color="#555555")  # fmt: skip


def _arm(name: str) -> str:
    """The arm or baseline of a system; nothing for what is no system."""
    return re.split("[@+ ]", name)[0] if re.split("[@+ ]", name)[0] in ARM_COLOURS else ""


def _system_colour(name: str) -> str:
    return ARM_COLOURS.get(_arm(name), "#333333")


def _system_title(name: str) -> str:
    return system_title(name) if _arm(name) else name


def _mark(name: str) -> dict:
    """How a point of a system is drawn: hollow at T = 1, a plus for a gain control."""
    if name.endswith("+gain"):
        return {"marker": "P", "ms": 7.5, "mfc": _system_colour(name), "mew": 0}
    return {"marker": "o", "ms": 6.5, "mfc": "white" if name.endswith("@1") else _system_colour(name), "mew": 1.6}


def plot_intervals(
    panels: dict[str, dict[str, Interval]], marks: dict[str, float] | None = None, forms: dict[str, str] | None = None
) -> Figure:
    """Values with their 95 % intervals: a panel a measure, a row a system (or a step between two), shared by all.

    panels: {title: {system or other name: Interval}}, the rows of the first in that order. marks: {title: x} puts a
    vertical line into a panel, for example at 0. forms: {title: format} writes each value above its point, for steps of
    very unlike size. What could not be measured is left out.
    """
    names = list(next(iter(panels.values())))
    tall = 0.75 + (0.36 if forms else 0.27) * len(names)
    figure, axes = plt.subplots(1, len(panels), figsize=(WIDTH, tall), sharey=True, squeeze=False)
    for axis, (title, values) in zip(axes[0], panels.items(), strict=True):
        if title in (marks or {}):
            axis.axvline(marks[title], color="#555555", lw=1, ls="dotted")
        for y, name in enumerate(names):
            v = values[name]
            axis.plot([v.low, v.high], [y, y], color=_system_colour(name), lw=2.4, solid_capstyle="round")
            axis.plot(v.value, y, ls="", color=_system_colour(name), **_mark(name))
            if forms and np.isfinite(v.value):
                text = format(v.value, forms[title]).replace("-", "\N{MINUS SIGN}")
                axis.annotate(text, (v.value, y), (0, 5), textcoords="offset points", ha="center", fontsize=7,
                              path_effects=HALO)  # fmt: skip
        axis.set_title(textwrap.fill(title, 72 // len(panels)), fontsize=9)
        axis.margins(x=0.25 if forms else 0.12)
        axis.locator_params(axis="x", nbins=max(2, 7 - len(panels)))
    axes[0, 0].set_yticks(range(len(names)), [textwrap.fill(_system_title(name), 38) for name in names])
    axes[0, 0].set_ylim(len(names) - 0.5, -0.5)
    figure.draw_without_rendering()
    for axis in axes[0]:
        _make_room(axis)
    return _done(figure)


def _make_room(axis) -> None:
    """Leave out every other tick below a drawn panel until a line's height fits between their labels, or two are left.

    Asking the locator for fewer does not do: rather than one tick, at 0, it sets three.
    """
    low, high = axis.get_xlim()
    ticks = [x for x in axis.get_xticks() if low <= x <= high]
    axis.set_xticks(ticks)
    while len(ticks) > 2 and _tight(axis):
        ticks = ticks[::2]
        axis.set_xticks(ticks)
    axis.set_xlim(low, high)


def _tight(axis) -> bool:
    boxes = [label.get_window_extent() for label in axis.get_xticklabels()]
    return any(right.x0 - left.x1 < left.height for left, right in itertools.pairwise(boxes))


def plot_confusion(matrices: dict[str, pd.DataFrame], columns: int = 3) -> Figure:
    """Where vivid colours went: a map a system {name: true sectors by seen sectors}, rows summing to 1.

    A cell has the colour of its column, what was shown; the larger its share, the stronger. Beside each name of a hue
    stands its colour.
    """
    rows = -(-len(matrices) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(WIDTH, 0.5 + 2.3 * rows), sharex=True, sharey=True, squeeze=False
    )
    for axis in axes.flat[len(matrices) :]:
        axis.set_visible(False)
    for axis, (name, shares) in zip(axes.flat, matrices.items(), strict=False):
        shares = shares.rename(columns={"gray": "grey"})
        shown = shares.where(shares < 0.995, 1).map(lambda x: f"{x:.2f}"[1:] if 0.005 <= x < 1 else f"{x:.0f}")
        sns.heatmap(shares, annot=shown, fmt="", annot_kws={"fontsize": 7, "color": "black"}, ax=axis, cbar=False,
                    linewidths=0.6)  # fmt: skip
        hues = np.concatenate([_hue_colour(sector) for sector in shares.columns])
        strength = np.sqrt(shares.to_numpy())[..., None]  # small shares are seen, too
        (cells,) = axis.collections
        cells.set_array(None)
        cells.set_facecolor((1 - strength * (1 - hues)).reshape(-1, 3))
        axis.set_title(textwrap.fill(_system_title(name), 32), fontsize=9)
        axis.tick_params(length=0, labelsize=8, labelrotation=0, pad=11)
        axis.tick_params(axis="x", labelrotation=60)
        swatch = {"marker": "s", "s": 36, "clip_on": False, "edgecolor": "none"}
        if axis.get_subplotspec().is_first_col():
            axis.scatter([-0.28] * len(shares), np.arange(len(shares)) + 0.5, c=hues[: len(shares)], **swatch)
        if axis.get_subplotspec().is_last_row():
            axis.scatter(np.arange(len(hues)) + 0.5, [len(shares) + 0.3] * len(hues), c=hues, **swatch)
        axis.set(xlim=(0, len(hues)), ylim=(len(shares), 0))
    for axis in axes[:, 0]:
        axis.set_ylabel("truth")
    figure.supxlabel("shown as", fontsize=9.5, color="#222222")
    return _done(figure)


def _hue_colour(sector: str) -> np.ndarray:
    """The colour of a hue sector, or grey, as rgb [1, 3]."""
    if sector not in SECTORS:
        return np.full((1, 3), 0.6)
    return _colours_of(_middle(sector), 84.0 if sector == "yellow" else 66.0)  # a dark yellow is called brown


def plot_hues(systems: dict[str, dict[str, Interval]], title: str, mark: float) -> Figure:
    """A measure hue by hue, {system: {sector: Interval}}: sectors side by side, systems next to each other in each.

    title: of the measure. mark: the value at which a line is drawn.
    """
    sectors = list(next(iter(systems.values())))
    figure, axis = plt.subplots(figsize=(WIDTH, 3.2))
    step = 0.8 / len(systems)
    for i, (name, values) in enumerate(systems.items()):
        at = np.arange(len(sectors)) + step * (i + 0.5) - 0.4
        value, low, high = (np.array([getattr(values[s], part) for s in sectors]) for part in ("value", "low", "high"))
        axis.vlines(at, low, high, color=_system_colour(name), lw=2)
        axis.plot(at, value, "osD^v"[i % 5], color=_system_colour(name), ms=5.5, label=_system_title(name),
                  mfc="white" if name.endswith("@1") else None)  # fmt: skip
    axis.axhline(mark, color="#555555", lw=1, ls="dotted")
    axis.axhline(0, color="#555555", lw=0.8)
    for x, sector in enumerate(sectors):
        axis.axvspan(x - 0.47, x + 0.47, color=_colours_of(_middle(sector))[0], alpha=0.18, lw=0)
    axis.set_xticks(range(len(sectors)), sectors)
    axis.set(ylabel=title, xlim=(-0.5, len(sectors) - 0.5))
    axis.grid(axis="x", visible=False)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return _done(figure)


def _middle(sector: str) -> np.ndarray:
    """A colour in the middle of a hue sector, ab [1, 2]."""
    starts = list(SECTORS.values())
    low = SECTORS[sector]
    high = starts[(starts.index(low) + 1) % len(starts)]
    angle = np.deg2rad(low + (high - low) % 360 / 2)
    return 45 * np.array([[np.cos(angle), np.sin(angle)]])


def plot_shifts(shifts: dict[str, tuple[Interval, Interval]]) -> Figure:
    """Mean shifts along a and b {system: (a, b)} as crosses of intervals, on the colours themselves (L = 75)."""
    reach = 1.25 * max(2.0, *(abs(x) for pair in shifts.values() for v in pair for x in (v.low, v.high)))
    figure, axis = plt.subplots(figsize=(WIDTH * 0.85, 4.0))
    line = np.linspace(-reach, reach, 101)
    plane = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
    axis.imshow(_colours_of(plane, 75.0).reshape(101, 101, 3), extent=(-reach, reach) * 2, origin="lower", zorder=0)
    axis.axhline(0, color="white", lw=1)
    axis.axvline(0, color="white", lw=1)
    for (name, (a, b)), marker in zip(shifts.items(), "sDo^vPX*", strict=False):
        colour = _system_colour(name)
        axis.plot([a.low, a.high], [b.value] * 2, color=colour, lw=2)
        axis.plot([a.value] * 2, [b.low, b.high], color=colour, lw=2)
        axis.plot(a.value, b.value, marker, ms=8, mec="black", mfc=colour, mew=0.8, ls="", label=_system_title(name))
    _ab_axis(axis, reach=reach)
    axis.set(xlabel="shift along a (greenish to reddish)", ylabel="shift along b (bluish to yellowish)")
    axis.grid(False)
    axis.legend(loc="center left", bbox_to_anchor=(1.03, 0.5))
    return _done(figure)


def before_after(left: np.ndarray, right: np.ndarray, names: tuple[str, str], width: int = 640) -> str:
    """HTML of two images uint8 [h, w, 3] on top of each other, with a slider that uncovers the one or the other.

    Needs no library and no network; names: what is seen on the left and on the right of the slider.
    """
    images = []
    for pixels in (left, right):
        file, image = io.BytesIO(), Image.fromarray(np.ascontiguousarray(pixels))
        scale = width / image.width
        kind = Image.Resampling.NEAREST if scale > 2 else Image.Resampling.LANCZOS
        image.resize((width, round(image.height * scale)), kind).save(file, "jpeg", quality=88)
        images.append(f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}")
    return _SLIDER.format(
        left=images[0], right=images[1], width=width, a=html.escape(names[0]), b=html.escape(names[1])
    )


_SLIDER = """<div class="before-after" style="max-width:{width}px">
<div style="display:flex;justify-content:space-between"><span>{a}</span><span>{b}</span></div>
<div style="position:relative">
<img alt="The image colorized by: {b}" src="{right}" style="display:block;width:100%">
<img alt="The same image colorized by: {a}" src="{left}"
 style="position:absolute;inset:0;width:100%;clip-path:inset(0 50% 0 0)">
</div>
<input type="range" min="0" max="100" value="50" style="width:100%"
 aria-label="Share of the image that shows {a}; the rest shows {b}"
 oninput="this.previousElementSibling.lastElementChild.style.clipPath='inset(0 '+(100-this.value)+'% 0 0)'">
</div>"""
