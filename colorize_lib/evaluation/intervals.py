"""How sure a number is: bootstrap over seeds and images, and Holm's correction of several p values.

A table is what `metrics.measure` returns, one row of sums an image. Seeds and images are crossed (every network sees
every image), so one sample of the images serves all systems and seeds of a draw: a hard image is hard for all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.stats import norm

from .metrics import metric

Tables = dict[str, dict[int | None, pd.DataFrame]]
"""{system: {seed: table}}; a system without a seed, such as plain grey, has the seed None."""


@dataclass(frozen=True)
class Interval:
    """A value with its 95 % interval; with seeds = 1 it covers the choice of images only, not of the seed.

    inner: the 90 % interval, by which equivalence is judged. p: two-sided, that the value is 0. Both are quantiles of
    the bootstrap draws; None where only the 95 % interval was recorded.
    """

    value: float
    low: float
    high: float
    seeds: int
    images: int
    inner: tuple[float, float] | None = None
    p: float | None = None

    def __str__(self) -> str:
        over = "images only, one seed" if self.seeds == 1 else f"images and {self.seeds} seeds"
        return f"{self.value:.4g} [{self.low:.4g}, {self.high:.4g}] (95% over {over})"

    def __sub__(self, number: float) -> Interval:
        """The interval of the value less a fixed number, for example of a ratio less 1."""
        inner = None if self.inner is None else (self.inner[0] - number, self.inner[1] - number)
        moved = {"value": self.value - number, "low": self.low - number, "high": self.high - number}
        return replace(self, inner=inner, p=None, **moved)

    def __format__(self, form: str) -> str:
        """`f"{interval:+.2f}"` is "+0.12 [+0.10, +0.14]"; without a format it is `str`."""
        if not form:
            return str(self)
        value, low, high = (format(x, form) for x in (self.value, self.low, self.high))
        return f"{value} [{low}, {high}]" if np.isfinite(self.value) else "nothing to measure"

    def completed(self) -> Interval:
        """The same with `inner` and `p`: by a normal curve about the value where they were not recorded."""
        if self.inner is not None and self.p is not None:
            return self
        spread = (self.high - self.low) / (2 * norm.ppf(0.975))
        half = norm.ppf(0.95) * spread
        p = float(2 * norm.sf(abs(self.value) / spread)) if spread > 0 else 1.0
        return replace(self, inner=self.inner or (self.value - half, self.value + half), p=p)


@lru_cache(maxsize=16)
def _seed_weights(seeds: int, draws: int, seed: int) -> np.ndarray:
    """How often each draw takes each seed, float [seeds, 1 + draws]; the first column is that of the value."""
    rng = np.random.default_rng(seed).spawn(2)[1]
    taken = rng.multinomial(max(seeds - 1, 1), np.full(seeds, 1 / seeds), size=draws)
    return np.hstack([np.ones((seeds, 1)), taken.T])


class Bootstrap:
    """Every metric of every system over the same bootstrap samples of images and of seeds.

    tables: of all systems, over the same images. names: the metrics that will be asked for. The samples are drawn, and
    the sums of every table over them formed, once; a metric, a difference or a contrast is then one division. Raises
    ValueError for tables that do not list the same images, and for unknown names.

    Of S seeds a draw takes S - 1 (McCarthy and Snowden, Vital and Health Statistics 2(95), 1985): taking S would make
    the part of the interval that comes from the seeds too narrow by sqrt((S - 1) / S), which matters for three. Even
    so, three seeds give a 95 % interval that covers about 87 % where seeds differ much more than images.
    """

    def __init__(self, tables: Tables, names: list[str], draws: int = 1000, seed: int = 0):
        every = [table for by_seed in tables.values() for table in by_seed.values()]
        if not every or len(every[0]) == 0 or not all(t.index.equals(every[0].index) for t in every):
            raise ValueError(f"tables of {[len(t) for t in every]} rows; all must list the same images, at least one")
        if draws < 1:
            raise ValueError(f"draws={draws}; allowed: 1 or more")
        self.tables, self.names, self.images, self.draws = tables, list(names), len(every[0]), draws
        self._seed, self._rng = seed, np.random.default_rng(seed).spawn(2)[0]
        self._sums = self._resampled({c for m in map(metric, names) for c in (m.numerator, m.denominator)})

    def _resampled(self, columns: set[str]) -> dict[tuple, dict[str, np.ndarray]]:
        """{(system, seed): {column: its sum over all images, then over each sample, float [1 + draws]}}."""
        n = self.images
        tables = {(system, s): table for system, by_seed in self.tables.items() for s, table in by_seed.items()}
        parts = {key: table[[c for c in table if c in columns]] for key, table in tables.items()}
        arrays = {key: part.to_numpy(float) for key, part in parts.items()}
        sums = {key: np.empty((1 + self.draws, a.shape[1])) for key, a in arrays.items()}
        for key, a in arrays.items():
            sums[key][0] = a.sum(0)
        for start in range(1, 1 + self.draws, 100):  # in parts: counts of 1,000 draws of 10,000 images take 80 MB
            k = min(100, 1 + self.draws - start)
            picked = self._rng.integers(n, size=(k, n)) + n * np.arange(k)[:, None]
            counts = np.bincount(picked.ravel(), minlength=k * n).reshape(k, n).astype(float)
            for key, a in arrays.items():
                np.matmul(counts, a, out=sums[key][start : start + k])
        return {key: dict(zip(part.columns, sums[key].T, strict=True)) for key, part in parts.items()}

    def available(self, system: str) -> list[str]:
        """The asked metrics that every table of a system can give."""
        have = set.intersection(*(set(self._sums[system, seed]) for seed in self.tables[system]))
        return [n for n in self.names if {metric(n).numerator, metric(n).denominator} <= have]

    def values(self, system: str, name: str, seeds: list | None = None) -> np.ndarray:
        """The value of a metric over some seeds (default: all), then in each draw: float [1 + draws].

        Raises ValueError for a metric whose columns the tables lack.
        """
        seeds, m = list(self.tables[system]) if seeds is None else seeds, metric(name)
        sums = [self._sums[system, seed] for seed in seeds]
        missing = {m.numerator, m.denominator} - set.intersection(*map(set, sums))
        if missing:
            raise ValueError(f"{name} of {system} needs the column(s) {', '.join(sorted(missing))}, which it lacks")
        weights = _seed_weights(len(seeds), self.draws, self._seed)
        return m(*((weights * [s[column] for s in sums]).sum(0) for column in (m.numerator, m.denominator)))

    def interval(self, system: str, name: str) -> Interval:
        """One metric of one system."""
        return self._interval(self.values(system, name), len(self.tables[system]))

    def paired(self, a: str, b: str) -> list[tuple]:
        """Seeds that both systems have, as pairs; a system without seeds is paired with every seed of the other."""
        left, right = self.tables[a], self.tables[b]
        pairs = [(s if s in left else None, s if s in right else None) for s in (right if None in left else left)]
        return [(x, y) for x, y in pairs if x in left and y in right]

    def difference(self, a: str, b: str, name: str, other: str = "") -> Interval:
        """A metric of system a less the same (or the metric `other`) of system b, in each draw on the same images and
        seeds of both. The interval of a difference, not the overlap of two intervals, decides a comparison.
        """
        pairs = self.paired(a, b)
        if not pairs:
            raise ValueError(f"{a} and {b} have no seed in common: {list(self.tables[a])} and {list(self.tables[b])}")
        left, right = (list(seeds) for seeds in zip(*pairs, strict=True))
        return self._interval(self.values(a, name, left) - self.values(b, other or name, right), len(pairs))

    def _interval(self, values: np.ndarray, seeds: int) -> Interval:
        value, drawn = float(values[0]), values[1:][~np.isnan(values[1:])]  # a draw without purple has no recall of it
        if np.isnan(value) or not len(drawn):
            return Interval(value, np.nan, np.nan, seeds, self.images, (np.nan, np.nan), 1.0)
        low, inner_low, inner_high, high = map(float, np.quantile(drawn, [0.025, 0.05, 0.95, 0.975]))
        tails = (1 + min((drawn <= 0).sum(), (drawn >= 0).sum())) / (1 + len(drawn))
        p = min(1.0, 2 * float(tails)) if high > low else 1.0  # without spread there is nothing to test
        return Interval(value, low, high, seeds, self.images, (inner_low, inner_high), p)


def holm(p_values: dict[str, float]) -> dict[str, float]:
    """Holm's correction of several p values (1979); below alpha is significant, whatever the others are."""
    corrected, largest = {}, 0.0
    for i, name in enumerate(sorted(p_values, key=p_values.get)):
        largest = max(largest, min(1.0, (len(p_values) - i) * p_values[name]))
        corrected[name] = largest
    return {name: corrected[name] for name in p_values}
