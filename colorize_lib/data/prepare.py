"""From a source to a store: decoding in several processes, leaving out what is unusable, writing it whole."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from ..color import rgb_to_lab
from ..trace import note
from .files import atomic_dir, cache_dir, progress_bar, short_hash
from .images import fit_square, open_image
from .sources import CHUNK, Item, Source, find_source, place_of
from .store import FORMAT, SPLITS, Store, fingerprint_of, is_store

GREY_CHROMA = 2.0  # mean Lab chroma below which an image is called grey
CHROMA_PER_STEP = 0.17  # least Lab chroma per step of (largest - smallest 8-bit channel), over the whole sRGB cube
WORKERS = min(16, os.cpu_count() or 1)
MAX_SIDE = 4096
DECODED, ROWS = "decoded.npy", "rows.jsonl"
"""Of a store that is being made: the usable images in the order of the source, and what became of every image."""


def _decode(payloads: list, side: int, keep_grey: bool) -> tuple[np.ndarray, list[str], list[str]]:
    """Decode one chunk.

    Returns the pixels of the usable images, uint8 [m, side, side, 3], and of every payload a sha and a reason to leave
    it out (one of both is empty).
    """
    pixels = np.zeros((len(payloads), side, side, 3), np.uint8)
    shas, reasons = [""] * len(payloads), [""] * len(payloads)
    for row, payload in enumerate(payloads):
        try:
            image = Image.fromarray(payload) if isinstance(payload, np.ndarray) else open_image(payload)
            values = fit_square(image, side).tobytes()
            pixels[row].reshape(-1)[:] = np.frombuffer(values, np.uint8)
            shas[row] = hashlib.sha256(values).hexdigest()[:32]  # now, while they are in the processor's cache
        except ValueError as error:
            reasons[row] = str(error)
        except PermissionError as error:
            reasons[row] = f"not allowed: {error.filename}"
    if not keep_grey:
        _mark_grey(pixels, reasons)
    return pixels[[not reason for reason in reasons]] if any(reasons) else pixels, shas, reasons


def _mark_grey(pixels: np.ndarray, reasons: list[str]) -> None:
    """Note which images have mean Lab chroma below `GREY_CHROMA`; only small channel differences need Lab."""
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
    """Images that a worker decodes at once: few large ones, for an even use of memory and of the workers."""
    return max(1, min(CHUNK, CHUNK * 64**2 // side**2))


def _decoded(items: Iterable[Item], side: int, workers: int, keep_grey: bool) -> Iterator[tuple]:
    """Chunks of items with what `_decode` returns, in order; a few chunks ahead of the reader, never all."""
    pool, items, waiting = decoding_pool(workers), iter(items), deque()
    try:
        for chunk in iter(lambda: list(itertools.islice(items, chunk_size(side))), []):
            waiting.append((chunk, pool.submit(_decode, [item.payload for item in chunk], side, keep_grey)))
            if len(waiting) > 2 * workers:
                chunk, future = waiting.popleft()
                yield chunk, *future.result()
        for chunk, future in waiting:
            yield chunk, *future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _write_pixels(out: Path, source: Source, side: int, split: str | None, keep_grey: bool, workers, progress: bool):
    """Write the usable images, as they come, to `DECODED` under `out`, from where an interrupted run left off.

    `ROWS` has a line for every image that was looked at, written after its pixels. Returns (index rows, skipped rows).
    """
    rows = _rows_so_far(out)
    usable = sum(not reason for *_, reason in rows)
    total, items = source.load(side)
    bar = progress_bar(total, " images", progress, done=len(rows))
    decoded = _decoded(itertools.islice(items, len(rows), None), side, workers, keep_grey)
    with (
        open(out / DECODED, "r+b" if rows else "wb") as file, open(out / ROWS, "a") as told,
        bar, contextlib.closing(decoded) as chunks,
    ):  # fmt: skip
        _write_header(file, 0, side)
        file.seek(usable * side * side * 3, os.SEEK_CUR)
        for chunk, pixels, shas, reasons in chunks:
            file.write(pixels)
            file.flush()
            new = [[item.label, item.source, split or item.split, sha, reason]
                   for item, sha, reason in zip(chunk, shas, reasons, strict=True)]  # fmt: skip
            told.write("".join(json.dumps(row) + "\n" for row in new))
            told.flush()
            rows += new
            bar.update(len(chunk))
        file.truncate()
        index = [row for *row, reason in rows if not reason]
        _write_header(file, len(index), side)
    return index, [(source, reason) for _, source, _, _, reason in rows if reason]


def _rows_so_far(out: Path) -> list[list]:
    """What `_write_pixels` wrote to `ROWS` before it was interrupted; a line that was cut short is cut off."""
    if not (out / ROWS).exists() or not (out / DECODED).exists():
        (out / ROWS).unlink(missing_ok=True)
        return []
    text = (out / ROWS).read_text("ascii")
    whole = text[: text.rfind("\n") + 1]
    os.truncate(out / ROWS, len(whole))
    return [json.loads(line) for line in whole.splitlines()]


def _write_header(file, n: int, side: int) -> None:
    """The .npy header; numpy leaves room for the first number to grow, so it can be written again at the end."""
    file.seek(0)
    header = {"descr": "|u1", "fortran_order": False, "shape": (n, side, side, 3)}
    np.lib.format.write_array_header_1_0(file, header)


def _arrange(out: Path, index: pd.DataFrame, shuffle: bool) -> tuple[pd.DataFrame, list[tuple[str, str]]]:
    """Leave out images that another split holds, test before val before train, and shuffle if asked to.

    Returns the new index and rows for skipped.csv; pixels.npy is another file than `DECODED` only where something
    changes.
    """
    rank = index["split"].map(SPLITS[::-1].index)
    first = rank.groupby(index["sha"]).transform("min")
    rows, again = np.flatnonzero(rank == first), np.flatnonzero(rank > first)
    if shuffle:
        names = index["source"].to_numpy()
        rows = np.array(sorted(rows, key=lambda row: place_of(f"{names[row]}:{row}")))  # names may be those of folders
    if shuffle or len(again):
        pixels = np.load(out / DECODED, mmap_mode="r")
        with open(out / "pixels.npy", "wb") as file:
            _write_header(file, len(rows), pixels.shape[1])
            for i in range(0, len(rows), CHUNK):
                file.write(pixels[rows[i : i + CHUNK]])
    else:
        (out / DECODED).replace(out / "pixels.npy")
    reasons = [f"duplicate: the same image is in split {SPLITS[::-1][first[row]]}" for row in again]
    return index.iloc[rows].reset_index(drop=True), list(zip(index["source"].iloc[again], reasons, strict=True))


def _make_store(source: Source, out: Path, side: int, key: str, **options) -> None:
    """Write a whole store into the (new) folder `out`; store.json comes last, and makes it valid."""
    index, skipped = _write_pixels(out, source, side, **options)
    if not skipped and not index:
        raise ValueError("there is not a single image in what was given")
    if not index:
        reasons = Counter(reason.split(":")[0] for _, reason in skipped)
        left_out = ", ".join(f"{n} {reason}" for reason, n in reasons.items())
        raise ValueError(f"no usable image; left out: {left_out}; the first, {skipped[0][0]}: {skipped[0][1]}")
    frame, again = _arrange(out, pd.DataFrame(index, columns=["label", "source", "split", "sha"]), source.shuffle)
    skipped += again
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
    for name in (ROWS, DECODED):
        (out / name).unlink(missing_ok=True)


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

    Images of another size are cropped to the central square and resized. `split` overrides the split of all images.
    Unreadable, grey (unless `keep_grey`) and oversized images are left out and listed in skipped.csv, as are those of
    train whose very pixels val or test hold, and of val which test holds. Images that come sorted by class are stored
    in a fixed order as good as random, so that every prefix of a split is a fair sample.
    A finished store made from the same files is returned as it is, another one is never overwritten (ValueError).
    The store appears under its name only when whole. What an interrupted run has decoded lies beside it in a folder
    whose name begins with a dot and ends with .part, and the same call goes on from there.
    """
    out = Path(os.path.abspath(out))
    if not 8 <= side <= MAX_SIDE or side % 8:
        raise ValueError(f"side must be a multiple of 8 from 8 to {MAX_SIDE}, got {side}")
    if split not in (None, *SPLITS):
        raise ValueError(f"split must be one of {', '.join(SPLITS)} or None, got {split!r}")
    found = source if isinstance(source, Source) else find_source(source)
    key = short_hash(FORMAT, found.key, side, split, keep_grey)
    with atomic_dir(out, lambda: _holds(out, key), key) as temp:
        if temp is None:
            return Store(out)
        _make_store(found, temp, side, key, split=split, keep_grey=keep_grey, workers=workers, progress=progress)
    store = Store(out)
    if progress:
        parts, left_out = (
            ", ".join(f"{n:,} {name}" for name, n in store.meta[key].items()) or "none" for key in ("splits", "skipped")
        )
        print(f"{out}: {len(store):,} images of {side} px ({parts}); left out: {left_out}", file=sys.stderr)
    return store


def _holds(out: Path, key: str) -> bool:
    """Whether `out` is the finished store of `key`; ValueError if something else is there."""
    if not out.exists():
        return False
    if not is_store(out):
        if out.is_dir() and not any(out.iterdir()):
            out.rmdir()
            return False
        raise ValueError(f"{out} exists and is not a store; choose another folder")
    if Store(out).meta.get("origin") == key:
        return True
    raise ValueError(f"{out} is a finished store made from other files or settings; delete it or choose another folder")


def open_data(data: str | Path, side: int, progress: bool = True) -> Store:
    """Open a store, or prepare any other source once at `side` pixels in the cache and open that.

    A store with larger images than `side` is returned as it is (training crops); a smaller one is a ValueError.
    """
    if is_store(data):
        store = Store(data)
        if store.side < side:
            raise ValueError(f"{data} holds images of {store.side} px, smaller than the {side} px asked for")
        return store
    found = find_source(str(data))
    note("images", what="generated scenes" if found.kind == "synthetic" else f"images of {found.kind}")
    folder = cache_dir() / "stores" / f"{found.kind}-{side}-{short_hash(FORMAT, found.key)}"
    return prepare(found, folder, side, progress=progress)
