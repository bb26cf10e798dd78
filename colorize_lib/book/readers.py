"""Simulated readers of the book's own test, whose rates are known: what `eyes` makes of them can be checked."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd

from ..evaluation.intervals import Interval
from ..evaluation.shares import crossed, wilson
from .eyes import Answers

RATES = {"student_mse+L": 0.3, "l2": 0.3, "ce@1": 0.35, "ce_rebal@0.38": 0.4, "ce@0.77~0.75": 0.45}
"""How often simulated readers take the painted image for the true one. Made up, to test the method with."""
LIKING = {"@1": 0.0, "@1~0.75": 0.8, "@1~0.5": 0.4, "@0.38": -0.4, "@0.38~0.75": 0.6, "@0.38~0.5": 0.0}
"""How simulated readers like a setting, in logits; as much made up."""
SHIFT = 0.15
"""The most by which a simulated reader moves a rate, and a photograph by as much again; together less than any rate."""
PHOTOS, EACH = 29, 4
"""Photographs of the page, and the counted pairs that a reader sees of each system."""


def simulate(readers: int, chance: np.random.Generator, studies: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Answers of readers with known rates: what was wrong, and what was shown, [studies, systems, readers, photos].

    Every reader sees other photographs, `EACH` a system; readers and photographs each move the rate by up to `SHIFT`
    to either side, evenly, so that `RATES` are its means.
    """
    shown = chance.permuted(np.broadcast_to(np.arange(PHOTOS), (studies, readers, PHOTOS)), axis=-1)
    system = np.where(shown < EACH * len(RATES), shown // EACH, -1)
    trials = np.stack([system == k for k in range(len(RATES))], 1).astype(float)
    sizes = (studies, 1, readers, 1), (studies, 1, 1, PHOTOS)
    own, photo = (chance.uniform(-SHIFT, SHIFT, size) for size in sizes)
    rate = np.array(list(RATES.values()))[:, None, None] + own + photo
    return trials * (chance.random(trials.shape) < rate), trials


def simulated_answers(readers: int = 12, seed: int = 0) -> Answers:
    """What a page would have saved of simulated readers."""
    chance = np.random.default_rng(seed)
    (wrong,), (trials,) = simulate(readers, chance)
    pairs = [
        (f"reader {r + 1}", f"photo {p + 1}", list(RATES)[k], bool(wrong[k, r, p]), 900.0)
        for k, r, p in np.argwhere(trials)
    ]
    choices = []
    for r in range(readers):
        for left, right in chance.choice(list(LIKING), (10, 2)):
            if left != right:
                first = chance.random() < 1 / (1 + math.exp(LIKING[right] - LIKING[left]))
                choices.append((f"reader {r + 1}", str(left), str(right), str(left if first else right)))
    return Answers(
        pd.DataFrame(pairs, columns=["reader", "photo", "system", "wrong", "ms"]),
        pd.DataFrame(choices, columns=["reader", "left", "right", "chosen"]),
    )


def coverage(readers: Iterable[int] = (3, 10, 100), studies: int = 200, seed: int = 1) -> pd.DataFrame:
    """How often both intervals of `deception` hold the known rates, in simulated studies of so many readers."""
    rates, rows = np.array(list(RATES.values())), {}
    for n in readers:
        wrong, trials = simulate(n, np.random.default_rng([seed, n]), studies)
        kinds = {"pairs": wilson(wrong.sum((-2, -1)), trials.sum((-2, -1))), "readers": crossed(wrong, trials)}
        rows[n] = {kind: float(np.mean((low <= rates) & (rates <= high))) for kind, (low, high) in kinds.items()}
    return pd.DataFrame(rows).T.rename_axis("readers")


def within(shares: dict[str, Interval]) -> str:
    """How many of the intervals {system: Interval} of simulated answers hold the known rates, as "4 of 5"."""
    held = [interval.low <= RATES[system] <= interval.high for system, interval in shares.items()]
    return f"{sum(held)} of {len(held)}"
