"""The quantised ab gamut: 313 colours, soft encoding, prior, rebalancing weights and the annealed mean.

Zhang, Isola and Efros (ECCV 2016), sections 2.2 and 2.3. The colours are derived here, not shipped; the hash of
the derived list is compared with that of the published list in the tests.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from scipy.spatial import ConvexHull
from torch import Tensor

from .color import cached_table, rgb_to_lab

GRID = 10
"""Distance of neighbouring colours in CIE units."""
_REACH = 130  # the candidate table covers |a|, |b| up to here; displayable colours end at 108


def srgb_ab(levels: int = 9) -> np.ndarray:
    """The (a, b) of a lattice of the sRGB cube with `levels` steps a channel, float64 [levels**3, 2]."""
    axis = torch.linspace(0, 1, levels, dtype=torch.float64)
    rgb = torch.cartesian_prod(axis, axis, axis).T[:, :, None]
    return rgb_to_lab(rgb)[1:, :, 0].T.numpy()


def _grid_points() -> np.ndarray:
    """All grid points that could matter, in lexicographic order, int64 [n, 2]."""
    axis = np.arange(-_REACH, _REACH + 1, GRID)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)


def _square_meets_hull(points: np.ndarray, hull: ConvexHull, half: float) -> np.ndarray:
    """Whether the open square of half side `half` around each point overlaps the hull in a positive area.

    Two convex figures are apart exactly if an axis separates them; the axes are a, b and the hull's normals.
    """
    normals, offsets = hull.equations[:, :2], hull.equations[:, 2]
    nearest_corner = points @ normals.T + offsets - half * np.abs(normals).sum(1)
    inside_box = (points + half > hull.min_bound) & (points - half < hull.max_bound)
    return (nearest_corner < 0).all(1) & inside_box.all(1)


@lru_cache(maxsize=1)
def _derived() -> np.ndarray:
    hull = ConvexHull(srgb_ab())
    points = _grid_points()
    return points[_square_meets_hull(points, hull, GRID)]


def ab_gamut_centers() -> Tensor:
    """The 313 colours Q of the quantised ab plane, float32 [313, 2], lexicographic order.

    Rule: keep all four corners of every 10 x 10 cell that overlaps the convex hull of the sRGB cube's (a, b) in a
    positive area; the same as keeping grid points whose open square of half side 10 meets the hull. Reproduces the
    published list exactly (a in -90..100, b in -110..100).
    """
    return torch.from_numpy(_derived()).float()


BINS = len(_derived())
"""How many colours there are: 313."""


def centers_by_rule(levels: int = 86) -> dict[str, np.ndarray]:
    """The grid points that other plausible rules give, none of which gives 313; int64 [n, 2] for each rule.

    levels: steps a channel of the sRGB lattice that stands for "every displayable colour".
    """
    colours, points, hull = srgb_ab(levels), _grid_points(), ConvexHull(srgb_ab())
    known = {tuple(p) for p in points}
    nearest = {tuple(p) for p in np.unique(np.rint(colours / GRID).astype(int) * GRID, axis=0)}
    floor = {tuple(p) for p in np.unique(np.floor(colours / GRID).astype(int) * GRID, axis=0)}
    corners = {(a + i, b + j) for a, b in floor for i in (0, GRID) for j in (0, GRID)}
    dilated = nearest | {(a + i, b + j) for a, b in nearest for i, j in ((GRID, 0), (-GRID, 0), (0, GRID), (0, -GRID))}
    in_hull = points[(points @ hull.equations[:, :2].T + hull.equations[:, 2] <= 0).all(1)]
    rules = {
        "overlapping cells, all corners": _derived(),
        "nearest grid point of a colour": nearest,
        "grid point inside the hull": {tuple(p) for p in in_hull},
        "lower corner of a cell that is hit": floor,
        "all corners of a cell that is hit": corners,
        "nearest grid points and their neighbours": dilated,
    }
    return {name: np.array(sorted(known & {tuple(p) for p in kept})) for name, kept in rules.items()}


def never_nearest(levels: int = 86) -> Tensor:
    """Which of the 313 colours are nearest to no displayable colour, bool [313]; they only receive soft mass."""
    hit = nearest_bin(torch.from_numpy(srgb_ab(levels)).float())
    return torch.bincount(hit, minlength=BINS) == 0


_CELL = 2.5  # side of a table cell: smaller ones have no fewer candidates, since eight bins are as far from (5, 5)


@cached_table
def _candidates(neighbours: int, device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """For every cell of the ab plane the m bins that can be among the k nearest of one of its colours.

    Returns bin numbers int64 [cells**2, m] and their a, then their b [cells**2, 2m]. A bin can be dropped when k others
    are nearer to every point of the cell: when its least distance to the cell exceeds the k-th smallest of the greatest
    distances. Rows are ascending, padded with the bin count, infinitely far.
    """
    centers = ab_gamut_centers().double()
    low = torch.arange(-_REACH, _REACH, _CELL, dtype=torch.float64)
    corner = torch.cartesian_prod(low, low)[:, None, :]
    least = (torch.relu(corner - centers) + torch.relu(centers - corner - _CELL)).square().sum(-1)
    greatest = torch.maximum((centers - corner).abs(), (centers - corner - _CELL).abs()).square().sum(-1)
    keep = least <= greatest.kthvalue(neighbours, dim=1, keepdim=True).values
    rows = [row.nonzero()[:, 0] for row in keep]
    table = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=len(centers))
    colours = torch.cat([centers, torch.full((1, 2), torch.inf)])[table].movedim(2, 1).flatten(1)
    return table.to(device), colours.to(device, dtype)


def soft_encode(
    ab: Tensor, neighbours: int = 5, sigma: float = 5.0, displayable: bool = False
) -> tuple[Tensor, Tensor]:
    """Soft-encode colours: Gaussian weights on the nearest of the 313 colours (section 2.2; k = 5 in the paper).

    ab: [n, 2] in CIE units. displayable: a promise that all are colours of sRGB images, which saves a look at them
    that a GPU would have to wait for. Returns bin numbers int64 [n, k], nearest first, and weights [n, k]
    that sum to 1, w_i ~ exp(-d_i^2 / (2 sigma^2)). Of bins at equal distance the one with the lowest number is
    first, so that the result does not depend on a sorting routine. Exact: a table lists for each small cell of the
    plane every bin that can be among the k nearest of its colours; colours outside are compared with all bins.
    """
    if ab.ndim != 2 or ab.shape[1] != 2:
        raise ValueError(f"ab must be [n, 2]; got {tuple(ab.shape)}")
    if not 1 <= neighbours <= BINS or not sigma > 0:
        raise ValueError(f"neighbours={neighbours}, sigma={sigma}; allowed: 1 to {BINS}, above 0")
    if not displayable and not (ab.abs() < _REACH - 1).all():
        table = torch.arange(BINS, device=ab.device)[None]
        colours, cell = ab_gamut_centers().to(ab).T.reshape(1, -1), torch.zeros_like(ab[:, 0], dtype=torch.int64)
    else:
        table, colours = _candidates(neighbours, ab.device, ab.dtype)
        across = round(2 * _REACH / _CELL)
        cell = ((ab + _REACH) * (1 / _CELL)).long().clamp_(0, across - 1)  # should the promise be broken: no wrapping
        cell = cell[:, 0] * across + cell[:, 1]
    count = table.shape[1]
    near = colours.index_select(0, cell)
    squared = (near[:, :count] - ab[:, :1]).square() + (near[:, count:] - ab[:, 1:]).square()
    # stable: of equals the one that stands first, which has the lowest number
    squared, order = squared.sort(dim=1, stable=True)
    # softmax, written out over a leading axis: five times as fast
    weight = torch.exp((squared[:, :neighbours].T - squared[:, 0]) / (-2 * sigma**2))
    return table.index_select(0, cell).gather(1, order[:, :neighbours]), (weight / weight.sum(0)).T


def soft_encode_map(
    ab: Tensor, neighbours: int = 5, sigma: float = 5.0, displayable: bool = False
) -> tuple[Tensor, Tensor]:
    """Soft-encode ab [b, 2, h, w] into bins and weights [b, k, h, w]; arguments as in `soft_encode`."""
    if ab.ndim != 4 or ab.shape[1] != 2:
        raise ValueError(f"ab must be [b, 2, h, w]; got {tuple(ab.shape)}")
    b, _, h, w = ab.shape
    index, weight = soft_encode(ab.movedim(1, -1).reshape(-1, 2), neighbours, sigma, displayable)
    return tuple(x.reshape(b, h, w, neighbours).movedim(-1, 1) for x in (index, weight))


def densify(index: Tensor, weight: Tensor, bins: int = 313) -> Tensor:
    """Spread sparse targets [n, k] over all bins: [n, bins], rows summing to 1."""
    return torch.zeros(len(index), bins, device=weight.device, dtype=weight.dtype).scatter_(1, index, weight)


def nearest_bin(ab: Tensor) -> Tensor:
    """Number of the nearest of the 313 colours: ab [n, 2] -> int64 [n]; the lowest number of equals."""
    return soft_encode(ab, neighbours=1)[0][:, 0]


def soft_entropy(weight: Tensor) -> Tensor:
    """Entropy of soft targets in nats, [n, k] -> [n]: the floor under the cross entropy of any prediction."""
    return -torch.special.xlogy(weight, weight).sum(1)


def prior_from_ab(chunks, neighbours: int = 5, sigma: float = 5.0) -> Tensor:
    """Distribution of the data over the 313 colours: the average of their soft targets, float32 [313].

    chunks: iterable of ab tensors [n, 2]. Averaging soft targets is the smoothing of section 2.2, with the same
    Gaussian as the targets. The result passes `check_prior`.
    """
    total = torch.zeros(BINS, dtype=torch.float64)
    for ab in chunks:
        index, weight = (x.flatten().cpu() for x in soft_encode(ab, neighbours, sigma))  # a GPU sums in any order
        total += torch.bincount(index, weight.double(), BINS)
    prior = (total / total.sum()).float()
    check_prior(prior)
    return prior


def check_prior(prior: Tensor) -> None:
    """Refuse what is no distribution over the 313 colours: ValueError with the value that is off.

    How vivid it is does not count: photographs of flowers may have hardly any mass near grey.
    """
    wrong = int((~((prior >= 0) & (prior < torch.inf))).sum())
    if prior.shape != (BINS,) or wrong:
        found = f"shape {tuple(prior.shape)} with {wrong} negative or not finite"
        raise ValueError(f"a prior holds {BINS} finite numbers from 0; got {found}")
    if not abs(float(prior.sum()) - 1) <= 1e-4:
        raise ValueError(f"sum of the prior is {float(prior.sum()):.6g}; allowed: 0.9999 to 1.0001")


def rebalancing_weights(prior: Tensor, lambda_: float = 0.5) -> Tensor:
    """Weight of each colour, eq. 4: w ~ 1 / ((1 - lambda) p + lambda / Q), scaled so that sum p w = 1; [313].

    lambda_ = 1 gives no rebalancing, 0 the inverse prior. As in the released code the uniform part covers the
    colours that occur (p > 0), and the others get weight 0: no pixel can ask for them.
    """
    if not 0 <= lambda_ <= 1:
        raise ValueError(f"lambda_={lambda_} must lie in 0 to 1")
    occurs = prior > 0
    mixed = (1 - lambda_) * prior + lambda_ * occurs / occurs.sum()
    weights = torch.where(occurs, 1 / mixed.clamp_min(torch.finfo(prior.dtype).tiny), 0)
    return weights / (prior * weights).sum()
