"""From a predicted distribution over the 313 colours to one colour."""

from __future__ import annotations

import torch
from torch import Tensor

from .quantize import ab_gamut_centers


def annealed_mean(logits: Tensor, temperature: float = 0.38) -> Tensor:
    """Decode logits to colours by the annealed mean, eq. 5 and 6: the mean under softmax(logits / T).

    logits: [b, 313, h, w]. Returns ab [b, 2, h, w]. T = 1 gives the mean, T towards 0 the mode; T = 0.38 is the
    paper's compromise (the Caffe file multiplies by 2.606 = 1 / 0.3837; the PyTorch port has no temperature).
    """
    if not temperature > 0:
        raise ValueError(f"temperature={temperature} must be above 0; use a small one such as 0.01 for the mode")
    # with the colours as the last axis, as the network lays them out in memory, softmax is much faster
    probability = torch.softmax(logits.movedim(1, -1).float() / temperature, dim=-1)
    return (probability @ ab_gamut_centers().to(probability)).movedim(-1, 1)
