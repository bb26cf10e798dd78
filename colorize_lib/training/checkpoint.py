"""Files of a run in progress: checkpoints that survive being killed at any moment, and the history."""

from __future__ import annotations

import csv
import os
import sys
from pathlib import Path

import torch

CHECKPOINTS = ("checkpoint.pt", "previous.pt")


def write_checkpoint(state: dict, folder: Path) -> None:
    """Write a checkpoint; the one before stays beside it. Killed at any moment, one of them is whole."""
    newest, previous = (folder / name for name in CHECKPOINTS)
    with open(folder / "checkpoint.tmp", "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    if newest.exists():
        newest.replace(previous)
    (folder / "checkpoint.tmp").replace(newest)


def read_checkpoint(folder: Path) -> dict | None:
    """The newest whole checkpoint of a run, without executing anything in it; None if the run was not begun.

    Raises ValueError if there are checkpoints and none can be read.
    """
    damage = ""
    for path in (folder / name for name in CHECKPOINTS):
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            missing = {"network", "optimiser", "step", "seconds", "history"} - set(state)
        except FileNotFoundError:
            continue
        except Exception as error:  # cut off, another program's file, or no tensors: each fails in a way of its own
            damage, missing = type(error).__name__, {"a readable content"}
        if not missing:
            return state
        print(f"{path} lacks {', '.join(sorted(missing))} and is not used", file=sys.stderr)
        damage = damage or "incomplete"
    if damage:
        raise ValueError(f"no checkpoint in {folder} can be read ({damage}); delete that folder to train anew")
    return None


def write_history(rows: list[dict], path: Path) -> None:
    """Write rows as CSV through a temporary file."""
    with open(path.with_suffix(".tmp"), "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else ["step"])
        writer.writeheader()
        writer.writerows(rows)
    path.with_suffix(".tmp").rename(path)
