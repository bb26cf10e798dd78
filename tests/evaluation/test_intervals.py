"""Intervals and tests against cases whose answer is known, and how often they cover."""

import dataclasses
import itertools
import math

import numpy as np
import pandas as pd
import pytest
from intervals_coverage import CASES, LEVELS, STATISTICS, coverage, experiment, write
from scipy import stats

from colorize_lib.evaluation import intervals, metrics
from colorize_lib.evaluation.intervals import Estimator, Interval, estimate


def table_of(error, n=100.0):
    """A table whose `ab_error` is the mean of the errors."""
    error = np.asarray(error, dtype=float)
    return pd.DataFrame({"err": error * n, "n": np.full(len(error), n), "images": 1.0, "chroma_true": 20 * n})


def arm(seeds, images=300, seed=0, by_seed=0.0, by_image=1.0, by_cell=0.0, shift=0.0):
    """Tables {seed: table} with an effect of the seed, one of the image, which all seeds share, and one of both."""
    rng = np.random.default_rng(seed)
    common = rng.normal(20 + shift, by_image, images)
    return {s: table_of(common + rng.normal(0, by_seed) + rng.normal(0, by_cell, images)) for s in range(seeds)}


def single(tables, name="ab_error") -> Interval:
    return Estimator({"x": tables}).interval("x", name)


def gap(a, b, name="ab_error") -> Interval:
    return Estimator({"a": a, "b": b}).difference("a", "b", name)


def numbers(found: Interval) -> list[float]:
    return [found.value, found.low, found.high, found.se, found.df]


# ------------------------------------------------------------------------------------------------------- cover


@pytest.mark.parametrize("seeds", [3, 5, 8])
@pytest.mark.parametrize("case", ["images dominate", "balanced", "seeds dominate"])
def test_95_percent_intervals_cover_93_to_97_percent(case, seeds):
    found = coverage(CASES[case], seeds, 3000, seed=seeds)
    assert set(found) == set(STATISTICS)
    assert all(0.93 <= share <= 0.97 for share in found.values()), found


def test_an_interaction_of_seed_and_image_is_covered_once():
    found = coverage(CASES["seed by image"], 3, 3000)
    assert all(0.93 <= share <= 0.97 for share in found.values()), found


def test_one_seed_covers_the_images_and_heavy_weights_nearly():
    assert all(0.93 <= share <= 0.97 for share in coverage(CASES["balanced"], 1, 1500).values())
    assert all(0.93 <= share <= 0.99 for share in coverage(CASES["few images weigh most"], 3, 1000).values())


@pytest.mark.parametrize("case", ["images dominate", "balanced", "seeds dominate"])
def test_equivalence_at_the_margin_is_found_in_5_percent(case):
    rng, size, margin = np.random.default_rng(3), 1500, LEVELS["a"] - LEVELS["b"]
    terms = experiment(CASES[case], 3, size, rng)
    found = zip(*estimate(STATISTICS["difference"][0], [terms["a"], terms["b"]]), strict=True)
    inner = np.array([Interval.of(*map(float, one), 3, 200).inner for one in found])
    assert 0.03 <= np.mean((inner > -margin).all(1) & (inner < margin).all(1)) <= 0.06


def test_the_table_of_coverage_is_written(tmp_path):
    write(tmp_path / "coverage.csv", replicates=4, seeds=(2,))
    read = pd.read_csv(tmp_path / "coverage.csv")
    assert list(read) == ["seeds", "case", "statistic", "replicates", "coverage"]
    assert len(read) == len(CASES) * len(STATISTICS) and read.coverage.between(0, 1).all()


# ---------------------------------------------------------------------------------------------- known answers


