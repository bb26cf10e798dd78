"""Several processes that train one network together, started by torchrun.

Every process takes an equal share of each batch, and what they compute is what one process computes with the whole
batch, but for rounding: gradients are averaged by PyTorch's DistributedDataParallel, and batch norm takes its
statistics over all shares. The original trained on one GPU, so statistics of a share alone would be another network.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor, distributed, nn

from ..devices import set_local_device

T = TypeVar("T")


class World(NamedTuple):
    """Which of how many processes this is; the default is one that works alone."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes files and speaks."""
        return self.rank == 0


ALONE = World()


def world() -> World:
    """The processes that this one has joined."""
    joined = distributed.is_available() and distributed.is_initialized()
    return World(distributed.get_rank(), distributed.get_world_size()) if joined else ALONE


@contextlib.contextmanager
def joined(device: str = "auto") -> Iterator[World]:
    """Within it the processes that torchrun (or srun, with the same variables) started work together.

    Each takes the CUDA device of its place on its machine, unless `device` is "cpu". A process that nobody started
    beside others is alone, and nothing happens. Raises ValueError where a machine has fewer devices than processes.
    """
    if not {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= set(os.environ):
        yield ALONE
        return
    set_local_device(int(os.environ.get("LOCAL_RANK", 0)), device)
    distributed.init_process_group()
    try:
        yield world()
    finally:
        distributed.destroy_process_group()


def from_first(find: Callable[[], T]) -> T:
    """What `find` gives in the first process, in every process; what it raises there, too.

    For decisions that all have to take alike, such as whether to enter something in which they wait for each other.
    """
    if world().size == 1:
        return find()
    found = [None, None]
    if world().first:
        try:
            found[0] = find()
        except Exception as error:
            found[1] = error
    distributed.broadcast_object_list(found, device=torch.device("cpu"))
    if found[1] is not None:
        raise found[1]
    return found[0]


def average(values: Tensor) -> Tensor:
    """Mean over the processes."""
    if world().size > 1:
        values = values / world().size
        distributed.all_reduce(values)
    return values


def any_rank(asks: bool) -> bool:
    """Whether `asks` is true in one of the processes."""
    if world().size == 1:
        return asks
    asked = torch.tensor(float(asks))
    distributed.all_reduce(asked)
    return bool(asked)


def barrier() -> None:
    """Go on when all processes have come here."""
    if world().size > 1:
        distributed.barrier()


def wrap_ddp(network: nn.Module, device: torch.device) -> nn.Module:
    """The network as several processes train it: same parameters and buffers, joint statistics and gradients."""
    if world().size == 1:
        return network
    if device.type == "cuda":
        synchronised = nn.SyncBatchNorm.convert_sync_batchnorm(network)
    else:
        for layer in network.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.__class__ = JointBatchNorm
        synchronised = network
    return nn.parallel.DistributedDataParallel(synchronised, broadcast_buffers=False)


class JointBatchNorm(nn.BatchNorm2d):
    """Batch norm over the shares of all processes, on any device; PyTorch's SyncBatchNorm needs a CUDA device."""

    def forward(self, x: Tensor) -> Tensor:
        """x: [b, c, h, w], of the same shape in every process."""
        if not self.training:
            return super().forward(x)
        narrow, x = x.dtype, x.to(torch.promote_types(x.dtype, torch.float32))  # sums in bf16 would lose digits
        count = x.numel() // x.shape[1] * world().size
        mean = _Sum.apply(x.sum((0, 2, 3))) / count
        centred = x - mean[:, None, None]
        variance = _Sum.apply(centred.square().sum((0, 2, 3))) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean.to(self.running_mean), self.momentum)
            self.running_var.lerp_((variance * count / (count - 1)).to(self.running_var), self.momentum)
        normal = centred * torch.rsqrt(variance + self.eps)[:, None, None]
        if self.affine:
            normal = normal * self.weight[:, None, None] + self.bias[:, None, None]
        return normal.to(narrow)


class _Sum(torch.autograd.Function):
    """Sum over the processes; a gradient that arrives is summed likewise, since every process's loss depends on it."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        x = x.clone()
        distributed.all_reduce(x)
        return x

    backward = forward
