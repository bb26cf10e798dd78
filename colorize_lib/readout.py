"""From a predicted distribution over the 313 colours to one colour: one posterior, many answers.

A classifier trained with plain cross entropy estimates the distribution of colours at every position. Each question
has its own best answer under it: the mean for least squared error, the geometric median for least distance, the mode
for the likeliest colour, a sample for an image as vivid as real ones. A temperature sharpens the distribution before
it is read (Zhang et al., eq. 5 and 6), and a tilt counts rare colours more, as rebalanced training does (eq. 4): the
change of prior that Saerens, Latinne and Decaestecker (Neural Computation 14, 2002) and Menon et al. (ICLR 2021)
describe.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import torch
from torch import Tensor

from .color import cached_table
from .quantize import ab_gamut_centers, rebalancing_weights

KINDS = ("mean", "median", "mode", "sample")
"""What can be asked of a distribution."""
MEDIAN_STEPS = 40
MEDIAN_TOLERANCE = 1e-3  # in ab units, of a step: its end is then nearer than 0.01
NUMBER = r"\d+(?:\.\d+)?(?:e-\d+)?"
PATTERN = re.compile(rf"@(?P<temperature>{NUMBER})(?:~(?P<lambda_>{NUMBER}))?(?::(?P<kind>[a-z]+))?")
"""What a read-out looks like as text."""


@dataclass(frozen=True)
class Readout:
    """How a distribution becomes a colour.

    temperature: of the softmax, above 0; 1 reads what was predicted, smaller ones are bolder. lambda_: tilt by the
    weights of eq. 4 with this lambda, 0 to 1; 1 is no tilt. kind: one of `KINDS`. seed: of the kind "sample". Raises
    ValueError for other values.
    Written as text it is what follows an arm's name in a system: `@0.38`, `@1~0.5`, `@1:median`.
    """

    temperature: float = 0.38
    lambda_: float = 1.0
    kind: str = "mean"
    seed: int = 0

    def __post_init__(self):
        if not 0 < self.temperature < float("inf"):
            raise ValueError(
                f"temperature={self.temperature} must be above 0; use a small one such as 0.01 for the mode"
            )
        if not 0 <= self.lambda_ <= 1:
            raise ValueError(f"lambda_={self.lambda_} must lie in 0 to 1; 1 is no tilt")
        if self.kind not in KINDS:
            raise ValueError(f"kind={self.kind!r} is unknown; allowed: {', '.join(KINDS)}")

    def __str__(self) -> str:
        tilt = f"~{self.lambda_:g}" if self.lambda_ < 1 else ""
        return f"@{self.temperature:g}{tilt}" + (f":{self.kind}" if self.kind != "mean" else "")

    @classmethod
    def parse(cls, text: str) -> Readout:
        """The read-out that `str` wrote. Raises ValueError for other text."""
        found = PATTERN.fullmatch(text)
        if not found:
            raise ValueError(f"read-out {text!r} is not possible; it should look like @0.38, @1~0.5 or @1:median")
        return cls(float(found["temperature"]), float(found["lambda_"] or 1), found["kind"] or "mean")

    def __call__(self, logits: Tensor, prior: Tensor | None = None) -> Tensor:
        """Read colours ab [b, 2, h, w] from logits [b, 313, h, w].

        prior: distribution of the training data over the colours, [313]; needed for a tilt. The kind "sample" draws for
        each position by itself, the same for the same seed.
        """
        p = distribution(logits, self.temperature, self.lambda_, prior)
        centers = ab_gamut_centers().to(p)
        if self.kind == "mean":
            ab = p @ centers
        elif self.kind == "median":
            ab = geometric_median(p.flatten(0, -2)).view(*p.shape[:-1], 2)
        elif self.kind == "mode":
            ab = centers[p.argmax(-1)]
        else:
            chance = torch.Generator(p.device).manual_seed(self.seed)
            drawn = torch.multinomial(p.flatten(0, -2), 1, generator=chance)
            ab = centers[drawn.view(p.shape[:-1])]
        return ab.movedim(-1, 1)


def distribution(logits: Tensor, temperature: float = 1.0, lambda_: float = 1.0, prior: Tensor | None = None) -> Tensor:
    """The distribution that is read: logits [b, 313, h, w] -> probabilities [b, h, w, 313].

    First tilted, by adding log w of eq. 4 to the logits, then sharpened: a classifier that was trained with rebalancing
    has the weights in its logits before any temperature. Colours are the last axis, as networks lay them out in memory,
    where softmax is much faster. Raises ValueError for a tilt without a prior.
    """
    logits = logits.movedim(1, -1).float()
    if lambda_ < 1:
        if prior is None:
            raise ValueError(f"lambda_={lambda_} tilts by the training data's prior, which is not known here")
        logits = logits + rebalancing_weights(prior.to(logits), lambda_).log()
    return torch.softmax(logits / temperature, dim=-1)


def annealed_mean(logits: Tensor, temperature: float = 0.38) -> Tensor:
    """The annealed mean of eq. 5 and 6: logits [b, 313, h, w] -> ab [b, 2, h, w].

    T = 1 gives the mean, T towards 0 the mode; T = 0.38 is the paper's compromise (the Caffe file multiplies by
    2.606 = 1 / 0.3837; the PyTorch port has no temperature).
    """
    return Readout(temperature)(logits)


@cached_table
def _distances(device: torch.device, dtype: torch.dtype) -> Tensor:
    """Distance of each of the 313 colours to each, [313, 313]."""
    centers = ab_gamut_centers().to(device, dtype)
    return torch.linalg.vector_norm(centers[:, None] - centers, dim=-1)


def geometric_median(p: Tensor) -> Tensor:
    """The colour of least mean distance to the 313 colours under distributions p [n, 313]: [n, 2], to 0.01 ab units.

    The best of the colours themselves is looked up. It is the median if the pull of all others on it is at most its own
    probability (Kuhn 1973); else the median lies a Newton step in the direction of the pull, about. From there the mean
    distance is smooth, and the better of Newton's step and Weiszfeld's is taken until steps are short.
    """
    centers = ab_gamut_centers().to(p)
    best = (p @ _distances(p.device, p.dtype)).argmin(1)
    out = _step_off(p, best, centers)
    median = centers[best] + out
    rows = torch.nonzero(out.any(1))[:, 0]
    for _ in range(MEDIAN_STEPS):
        if not len(rows):
            break
        step = _median_step(p[rows], median[rows], centers)
        median[rows] += step
        rows = rows[torch.linalg.vector_norm(step, dim=1) > MEDIAN_TOLERANCE]
    return median


def _step_off(p: Tensor, best: Tensor, centers: Tensor) -> Tensor:
    """The first step [n, 2] away from a colour of the list, given by number [n]; zero where it is the median."""
    a, b = (centers[:, i] - centers[best, i, None] for i in (0, 1))
    length = torch.hypot(a, b).clamp_min(1e-6)
    near = (p / length).scatter(1, best[:, None], 0)
    pull = torch.stack([_sums(near, a), _sums(near, b)], 1)
    force = torch.linalg.vector_norm(pull, dim=1, keepdim=True).clamp_min(1e-12)
    along = pull / force
    across = (a * along[:, 1:] - b * along[:, :1]) / length
    bend = _sums(near * across, across).clamp_min(1e-12)[:, None]  # second derivative along the pull
    return along * ((force - p.gather(1, best[:, None])) / bend).clamp(0, 6)  # the colours are ten apart


def _sums(x: Tensor, y: Tensor) -> Tensor:
    """Row by row the sum of products, [n, k] and [n, k] -> [n], without the products in memory."""
    return torch.einsum("nk,nk->n", x, y)


def _median_step(p: Tensor, at: Tensor, centers: Tensor) -> Tensor:
    """A step [n, 2] from `at` [n, 2] that lowers the mean distance under p [n, 313]."""
    a, b = (centers[:, i] - at[:, i, None] for i in (0, 1))
    squared = (a * a + b * b).clamp_min(1e-12)
    near = p / squared.sqrt()
    pull = torch.stack([_sums(near, a), _sums(near, b)], 1)  # minus the gradient
    weiszfeld = 1.5 * pull / near.sum(1, keepdim=True)  # a little more than his step is faster, and still goes down
    cubed = near / squared
    aa, bb, ab = _sums(cubed * b, b), _sums(cubed * a, a), -_sums(cubed * a, b)  # second derivatives
    newton = torch.stack([bb * pull[:, 0] - ab * pull[:, 1], aa * pull[:, 1] - ab * pull[:, 0]], 1)
    newton = newton / (aa * bb - ab * ab).clamp_min(1e-12)[:, None]
    to_newton, to_weiszfeld = (_sums(p, torch.hypot(a - s[:, :1], b - s[:, 1:])) for s in (newton, weiszfeld))
    worse = to_newton * (1 - 3e-6) > to_weiszfeld  # not by rounding alone, which close to the median hides the better
    return torch.where(worse[:, None], weiszfeld, newton)
