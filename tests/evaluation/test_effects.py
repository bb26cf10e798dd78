"""Effects written as text: what is understood, what is refused, and how they are measured."""

from __future__ import annotations

import math
import re

import pandas as pd
import pytest
import tiny

from colorize_lib.evaluation import effects
from colorize_lib.evaluation.effects import Effect
from colorize_lib.evaluation.results import Results


@pytest.fixture(scope="module")
def results() -> Results:
    return tiny.experiment().results


@pytest.mark.parametrize(
    ("text", "values", "value"),
    [
        ("auc(l2)", [3], 3),
        ("auc(ce@1 - l2)", [5, 3], 2),
        ("(auc(ce@1) - auc(l2)) / auc(l2)", [5, 4, 4], 0.25),
        ("2 * auc(l2) - auc(ce@1) * 0.5 + 1", [3, 4], 5),
        ("-auc(l2) - (auc(ce@1) - auc(l2))", [1, 5, 2], -4),
        ("auc(ce@1 - l2) / 2", [5, 3], 1),
        ("auc(l2 betas=0.9:0.99,lr=1e-05 - l2)", [5, 3], 2),
    ],
)
def test_arithmetic(text, values, value):
    assert Effect(text)(*values) == value


def test_division_by_nothing_is_no_error():
    assert Effect("auc(l2) / auc(ce@1)")(1, 0) == math.inf
    assert math.isnan(Effect("auc(l2) / auc(ce@1)")(0, 0))


def test_terms_know_their_profile_system_and_subset():
    terms = Effect("skill(evening/ce@1~0.5:median+gain from=ce,steps=4000; dark) - skill(laptop/l2)").terms
    assert [(t.metric, t.profile, t.system, t.subset) for t in terms] == [
        ("skill", "evening", "ce@1~0.5:median+gain from=ce,steps=4000", "dark"),
        ("skill", "laptop", "l2", ""),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("auk(l2)", "metric 'auk' is unknown"),
        ("auc(l3)", "system 'l3' is unknown"),
        ("auc(ce)", "system 'ce' is unknown"),
        ("auc(nowhere/l2)", "profile 'nowhere' is unknown"),
        ("auc(l2; dim)", "subset 'dim' is unknown; allowed: all, dark"),
        ("auc(l2 colour=3)", "setting 'colour' of system 'l2 colour=3' is unknown"),
        ("auc(l2) ** 2", "holds Pow"),
        ("auc(l2) // 2", "holds FloorDiv"),
        ("2(auc(l2))", "holds Call"),
        ("abs(auc(l2))", "'abs(1)' in effect 'abs(auc(l2))' is no term"),
        ("v0 + auc(l2)", "'v0' in effect"),
        ("auc(l2) if 1 else 2", "'if' in effect"),
        ("auc(l2", "'auc(l2' in effect"),
        ("auc(l2) +", "is no arithmetic"),
        ("", "is no arithmetic"),
        ("1 + 2", "holds no term"),
    ],
)
def test_other_text_is_refused_and_named(text, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Effect(text)


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("auc(l2)", "AuC: L2 on ab"),
        ("auc(ce@1 - l2)", "AuC: cross entropy, T = 1, minus L2 on ab"),
        ("skill(l2; dark)", "skill over grey (dark images): L2 on ab"),
        ("skill(l2; dark) - skill(l2)", "skill over grey (dark minus all images): L2 on ab"),
        ("chroma_ratio_blue(l2) - chroma_ratio_red(l2)", "chroma ratio of blue minus that of red: L2 on ab"),
        ("auc(l2) * 2", "auc(l2) * 2"),
    ],
)
def test_titles(text, title):
    assert Effect(text).title == title


def test_one_term_or_a_difference_is_what_results_give(results):
    assert Effect("auc(l2)").measure(results) == results.interval("l2", "auc")
    assert Effect("auc(l2; all)").measure(results) == results.subset("all", "l2", "auc")
    assert Effect("auc(ce@1 - l2)").measure(results) == results.difference("ce@1", "l2", "auc")


