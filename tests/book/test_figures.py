"""Every figure is drawn from known numbers and asked for them again: nbval cannot see a changed image."""

from __future__ import annotations

import base64
import html
import inspect
import io
import itertools
import re
from functools import lru_cache

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from colorize_lib import quantize
from colorize_lib.book import figures
from colorize_lib.color import chroma, rgb_to_lab, to_unit
from colorize_lib.config import ARMS
from colorize_lib.evaluation import metrics
from colorize_lib.evaluation.intervals import Interval
from colorize_lib.networks import receptive_field

RNG = np.random.default_rng(0)
SECTORS = list(metrics.SECTORS)
PRIOR = torch.from_numpy(RNG.dirichlet(np.full(313, 0.5))).float()
CENTERS = quantize.ab_gamut_centers().numpy()
EVEN = pd.DataFrame(np.full((6, 7), 1 / 7), SECTORS, [*SECTORS, "gray"])


def image(side: int = 16) -> np.ndarray:
    return RNG.integers(0, 256, (side, side, 3), dtype=np.uint8)


def interval(value: float, half: float = 0.1) -> Interval:
    return Interval(value, value - half, value + half, 1, 10)


def history(seeds=(0, 1)) -> pd.DataFrame:
    rows = [{"arm": arm, "seed": seed, "step": step, "epoch": step / 8, "loss": 9 / step, "plain": 3 / step,
             "excess": 2 / step, "val_excess": 1 / step, "val_ab_error": 12.0 + seed, "val_chroma_ratio": 0.5}
            for arm in ARMS for seed in seeds for step in (8, 16, 24)]  # fmt: skip
    return pd.DataFrame(rows)


CALLS = {
    "plot_lab": lambda: figures.plot_lab(image()),
    "plot_gamut_rules": lambda: figures.plot_gamut_rules(
        {name: CENTERS[i:] for i, name in enumerate("abcdef")}, CENTERS[:3]
    ),
    "plot_colour_shares": lambda: figures.plot_colour_shares({"a": PRIOR.numpy(), "b": PRIOR.numpy() * 0}),
    "plot_scenes": lambda: figures.plot_scenes({"input": {"1": image()}, "draw": {"1": image()}}),
    "plot_architecture": figures.plot_architecture,
    "plot_receptive_field": lambda: figures.plot_receptive_field(receptive_field()),
    "plot_expected_loss": lambda: figures.plot_expected_loss(
        np.array([[60.0, 40.0], [10.0, -50.0]]), (0.5, 0.1), np.array([[2.0, 1, 2], [1.0, 2, 3]]), 50.0, ("red", "blue")
    ),
    "plot_soft_encoding": lambda: figures.plot_soft_encoding(
        np.array([3.0, -7.0]), CENTERS[100:105], np.array([0.5, 0.2, 0.1, 0.1, 0.1])
    ),
    "plot_rebalancing": lambda: figures.plot_rebalancing(PRIOR),
    "plot_annealing": lambda: figures.plot_annealing({"one": PRIOR, "two": PRIOR.flip(0)}, (1, 0.38, 0.1)),
    "plot_training": lambda: figures.plot_training(history()),
    "plot_intervals": lambda: figures.plot_intervals({"AuC": {"l2": interval(1), "ce@1": interval(2)}}, {"AuC": 0.5}),
    "plot_confusion": lambda: figures.plot_confusion(
        dict.fromkeys(("l2", "ce@1", "ce@0.38", "grey"), EVEN)
    ),
    "plot_hues": lambda: figures.plot_hues(
        {s: {h: interval(0.5) for h in SECTORS} for s in ("l2", "ce@1")}, "a ratio", 0.7
    ),
    "plot_shifts": lambda: figures.plot_shifts({s: (interval(1), interval(-3)) for s in ("l2", "ce@1")}),
}  # fmt: skip
"""Every figure of the book once, with small numbers."""


@lru_cache
def figure_of(name: str) -> Figure:
    return CALLS[name]()


@pytest.fixture
def drawn(request) -> Figure:
    return figure_of(request.param)


def draw(name: str):
    return pytest.mark.parametrize("drawn", [name], indirect=True, ids=[name])


def points(axis, marker: str = "o") -> np.ndarray:
    """Positions of all markers of one kind, [n, 2]."""
    return np.concatenate([line.get_xydata() for line in axis.lines if line.get_marker() == marker])


def test_every_figure_is_here():
    public = {name for name, _ in inspect.getmembers(figures, inspect.isfunction) if name.startswith("plot_")}
    assert set(CALLS) == public


@pytest.mark.parametrize("drawn", CALLS, indirect=True)
def test_a_figure_is_as_wide_as_the_page_or_less_closed_and_can_be_saved(drawn):
    assert isinstance(drawn, Figure) and drawn.get_figwidth() <= figures.WIDTH
    assert not plt.get_fignums(), "an open figure would be shown twice"
    file = io.BytesIO()
    drawn.savefig(file, format="png", dpi=30)
    colours = np.asarray(Image.open(file).convert("RGB")).reshape(-1, 3)
    assert (colours[0] == 255).all() and len(np.unique(colours, axis=0)) > 20


