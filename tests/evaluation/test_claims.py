"""The claims as data, the rules of both versions that decide them, and the tables that show them."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny
from scipy.stats import norm, t

from colorize_lib.config import load_config, settings_of
from colorize_lib.evaluation import claims, metrics, results
from colorize_lib.evaluation.claims import Check, Hypothesis, load_hypotheses, verdict, wording
from colorize_lib.evaluation.effects import Effect
from colorize_lib.evaluation.intervals import Interval
from colorize_lib.evaluation.measuring import SUBSETS
from colorize_lib.evaluation.results import Results

ROOT = Path(__file__).parent.parent.parent
RULES = load_hypotheses()
IDS = [f"H{i}" for i in range(1, 22)]
PREDICTIONS = [f"P{i}" for i in range(1, 7)]
SYSTEMS = ("student_mse", "l2", "l2_rebal", "ce@1", "ce@0.38", "ce_rebal@1", "grey")

each_rule = pytest.mark.parametrize("hypothesis", RULES, ids=lambda h: h.id)


def effect(low: float, high: float, seeds: int = 3) -> Interval:
    se = (high - low) / 2 / norm.ppf(0.975)
    return Interval((low + high) / 2, low, high, seeds, 100, se, 1e9)


class Made(Results):
    """Results that give prepared effects, one after another, to whatever is asked; the last one again and again."""

    def __init__(self, *effects: Interval, systems=SYSTEMS, skill: float = 0.5, profile: str = "evening"):
        passports = {f"{arm}-s0-x": {"arm": arm} for arm in ("student_mse", "l2", "ce")}
        summary = {"profile": profile, "systems": {s: {"seeds": [0]} for s in systems}, "passports": passports}
        super().__init__(summary, pd.DataFrame(), {}, pd.DataFrame())
        object.__setattr__(self, "effects", list(effects))
        object.__setattr__(self, "skill", skill)

    def _next(self, *places):
        asked = [p if isinstance(p, str) else p[0] for p in places if not callable(p)]
        if unknown := [p for p in asked if p not in (*self.summary["systems"], *metrics.METRICS, *SUBSETS)]:
            raise ValueError(f"no result {unknown[0]}")
        return self.effects.pop(0) if len(self.effects) > 1 else self.effects[0]

    def interval(self, system: str, metric: str) -> Interval:
        if metric == "skill_mean":
            return effect(self.skill - 0.01, self.skill + 0.01)
        return self._next(system)

    def effect(self, f, terms, subset=""):
        return self._next(*terms)


def check(must: str = "> 0", text: str = "auc(ce@1 - l2)", **more) -> Check:
    return Check(Effect(text), must, **more)


def hypothesis(*checks: Check, combine: str = "all", profile: str = "evening") -> Hypothesis:
    return Hypothesis("H0", "title", "claim", "rule", profile, combine=combine, checks=checks)


# ---------------------------------------------------------------------------------------------------------- the file


def test_all_claims_are_there_in_order():
    assert [h.id for h in RULES] == IDS + PREDICTIONS
    assert [name for name in claims.read()["version1"] if name.startswith("H")] == IDS
    assert [h.id for h in RULES if not h.checks] == ["H20"], "left to the readers"


def margins_in(checks) -> set[str]:
    return {
        f"{abs(float(text.split()[-1])):g}" for c in checks for text in (c.must, c.refuted) if text and not c.report
    }


WORDS_OF = {
    "0.5": "half",
    "0.25": "a quarter",
    "0.2": "fifth|equal in accuracy",
    "0": "higher|lower|larger|beats|below 0",
}
WORDS_OF |= {"0.01": "1 %", "0.1": "10 %|0.1", "0.005": "0.005|0.5 points"}


@each_rule
def test_the_rule_in_words_names_every_margin(hypothesis):
    words = f"{hypothesis.rule} {hypothesis.wrong}"
    if "as version 1" not in words and hypothesis.id != "H14":  # these have the margins of version 1
        for margin in margins_in(hypothesis.checks):
            assert re.search(rf"(?<![\d.]){re.escape(margin)}(?![\d]|\.\d)|{WORDS_OF.get(margin, '@')}", words), margin


def test_relevance_has_the_margins_of_version_1_and_superiority_stands_beside():
    (h14,) = (h for h in RULES if h.id == "H14")
    first = json.loads((ROOT / "book/results/version1.json").read_text())["verdicts"]["H14"]["findings"]
    margins = [c.must for c in h14.checks if not c.report]
    assert sorted(margins) == sorted(f["must"] for f in first) and len(margins) == 8
    relevant, beside = ({c.effect.text: c.must for c in h14.checks if c.report is report} for report in (False, True))
    assert {text: must[0] for text, must in relevant.items()} == {text: must[0] for text, must in beside.items()}
    assert {must[1:] for must in beside.values()} == {" 0"}


def test_the_slope_is_that_of_least_squares():
    checks = next(h for h in RULES if h.id == "H13").checks
    doublings = np.log2([1400, 4800, 14386, 43000, 86310])
    for one in checks:
        found = [re.search(r"train_photos=(\d+)", t.system) for t in one.effect.terms]
        assert [int(f[1]) if f else 14386 for f in found] == [1400, 4800, 14386, 43000, 86310]
        assert one.effect(*(7 + 0.25 * doublings)) == pytest.approx(0.25, abs=1e-3)


def test_equivalences_have_a_floor_unless_there_is_one_system_only():
    bare = {h.id for h in RULES for c in h.checks if c.within and not c.report and not c.floor}
    assert bare == {"P6"}


@pytest.mark.parametrize("name", IDS)
def test_texts_are_sentences(name):
    first = claims.read()["version1"][name]
    for text in (first["claim"], first["experiment"], first["rule"]):
        assert text[0].isupper() or text[0] == "`", text
        assert text[-1] in ".?", text
    assert first["title"][0].isupper() and first["title"][-1] != "."
    assert first["rule"].startswith(("Confirmed", "Refuted", "For each"))


@each_rule
def test_titles_are_for_readers(hypothesis):
    for one in hypothesis.checks:
        assert not re.search(r"\w\(", one.title or one.effect.title), "an effect of more than two terms needs a title"


def test_runs_name_known_claims_and_every_claim_waits_for_some():
    waiting = {name for entry in claims.read()["runs"] for name in entry["decides"]}
    assert waiting == set(IDS + PREDICTIONS) - {"H20"}, "that waits for readers"


def test_every_variant_of_a_rule_is_in_the_run_list(extension):
    named = set()
    for entry in claims.read()["runs"]:
        for values in itertools.product(*entry.get("vary", {}).values()):
            setting = dict(zip(entry.get("vary", {}), values, strict=True))
            named |= {(entry["profile"], extension.wanted_variant(entry, setting, arm)) for arm in entry["arms"]}
    assert named >= {(h.profile, variant_in(t.system)) for h in RULES for c in h.checks for t in c.effect.terms}


def variant_in(system: str) -> str:
    return system.partition(" ")[2]


WRONG = {
    "'larger 2' is no demand on an effect; allowed: > x": {"must": "larger 2"},
    "'>= 2' is no demand": {"must": ">= 2"},
    "metric 'auk' is unknown": {"effect": "auk(l2)"},
    "system 'l3' is unknown; allowed: student_mse": {"effect": "auc(l3 - l2)"},
    "system 'l4' is unknown": {"floor": ["l4"]},
    "subset 'dim' is unknown; allowed: all, dark": {"effect": "auc(l2; dim)"},
    "margin=0.0 of an equivalence must be above 0": {"must": "within 0"},
    "demands nothing and is no report": {"must": ""},
    "has reports only": {"report": True},
}


def changed(**fields) -> dict:
    """The content of hypotheses.toml with H1 alone, and fields of its rule replaced."""
    table = claims.read()
    return {"version1": table["version1"], "version2": {"H1": table["version2"]["H1"] | fields}}


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_check_is_refused_with_its_claim(message):
    with pytest.raises(ValueError, match=f"H1.*{re.escape(message)}"):
        load_hypotheses(changed(checks=[{"effect": "auc(ce@1 - l2)", "must": "> 0"} | WRONG[message]]))


def test_an_unknown_way_to_combine_is_refused():
    with pytest.raises(ValueError, match="combine 'some' is unknown; allowed: all, any, each, most"):
        load_hypotheses(changed(combine="some"))


def test_a_claim_that_is_not_there():
    with pytest.raises(ValueError, match="hypothesis 'H22' is unknown; allowed: H1"):
        claims.decide("H22")


def test_checks_are_made_of_all_combinations():
    rows = [
        {"effect": "recall_{s}({x})", "over": {"s": ["red", "blue"], "x": ["l2", "ce@1"]}, "must": "> 0", "part": "{s}"}
    ]
    (found,) = load_hypotheses(changed(checks=rows))
    assert [(c.effect.text, c.part) for c in found.checks] == [
        ("recall_red(l2)", "red"), ("recall_red(ce@1)", "red"),
        ("recall_blue(l2)", "blue"), ("recall_blue(ce@1)", "blue"),
    ]  # fmt: skip


def test_titles_of_checks_name_systems_and_settings_for_readers():
    over = {"system": ["ce@1"], "network": ["eccv16_kernel_minus"], "other": ["red"]}
    effect = "recall_{other}({system} architecture={network})"
    row = {"effect": effect, "over": over, "must": "> 0", "title": "{other}, {network}, {system}", "part": "{system}"}
    (found,) = load_hypotheses(changed(checks=[row]))
    (one,) = found.checks
    assert one.effect.text == "recall_red(ce@1 architecture=eccv16_kernel_minus)", "the rule itself keeps its words"
    assert (one.title, one.part) == ("red, kernels one smaller, cross entropy, T = 1", "cross entropy, T = 1")


# --------------------------------------------------------------------------------------------------------- the rules


@pytest.mark.parametrize(
    ("must", "low", "high", "word"),
    [
        ("> 2", 2.1, 3.0, "confirmed"),
        ("> 2", 0.5, 1.9, "refuted"),
        ("> 2", 1.0, 3.0, "undecided"),
        ("> 2", 2.0, 3.0, "undecided"),
        ("< -0.5", -2.0, -0.6, "confirmed"),
        ("< -0.5", -0.4, 1.0, "refuted"),
        ("< -0.5", -0.6, 0.0, "undecided"),
        ("within 0.5", -0.1, 0.1, "confirmed"),
        ("within 0.5", 0.6, 0.9, "refuted"),
        ("within 0.5", -0.9, -0.6, "refuted"),
        ("within 0.5", 0.3, 0.7, "undecided"),
        ("within 0.5", -0.8, 0.8, "undecided"),
        ("within 0.5", 0.0, 0.0, "confirmed"),
        ("within 0.5", 0.8, 0.8, "refuted"),
        ("not < -0.5", -0.4, 9.0, "confirmed"),
        ("not < -0.5", -0.9, -0.6, "refuted"),
        ("not < -0.5", -0.6, 0.6, "undecided"),
        ("> 0", float("nan"), float("nan"), "undecided"),
        ("within 0.5", float("nan"), float("nan"), "undecided"),
    ],
)
def test_a_single_rule(must, low, high, word):
    found = verdict(hypothesis(check(must)), Made(effect(low, high)))
    assert found.verdict == found.findings[0].verdict == word


@pytest.mark.parametrize(
    ("must", "refuted", "low", "high", "word"),
    [
        ("> 0.5", "< 0.25", 0.1, 0.2, "refuted"),
        ("> 0.5", "< 0.25", 0.3, 0.4, "undecided"),
        ("> 0.5", "< 0.25", 0.6, 0.7, "confirmed"),
        ("< 0", "> -0.005", -0.004, -0.001, "confirmed"),
        ("< 0", "> -0.005", -0.004, 0.001, "refuted"),
        ("< 0", "> -0.005", -0.006, 0.001, "undecided"),
        ("within 0.2", "> 0.2", 0.3, 0.4, "refuted"),
        ("within 0.2", "> 0.2", -0.4, -0.3, "undecided"),
    ],
)
def test_what_refutes_may_have_a_bound_of_its_own(must, refuted, low, high, word):
    found = verdict(hypothesis(check(must, refuted=refuted)), Made(effect(low, high)))
    assert found.verdict == word


def test_equivalence_is_the_ninety_percent_interval_that_is_shown():
    """A 95 % interval of -0.41 to 0.55 about 0.07 has, by Student's t with 2 degrees of freedom, a 90 % interval that
    ends at 0.397."""
    result, margins = Made(dataclasses.replace(effect(-0.41, 0.55), se=0.112, df=2.0)), ("0.41", "0.39")
    checks = [check(f"within {margin}", "ciede2000(ce@1 - l2)") for margin in margins]
    found = [verdict(hypothesis(one), result) for one in checks]
    assert [one.verdict for one in found] == ["confirmed", "undecided"]
    assert found[0].findings[0].measured == ("+0.07", "[-0.41, +0.55]", "90 % [-0.26, +0.40]")
    for margin, one in zip(margins, found, strict=True):
        larger = t.cdf((0.07 - float(margin)) / 0.112, 2)  # of the p values of two one-sided tests
        assert (larger < 0.05) == (one.verdict == "confirmed")


UP, DOWN, FLAT = effect(1, 2), effect(-2, -1), effect(-1, 1)


@pytest.mark.parametrize(
    ("combine", "effects", "word"),
    [
        ("all", [UP, UP], "confirmed"),
        ("all", [UP, FLAT], "undecided"),
        ("all", [FLAT, DOWN], "refuted"),
        ("any", [FLAT, UP], "confirmed"),
        ("any", [FLAT, DOWN], "undecided"),
        ("any", [DOWN, DOWN], "refuted"),
        ("each", [UP, DOWN], "mixed"),
        ("each", [UP, FLAT], "mixed"),
        ("each", [DOWN, DOWN], "refuted"),
        ("most", [UP, UP, DOWN], "confirmed"),
        ("most", [DOWN, DOWN, FLAT], "refuted"),
        ("most", [UP, DOWN], "undecided"),
        ("most", [UP, UP, DOWN, DOWN], "undecided"),
    ],
)
def test_how_findings_combine(combine, effects, word):
    checks = [check(text=f"{name}(ce@1 - l2)") for name in ("auc", "psnr", "ssim", "skill")[: len(effects)]]
    assert verdict(hypothesis(*checks, combine=combine), Made(*effects)).verdict == word


def test_parts_are_judged_by_themselves():
    checks = [check(part=part) for part in ("dark", "dark", "white")]
    found = verdict(hypothesis(*checks), Made(UP, FLAT, UP))
    assert found.verdict == "mixed" and found.parts == {"dark": "undecided", "white": "confirmed"}
    same = verdict(hypothesis(*checks), Made(UP))
    assert same.verdict == "confirmed" and set(same.parts.values()) == {"confirmed"}
    assert verdict(hypothesis(check()), Made(UP)).parts is None


def test_a_report_decides_nothing():
    shown, judged = check("", "psnr(ce@1 - l2)", report=True), check("> 0", "ssim(ce@1 - l2)", report=True)
    found = verdict(hypothesis(check(), shown, judged), Made(UP, DOWN, DOWN))
    assert found.verdict == "confirmed"
    assert [finding.verdict for finding in found.findings] == ["confirmed", "", "refuted"]
    assert list(found.table().finding) == ["confirmed", "reported only", "reported only: refuted"]


def test_an_equivalence_of_networks_without_skill_is_too_weak_to_tell():
    equal = check("within 3", floor=("l2", "ce@1"))
    assert verdict(hypothesis(equal), Made(FLAT)).verdict == "confirmed"
    for skill in (0.04, 0.055, math.nan):  # the interval, 0.01 to each side, must lie above 0.05
        for found in (FLAT, effect(4, 5), effect(2, 4)):
            assert verdict(hypothesis(equal), Made(found, skill=skill)).verdict == "too weak to tell", (skill, found)
    weak = Made(FLAT, DOWN, skill=0.01)
    assert verdict(hypothesis(equal, check()), weak).verdict == "refuted", "another check refutes by itself"
    assert verdict(hypothesis(equal, check()), Made(FLAT, UP, skill=0.01)).verdict == "too weak to tell"


def test_that_something_is_certainly_better_needs_no_skill():
    no_worse = check("not < -1", floor=("l2",))
    assert verdict(hypothesis(no_worse), Made(effect(-3, -2), skill=0.01)).verdict == "refuted"
    for found in (FLAT, effect(-2, 0)):
        assert verdict(hypothesis(no_worse), Made(found, skill=0.01)).verdict == "too weak to tell"


def p_of(p: float, away: float = 1.0, margin: float = 0.0) -> Interval:
    """An interval whose two-sided p value against `margin` is `p`, about a value that is `away` from it."""
    return Interval.of(margin + away, abs(away) / norm.isf(p / 2), 1e9, 3, 100)


def test_holm_acts_on_the_checks_of_superiority_of_one_claim():
    family = [check(family="H0") for _ in range(3)]
    found = verdict(hypothesis(*family), Made(p_of(0.01), p_of(0.02), p_of(0.03)))
    assert [round(f.p, 3) for f in found.findings] == [0.03, 0.04, 0.04] and found.verdict == "confirmed"
    assert found.findings[0].measured[-1] == "p = 0.030"
    found = verdict(hypothesis(*family), Made(p_of(0.02), p_of(0.03), p_of(0.04)))
    assert [round(f.p, 3) for f in found.findings] == [0.06, 0.06, 0.06] and found.verdict == "undecided"
    assert verdict(hypothesis(*[check()] * 3), Made(p_of(0.02), p_of(0.03), p_of(0.04))).verdict == "confirmed", (
        "no family"
    )
    alone = verdict(hypothesis(family[0]), Made(p_of(0.04)))
    assert alone.verdict == "confirmed" and alone.findings[0].p is None


def test_holm_tests_against_the_margin_not_against_nothing():
    family = [check("> 1", family="H0"), check("> 1", family="H0")]
    shifted = [p_of(p, margin=1) for p in (0.03, 0.04)]
    found = verdict(hypothesis(*family), Made(*shifted))
    assert [round(f.p, 3) for f in found.findings] == [0.06, 0.06]
    assert found.verdict == "undecided", "each by itself lies above 1"


def test_no_worse_is_a_one_sided_test_without_correction_and_worse_is_corrected():
    family = [check("not < -0.5", family="H0") for _ in range(3)]
    inside = Interval.of(-0.4, 0.055, 1e9, 3, 100)  # 90 % down to -0.49, 95 % to -0.51
    found = verdict(hypothesis(*family), Made(inside))
    assert found.verdict == "confirmed" and inside.low < -0.5
    assert found.findings[0].measured == ("-0.400", "[-0.508, -0.292]", "90 % [-0.490, -0.310]")
    assert found.findings[0].check.rule == "\u2265 -0.5"
    below = p_of(0.03, -1.0, margin=-0.5)
    assert verdict(hypothesis(family[0]), Made(below)).verdict == "refuted"
    assert verdict(hypothesis(*family), Made(below)).verdict == "undecided"


def test_equivalences_need_no_correction_to_confirm_but_to_refute():
    family = [check("within 0.5", family="H0"), check("within 0.5", family="H0"), check(family="H0")]
    inside = Interval.of(0.4, 0.055, 1e9, 3, 100)  # 90 % up to 0.49
    found = verdict(hypothesis(*family), Made(inside, inside, p_of(0.04)))
    assert [f.verdict for f in found.findings] == ["confirmed"] * 3, "one check of superiority is no family"
    outside = p_of(0.03, margin=0.5)
    found = verdict(hypothesis(*family), Made(outside, outside, UP))
    assert [f.verdict for f in found.findings] == ["undecided", "undecided", "confirmed"]


# ------------------------------------------------------------------------------------------------- what is missing


@pytest.mark.parametrize(
    ("profile", "seeds", "word"), [("evening", 1, "open"), ("evening", 2, "confirmed"), ("ablation", 2, "open")]
)
def test_a_verdict_needs_its_seeds(profile, seeds, word):
    found = verdict(hypothesis(check(), profile=profile), Made(effect(1, 2, seeds), profile=profile))
    assert found.verdict == word and found.findings[0].verdict == "confirmed", "provisional"
    needed = {"evening": 2, "ablation": 3}[profile]
    assert found.missing == ((f"{seeds} of {needed} seeds that it needs at least",) if word == "open" else ())


def test_a_missing_system_leaves_the_claim_open_with_what_is_there():
    checks = check(), check(text="auc(ce@1 - l2 from=ce)"), check(text="auc(ce@1:mode - l2 from=ce)", report=True)
    found = verdict(hypothesis(*checks), Made(UP))
    assert found.verdict == "open" and found.missing == ("`evening/l2 from=ce`",)
    assert [f.verdict for f in found.findings] == ["confirmed"]
    reports = verdict(hypothesis(check(), checks[2]), Made(UP))
    assert reports.verdict == "confirmed", "a report that is missing holds up nothing"


def test_a_missing_profile_or_metric_leaves_the_claim_open(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "BOOK", tmp_path)
    found = verdict(hypothesis(check()))
    assert found.verdict == "open" and found.missing == ("profile `evening` is not recorded",)
    other = hypothesis(check(text="auc(l2) - auc(laptop/l2)"))
    assert verdict(other, Made(UP)).missing == ("`laptop/l2`",)

    class Bare(Made):
        def effect(self, *_, **__):
            raise ValueError("no result l2/auc in profile 'evening'")

    assert verdict(hypothesis(check()), Bare(UP)).missing == ("no result l2/auc in profile 'evening'",)


def test_the_runs_behind_a_verdict():
    made = Made(UP)
    made.summary["passports"]["l2-s0-other"] = {"arm": "l2", "variant": "from=ce"}
    assert verdict(hypothesis(check()), made).runs == ("l2-s0-x", "ce-s0-x")


def test_verdicts_are_counted_in_order():
    found = [claims.Verdict(RULES[0], word) for word in ("open", "refuted", "open", "confirmed")]
    assert list(claims.counts(found).items()) == [("confirmed", 1), ("refuted", 1), ("open", 2)]


@pytest.mark.parametrize(("interval", "word"), [(UP, "higher"), (DOWN, "lower"), (FLAT, "not told apart")])
def test_words_for_prose(interval, word):
    assert wording(interval) == word
    assert wording(UP, words=("better", "worse", "equal")) == "better"


# ------------------------------------------------------------------------------------------------ on measured results


@pytest.fixture(scope="module")
def measured() -> Results:
    return tiny.experiment().results


def test_a_small_effect_may_be_shown_with_more_digits():
    shown = claims.Finding(check(digits=5), effect(-0.0006, 0.0014), "").measured
    assert shown == ("+0.00040", "[-0.00060, +0.00140]", "")


@pytest.mark.parametrize(
    ("must", "low", "high", "outside"),
    [
        ("within 2", 2.1, 3, True), ("within 2", -3, -2.1, True), ("within 2", 1.9, 3, False),
        ("within 2", -1, 1, False), ("> 2", 2.1, 3, False), ("not < -2", -4, -3, True), ("not < -2", 9, 10, False),
    ],
)  # fmt: skip
def test_what_is_too_weak_may_lie_outside_its_margin(must, low, high, outside):
    assert claims.Finding(check(must), effect(low, high), "too weak to tell").outside is outside


def test_every_claim_has_a_verdict(measured):
    found = {h.id: verdict(h, measured) for h in RULES if h.profile == "evening"}
    lacking = {name for name, one in found.items() if one.verdict == "open"}
    assert lacking == {"H2", "P3", "P4", "H20"}, "runs with other settings, l2_rebal, readers"


def test_an_effect_is_shown_with_its_interval(measured):
    shown = measured.difference("ce@1", "l2", "colourfulness")
    found = claims.decide("P1", measured)
    inner = f"90 % [{shown.inner[0]:+.2f}, {shown.inner[1]:+.2f}]"
    assert found.findings[2].measured == (f"{shown.value:+.2f}", f"[{shown.low:+.2f}, {shown.high:+.2f}]", inner)
    assert found.findings[2].title == "colourfulness: cross entropy, T = 1, minus L2 on ab"
    assert {run[:4] for run in found.runs} == {"ce-s", "l2-s"} and len(found.runs) == 4


def test_rules_of_version_2_are_applied_to_measured_sums(measured):
    """Everything that tiny runs have is measured; what they lack is named and nothing else."""
    for h in (h for h in RULES if h.profile == "evening" and h.id != "H2"):
        found = verdict(h, measured)
        lacking = {m.strip("`").partition("/")[2] for m in found.missing}
        assert lacking <= {"l2_rebal"}, (h.id, found.missing)
        assert len(found.findings) == len(h.checks) or found.missing, h.id


def tables_of(shift: float, skill: float, images: int = 200) -> dict:
    """Per-image sums of `l2` and `ce@1`: M3 of 20 against 20 + `shift`, of 40 by truth, and how much ab error each
    removes of the mean colour's."""
    chance = np.random.default_rng(0)
    out = {"grey": {None: pd.DataFrame({"colourfulness_true": 40.0, "images": 1.0}, index=range(images))}}
    hard = chance.normal(0, 0.5, images)
    for name, m3 in (("l2", 20.0), ("ce@1", 20.0 + shift)):
        by_seed = out.setdefault(name, {})
        for seed in range(3):
            noise = hard + chance.normal(0, 0.2, images) + chance.normal(0, 0.02)
            sums = {
                "images": 1.0,
                "colourfulness": m3 + noise,
                "err": (1 - skill) * (10 + noise),
                "err_mean": 10 + noise,
            }
            sums |= {"chroma_pred": 5 + 0.1 * noise, "chroma_true": 10.0}
            by_seed[seed] = pd.DataFrame(sums, index=range(images))
    return out


