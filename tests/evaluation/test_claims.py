"""The claims as data, the rules that decide them, and the tables that show them."""

from __future__ import annotations

import copy
import dataclasses
import re
import sys
from pathlib import Path

import pytest
import tiny

from colorize_lib.config import load_config
from colorize_lib.evaluation import claims, metrics
from colorize_lib.evaluation.claims import Check, Hypothesis, load_hypotheses, verdict, wording
from colorize_lib.evaluation.intervals import Interval
from colorize_lib.evaluation.records import Results

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT / "book/_ext"))
HYPOTHESES = load_hypotheses()
IDS = [f"H{i}" for i in range(1, 22)]
DECIDABLE = ["H1", "H3", "H4", "H5", "H6", "H7", "H8", "H14", "H16", "H17"]

each_hypothesis = pytest.mark.parametrize("hypothesis", HYPOTHESES, ids=lambda h: h.id)


def effect(low: float, high: float, seeds: int = 3) -> Interval:
    return Interval((low + high) / 2, low, high, seeds, 100)


class Made(Results):
    """Results that hold one effect for everything that is asked."""

    def __init__(self, *effects: Interval, systems=("student_mse", "l2", "ce@1", "ce@0.38", "grey")):
        passports = {f"{arm}-s0-x": {"arm": arm} for arm in ("student_mse", "l2", "ce")}
        super().__init__({"systems": dict.fromkeys(systems, {"seeds": [0]}), "passports": passports}, None)
        object.__setattr__(self, "effects", list(effects))

    def _next(self, *_):
        return self.effects.pop(0) if len(self.effects) > 1 else self.effects[0]

    interval = difference = subset = _next

    def contrasts(self, system: str) -> dict[str, Interval]:
        return {f"chroma_ratio_blue - chroma_ratio_{s}": self._next() for s in metrics.SECTORS if s != "blue"}


def hypothesis(*checks: Check, combine: str = "all") -> Hypothesis:
    return Hypothesis("H0", "title", "claim", "3", "experiment", "rule", combine, "decidable", checks)


# ---------------------------------------------------------------------------------------------------------- the file


def test_all_hypotheses_are_there_in_order():
    assert [h.id for h in HYPOTHESES] == IDS
    assert [h.id for h in HYPOTHESES if h.status == "decidable"] == DECIDABLE


@each_hypothesis
def test_the_rule_in_words_names_every_margin(hypothesis):
    for check in hypothesis.checks:
        if check.kind in ("above", "below", "within"):
            margin = f"{abs(check.margin):g}"
            assert re.search(rf"(?<![\d.]){re.escape(margin)}(?![\d]|\.\d)", hypothesis.rule) or (
                margin == "0" and "higher" in hypothesis.rule
            ), margin


@each_hypothesis
def test_texts_are_sentences(hypothesis):
    for text in (hypothesis.claim, hypothesis.experiment, hypothesis.rule):
        assert text[0].isupper() or text[0] == "`", text
        assert text[-1] in ".?", text
    assert hypothesis.title[0].isupper() and hypothesis.title[-1] != "."
    assert hypothesis.status == "decidable" or hypothesis.rule.startswith(("Confirmed", "Refuted", "For each"))


def test_runs_name_known_claims_and_every_open_claim_waits_for_some():
    waiting = {name for entry in claims.read()["runs"] for name in entry["decides"]}
    assert waiting == set(IDS), "every claim needs runs, and runs serve known claims"


WRONG = {
    "kind 'larger' is unknown; allowed: above": {"kind": "larger"},
    "metric 'auk' is unknown": {"metrics": ["auk"]},
    "system 'l3' is unknown; allowed: student_mse": {"systems": ["l3 - l2"]},
    "system 'ce' is unknown": {"systems": ["ce"]},
    "difference 'l2 - ce@1' is unknown; allowed: ce@1 - l2": {"systems": ["l2 - ce@1"]},
    "subset 'dim' is unknown; allowed: all, dark": {"subset": "dim"},
    "metric of a subset 'psnr' is unknown": {"subset": "dark", "metrics": ["psnr"]},
    "contrast 'auc' is unknown": {"kind": "contrast", "metrics": ["auc"]},
    "margin=0.0 of an equivalence must be above 0": {"kind": "within"},
}


