"""The claims under test as data (hypotheses.toml), and the verdicts that recorded results give by their rules.

A rule is a list of checks. Each looks at one effect with its interval and finds it confirmed, refuted, undecided or too
weak to tell; the hypothesis says how the findings combine. Rules have versions: version 2 decides. What version 1 said
stands beside it, as words and data.
"""

from __future__ import annotations

import itertools
import math
import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import resources

import pandas as pd

from . import intervals
from .effects import Effect
from .intervals import Interval
from .results import Results, load, recorded
from .systems import System, system_title, variant_title

COMBINE = ("all", "any", "each", "most")
WORDS = ("confirmed", "refuted", "undecided", "mixed", "too weak to tell", "open")
"""What a verdict may say."""
FLOOR = 0.05
"""Skill over the mean colour above which the reference of an equivalence must lie."""
LEVEL = 0.05
SEEDS = {"ablation": 3, "ablation-128": 3}
"""Seeds that a verdict needs at least; of other profiles two."""
MUST = re.compile(r"([<>]|within|not <) -?\d+(\.\d+)?")


@dataclass(frozen=True)
class Check:
    """One question to the results: is the effect as it must be? See the top of hypotheses.toml for the fields.

    family: checks with the same are corrected together by Holm's method; "" leaves p values out of it.
    """

    effect: Effect
    must: str = ""
    refuted: str = ""
    title: str = ""
    part: str = ""
    family: str = ""
    floor: tuple[str, ...] = ()
    report: bool = False
    digits: int = 0

    def __post_init__(self):
        for text in filter(None, (self.must, self.refuted)):
            if not MUST.fullmatch(text):
                raise ValueError(f"{text!r} is no demand on an effect; allowed: > x, < x, within x, not < x")
        if self.must.startswith("within") and not self.margin > 0:
            raise ValueError(f"margin={self.margin} of an equivalence must be above 0")
        if not self.must and not self.report:
            raise ValueError(f"check of {self.effect.text!r} demands nothing and is no report")
        for system in self.floor:
            System.parse(system)

    @property
    def within(self) -> tuple[float, float] | None:
        """Where the effect must stay: of an equivalence between both margins, of "no worse" above one; None of what
        asks for superiority."""
        kind = self.must.rpartition(" ")[0]
        return {"within": (-self.margin, self.margin), "not <": (self.margin, math.inf)}.get(kind)

    @property
    def margin(self) -> float:
        """The number behind `must`; NaN without one."""
        return float(self.must.rpartition(" ")[2] or "nan")

    @property
    def rule(self) -> str:
        """What the effect must do to confirm, for a reader; empty for a plain report."""
        return self.must.replace("within ", "within \u00b1").replace("not < ", "\u2265 ")

    @cached_property
    def beyond(self) -> list[tuple[str, str, float]]:
        """What lies on one side of a bound, and the word for it: (word, sign, bound); the first that fits counts.

        Without a `refuted` of its own a check is refuted on the other side of its margin, one of `within` outside it.
        """
        if not self.must:
            return []
        own = [("refuted", *self.refuted.split())] if self.refuted else []
        if self.within:
            sides = zip("<>", self.within, strict=True)
            tests = own or [("refuted", sign, bound) for sign, bound in sides if math.isfinite(bound)]
        else:
            sign = self.must[0]
            tests = [("confirmed", sign, self.margin), *(own or [("refuted", "<>"[sign == "<"], self.margin)])]
        return [(word, sign, float(bound)) for word, sign, bound in tests]


@dataclass(frozen=True)
class Hypothesis:
    """A claim with its rule: `claim` in our words, `section` of the paper, the rule in words and as `checks` on a
    recorded `profile`.

    confirmed, refuted: the words of the rule; rule: both in one; wrong: what was wrong with version 1; reading: how the
    words were read where that was changed or settled later. chapter: the notebook that takes it up, if any.
    """

    id: str
    title: str
    claim: str
    rule: str
    profile: str = "evening"
    section: str = "-"
    experiment: str = ""
    confirmed: str = ""
    refuted: str = ""
    wrong: str = ""
    reading: str = ""
    combine: str = "all"
    checks: tuple[Check, ...] = ()
    remark: str = ""
    chapter: str = ""

    def __post_init__(self):
        _need(self.combine, COMBINE, "combine")
        if self.checks and all(check.report for check in self.checks):
            raise ValueError(f"{self.id} has reports only; a rule has a check that decides, or no check at all")


