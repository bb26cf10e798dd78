"""The oracle against sums by hand, and toys against the oracle."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from colorize_lib.book import oracle
from colorize_lib.data.scenes import SCENE_CLASSES, SyntheticScenes, scene_conditional_mean, synthetic_scenes
from colorize_lib.quantize import nearest_bin, rebalancing_weights
from colorize_lib.readout import Readout

SCENES = synthetic_scenes(48, 32, seed=5)
SHARES = oracle.class_shares(SCENES)
PRIOR = oracle.scene_prior(SHARES)
NAMES = [kind.name for kind in SCENE_CLASSES]
ROOF, LEAVES = NAMES.index("roof"), NAMES.index("leaves")


@pytest.fixture(scope="module")
def toys() -> dict[str, oracle.Toy]:
    return {arm: oracle.train_toy(arm, PRIOR, steps=500) for arm in oracle.TOY_ARMS}


def test_shares_and_prior_are_those_of_the_labels():
    labels = SCENES.classes[:, ::4, ::4]
    assert SHARES[NAMES.index("sky")] == pytest.approx((labels == NAMES.index("sky")).mean())
    assert float(SHARES.sum()) == pytest.approx(1) and float(PRIOR.sum()) == pytest.approx(1)


def test_squared_error_ends_at_the_mean_by_hand():
    assert np.allclose(oracle.hard_means(), scene_conditional_mean(), atol=0.01)
    (first, second), weights = SCENE_CLASSES[ROOF].colours, rebalancing_weights(PRIOR, 0.5)
    one, other = (float(weights[nearest_bin(torch.tensor([c]))]) for c in (first, second))
    by_hand = (one * np.array(first) + other * np.array(second)) / (one + other)  # both are equally likely
    assert np.allclose(oracle.closed_forms(PRIOR)["l2_rebal"][ROOF], by_hand, atol=0.01)
    assert oracle.odds("roof", PRIOR, 0.5) == pytest.approx(other / one)
    assert oracle.odds("leaves", PRIOR) == pytest.approx(0.3 / 0.7)


def test_labels_of_one_colour_make_tilting_and_rebalancing_the_same():
    nearest = oracle.posteriors(neighbours=1)
    prior = SHARES @ nearest
    tilted = oracle.read(Readout(1.0, 0.5), nearest.log(), prior)
    rebalanced = oracle.read(Readout(1.0), oracle.posteriors(rebalancing_weights(prior, 0.5), neighbours=1).log())
    assert torch.allclose(tilted, rebalanced, atol=1e-3)
    soft = oracle.closed_forms(PRIOR)
    assert float((soft["ce@1~0.5"] - soft["ce_rebal@1"]).norm(dim=1).max()) > 1, "with soft ones they differ"


def test_each_answer_is_the_best_at_its_own_question():
    scores = oracle.score_table(PRIOR, SHARES)
    assert scores["RMS"].idxmin() == "mean"
    assert scores["RMS, weighted"].idxmin() == "tilted mean"
    assert scores["distance"].idxmin() == "median"
    assert scores["hit %"].idxmax() == "mode"
    assert (scores["chroma"] - 1).abs().idxmin() == "sample" and scores["chroma"]["sample"] == pytest.approx(1)
    with pytest.raises(ValueError, match="labels or colours"):
        oracle.score_table(PRIOR, SHARES, truth="photos")


def test_scores_of_certain_colours_by_hand():
    only_sand = torch.zeros(len(NAMES)).double()
    only_sand[NAMES.index("sand")] = 1
    scores = oracle.score_table(PRIOR, only_sand, truth="colours").loc["mode"]  # (5, 28) answered with (10, 30)
    assert scores["RMS"] == pytest.approx(29**0.5, abs=0.01) and scores["distance"] == pytest.approx(29**0.5, abs=0.01)
    assert scores["chroma"] == pytest.approx((1000 / 809) ** 0.5, abs=0.001)


def test_every_toy_comes_within_a_tenth_of_its_closed_form(toys):
    end = oracle.distances([list(toys.values())], PRIOR).iloc[-1]
    assert set(end.index) == set(oracle.SYSTEMS)
    assert (end < 0.1).all(), end.to_dict()


def test_toys_of_different_questions_end_in_different_places(toys):
    found = {system: ab[-1] for system, ab in oracle.toy_colours(list(toys.values()), PRIOR).items()}
    apart = lambda one, other: float((found[one] - found[other])[LEAVES].norm())  # noqa: E731
    assert apart("l2", "ce@1") < 1 and apart("l2_rebal", "ce_rebal@1") < 1
    assert apart("l2", "l2_rebal") > 3 and apart("ce@1", "ce@1~0.5") > 3


def test_a_toy_gives_the_odds_it_was_trained_with(toys):
    table = oracle.odds_table([toys["ce"], toys["ce_rebal"]], toys["ce"], PRIOR)
    assert list(table.loc["roof"].index) == [1.0, 0.5]
    assert np.allclose(table["trained"], table["closed form"], rtol=0.02)
    assert table.loc[("leaves", 1.0), "tilted"] == pytest.approx(table.loc[("leaves", 1.0), "trained"])
    assert table.loc[("leaves", 0.5), "tilted"] > 1.2 * table.loc[("leaves", 1.0), "tilted"]


def test_an_arm_without_a_toy_is_refused():
    with pytest.raises(ValueError, match="student_mse"):
        oracle.train_toy("student_mse", PRIOR, steps=1)


def test_steps_count_from_where_the_curve_stays_below():
    curves = pd.DataFrame({"l2": [3.0, 0.5, 2.0, 0.9, 0.2]}, index=[1, 2, 4, 8, 16])
    row = oracle.convergence_table(curves, within=(1.0, 0.1)).loc["squared error"]
    assert row["steps to 1"] == 8 and row["steps to 0.1"] is None


def test_labels_from_the_middle_of_a_block_lie_nearer():
    table = oracle.quarter_table(SCENES)
    assert table.loc["full size", "truth"] == 0
    assert list(table["truth"]) == sorted(table["truth"], key=lambda x: (x > 0, -x))
    flat = SyntheticScenes(np.full((1, 16, 16, 3), 128, np.uint8), np.full((1, 16, 16), NAMES.index("wall"), np.uint8))
    assert float(oracle.quarter_table(flat).max(axis=None)) < 0.1, "without edges nothing is lost"


def test_figures_show_the_numbers_they_are_given(toys):
    found = oracle.answers(PRIOR)
    panels = oracle.plot_posteriors(found, ["car", "roof"]).axes
    assert [axis.get_title("left") for axis in panels] == ["car", "roof"]
    mean = next(line for line in panels[1].lines if line.get_label() == "mean")
    assert np.allclose(mean.get_xydata()[0], found["mean"][ROOF])
    curves = oracle.distances([list(toys.values())], PRIOR)
    lines = oracle.plot_convergence(curves).axes[0].lines
    assert np.allclose(lines[0].get_ydata(), curves["l2"])
    table = oracle.odds_table([toys["ce_rebal"]], toys["ce"], PRIOR)
    dots = oracle.plot_odds(table, PRIOR).axes[0].lines[1]
    assert np.allclose(dots.get_ydata(), table.loc["roof", "trained"])


def test_painted_scenes_keep_their_truth_and_have_a_column_an_answer():
    two = SyntheticScenes(SCENES.pixels[:2], SCENES.classes[:2])
    axes = oracle.plot_painted(two, oracle.answers(PRIOR), PRIOR).axes
    titles = [axis.get_title() for axis in axes[:8]]
    assert titles == ["grey", "truth", *oracle.ANSWERS]
    assert np.array_equal(axes[9].images[0].get_array(), SCENES.pixels[1])
    assert np.ptp(axes[8].images[0].get_array().astype(int), axis=-1).max() <= 1
