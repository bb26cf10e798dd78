"""The claims under test as data (hypotheses.toml), and the verdicts that recorded results give by their rules.

A rule is a list of checks. Each looks at one effect with its interval and finds it confirmed, refuted or undecided;
the hypothesis says how the findings combine.
"""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import pandas as pd

from . import intervals, metrics
from .intervals import Interval
from .measuring import BASELINES, PAIRS, SUBSET_METRICS, SUBSETS, system_title
from .records import Results

KINDS = ("above", "below", "within", "contrast", "report")
COMBINE = ("all", "any", "each")
STATUS = ("decidable", "open")
SYSTEM = re.compile(r"student_mse|l2|grey|mean|random|ceiling|ce(_rebal)?@\d+(\.\d+)?")
FEW = {1: "one run", 2: "two runs"}
"""Remark on verdicts from fewer seeds than the three that a claim should stand on."""


@dataclass(frozen=True)
class Check:
    """One question to the results: does `metric` of `system` ("a" or "a - b") lie above, below or within `margin`?

    kind: see the top of hypotheses.toml. stratum: only pictures of this kind, one of `evaluation.SUBSETS`.
    """

    kind: str
    metric: str
    system: str
    margin: float = 0.0
    stratum: str = ""

    def __post_init__(self):
        _need(self.kind, KINDS, "kind")
        metrics.metric(self.metric)
        for name in self.systems:
            if not SYSTEM.fullmatch(name):
                raise ValueError(
                    f"system {name!r} is unknown; allowed: student_mse, l2, ce@T, ce_rebal@T, {', '.join(BASELINES)}"
                )
        if len(self.systems) > 1:
            _need(self.system, [" - ".join(pair) for pair in PAIRS], "difference")
        if self.stratum:
            _need(self.stratum, SUBSETS, "stratum")
            _need(self.metric, SUBSET_METRICS, "metric of a stratum")
        if self.kind == "contrast":
            _need(self.metric, ("chroma_ratio_blue",), "contrast")
        if self.kind == "within" and not self.margin > 0:
            raise ValueError(f"margin={self.margin} of an equivalence must be above 0")

    @property
    def systems(self) -> tuple[str, ...]:
        """The one or two systems compared."""
        return tuple(self.system.split(" - "))

    @property
    def title(self) -> str:
        """Metric, kind of pictures and systems, for a reader."""
        where = f" ({self.stratum} pictures)" if self.stratum else ""
        return f"{metrics.metric(self.metric).title}{where}: {', minus '.join(map(system_title, self.systems))}"

    @property
    def rule(self) -> str:
        """What the effect must do to confirm, as a formula; empty for a report."""
        signs = {"above": "> ", "below": "< ", "within": "within \u00b1", "contrast": "> "}
        return f"{signs[self.kind]}{self.margin:g}" if self.kind in signs else ""


@dataclass(frozen=True)
class Hypothesis:
    """A claim: `claim` in our words, `section` of the paper, `rule` in words and as `checks`, `combine`, `status`."""

    id: str
    title: str
    claim: str
    section: str
    experiment: str
    rule: str
    combine: str
    status: str
    checks: tuple[Check, ...] = ()
    remark: str = ""

    def __post_init__(self):
        _need(self.combine, COMBINE, "combine")
        _need(self.status, STATUS, "status")
        if (self.status == "decidable") != any(check.kind != "report" for check in self.checks):
            raise ValueError(f"{self.id} is {self.status}, but decidable means to have tests and open to have none")


@dataclass(frozen=True)
class Finding:
    """What a check found: the effect, and confirmed, refuted, undecided or (for a report) nothing."""

    title: str
    check: Check
    effect: Interval
    verdict: str

    def __str__(self) -> str:
        if not math.isfinite(self.effect.value):
            return "nothing to measure"
        digits = 3 if metrics.metric(self.check.metric).unit in ("share", "") else 2
        value, low, high = (f"{x:+.{digits}f}" for x in (self.effect.value, self.effect.low, self.effect.high))
        return f"{value} [{low}, {high}]"


@dataclass(frozen=True)
class Verdict:
    """verdict: confirmed, refuted, undecided, mixed or open. runs: ids of the runs behind it, by their passports."""

    hypothesis: Hypothesis
    verdict: str
    findings: tuple[Finding, ...] = ()
    runs: tuple[str, ...] = ()
    remark: str = ""

    def table(self) -> pd.DataFrame:
        """What was measured, as a table to show: one row a finding."""
        rows = []
        for f in self.findings:
            measure, _, systems = f.title.partition(": ")
            systems = systems.replace(", minus ", " \u2212 ").replace(" minus ", " \u2212 ")  # pandas cuts long texts
            rows.append((measure, systems, str(f), f.check.rule, f.verdict or "reported only"))
        return pd.DataFrame(rows, columns=["measure", "of", "measured", "must be", "finding"]).set_index("measure")