@dataclass(frozen=True)
class Finding:
    """What a check found: the effect, and one of `WORDS` (nothing for a report without demand).

    p: two-sided, that the effect equals the bound it is judged by, after Holm's correction; None where no other check
    is corrected with it.
    """

    check: Check
    effect: Interval
    verdict: str
    p: float | None = None

    @property
    def title(self) -> str:
        """Metric, kind of images and systems, for a reader."""
        return self.check.title or self.check.effect.title

    @property
    def outside(self) -> bool:
        """Whether the interval lies beyond the margin of an equivalence, for what is too weak to be judged, too."""
        low, high = self.check.within or (-math.inf, math.inf)
        return self.effect.low > high or self.effect.high < low

    @property
    def measured(self) -> tuple[str, str, str]:
        """Value, 95 % interval and what decides besides, each as text; nothing where there is none."""
        form = f"+.{self.check.digits or self.check.effect.digits}f"
        value, _, interval = format(self.effect, form).partition(" ")
        if not math.isfinite(self.effect.value):
            return format(self.effect, form), "", ""
        if self.check.within:
            return value, interval, f"90 % [{', '.join(format(x, form) for x in self.effect.inner)}]"
        if self.p is not None:
            return value, interval, "p " + (f"= {self.p:.3f}" if self.p >= 0.001 else "< 0.001")
        return value, interval, ""


@dataclass(frozen=True)
class Verdict:
    """verdict: one of `WORDS`. parts: the same of each part that is judged apart. missing: what is not recorded yet;
    where anything is, the verdict is open and the findings are provisional. runs: ids of the runs behind it.
    """

    hypothesis: Hypothesis
    verdict: str
    findings: tuple[Finding, ...] = ()
    parts: dict[str, str] | None = None
    runs: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    remark: str = ""

    def table(self) -> pd.DataFrame:
        """What was measured, as a table to show: one row a finding; an interval in the line below its value."""
        rows = []
        for f in self.findings:
            measure, _, systems = f.title.partition(": ")
            systems = systems.replace(", minus ", " \u2212 ").replace(" minus ", " \u2212 ")  # pandas cuts long texts
            word = f.verdict if not f.check.report else f"reported only{f': {f.verdict}' if f.verdict else ''}"
            rows.append((measure, systems, "\n".join(filter(None, f.measured)), f.check.rule, word))
        return pd.DataFrame(rows, columns=["measure", "of", "measured", "must be", "finding"]).set_index("measure")


def _need(value: str, allowed, what: str) -> None:
    if value not in allowed:
        raise ValueError(f"{what} {value!r} is unknown; allowed: {', '.join(allowed)}")


# ------------------------------------------------------------------------------------------------------- from the file


@lru_cache(maxsize=1)
def read() -> dict:
    """The content of hypotheses.toml: `version1` and `version2`, each with its date, commit and a table a claim, and
    the list `runs` of what is to be trained for them."""
    return tomllib.loads((resources.files(__package__) / "hypotheses.toml").read_text("utf-8"))


def load_hypotheses(table: dict | None = None) -> list[Hypothesis]:
    """The claims H1 to H21 and the predictions P1 to P6 with their rules of version 2.

    table: in place of the content of hypotheses.toml. Raises ValueError for an unknown demand, system, metric, subset
    or word, naming the claim and what is allowed.
    """
    table = table or read()
    first, found = table["version1"], []
    for name, row in table["version2"].items():
        if not isinstance(row, dict):
            continue
        title = row["title"][0].upper() + row["title"][1:]
        shared = ("claim", "section", "experiment", "title")
        about = {k: first[name][k] for k in shared} if name in first else {"title": title, "claim": title}
        try:
            found.append(Hypothesis(name, **_in_words(row) | about | {"checks": _checks(row.get("checks", []), name)}))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return found


