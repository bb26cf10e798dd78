"""Where a result comes from: configuration, data, code and machine."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path

import torch

from ..config import Config, settings_of
from ..devices import device_name
from .distributed import world

HERE = Path(__file__).resolve().parents[2]
"""The folder that holds the package; in a checkout the repository."""


def commit(folder: Path | None = None) -> str:
    """The commit of the repository in `folder` (default: this one), "-dirty" if files differ; else "not under git".

    A repository around it, such as that of somebody who installed the package into a folder of theirs, is not ours.
    """

    folder = folder or HERE

    def git(*command: str) -> str:
        ask = ["git", "-C", str(folder), *command]
        try:
            return subprocess.run(ask, capture_output=True, text=True, check=False).stdout.strip()
        except OSError:  # there is no git
            return ""

    top, project = git("rev-parse", "--show-toplevel"), folder / "pyproject.toml"
    ours = top and Path(top).resolve() == folder.resolve() and (folder / "colorize_lib").is_dir()
    if not ours or not project.is_file() or 'name = "colorize-lib"' not in project.read_text(errors="replace"):
        return "not under git"
    return git("describe", "--always", "--dirty", "--exclude=*") or "not under git"


def passport(run: str, config: Config, arm: str, seed: int, fingerprint: str, device: torch.device) -> dict:
    """Where the result called `run` comes from: configuration, data, code and machine, as plain JSON values."""
    versions = {package: metadata.version(package) for package in ("torchvision", "numpy", "scikit-image")}
    return {
        "run": run,
        "arm": arm,
        "seed": seed,
        "profile": config.profile,
        "config": settings_of(config) | {"temperature": config.temperature},
        "data": fingerprint,
        "commit": commit(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__} | versions,
        "device": device_name(device),
        "precision": config.precision,
        **({"processes": world().size} if world().size > 1 else {}),
    }
