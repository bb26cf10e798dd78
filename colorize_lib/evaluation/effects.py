"""Effects as text: arithmetic of what was measured, such as `(auc(ce@1) - auc(l2)) / auc(l2)`.

Text may hold numbers, + - * / and parentheses, and terms:

    metric(system)            skill_mean(ce@1)
    metric(profile/system)    true_hue_ratio(evening/l2)
    metric(a - b)             auc(ce@1 - l2), the same as auc(ce@1) - auc(l2)
    metric(system; subset)    skill_mean(l2; dark), on one kind of images

A metric is one of `metrics.METRICS` or of `CURVES`, which are read from the validation curves of training.
"""

from __future__ import annotations

import ast
import math
import operator
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ..config import FIELDS, PROFILES
from . import metrics
from .intervals import Interval
from .measuring import SUBSETS
from .results import Results
from .systems import System, system_title

TERM = re.compile(r"(\w+)\(([^();]+)(?:;\s*(\w+)\s*)?\)")
OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
WRITTEN = (ast.BinOp, ast.UnaryOp, ast.USub, ast.Constant, ast.Name, ast.Load, *OPERATORS)
SETTLED = 0.02
"""Share of its last value within which a curve has settled."""


def settled_epoch(curve: pd.DataFrame) -> float:
    """First epoch from which on validation loss and true-hue chroma ratio both stay within `SETTLED` of their last."""
    columns = curve[["val_plain", "val_true_hue_ratio"]]
    outside = ((columns - columns.iloc[-1]).abs() > SETTLED * columns.iloc[-1].abs()).any(axis=1)
    return float(curve.epoch[~outside[::-1].cummax()[::-1]].iloc[0])


CURVES = {
    "settled_epoch": ("epoch at which a network has settled", settled_epoch),
    "val_ab_error": ("ab error on validation images", lambda curve: float(curve.val_ab_error.iloc[-1])),
}
"""What is read from the curve of one run, {name: (title, function)}; intervals cover seeds only."""


@dataclass(frozen=True)
class Term:
    """One measured number. profile: "" is that of the results at hand."""

    metric: str
    profile: str
    system: str
    subset: str = ""

    def __post_init__(self):
        if self.metric not in CURVES:
            metrics.metric(self.metric)
        if self.profile and self.profile not in PROFILES:
            raise ValueError(f"profile {self.profile!r} is unknown; allowed: {', '.join(PROFILES)}")
        settings = {part.partition("=")[0] for part in System.parse(self.system).variant.split(",") if part}
        if unknown := settings - set(FIELDS) - {"from"}:
            raise ValueError(f"setting {sorted(unknown)[0]!r} of system {self.system!r} is unknown")
        if self.subset and self.subset not in SUBSETS:
            raise ValueError(f"subset {self.subset!r} is unknown; allowed: {', '.join(SUBSETS)}")

    @property
    def place(self) -> str:
        """The system with its profile, as `Results.effect` takes it."""
        return f"{self.profile}/{self.system}" if self.profile else self.system