@pytest.mark.parametrize(
    ("shift", "skill", "h1", "p1"),
    [
        (0.1, 0.3, "refuted", "confirmed"),
        (15.0, 0.3, "confirmed", "refuted"),
        (10.0, 0.3, "undecided", "refuted"),
        (0.1, 0.01, "refuted", "too weak to tell"),
    ],
)
def test_from_sums_to_verdicts(shift, skill, h1, p1):
    tables = tables_of(shift, skill)
    systems = {name: {"seeds": [s for s in by if s is not None]} for name, by in tables.items()}
    summary = {"profile": "evening", "systems": systems, "passports": {}, "test_data": "x"}
    found = Results(summary, pd.DataFrame(), tables, pd.DataFrame())
    assert claims.decide("H1", found).verdict == h1
    assert claims.decide("P1", found).verdict == p1


# ----------------------------------------------------------------------------------------------- tables in the pages


@pytest.fixture
def extension(monkeypatch):
    pytest.importorskip("sphinx")
    import results_ext

    monkeypatch.setattr(results_ext, "load", lambda profile: tiny.experiment().results)
    monkeypatch.setattr(results_ext, "verdict", results_ext.verdict.__wrapped__)  # without its cache
    return results_ext


@pytest.fixture
def decided(extension, monkeypatch, tmp_path):
    """The extension with verdicts that tiny runs give; nothing else is recorded."""
    with monkeypatch.context() as now:
        now.setattr(results, "BOOK", tmp_path)
        found = {h.id: verdict(h, tiny.experiment().results if h.profile == "evening" else None) for h in RULES}
    monkeypatch.setattr(extension, "verdict", found.__getitem__)
    return extension


