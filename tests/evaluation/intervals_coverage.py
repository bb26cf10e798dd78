"""How often the intervals cover: `python tests/evaluation/intervals_coverage.py` writes book/results/coverage.csv.

Every replicate is an experiment with new seeds and new images, whose true values are known. The effect of the seed, of
the image (skewed, as errors of images are) and of both together are drawn, and `intervals.estimate` is asked for a
metric, for a difference of two systems paired by seed and image, and for a ratio of differences to a baseline.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from colorize_lib.evaluation import intervals, metrics

SEEDS, IMAGES = (1, 2, 3, 5, 8), 200
METRIC = metrics.metric("ab_error")
LEVELS = {"a": 20.0, "b": 14.0, "t": 26.0}  # true values: two systems and a baseline


class Case(NamedTuple):
    """ratio: the seeds' part of the variance of a difference over the images'. cells: spread of the interaction over
    the images'.

    tail: spread of the logarithm of the images' weights (their pixels, or how rare their colours are). slope: by how
    much the value rises with that logarithm, for system a and half as much for the others.
    """

    ratio: float
    cells: float = 0.5
    tail: float = 0.0
    slope: float = 0.0

    def truth(self, system: str) -> float:
        """The true value: the mean over images, weighted, lies tail^2 above the middle of the logarithm."""
        return LEVELS[system] + self.slope_of(system) * self.tail**2

    def slope_of(self, system: str) -> float:
        """Of one system."""
        return self.slope * (1.0 if system == "a" else 0.5)


CASES = {
    "images dominate": Case(0.05),
    "balanced": Case(1.0),
    "seeds dominate": Case(10.0),
    "seeds alone": Case(100.0),
    "seed by image": Case(0.0, cells=20.0),
    "unequal images": Case(1.0, tail=0.7),
    "few images weigh most": Case(0.2, tail=1.3),
    "few and different images weigh most": Case(0.2, tail=1.3, slope=2.0),
}
STATISTICS = {
    "metric": (lambda a: a, "a"),
    "difference": (lambda a, b: a - b, "ab"),
    "ratio effect": (lambda a, b, t: (a - b) / (t - b), "abt"),
}


def experiment(case: Case, seeds: int, replicates: int, rng) -> dict[str, intervals.Term]:
    """Terms {system: (metric, sums, weights)} of float [replicates, seeds (a baseline: 1), images]."""
    shape, sigma = (replicates, seeds, IMAGES), 2.0
    log_weight = case.tail * rng.normal(size=(replicates, 1, IMAGES))
    weights = np.exp(log_weight)
    spread = sigma * np.sqrt(np.exp(case.tail**2) / IMAGES)  # of the images' part of a mean weighted so
    common, terms = sigma * (rng.exponential(size=(replicates, 1, IMAGES)) - 1), {}
    for system, level in LEVELS.items():
        own = sigma * (rng.exponential(size=(replicates, 1, IMAGES)) - 1)
        value = level + own + case.slope_of(system) * log_weight + (common if system != "t" else 0)
        if system != "t":
            by_seed = rng.normal(scale=spread * np.sqrt(case.ratio * seeds), size=(replicates, seeds, 1))
            value = value + by_seed + rng.normal(scale=sigma * case.cells, size=shape)
        of = np.broadcast_to(weights, value.shape)
        terms[system] = METRIC, of * value, of
    return terms


def coverage(case: Case, seeds: int, replicates: int, seed: int = 0, chunk: int = 250) -> dict[str, float]:
    """Share of 95 % intervals that hold the true value, {statistic: share}; with one seed, that of this seed."""
    rng, hits = np.random.default_rng(seed), dict.fromkeys(STATISTICS, 0.0)
    if seeds == 1:
        case = case._replace(ratio=0.0)  # one seed speaks for the images alone
    for start in range(0, replicates, chunk):
        terms = experiment(case, seeds, min(chunk, replicates - start), rng)
        for name, (f, systems) in STATISTICS.items():
            value, se, df = intervals.estimate(f, [terms[s] for s in systems])
            hits[name] += (np.abs(value - f(*map(case.truth, systems))) <= stdtrit(df, 0.975) * se).sum()
    return {name: float(hit) / replicates for name, hit in hits.items()}


def write(path: Path, replicates: int = 4000, seeds: tuple[int, ...] = SEEDS) -> None:
    """The table of all cases and statistics, each row also as it is found to standard output."""
    rows = []
    for number, (name, case) in enumerate(CASES.items()):
        for count in seeds:
            found = coverage(case, count, replicates, seed=10 * number + count)
            rows += [(count, name, statistic, replicates, f"{share:.3f}") for statistic, share in found.items()]
            print(*rows[-3:], sep="\n")
    with path.open("w", newline="") as file:
        table = [("seeds", "case", "statistic", "replicates", "coverage"), *rows]
        csv.writer(file, lineterminator="\n").writerows(table)


if __name__ == "__main__":
    out = Path(__file__).resolve().parents[2] / "book" / "results" / "coverage.csv"
    write(out, int(sys.argv[1]) if len(sys.argv) > 1 else 4000)
