"""The prior of the training images, and their way from a store to a device."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ..color import rgb_to_lab, to_unit
from ..config import Config
from ..objectives import subsample
from ..quantize import prior_from_ab
from .store import Store

PRIOR_PHOTOS = 100_000


def data_prior(store: Store, rows: np.ndarray, config: Config, device: torch.device) -> Tensor:
    """Prior [313] of the images `rows`, on `device`: soft targets averaged over every fourth pixel, whole images.

    Of more than `PRIOR_PHOTOS` some are taken at equal distances, so that training on millions begins without delay.
    """
    rows = rows[:: math.ceil(len(rows) / PRIOR_PHOTOS)]
    size = max(1, 512 * 64**2 // store.side**2)  # images at once, for an even use of memory
    labels = (subsample(read_rgb(store, rows[i : i + size], device)) for i in range(0, len(rows), size))
    colours = (rgb_to_lab(rgb.double())[:, 1:].movedim(1, -1).reshape(-1, 2) for rgb in labels)
    return prior_from_ab(colours, config.neighbours, config.sigma).to(device)


def read_rgb(store: Store, rows: np.ndarray, device: torch.device) -> Tensor:
    """The images `rows` as float32 rgb [len(rows), 3, side, side] in 0..1 on `device`."""
    return to_unit(torch.from_numpy(store.read(rows)).to(device))