def test_a_number_is_looked_up_by_its_place(extension, measured):
    look = extension.lookup
    assert look("laptop/l2/auc") == measured.interval("l2", "auc")
    assert look("laptop/ce@1 - l2/auc") == measured.difference("ce@1", "l2", "auc")
    assert look("laptop/all/l2/skill") == measured.subset("all", "l2", "skill")
    assert look("laptop/pictures") == tiny.LIMIT and look("laptop/n_seeds") == "2"
    assert look("laptop/passports/l2-s0/steps") == 4
    for place in ("laptop/l3/auc", "laptop/l2/auk", "laptop/passports/l2/steps", "laptop/dim/l2/psnr", "laptop/x"):
        with pytest.raises(extension.MISSING):
            look(place)


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (effect(-0.5, 0.25), ".2f", "-0.12"),
        (effect(-0.5, 0.25), "ci+.2f", "-0.12 [-0.50, +0.25]"),
        (4000, ",d", "4,000"),
        ("CPU, 2 cores", "", "CPU, 2 cores"),
        ("2026-11-24", "", "2026-11-24"),
    ],
)
def test_a_number_is_formatted(extension, value, form, text):
    assert extension.show(value, form) == text


@pytest.mark.parametrize(("value", "form"), [(effect(float("nan"), float("nan")), ".2f"), (None, ".2f"), (3, "ci.2f")])
def test_what_was_not_measured_is_not_shown(extension, value, form):
    with pytest.raises(extension.MISSING):
        extension.show(value, form)