@dataclass(frozen=True)
class Effect:
    """Arithmetic of terms, made from text; ValueError for anything else in it, naming that and what is allowed."""

    text: str

    def __post_init__(self):
        strange = re.search(r"[^\s\d.()+*/-]\S*", TERM.sub("1", self.text))
        if strange:
            raise ValueError(f"{strange.group()!r} in effect {self.text!r} is no term; a term is metric(system)")
        try:
            wrong = [node for node in ast.walk(self._read[0]) if not isinstance(node, WRITTEN)]
        except SyntaxError:
            raise ValueError(f"effect {self.text!r} is no arithmetic of numbers and metric(system)") from None
        if wrong or not self.terms:
            what = type(wrong[0]).__name__ if wrong else "no term"
            raise ValueError(f"effect {self.text!r} holds {what}; allowed: + - * / of numbers and metric(system)")

    @cached_property
    def _read(self) -> tuple[ast.expr, list[Term]]:
        """Arithmetic of the names v0, v1, ... and the terms that they stand for."""
        terms: list[Term] = []

        def name(found: re.Match) -> str:
            metric, places, subset = found.groups()
            for place in places.split(" - "):
                profile, system = re.fullmatch(r"(?:([\w-]+)/)?(.*)", place.strip()).groups()
                terms.append(Term(metric, profile or "", system, subset or ""))
            count = places.count(" - ") + 1
            return f"({' - '.join(f'v{i}' for i in range(len(terms) - count, len(terms)))})"

        return ast.parse(TERM.sub(name, self.text).strip(), mode="eval").body, terms

    @property
    def terms(self) -> list[Term]:
        """The terms, in the order of the text."""
        return self._read[1]

    def __call__(self, *values: float) -> float:
        """The effect from the values of its terms; infinite or NaN where it divides by 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return _value(self._read[0], np.asarray(values, dtype=float))

    @property
    def compared(self) -> bool:
        """Whether it is one term or a plain difference of two."""
        tree, terms = self._read
        difference = isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Sub) and len(terms) == 2
        return isinstance(tree, ast.Name) or (
            difference and isinstance(tree.left, ast.Name) and isinstance(tree.right, ast.Name)
        )

    @property
    def title(self) -> str:
        """One term or a difference of two for a reader: metric, kind of images and systems. Else the text."""
        if not self.compared:
            return self.text
        first, *others = self.terms
        what, names = title_of(first.metric), [system_title(term.system) for term in self.terms]
        if others and others[0].metric != first.metric:
            what, names = f"{what} minus that of {title_of(others[0].metric).rpartition(' of ')[2]}", names[:1]
        where = f" ({first.subset} images)" if first.subset else ""
        if others and others[0].subset != first.subset:
            where, names = f" ({first.subset or 'all'} minus {others[0].subset or 'all'} images)", names[:1]
        return f"{what}{where}: {', minus '.join(names)}"

    @property
    def digits(self) -> int:
        """Digits after the point that suit it."""
        units = {metrics.metric(t.metric).unit if t.metric not in CURVES else "epochs" for t in self.terms}
        return 3 if not self.compared or units & {"share", ""} else 2

    def measure(self, found: Results) -> Interval:
        """The effect with its interval in some results. ValueError naming what is missing there."""
        if any(term.metric in CURVES for term in self.terms):
            return self._of_curves(found)
        subsets = {term.subset for term in self.terms}
        if len(subsets) == 1:
            return found.effect(self, [(term.place, term.metric) for term in self.terms], subset=subsets.pop())
        return found.effect(self, [(term.place, term.metric, term.subset) for term in self.terms])

    def _of_curves(self, found: Results) -> Interval:
        """Seed by seed from the curves, with an interval over seeds by Student's t."""
        if strange := [term.metric for term in self.terms if term.metric not in CURVES]:
            raise ValueError(f"effect {self.text!r} mixes {strange[0]} with what is read from curves")
        by_term = [_by_seed(found, term) for term in self.terms]
        seeds = sorted(set.intersection(*map(set, by_term)))
        if len(seeds) < 2:
            raise ValueError(f"{self.text} has {len(seeds)} seed(s) in common, but its interval is over seeds")
        values = np.array([self(*(values[seed] for values in by_term)) for seed in seeds])
        se = float(values.std(ddof=1)) / math.sqrt(len(seeds))
        return Interval.of(float(values.mean()), se, len(seeds) - 1, len(seeds), 0)


def title_of(metric: str) -> str:
    """Title of a metric or of what is read from curves."""
    return CURVES[metric][0] if metric in CURVES else metrics.metric(metric).title


def _value(node: ast.expr, values: np.ndarray):
    match node:
        case ast.BinOp(left, op, right):
            return OPERATORS[type(op)](_value(left, values), _value(right, values))
        case ast.UnaryOp():
            return -_value(node.operand, values)
        case ast.Name():
            return values[int(node.id[1:])]
    return np.float64(node.value)


def _by_seed(found: Results, term: Term) -> dict[int, float]:
    """What a term reads from the curve of each seed; ValueError if there is no such run or column."""
    system = System.parse(term.system)
    mine = found.curves(system.variant, [system.arm])
    if mine.empty:
        raise ValueError(f"no curve of {system.arm} {system.variant}".strip())
    try:
        return {seed: CURVES[term.metric][1](part) for seed, part in mine.groupby("seed")}
    except KeyError as error:
        raise ValueError(f"the curves of {system.arm} lack what {term.metric} needs: {error.args[0]}") from None
