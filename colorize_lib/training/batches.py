"""The images of every training step, on the device that trains.

Which images a step sees, where they are cropped and which are mirrored is a function of (seed, step) alone: the
same for every arm, for every number of processes and after every interruption.
"""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..config import Config
from ..data.store import Store
from .distributed import ALONE, World


@functools.lru_cache(maxsize=2)
def batch_order(n: int, seed: int, epoch: int) -> np.ndarray:
    """Order in which epoch `epoch` visits n images: a permutation int64 [n] that depends on seed and epoch only.

    Kept, because every step asks for it and 100,000 images take a millisecond to shuffle; read-only.
    """
    order = np.random.default_rng([seed, epoch, 0]).permutation(n)
    order.flags.writeable = False
    return order


class _Plan(NamedTuple):
    """One epoch: images in the order of their visits, which of them to mirror, and the crop's corner at each step."""

    order: Tensor | np.ndarray  # int64 [n], places in `rows`; like `mirrored`, on the device if the images are
    mirrored: Tensor | np.ndarray  # bool [n]
    corners: np.ndarray  # [steps, 2]


class Batches:
    """`batches(step)` gives the images of a step, uint8 [batch, side, side, 3], or this process's share of them.

    On a CUDA device the training images lie there as a whole if they take less than half of its free memory and
    `config.resident` allows it: 100,000 images of 64 px are 1.2 GB. Otherwise they are read from the store's file,
    one step ahead. Raises ValueError where the processes of `world` cannot share a batch evenly.
    """

    def __init__(
        self, store: Store, rows: np.ndarray, config: Config, seed: int, device: torch.device, world: World = ALONE
    ):
        if config.batch % world.size:
            raise ValueError(f"batch={config.batch} cannot be shared by {world.size} processes; allowed: its divisors")
        self.store, self.rows, self.config = store, rows, config
        self.seed, self.device, self.world = seed, device, world
        self.per_epoch = len(rows) // config.batch
        self.resident = self._resident() if config.resident and device.type == "cuda" else None
        self._plans: dict[int, _Plan] = {}
        self._reader, self._coming = ThreadPoolExecutor(1), {}

    def __call__(self, step: int) -> Tensor:
        if self.resident is None:
            return self._read_ahead(step)
        plan, mine, cut = self._find(step)
        batch = self.resident[plan.order[mine]][cut]
        return torch.where(plan.mirrored[mine][:, None, None, None], batch.flip(2), batch)

    def _find(self, step: int) -> tuple[_Plan, slice, tuple[slice, ...]]:
        """A step's epoch, this process's share of it, and the crop: one for all, as the original takes 176 of 256."""
        epoch, position = divmod(step, self.per_epoch)
        share, side = self.config.batch // self.world.size, self.config.side
        first = position * self.config.batch + self.world.rank * share
        plan = self._plan(epoch)
        y, x = plan.corners[position]
        return plan, slice(first, first + share), (slice(None), slice(y, y + side), slice(x, x + side))

    def _plan(self, epoch: int) -> _Plan:
        """The plan of an epoch; the last two are kept, because reading ahead goes from one to the next."""
        if epoch not in self._plans:
            self._plans = dict([*self._plans.items()][-1:]) | {epoch: self._draw(epoch)}
        return self._plans[epoch]

    def _draw(self, epoch: int) -> _Plan:
        """Everything random of an epoch, drawn step by step so that a step's share does not depend on its epoch."""
        spare = self.store.side - self.config.side
        corners, mirrored = np.zeros((self.per_epoch, 2), int), []
        for position in range(self.per_epoch):
            chance = np.random.default_rng([self.seed, epoch * self.per_epoch + position, 1])
            if spare:
                corners[position] = chance.integers(0, spare + 1, 2)
            mirrored.append(chance.random(self.config.batch) < 0.5 * self.config.flip)
        order, mirrored = batch_order(len(self.rows), self.seed, epoch), np.concatenate(mirrored)
        if self.resident is not None:
            order, mirrored = (torch.from_numpy(x.copy()).to(self.device) for x in (order, mirrored))
        return _Plan(order, mirrored, corners)

    def _resident(self) -> Tensor | None:
        """The training images on the device, or None where they do not fit."""
        shape = len(self.rows), self.store.side, self.store.side, 3
        if np.prod(shape) > torch.cuda.mem_get_info(self.device)[0] / 2:
            return None
        images = torch.empty(shape, dtype=torch.uint8, device=self.device)
        for i in range(0, len(self.rows), 4096):
            images[i : i + 4096] = torch.from_numpy(self.store.read(self.rows[i : i + 4096])).to(self.device)
        return images

    def _read_ahead(self, step: int) -> Tensor:
        """The images of a step from the file, while a thread reads those of the next one."""
        coming = self._coming.pop(step, None) or self._reader.submit(self._read, step)
        self._coming = {step + 1: self._reader.submit(self._read, step + 1)}
        return coming.result().to(self.device, non_blocking=True)

    def _read(self, step: int) -> Tensor:
        plan, mine, cut = self._find(step)
        images = self.store.read(self.rows[plan.order[mine]])[cut]
        turned = plan.mirrored[mine]
        images[turned] = images[turned, :, ::-1]
        batch = torch.from_numpy(np.ascontiguousarray(images))
        return batch.pin_memory() if self.device.type == "cuda" else batch
