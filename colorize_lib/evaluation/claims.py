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
from .measuring import SUBSETS
from .results import Results
from .systems import System, system_title

KINDS = ("above", "below", "within", "contrast", "report")
COMBINE = ("all", "any", "each")
STATUS = ("decidable", "open")
FEW = {1: "one run", 2: "two runs"}
"""Remark on verdicts from fewer seeds than the three that a claim should stand on."""
NORMAL = "from the 95 % interval, by a normal curve"
"""Remark on verdicts that need a 90 % interval or a p value where no standard error was recorded."""


@dataclass(frozen=True)
class Check:
    """One question to the results: does `metric` of `system` ("a" or "a - b") lie above, below or within `margin`?

    kind: see the top of hypotheses.toml. subset: only images of this kind, one of `evaluation.SUBSETS`.
    """

    kind: str
    metric: str
    system: str
    margin: float = 0.0
    subset: str = ""

    def __post_init__(self):
        _need(self.kind, KINDS, "kind")
        metrics.metric(self.metric)
        for name in self.systems:
            System.parse(name)
        if self.subset:
            _need(self.subset, SUBSETS, "subset")
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
        """Metric, kind of images and systems, for a reader."""
        where = f" ({self.subset} images)" if self.subset else ""
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
    """What a check found: the effect, and confirmed, refuted, undecided or (for a report) nothing.

    p: of a contrast, after Holm's correction. normal: whether the 90 % interval or p came from a normal curve, because
    only the 95 % interval was recorded.
    """

    title: str
    check: Check
    effect: Interval
    verdict: str
    p: float = 1.0
    normal: bool = False

    def __str__(self) -> str:
        """Value and 95 % interval, and for equivalence and contrasts what decides them."""
        form = f"+.{3 if metrics.metric(self.check.metric).unit in ('share', '') else 2}f"
        text = format(self.effect, form)
        if self.check.kind == "within" and math.isfinite(self.effect.value):
            return f"{text}, 90 % [{', '.join(format(x, form) for x in self.effect.inner)}]"
        if self.check.kind == "contrast" and math.isfinite(self.effect.value):
            return f"{text}, p " + (f"= {self.p:.3f}" if self.p >= 0.001 else "< 0.001")
        return text


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


def rules_version2() -> dict[str, dict[str, str]]:
    """The rules of version 2, {id: {title, confirmed, refuted, wrong}}: H1 to H21, then the predictions P1 to P6.

    confirmed, refuted: what it takes. wrong: what was wrong with the rule of version 1, empty where it was kept.
    """
    rules = {name: row for name, row in read()["version2"].items() if isinstance(row, dict)}
    return {name: {"wrong": "", **row} for name, row in rules.items()}


@lru_cache(maxsize=1)
def read() -> dict:
    """The content of hypotheses.toml: a table a hypothesis, the list `runs` of what is to be trained for them, and the
    rules of version 2 (`version2`)."""
    return tomllib.loads((resources.files(__package__) / "hypotheses.toml").read_text("utf-8"))


def load_hypotheses(table: dict | None = None) -> list[Hypothesis]:
    """The hypotheses H1 to H21, or those of `table`.

    Raises ValueError for an unknown kind of rule, system, metric, subset or word, naming what is allowed.
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
    normal = NORMAL if any(finding.normal for finding in deciding) else ""
    arms = {system.partition("@")[0] for system in systems}
    runs = tuple(run for run, passport in results.summary["passports"].items() if passport["arm"] in arms)
    word = _combined({finding.verdict for finding in deciding}, hypothesis.combine)
    return Verdict(hypothesis, word, findings, runs, "; ".join(filter(None, [few, normal, hypothesis.remark])))


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
        p = intervals.holm({name: effect.p for name, effect in effects.items()})
        titles = {name: " minus that of ".join(re.findall(r"chroma_ratio_(\w+)", name)) for name in effects}
        ending = f": {system_title(check.system)}"
        return [_judged(f"chroma ratio of {titles[n]}{ending}", check, effects[n], p[n]) for n in effects]
    if check.subset:
        effect = results.subset(check.subset, check.system, check.metric)
    else:
        look = results.difference if len(check.systems) > 1 else results.interval
        effect = look(*check.systems, check.metric)
    return [_judged(check.title, check, effect)]


def _judged(title: str, check: Check, effect: Interval, p: float = 1.0) -> Finding:
    """The one way from an interval to a word: by what `Finding` shows.

    That is the 95 % interval, for equivalence also the 90 % one, which lies within the margins exactly if two one-sided
    tests at 5 % find so (Schuirmann 1987), and for contrasts the p value after Holm.
    """
    margin = check.margin
    over, under = effect.low > margin, effect.high < margin
    if check.kind == "within":
        confirmed = -margin < effect.inner[0] and effect.inner[1] < margin
        refuted = over or effect.high < -margin
    elif check.kind == "contrast":
        confirmed, refuted = p < 0.05 and effect.value > 0, p < 0.05 and effect.value < 0
    else:
        confirmed, refuted = (over, under) if check.kind == "above" else (under, over)
    word = "confirmed" if confirmed else "refuted" if refuted else "undecided"
    normal = check.kind in ("within", "contrast") and effect.recorded_only
    return Finding(title, check, effect, "" if check.kind == "report" else word, p, normal)


def decide(name: str, results: Results) -> Verdict:
    """The verdict on one hypothesis by its id; ValueError for an unknown one."""
    found = {hypothesis.id: hypothesis for hypothesis in load_hypotheses()}
    _need(name, found, "hypothesis")
    return verdict(found[name], results)


def wording(effect: Interval, margin: float = 0.0, words=("higher", "lower", "not told apart")) -> str:
    """The word for an effect in a sentence: words[0] if its interval lies above `margin`, words[1] if below -margin."""
    return words[0] if effect.low > margin else words[1] if effect.high < -margin else words[2]