def _in_words(row: dict) -> dict:
    if not row["refuted"]:  # no rule on numbers
        return row | {"rule": f"{row['confirmed'].capitalize()}."}
    return row | {"rule": f"Confirmed if certainly: {row['confirmed']}. Refuted if certainly: {row['refuted']}."}


def _checks(rows: list[dict], family: str) -> tuple[Check, ...]:
    """Checks from their rows: one for each combination of what `over` lists, put into the texts in {braces}; in title
    and part under its name for readers."""
    found = []
    for row in rows:
        over = row.get("over", {})
        for values in itertools.product(*over.values()):
            put = dict(zip(over, values, strict=True))
            said = {k: system_title(v) if k == "system" else variant_title(v) for k, v in put.items()}
            texts = {k: v.format(**said if k in ("title", "part") else put) if isinstance(v, str) else v
                     for k, v in row.items() if k != "over"}  # fmt: skip
            texts["effect"] = Effect(texts["effect"])
            texts["floor"] = tuple(name.format(**put) for name in row.get("floor", ()))
            found.append(Check(**{"family": family} | texts))
    return tuple(found)


# ----------------------------------------------------------------------------------------------------------- verdicts


def decide(name: str, found: Results | None = None) -> Verdict:
    """The verdict on one claim by its id, by default of the recorded results of its profile. ValueError for an unknown
    one."""
    known = {hypothesis.id: hypothesis for hypothesis in load_hypotheses()}
    _need(name, known, "hypothesis")
    return verdict(known[name], found)


def verdict(hypothesis: Hypothesis, found: Results | None = None) -> Verdict:
    """Apply the rule of a hypothesis to results, by default to the recorded ones of its profile.

    "open", with what is missing, where systems, metrics or seeds are not there that a deciding check needs.
    """
    if not hypothesis.checks:
        return Verdict(hypothesis, "open", remark=hypothesis.remark)
    try:
        found = found or load(hypothesis.profile)
    except FileNotFoundError:
        missing = (f"profile `{hypothesis.profile}` is not recorded",)
        return Verdict(hypothesis, "open", missing=missing, remark=hypothesis.remark)
    findings, missing = _findings(hypothesis, found)
    deciding = [finding for finding in findings if not finding.check.report]
    seeds = min((finding.effect.seeds for finding in deciding), default=0)
    if deciding and seeds < (needed := SEEDS.get(hypothesis.profile, 2)):
        missing.append(f"{seeds} of {needed} seeds that it needs at least")
    parts = _parts(deciding, hypothesis.combine)
    words = set(parts.values())
    word = "open" if missing else words.pop() if len(words) == 1 else "mixed"
    parts = parts if len(parts) > 1 and hypothesis.combine != "each" and not missing else None
    return Verdict(hypothesis, word, findings, parts, _runs(hypothesis, found), tuple(missing), hypothesis.remark)


def _findings(hypothesis: Hypothesis, found: Results) -> tuple[tuple[Finding, ...], list[str]]:
    """What can be measured, judged, and what deciding checks lack."""
    measured, weak, missing = [], [], []
    for check in hypothesis.checks:
        try:
            skills = [found.interval(system, "skill_mean") for system in check.floor]
            measured.append((check, check.effect.measure(found)))
            weak.append(any(not skill.low > FLOOR for skill in skills))
        except (ValueError, FileNotFoundError) as error:
            missing += [] if check.report else _lacking(check, found) or [str(error)]
    p = _corrected(measured)
    findings = []
    for i, (check, effect) in enumerate(measured):
        word = _word(check, effect, p.get(i))
        worse = word == "refuted" and check.must.startswith("not <")  # certainly so, whatever the reference has learned
        word = "too weak to tell" if weak[i] and check.must and not worse else word
        findings.append(Finding(check, effect, word, p.get(i)))
    return tuple(findings), list(dict.fromkeys(missing))


def _lacking(check: Check, found: Results) -> list[str]:
    """Systems that a check needs and results lack, as profile/system in backticks."""
    lacking = []
    for profile, system in [(t.profile, t.system) for t in check.effect.terms] + [("", s) for s in check.floor]:
        try:
            known = (load(profile) if profile not in ("", found.profile) else found).systems
        except FileNotFoundError:
            known = []
        if system not in known:
            lacking.append(f"`{profile or found.profile}/{system}`")
    return lacking