@pytest.mark.parametrize("message", WRONG)
def test_a_wrong_test_is_refused(message):
    table = {"H1": copy.deepcopy(claims.read()["H1"])}
    test = {"kind": "above", "metrics": ["auc"], "systems": ["ce@1 - l2"]} | WRONG[message]
    table["H1"]["tests"] = [test]
    with pytest.raises(ValueError, match=re.escape(message)):
        load_hypotheses(table)


@pytest.mark.parametrize(("key", "value"), [("combine", "most"), ("status", "done"), ("status", "open"), ("tests", [])])
def test_a_wrong_hypothesis_is_refused(key, value):
    table = {"H1": copy.deepcopy(claims.read()["H1"]) | {key: value}}
    with pytest.raises(ValueError, match="unknown; allowed|decidable means to have tests"):
        load_hypotheses(table)


# --------------------------------------------------------------------------------------------------------- the rules


@pytest.mark.parametrize(
    ("kind", "margin", "low", "high", "word"),
    [
        ("above", 2.0, 2.1, 3.0, "confirmed"),
        ("above", 2.0, 0.5, 1.9, "refuted"),
        ("above", 2.0, 1.0, 3.0, "undecided"),
        ("above", 2.0, 2.0, 3.0, "undecided"),
        ("below", -0.5, -2.0, -0.6, "confirmed"),
        ("below", -0.5, -0.4, 1.0, "refuted"),
        ("below", -0.5, -0.6, 0.0, "undecided"),
        ("within", 0.5, -0.1, 0.1, "confirmed"),
        ("within", 0.5, 0.6, 0.9, "refuted"),
        ("within", 0.5, -0.9, -0.6, "refuted"),
        ("within", 0.5, 0.3, 0.7, "undecided"),
        ("within", 0.5, -0.8, 0.8, "undecided"),
        ("within", 0.5, 0.0, 0.0, "confirmed"),
        ("within", 0.5, 0.8, 0.8, "refuted"),
        ("above", 0.0, float("nan"), float("nan"), "undecided"),
        ("within", 0.5, float("nan"), float("nan"), "undecided"),
    ],
)
def test_a_single_rule(kind, margin, low, high, word):
    found = verdict(hypothesis(Check(kind, "auc", "ce@1 - l2", margin)), Made(effect(low, high)))
    assert found.verdict == found.findings[0].verdict == word


@pytest.mark.parametrize(
    ("se", "df", "ends", "margins", "remark"),
    [
        (None, None, "90 % [-0.33, +0.47]", (0.48, 0.46), claims.NORMAL),
        (0.112, 2.0, "90 % [-0.26, +0.40]", (0.41, 0.39), ""),
    ],
)
def test_equivalence_is_the_ninety_percent_interval_that_is_shown(se, df, ends, margins, remark):
    """A 95 % interval of -0.41 to 0.55 about 0.07 has, by a normal curve, a 90 % interval that ends at 0.473.

    By Student's t with 2 degrees of freedom, which gives the same 95 % interval, it ends at 0.397.
    """
    result = Made(dataclasses.replace(effect(-0.41, 0.55), se=se, df=df))
    found = [verdict(hypothesis(Check("within", "ciede2000", "ce@1 - l2", margin)), result) for margin in margins]
    assert [one.verdict for one in found] == ["confirmed", "undecided"]
    assert str(found[0].findings[0]) == f"+0.07 [-0.41, +0.55], {ends}" and found[0].remark == remark


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
    ],
)
def test_how_findings_combine(combine, effects, word):
    checks = [Check("above", name, "ce@1 - l2") for name in ("auc", "psnr")]
    assert verdict(hypothesis(*checks, combine=combine), Made(*effects)).verdict == word


def test_a_report_decides_nothing():
    checks = Check("above", "auc", "ce@1 - l2"), Check("report", "psnr", "ce@1 - l2")
    found = verdict(hypothesis(*checks), Made(UP, DOWN))
    assert found.verdict == "confirmed" and found.findings[1].verdict == ""


