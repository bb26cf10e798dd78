"""Executing notebooks and laying the book out: what is refused, what is passed on, what is said meanwhile."""

from __future__ import annotations

import contextlib
import json
import sys
from concurrent.futures import Future

import nbformat
import pytest
import yaml
from PIL import Image

from colorize_lib import cli
from colorize_lib.book import build as build_module
from colorize_lib.book.build import stage


def test_notebook_names_may_be_given_as_files(clone, monkeypatch):
    seen = []
    monkeypatch.setattr(build_module, "execute_all", lambda root, jobs, folder: seen.append((jobs, folder)) or 0)
    assert cli.main(["run", "notebooks/01_good.py", "--profile", "laptop", "-p", "seeds", "[0,1]"]) == 0
    jobs, folder = seen[0]
    assert jobs == [("01_good", {"seeds": [0, 1], "profile": "laptop"})]
    assert folder == clone / "runs/notebooks/laptop"


def test_settings_of_a_profile_reach_the_notebooks_together(clone, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(build_module, "execute_all", lambda root, jobs, folder: seen.extend(jobs) or 0)
    command = ["run", "01_good", "--profile", "laptop", "-p", "width", "0.5", "-p", "photos", "3"]
    assert cli.main([*command, "--data", "synthetic", "-p", "lr", "1e-4"]) == 0
    changed = {"settings": {"width": 0.5, "lr": 1e-4}}
    assert seen == [("01_good", {"profile": "laptop", "data": "synthetic", "photos": 3} | changed)]
    assert cli.main(command) == 2 and "needs images: give --data" in capsys.readouterr().err
    assert cli.main([*command, "--data", "synthetic", "-p", "width", "wide"]) == 2
    assert "width='wide' cannot be read" in capsys.readouterr().err and len(seen) == 1


def test_data_are_looked_at_before_a_notebook_runs_and_may_be_named_from_any_folder(clone, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(build_module, "execute_all", lambda root, jobs, folder: seen.extend(jobs) or 1)
    for command in (["run", "01_good"], ["book"]):
        assert cli.main([*command, "--profile", "laptop", "--data", "nowhere"]) == 2
        assert "no such file or folder: nowhere" in capsys.readouterr().err and not seen
    (clone / "elsewhere/album").mkdir(parents=True)
    Image.new("RGB", (9, 9)).save(clone / "elsewhere/album/x.png")
    monkeypatch.setattr(build_module, "CLONE", clone)
    monkeypatch.chdir(clone / "elsewhere")
    for command in (["run", "01_good"], ["book"]):
        assert cli.main([*command, "--profile", "laptop", "--data", "album"]) == 1
    assert {values["data"] for _, values in seen} == {str(clone / "elsewhere/album")}
    assert f"executed notebooks are in {clone}/runs/notebooks/laptop" in capsys.readouterr().out


def test_a_notebook_goes_to_the_folder_of_its_own_profile(clone, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(build_module, "execute_all", lambda root, jobs, folder: seen.append((jobs[0][0], folder)) or 0)
    text = (clone / "notebooks/01_good.py").read_text()
    (clone / "notebooks/03_other.py").write_text(text.replace('profile = "smoke"', 'profile = "ablation"'))
    assert cli.main(["run", "01_good", "03_other"]) == 0
    assert [(name, folder.name) for name, folder in seen] == [("01_good", "smoke"), ("03_other", "ablation")]
    assert "runs/notebooks/smoke\n" in (out := capsys.readouterr().out) and "runs/notebooks/ablation\n" in out


@pytest.mark.slow
def test_what_was_executed_before_stays_until_it_is_replaced(clone):
    (out := clone / "out/02_bad.ipynb").parent.mkdir()
    out.write_text("of an earlier run")
    _, problem = build_module.execute(clone / "notebooks/02_bad.py", {}, out, 1)
    assert "out/unfinished/02_bad.ipynb shows all up to there" in problem
    assert out.read_text() == "of an earlier run" and (clone / "out/unfinished/02_bad.ipynb").exists()


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
    nbformat.write(notebook, executed / "02_other.ipynb")
    profiles = {"01_good": "laptop", "02_other": "ablation"}
    stage(clone, executed, clone / "_build/stage", profiles)
    staged = nbformat.read(clone / "_build/stage/notebooks/01_good.ipynb", 4)
    assert "papermill" not in staged.metadata and staged.cells[0].metadata == {"tags": ["a"]}
    assert len(staged.cells) == 2, "without results its numbers are of no profile"
    assert 'href="01_good.ipynb"' in staged.cells[1].source
    beside = clone / "_build/stage/downloads/notebooks"
    assert nbformat.read(beside / "01_good.ipynb", 4).cells == staged.cells[:1] and (beside / "01_good.py").exists()
    notebook.cells.append(nbformat.v4.new_code_cell("from colorize_lib.evaluation import records"))
    for name, profile in profiles.items():
        nbformat.write(notebook, executed / f"{name}.ipynb")
        stage(clone, executed, clone / "_build/stage", profiles)
        staged = nbformat.read(clone / f"_build/stage/notebooks/{name}.ipynb", 4)
        assert f"Numbers on this page are of the profile `{profile}` where" in staged.cells[2].source
    assert "html" not in yaml.safe_load((clone / "_build/stage/_config.yml").read_text())
    stage(clone, executed, clone / "_build/stage", dict.fromkeys(profiles, "smoke"))
    assert "smoke" in yaml.safe_load((clone / "_build/stage/_config.yml").read_text())["html"]["announcement"]


def test_below_a_figure_stands_what_is_behind_it(clone):
    shown = nbformat.v4.new_output("display_data", {"image/png": "x"}, metadata={"scrapbook": {"name": "key"}})
    cell = nbformat.v4.new_code_cell("found = 1\nfound", execution_count=1, outputs=[shown])
    read = {"cell": 1, "line": 1, "kind": "shown", "what": "boat"}
    executed = clone / "_build/run"
    executed.mkdir(parents=True)
    for name, metadata in {"01_good": {"trace": [read]}, "02_other": {}}.items():
        nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=metadata), executed / f"{name}.ipynb")
    stage(clone, executed, clone / "_build/stage", dict.fromkeys(("01_good", "02_other"), "laptop"))
    lines = {n: nbformat.read(clone / f"_build/stage/notebooks/{n}.ipynb", 4).cells[-1].source for n in
             ("01_good", "02_other")}  # fmt: skip
    assert "Figure of cell 1</a> · shown: boat" in lines["01_good"]
    assert "passport" not in lines["02_other"], "where it is not known what was read nothing is said"
    told = json.loads((clone / "_build/stage/passports.json").read_text())
    assert told["01_good"]["key"] == lines["01_good"] and not told["02_other"]


def test_folded_cells_that_only_glue_are_left_out_of_pages(clone):
    record = nbformat.v4.new_output("display_data", {"application/papermill.record/text/plain": "3"})
    picture = nbformat.v4.new_output("display_data", {"image/png": "x"})
    printed = nbformat.v4.new_output("stream", text="3")
    outputs = {"glues": [record, record], "nothing": [], "shows": [record, picture], "prints": [record, printed]}
    folded = {"tags": ["hide-input"]}
    cells = [nbformat.v4.new_code_cell(name, outputs=some, metadata=folded) for name, some in outputs.items()]
    cells.append(nbformat.v4.new_code_cell("code", outputs=[record]))
    (executed := clone / "_build/run").mkdir(parents=True)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), executed / "01_good.ipynb")
    stage(clone, executed, clone / "_build/stage", {"01_good": "laptop"})
    staged, beside = (
        nbformat.read(clone / f"_build/stage/{place}/01_good.ipynb", 4).cells
        for place in ("notebooks", "downloads/notebooks")
    )
    left_out = [cell.source for cell in staged if "remove-cell" in cell.metadata.get("tags", [])]
    assert left_out == ["glues"] and beside == cells, "the notebook to take along has all"


