"""95 % intervals of a share: of independent trials, and of trials by readers with images, both of them at random."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri, stdtrit

from .intervals import estimate

NORMAL = float(ndtri(0.975))


def wilson(hits, trials, quantile=NORMAL) -> tuple[np.ndarray, np.ndarray]:
    """Ends of Wilson's score interval (JASA 22, 1927) of a share, hits of trials.

    Numbers or arrays; NaN without trials. quantile: of the distribution of the standardised share, by default
    the normal one.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        n, z2 = np.asarray(trials, float), np.square(quantile)
        p = np.asarray(hits, float) / n
        middle, half = (p + z2 / (2 * n)) / (1 + z2 / n), np.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return np.maximum(middle - quantile * half, 0), np.minimum(middle + quantile * half, 1)


def crossed(hits: np.ndarray, trials: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of an interval of a share for readers and photographs in general: hits and trials [..., readers, photos].

    Wilson's with as many pairs as would give the variance that `intervals.estimate` finds with both at random, but not
    more than there are, and with the quantile of Student's t: so it stays within 0 to 1, and has a width where nobody
    was deceived. Of one reader it is about photographs only. Franco et al. compare such intervals for surveys (Journal
    of Survey Statistics and Methodology 7(3), 2019).
    """
    total, n, units = hits.sum((-2, -1)), trials.sum((-2, -1)), max(2, hits.shape[-2])
    share, se, df = estimate(lambda x: x, [(np.divide, hits, trials)])
    with np.errstate(invalid="ignore", divide="ignore"):
        fewer = np.fmin(n, share * (1 - share) / se**2)
    quantile = stdtrit(np.where(np.isfinite(df), df, units - 1), 0.975)
    return wilson(total / n * fewer, fewer, quantile)
