"""Where the pictures of a step come from, and what they cost in memory."""

import dataclasses
import gc
import json
import os
import subprocess
import sys
import weakref

import numpy as np
import pandas as pd
import pytest
import torch

from colorize_lib.config import load_config
from colorize_lib.data import prepare as data
from colorize_lib.data.store import FORMAT, Store
from colorize_lib.training.batches import Batches

MILLION = 1_000_000
MEASURE = """
import resource, sys
from pathlib import Path
from colorize_lib.config import load_config
from colorize_lib.data.store import Store
from colorize_lib.training.loop import train_run
config = load_config("laptop", data="x", train_photos=0, width=0.0625, steps=8, eval_every=8, device="cpu")
folder = train_run(config, "l2", 0, Store(sys.argv[1]), Path(sys.argv[2]), log=None)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def sparse_store(folder, n: int, side: int) -> Store:
    """A store of n black pictures that takes no room on disk."""
    folder.mkdir()
    with open(folder / "pixels.npy", "wb") as file:
        data._write_header(file, n, side)
        file.truncate(file.tell() + n * side * side * 3)
    number = pd.Series(np.arange(n)).astype(str)
    split = np.where(np.arange(n) < n - 600, "train", "val")
    frame = pd.DataFrame({"label": "", "source": number, "split": split, "sha": number.str.zfill(32)})
    frame.to_parquet(folder / "index.parquet")
    (folder / "store.json").write_text(json.dumps({"format": FORMAT, "side": side, "n": n}))
    return Store(folder)


def test_a_million_pictures_train_in_less_than_two_gigabytes(tmp_path):
    store = sparse_store(tmp_path / "store", MILLION, 64)
    assert store.pixels.nbytes > 12e9
    command = [sys.executable, "-c", MEASURE, str(store.path), str(tmp_path / "runs")]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "2"}
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 2 * 2**30


@pytest.fixture
def store(tmp_path) -> Store:
    """Thirty pictures of noise, of 24 px, twenty-four of them to train on."""
    noise = np.random.default_rng(0).integers(0, 256, (30, 24, 24, 3), dtype=np.uint8)
    folder = tmp_path / "noise"
    folder.mkdir()
    np.save(folder / "pixels.npy", noise)
    frame = pd.DataFrame({"label": "", "source": "", "split": ["train"] * 24 + ["val"] * 6, "sha": "0" * 32})
    frame.to_parquet(folder / "index.parquet")
    (folder / "store.json").write_text(json.dumps({"format": FORMAT, "side": 24, "n": 30}))
    return Store(folder)


def test_pictures_are_read_from_the_file(store):
    rows = np.array([29, 0, 7, 7])
    assert np.array_equal(store.read(rows), store.pixels[rows])
    assert store.read(rows[:0]).shape == (0, 24, 24, 3)


def test_a_file_that_ends_too_early_is_an_error(store):
    assert len(store.read(np.array([3])))
    os.truncate(store.path / "pixels.npy", (store.path / "pixels.npy").stat().st_size - 10)
    with pytest.raises(ValueError, match="noise is damaged: image 29 cannot be read"):
        store.read(np.array([29]))


def test_steps_in_any_order_are_the_same_steps(store):
    config = load_config("smoke", side=16, batch=8, device="cpu")
    rows, cpu = store.rows("train"), torch.device("cpu")
    in_order = Batches(store, rows, config, 0, cpu)
    expected = [in_order(step) for step in range(9)]
    jumping = Batches(store, rows, config, 0, cpu)
    for step in (8, 0, 5, 6, 5, 7, 2):
        assert torch.equal(jumping(step), expected[step])


@pytest.mark.parametrize("flip", [True, False])
def test_pictures_held_as_a_whole_are_those_of_the_file(store, monkeypatch, flip):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1 << 20, 1 << 20))
    config = load_config("smoke", side=16, batch=8, device="cpu", flip=flip)
    rows, cpu = store.rows("train"), torch.device("cpu")
    held, read = (Batches(store, rows, config, 0, cpu) for _ in range(2))
    held.resident = held._resident()
    assert held.resident.shape == (24, 24, 24, 3) and read.resident is None
    assert all(torch.equal(held(step), read(step)) for step in range(6))
    turned = Batches(store, rows, dataclasses.replace(config, flip=not flip), 0, cpu)
    assert any(not torch.equal(turned(step), read(step)) for step in range(6))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1 << 10, 1 << 20))
    assert held._resident() is None


def test_the_images_on_a_device_go_with_the_run(store, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (1 << 20, 1 << 20))
    batches = Batches(store, store.rows("train"), load_config("smoke", side=16, batch=8), 0, torch.device("cpu"))
    batches.resident = batches._resident()
    batches(0)
    there = weakref.ref(batches)
    gc.disable()
    del batches
    gc.enable()
    assert there() is None, "without waiting for the garbage collector"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
def test_pictures_on_the_gpu_are_those_of_the_file(store):
    config = load_config("smoke", side=16, batch=8)
    rows, gpu = store.rows("train"), torch.device("cuda")
    resident = Batches(store, rows, config, 0, gpu)
    streamed = Batches(store, rows, dataclasses.replace(config, resident=False), 0, gpu)
    plain = Batches(store, rows, config, 0, torch.device("cpu"))
    assert resident.resident is not None and streamed.resident is None
    for step in range(6):
        assert torch.equal(resident(step).cpu(), plain(step)) and torch.equal(streamed(step).cpu(), plain(step))