def test_a_cell_is_text_whatever_it_begins_with(extension):
    cells = ["> 0.005", "- 1", "+ 2", "-", "\u22120.1 [\u22120.2, 0]", "`l2`", ""]
    source = extension.table(dict.fromkeys("abcdefg", 1), [cells])
    shown = [line[4:] for line in source.splitlines() if line.startswith(("* - ", "  - "))][7:]
    assert shown == ["\\> 0.005", "\\- 1", "\\+ 2", "\\-", *cells[4:6], "\N{NO-BREAK SPACE}"]


@each_rule
def test_the_claims_page_has_every_claim_under_its_title(hypothesis):
    page = (ROOT / "book/claims.md").read_text()
    assert f"(claim-{hypothesis.id.lower()})=\n### {hypothesis.id}: {hypothesis.title}\n" in page
    assert re.search(rf"^```\{{claim\}} {hypothesis.id}\n```$", page, re.M)


def test_the_words_of_version_2_are_those_that_were_fixed():
    """A digest of the words as they were committed before any result: they may be explained, but not changed."""
    rows = {name: row for name, row in claims.read()["version2"].items() if isinstance(row, dict)}
    assert list(rows) == IDS + PREDICTIONS
    words = [[row.get(key, "") for key in ("title", "confirmed", "refuted", "wrong")] for row in rows.values()]
    assert hashlib.sha256(json.dumps(words).encode()).hexdigest()[:16] == "19c80ec813656597"
    first = [[row[key] for key in ("claim", "experiment", "rule")] for row in claims.read()["version1"].values()
             if isinstance(row, dict)]  # fmt: skip
    assert hashlib.sha256(json.dumps(first).encode()).hexdigest()[:16] == "dc69f9677cffe500"


