"""A store: a folder with all images at one size in a memory-mapped array, known by the hashes of its pixels."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from ..color import rgb_to_lab, to_unit
from ..config import Config
from ..objectives import subsample
from ..quantize import prior_from_ab

FORMAT = 1  # of a store; a change of meaning or of resampling raises it, and old caches are prepared anew
SPLITS = ("train", "val", "test")


class Store:
    """A folder of equally large pictures: `pixels` uint8 [n, side, side, 3] (memory-mapped) and `index` (n rows).

    `index` has the columns label, source, split and sha (hash of the pixels); `skipped` tells what was left out.
    Raises ValueError where the folder is no finished store.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if not (self.path / "store.json").is_file():
            raise ValueError(f"{self.path} is not a finished store (no store.json); make one with `prepare`")
        self.meta = json.loads((self.path / "store.json").read_text())
        if self.meta["format"] != FORMAT:
            raise ValueError(f"{self.path} is a store of format {self.meta['format']}, this library reads {FORMAT}")
        self.side: int = self.meta["side"]
        self.pixels = np.load(self.path / "pixels.npy", mmap_mode="r")
        self.index = pd.read_parquet(self.path / "index.parquet")
        if not len(self.index) == len(self.pixels) == self.meta["n"]:
            raise ValueError(f"{self.path} is damaged: its index, pixels and description disagree on their number")

    def __len__(self) -> int:
        return len(self.index)

    @functools.cached_property
    def skipped(self) -> pd.DataFrame:
        """Pictures left out: columns source and reason."""
        return pd.read_csv(self.path / "skipped.csv")

    def rows(self, split: str, limit: int = 0) -> np.ndarray:
        """Row numbers, int64, of split "train", "val" or "test", or of "all"; only the first `limit` if it is > 0."""
        rows = np.arange(len(self)) if split == "all" else np.flatnonzero(self.index["split"].to_numpy() == split)
        if not len(rows):
            there = ", ".join(f"{name} ({n})" for name, n in self.index["split"].value_counts().items())
            raise ValueError(f"no pictures in split {split!r} of {self.path}; it holds {there}")
        return rows[:limit].astype(np.int64) if limit > 0 else rows.astype(np.int64)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """The pictures `rows`, uint8 [len(rows), side, side, 3], read from the file.

        Pages of the memory map that were touched once stay with this process; here they do not, so that training on
        a store larger than the memory leaves it free.
        """
        pictures = np.empty((len(rows), *self.pixels.shape[1:]), np.uint8)
        with open(self.path / "pixels.npy", "rb", buffering=0) as file:
            for picture, row in zip(pictures, rows, strict=True):
                place = self.pixels.offset + int(row) * picture.nbytes
                if os.preadv(file.fileno(), [picture], place) < picture.nbytes:
                    raise ValueError(f"{self.path} is damaged: picture {row} cannot be read")
        return pictures

    def fingerprint(self, rows: np.ndarray | None = None) -> str:
        """16 hex digits over the pixels of `rows` in their order (default: all), whatever file they came in."""
        shas = self.index["sha"].to_numpy()
        return fingerprint_of(shas if rows is None else shas[rows])


def fingerprint_of(shas: Iterable[str]) -> str:
    """16 hex digits over the hashes of images, in their order."""
    return hashlib.sha256("".join(shas).encode()).hexdigest()[:16]


PRIOR_PHOTOS = 100_000


def data_prior(store: Store, rows: np.ndarray, config: Config, device: torch.device) -> Tensor:
    """Prior [313] of the pictures `rows`, on `device`: soft targets averaged over every fourth pixel, whole pictures.

    Of more than `PRIOR_PHOTOS` some are taken at equal distances, so that training on millions begins without delay.
    """
    rows = rows[:: math.ceil(len(rows) / PRIOR_PHOTOS)]
    size = max(1, 512 * 64**2 // store.side**2)  # pictures at once, for an even use of memory
    labels = (subsample(_rgb(store, rows[i : i + size], device)) for i in range(0, len(rows), size))
    colours = (rgb_to_lab(rgb.double())[:, 1:].movedim(1, -1).reshape(-1, 2) for rgb in labels)
    return prior_from_ab(colours, config.neighbours, config.sigma).to(device)


def _rgb(store: Store, rows: np.ndarray, device: torch.device) -> Tensor:
    return to_unit(torch.from_numpy(store.read(rows)).to(device))
