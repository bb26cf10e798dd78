"""What a network is compared with: no colour, one colour, another image's colours, perfect soft labels.

Each gives Lab [b, 3, h, w] for images uint8 [b, h, w, 3].
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..color import lightness, rgb_to_lab, to_unit
from ..quantize import ab_gamut_centers, soft_encode_map
from .metrics import Images

Colors = Callable[[Tensor], Tensor]


def constant_prediction(ab: Tensor) -> Colors:
    """The baseline that gives every pixel one colour ab [2] under its true L."""

    def predict(pixels: Tensor) -> Tensor:
        L = lightness(to_unit(pixels))
        return torch.cat([L, ab.to(L)[:, None, None].expand(len(L), 2, *L.shape[2:])], 1)

    return predict


def grey_prediction(pixels: Tensor) -> Tensor:
    """The grey baseline: true L, no colour."""
    return constant_prediction(torch.zeros(2))(pixels)


def borrowed_prediction(donors: Images) -> Colors:
    """The baseline that lays the ab map of another image under the true L ("random" in Zhang et al., table 1).

    donors: uint8 [n, h, w, 3], one for each image in the order in which they are measured.
    """
    given = 0

    def predict(pixels: Tensor) -> Tensor:
        nonlocal given
        taken = torch.as_tensor(np.ascontiguousarray(donors[given : given + len(pixels)]))
        given += len(pixels)
        return torch.cat([lightness(to_unit(pixels)), rgb_to_lab(to_unit(taken))[:, 1:]], 1)

    return predict


def ceiling_prediction(pixels: Tensor, neighbours: int = 5, sigma: float = 5.0, temperature: float = 0.38) -> Tensor:
    """The soft-encoding ceiling: the Lab image of a classifier that predicts every soft target exactly.

    The true colours of every fourth pixel, soft-encoded, decoded by the annealed mean and enlarged by four, as a
    network's output is. It holds all losses of the pipeline, so also the shift between a subsampled pixel (the corner
    of its 4 x 4 block) and the enlarged one (its middle).
    """
    lab = rgb_to_lab(to_unit(pixels))
    index, weight = soft_encode_map(lab[:, 1:, ::4, ::4], neighbours, sigma)
    annealed = torch.softmax(weight.log() / temperature, 1)  # the other bins have weight 0 at any temperature
    small = (annealed[..., None] * ab_gamut_centers().to(lab)[index]).sum(1).movedim(-1, 1)
    ab = F.interpolate(small, scale_factor=4, mode="bilinear", align_corners=False)
    return torch.cat([lab[:, :1], ab[..., : lab.shape[2], : lab.shape[3]]], 1)
