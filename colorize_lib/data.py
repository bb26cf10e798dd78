"""Pictures in, stores out: preparing, opening and generating the data of every experiment.

A **store** is a folder with all pictures at one size in a memory-mapped array. Whatever the pictures came in (Parquet
shards, class folders, an archive), training sees only stores, and a store is known by the hashes of its pixels.
This is the only module that opens network connections.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import json
import multiprocessing
import os
import shutil
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pooch
import pyarrow.parquet as pq
import torch
from filelock import FileLock
from PIL import Image, ImageOps
from tqdm import tqdm

from .color import rgb_to_lab, to_unit

FORMAT = 1  # of a store; a change of meaning or of resampling raises it, and old caches are prepared anew
SPLITS = ("train", "val", "test")
MAX_PIXELS = 50_000_000  # larger pictures are left out: they are scans, maps or attacks, and cost minutes
GREY_CHROMA = 2.0  # mean Lab chroma below which a picture is called grey
CHROMA_PER_STEP = 0.17  # least Lab chroma per step of (largest - smallest 8-bit channel), over the whole sRGB cube
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm"}
CHUNK = 256


# ---------------------------------------------------------------- store


class Store:
    """A folder of equally large pictures: `pixels` uint8 [n, side, side, 3] (memory-mapped) and `index` (n rows).

    `index` has the columns label, source, split and sha (hash of the pixels); `skipped` lists what was left out and why.
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
        """Row numbers (int64) of a split, "train", "val" or "test" ("all" takes every row); the first `limit` if > 0."""
        rows = np.arange(len(self)) if split == "all" else np.flatnonzero(self.index["split"].to_numpy() == split)
        if not len(rows):
            there = ", ".join(f"{name} ({n})" for name, n in self.index["split"].value_counts().items())
            raise ValueError(f"no pictures in split {split!r} of {self.path}; it holds {there}")
        return rows[:limit].astype(np.int64) if limit > 0 else rows.astype(np.int64)

    def fingerprint(self, rows: np.ndarray | None = None) -> str:
        """16 hex digits over the pixels of `rows` in their order (default: all), whatever file they came in."""
        shas = self.index["sha"].to_numpy()
        return _fingerprint(shas if rows is None else shas[rows])


def _fingerprint(shas: Iterable[str]) -> str:
    return hashlib.sha256("".join(shas).encode()).hexdigest()[:16]


def batch_order(n: int, seed: int, epoch: int) -> np.ndarray:
    """Order in which epoch `epoch` visits n pictures: a permutation int64 [n] that depends on seed and epoch only."""
    return np.random.default_rng([seed, epoch]).permutation(n)


