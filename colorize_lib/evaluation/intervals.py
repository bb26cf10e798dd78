"""How sure a number is: standard errors over seeds and images, Student's t, and Holm's correction of several p values.

A table is what `metrics.measure` returns, one row of sums an image. Seeds and images are crossed random effects (every
network sees every image), and all numbers here come from one estimate of variance over them, `estimate`: nothing is
drawn at random. `tests/evaluation/intervals_coverage.py` simulates how often the intervals cover; its table is
`book/results/coverage.csv`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtr, stdtrit

from .metrics import METRICS, Metric, column, metric

Tables = dict[str, dict[int | None, pd.DataFrame]]
"""{system: {seed: table}}; a system without a seed, such as plain grey, has the seed None."""


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval; with seeds = 1 it covers the choice of images only, not of the seed.

    se, df: the standard error and the degrees of freedom of the Student's t distribution from which the interval and
    all tests come.
    """

    value: float
    low: float
    high: float
    seeds: int
    images: int
    se: float = math.nan
    df: float = math.nan

    @classmethod
    def of(cls, value: float, se: float, df: float, seeds: int, images: int) -> Interval:
        """The interval of an estimate with a standard error of `df` degrees of freedom."""
        half = float(stdtrit(df, 0.975)) * se if se != 0 else 0.0
        return cls(value, value - half, value + half, seeds, images, se, df)

    def __str__(self) -> str:
        over = "images only, one seed" if self.seeds == 1 else f"images and {self.seeds} seeds"
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}] (95% over {over})"

    def __format__(self, form: str) -> str:
        """`f"{interval:+.2f}"` is "+0.12 [+0.10, +0.14]"; without a format it is `str`."""
        if not form:
            return str(self)
        value, low, high = (format(x, form) for x in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]" if np.isfinite(self.value) else "nothing to measure"

    @property
    def inner(self) -> tuple[float, float]:
        """The 90 % interval, by which equivalence is judged: as by two one-sided tests at 5 % (Schuirmann 1987)."""
        half = float(stdtrit(self.df, 0.95)) * self.se if self.se != 0 else 0.0
        return self.value - half, self.value + half

    def p_against(self, margin: float) -> float:
        """Two-sided p value of the hypothesis that the value is `margin`; 1 without spread, where there is no test."""
        return 2 * float(stdtr(self.df, -abs(self.value - margin) / self.se)) if self.se > 0 else 1.0


Term = tuple[Metric, np.ndarray, np.ndarray]
"""A metric with its numerators and denominators, float [..., seeds or 1, images]."""