def test_with_one_seed_it_is_the_textbook_ratio_estimator():
    """Cochran, Sampling Techniques, 1977, 6.13; one image in 300 takes no visible share."""
    rng = np.random.default_rng(0)
    table = table_of(rng.normal(20, 3, 300), n=rng.integers(50, 150, 300).astype(float))
    found, r = single({0: table}), table.err.sum() / table.n.sum()
    textbook = math.sqrt(((table.err - r * table.n) ** 2).sum() / (299 * 300)) / table.n.mean()
    assert found.value == pytest.approx(r) and found.se == pytest.approx(textbook, rel=0.002)
    assert (found.high - found.low) / 2 == pytest.approx(found.se * stats.t.ppf(0.975, found.df))
    assert (found.seeds, found.images) == (1, 300) and 100 < found.df <= 299
    left_out = [metrics.value(table.drop(index=j), "ab_error") for j in table.index]
    assert found.se == pytest.approx(math.sqrt(299 * np.var(left_out)), rel=1e-3), "the jackknife"


def test_one_seed_agrees_with_the_bootstrap():
    rng = np.random.default_rng(4)
    table = table_of(rng.exponential(10, 200), n=rng.integers(50, 150, 200).astype(float))
    drawn = stats.bootstrap(
        (table.err.to_numpy(), table.n.to_numpy()), lambda a, b, axis: np.sqrt(a.sum(axis) / b.sum(axis)),
        paired=True, vectorized=True, n_resamples=4000, random_state=0,
    )  # fmt: skip
    found = Estimator({"x": {0: table}}).effect(lambda x: x**0.5, [("x", "ab_error")])
    assert found.se == pytest.approx(drawn.standard_error, rel=0.05)


def test_seeds_and_images_are_crossed_random_effects():
    """The variance of a balanced two-way layout from its components, each by its own loop."""
    tables, S, n = arm(4, images=30, by_seed=0.5, by_cell=1.0), 4, 30
    y = np.array([table.err / table.n for table in tables.values()])
    residual = [[y[s, j] - y[s].mean() - y[:, j].mean() + y.mean() for j in range(n)] for s in range(S)]
    cell = np.square(residual).sum() / ((S - 1) * (n - 1))
    seed = (n * y.mean(1).var(ddof=1) - cell) / n
    image = (S * y.mean(0).var(ddof=1) - cell) / S
    found = single(tables)
    assert found.se == pytest.approx(math.sqrt(seed / S + image / n + cell / (S * n)))
    assert found.value == pytest.approx(y.mean()) and 3 < found.df < 29


def test_seeds_alone_give_students_t_of_their_means():
    means = np.random.default_rng(1).normal(20, 3, 3)
    found = single({s: table_of(np.full(50, m)) for s, m in enumerate(means)})
    low, high = stats.t.interval(0.95, 2, means.mean(), stats.sem(means))
    assert (found.low, found.high, found.df) == pytest.approx((low, high, 2))
    assert found.p_against(0) == pytest.approx(stats.ttest_1samp(means, 0).pvalue)
    assert found.p_against(18.0) == pytest.approx(stats.ttest_1samp(means, 18.0).pvalue)


def test_seeds_that_agree_add_nothing_and_those_that_do_not_widen_the_interval():
    one, same = single(arm(1)), single(arm(3))
    assert numbers(same) == pytest.approx(numbers(one))
    assert (one.seeds, same.seeds) == (1, 3)
    assert "one seed" in str(one) and "3 seeds" in str(same)
    differ = single(arm(3, by_seed=2.0))
    assert differ.high - differ.low > 3 * (one.high - one.low)


def test_an_effect_has_the_error_of_its_derivatives():
    """A root, a product and a quotient by their own gradients, from the covariance of the metrics' cells."""
    rng, n = np.random.default_rng(2), 400
    a, b = rng.normal(20, 2, n), rng.normal(15, 2, n)
    tables = {"a": {None: table_of(a).assign(err2=100 * a**2)}, "b": {None: table_of(b)}}
    found = Estimator(tables).effect(lambda x, y: x / y, [("a", "ab_rmse"), ("b", "auc")])
    root, auc = math.sqrt((a**2).mean()), 1 - b.mean() / 150
    gradient = np.array([1 / (2 * root) / auc, root / auc**2 / 150])
    assert found.value == pytest.approx(root / auc)
    assert found.se == pytest.approx(math.sqrt(gradient @ np.cov(a**2, b) @ gradient / n), rel=1e-6)


