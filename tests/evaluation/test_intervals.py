"""Intervals and tests against cases whose answer is known."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from colorize_lib.evaluation import intervals, metrics
from colorize_lib.evaluation.intervals import Interval


def table_of(error, n=100.0):
    """A table whose `ab_error` is the mean of the errors."""
    error = np.asarray(error, dtype=float)
    return pd.DataFrame({"err": error * n, "n": np.full(len(error), n), "pictures": 1.0, "chroma_true": 20 * n})


def arm(seeds, pictures=300, seed=0, by_seed=0.0, by_picture=1.0, shift=0.0):
    """Tables with a seed effect and a picture effect that all seeds share."""
    rng = np.random.default_rng(seed)
    common = rng.normal(20 + shift, by_picture, pictures)
    return [table_of(common + rng.normal(0, by_seed)) for _ in range(seeds)]


def test_the_interval_of_a_mean_is_that_of_theory():
    table = arm(1, by_picture=3.0)[0]
    found = intervals.bootstrap([table], "ab_error", draws=4000)
    error = (table.err / table.n).to_numpy()
    assert found.value == pytest.approx(error.mean())
    half = 1.96 * error.std() / math.sqrt(len(error))
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.06)
    assert (found.seeds, found.pictures, len(found.draws)) == (1, 300, 4000)
    wide = intervals.bootstrap([table], "ab_error", draws=4000, level=0.99)
    assert wide.low < found.low < found.high < wide.high


def test_95_of_100_intervals_cover_a_known_mean():
    rng = np.random.default_rng(1)
    covered = 0
    for k in range(300):
        found = intervals.bootstrap([table_of(rng.exponential(10, 80))], "ab_error", draws=200, seed=k)
        covered += found.low <= 10 <= found.high
    assert 0.89 <= covered / 300 <= 0.98


def test_every_draw_takes_as_many_pictures_as_there_are():
    sums = intervals._resampled(arm(3), ["n", "pictures", "err"], draws=250, seed=0)
    assert sums.shape == (251, 3)
    np.testing.assert_allclose(sums[0, :2], [300 * 3 * 100, 300 * 3])
    np.testing.assert_allclose(sums[1:, 1], 300 * 2)  # one seed less than there are
    assert len(np.unique(sums[1:, 2])) == 250


def test_seeds_that_agree_add_nothing_and_those_that_do_not_widen_the_interval():
    one = intervals.bootstrap(arm(1), "ab_error")
    same = intervals.bootstrap(arm(1) * 3, "ab_error")
    assert (same.low, same.high) == pytest.approx((one.low, one.high))  # pictures are shared, not drawn for each seed
    assert (one.seeds, same.seeds) == (1, 3)
    assert "one seed" in str(one) and "3 seeds" in str(same)
    differ = intervals.bootstrap(arm(3, by_seed=2.0), "ab_error")
    assert differ.high - differ.low > 3 * (one.high - one.low)


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_spread_over_seeds_is_not_underestimated(seeds):
    means = np.random.default_rng(seeds).normal(20, 3, seeds)
    found = intervals.bootstrap([table_of(np.full(50, m)) for m in means], "ab_error", draws=8000)
    assert found.draws.var() == pytest.approx(means.var(ddof=1) / seeds, rel=0.06)


def test_differences_are_paired():
    a, b = arm(3, by_seed=1.0, by_picture=5.0), arm(3, by_seed=1.0, by_picture=5.0, shift=0.5)
    found = intervals.bootstrap_difference(a, b, "ab_error")
    assert (found.value, found.low, found.high) == pytest.approx((-0.5, -0.5, -0.5))
    single = intervals.bootstrap(a, "ab_error")
    assert single.high - single.low > 0.5
    nothing = intervals.bootstrap_difference(a, a, "ab_error")
    assert nothing.low == nothing.high == 0


def test_a_baseline_without_seeds_is_paired_with_every_seed():
    a, grey = arm(3, by_seed=1.0), arm(1)
    found = intervals.bootstrap_difference(a, grey, "ab_error")
    assert found.value == pytest.approx(
        intervals.bootstrap(a, "ab_error").value - intervals.bootstrap(grey, "ab_error").value
    )
    tripled = intervals.bootstrap_difference(a, grey * 3, "ab_error")
    assert (found.low, found.high, found.seeds) == pytest.approx((tripled.low, tripled.high, 3))


def test_many_metrics_share_one_resampling():
    tables = arm(2, by_seed=0.3)
    together = intervals.bootstrap_metrics(tables)
    assert set(together) == set(metrics.available(tables[0])) == {"auc", "ab_error", "skill", "chroma_true"}
    for name, interval in together.items():
        assert interval == intervals.bootstrap(tables, name)
        assert interval.value == pytest.approx(metrics.value(pd.concat(tables), name))
    auc, error = together["auc"], together["ab_error"]
    np.testing.assert_allclose(auc.draws, 1 - error.draws / 150)
    assert auc.low == pytest.approx(1 - error.high / 150)
    both = intervals.bootstrap_differences(tables, arm(2, seed=5))
    assert both["auc"].value == pytest.approx(-both["ab_error"].value / 150)


def test_the_same_seed_gives_the_same_interval_and_another_does_not():
    tables = arm(2, by_seed=0.3)
    first, again, other = (intervals.bootstrap(tables, "auc", seed=s) for s in (0, 0, 1))
    assert first == again and first != other


def test_what_no_picture_holds_has_no_value():
    table = table_of([1.0, 2.0, 3.0, 4.0])
    table["hit_red"], table["n_red"], table["cp_red"] = 0.0, [0.0, 0.0, 0.0, 2.0], [0.0, 0.0, 0.0, 30.0]
    rare = intervals.bootstrap([table], "recall_red")
    assert rare.value == rare.low == rare.high == 0 and len(rare.draws) < 1000  # some draws hold no red picture
    table["n_red"] = 0.0
    never = intervals.bootstrap([table], "recall_red")
    assert all(math.isnan(x) for x in (never.value, never.low, never.high))


def test_impossible_input_is_named():
    tables = arm(2)
    shuffled = tables[0].sample(frac=1, random_state=0)
    for wrong in ([], [tables[0], tables[1].head(5)], [tables[0], shuffled], [tables[0].head(0)]):
        with pytest.raises(ValueError, match="same pictures"):
            intervals.bootstrap(wrong, "auc")
    with pytest.raises(ValueError, match="lacks the column.*psnr"):
        intervals.bootstrap(tables, "psnr")
    with pytest.raises(ValueError, match="unknown"):
        intervals.bootstrap(tables, "accuracy")
    with pytest.raises(ValueError, match="2 and 3 seeds"):
        intervals.bootstrap_difference(tables, arm(3), "auc")
    with pytest.raises(ValueError, match="draws=0"):
        intervals.bootstrap(tables, "auc", draws=0)
    with pytest.raises(ValueError, match="level=95"):
        intervals.bootstrap(tables, "auc", level=95)


def normal_effect(mean, spread, kept=True):
    draws = norm.ppf((np.arange(20000) + 0.5) / 20000, mean, spread)
    low, high = np.quantile(draws, [0.025, 0.975])
    return Interval(mean, low, high, 3, 100, draws=draws if kept else None)


@pytest.mark.parametrize("kept", [True, False])
def test_tost_and_p_value_of_a_normal_effect(kept):
    effect = normal_effect(0.1, 0.2, kept)
    p, equivalent = intervals.tost(effect, 0.5)
    assert p == pytest.approx(norm.sf(2), rel=0.02) and equivalent
    assert not intervals.tost(effect, 0.4).equivalent  # 0.4 lies 1.5 spreads above
    assert intervals.tost(effect, 0.4, alpha=0.1).equivalent
    assert intervals.p_value(effect) == pytest.approx(2 * norm.sf(0.5), rel=0.02)
    assert intervals.p_value(normal_effect(0, 1, kept)) == pytest.approx(1, abs=1e-3)
    with pytest.raises(ValueError, match="margin=0"):
        intervals.tost(effect, 0)


@given(st.floats(-1, 1), st.floats(0.05, 1))
@settings(deadline=None, max_examples=30)
def test_equivalence_is_a_90_percent_interval_within_the_margins(mean, margin):
    effect = normal_effect(mean, 0.3)
    low, high = np.quantile(effect.draws, [0.05, 0.95])
    if min(abs(low + margin), abs(high - margin)) > 1e-3:
        assert intervals.tost(effect, margin).equivalent == (-margin < low and high < margin)


def test_holm_by_hand_and_by_statsmodels():
    assert intervals.holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    p = np.random.default_rng(0).random(9) ** 3
    corrected = intervals.holm({str(k): x for k, x in enumerate(p)})
    np.testing.assert_allclose(list(corrected.values()), multipletests(p, method="holm")[1])
    assert intervals.holm({}) == {}
