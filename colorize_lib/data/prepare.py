"""From a source to a store: decoding in several processes, leaving out what is unusable, writing it whole."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import math
import mmap
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from ..color import rgb_to_lab
from .files import atomic_dir, cache_dir, progress_bar
from .images import fit_square, open_image
from .sources import CHUNK, Item, Source, find_source, short_hash
from .store import FORMAT, SPLITS, Store, fingerprint_of

GREY_CHROMA = 2.0  # mean Lab chroma below which a picture is called grey
CHROMA_PER_STEP = 0.17  # least Lab chroma per step of (largest - smallest 8-bit channel), over the whole sRGB cube
WORKERS = min(16, os.cpu_count() or 1)


def _decode(payloads: list, pixels: np.ndarray, keep_grey: bool) -> tuple[list[str], list[str]]:
    """Decode one chunk into `pixels` [m, side, side, 3]; returns per payload a sha and a reason to leave it out."""
    shas, reasons = [""] * len(payloads), [""] * len(payloads)
    for row, payload in enumerate(payloads):
        try:
            image = Image.fromarray(payload) if isinstance(payload, np.ndarray) else open_image(payload)
            values = fit_square(image, pixels.shape[1]).tobytes()
            pixels[row].reshape(-1)[:] = np.frombuffer(values, np.uint8)
            shas[row] = hashlib.sha256(values).hexdigest()[:32]  # now, while they are in the processor's cache
        except ValueError as error:
            pixels[row], reasons[row] = 0, str(error)
    if not keep_grey:
        _mark_grey(pixels, reasons)
    return shas, reasons


def _mark_grey(pixels: np.ndarray, reasons: list[str]) -> None:
    """Note which pictures have mean Lab chroma below `GREY_CHROMA`; only small channel differences need Lab."""
    # pairwise and on whole planes: thirty times faster than max over a short axis
    red, green, blue = np.ascontiguousarray(np.moveaxis(pixels, -1, 0))
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    small = spread.mean((1, 2)) < GREY_CHROMA / CHROMA_PER_STEP
    rows = [row for row in np.flatnonzero(small) if not reasons[row]]
    if rows:
        lab = rgb_to_lab(torch.from_numpy(pixels[rows]).movedim(-1, 1))
        values = torch.hypot(lab[:, 1], lab[:, 2]).mean((1, 2))
        for row, value in zip(rows, values.tolist(), strict=True):
            if value < GREY_CHROMA:
                reasons[row] = f"grey: mean chroma {value:.2f} below {GREY_CHROMA:g}"


_trays: dict[int, np.ndarray] = {}
"""Memory that workers share with the process that forked them, so that pictures need not be sent."""


def _decode_onto(tray: int, place: int, payloads: list, keep_grey: bool) -> tuple:
    return _decode(payloads, _trays[tray][place, : len(payloads)], keep_grey)


def decoding_pool(workers: int = WORKERS) -> Executor:
    """Processes where they can be forked (decoding is twice as fast as in threads), threads elsewhere.

    Other ways of starting processes would run an unguarded script of the caller once more in every worker.
    """
    if sys.platform.startswith("linux"):
        fork = multiprocessing.get_context("fork")
        return ProcessPoolExecutor(workers, fork, initializer=_set_up_worker, initargs=(os.getpid(),))
    return ThreadPoolExecutor(workers)


def _set_up_worker(parent: int) -> None:
    """Let a worker leave Ctrl-C to its parent, end when the parent was killed (it would keep the store locked), and
    use no threads of torch, which do not survive a fork."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()