def test_blue_must_beat_every_other_hue_after_holm():
    check = Check("contrast", "chroma_ratio_blue", "l2")
    assert verdict(hypothesis(check), Made(UP)).verdict == "confirmed"
    assert verdict(hypothesis(check), Made(UP, UP, DOWN, UP, UP)).verdict == "refuted"
    # two-sided p of about 0.03 each: significant alone, not as one of five
    weak = Interval(1.0, 0.1, 1.9, 3, 100)
    found = verdict(hypothesis(check), Made(weak))
    assert found.verdict == "undecided" and len(found.findings) == len(metrics.SECTORS) - 1
    assert found.findings[0].title == "chroma ratio of blue minus that of red: L2 on ab"
    assert found.remark == claims.NORMAL and str(found.findings[0]) == "+1.000 [+0.100, +1.900], p = 0.147"
    known = verdict(hypothesis(check), Made(Interval.of(1.0, 0.3, 20.0, 3, 100)))
    assert known.verdict == "confirmed" and not known.remark, "five times 0.0033"


@pytest.mark.parametrize(("seeds", "remark"), [(1, "one run"), (2, "two runs"), (3, ""), (5, "")])
def test_few_seeds_are_remarked(seeds, remark):
    assert verdict(hypothesis(Check("above", "auc", "ce@1 - l2")), Made(effect(1, 2, seeds))).remark == remark


def test_results_without_a_system_leave_the_claim_open():
    check = Check("above", "auc", "ce_rebal@1 - ce@1")
    found = verdict(hypothesis(check), Made(UP))
    assert found.verdict == "open" and not found.findings and not found.runs


def test_the_runs_behind_a_verdict():
    assert verdict(hypothesis(Check("above", "auc", "ce@1 - l2")), Made(UP)).runs == ("l2-s0-x", "ce-s0-x")


@pytest.mark.parametrize(
    ("interval", "margin", "word"),
    [(UP, 0, "higher"), (DOWN, 0, "lower"), (FLAT, 0, "not told apart"), (UP, 1.5, "not told apart")],
)
def test_words_for_prose(interval, margin, word):
    assert wording(interval, margin) == word
    assert wording(UP, words=("better", "worse", "equal")) == "better"


# ------------------------------------------------------------------------------------------------ on measured results


@pytest.fixture(scope="module")
def results() -> Results:
    return tiny.experiment().results


def test_every_claim_has_a_verdict(results):
    found = {hypothesis.id: verdict(hypothesis, results) for hypothesis in load_hypotheses()}
    assert list(found) == IDS
    assert {one.verdict for one in found.values()} <= {"confirmed", "refuted", "undecided", "mixed", "open"}
    assert {name for name in IDS if found[name].verdict == "open"} == set(IDS) - set(DECIDABLE)
    for name in DECIDABLE:
        assert any(finding.verdict for finding in found[name].findings)
        assert found[name].remark.startswith("two runs")


def test_an_effect_is_shown_with_its_interval(results):
    (h5,) = (h for h in HYPOTHESES if h.id == "H5")
    shown = results.difference("ce@0.38", "ce@1", "ciede2000")
    found = verdict(h5, results)
    inner = f"90 % [{shown.inner[0]:+.2f}, {shown.inner[1]:+.2f}]"
    assert str(found.findings[0]) == f"{shown.value:+.2f} [{shown.low:+.2f}, {shown.high:+.2f}], {inner}"
    assert found.findings[0].title == "CIEDE2000: cross entropy, T = 0.38, minus cross entropy, T = 1"
    assert len(found.runs) == 2 and all(run.startswith("ce-s") for run in found.runs)


# ----------------------------------------------------------------------------------------------- tables in the pages


@pytest.fixture
def extension(monkeypatch):
    pytest.importorskip("sphinx")
    import results_ext

    monkeypatch.setattr(results_ext, "load", lambda profile: tiny.experiment().results)
    results_ext.verdict.cache_clear()
    yield results_ext
    results_ext.verdict.cache_clear()


def test_a_number_is_looked_up_by_its_place(extension, results):
    look = extension.lookup
    assert look("laptop/l2/auc") == results.interval("l2", "auc")
    assert look("laptop/ce@1 - l2/auc") == results.difference("ce@1", "l2", "auc")
    assert look("laptop/all/l2/skill") == results.subset("all", "l2", "skill")
    assert look("laptop/pictures") == tiny.LIMIT and look("laptop/n_seeds") == 2
    assert look("laptop/passports/l2-s0/steps") == 4
    for place in ("laptop/l3/auc", "laptop/l2/auk", "laptop/passports/l2/steps", "laptop/dark/l2/psnr", "laptop/x"):
        with pytest.raises(extension.MISSING):
            look(place)


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (effect(-0.5, 0.25), ".2f", "\u22120.12"),
        (effect(-0.5, 0.25), "ci+.2f", "\u22120.12 [\u22120.50, +0.25]"),
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