def test_the_rest_is_measured_from_the_sums(results):
    found = Effect("(auc(ce@1) - auc(l2)) / auc(l2)").measure(results)
    assert found.value == pytest.approx(results.value("ce@1", "auc") / results.value("l2", "auc") - 1)
    assert found.low < found.value < found.high and found.seeds == 2
    blue, red = "chroma_ratio_blue", "chroma_ratio_red"
    contrast = Effect(f"{blue}(l2) - {red}(l2)").measure(results)
    assert contrast == results.estimator.effect(lambda x, y: x - y, [("l2", blue), ("l2", red)])
    some = Effect("auc(l2; vivid) - auc(l2; all)").measure(results)
    parts = [results.subset(name, "l2", "auc").value for name in ("vivid", "all")]
    assert some.value == pytest.approx(parts[0] - parts[1])
    whole = Effect("2 * auc(l2; all) - auc(ce@1; all)").measure(results)
    assert whole.value == pytest.approx(2 * results.value("l2", "auc") - results.value("ce@1", "auc"))


class Asked(Results):
    """Results that tell what they were asked for."""

    def effect(self, f, terms, subset=""):
        return list(terms), subset


def test_what_is_asked_of_the_results():
    asked = Asked({"profile": "evening"}, pd.DataFrame(), {}, pd.DataFrame())
    assert Effect("auc(laptop/l2) - auc(l2)").measure(asked) == ([("laptop/l2", "auc"), ("l2", "auc")], "")
    assert Effect("2 * auc(l2; dark)").measure(asked) == ([("l2", "auc")], "dark")
    mixed = [("l2", "auc", "dark"), ("l2", "auc", "")]
    assert Effect("auc(l2; dark) - auc(l2)").measure(asked) == (mixed, "")


# ------------------------------------------------------------------------------------------------- from the curves


def curves(ends: dict, variant: str = "") -> pd.DataFrame:
    """Curves of `l2`, {seed: ab errors from the first epoch on}; the true-hue ratio has its end from the third on."""
    parts = []
    for seed, errors in ends.items():
        n = len(errors)
        part = {"epoch": range(1, n + 1), "step": range(n), "val_ab_error": errors, "val_plain": [2.0] * n}
        ratio = [0.1, 0.2] + [0.5] * (n - 2)
        parts.append(pd.DataFrame(part).assign(arm="l2", seed=seed, variant=variant, val_true_hue_ratio=ratio))
    return pd.concat(parts, ignore_index=True)


def of_curves(*parts: pd.DataFrame) -> Results:
    history = pd.concat(parts, ignore_index=True)
    usual = history.variant == ""
    summary = {"profile": "ablation", "passports": {}, "test_data": "", "pictures": 0}
    return Results(summary, history[usual].drop(columns="variant"), {}, history[~usual])


def test_an_interval_over_seeds_is_students():
    found = Effect("val_ab_error(l2)").measure(of_curves(curves({0: [9, 8, 1], 1: [9, 8, 2], 2: [9, 8, 3]})))
    assert (found.value, found.seeds, found.df) == (2, 3, 2)
    assert found.high - 2 == pytest.approx(4.302653 / math.sqrt(3)), "t with two degrees of freedom times the error"


def test_variants_are_compared_seed_by_seed():
    plain, other = curves({0: [9, 8, 1], 1: [9, 8, 2]}), curves({0: [9, 8, 1.5], 1: [9, 8, 3], 2: [9, 8, 99]}, "lr=0.1")
    found = Effect("(val_ab_error(l2 lr=0.1) - val_ab_error(l2)) / val_ab_error(l2)").measure(of_curves(plain, other))
    assert found.value == 0.5 and found.seeds == 2


def test_settled_is_what_stays_near_its_end():
    curve = curves({0: [1] * 6})
    assert effects.settled_epoch(curve) == 3, "the ratio comes to its end in the third"
    curve["val_plain"] = [1.0, 1.0, 1.0, 1.5, 1.01, 1.0]
    assert effects.settled_epoch(curve) == 5, "a loss that leaves it again has not settled"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("val_ab_error(l2 lr=0.1)", "no curve of l2 lr=0.1"),
        ("val_ab_error(l2) - auc(l2)", "mixes auc with what is read from curves"),
        ("settled_epoch(l2)", "the curves of l2 lack what settled_epoch needs"),
    ],
)
def test_what_curves_cannot_give(text, message):
    two = curves({0: [9, 8, 1], 1: [9, 8, 2]}).drop(columns="val_true_hue_ratio")
    with pytest.raises(ValueError, match=re.escape(message)):
        Effect(text).measure(of_curves(two))


def test_one_seed_has_no_interval_over_seeds():
    with pytest.raises(ValueError, match=re.escape("1 seed(s) in common")):
        Effect("val_ab_error(l2)").measure(of_curves(curves({0: [9, 8, 1]})))