def estimate(f: Callable, terms: Sequence[Term]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Value, standard error and degrees of freedom of a smooth function of several metrics, each of shape [...].

    f: from the values of the terms' metrics, arrays [...], to the number wanted. A term with one row of sums for
    several seeds has no seed, as a baseline; all others have the same seeds in the same order.

    The function is linearised about the pooled sums, so that it is a mean over cells (seed, image): with the ratio
    r = sum(a) / sum(b) of a metric, the cell (s, j) adds df/dr (a_sj - r b_sj) / mean(b). Each is divided by one less
    the image's share of all b, which makes of the images' part the jackknife's variance, a little wider where few
    images carry a metric. An image that carries it alone leaves the error unknown (NaN). The mean's error: `_crossed`.

    What no method of this kind repairs: where a handful of images outweigh all others and differ from them, intervals
    cover less than they claim. The class-balanced AuC is such a metric: its weights are the inverse of a colour's
    frequency, 4,000 photographs count like 50 of equal weight, and of its 95 % intervals (images drawn again from these
    photographs) 70 to 80 % cover, of those of differences 85 to 90 %.
    """
    images = terms[0][1].shape[-1]
    ratios = [_ratio(a.sum((-2, -1)), b.sum((-2, -1))) for _, a, b in terms]

    def value(at: list) -> np.ndarray:
        return f(*(m(r, np.ones(np.shape(r))) for (m, _, _), r in zip(terms, at, strict=True)))

    cells, scale = 0.0, 0.0
    for k, ((_, a, b), r) in enumerate(zip(terms, ratios, strict=True)):
        step = np.where(r == 0, 1e-6, 1e-4 * np.abs(r))
        part = a - r[..., None, None] * b
        with np.errstate(invalid="ignore", divide="ignore"):
            ends = [value([*ratios[:k], r + sign * step, *ratios[k + 1 :]]) for sign in (1, -1)]
            slope = np.where(part.any((-2, -1)), (ends[0] - ends[1]) / (2 * step), 0.0)
            rest = 1 - b.sum(-2, keepdims=True) / b.sum((-2, -1), keepdims=True)
            weight = np.where(rest > 1e-9, (1 - 1 / images) / rest, np.nan)
            cells = cells + part * (weight * (slope / b.mean((-2, -1)))[..., None, None])
        scale = scale + np.abs(np.nan_to_num(slope * r))
    variance, df = _crossed(cells)
    se = np.sqrt(variance)
    return value(ratios), np.where(se <= 1e-9 * scale, 0.0, se), df  # rounding is no spread


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.divide(a, b, out=np.full(np.shape(b), np.nan), where=b != 0)


def _crossed(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Variance of the mean of cells [..., seeds, images] over both, and its degrees of freedom: each [...].

    Both are random effects, with an interaction. With the mean squares of the two-way analysis of variance the variance
    is (MS_seeds + MS_images - MS_cells) / cells (Owen, Annals of Applied Statistics 1(2), 2007). The interaction is
    taken off the images' part, of which it is a well-known piece, and not off the seeds' (nor below 0): so the seeds'
    part has the distribution of the few seeds' mean square whatever the interaction.

    The degrees of freedom are the harmonic mean of those of both parts, weighted by their variances. Satterthwaite's
    rule weights by squares, which gives too many where one part has few: of 95 % intervals from three seeds 92 % cover
    at worst, with the mean used here 94 to 96 % whatever the shares, from two seeds 91 to 96 %. Images have
    2 n / (kurtosis - 1) of them, n - 1 at most, because the variance of heavy tails is known less well.
    """
    seeds, images = cells.shape[-2:]
    size, by_seed, by_image = seeds * images, cells.mean(-1), cells.mean(-2)
    with np.errstate(invalid="ignore", divide="ignore"):
        ms_images = seeds * by_image.var(-1, ddof=1) if images > 1 else np.full(cells.shape[:-2], np.nan)
        squared = (by_image - by_image.mean(-1, keepdims=True)) ** 2
        kurtosis = (squared**2).mean(-1) / squared.mean(-1) ** 2
        df_images = np.fmin(images - 1.0, 2 * images / (kurtosis - 1))
        if seeds == 1:
            return ms_images / size, df_images
        ms_seeds = images * by_seed.var(-1, ddof=1)
        squares = np.einsum("...sj,...sj->...", cells, cells) - size * by_seed.mean(-1) ** 2
        ms_cells = (squares - (seeds - 1) * ms_seeds - (images - 1) * ms_images) / ((seeds - 1) * (images - 1))
        own = np.maximum(ms_images - np.maximum(ms_cells, 0), 0)
        variance = (ms_seeds + own) / size
        return variance, size * variance / (ms_seeds / (seeds - 1) + own / df_images)


class Estimator:
    """Every metric of every system, and any smooth function of several, with its interval.

    tables: of all systems, over the same images; otherwise ValueError. rows (of the methods): a boolean mask of the
    images to take; without any image the value is NaN. Systems are paired by image, and by seed where they have seeds.
    """

    def __init__(self, tables: Tables):
        every = [table for by_seed in tables.values() for table in by_seed.values()]
        if not every or len(every[0]) == 0 or not all(t.index.equals(every[0].index) for t in every):
            raise ValueError(f"tables of {[len(t) for t in every]} rows; all must list the same images, at least one")
        self.tables, self.images = tables, len(every[0])

    def available(self, system: str, names: Sequence[str] = tuple(METRICS)) -> list[str]:
        """Those of the named metrics that every table of a system can give."""
        have = set.intersection(*(set(table) for table in self.tables[system].values()))
        return [name for name in names if metric(name).columns <= have]

    def shared(self, *systems: str) -> list[int | None]:
        """The seeds that all systems have, leaving out systems without seeds; [None] where none has any.

        ValueError for an unknown system.
        """
        for system in systems:
            if system not in self.tables:
                raise ValueError(f"no system {system!r} among the tables; there are: {', '.join(self.tables)}")
        seeded = [list(self.tables[system]) for system in systems if None not in self.tables[system]]
        return [s for s in seeded[0] if all(s in other for other in seeded)] if seeded else [None]

    def interval(self, system: str, name: str, rows: np.ndarray | None = None) -> Interval:
        """One metric of one system."""
        return self.effect(lambda x: x, [(system, name)], rows)

    def difference(self, a: str, b: str, name: str) -> Interval:
        """A metric of system a less the same of system b."""
        return self.effect(lambda x, y: x - y, [(a, name), (b, name)])

    def effect(self, f: Callable, terms: Sequence[tuple], rows: np.ndarray | None = None) -> Interval:
        """A smooth function f(value, value, ...) of several metrics, given as (system, metric), or as (system, metric,
        rows) where one is that of some of the images only.

        Raises ValueError for a system or a metric that is unknown, for columns that the tables lack, and for systems
        with no seed in common.
        """
        seeds = self.shared(*(system for system, *_ in terms))
        if not seeds:
            has = " and ".join(str(list(self.tables[system])) for system in dict.fromkeys(s for s, *_ in terms))
            raise ValueError(f"{' and '.join(s for s, *_ in terms)} have no seed in common: {has}")
        rows = self._mask(rows)
        sums = []
        for system, name, *own in terms:
            m, a, b = self._sums(system, name, seeds, rows)
            kept = self._mask(*own)[rows]  # the other images carry nothing of this term
            sums.append((m, a * kept, b * kept))
        found = (float(x) for x in estimate(f, sums)) if rows.any() else (np.nan, np.nan, np.nan)
        return Interval.of(*found, len(seeds), int(rows.sum()))

    def _mask(self, rows: np.ndarray | None = None) -> np.ndarray:
        rows = np.ones(self.images, bool) if rows is None else np.asarray(rows)
        if rows.dtype != bool or rows.shape != (self.images,):
            raise ValueError(f"rows of type {rows.dtype} and shape {rows.shape}; must be {self.images} booleans")
        return rows

    def _sums(self, system: str, name: str, seeds: list, rows: np.ndarray) -> Term:
        by_seed, m = self.tables[system], metric(name)
        tables = [by_seed[None]] if None in by_seed else [by_seed[seed] for seed in seeds]
        missing = m.columns - set.intersection(*(set(table) for table in tables))
        if missing:
            raise ValueError(f"{name} of {system} needs the column(s) {', '.join(sorted(missing))}, which it lacks")
        return m, *(
            np.stack([column(t, text).to_numpy(float)[rows] for t in tables]) for text in (m.numerator, m.denominator)
        )


def holm(p_values: dict[str, float]) -> dict[str, float]:
    """Holm's correction of several p values (1979); below alpha is significant, whatever the others are."""
    corrected, largest = {}, 0.0
    for i, name in enumerate(sorted(p_values, key=p_values.get)):
        largest = max(largest, min(1.0, (len(p_values) - i) * p_values[name]))
        corrected[name] = largest
    return {name: corrected[name] for name in p_values}