# ----------------------------------------------------------------------------------------------------- pairing


def test_differences_are_paired():
    a, b = arm(3, by_seed=1.0, by_image=5.0), arm(3, by_seed=1.0, by_image=5.0, shift=0.5)
    found = gap(a, b)
    assert (found.value, found.low, found.high) == pytest.approx((-0.5, -0.5, -0.5))
    assert found.se == 0 and found.p_against(0) == 1, "rounding is no spread"
    assert single(a).high - single(a).low > 0.5
    nothing = gap(a, a)
    assert nothing.low == nothing.high == 0 and nothing.p_against(0) == 1


def test_only_seeds_that_both_have_are_compared():
    a, b = arm(3, by_seed=1.0), {**arm(2, seed=7, by_seed=1.0), 9: arm(1, seed=8)[0]}
    both, found = Estimator({"a": a, "b": b, "grey": {None: a[0]}}), gap(a, b)
    shared = gap({s: a[s] for s in (0, 1)}, {s: b[s] for s in (0, 1)})
    assert found == shared and found.seeds == 2
    assert both.effect(lambda x, y, z: x - y, [("a", "auc"), ("b", "auc"), ("grey", "auc")]).seeds == 2
    assert (both.shared("a", "b"), both.shared("b", "grey"), both.shared("grey")) == ([0, 1], [0, 1, 9], [None])
    with pytest.raises(ValueError, match=r"no seed in common: \[0\] and \[9\]"):
        gap({0: a[0]}, {9: b[9]})


def test_a_baseline_without_seeds_is_paired_with_every_seed():
    a, grey = arm(3, by_seed=1.0), arm(1, seed=5)[0]
    found = gap(a, {None: grey})
    assert found.value == pytest.approx(single(a).value - single({None: grey}).value)
    assert numbers(found) == pytest.approx(numbers(gap(a, dict.fromkeys(range(3), grey)))) and found.seeds == 3


def test_metrics_of_one_system_are_told_apart_on_the_same_images():
    tables = arm(3, by_seed=0.3, by_cell=0.3)
    found = Estimator({"one": tables, "grey": {None: arm(1)[0]}})
    names = ["auc", "ab_error", "skill"]
    assert found.available("one", [*names, "psnr"]) == names
    assert set(names) <= set(found.available("grey")) and "psnr" not in found.available("grey")
    for name in names:
        assert found.interval("one", name).value == pytest.approx(metrics.value(pd.concat(tables.values()), name))
    constant = found.effect(lambda auc, error: auc + error / 150, [("one", "auc"), ("one", "ab_error")])
    assert (constant.value, constant.se) == (pytest.approx(1), 0)
    contrast = found.effect(lambda auc, skill: auc - skill, [("one", "auc"), ("one", "skill")])
    assert contrast.value == pytest.approx(found.interval("one", "auc").value - found.interval("one", "skill").value)


def test_a_numerator_may_be_a_sum_of_columns(monkeypatch):
    row = dataclasses.replace(metrics.metric("ab_error"), name="both", numerator="err+images", denominator="n+images")
    monkeypatch.setitem(metrics._ALL, "both", row)
    tables = arm(2, by_seed=1.0, by_cell=1.0)
    added = {s: t.assign(err=t.err + t.images, n=t.n + t.images) for s, t in tables.items()}
    assert numbers(single(tables, "both")) == pytest.approx(numbers(single(added)))
    assert Estimator({"x": tables}).available("x", ["both"]) == ["both"]
    with pytest.raises(ValueError, match=r"column\(s\) images, which"):
        single({0: tables[0].drop(columns="images")}, "both")


