"""Several processes train the network that one process trains."""

import dataclasses
import itertools
import os
import signal
from unittest import mock

import pytest
import torch
from filelock import FileLock
from safetensors.torch import load_file
from trainings import CPU, TINY, read_history, together

from colorize_lib.colorizer import WEIGHTS
from colorize_lib.data.store import Store
from colorize_lib.training import distributed, loop
from colorize_lib.training.batches import Batches
from colorize_lib.training.checkpoint import LOCK
from colorize_lib.training.distributed import ALONE, JointBatchNorm, World
from colorize_lib.training.loop import Run, train_run


def interrupted(rank: int, config, store, runs, lines) -> None:
    """Train; the second process thinks at every step that a checkpoint is due, and is interrupted before the eighth."""
    ticks = itertools.count(0, (7, 1000)[rank])

    def take_step(run, take_step=Run.take_step):
        if run.step == 7 and rank == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return take_step(run)

    with (
        mock.patch.object(loop, "clock", lambda: float(next(ticks))),
        mock.patch.object(Run, "take_step", take_step),
        open(lines, "a") as file,
    ):
        train_run(config, "ce_rebal", 0, Store(store), runs, log=lambda line: print(line, file=file))


def test_two_processes_interrupted_and_resumed_train_what_one_trains(store, tmp_path):
    config = dataclasses.replace(TINY, steps=14, init="data", precision="fp64", checkpoint_seconds=50)
    alone = train_run(config, "ce_rebal", 0, store, tmp_path / "alone", log=None)
    runs, lines = tmp_path / "runs", tmp_path / "lines.txt"
    assert together(interrupted, config, store.path, runs, lines) == [130, 130]  # noticed at step 10
    assert together(interrupted, config, store.path, runs, lines) == [0, 0]
    told = lines.read_text()
    assert told.count("step 10/14, epoch") == told.count("step 14/14, epoch") == told.count("goes on from step 10") == 1
    one, other = (load_file(folder / alone.name / WEIGHTS) for folder in (tmp_path / "alone", runs))
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name], rtol=1e-5, atol=1e-6, msg=name)
    for row, same in zip(read_history(alone), read_history(runs / alone.name), strict=True):
        assert row == pytest.approx(same, rel=1e-6)  # the sums of a history are fp32


def refused(rank: int, store, runs) -> None:
    """Find the run's folder taken."""
    with pytest.raises(ValueError, match="another process is training in"):
        train_run(TINY, "l2", 0, Store(store), runs, log=None)


def test_all_processes_are_refused_where_one_is(store, tmp_path):
    folder = Run(TINY, "l2", 0, store, tmp_path).folder
    folder.mkdir()
    with FileLock(folder / LOCK):
        assert together(refused, store.path, tmp_path) == [0, 0]


def normalized(rank: int) -> None:
    """Half a batch is normalized as it is in the whole one."""
    whole = (10 + torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))).bfloat16()
    expected = torch.nn.BatchNorm2d(3)(whole.float())
    found = JointBatchNorm(3)(whole[4 * rank : 4 * rank + 4])
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected[4 * rank : 4 * rank + 4], rtol=0, atol=0.015)


def test_joint_batch_norm_sums_in_single_precision():
    assert together(normalized) == [0, 0]


@pytest.mark.parametrize("size", [2, 4])
def test_the_shares_of_a_batch_are_the_batch(store, size):
    rows = store.rows("train", 24)
    whole = Batches(store, rows, TINY, 3, CPU)
    shares = [Batches(store, rows, TINY, 3, CPU, World(rank, size)) for rank in range(size)]
    for step in (0, 1, 2, 5):
        batch = torch.cat([share(step) for share in shares])
        assert torch.equal(batch, whole(step)) and len(batch) == 8


def test_no_photograph_is_seen_twice_or_left_out(store):
    plain = dataclasses.replace(TINY, side=24, flip=False)
    rows = store.rows("train", 24)
    shares = [Batches(store, rows, plain, 0, CPU, World(rank, 4)) for rank in range(4)]
    seen = [image.numpy().tobytes() for step in range(3) for share in shares for image in share(step)]
    assert sorted(seen) == sorted(store.pixels[row].tobytes() for row in rows)


def test_a_batch_that_cannot_be_shared_is_refused(store):
    with pytest.raises(ValueError, match="batch=8 cannot be shared by 3 processes"):
        Batches(store, store.rows("train"), TINY, 0, CPU, World(0, 3))


def test_one_process_is_alone(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)
    with distributed.joined() as world:
        assert world == distributed.world() == ALONE and world.first
    network = torch.nn.Linear(1, 1)
    assert distributed.wrap_ddp(network, CPU) is network
    assert distributed.from_first(lambda: "x") == "x" and distributed.any_rank(True) and not distributed.any_rank(False)
    assert distributed.average(torch.ones(2)).tolist() == [1, 1]
