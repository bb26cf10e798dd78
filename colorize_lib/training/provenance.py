"""Where a result comes from: configuration, data, code and machine."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path

import torch

from ..config import Config, identity, run_id
from ..devices import computes_in_bf16, device_name
from .distributed import world


def passport(config: Config, arm: str, seed: int, fingerprint: str, device: torch.device) -> dict:
    """Where a result comes from: configuration, data, code and machine, as plain JSON values."""
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--exclude=*"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or "not under git"
    versions = {package: metadata.version(package) for package in ("torchvision", "numpy", "scikit-image")}
    return {
        "run": run_id(config, arm, seed, fingerprint),
        "arm": arm,
        "seed": seed,
        "profile": config.profile,
        "config": {**identity(config), "side": config.side, "temperature": config.temperature},
        "data": fingerprint,
        "commit": commit,
        "versions": {"python": platform.python_version(), "torch": torch.__version__} | versions,
        "device": device_name(device),
        "precision": "bf16" if computes_in_bf16(config, device) else config.precision.replace("bf16", "fp32"),
        **({"processes": world().size} if world().size > 1 else {}),
    }
