"""Several processes under torchrun train the network that one process trains."""

import dataclasses
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file

from colorize_lib.colorizer import WEIGHTS
from colorize_lib.config import load_config
from colorize_lib.data.store import Store
from colorize_lib.training import distributed
from colorize_lib.training.batches import Batches
from colorize_lib.training.distributed import ALONE, World
from colorize_lib.training.loop import Run, train_run

SMALL = {"side": 16, "train_photos": 24, "width": 0.0625, "batch": 8, "steps": 60, "eval_every": 10, "init": "data",
         "lr": 1e-3, "device": "cpu", "arms": ["l2", "ce_rebal"]}  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    """Training and validation scenes of 24 px: room for a crop of 16."""
    return tiny.store_with_room_to_crop(tmp_path_factory.mktemp("scenes"))


@pytest.fixture
def config(store):
    return load_config("smoke", data=str(store.path), **SMALL)


def start(folder, store, command: str) -> subprocess.Popen:
    """`torchrun -m colorize_lib train`, or sweep, in two processes with the settings above, in `folder`."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    values = [word for name, value in SMALL.items() if name != "arms" for word in ("-p", name, str(value))]
    command = [*launch, "-m", "colorize_lib", command, "--data", str(store.path), *values]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(
        [*command, "--arms", ",".join(SMALL["arms"])], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def test_two_processes_interrupted_and_resumed_train_what_one_trains(config, store, tmp_path):
    first = start(tmp_path, store, "train")
    history = tmp_path / "runs" / Run(config, "l2", 0, store).folder.name / "history.csv"
    deadline = time.monotonic() + 120
    while not history.exists() and first.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    first.send_signal(signal.SIGINT)
    said = first.communicate(timeout=120)[0]
    assert first.returncode != 0 and said.count("l2 seed 0: step 10/60") == 1, said
    if "interrupted and saved at step" not in said:  # it may have been between two runs
        assert "Signal" in said or "Interrupt" in said, said

    second = start(tmp_path, store, "sweep")
    said = second.communicate(timeout=240)[0]
    assert second.returncode == 0, said
    assert said.count("state") == 2, said  # a table before and one after, from the first process alone
    assert all(line.endswith("finished") for line in said.splitlines()[-len(config.arms) :]), said
    for arm in config.arms:
        alone = train_run(config, arm, 0, store, tmp_path / "alone", say=None)
        one, other = (load_file(folder / alone.name / WEIGHTS) for folder in (tmp_path / "alone", tmp_path / "runs"))
        assert one.keys() == other.keys()
        for name in one:
            torch.testing.assert_close(one[name], other[name], rtol=1e-5, atol=1e-6, msg=f"{arm}: {name}")
        rows = [
            np.loadtxt(folder / alone.name / "history.csv", delimiter=",", skiprows=1)[:, :-1]  # the last are seconds
            for folder in (tmp_path / "alone", tmp_path / "runs")
        ]
        np.testing.assert_allclose(*rows, rtol=1e-6)  # the sums of a history are fp32


@pytest.mark.parametrize("size", [2, 4])
def test_the_shares_of_a_batch_are_the_batch(config, store, size):
    rows, cpu = store.rows("train", 24), torch.device("cpu")
    whole = Batches(store, rows, config, 3, cpu)
    shares = [Batches(store, rows, config, 3, cpu, World(rank, size)) for rank in range(size)]
    for step in (0, 1, 2, 5):
        together = torch.cat([share(step) for share in shares])
        assert torch.equal(together, whole(step)) and len(together) == 8


def test_no_photograph_is_seen_twice_or_left_out(config, store):
    plain = dataclasses.replace(config, side=24, flip=False)
    rows = store.rows("train", 24)
    shares = [Batches(store, rows, plain, 0, torch.device("cpu"), World(rank, 4)) for rank in range(4)]
    seen = [picture.numpy().tobytes() for step in range(3) for share in shares for picture in share(step)]
    assert sorted(seen) == sorted(store.pixels[row].tobytes() for row in rows)


def test_a_batch_that_cannot_be_shared_is_refused(config, store):
    with pytest.raises(ValueError, match="batch=8 cannot be shared by 3 processes"):
        Batches(store, store.rows("train"), config, 0, torch.device("cpu"), World(0, 3))


def test_one_process_is_alone(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR"):
        monkeypatch.delenv(name, raising=False)
    with distributed.joined() as world:
        assert world == distributed.world() == ALONE and world.first
    network = torch.nn.Linear(1, 1)
    assert distributed.wrap_ddp(network, torch.device("cpu")) is network
    assert distributed.broadcast("x") == "x" and distributed.any_rank(True) and not distributed.any_rank(False)
    assert distributed.average(torch.ones(2)).tolist() == [1, 1]
