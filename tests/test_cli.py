"""The command line: what it refuses before anything starts, and how it lays the book out."""

from __future__ import annotations

import subprocess
import sys

import nbformat
import numpy as np
import pytest
import tiny
import yaml
from PIL import Image

from colorize_lib import cli
from colorize_lib import colorizer as colorizer_module
from colorize_lib.book import build as build_module
from colorize_lib.book.build import stage

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


@pytest.fixture
def no_kernel(monkeypatch):
    """Fail if a notebook would be executed."""
    monkeypatch.setattr(build_module, "_execute_all", lambda *_: pytest.fail("a kernel was started"))


def test_help_is_quick_and_loads_nothing_heavy():
    code = (
        "import sys; from colorize_lib.cli import main\ntry: main(['--help'])\nfinally: print('torch' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.endswith("False\n")
    for name in ("prepare", "train", "evaluate", "photo", "run", "book", "bench", "record", "export"):
        assert f"\n    {name} " in out


@pytest.mark.parametrize(
    ("text", "value"),
    [("[0,1]", [0, 1]), ("1e-3", 1e-3), ("true", True), ("ce", "ce"), ("[l2, ce]", ["l2", "ce"]), ("0.5", 0.5)],
)
def test_parameter_values(text, value):
    assert cli.parse_value(text) == value


def test_an_unreadable_value_is_named():
    with pytest.raises(ValueError, match=r"\[0,"):
        cli.parse_value("[0,")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "01_good", "-p", "seedz", "1"], "01_good has no parameter 'seedz'; allowed: profile, data"),
        (["run", "01_good", "-p", "seeds", "[-1]"], "seeds=(-1,) is not possible"),
        (["run", "01_good", "-p", "arms", "[l3]"], "arms=('l3',) is not possible"),
        (["run", "01_good", "-p", "photos", "many"], "photos='many' is not possible; it should look like 4"),
        (["run", "01_good", "-p", "profile", "huge"], "profile='huge' is unknown"),
        (["run", "01_good", "-p", "settings", "{seeds: [1]}"], "names seeds, which 01_good takes by itself"),
        (["run", "01_good", "-p", "settings", "4"], "settings=4 is not possible; it should look like {}"),
        (["run", "03_lost"], "there is no notebook '03_lost'; allowed: 01_good, 02_bad"),
        (["book", "-p", "seedz", "1"], "no notebook has a parameter 'seedz'"),
        (["book", "--arms", "l3"], "arms=('l3',) is not possible"),
        (["train", "--profile", "laptop"], "give --data"),
        (["train", "--profile", "smoke", "-p", "learning_rate", "1"], "parameter 'learning_rate' is unknown"),
        (["train", "--data", "nowhere"], "nowhere"),
        (["photo", "nowhere.jpg", "--out", "out"], "nowhere.jpg"),
        (["sweep", "--profile", "smoke", "--part", "3/2"], "--part 3/2 is not possible; it should look like 2/8"),
        (["sweep", "--profile", "smoke", "--vary", "rate", "1"], "parameter 'rate' is unknown"),
        (["sweep", "--profile", "laptop"], "a sweep needs --data"),
        (["photo", "x.jpg", "--out", "out", "--temperature", "0"], "--temperature 0.0 is not possible"),
    ],
)
def test_mistakes_are_one_line_and_come_before_any_kernel(clone, no_kernel, capsys, arguments, message):
    assert cli.main(arguments) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1 and "Traceback" not in err


def test_a_sweep_lists_trains_and_divides_its_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = {"side": 32, "width": 1 / 16, "steps": 2, "eval_every": 1, "batch": 8, "train_photos": 32}
    command = ["sweep", "--profile", "smoke", "--data", str(tiny.experiment().store.path), "--arms", "l2,ce"]
    command += [word for name, value in small.items() for word in ("-p", name, str(value))]
    command += ["--vary", "lr", "1e-3", "2e-3", "--vary", "lambda_", "0.5"]

    def states(*more: str) -> list[list[str]]:
        assert cli.main([*command, *more]) == 0
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        return [[line[0], line[2], " ".join(line[5:])] for line in lines if line[0] in ("l2", "ce") and line[1] == "0"]

    every = [[arm, lr, "not begun"] for lr in ("0.001", "0.002") for arm in ("l2", "ce")]
    assert states("--list") == every and not (tmp_path / "runs").exists()
    first = states("--part", "1/2")  # the table before and after
    assert first == [every[0], every[2], ["l2", "0.001", "finished"], ["l2", "0.002", "finished"]]
    assert [state for *_, state in states("--list")] == ["finished", "not begun"] * 2
    assert [state for *_, state in states()[4:]] == ["finished"] * 4