def test_the_claims_page_has_every_claim_under_its_title():
    page = (ROOT / "book/claims.md").read_text()
    for one in HYPOTHESES:
        number = one.id.lower()
        block = f"(claim-{number})=\n### {one.id}: {one.title}\n"
        assert block in page, block
        assert re.search(rf"^```\{{claim\}} {one.id}\n```$", page, re.M), one.id


def test_version_2_has_a_rule_for_every_claim_and_says_what_was_wrong():
    rules = claims.rules_version2()
    assert list(rules) == [*IDS, *(f"P{i}" for i in range(1, 7))]
    assert {"title", "confirmed", "refuted", "wrong"} == set.intersection(*map(set, rules.values()))
    assert rules["H8"]["wrong"].startswith("ranks say nothing") and rules["H17"]["wrong"] == ""


def test_the_page_shows_the_rules_of_version_2_folded_and_our_predictions(extension):
    text = extension.Claim.source(bare(extension.Claim), "H5")
    verdict_at, fold_at = text.index("**Verdict.**"), text.index("`````{dropdown} Rule, version 2\n")
    assert verdict_at < fold_at < text.index("differ from each other by less than 2.3 CIEDE2000")
    assert "**Wrong with version 1**: compared two errors" in text
    assert "Wrong with" not in extension.rule_version2("H17")
    head = extension.Version2.source(bare(extension.Version2), "")
    assert "fixed on 2026-11-25, before any network of profile `evening`" in head
    listed = extension.Predictions.source(bare(extension.Predictions), "").splitlines()
    assert [line[:8] for line in listed] == [f"- **P{i}**" for i in range(1, 7)]
    page = (ROOT / "book/claims.md").read_text()
    assert page.index("```{version2}\n```") < page.index("## How") and page.rstrip().endswith("```{predictions}\n```")


def test_the_run_list_counts_what_is_recorded(extension, monkeypatch):
    config = load_config("student", lambda_=0.25)
    passport = {"arm": "ce_rebal", "seed": 1, "config": {**claims_identity(config), "side": 64, "temperature": 0.5}}
    recorded = type("R", (), {"summary": {"passports": {"a": passport, "b": {**passport, "seed": 77}}}})
    monkeypatch.setattr(extension.records, "recorded", lambda: ["student"])
    monkeypatch.setattr(extension.records, "load", lambda name: recorded)
    rows = extension.run_list()
    (row,) = (row for row in rows if "lambda_ 0.25" in row["command"])
    assert (row["recorded"], row["wanted"], row["state"]) == (1, 3, "part")
    assert {row["state"] for row in rows} == {"part", "open"}
    assert row["command"].endswith("--seeds 0,1,2 --arms ce_rebal -p lambda_ 0.25")


def claims_identity(config) -> dict:
    from colorize_lib.config import identity

    return {k: list(v) if isinstance(v, tuple) else v for k, v in identity(config).items()}


def test_commands_of_the_run_list_are_understood_by_the_command_line(extension):
    import shlex

    from colorize_lib import cli

    for row in extension.run_list():
        options = cli._parser().parse_args(shlex.split(row["command"])[1:])
        assert cli.parameters(options)["data"] == "DATA"
        load_config(**cli.parameters(options))


def test_tables_are_complete(extension):
    assert extension.Verdicts.source(bare(extension.Verdicts), "laptop").count("* - [H") == len(IDS)
    text = extension.Claim.source(bare(extension.Claim), "H1")
    assert "**Verdict.** {verdict}`" in text and "Runs: `l2-s0-" in text and "two runs" in text
    assert "Waits for: five times as long" in extension.Claim.source(bare(extension.Claim), "H2")
    assert extension.Passports.source(bare(extension.Passports), "laptop").count("* - `") == 8
    assert extension.Runs.source(bare(extension.Runs), "").count("* - ") == len(extension.run_list()) + 1


def bare(kind):
    """A directive without Sphinx around it."""
    return kind.__new__(kind)