def _bound(check: Check, effect: Interval) -> tuple[str, str, float]:
    """The side by which a check is judged: that on which the interval lies, else that on which the value does."""
    for low, high in ((effect.low, effect.high), (effect.value, effect.value)):
        for word, sign, bound in check.beyond:
            if low > bound if sign == ">" else high < bound:
                return word, sign, bound
    return ("undecided", *check.beyond[0][1:])


def _corrected(measured: list[tuple[Check, Interval]]) -> dict[int, float]:
    """p values after Holm's correction, by place in the list; only where several checks are corrected together.

    Corrected together are the checks of superiority of one claim, by the p value that the effect equals its margin.
    That effects are within their margins needs no correction where all must be; that one lies outside does, and these p
    values are corrected by themselves, as are those of reports.
    """
    families = {}
    for i, (check, effect) in enumerate(measured):
        if check.family and check.must:
            p = effect.p_against(_bound(check, effect)[2])
            inside = check.within and check.within[0] < effect.value < check.within[1]
            kind = (check.family, bool(check.within), check.report)
            families.setdefault(kind, {})[i] = 1.0 if inside else p
    several = [intervals.holm(family) for family in families.values() if len(family) > 1]
    return {i: p for family in several for i, p in family.items()}


def _word(check: Check, effect: Interval, p: float | None) -> str:
    """The one way from an interval to a word, by what `Finding` shows.

    Superiority and "certainly outside": the 95 % interval lies beyond the bound, and the corrected p value, if there is
    one, is below 0.05. Equivalence, or no worse: the 90 % interval lies within the margins, or above the one, which is
    so exactly if two one-sided tests at 5 % find it (Schuirmann 1987), or one.
    """
    if not check.must:
        return ""
    if check.within and check.within[0] < effect.inner[0] and effect.inner[1] < check.within[1]:
        return "confirmed"
    word, sign, bound = _bound(check, effect)
    certain = effect.low > bound if sign == ">" else effect.high < bound
    return word if certain and (p is None or p < LEVEL) else "undecided"


def _parts(findings: list[Finding], combine: str) -> dict[str, str]:
    """The word of each part that is judged apart; by "each" every check is one."""
    parts = {}
    for i, finding in enumerate(findings):
        parts.setdefault(str(i) if combine == "each" else finding.check.part, []).append(finding.verdict)
    return {name: _combined(words, combine) for name, words in parts.items()}


def _combined(words: list[str], combine: str) -> str:
    wanted = {"any": 1, "most": len(words) // 2 + 1}.get(combine, len(words))  # of those that confirm
    against = {"any": len(words), "most": len(words) // 2 + 1}.get(combine, 1)
    if words.count("refuted") >= against:
        return "refuted"
    if words.count("confirmed") >= wanted:
        return "confirmed"
    return "too weak to tell" if "too weak to tell" in words else "undecided"


def _runs(hypothesis: Hypothesis, found: Results) -> tuple[str, ...]:
    """Ids of the runs whose systems the checks ask for, of the profile first."""
    terms = {(t.profile or found.profile, System.parse(t.system)) for c in hypothesis.checks for t in c.effect.terms}
    wanted = {(profile, system.arm, system.variant) for profile, system in terms}
    others = sorted({profile for profile, *_ in wanted if profile != found.profile} & set(recorded()))
    passports = [(f, *item) for f in (found, *map(load, others)) for item in f.summary["passports"].items()]
    return tuple(run for f, run, p in passports if (f.profile, p["arm"], p.get("variant", "")) in wanted)


def counts(verdicts: list[Verdict]) -> dict[str, int]:
    """How many verdicts there are of each word, in the order of `WORDS`, without those that do not occur."""
    found = Counter(one.verdict for one in verdicts)
    return {word: found[word] for word in WORDS if found[word]}


def wording(effect: Interval, words=("higher", "lower", "not told apart")) -> str:
    """The word for an effect in a sentence: words[0] if its interval lies above zero, words[1] if below."""
    return words[0] if effect.low > 0 else words[1] if effect.high < 0 else words[2]
