"""Executing notebooks with papermill and building the static book."""

from __future__ import annotations

import ast
import dataclasses
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from ..config import Config, load_config

HERE = Path(__file__).resolve().parent
TRAINING = "04_training"
SMOKE_BANNER = (
    "Made from the <b>smoke</b> profile: toy networks, trained for seconds on generated scenes. "
    "Its numbers show that the machinery works, and nothing else."
)
PROFILE_NOTE = """```{{note}}
Numbers on this page are of profile `{profile}`, one size of the experiment among several; {{doc}}`/book/reproduce` says
which runs of the papers' own budgets are done and which are open.
```"""


def repository() -> Path:
    """The folder that holds the book (`_toc.yml`): the current one, or the one this package is part of."""
    for folder in (Path.cwd(), HERE.parent):
        if (folder / "_toc.yml").exists() and (folder / "notebooks").is_dir():
            return folder
    raise ValueError("the notebooks are not here; run this command in a clone of the book's repository")


def notebooks_of(root: Path) -> list[str]:
    """Names of the notebooks in `_toc.yml`, in the order of the book."""
    import yaml

    toc = yaml.safe_load((root / "_toc.yml").read_text())
    files = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    return [Path(file).name for file in files if file.startswith("notebooks/")]


def defaults_of(notebook: Path) -> dict:
    """A notebook's parameters with their defaults, None where the default is no literal."""
    import jupytext
    import papermill

    if not notebook.exists():
        known = ", ".join(sorted(p.stem for p in notebook.parent.glob("*.py")))
        raise ValueError(f"there is no notebook {notebook.stem!r}; allowed: {known}")
    return {name: _literal(p["default"]) for name, p in papermill.inspect_notebook(jupytext.read(notebook)).items()}


def _taken(defaults: dict) -> set[str]:
    """What a notebook with these parameters can be given: also every setting of a profile, if it has `settings`."""
    return {*defaults, *(_FIELDS if "settings" in defaults else ())}


def check_parameters(name: str, defaults: dict, values: dict) -> dict:
    """Refuse, before a kernel starts, a parameter that the notebook does not know or a value it cannot use.

    Returns the values as the notebook takes them, with the profile's settings gathered in its parameter `settings`.
    """
    for key, value in values.items():
        if key not in _taken(defaults):
            raise ValueError(f"{name} has no parameter {key!r}; allowed: {', '.join(defaults)}")
        default = defaults.get(key)
        number = isinstance(default, float) and isinstance(value, int)
        if default is not None and key not in _FIELDS and not number and type(value) is not type(default):
            raise ValueError(f"{key}={value!r} is not possible; it should look like {default!r}")
    given = {key: value for key, value in values.items() if key in defaults}
    settings = {key: value for key, value in values.items() if key not in defaults} | given.get("settings", {})
    given |= {"settings": settings} if settings else {}
    if twice := set(settings) & set(defaults):
        raise ValueError(f"settings={settings} names {', '.join(twice)}, which {name} takes by itself")
    usual = {key: v for key, v in {**defaults, **given}.items() if key in _FIELDS and v is not None}
    if not load_config(**usual, **settings).data and settings:
        raise ValueError(f"settings={settings} changes what is trained, which needs pictures: give --data")
    return given


_FIELDS = {field.name for field in dataclasses.fields(Config)}


def _literal(text: str):
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return None


def execute(notebook: Path, values: dict, out: Path, threads: int) -> tuple[float, str]:
    """Execute a py:percent notebook with papermill and store it as `out`.

    threads: for the numerical libraries of the kernel. Returns the seconds it took and, if a cell failed, why.
    """
    import jupytext
    import papermill

    os.environ.pop("MPLBACKEND", None)  # a backend chosen outside makes figures vanish silently
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # the kernel of this environment, not of the user's home
    os.environ["OMP_NUM_THREADS"] = str(threads)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)
    show = {"progress_bar": False, "stdout_file": sys.stdout if notebook.stem == TRAINING else None}
    begun = time.perf_counter()
    try:
        papermill.execute_notebook(jupytext.read(notebook), out, values, cwd=notebook.parent.parent, **show)
    except papermill.PapermillExecutionError as error:
        problem = f"{notebook.name}: cell {error.exec_count} failed; {out} shows all up to there\n{error}"
        return time.perf_counter() - begun, problem
    return time.perf_counter() - begun, ""


