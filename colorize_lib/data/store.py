"""A store: a folder with all images at one size in a memory-mapped array, known by the hashes of its pixels."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

FORMAT = 1  # of a store; a change of meaning or of resampling raises it, and old caches are prepared anew
SPLITS = ("train", "val", "test")


class Store:
    """A folder of equally large images: `pixels` uint8 [n, side, side, 3] (memory-mapped) and `index` (n rows).

    `index` has the columns label, source, split and sha (hash of the pixels); `skipped` tells what was left out.
    Raises ValueError where the folder is no finished store, or is damaged.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.meta = _read_meta(self.path)
        self.side: int = self.meta["side"]
        self.pixels = _read_pixels(self.path / "pixels.npy", self.side)
        self.index = _read_index(self.path / "index.parquet")
        if not len(self.index) == len(self.pixels) == self.meta["n"]:
            raise ValueError(f"{self.path} is damaged: its index, pixels and description disagree on their number")

    def __len__(self) -> int:
        return len(self.index)

    @functools.cached_property
    def skipped(self) -> pd.DataFrame:
        """Images left out: columns source and reason."""
        return pd.read_csv(self.path / "skipped.csv")

    def rows(self, split: str, limit: int = 0) -> np.ndarray:
        """Row numbers, int64, of split "train", "val" or "test", or of "all"; only the first `limit` if it is > 0."""
        rows = np.arange(len(self)) if split == "all" else np.flatnonzero(self.index["split"].to_numpy() == split)
        if not len(rows):
            there = ", ".join(f"{name} ({n})" for name, n in self.index["split"].value_counts().items())
            raise ValueError(f"no images in split {split!r} of {self.path}; it holds {there}")
        return rows[:limit].astype(np.int64) if limit > 0 else rows.astype(np.int64)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """The images `rows`, uint8 [len(rows), side, side, 3], read from the file.

        Pages of the memory map that were touched once stay with this process; here they do not, so that training on
        a store larger than the memory leaves it free.
        """
        images = np.empty((len(rows), *self.pixels.shape[1:]), np.uint8)
        with open(self.path / "pixels.npy", "rb", buffering=0) as file:
            for image, row in zip(images, rows, strict=True):
                place = self.pixels.offset + int(row) * image.nbytes
                if os.preadv(file.fileno(), [image], place) < image.nbytes:
                    raise ValueError(f"{self.path} is damaged: image {row} cannot be read")
        return images

    def fingerprint(self, rows: np.ndarray | None = None) -> str:
        """16 hex digits over the pixels of `rows` in their order (default: all), whatever file they came in."""
        shas = self.index["sha"].to_numpy()
        return fingerprint_of(shas if rows is None else shas[rows])


def is_store(path: str | Path) -> bool:
    """Whether a path is the folder of a finished store; of a long list of files, too, where `Path` would raise."""
    return os.path.isfile(os.path.join(path, "store.json"))


def fingerprint_of(shas: Iterable[str]) -> str:
    """16 hex digits over the hashes of images, in their order."""
    return hashlib.sha256("".join(shas).encode()).hexdigest()[:16]


def _read_meta(path: Path) -> dict:
    """What store.json says, with fields of the right kind."""
    file = path / "store.json"
    if not is_store(path):
        raise ValueError(f"{path} is not a finished store (no store.json); make one with `prepare`")
    try:
        meta = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise ValueError(f"{file} cannot be read: {error}") from None
    if not isinstance(meta, dict):
        raise ValueError(
            f"{file} is damaged: it holds a {type(meta).__name__}, expected an object with format, side, n"
        )
    if meta.get("format") != FORMAT:
        raise ValueError(f"{path} is a store of format {meta.get('format')!r}, this library reads {FORMAT}")
    for name in ("side", "n"):
        if type(meta.get(name)) is not int or meta[name] < 1:
            raise ValueError(f"{file} is damaged: {name} is {meta.get(name)!r}, expected a number from 1")
    return meta


def _read_pixels(file: Path, side: int) -> np.ndarray:
    try:
        pixels = np.load(file, mmap_mode="r")
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{file} cannot be read: {error}") from None
    found = getattr(pixels, "dtype", type(pixels).__name__), getattr(pixels, "shape", ())
    if found[0] != np.uint8 or found[1][1:] != (side, side, 3) or not pixels.flags.c_contiguous:
        raise ValueError(f"{file} is damaged: it holds {found[0]} {found[1]}, expected uint8 [n, {side}, {side}, 3]")
    return pixels


def _read_index(file: Path) -> pd.DataFrame:
    try:
        index = pd.read_parquet(file)
    except (OSError, ValueError) as error:
        raise ValueError(f"{file} cannot be read: {error}") from None
    for name in ("label", "source", "split", "sha"):
        if name not in index:
            raise ValueError(f"{file} is damaged: no column {name!r}; it has {', '.join(map(str, index.columns))}")
    return index