def test_every_arm_has_a_colour_and_a_line_of_its_own():
    assert (
        len({figures.ARM_COLOURS[arm] for arm in ARMS})
        == len({str(figures.ARM_LINES[arm]) for arm in ARMS})
        == len(ARMS)
    )
    colour = figures._system_colour
    assert colour("ce@0.38") == colour("ce@1") != colour("ce_rebal@1")


def test_a_image_grid_shows_the_pixels_it_is_given():
    rows = {name: {"input": image(), "truth": image(), "l2": image()} for name in ("one", "two")}
    columns = ["truth", "l2"]
    axes = figures.image_grid(rows, columns).axes
    for axis, expected in zip(axes, [rows[name][c] for name in rows for c in columns], strict=True):
        assert np.array_equal(axis.images[0].get_array(), expected)
    assert axes[0].get_title(loc="center") == "truth" and axes[0].get_ylabel() == "one"
    assert axes[0].images[0].get_interpolation() == "nearest", "small images are not smoothed"
    with pytest.raises(ValueError, match="row 'one' has no image 'ce'; it has input, truth, l2"):
        figures.image_grid(rows, ["truth", "ce"])


@draw("plot_lab")
def test_lightness_alone_is_grey(drawn):
    shown = [rgb_to_lab(to_unit(torch.from_numpy(np.array(a.images[0].get_array()))[None])) for a in drawn.axes]
    assert len(shown) == 4
    assert chroma(shown[1][:, 1:]).max() < 0.6 and chroma(shown[0][:, 1:]).mean() > 10


@draw("plot_training")
def test_curves_of_training_hold_every_arm_and_the_band_of_its_seeds(drawn):
    loss, unseen, error, ratio = drawn.axes
    lengths = [sum(len(line.get_xdata()) == 3 for line in axis.lines) for axis in drawn.axes]
    assert lengths == [len(ARMS)] * 4
    bands = [band.get_paths()[0].vertices[:, 1] for band in error.collections]
    assert len(bands) == len(ARMS) and all((band.min(), band.max()) == (12, 13) for band in bands)
    flat = figures.plot_training(history(seeds=[0])).axes[2].collections
    assert not any(band.get_paths() for band in flat), "one seed has no band"
    assert all(line.get_ydata()[0] == 1 for line in loss.lines if len(line.get_xdata()) == 3)
    assert all((line.get_ydata() == 0.5).all() for line in unseen.lines if len(line.get_xdata()) == 3)
    assert all(line.get_xdata().tolist() == [1, 2, 3] for line in ratio.lines if len(line.get_xdata())), "by epoch"


def test_levels_are_lines_with_their_names_and_curves_fill_their_panels():
    plain = figures.plot_training(history())
    assert plain.axes[0].get_ylim()[0] > 0.1, "not from zero"
    levels = {"val_ab_error": {"plain grey": 15.0, "mean colour": 14.9}}
    error = figures.plot_training(history(), levels).axes[2]
    assert [list(line.get_ydata()) for line in error.lines if len(line.get_xdata()) == 2] == [[15, 15], [14.9, 14.9]]
    grey, mean = error.texts
    assert (grey.get_text(), grey.get_va()) == ("plain grey", "bottom")
    assert (mean.get_text(), mean.get_va()) == ("mean colour", "top"), "not on top of each other"


def test_seeds_whose_epochs_differ_in_the_last_digit_are_one_line():
    two = history()
    two["epoch"] += 1e-9 * two.seed
    lines = figures.plot_training(two).axes[2].lines
    assert {len(line.get_xdata()) for line in lines} - {0} == {3}


@draw("plot_intervals")
def test_intervals_stand_where_their_values_are(drawn):
    (axis,) = drawn.axes
    assert points(axis).tolist() == [[1, 0], [2, 1]]
    assert axis.lines[0].get_xdata()[0] == 0.5, "the mark"
    ends = [line.get_xdata() for line in axis.lines[1:] if len(line.get_xdata()) == 2]
    assert np.allclose(ends, [[0.9, 1.1], [1.9, 2.1]])
    assert [label.get_text() for label in axis.get_yticklabels()] == ["L2 on ab", "cross entropy, T = 1"]
    hollow = [line.get_markerfacecolor() for line in axis.lines if line.get_marker() == "o"]
    assert hollow[1] == "white" != hollow[0]


def test_a_gain_control_has_the_colour_and_the_name_of_its_arm_and_a_mark_of_its_own():
    axis = figures.plot_intervals({"AuC": {"l2+gain": interval(1), "less l2+gain": interval(2)}}).axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["L2 on ab, with a gain", "less l2+gain"]
    (gain,) = [line for line in axis.lines if line.get_marker() == "P" and line.get_ydata()[0] == 0]
    assert gain.get_color() == figures.ARM_COLOURS["l2"]


