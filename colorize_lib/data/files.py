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
from filelock import FileLock, Timeout
from tqdm import tqdm


def short_hash(*values: object) -> str:
    """16 hex digits of any values that have a repr."""
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]


def files_key(files: Iterable[Path]) -> str:
    """Hash of names, sizes and modification times: cheap, and changes whenever a file does."""
    stats = ((path, path.stat()) for path in files)
    return short_hash(*((os.path.abspath(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats))


def progress_bar(total: int, unit: str, show: bool, delay: float = 0, done: int = 0) -> tqdm:
    """A bar with the time left on a terminal; elsewhere a line at once (not with a delay), then every ten seconds.

    done: how many of the total an earlier run has done.
    """
    options = {"total": total, "initial": done, "unit": unit, "unit_scale": unit == "B", "disable": not show}
    options |= {"delay": delay}
    if not sys.stderr.isatty():
        line = "{n_fmt} of {total_fmt}{unit}, {rate_noinv_fmt}, {remaining} left"
        options |= {"mininterval": 10, "miniters": 1, "bar_format": line, "file": _Lines()}
    return tqdm(**options)


class _Lines:
    """Where a bar goes that nobody watches: whole lines, each once, without what moves a cursor."""

    last = ""

    def write(self, text: str) -> None:
        line = " ".join(text.split())
        if line not in ("", self.last):
            self.last = line
            print(line, file=sys.stderr, flush=True)

    def flush(self) -> None:
        """Each line is written at once."""


def told() -> Callable[[int, int], None]:
    """What long work calls with the number done and of all: a bar each, in a file lines."""
    bar = None

    def tell(done: int, n: int) -> None:
        nonlocal bar
        bar = bar or progress_bar(n, " images", True)
        bar.update(done - bar.n)
        if done == n:
            bar.close()
            bar = None

    return tell


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`, whose folder is made; what is written there gets the name at the end.

    If the block raises, nothing is left; what the system refuses is told of `path`. No other file is touched, and
    several processes may write the same one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temp = path.with_name(f".{os.getpid()}.part")  # short: the name itself may be as long as can be
    try:
        yield temp
        temp.replace(path)
    except OSError as error:
        if error.errno and error.filename in (None, str(temp)):
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise
    finally:
        temp.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_dir(folder: Path, there: Callable[[], bool], resume: str = "") -> Iterator[Path | None]:
    """Yield a temporary folder that gets the name `folder` when the block ends well, or None if it is `there` already.

    Nothing half-made is ever seen under the name, and several processes may ask for the same folder at once.
    resume: identifies what is made. A block that is interrupted then finds its temporary folder, .<name>.<resume>.part,
    again as it left it, unless it raised ValueError.
    """
    if there():  # before anything is written: it may lie on read-only media
        yield None
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    temp = folder.with_name(f".{folder.name}.{resume}.part" if resume else f".{folder.name}.part")
    with _held(folder):
        if there():
            yield None
            return
        if not resume:
            shutil.rmtree(temp, ignore_errors=True)  # left by a killed run: while we hold the lock it has no owner
        temp.mkdir(exist_ok=True)
        try:
            yield temp
            temp.rename(folder)
        except ValueError:
            resume = ""
            raise
        except OSError as error:
            if error.errno and not error.filename:  # what writing into an open file raises, on a full disk
                error.filename = str(folder)
            raise
        finally:
            if not resume:
                shutil.rmtree(temp, ignore_errors=True)


def _held(folder: Path) -> contextlib.AbstractContextManager:
    """Within it no other process makes the folder; a line says so if one does and has to be waited for."""
    lock = FileLock(folder.with_name(f".{folder.name}.lock"))
    try:
        return lock.acquire(blocking=False)
    except Timeout:
        print(f"another process is making {folder}; waiting for it", file=sys.stderr, flush=True)
        return lock.acquire()


def cache_dir() -> Path:
    """Folder for prepared stores and downloads: $COLORIZE_CACHE, or the user's cache folder.

    ValueError, which says what to set, where it is not there and cannot be made, as for a user without a home.
    """
    try:
        folder = Path(os.environ.get("COLORIZE_CACHE") or platformdirs.user_cache_dir("colorize"))
    except RuntimeError as error:
        raise ValueError(f"no cache folder, since {error}; {_SET_CACHE}") from None
    there = _nearest(folder)
    if not there.is_dir() or there != folder and not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"the cache folder {folder} cannot be made, since {there} cannot be written; {_SET_CACHE}")
    return folder


def _nearest(folder: Path) -> Path:
    """The folder itself or, where it is not there, the nearest one above it that is."""
    return next(path for path in (folder, *folder.parents) if os.path.exists(path))


def check_writable(folder: Path) -> None:
    """Raise ValueError where a folder cannot be written to or, if it is not there, cannot be made."""
    there = _nearest(folder)
    if not there.is_dir():
        raise ValueError(f"{there} is a file; give a folder that can be written to")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ValueError(f"the folder {there} cannot be written to; give another one")


_SET_CACHE = "set the environment variable COLORIZE_CACHE to a folder that can be written"
