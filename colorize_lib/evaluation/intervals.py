"""How sure a number is: bootstrap over seeds and pictures, equivalence tests, and Holm's correction.

A table is what `metrics.measure` returns, one row of sums a picture; a list of tables is one arm, one table a seed,
all over the same pictures. Seeds and pictures are crossed (every network sees every picture), so one sample of the
pictures serves all seeds of a draw: a hard picture is hard for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import norm
from statsmodels.stats.multitest import multipletests

from .metrics import available, metric

Tables = list[pd.DataFrame]


@dataclass(frozen=True)
class Interval:
    """A value with its bootstrap interval; with seeds = 1 it covers the choice of pictures only, not of the seed.

    draws: the bootstrap values behind it, float [draws].
    """

    value: float
    low: float
    high: float
    seeds: int
    pictures: int
    level: float = 0.95
    draws: np.ndarray | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        over = "pictures only, one seed" if self.seeds == 1 else f"pictures and {self.seeds} seeds"
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}] ({self.level:.0%} over {over})"

    def __sub__(self, number: float) -> Interval:
        """The interval of the value less a fixed number, for example of a ratio less 1."""
        draws = None if self.draws is None else self.draws - number
        moved = {"value": self.value - number, "low": self.low - number, "high": self.high - number}
        return replace(self, draws=draws, **moved)

    def __format__(self, form: str) -> str:
        """`f"{interval:+.2f}"` is "+0.12 [+0.10, +0.14]"; without a format it is `str`."""
        if not form:
            return str(self)
        value, low, high = (format(x, form) for x in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]" if np.isfinite(self.value) else "nothing to measure"


class Equivalence(NamedTuple):
    """p: of the two one-sided tests; equivalent: whether p < alpha."""

    p: float
    equivalent: bool


def _resampled(tables: Tables, columns: list[str], draws: int, seed: int) -> np.ndarray:
    """Sums of the columns over all rows, then over bootstrap samples: float [1 + draws, columns].

    Of S seeds a draw takes S - 1 (McCarthy and Snowden, Vital and Health Statistics 2(95), 1985): taking S would make
    the part of the interval that comes from the seeds too narrow by sqrt((S - 1) / S), which matters for three. Even
    so, three seeds give a 95 % interval that covers about 87 % where seeds differ much more than pictures.
    """
    stacked = np.stack([table[columns].to_numpy(float) for table in tables])
    seeds, n = stacked.shape[:2]
    picture_rng, seed_rng = np.random.default_rng(seed).spawn(2)
    sums = np.empty((seeds, draws, len(columns)))
    for start in range(0, draws, 100):  # in parts, because the counts of 1,000 draws of 10,000 pictures take 80 MB
        part = min(100, draws - start)
        picked = picture_rng.integers(n, size=(part, n)) + n * np.arange(part)[:, None]
        counts = np.bincount(picked.ravel(), minlength=part * n).reshape(part, n).astype(float)
        sums[:, start : start + part] = counts @ stacked
    taken = max(seeds - 1, 1)
    weight = seed_rng.multinomial(taken, np.full(seeds, 1 / seeds), size=draws)
    return np.vstack([stacked.sum((0, 1)), np.einsum("ds,sdk->dk", weight, sums)])


def _check(tables: Tables, draws: int, level: float) -> None:
    if not tables or len(tables[0]) == 0 or not all(t.index.equals(tables[0].index) for t in tables):
        raise ValueError(f"tables of {[len(t) for t in tables]} rows; all must list the same pictures, at least one")
    if draws < 1 or not 0 < level < 1:
        raise ValueError(f"draws={draws}, level={level}; allowed: 1 or more, between 0 and 1")


def _values(tables: Tables, names: list[str], draws: int, seed: int) -> dict[str, np.ndarray]:
    """The value of each metric and its draws, float [1 + draws]."""
    metrics = {name: metric(name) for name in names}
    columns = sorted({c for m in metrics.values() for c in (m.numerator, m.denominator)})
    missing = [c for c in columns if any(c not in t for t in tables)]
    if missing:
        raise ValueError(f"a table lacks the column(s) {', '.join(missing)}; metrics.available lists what it can give")
    sums = dict(zip(columns, _resampled(tables, columns, draws, seed).T, strict=True))
    return {name: m(sums[m.numerator], sums[m.denominator]) for name, m in metrics.items()}


def _interval(values: np.ndarray, seeds: int, pictures: int, level: float) -> Interval:
    drawn = values[1:][~np.isnan(values[1:])]  # a draw without, say, any purple pixel has no recall of purple
    tails = [(1 - level) / 2, (1 + level) / 2]
    low, high = np.quantile(drawn, tails) if len(drawn) and not np.isnan(values[0]) else (np.nan, np.nan)
    return Interval(float(values[0]), float(low), float(high), seeds, pictures, level, drawn)


def bootstrap_metrics(
    tables: Tables, names: list[str] | None = None, draws: int = 1000, seed: int = 0, level: float = 0.95
) -> dict[str, Interval]:
    """Metrics of one arm with percentile intervals, all from the same resampling of seeds and pictures.

    names: of `metrics.metric`; None takes every one the tables can give. Raises ValueError for tables that do not
    list the same pictures or lack a column.
    """
    _check(tables, draws, level)
    names = [n for n in available(tables[0]) if all(n in available(t) for t in tables)] if names is None else names
    values = _values(tables, names, draws, seed)
    return {name: _interval(v, len(tables), len(tables[0]), level) for name, v in values.items()}


def bootstrap(tables: Tables, name: str, draws: int = 1000, seed: int = 0, level: float = 0.95) -> Interval:
    """One metric of one arm with its interval; see `bootstrap_metrics`."""
    return bootstrap_metrics(tables, [name], draws, seed, level)[name]


def bootstrap_differences(
    tables_a: Tables,
    tables_b: Tables,
    names: list[str] | None = None,
    draws: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> dict[str, Interval]:
    """Metrics of a minus those of b, paired: each draw takes the same pictures and the same seeds of both.

    The i-th tables must have the same seed and pictures. A single table_b (a baseline without seed) pairs with every
    seed of a. The interval of a difference, not the overlap of two intervals, decides a comparison.
    """
    _check(tables_a + tables_b, draws, level)
    if len(tables_b) not in (1, len(tables_a)):
        raise ValueError(f"{len(tables_a)} and {len(tables_b)} seeds cannot be paired; equal numbers, or one in b")
    if names is None:
        names = [n for n in available(tables_a[0]) if all(n in available(t) for t in tables_a + tables_b)]
    a, b = (_values(tables, names, draws, seed) for tables in (tables_a, tables_b))
    return {name: _interval(a[name] - b[name], len(tables_a), len(tables_a[0]), level) for name in names}


def bootstrap_difference(
    tables_a: Tables, tables_b: Tables, name: str, draws: int = 1000, seed: int = 0, level: float = 0.95
) -> Interval:
    """One metric of a minus that of b with its interval; see `bootstrap_differences`."""
    return bootstrap_differences(tables_a, tables_b, [name], draws, seed, level)[name]


def _tail(effect: Interval, at: float) -> tuple[float, float]:
    """Probabilities of a draw at or below and at or above `at`; a normal curve where the draws were not kept."""
    if effect.draws is None:
        width = (effect.high - effect.low) / (2 * norm.ppf((1 + effect.level) / 2))
        return float(norm.cdf(at, effect.value, width)), float(norm.sf(at, effect.value, width))
    below, above = (effect.draws <= at).sum(), (effect.draws >= at).sum()
    return (1 + below) / (1 + len(effect.draws)), (1 + above) / (1 + len(effect.draws))


def tost(effect: Interval, margin: float, alpha: float = 0.05) -> Equivalence:
    """Two one-sided tests that a difference lies within -margin to margin (Schuirmann 1987), from its draws.

    p is the larger share of draws beyond a margin, so equivalent at alpha = 0.05 means that the 90 % interval lies
    within the margins. Raises ValueError for a margin that is not above 0.
    """
    if not margin > 0:
        raise ValueError(f"margin={margin} must be above 0")
    p = max(_tail(effect, -margin)[0], _tail(effect, margin)[1])
    return Equivalence(p, bool(p < alpha))


def p_value(effect: Interval) -> float:
    """Two-sided p that a difference is 0: twice the smaller share of draws beyond 0."""
    return min(1.0, 2 * min(_tail(effect, 0)))


def holm(p_values: dict[str, float]) -> dict[str, float]:
    """Holm's correction of several p values; below alpha is significant, whatever the others are."""
    return dict(zip(p_values, multipletests(list(p_values.values()), method="holm")[1].tolist(), strict=True))