# ---------------------------------------------------------------- reading pictures


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any Pillow picture as 8-bit RGB: upright, alpha over white, 16 bits and floats scaled."""
    if image.mode != "RGB":
        if image.mode.startswith("I") or image.mode == "F":
            values = np.asarray(image, np.float64)
            scale = 255 if image.mode == "F" and values.max() <= 1 else 1 / 257 if values.max() > 255 else 1
            return Image.fromarray((values * scale).round().clip(0, 255).astype(np.uint8)).convert("RGB")
        if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("RGB")
    return image


def _open(source: str | Path | bytes) -> Image.Image:
    """Open a picture (path or encoded bytes) as upright RGB; ValueError starting with "oversized" or "unreadable"."""
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
            return _to_rgb(ImageOps.exif_transpose(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"oversized: {error}; at most {MAX_PIXELS:,} pixels") from error
    except Exception as error:  # Pillow's decoders raise a dozen types, some of them bare SyntaxError or struct.error
        name = "picture" if isinstance(source, bytes) else source
        raise ValueError(f"unreadable: {type(error).__name__}: {error} ({name})") from error


def read_picture(path: str | Path) -> np.ndarray:
    """Read a picture file as uint8 [h, w, 3]: upright, alpha over white. ValueError if unreadable or oversized."""
    return np.asarray(_open(path))


def list_pictures(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    """Picture files among `paths`, folders searched through, sorted within each; ValueError if there are none."""
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise ValueError(f"no such file or folder: {path}")
        inside = sorted(path.rglob("*"), key=lambda p: p.relative_to(path).as_posix()) if path.is_dir() else [path]
        found += [p for p in inside if p.is_file() and p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
    if not found:
        raise ValueError(f"no pictures in {', '.join(map(str, paths))}; looked for {' '.join(sorted(SUFFIXES))}")
    return found


def _fit(image: Image.Image, side: int) -> np.ndarray:
    """Centre crop to a square, then shrink to `side`: box means at whole factors, Lanczos otherwise. uint8."""
    if image.size != (side, side):
        edge = min(image.size)
        left, top = (image.width - edge) // 2, (image.height - edge) // 2
        resample = Image.Resampling.BOX if edge % side == 0 else Image.Resampling.LANCZOS
        image = image.resize((side, side), resample, box=(left, top, left + edge, top + edge))
    return np.asarray(image)


# ---------------------------------------------------------------- sources


@dataclass(frozen=True)
class Item:
    """One picture on its way into a store; `payload` is a path, encoded bytes or pixels."""

    payload: object
    label: str
    source: str
    split: str


@dataclass(frozen=True)
class Source:
    """Where pictures come from: how many, an iterator over them, and a key that changes with the files."""

    kind: str
    total: int
    items: Callable[[], Iterator[Item]]
    key: str


def _files_key(files: Iterable[Path], *more: object) -> str:
    """Hash of names, sizes and modification times: cheap, and changes whenever a file does."""
    digest = hashlib.sha256(repr(more).encode())
    for path in files:
        stat = path.stat()
        digest.update(f"{path.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:16]


def _split_of(name: str) -> str:
    """Split of a picture without one, by the hash of its name: 90 % train, 5 % val, 5 % test."""
    draw = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) % 100
    return "train" if draw < 90 else "val" if draw < 95 else "test"


def _parquet_items(files: list[Path]) -> Iterator[Item]:
    for path in files:
        shard = pq.ParquetFile(path)
        columns = [name for name in ("image", "label", "source", "split") if name in shard.schema_arrow.names]
        for batch in shard.iter_batches(CHUNK, columns=columns):
            for number, row in enumerate(batch.to_pylist()):
                image = row["image"]["bytes"] if isinstance(row["image"], dict) else row["image"]
                source = row.get("source") or f"{path.name}:{number}"
                yield Item(image, str(row.get("label", "")), source, row.get("split") or _split_of(source))


def _parquet_source(files: list[Path]) -> Source:
    for path in files:
        if not path.is_file():
            raise ValueError(f"no such file: {path}")
        if "image" not in (names := pq.read_schema(path).names):
            raise ValueError(f"{path} has no column 'image' (encoded pictures); it has {', '.join(names)}")
    total = sum(pq.read_metadata(path).num_rows for path in files)
    return Source("parquet", total, lambda: _parquet_items(files), _files_key(files, "parquet"))


def _folder_source(folder: Path) -> Source:
    files = list_pictures(folder)

    def items() -> Iterator[Item]:
        for path in files:
            name = path.relative_to(folder)
            given = name.parts[0] if len(name.parts) > 1 and name.parts[0] in SPLITS else None
            label = "/".join(name.parts[bool(given) : -1])
            yield Item(path, label, name.as_posix(), given or _split_of(name.as_posix()))

    return Source("folder", len(files), items, _files_key(files, "folder"))


def find_source(source: str) -> Source:
    """What `source` means: Parquet files or a folder of them, or a folder of pictures. ValueError otherwise."""
    paths = [Path(part.strip()).expanduser() for part in str(source).split(",") if part.strip()]
    if paths and all(path.suffix == ".parquet" for path in paths):
        return _parquet_source(paths)
    if len(paths) == 1 and paths[0].is_dir():
        shards = sorted(paths[0].glob("*.parquet"))
        return _parquet_source(shards) if shards else _folder_source(paths[0])
    raise ValueError(f"cannot read data {str(source)!r}; allowed: a store, Parquet files, a folder of either or of pictures")


# ---------------------------------------------------------------- preparing


def _decode(payloads: list, side: int) -> tuple[np.ndarray, list[str], list[float], list[str]]:
    """Decode one chunk in a worker: pixels [m, side, side, 3], and per payload a sha, a channel spread, a reason."""
    pixels = np.zeros((len(payloads), side, side, 3), np.uint8)
    reasons = [""] * len(payloads)
    for row, payload in enumerate(payloads):
        try:
            pixels[row] = _fit(Image.fromarray(payload) if isinstance(payload, np.ndarray) else _open(payload), side)
        except ValueError as error:
            reasons[row] = str(error)
    red, green, blue = np.moveaxis(pixels, -1, 0)  # pairwise: twenty times faster than max over a short axis
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    spread = spread.mean((1, 2)).tolist()
    return pixels, [hashlib.sha256(picture).hexdigest()[:32] for picture in pixels], spread, reasons


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Keep torch to one thread: beside busy workers its threads wait for each other, five times longer."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@_one_thread()
def _mark_grey(pixels: np.ndarray, spread: list[float], reasons: list[str]) -> None:
    """Note which pictures have mean Lab chroma below `GREY_CHROMA`; only small channel differences need Lab."""
    rows = [row for row, value in enumerate(spread) if value < GREY_CHROMA / CHROMA_PER_STEP and not reasons[row]]
    if rows:
        lab = rgb_to_lab(to_unit(torch.from_numpy(pixels[rows])))
        values = torch.hypot(lab[:, 1], lab[:, 2]).mean((1, 2))
        for row, value in zip(rows, values.tolist(), strict=True):
            if value < GREY_CHROMA:
                reasons[row] = f"grey: mean chroma {value:.2f} below {GREY_CHROMA:g}"


def _pool(workers: int | None) -> Executor:
    """Processes where they can be forked (decoding is twice as fast as in threads), threads elsewhere.

    Other ways of starting processes would run an unguarded script of the caller once more in every worker. The
    children only decode; they use neither torch nor its threads, which do not survive a fork.
    """
    workers = workers or min(16, os.cpu_count() or 1)
    if sys.platform.startswith("linux"):
        return ProcessPoolExecutor(workers, multiprocessing.get_context("fork"))
    return ThreadPoolExecutor(workers)


def _chunks(items: Iterator[Item]) -> Iterator[list[Item]]:
    chunk: list[Item] = []
    for item in items:
        chunk.append(item)
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _decoded(items: Iterator[Item], side: int, workers: int | None) -> Iterator[tuple]:
    """Chunks and their decoded pictures, in order; a few chunks ahead of the reader, never the whole source."""
    pool, waiting = _pool(workers), deque()
    try:
        for chunk in _chunks(items):
            waiting.append((chunk, pool.submit(_decode, [item.payload for item in chunk], side)))
            if len(waiting) > 8:
                chunk, future = waiting.popleft()
                yield chunk, *future.result()
        for chunk, future in waiting:
            yield chunk, *future.result()
    finally:
        pool.shutdown(cancel_futures=True)


class _Progress:
    """A bar on a terminal; elsewhere a plain line every ten seconds with the time left."""

    def __init__(self, total: int, unit: str, show: bool):
        self.bar = tqdm(total=total, unit=unit, disable=not (show and sys.stderr.isatty()), unit_scale=True)
        self.total, self.unit, self.plain = total, unit, show and not sys.stderr.isatty()
        self.done, self.start, self.last = 0, time.monotonic(), time.monotonic()

    def update(self, n: int) -> None:
        self.bar.update(n)
        self.done += n
        now = time.monotonic()
        if self.plain and now - self.last > 10:
            self.last, rate = now, self.done / (now - self.start)
            left = f", {(self.total - self.done) / rate:.0f} s left" if self.total else ""
            print(f"{self.done:,} of {self.total:,} {self.unit}, {rate:,.0f}/s{left}", file=sys.stderr, flush=True)


def _write_pixels(out: Path, source: Source, side: int, split: str | None, keep_grey: bool, workers, progress: bool):
    """Write pixels.npy under `out`; returns (index rows, skipped rows)."""
    index, skipped = [], []
    bar = _Progress(source.total, "pictures", progress)
    with open(out / "pixels.npy", "wb") as file:
        _write_header(file, 0, side)
        for chunk, pixels, shas, spread, reasons in _decoded(source.items(), side, workers):
            if not keep_grey:
                _mark_grey(pixels, spread, reasons)
            file.write(pixels[[not reason for reason in reasons]].tobytes())
            for item, sha, reason in zip(chunk, shas, reasons, strict=True):
                if reason:
                    skipped.append((item.source, reason))
                else:
                    index.append((item.label, item.source, split or item.split, sha))
            bar.update(len(chunk))
        bar.bar.close()
        _write_header(file, len(index), side)
    return index, skipped


def _write_header(file, n: int, side: int) -> None:
    """The .npy header; numpy leaves room for the first number to grow, so it can be written again at the end."""
    file.seek(0)
    header = {"descr": "|u1", "fortran_order": False, "shape": (n, side, side, 3)}
    np.lib.format.write_array_header_1_0(file, header)


def _make_store(source: Source, out: Path, side: int, key: str, **options) -> None:
    """Write a whole store into the (new) folder `out`; store.json comes last, and makes it valid."""
    index, skipped = _write_pixels(out, source, side, **options)
    if not index:
        reasons = Counter(reason.split(":")[0] for _, reason in skipped)
        raise ValueError(f"no usable picture among {source.total} ({dict(reasons)})")
    frame = pd.DataFrame(index, columns=["label", "source", "split", "sha"])
    frame.to_parquet(out / "index.parquet")
    pd.DataFrame(skipped, columns=["source", "reason"]).to_csv(out / "skipped.csv", index=False)
    meta = {
        "format": FORMAT,
        "side": side,
        "n": len(frame),
        "kind": source.kind,
        "origin": key,
        "fingerprint": _fingerprint(frame["sha"]),
        "splits": frame["split"].value_counts().to_dict(),
        "skipped": dict(Counter(reason.split(":")[0] for _, reason in skipped)),
    }
    (out / "store.json").write_text(json.dumps(meta, indent=1))


def prepare(
    source: str,
    out: str | Path,
    side: int = 64,
    split: str | None = None,
    progress: bool = True,
    workers: int | None = None,
    keep_grey: bool = False,
) -> Store:
    """Make a store of `source` in the folder `out` (see `find_source` for what a source can be).

    Pictures of another size are cropped to the central square and resized. `split` overrides the split of all
    pictures. Unreadable, grey (unless `keep_grey`) and oversized pictures are left out and listed in skipped.csv.
    A finished store made from the same files is returned as it is, another one is never overwritten (ValueError).
    The store appears under its name only when whole, so that an interrupted run leaves nothing half-made.
    """
    out = Path(out)
    if side < 8 or side % 8:
        raise ValueError(f"side must be a positive multiple of 8, got {side}")
    if split not in (None, *SPLITS):
        raise ValueError(f"split must be one of {', '.join(SPLITS)} or None, got {split!r}")
    found = find_source(source)
    key = _files_key([], found.key, side, split, keep_grey, FORMAT)
    out.parent.mkdir(parents=True, exist_ok=True)
    temp = out.with_name(f".{out.name}.part")
    with FileLock(out.with_name(f".{out.name}.lock")):  # several processes may ask for the same store at once
        if _holds(out, key):
            return Store(out)
        shutil.rmtree(temp, ignore_errors=True)  # left by a killed run: while we hold the lock it has no owner
        temp.mkdir()
        try:
            _make_store(found, temp, side, key, split=split, keep_grey=keep_grey, workers=workers, progress=progress)
            temp.rename(out)
        finally:
            shutil.rmtree(temp, ignore_errors=True)
    store = Store(out)
    if progress:
        _print_summary(store)
    return store


def _holds(out: Path, key: str) -> bool:
    """Whether `out` is the finished store of `key`; ValueError if something else is there."""
    if not out.exists():
        return False
    if not (out / "store.json").is_file():
        if out.is_dir() and not any(out.iterdir()):
            out.rmdir()
            return False
        raise ValueError(f"{out} exists and is not a store; choose another folder")
    if Store(out).meta["origin"] == key:
        return True
    raise ValueError(f"{out} is a finished store made from other files or settings; delete it or choose another folder")


def _print_summary(store: Store) -> None:
    splits = ", ".join(f"{n:,} {name}" for name, n in store.meta["splits"].items())
    left_out = ", ".join(f"{n:,} {reason}" for reason, n in store.meta["skipped"].items()) or "none"
    print(f"{store.path}: {len(store):,} pictures of {store.side} px ({splits}); left out: {left_out}", file=sys.stderr)


def cache_dir() -> Path:
    """Folder for prepared stores and downloads: $COLORIZE_CACHE, or the user's cache folder."""
    return Path(os.environ.get("COLORIZE_CACHE") or pooch.os_cache("colorize"))


def open_data(data: str | Path, side: int, progress: bool = True) -> Store:
    """Open a store, or prepare any other source once at `side` pixels in the cache and open that.

    A store with larger pictures than `side` is returned as it is (training crops); a smaller one is a ValueError.
    """
    path = Path(data)
    if (path / "store.json").is_file():
        store = Store(path)
        if store.side < side:
            raise ValueError(f"{path} holds pictures of {store.side} px, smaller than the {side} px asked for")
        return store
    found = find_source(str(data))
    return prepare(str(data), cache_dir() / "stores" / f"{found.kind}-{side}-{found.key}", side, progress=progress)
