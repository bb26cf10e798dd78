"""The smallest images and the smallest experiment, which is trained once for all tests: four arms, two seeds."""

from __future__ import annotations

import tempfile
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace

from PIL import Image

from colorize_lib.config import load_config
from colorize_lib.data import prepare as data
from colorize_lib.data.scenes import synthetic_scenes
from colorize_lib.data.store import Store
from colorize_lib.evaluation import records
from colorize_lib.training.loop import train_run

IMAGES = {"train": 40, "val": 8, "test": 16}
LIMIT = 8
"""Test images that are measured."""


def store_with_room_to_crop(root: Path) -> Store:
    """26 training and 6 validation scenes of 24 px, for crops of 16."""
    for i, scene in enumerate(synthetic_scenes(32, 24, seed=5).pixels):
        folder = root / "pictures" / ("train" if i < 26 else "val")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(scene).save(folder / f"{i:02}.png")
    return data.prepare(str(root / "pictures"), root / "store", 24, progress=False, workers=1, keep_grey=True)


@lru_cache(maxsize=1)
def experiment() -> SimpleNamespace:
    """Train and record it; attributes config, store, runs (folder), folder (of the recorded results), results."""
    root = Path(tempfile.mkdtemp(prefix="colorize-tests-"))
    scenes = iter(synthetic_scenes(sum(IMAGES.values()), 32, seed=3).pixels)
    for split, n in IMAGES.items():
        (root / "pictures" / split).mkdir(parents=True)
        for i in range(n):
            Image.fromarray(next(scenes)).save(root / "pictures" / split / f"{i:02}.png")
    store = data.prepare(root / "pictures", root / "store", 32, progress=False)
    small = {"side": 32, "width": 1 / 16, "steps": 4, "eval_every": 2, "batch": 8, "train_photos": 32}
    arms = ("student_mse", "l2", "ce", "ce_rebal")  # one is left out, so that something is open
    config = load_config("smoke", data=str(store.path), arms=arms, seeds=[0, 1], **small)
    for seed in config.seeds:
        for arm in config.arms:
            train_run(config, arm, seed, store, root / "runs", log=None)
    records.record(config, store, folder=root / "results", runs=root / "runs", limit=LIMIT, log=None)
    found = records.collect(config, store, root / "runs", LIMIT)
    return SimpleNamespace(config=config, store=store, runs=root / "runs", folder=root / "results", results=found)
