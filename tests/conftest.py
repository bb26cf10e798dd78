"""Settings that all tests share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# one thread gives the same sums everywhere, and tests are too small to gain from more
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's folder."""
    return ROOT