def chunk_size(side: int) -> int:
    """Pictures that a worker decodes at once: few large ones, for an even use of memory and of the workers."""
    return max(1, min(CHUNK, CHUNK * 64**2 // side**2))


def _awaited(chunk: list[Item], pixels: np.ndarray, future: Future) -> tuple:
    return chunk, pixels, *future.result()


def _decoded(items: Iterable[Item], side: int, workers: int, keep_grey: bool) -> Iterator[tuple]:
    """Chunks and their decoded pictures, in order; a few chunks ahead of the reader, never the whole source.

    The pixels of a chunk are good until the next one is asked for.
    """
    most, places = chunk_size(side), 2 * workers + 4
    shape = places, most, side, side, 3
    tray = np.frombuffer(mmap.mmap(-1, math.prod(shape)), np.uint8).reshape(shape)
    _trays[id(tray)] = tray
    pool, items, waiting = decoding_pool(workers), iter(items), deque()
    try:
        for place, chunk in enumerate(iter(lambda: list(itertools.islice(items, most)), [])):
            place %= places
            future = pool.submit(_decode_onto, id(tray), place, [item.payload for item in chunk], keep_grey)
            waiting.append((chunk, tray[place, : len(chunk)], future))
            if len(waiting) == places:
                yield _awaited(*waiting.popleft())
        while waiting:
            yield _awaited(*waiting.popleft())
    finally:
        pool.shutdown(cancel_futures=True)
        del _trays[id(tray)]


def _write_pixels(out: Path, source: Source, side: int, split: str | None, keep_grey: bool, workers, progress: bool):
    """Write pixels.npy under `out`; returns (index rows, skipped rows)."""
    index, skipped = [], []
    total, items = source.load(side)
    bar, decoded = progress_bar(total, " pictures", progress), _decoded(items, side, workers, keep_grey)
    with open(out / "pixels.npy", "wb") as file, bar, contextlib.closing(decoded) as chunks:
        _write_header(file, 0, side)
        for chunk, pixels, shas, reasons in chunks:
            file.write(pixels[[not reason for reason in reasons]] if any(reasons) else pixels)
            for item, sha, reason in zip(chunk, shas, reasons, strict=True):
                if reason:
                    skipped.append((item.source, reason))
                else:
                    index.append((item.label, item.source, split or item.split, sha))
            bar.update(len(chunk))
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
        raise ValueError(f"no usable picture; left out: {dict(reasons)}; first: {skipped[:1]}")
    frame = pd.DataFrame(index, columns=["label", "source", "split", "sha"])
    frame.to_parquet(out / "index.parquet")
    pd.DataFrame(skipped, columns=["source", "reason"]).to_csv(out / "skipped.csv", index=False)
    meta = {
        "format": FORMAT,
        "side": side,
        "n": len(frame),
        "kind": source.kind,
        "origin": key,
        "fingerprint": fingerprint_of(frame["sha"]),
        "splits": frame["split"].value_counts().to_dict(),
        "skipped": dict(Counter(reason.split(":")[0] for _, reason in skipped)),
    }
    (out / "store.json").write_text(json.dumps(meta, indent=1))


def prepare(
    source: str | Source,
    out: str | Path,
    side: int = 64,
    split: str | None = None,
    progress: bool = True,
    workers: int = WORKERS,
    keep_grey: bool = False,
) -> Store:
    """Make a store of `source` in the folder `out` (see `find_source` for what a source can be).

    Pictures of another size are cropped to the central square and resized. `split` overrides the split of all
    pictures. Unreadable, grey (unless `keep_grey`) and oversized pictures are left out and listed in skipped.csv.
    A finished store made from the same files is returned as it is, another one is never overwritten (ValueError).
    The store appears under its name only when whole, so that an interrupted run leaves nothing half-made.
    """
    out = Path(os.path.abspath(out))
    if side < 8 or side % 8:
        raise ValueError(f"side must be a positive multiple of 8, got {side}")
    if split not in (None, *SPLITS):
        raise ValueError(f"split must be one of {', '.join(SPLITS)} or None, got {split!r}")
    found = source if isinstance(source, Source) else find_source(source)
    key = short_hash(FORMAT, found.key, side, split, keep_grey)
    with atomic_dir(out, lambda: _holds(out, key)) as temp:
        if temp is None:
            return Store(out)
        _make_store(found, temp, side, key, split=split, keep_grey=keep_grey, workers=workers, progress=progress)
    store = Store(out)
    if progress:
        parts, left_out = (
            ", ".join(f"{n:,} {name}" for name, n in store.meta[key].items()) or "none" for key in ("splits", "skipped")
        )
        print(f"{out}: {len(store):,} pictures of {side} px ({parts}); left out: {left_out}", file=sys.stderr)
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


def open_data(data: str | Path, side: int, progress: bool = True) -> Store:
    """Open a store, or prepare any other source once at `side` pixels in the cache and open that.

    A store with larger pictures than `side` is returned as it is (training crops); a smaller one is a ValueError.
    """
    if os.path.isfile(os.path.join(data, "store.json")):  # unlike Path.is_file, no error for a long list of files
        store = Store(data)
        if store.side < side:
            raise ValueError(f"{data} holds pictures of {store.side} px, smaller than the {side} px asked for")
        return store
    found = find_source(str(data))
    folder = cache_dir() / "stores" / f"{found.kind}-{side}-{short_hash(FORMAT, found.key)}"
    return prepare(found, folder, side, progress=progress)