def _execute_all(root: Path, jobs: list[tuple[str, dict]], folder: Path) -> int:
    """Execute notebooks, two at a time; the one that trains goes first and alone, because others read its runs."""
    cores, failures, finished = os.cpu_count() or 1, 0, 0
    folder.mkdir(parents=True, exist_ok=True)
    for group, workers in (
        ([job for job in jobs if job[0] == TRAINING], 1),
        ([job for job in jobs if job[0] != TRAINING], min(2, cores)),
    ):
        with ProcessPoolExecutor(workers, initializer=_redirect_stderr, initargs=(folder / "kernels.log",)) as pool:
            tasks = {
                pool.submit(
                    execute, root / f"notebooks/{name}.py", values, folder / f"{name}.ipynb", cores // workers
                ): name
                for name, values in group
            }
            for task in as_completed(tasks):
                finished += 1
                seconds, problem = task.result()
                print(f"[{finished}/{len(jobs)}] {tasks[task]}: {seconds:.0f} s{problem and ', FAILED'}", flush=True)
                failures += bool(problem)
                if problem:
                    print(problem, file=sys.stderr, flush=True)
    return failures


def _redirect_stderr(log: Path) -> None:
    """Let the chatter of kernels (they inherit file 2) go to a log."""
    with open(log, "a") as file:
        os.dup2(file.fileno(), 2)


def stage(root: Path, executed: Path, out: Path, profile: str) -> None:
    """Lay out what Sphinx reads: configuration, pages, and the executed notebooks with the run's traces taken off.

    On top of every notebook stands of which profile its numbers are; with `smoke`, a banner on every page.
    """
    import nbformat
    import yaml

    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(root / "book", out / "book", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "_toc.yml", out)
    config = yaml.safe_load((root / "_config.yml").read_text())
    if profile == "smoke":
        config.setdefault("html", {})["announcement"] = SMOKE_BANNER
    (out / "_config.yml").write_text(yaml.safe_dump(config))
    (out / "notebooks").mkdir()
    for path in sorted(executed.glob("*.ipynb")):
        notebook = nbformat.read(path, 4)
        notebook.metadata.pop("papermill", None)  # absolute paths and times
        for cell in notebook.cells:
            cell.metadata.pop("papermill", None)
        notebook.cells.insert(1, nbformat.v4.new_markdown_cell(PROFILE_NOTE.format(profile=profile)))
        nbformat.write(notebook, out / "notebooks" / path.name)


def build(root: Path) -> int:
    """Let Jupyter Book make the static site _build/site from _build/stage; any warning is an error."""
    tool = Path(sys.executable).with_name("jupyter-book")
    made, site = root / "_build/jb", root / "_build/site"
    shutil.rmtree(made, ignore_errors=True)
    command = [tool, "build", "_build/stage", "--path-output", "_build/jb", "--all", "-W", "-n", "--keep-going"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        log = done.stdout + done.stderr
        found = [line for line in log.splitlines() if re.search(r"(WARNING|ERROR|CRITICAL):", line)]
        print("\n".join(dict.fromkeys(found)) or log, file=sys.stderr)
        print("colorize book: the book was not built, for the reasons above", file=sys.stderr)
        return 1
    shutil.rmtree(site, ignore_errors=True)
    shutil.move(made / "_build/html", site)
    print(f"The book is in {site.relative_to(root)}. Read it with\n  python3 -m http.server 8000 -d _build/site")
    print("and then open http://localhost:8000 in a browser.")
    return 0