def test_the_page_says_when_the_rules_were_fixed(extension):
    text = " ".join(extension.Rules.source(bare(extension.Rules), "").split())
    assert "Version 1 was written and committed on 2026-11-24 as `ffecb8b`, before any result" in text
    assert "committed on 2026-11-26 as `93a7be3`, before any network of profile `evening`" in text


def test_a_claim_shows_its_verdict_first_and_version_1_folded(decided):
    text = decided.Claim.source(bare(decided.Claim), "H5")
    assert text.startswith("**Verdict.** {verdict}`")
    places = [text.index(part) for part in ("**Rule.**", "Effect", "{dropdown} Version 1", "**What was wrong")]
    assert places == sorted(places)
    rule, fold = text[places[0] : places[2]], text[places[2] :]
    assert "less than 2.3 CIEDE2000" in rule and "CIEDE2000 from the mean" in rule
    assert "{verdict}`refuted`" in fold and "Confirmed if the mean CIEDE2000 error" in fold, "the recorded words"
    assert "Compared two errors instead of two pictures." in fold


def test_an_open_claim_says_what_is_missing_and_shows_the_rest_as_provisional(decided, monkeypatch):
    text = decided.Claim.source(bare(decided.Claim), "P3")
    assert text.startswith("**Verdict.** {verdict}`open`. Chapter {doc}`09 </notebooks/09_one_posterior>`.\n\n")
    assert "\n\nMissing: `smoke/l2_rebal`. Waits for: all arms on" in text.partition("``````{dropdown}")[0], "folded"
    monkeypatch.setattr(results, "BOOK", Path("no book"))
    alone = decided.Claim.source(bare(decided.Claim), "H9")
    assert "Missing: profile `ablation` is not recorded. " in alone and "**Provisional**" not in alone
    (h1,) = (h for h in RULES if h.id == "H1")
    found = verdict(h1, tiny.experiment().results.only(["l2", "ce"]))
    one = dataclasses.replace(found, verdict="open", missing=("a", "b", "c", "d", "e"))
    assert "Missing: a; b; c; and 2 more. " in decided.Claim._verdict(bare(decided.Claim), one)
    decided.verdict = {"H1": one}.__getitem__
    assert "**Provisional**, of what is recorded so far, and no verdict:\n\n````{list-table}" in decided.Claim.source(
        bare(decided.Claim), "H1"
    )