def test_long_titles_and_names_are_broken_into_lines():
    names = ["true-hue chroma ratio", "AuC", "AuC, class-balanced", "colourfulness"]
    figure = figures.plot_intervals(
        {name: {"one change after another, and none by itself": interval(1)} for name in names}
    )
    assert figure.axes[0].get_title(loc="left") == "true-hue chroma\nratio"
    assert figure.axes[0].get_yticklabels()[0].get_text() == "one change after another, and none by\nitself"


def test_values_may_be_written_at_their_points():
    nothing = Interval(np.nan, np.nan, np.nan, 1, 0)
    rows = {"l2": interval(-0.012), "ce@1": nothing}
    axis = figures.plot_intervals({"AuC": rows}, forms={"AuC": "+.2f"}).axes[0]
    assert [text.get_text() for text in axis.texts] == ["\N{MINUS SIGN}0.01"]


def test_numbers_below_narrow_panels_do_not_run_together():
    wide = {f"panel {i}": {"cross entropy, rebalanced": interval(0.0, 0.08)} for i in range(4)}
    figure = figures.plot_intervals(wide)
    figure.draw_without_rendering()
    for axis in figure.axes:
        boxes = [label.get_window_extent() for label in axis.get_xticklabels()]
        assert len(boxes) > 1 and all(right.x0 - left.x1 > 5 for left, right in itertools.pairwise(boxes))


def test_what_could_not_be_measured_is_left_out():
    nothing = Interval(np.nan, np.nan, np.nan, 1, 0)
    figure = figures.plot_intervals({"AuC": {"l2": nothing, "ce@1": interval(2)}})
    assert np.isfinite(points(figure.axes[0])).all(1).tolist() == [False, True]


@draw("plot_confusion")
def test_confusion_prints_the_shares(drawn):
    texts = [text.get_text() for axis in drawn.axes if axis.get_visible() for text in axis.texts]
    assert texts == [".14"] * 4 * 42
    assert [label.get_text() for label in drawn.axes[-1].get_xticklabels()] == [*SECTORS, "grey"]
    cells = drawn.axes[0].collections[0].get_facecolor()[:7, :3]
    lab = rgb_to_lab(torch.from_numpy(cells.T[None, :, None].copy()).float())[0, :, 0]
    seen = metrics.hue_sector(lab[None, 1:, None])[0, 0]
    assert [SECTORS[int(i)] for i in seen[:6]] == SECTORS, "a cell has the colour of its column"
    assert chroma(lab[None, 1:, 6:])[0] < 1, "the last is grey"


@draw("plot_hues")
def test_hues_stand_in_columns_of_their_colour(drawn):
    axis = drawn.axes[0]
    assert [label.get_text() for label in axis.get_xticklabels()] == SECTORS
    assert len(points(axis)) == 6 and (points(axis)[:, 1] == 0.5).all()
    assert axis.get_ylabel() == "a ratio" and [0.7, 0.7] in [list(line.get_ydata()) for line in axis.lines]


@draw("plot_shifts")
def test_shifts_stand_at_a_and_b(drawn):
    axis = drawn.axes[0]
    assert points(axis, "s").tolist() == [[1, -3]]
    assert np.allclose(axis.get_xlim(), axis.get_ylim()) and axis.get_xlim()[1] > 3.1


@draw("plot_rebalancing")
def test_rebalancing_ends_at_the_plain_chroma(drawn):
    curve = drawn.axes[2].lines[0]
    plain = float(PRIOR @ torch.linalg.vector_norm(quantize.ab_gamut_centers(), dim=1))
    assert curve.get_ydata()[-1] == pytest.approx(plain, rel=1e-5)


@draw("plot_annealing")
def test_annealing_begins_at_the_mean(drawn):
    mean = float((PRIOR @ quantize.ab_gamut_centers()).norm())
    assert drawn.axes[0].lines[0].get_ydata()[0] == pytest.approx(mean, rel=1e-4)


@draw("plot_receptive_field")
def test_the_receptive_field_is_the_one_of_the_network(drawn):
    assert points(drawn.axes[0])[:, 1].tolist() == [field for _, field in receptive_field()]


def test_the_slider_holds_both_images_and_is_labelled():
    left, right = np.full((20, 30, 3), 200, np.uint8), np.full((20, 30, 3), 40, np.uint8)
    text = figures.before_after(left, right, ("one", "<two>"), width=60)
    found = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text)
    shown = [np.asarray(Image.open(io.BytesIO(base64.b64decode(code)))) for code in found]
    assert [s.shape for s in shown] == [(40, 60, 3)] * 2
    assert abs(shown[0].mean() - 40) < 2 and abs(shown[1].mean() - 200) < 2, "the left one lies on top"
    assert 'aria-label="Share of the image that shows one' in text
    assert html.escape("<two>") in text and "<two>" not in text
    assert "http" not in text and "<script" not in text