def _need(value: str, allowed, what: str) -> None:
    if value not in allowed:
        raise ValueError(f"{what} {value!r} is unknown; allowed: {', '.join(allowed)}")


def _without(table: dict, *keys: str) -> dict:
    return {key: value for key, value in table.items() if key not in keys}


@lru_cache(maxsize=1)
def read() -> dict:
    """The content of hypotheses.toml: a table a hypothesis, the list `runs` of what is to be trained for them, and the
    rules of version 2 (`version2`)."""
    return tomllib.loads((resources.files(__package__) / "hypotheses.toml").read_text("utf-8"))


def load_hypotheses(table: dict | None = None) -> list[Hypothesis]:
    """The hypotheses H1 to H21, or those of `table`.

    Raises ValueError for an unknown kind of rule, system, metric, stratum or word, naming what is allowed.
    """
    found = []
    for name, row in (table or read()).items():
        if name not in ("runs", "version2"):
            pairs = [(t, m, s) for t in row.get("tests", []) for m in t["metrics"] for s in t["systems"]]
            checks = tuple(Check(metric=m, system=s, **_without(t, "metrics", "systems")) for t, m, s in pairs)
            found.append(Hypothesis(name, **_without(row, "tests"), checks=checks))
    return found


def verdict(hypothesis: Hypothesis, results: Results) -> Verdict:
    """Apply the rule of a hypothesis to results; "open" where the runs it needs are not in them."""
    systems = {system for check in hypothesis.checks for system in check.systems}
    if hypothesis.status == "open" or not systems <= set(results.systems):
        return Verdict(hypothesis, "open", remark=hypothesis.remark)
    findings = tuple(finding for check in hypothesis.checks for finding in _findings(check, results))
    deciding = [finding for finding in findings if finding.verdict]
    few = FEW.get(min(finding.effect.seeds for finding in deciding), "")
    arms = {system.partition("@")[0] for system in systems}
    runs = tuple(run for run, passport in results.summary["passports"].items() if passport["arm"] in arms)
    word = _combined({finding.verdict for finding in deciding}, hypothesis.combine)
    return Verdict(hypothesis, word, findings, runs, "; ".join(filter(None, [few, hypothesis.remark])))


def _combined(words: set[str], combine: str) -> str:
    if len(words) == 1:
        return next(iter(words))
    if combine == "each":
        return "mixed"
    decisive = "refuted" if combine == "all" else "confirmed"
    return decisive if decisive in words else "undecided"


def _findings(check: Check, results: Results) -> list[Finding]:
    if check.kind == "contrast":
        effects = results.contrasts(check.system)
        # an effect that did not vary, or that could not be measured, has no p value
        p = intervals.holm({name: intervals.p_value(e) if e.high > e.low else 1.0 for name, e in effects.items()})
        words = {
            n: "undecided" if p[n] >= 0.05 else "confirmed" if e.value > 0 else "refuted" for n, e in effects.items()
        }
        titles = {name: " minus that of ".join(re.findall(r"chroma_ratio_(\w+)", name)) for name in effects}
        ending = f": {system_title(check.system)}"
        return [Finding(f"chroma ratio of {titles[n]}{ending}", check, e, words[n]) for n, e in effects.items()]
    if check.stratum:
        effect = results.stratum(check.stratum, check.system, check.metric)
    else:
        look = results.difference if len(check.systems) > 1 else results.interval
        effect = look(*check.systems, check.metric)
    return [Finding(check.title, check, effect, _judge(check, effect))]


def _judge(check: Check, effect: Interval) -> str:
    if check.kind == "report":
        return ""
    over, under = effect.low > check.margin, effect.high < check.margin
    if check.kind == "within":
        varied = effect.high > effect.low  # without spread there is nothing to test, only to compare
        inside = intervals.tost(effect, check.margin).equivalent if varied else abs(effect.value) < check.margin
        confirmed, refuted = inside, over or effect.high < -check.margin
    else:
        confirmed, refuted = (over, under) if check.kind == "above" else (under, over)
    return "confirmed" if confirmed else "refuted" if refuted else "undecided"


def decide(name: str, results: Results) -> Verdict:
    """The verdict on one hypothesis by its id; ValueError for an unknown one."""
    found = {hypothesis.id: hypothesis for hypothesis in load_hypotheses()}
    _need(name, found, "hypothesis")
    return verdict(found[name], results)


def wording(effect: Interval, margin: float = 0.0, words=("higher", "lower", "not told apart")) -> str:
    """The word for an effect in a sentence: words[0] if its interval lies above `margin`, words[1] if below -margin."""
    return words[0] if effect.low > margin else words[1] if effect.high < -margin else words[2]