def test_a_prediction_has_no_version_1(decided):
    text = decided.Claim.source(bare(decided.Claim), "P1")
    assert "dropdown" not in text and "**Claim**" not in text and "**Rule.** Confirmed if certainly: equal" in text


def test_the_tables_have_a_line_for_each(decided):
    rows = decided.Verdicts.source(bare(decided.Verdicts), "").split("* - [")[1:]
    assert [row.partition("]")[0] for row in rows] == IDS
    assert all(f"{{verdict}}`v1/{name}`" in row for name, row in zip(IDS, rows, strict=True))
    h7 = decided.verdict("H7")
    assert "; ".join(f"{part}: {word}" for part, word in h7.parts.items()) in rows[6]
    rows = decided.Predictions.source(bare(decided.Predictions), "").split("* - [")[1:]
    assert [row.partition("]")[0] for row in rows] == PREDICTIONS and "v1/" not in "".join(rows)


def test_words_of_both_versions(decided):
    assert decided.word("v1/H5") == "refuted" and decided.word("v1/H2") == "open"
    assert decided.word("H20") == "open" and decided.word("H5") == decided.verdict("H5").verdict
    for place in ("v2/H5", "laptop/H5", "H22", "v1/P1"):
        with pytest.raises(decided.MISSING):
            decided.word(place)
    assert decided.mark("too weak to tell")["classes"] == ["verdict", "verdict-too-weak-to-tell"]


