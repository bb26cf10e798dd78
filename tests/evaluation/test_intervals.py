"""Intervals and tests against cases whose answer is known."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from colorize_lib.evaluation import intervals, metrics
from colorize_lib.evaluation.intervals import Bootstrap, Interval


def table_of(error, n=100.0):
    """A table whose `ab_error` is the mean of the errors."""
    error = np.asarray(error, dtype=float)
    return pd.DataFrame({"err": error * n, "n": np.full(len(error), n), "images": 1.0, "chroma_true": 20 * n})


def arm(seeds, images=300, seed=0, by_seed=0.0, by_image=1.0, shift=0.0):
    """Tables {seed: table} with an effect of the seed and one of the image, which all seeds share."""
    rng = np.random.default_rng(seed)
    common = rng.normal(20 + shift, by_image, images)
    return {s: table_of(common + rng.normal(0, by_seed)) for s in range(seeds)}


def single(tables, name="ab_error", **options) -> Interval:
    return Bootstrap({"x": tables}, [name], **options).interval("x", name)


def gap(a, b, name="ab_error", **options) -> Interval:
    return Bootstrap({"a": a, "b": b}, [name], **options).difference("a", "b", name)


def test_the_interval_of_a_mean_is_that_of_theory():
    table = arm(1, by_image=3.0)
    found = single(table, draws=4000)
    error = (table[0].err / table[0].n).to_numpy()
    assert found.value == pytest.approx(error.mean())
    spread = error.std() / math.sqrt(len(error))
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * spread, rel=0.06)
    assert (found.inner[1] - found.inner[0]) / 2 == pytest.approx(1.645 * spread, rel=0.06)
    assert (found.seeds, found.images) == (1, 300)


def test_95_of_100_intervals_cover_a_known_mean():
    rng = np.random.default_rng(1)
    found = [single({0: table_of(rng.exponential(10, 80))}, draws=200, seed=k) for k in range(200)]
    assert 0.89 <= np.mean([f.low <= 10 <= f.high for f in found]) <= 0.98
    assert 0.83 <= np.mean([f.inner[0] <= 10 <= f.inner[1] for f in found]) <= 0.95


def test_every_draw_takes_as_many_images_as_there_are():
    found = Bootstrap({"x": arm(3), "grey": {None: arm(1)[0]}}, ["ab_error", "psnr"], draws=250)
    for sums in found._sums.values():
        assert set(sums) == {"n", "images", "err"}
        assert (sums["images"] == 300).all() and sums["n"].shape == (251,)
        assert len(np.unique(sums["err"][1:])) == 250
    np.testing.assert_array_equal(intervals._seed_weights(3, 250, 0).sum(0), [3] + [2] * 250)  # one seed less


def test_seeds_that_agree_add_nothing_and_those_that_do_not_widen_the_interval():
    one, same = single(arm(1)), single(arm(3))
    assert (same.low, same.high) == pytest.approx((one.low, one.high))  # images are shared, not drawn for each seed
    assert (one.seeds, same.seeds) == (1, 3)
    assert "one seed" in str(one) and "3 seeds" in str(same)
    differ = single(arm(3, by_seed=2.0))
    assert differ.high - differ.low > 3 * (one.high - one.low)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_spread_over_seeds_is_not_underestimated(seeds):
    means = np.random.default_rng(seeds).normal(20, 3, seeds)
    tables = {s: table_of(np.full(50, m)) for s, m in enumerate(means)}
    drawn = Bootstrap({"x": tables}, ["ab_error"], draws=8000).values("x", "ab_error")[1:]
    assert drawn.var() == pytest.approx(means.var(ddof=1) / seeds, rel=0.06)


def test_differences_are_paired():
    a, b = arm(3, by_seed=1.0, by_image=5.0), arm(3, by_seed=1.0, by_image=5.0, shift=0.5)
    found = gap(a, b)
    assert (found.value, found.low, found.high) == pytest.approx((-0.5, -0.5, -0.5))
    assert single(a).high - single(a).low > 0.5
    nothing = gap(a, a)
    assert nothing.low == nothing.high == 0 and nothing.p == 1


def test_only_seeds_that_both_have_are_compared():
    a, b = arm(3, by_seed=1.0), {**arm(2, seed=7, by_seed=1.0), 9: arm(1, seed=8)[0]}
    found, shared = gap(a, b), gap({s: a[s] for s in (0, 1)}, {s: b[s] for s in (0, 1)})
    assert found == shared and found.seeds == 2
    with pytest.raises(ValueError, match=r"no seed in common: \[0\] and \[9\]"):
        gap({0: a[0]}, {9: b[9]})


def test_a_baseline_without_seeds_is_paired_with_every_seed():
    a, grey = arm(3, by_seed=1.0), arm(1)[0]
    found = gap(a, {None: grey})
    assert found.value == pytest.approx(single(a).value - single({None: grey}).value)
    assert found == gap(a, dict.fromkeys(range(3), grey)) and found.seeds == 3


def test_one_resampling_serves_all_systems_metrics_and_differences():
    names = ["auc", "ab_error", "skill"]
    one, two = arm(2, by_seed=0.3), arm(3, seed=5)
    both = Bootstrap({"one": one, "two": two, "grey": {None: arm(1)[0]}}, names)
    for system, tables in (("one", one), ("two", two)):
        for name in names:
            assert both.interval(system, name) == single(tables, name)
            assert both.interval(system, name).value == pytest.approx(metrics.value(pd.concat(tables.values()), name))
    np.testing.assert_allclose(both.values("one", "auc"), 1 - both.values("one", "ab_error") / 150)
    assert both.difference("one", "two", "auc") == gap(one, two, "auc")
    contrast = both.difference("one", "one", "auc", "skill")
    values = both.values("one", "auc") - both.values("one", "skill")
    assert (contrast.value, contrast.low) == pytest.approx((values[0], np.quantile(values[1:], 0.025)))
    assert both.available("one") == names


def test_the_same_seed_gives_the_same_interval_and_another_does_not():
    first, again, other = (single(arm(2, by_seed=0.3), seed=s) for s in (0, 0, 1))
    assert first == again and first != other


def test_what_no_image_holds_has_no_value():
    table = table_of([1.0, 2.0, 3.0, 4.0])
    table["hit_red"], table["n_red"] = 0.0, [0.0, 0.0, 0.0, 2.0]
    found = Bootstrap({"x": {0: table}}, ["recall_red"])
    assert 0 < np.isnan(found.values("x", "recall_red")).sum() < 1000, "some draws hold no red image"
    rare = found.interval("x", "recall_red")
    assert rare.value == rare.low == rare.high == 0
    never = single({0: table.assign(n_red=0.0)}, "recall_red")
    assert all(math.isnan(x) for x in (never.value, never.low, never.high))


def test_impossible_input_is_named():
    tables = arm(2)
    shuffled = tables[0].sample(frac=1, random_state=0)
    for wrong in ({}, {0: tables[0], 1: tables[1].head(5)}, {0: tables[0], 1: shuffled}, {0: tables[0].head(0)}):
        with pytest.raises(ValueError, match="same images"):
            single(wrong)
    with pytest.raises(ValueError, match="psnr of x needs the column.*psnr"):
        single(tables, "psnr")
    with pytest.raises(ValueError, match="unknown"):
        single(tables, "accuracy")
    with pytest.raises(ValueError, match="draws=0"):
        single(tables, draws=0)


def test_a_skewed_effect_is_judged_by_its_draws():
    """Where the draws are skewed, the 90 % interval is theirs and not that of a normal curve."""
    skewed = single({0: table_of(np.r_[np.zeros(40), 100.0])}, draws=4000)
    normal = Interval(skewed.value, skewed.low, skewed.high, 1, 41).completed()
    assert skewed.completed() is skewed
    assert skewed.inner[0] == 0 > normal.inner[0]


def test_a_missing_90_percent_interval_and_p_are_those_of_a_normal_curve():
    low, high = norm.ppf([0.025, 0.975], 0.1, 0.2)
    found = Interval(0.1, low, high, 3, 100).completed()
    assert found.inner == pytest.approx(tuple(norm.ppf([0.05, 0.95], 0.1, 0.2)))
    assert found.p == pytest.approx(2 * norm.sf(0.5))
    fixed = Interval(0.3, 0.3, 0.3, 3, 100).completed()
    assert fixed.inner == (0.3, 0.3) and fixed.p == 1


def test_p_of_draws_is_twice_their_smaller_tail():
    found = Bootstrap({"x": {0: table_of(np.random.default_rng(0).normal(0.1, 1, 100))}}, ["ab_error"])
    drawn = found.values("x", "ab_error")[1:]
    p = found.interval("x", "ab_error").p
    assert p == pytest.approx(2 * (1 + (drawn <= 0).sum()) / 1001) and 0.01 < p < 1


def test_an_interval_less_a_number():
    moved = Interval(1.5, 1.0, 2.0, 3, 100, (1.1, 1.9), 0.01) - 1
    assert (moved.value, moved.low, moved.high, *moved.inner) == pytest.approx((0.5, 0, 1, 0.1, 0.9))
    assert moved.p is None, "it was of another hypothesis"


def test_holm_by_hand_and_by_the_closure_of_bonferroni():
    assert intervals.holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    p = dict(enumerate(np.random.default_rng(0).random(6) ** 3))
    subsets = [s for k in range(1, 7) for s in itertools.combinations(p, k)]
    expected = {i: max(min(1, len(s) * min(p[j] for j in s)) for s in subsets if i in s) for i in p}
    assert intervals.holm(p) == pytest.approx(expected)
    assert intervals.holm({}) == {}
