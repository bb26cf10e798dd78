"""Settings that all tests share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# one thread gives the same sums everywhere, and tests are too small to gain from more
os.environ.setdefault("OMP_NUM_THREADS", "1")


# notebooks that read the runs of the first of them
ONE_EXPERIMENT = ("04_training", "05_reds_yellows", "06_neutrals", "07_vibrancy", "08_edge_cases")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items) -> None:
    """Keep the tests of a file in one process, for their shared fixtures, and the notebooks of one experiment too."""
    for item in items:
        name = item.path.stem
        together = item.path.suffix == ".ipynb" and name in ONE_EXPERIMENT
        item.add_marker(pytest.mark.xdist_group("experiment" if together else item.path.as_posix()))


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's folder."""
    return ROOT