def test_verdicts_are_counted_for_prose(extension, monkeypatch):
    words = {"H1": "confirmed", "H2": "refuted", "H3": "refuted", "H4": "too weak to tell", "P1": "confirmed"}
    made = {h.id: claims.Verdict(h, words.get(h.id, "open")) for h in RULES}
    monkeypatch.setattr(extension, "verdict", made.__getitem__)
    count = extension.counted_verdicts
    assert count("H") == "1 confirmed, 2 refuted, 1 too weak to tell, 17 open" and count("P") == "1 confirmed, 5 open"
    assert [count(f"H/{which}") for which in ("open", "decided", "all", "refuted", "mixed")] == [
        "17",
        "3",
        "21",
        "2",
        "0",
    ]
    for place in ("X", "H/most"):
        with pytest.raises(ValueError, match="counts nothing; allowed: H or P"):
            count(place)


def test_recorded_verdicts_have_a_sign(extension):
    css = (ROOT / "book/_static/custom.css").read_text()
    for word in claims.WORDS:
        assert f".verdict-{word.replace(' ', '-')}::before" in css, word


def test_the_run_list_counts_what_is_recorded(extension, monkeypatch):
    config = settings_of(load_config("ablation", lambda_=0.25)) | {"temperature": 0.5}
    passport = {"arm": "ce_rebal", "profile": "ablation", "seed": 1, "config": config}
    recorded = type("R", (), {"summary": {"passports": {"a": passport, "b": {**passport, "seed": 77}}}})
    monkeypatch.setattr(extension.results, "recorded", lambda: ["ablation"])
    monkeypatch.setattr(extension.results, "load", lambda name: recorded)
    rows = extension.run_list()
    (row,) = (row for row in rows if "lambda_" in row["command"])
    assert (row["recorded"], row["wanted"]) == (1, 12)
    assert sum(row["recorded"] for row in rows) == 1
    assert row["command"].startswith("colorize sweep --profile ablation")
    assert row["command"].endswith("--seeds 0,1,2 --arms l2_rebal,ce_rebal --vary lambda_ 0.75 0.25")