def test_a_subset_is_a_mask_of_images():
    tables = arm(3, by_seed=0.3, by_cell=1.0)
    rows = np.arange(300) % 3 == 0
    found = Estimator({"x": tables}).interval("x", "ab_error", rows=rows)
    assert found == single({s: t[rows] for s, t in tables.items()}) and found.images == 100
    none = Estimator({"x": tables}).interval("x", "ab_error", rows=np.zeros(300, bool))
    assert all(map(math.isnan, (none.value, none.low, none.high))) and none.images == 0 and none.p_against(0) == 1
    for wrong in (np.arange(300), np.ones(299, bool)):
        with pytest.raises(ValueError, match="must be 300 booleans"):
            Estimator({"x": tables}).interval("x", "ab_error", rows=wrong)


# --------------------------------------------------------------------------------------------------- edge cases


def test_a_term_may_be_of_some_images_only():
    """A subset less its complement: for independent images the variances add up."""
    found, few = Estimator({"x": arm(1, by_image=2.0)}), np.arange(300) < 90
    parts = [found.interval("x", "ab_error", rows=rows) for rows in (few, ~few)]
    apart = found.effect(lambda a, b: a - b, [("x", "ab_error", few), ("x", "ab_error", ~few)])
    assert apart.value == pytest.approx(parts[0].value - parts[1].value)
    assert apart.se == pytest.approx(math.hypot(parts[0].se, parts[1].se), rel=0.02)
    assert found.effect(lambda a: a, [("x", "ab_error", few)]).value == pytest.approx(parts[0].value)
    with pytest.raises(ValueError, match="must be 300 booleans"):
        found.effect(lambda a: a, [("x", "ab_error", few[:10])])


def test_what_no_image_holds_has_no_value_and_what_one_holds_no_interval():
    table = table_of([1.0, 2.0, 3.0, 4.0])
    table["hit_red"], table["n_red"] = 0.0, [0.0, 0.0, 0.0, 2.0]
    never = single({0: table.assign(n_red=0.0)}, "recall_red")
    assert all(math.isnan(x) for x in (never.value, never.low, never.high)) and never.p_against(0) == 1
    for tables in ({0: table}, {0: table, 1: table}):
        once = single(tables, "recall_red")
        assert once.value == 0 and math.isnan(once.low) and once.p_against(0) == 1
    assert math.isnan(single({0: table.head(1)}).high)
    twice = single({0: table.assign(n_red=1.0)}, "recall_red")
    assert twice.value == twice.low == twice.high == 0 and twice.p_against(0) == 1


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
    with pytest.raises(ValueError, match="no system 'y'.*there are: x"):
        Estimator({"x": tables}).interval("y", "auc")


# ------------------------------------------------------------------------------------- from interval to verdict


def test_tests_and_intervals_are_one():
    """A p value passes 0.05 where the interval ends: the 95 % one for a difference, the 90 % one for equivalence."""
    found = Interval.of(0.1, 0.2, 4.5, 3, 100)
    assert (found.low, found.high) == pytest.approx(stats.t.interval(0.95, 4.5, 0.1, 0.2))
    assert found.inner == pytest.approx(stats.t.interval(0.9, 4.5, 0.1, 0.2))
    assert found.p_against(found.low) == pytest.approx(0.05) == found.p_against(found.high)
    assert found.p_against(0) == pytest.approx(2 * stats.t.sf(0.5, 4.5))
    assert stats.t.cdf((0.1 - found.inner[1]) / 0.2, 4.5) == pytest.approx(0.05)


def test_holm_by_hand_and_by_the_closure_of_bonferroni():
    assert intervals.holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    p = dict(enumerate(np.random.default_rng(0).random(6) ** 3))
    subsets = [s for k in range(1, 7) for s in itertools.combinations(p, k)]
    expected = {i: max(min(1, len(s) * min(p[j] for j in s)) for s in subsets if i in s) for i in p}
    assert intervals.holm(p) == pytest.approx(expected)
    assert intervals.holm({}) == {}