def test_what_is_glued_for_another_page_has_its_line_there(clone):
    table = {"application/papermill.record/text/html": "<table></table>"}
    number = {"application/papermill.record/text/plain": "3"}
    glued = {"rows": table, "many": number}
    outputs = [
        nbformat.v4.new_output("display_data", data, metadata={"scrapbook": {"name": key}})
        for key, data in glued.items()
    ]
    source = "found = 1\nglue('rows', found)\nglue('many', 3)"
    cell = nbformat.v4.new_code_cell(source, execution_count=1, outputs=outputs)
    read = {"cell": 1, "line": 1, "kind": "shown", "what": "boat"}
    (executed := clone / "_build/run").mkdir(parents=True)
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata={"trace": [read]})
    nbformat.write(notebook, executed / "01_good.ipynb")
    stage(clone, executed, clone / "_build/stage", {"01_good": "laptop"})
    told = json.loads((clone / "_build/stage/passports.json").read_text())["01_good"]
    assert list(told) == ["rows"] and "Table of cell 1</a> · shown: boat" in told["rows"]
    assert "passport" not in (clone / "_build/stage/notebooks/01_good.ipynb").read_text(), "nothing is shown here"


def test_progress_is_told_at_once_and_again(clone, monkeypatch, capsys):
    asked = []

    def wait(tasks, *_):  # the first time in vain
        asked.append(tasks)
        return (set(), set(tasks)) if len(asked) % 2 else (set(tasks), set())

    monkeypatch.setattr(build_module, "wait", wait)
    monkeypatch.setattr(build_module, "ProcessPoolExecutor", _Pool)
    assert build_module.execute_all(clone, [("01_good", {}), ("04_training", {})], clone / "out") == 1
    assert capsys.readouterr().out.splitlines() == [
        "executing 2 notebooks",
        "04_training, 2 to go, 0 s",
        "04_training: 3 s, FAILED",
        "01_good, 1 to go, 0 s",
        "01_good: 3 s",
    ]


class _Pool(contextlib.nullcontext):
    """Stands in for a pool of processes, in which the notebook that trains fails."""

    def __init__(self, *_, **__):
        super().__init__(self)

    def submit(self, function, notebook, *_):
        future = Future()
        future.set_result((3.0, "a cell failed" if "training" in notebook.stem else ""))
        return future


def test_building_says_that_it_goes_on(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(build_module, "HEARTBEAT", 0.001)
    program = [sys.executable, "-c", "import sys; print('made'); sys.exit(3)"]
    assert build_module._run_logged(program, tmp_path, tmp_path / "log") == 3
    assert (tmp_path / "log").read_text() == "made\n" and "still building, 0 s" in capsys.readouterr().out


def test_the_folder_of_the_book_is_found(clone, tmp_path_factory, monkeypatch, root):
    assert build_module.repository() == clone
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert build_module.repository() == root, "the one this package is part of"
    monkeypatch.setattr(build_module, "CLONE", clone / "notebooks")
    with pytest.raises(ValueError, match="run this command in a clone"):
        build_module.repository()
