"""Files and folders that appear under their name only when whole, the cache folder, and progress of long work."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import platformdirs
from filelock import FileLock
from tqdm import tqdm


def short_hash(*values: object) -> str:
    """16 hex digits of any values that have a repr."""
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]


def files_key(files: Iterable[Path]) -> str:
    """Hash of names, sizes and modification times: cheap, and changes whenever a file does."""
    stats = ((path, path.stat()) for path in files)
    return short_hash(*((os.path.abspath(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats))


_PLAIN = "{n_fmt} of {total_fmt}{unit}, {rate_fmt}, {remaining} left"


class _Lines:
    """Stands in for the terminal where there is none: what tqdm draws over and over becomes plain lines."""

    def write(self, text: str) -> None:
        if text.strip():
            print(text.strip(), file=sys.stderr, flush=True)

    def flush(self) -> None: ...


def progress_bar(total: int, unit: str, show: bool, done: int = 0) -> tqdm:
    """A bar with the time left on a terminal; elsewhere a plain line every ten seconds."""
    options = {"total": total or None, "initial": done, "unit": unit, "unit_scale": True, "disable": not show}
    if not sys.stderr.isatty():
        options |= {"file": _Lines(), "mininterval": 10, "delay": 10, "miniters": 1, "bar_format": _PLAIN}
    return tqdm(**options)


@contextlib.contextmanager
def atomic_dir(folder: Path, there: Callable[[], bool]) -> Iterator[Path | None]:
    """Yield a temporary folder that gets the name `folder` when the block ends well, or None if it is `there` already.

    Nothing half-made is ever seen under the name, and several processes may ask for the same folder at once.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temp = folder.with_name(f".{folder.name}.part")
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if there():
            yield None
            return
        shutil.rmtree(temp, ignore_errors=True)  # left by a killed run: while we hold the lock it has no owner
        temp.mkdir()
        try:
            yield temp
            temp.rename(folder)
        finally:
            shutil.rmtree(temp, ignore_errors=True)


def cache_dir() -> Path:
    """Folder for prepared stores and downloads: $COLORIZE_CACHE, or the user's cache folder."""
    return Path(os.environ.get("COLORIZE_CACHE") or platformdirs.user_cache_dir("colorize"))
