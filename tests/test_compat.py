"""torchvision loads beside any build of torch, and other errors are not hidden."""

import os
import subprocess
import sys

import pytest
import torch

from colorize_lib import _compat


def test_torchvision_works():
    grey = _compat.torchvision.transforms.functional.rgb_to_grayscale(torch.rand(2, 3, 4, 5))
    assert grey.shape == (2, 1, 4, 5)
    assert _compat._import_torchvision() is _compat.torchvision is sys.modules["torchvision"]


# A torchvision as it is beside a torch that its compiled parts do not fit: nothing has declared its operators.
UNFIT = """
import torch
from . import half
for name in ("nms", "qnms"):
    torch.library.register_fake(f"torchvision::{name}")(lambda dets, scores, iou_threshold: dets)
"""
# One that fails for another reason.
BROKEN = "raise RuntimeError('something else')"


@pytest.fixture
def import_beside(tmp_path):
    """Import the module in a fresh process that finds a made-up torchvision first, which fails by itself."""

    def run(source: str) -> subprocess.CompletedProcess:
        (tmp_path / "torchvision").mkdir()
        (tmp_path / "torchvision" / "__init__.py").write_text(source)
        (tmp_path / "torchvision" / "half.py").touch()
        code = "try:\n import torchvision\n raise SystemExit('works by itself')\nexcept RuntimeError: pass\n"
        code += "from colorize_lib._compat import torchvision"
        path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        return subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
        )

    return run


def test_torchvision_loads_when_its_operators_are_missing(import_beside):
    done = import_beside(UNFIT)
    assert done.returncode == 0, done.stderr


def test_other_failures_are_not_hidden(import_beside):
    done = import_beside(BROKEN)
    assert done.returncode == 1 and "RuntimeError: something else" in done.stderr
