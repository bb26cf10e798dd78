"""Settings that all tests share."""

import os
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent

# one thread gives the same sums everywhere, and tests are too small to gain from more
os.environ.setdefault("OMP_NUM_THREADS", "1")

# notebooks that read the runs of the first of them
ONE_EXPERIMENT = (
    "04_training", "05_reds_yellows", "06_neutrals", "07_vibrancy", "08_edge_cases", "09_one_posterior",
    "10_time_and_settings",
)  # fmt: skip


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Keep the tests of a file in one process, for their shared fixtures, and the notebooks of one experiment too."""
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = Path(nodeid.partition("::")[0])
            return "experiment" if file.suffix == ".ipynb" and file.stem in ONE_EXPERIMENT else file.as_posix()

    return ByFile(config, log)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's folder."""
    return ROOT


HEAD = """# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A notebook

# %% tags=["parameters"]
profile = "smoke"
data = ""
seeds = [0]
arms = ["l2", "ce"]
settings = {}
photos = 4

# %%
"""


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """A repository with two tiny notebooks and one page, as the current folder."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "book/results").mkdir(parents=True)
    (tmp_path / "notebooks/01_good.py").write_text(HEAD + "print(profile, seeds, photos)\n")
    (tmp_path / "notebooks/02_bad.py").write_text(HEAD + "raise RuntimeError('no such colour')\n")
    (tmp_path / "book/intro.md").write_text("# Intro\n\nNothing.\n")
    toc = {"format": "jb-book", "root": "book/intro", "parts": [{"caption": "A", "chapters": []}]}
    toc["parts"][0]["chapters"] = [{"file": "notebooks/01_good"}, {"file": "notebooks/02_bad"}]
    (tmp_path / "_toc.yml").write_text(yaml.safe_dump(toc))
    (tmp_path / "_config.yml").write_text('title: T\nexecute: {execute_notebooks: "off"}\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path
