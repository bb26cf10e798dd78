"""The smallest trainings, and how to look at what they leave."""

from __future__ import annotations

import csv
import faulthandler
import multiprocessing
import os
import socket
import sys
from collections.abc import Callable

import torch
from safetensors.torch import load_file

from colorize_lib.colorizer import WEIGHTS
from colorize_lib.config import Config
from colorize_lib.training import distributed

CPU = torch.device("cpu")
TINY = Config(
    side=16, train_photos=24, width=1 / 16, batch=8, steps=6, eval_every=2, lr=1e-3, schedule="one_cycle", device="cpu"
)
DEADLOCK = 180
"""Seconds after which a process that waits for ever is ended, to fail its test."""


def read_history(folder) -> list[dict]:
    """The rows of a history, but for their times."""
    with open(folder / "history.csv") as file:
        return [{k: float(v) for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def same_weights(one, other) -> bool:
    """Whether two runs ended with the same network, bit for bit."""
    one, other = load_file(one / WEIGHTS), load_file(other / WEIGHTS)
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def same_run(one, other) -> bool:
    """Whether two runs have the same history and network."""
    return read_history(one) == read_history(other) and same_weights(one, other)


def in_process(work: Callable[..., object], *args) -> int:
    """Do `work(*args)` in another process; returns its exit status, or minus the signal that killed it."""
    return _ended([(work, args)])[0]


def together(work: Callable[..., object], *args, size: int = 2) -> list[int]:
    """Do `work(rank, *args)` in some processes that have joined, as torchrun starts them; returns how each ended."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return _ended([(_joined, (rank, size, port, work, args)) for rank in range(size)])


def _ended(jobs: list[tuple]) -> list[int]:
    """How processes ended that did the jobs at the same time.

    They are forked from a server that has imported the library and started no threads. A fork of this process, whose
    threads may hold locks, now and then waits for ever.
    """
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload(["colorize_lib.training.loop", "torch._dynamo"])  # Adam loads the second, for seconds
    processes = [server.Process(target=work, args=args) for work, args in jobs]
    for process in processes:
        process.start()
    for process in processes:
        process.join(DEADLOCK)
        process.kill()
        process.join()
    return [process.exitcode for process in processes]


def _joined(rank: int, size: int, port: int, work: Callable[..., object], args: tuple) -> None:
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": size, "RANK": rank, "LOCAL_RANK": rank}
    os.environ.update({name: str(value) for name, value in where.items()})
    faulthandler.dump_traceback_later(DEADLOCK - 20)  # where it waits, if it does
    try:
        with distributed.joined("cpu"):
            work(rank, *args)
    except KeyboardInterrupt:
        sys.exit(130)
