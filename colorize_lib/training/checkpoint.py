"""Files of a run in progress: the lock, checkpoints that survive being killed at any moment."""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from filelock import FileLock, Timeout
from torch import Tensor

from .distributed import from_first

CHECKPOINTS = ("checkpoint.pt", "previous.pt")
LOCK = "lock"


@contextlib.contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Within it no other process works in a run's folder (of several that train together the first holds the lock).

    Raises ValueError at once where another one does. The system releases the lock of a process that is killed.
    """
    lock = FileLock(folder / LOCK, blocking=False)

    def acquire() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout:
            raise ValueError(f"another process is training in {folder}; wait for it, or stop it") from None

    from_first(acquire)
    try:
        yield
    finally:
        lock.release()


def write_checkpoint(state: dict, folder: Path) -> None:
    """Write a checkpoint; the one before stays beside it. Killed at any moment, one of them is whole.

    Raises OSError naming the file where the system refuses, as on a full disk, and then leaves nothing new.
    """
    newest, previous = (folder / name for name in CHECKPOINTS)
    unfinished = folder / "checkpoint.tmp"
    try:
        with open(unfinished, "wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
    except (OSError, RuntimeError) as error:
        unfinished.unlink(missing_ok=True)  # of a full disk it would take what is left
        reason = error if isinstance(error, OSError) else error.__context__  # PyTorch adds an error of its own
        if not isinstance(reason, OSError):
            raise
        raise OSError(reason.errno, reason.strerror, str(unfinished)) from None
    if newest.exists():
        newest.replace(previous)
    unfinished.replace(newest)


def read_checkpoint(folder: Path, load: Callable[[dict], None] = lambda state: None) -> dict | None:
    """The newest good checkpoint of a run, without executing anything in it; None if the run was not begun.

    load: takes the state up, or raises whatever it likes where that is impossible. A checkpoint that is damaged or
    of something else is left out with a line that says why; ValueError if there are checkpoints and none is good.
    """
    found = [path for path in (folder / name for name in CHECKPOINTS) if path.exists()]
    for path in found:
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            if problem := _problem(state):
                raise ValueError(problem)
            load(state)
        except Exception as error:  # cut off, another program's file, no tensors: each fails in a way of its own
            reason = (str(error).strip() or "unreadable").splitlines()[0]
            print(f"{path} is not used: {type(error).__name__}: {reason:.200}", file=sys.stderr, flush=True)
            continue
        if path != found[0]:
            _put_aside(found[0])
        return state
    if found:
        raise ValueError(f"no checkpoint in {folder} is good; delete that folder to train anew")
    return None


def _put_aside(path: Path) -> None:
    """Rename a damaged newest checkpoint, or the next one written would push it over the good one before it."""
    names = (path.with_suffix(f".damaged{n}") for n in itertools.count(1))
    path.rename(next(name for name in names if not name.exists()))


def _problem(state) -> str:
    """What is wrong with the content of a checkpoint, whatever network it is of; "" if nothing is."""
    if not isinstance(state, dict):
        return f"it holds a {type(state).__name__} and no run"
    if missing := {"network", "optimiser", "step", "seconds", "history"} - set(state):
        return f"it lacks {', '.join(sorted(missing))}"
    step, seconds, history = state["step"], state["seconds"], state["history"]
    if type(step) is not int or step < 0:
        return f"step is {step!r}"
    if not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
        return f"seconds is {seconds!r}"
    if not isinstance(history, list) or not all(isinstance(row, dict) for row in history):
        return "history is no list of rows"
    return "" if all_finite(tensors_of(state)) else "it holds numbers that are not finite"


def tensors_of(value) -> Iterator[Tensor]:
    """All tensors in nested dicts and lists."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict | list | tuple):
        for item in value.values() if isinstance(value, dict) else value:
            yield from tensors_of(item)


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether every number in the tensors is finite."""
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)