def test_debug_shows_the_traceback(clone, no_kernel):
    with pytest.raises(ValueError, match="03_lost"):
        cli.main(["run", "03_lost", "--debug"])


def test_notebook_names_may_be_given_as_files(clone, monkeypatch):
    seen = []
    monkeypatch.setattr(build_module, "_execute_all", lambda root, jobs, folder: seen.append((jobs, folder)) or 0)
    assert cli.main(["run", "notebooks/01_good.py", "--profile", "laptop", "-p", "seeds", "[0,1]"]) == 0
    jobs, folder = seen[0]
    assert jobs == [("01_good", {"seeds": [0, 1], "profile": "laptop"})]
    assert folder == clone / "runs/notebooks/laptop"


def test_settings_of_a_profile_reach_the_notebooks_together(clone, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(build_module, "_execute_all", lambda root, jobs, folder: seen.extend(jobs) or 0)
    command = ["run", "01_good", "--profile", "laptop", "-p", "width", "0.5", "-p", "photos", "3"]
    assert cli.main([*command, "--data", "somewhere", "-p", "lr", "1e-4"]) == 0
    changed = {"settings": {"width": 0.5, "lr": 1e-4}}
    assert seen == [("01_good", {"profile": "laptop", "data": "somewhere", "photos": 3} | changed)]
    assert cli.main(command) == 2 and "needs pictures: give --data" in capsys.readouterr().err
    assert cli.main([*command, "--data", "somewhere", "-p", "width", "wide"]) == 2
    assert "width='wide' cannot be read" in capsys.readouterr().err and len(seen) == 1


@pytest.mark.slow
def test_a_failing_cell_fails_the_book_and_a_good_notebook_gets_its_parameters(clone, capsys):
    (clone / "_build/site").mkdir(parents=True)
    assert cli.main(["book", "-p", "photos", "7"]) == 1
    out, err = capsys.readouterr()
    assert "02_bad: " in out and "FAILED" in out and "no such colour" in err
    notebook = nbformat.read(clone / "_build/run/01_good.ipynb", 4)
    assert notebook.cells[-1].outputs[0].text == "smoke [0] 7\n"
    assert not (clone / "_build/stage").exists()


def test_staging_takes_the_traces_of_a_run_off(clone):
    executed = clone / "_build/run"
    executed.mkdir(parents=True)
    notebook = nbformat.v4.new_notebook(metadata={"papermill": {"input_path": "x"}})
    notebook.cells = [nbformat.v4.new_code_cell("1", metadata={"papermill": {"duration": 1.0}, "tags": ["a"]})]
    nbformat.write(notebook, executed / "01_good.ipynb")
    stage(clone, executed, clone / "_build/stage", "laptop")
    staged = nbformat.read(clone / "_build/stage/notebooks/01_good.ipynb", 4)
    assert "papermill" not in staged.metadata and staged.cells[0].metadata == {"tags": ["a"]}
    assert "Numbers on this page are of profile `laptop`" in staged.cells[1].source
    assert "html" not in yaml.safe_load((clone / "_build/stage/_config.yml").read_text())
    stage(clone, executed, clone / "_build/stage", "smoke")
    assert "smoke" in yaml.safe_load((clone / "_build/stage/_config.yml").read_text())["html"]["announcement"]


class _Painter:
    """Stands in for a trained network: paints everything red."""

    def photo(self, picture, temperature=None):
        red = np.zeros_like(picture)
        red[..., 0] = 255
        return red


def test_photo_writes_a_file_each_and_lists_what_it_skips(tmp_path, monkeypatch, capsys):

    monkeypatch.setattr(colorizer_module, "load_colorizer", lambda arm: _Painter())
    (tmp_path / "in/deep").mkdir(parents=True)
    picture = np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8)
    for name in ("a.png", "deep/a.png", "b.jpg"):
        Image.fromarray(picture).save(tmp_path / "in" / name)
    (tmp_path / "in/broken.jpg").write_bytes(b"not a picture")
    assert cli.main(["photo", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--side-by-side"]) == 0
    written = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert written == ["a-2.png", "a.png", "b.png"]
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 3 and "broken.jpg" in err
    result = np.asarray(Image.open(tmp_path / "out/b.png"))
    assert result.shape == (20, 60, 3)
    assert np.ptp(result[:, :30].astype(int), axis=-1).max() <= 1, "the left half is the grey input"
    assert (result[:, 30:] == [255, 0, 0]).all()


def test_photo_without_a_readable_picture_is_an_error(tmp_path, monkeypatch, capsys):

    monkeypatch.setattr(colorizer_module, "load_colorizer", lambda arm: _Painter())
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    assert cli.main(["photo", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "none of the pictures" in capsys.readouterr().err