def test_the_run_list_names_what_has_one_value_as_a_setting(extension):
    (row,) = (row for row in extension.run_list() if row["about"] == "settings of Adam")
    assert "--vary betas '[0.9,0.99]' '[0.9,0.999]'" in row["command"] and "-p steps 2000" in row["command"]
    assert row["wanted"] == 4 * 2 * 2 * 2 * 3


def test_the_run_list_tells_runs_apart_that_took_something_from_files(extension, monkeypatch):
    config = settings_of(load_config("ablation"))
    plain = {"arm": "ce_rebal", "profile": "ablation", "seed": 1, "config": config}
    grown = plain | {"seed": 0, "parent": {"arm": "l2", "part": "whole"}}
    passports = {"a": plain, "b": plain | {"seed": 2, "prior": "imagenet"}, "c": grown}
    monkeypatch.setattr(extension.results, "recorded", lambda: ["ablation"])
    recorded = type("R", (), {"summary": {"passports": passports}})
    monkeypatch.setattr(extension.results, "load", lambda name: recorded)
    found = {row["about"]: row["recorded"] for row in extension.run_list()}
    assert found["the settings that variants are compared to"] == found["the prior of another data set"] == 1


def test_the_run_list_tells_one_cycle_from_another(extension, monkeypatch):
    passports, parent = {}, None
    for cycle in range(3):
        passport = {"arm": "ce", "profile": "evening", "seed": 0, "config": settings_of(load_config("evening"))}
        passports[cycle] = passport | {"parent": parent}
        parent = {"arm": "ce", "part": "whole", "passport": passports[cycle]}
    monkeypatch.setattr(extension.results, "recorded", lambda: ["evening"])
    monkeypatch.setattr(extension.results, "load", lambda name: recorded)
    for last in (1, 2):
        recorded = type("R", (), {"summary": {"passports": {"a": passports[last]}}})
        (row,) = (row for row in extension.run_list() if row["recorded"])
        assert ("third" in row["about"]) == (last == 2) and row["about"].startswith("plain cross entropy from ")


def test_the_run_list_knows_the_arms_that_have_settings_of_their_own(extension, monkeypatch):
    config = load_config("evening").for_arm("student_mse")
    values = settings_of(config)
    passport = {"arm": "student_mse", "profile": "evening", "seed": 0, "config": values}
    monkeypatch.setattr(extension.results, "recorded", lambda: ["evening"])
    recorded = type("R", (), {"summary": {"passports": {"a": passport}}})
    monkeypatch.setattr(extension.results, "load", lambda name: recorded)
    (row,) = (row for row in extension.run_list() if row["about"] == "all arms on all photographs")
    assert (row["recorded"], row["wanted"]) == (1, 15)


def test_commands_of_the_run_list_are_understood_by_the_command_line(extension):
    import shlex

    from colorize_lib import cli

    for row in extension.run_list():
        options = cli._parser().parse_args(shlex.split(row["command"])[1:])
        assert cli.parameters(options)["data"] == "DATA"
        runs = cli._varied(options) if "sweep" in row["command"] else [({}, load_config(**cli.parameters(options)))]
        assert row["wanted"] == sum(len(config.arms) * len(config.seeds) for _, config in runs)


def test_tables_of_runs_are_complete(extension):
    made = extension.Passports.source(bare(extension.Passports), "laptop")
    assert made.count("* - {run}`laptop/") == 8
    found = tiny.experiment().results
    last = found.history.query("arm == 'l2' and seed == 1").sort_values("step").val_ab_error.iloc[-1]
    passports = found.summary["passports"]
    (run,) = (run for run, p in passports.items() if (p["arm"], p["seed"]) == ("l2", 1))
    assert f"\n  - {last:.2f}\n" in made.partition(run)[2].partition("* - ")[0]
    other = bare(extension.Passports)._row("laptop", run, passports[run] | {"variant": "lr=0.1"}, None)
    assert "{quiet}`lr=0.1`" in other[0] and not other[2]
    assert extension.Runs.source(bare(extension.Runs), "").count("* - ") == len(extension.run_list()) + 1


def bare(kind):
    """A directive without Sphinx around it."""
    return kind.__new__(kind)
