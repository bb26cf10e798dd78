"""Executing notebooks with papermill and building the static book."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from pathlib import Path

from ..config import FIELDS, load_config
from ..data.sources import find_source
from ..data.store import is_store
from ..trace import VARIABLE
from . import passports

CLONE = Path(__file__).resolve().parents[2]
"""The folder that the package lies in: the repository, if the package was not installed elsewhere."""
HEARTBEAT = 10  # seconds; never longer without a line of progress
TRAINING = "04_training"
SMOKE_BANNER = (
    "Made from the <b>smoke</b> profile: toy networks, trained for seconds on generated scenes. "
    "Its numbers show that the machinery works, and nothing else."
)
UNFINISHED = "unfinished"
"""Folder of notebooks that are being executed, or failed, beside those that were executed whole."""
DOWNLOADS = "downloads"
"""Folder of what lies beside the pages as it is."""
GLUED = "application/papermill.record/"
"""With which the kind of data begins that a notebook glues and does not show."""
FILES = (
    '<p class="page-files">This chapter to take along: <a href="{name}.ipynb" download>notebook with its results</a>, '
    '<a href="{name}.py" download>script</a></p>'
)
PROFILE_NOTE = """```{{note}}
Numbers on this page are of the profile `{profile}` where no other is named. A profile is a named set of sizes and
settings; {{doc}}`04_training` lists them, and {{doc}}`/book/reproduce` says which runs are done and which are open.
```"""


def is_repository(folder: Path) -> bool:
    """Whether a folder holds the book: `_toc.yml` and the notebooks."""
    return (folder / "_toc.yml").exists() and (folder / "notebooks").is_dir()


def repository() -> Path:
    """The folder that holds the book: the current one, or the one that this package is part of."""
    for folder in (Path.cwd(), CLONE):
        if is_repository(folder):
            return folder
    raise ValueError("the notebooks are not here; run this command in a clone of the book's repository")


def run(names: list[str], values: dict) -> int:
    """Execute notebooks, given by name or file, with parameters into runs/notebooks/<profile>; 1 if one failed.

    Raises ValueError for a notebook that does not exist or a parameter that it cannot take, before any is executed.
    """
    root, jobs = repository(), {}
    values = _from_root(root, values)
    _log(f"reading {len(names)} notebooks")
    for name in dict.fromkeys(Path(name).stem for name in names):
        defaults = defaults_of(root / f"notebooks/{name}.py")
        folder = root / "runs/notebooks" / str(values.get("profile", defaults.get("profile")))
        jobs.setdefault(folder, []).append((name, check_parameters(name, defaults, values)))
    failures = 0
    for folder, some in jobs.items():
        failures += execute_all(root, some, folder)
        _log(f"executed notebooks are in {folder.relative_to(root) if root == Path.cwd() else folder}")
    return 1 if failures else 0


def book(values: dict) -> int:
    """Execute every notebook and build the book into _build/site; 1 if a cell failed or a page is not as it should be.

    Raises ValueError for a parameter that no notebook can take, before any is executed.
    """
    root, jobs, taken, profiles = repository(), [], set(), {}
    values = _from_root(root, values)
    _log("reading the notebooks")
    for name in notebooks_of(root):
        known = defaults_of(root / f"notebooks/{name}.py")
        given = {key: value for key, value in values.items() if key in _taken(known)}
        jobs.append((name, check_parameters(name, known, given)))
        profiles[name] = given.get("profile", known.get("profile"))
        taken |= _taken(known)
    if unknown := set(values) - taken:
        wrong, known = (", ".join(sorted(some)) for some in (map(repr, unknown), taken))
        raise ValueError(f"no notebook has a parameter {wrong}; allowed: {known}")
    executed = root / "_build/run"
    if execute_all(root, jobs, executed):
        return 1
    stage(root, executed, root / "_build/stage", profiles)
    return build(root)


def _from_root(root: Path, values: dict) -> dict:
    """The same with paths that hold in the repository, where the notebooks run, whatever the current folder is.

    Raises ValueError for data that cannot be read; prepares nothing.
    """
    data = str(values.get("data") or "")
    if data and not is_store(data):
        find_source(data)
    if root == Path.cwd():
        return values
    named = {name: str(values[name]) for name in ("data", "init_from", "prior") if values.get(name)}
    parts = {name: [text] if os.path.exists(text) else text.split(",") for name, text in named.items()}
    there = {name: [os.path.abspath(p) if os.path.exists(p) else p for p in paths] for name, paths in parts.items()}
    return values | {name: ",".join(paths) for name, paths in there.items()}


def _log(line: str) -> None:
    print(line, flush=True)


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
    return {*defaults, *(FIELDS if "settings" in defaults else ())}


def check_parameters(name: str, defaults: dict, values: dict) -> dict:
    """Refuse, before a kernel starts, a parameter that the notebook does not know or a value it cannot use.

    Returns the values as the notebook takes them, with the profile's settings gathered in its parameter `settings`.
    """
    for key, value in values.items():
        if key not in _taken(defaults):
            raise ValueError(f"{name} has no parameter {key!r}; allowed: {', '.join(defaults)}")
        default = defaults.get(key)
        number = isinstance(default, float) and isinstance(value, int)
        if default is not None and key not in FIELDS and not number and type(value) is not type(default):
            raise ValueError(f"{key}={value!r} is not possible; it should look like {default!r}")
    given = {key: value for key, value in values.items() if key in defaults}
    settings = {key: value for key, value in values.items() if key not in defaults} | given.get("settings", {})
    given |= {"settings": settings} if settings else {}
    if twice := set(settings) & set(defaults):
        raise ValueError(f"settings={settings} names {', '.join(twice)}, which {name} takes by itself")
    known = {key: v for key, v in defaults.items() if v is not None} | given
    usual = {key: v for key, v in known.items() if key in FIELDS}
    if not load_config(**usual, **settings).data and settings:
        raise ValueError(f"settings={settings} changes what is trained, which needs images: give --data")
    return given


def _literal(text: str):
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return None


def execute(notebook: Path, values: dict, out: Path, threads: int) -> tuple[float, str]:
    """Execute a py:percent notebook with papermill and store it as `out`, in place of an earlier one.

    threads: for the numerical libraries of the kernel. Returns the seconds it took and, if a cell failed, why; then
    what there is of it is in the folder `UNFINISHED` beside, and `out` as it was.
    """
    import jupytext
    import papermill

    os.environ.pop("MPLBACKEND", None)  # a backend chosen outside makes figures vanish silently
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # the kernel of this environment, not of the user's home
    os.environ["OMP_NUM_THREADS"] = str(threads)
    unfinished = out.parent / UNFINISHED / out.name
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    trace = unfinished.with_suffix(".trace")
    trace.unlink(missing_ok=True)
    os.environ[VARIABLE] = str(trace.absolute())
    show = {"progress_bar": False, "stdout_file": sys.stdout if notebook.stem == TRAINING else None}
    begun = time.perf_counter()
    try:
        papermill.execute_notebook(jupytext.read(notebook), unfinished, values, cwd=notebook.parent.parent, **show)
    except papermill.PapermillExecutionError as error:
        problem = f"{notebook.name}: cell {error.exec_count} failed; {unfinished} shows all up to there\n{error}"
        return time.perf_counter() - begun, problem
    finally:
        os.environ.pop(VARIABLE)
    _keep(trace, unfinished)
    unfinished.replace(out)
    return time.perf_counter() - begun, ""


def _keep(trace: Path, out: Path) -> None:
    """Put what was written down while a notebook ran into its metadata, so that it stays with its outputs."""
    import nbformat

    notebook = nbformat.read(out, 4)
    lines = trace.read_text().splitlines() if trace.exists() else []
    notebook.metadata["trace"] = [json.loads(line) for line in lines]
    nbformat.write(notebook, out)
    trace.unlink(missing_ok=True)


def execute_all(root: Path, jobs: list[tuple[str, dict]], folder: Path) -> int:
    """Execute notebooks into `folder`, two at a time; returns how many failed.

    jobs: name and parameters of each. The one that trains goes first and alone, because others read its runs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _log(f"executing {len(jobs)} notebooks")
    first, others = ([job for job in jobs if (job[0] == TRAINING) is training] for training in (True, False))
    failures = _execute_group(root, first, folder, 1, len(others))
    return failures + _execute_group(root, others, folder, min(2, os.cpu_count() or 1), 0)


def _execute_group(root: Path, jobs: list[tuple[str, dict]], folder: Path, workers: int, later: int) -> int:
    """Execute some of the notebooks, so many at a time, and tell of it; `later` are still to come after them."""
    threads, failures, begun = (os.cpu_count() or 1) // workers, 0, time.perf_counter()
    with ProcessPoolExecutor(workers, initializer=_redirect_stderr, initargs=(folder / "kernels.log",)) as pool:
        tasks = {
            pool.submit(execute, root / f"notebooks/{name}.py", values, folder / f"{name}.ipynb", threads): name
            for name, values in jobs
        }
        while tasks:
            done, _ = wait(tasks, HEARTBEAT, FIRST_COMPLETED)
            if not done:
                running = ", ".join(list(tasks.values())[:workers])  # they are begun in this order
                _log(f"{running}, {len(tasks) + later} to go, {time.perf_counter() - begun:.0f} s")
            for task in done:
                name, (seconds, problem) = tasks.pop(task), task.result()
                _log(f"{name}: {seconds:.0f} s{problem and ', FAILED'}")
                failures += bool(problem)
                if problem:
                    print(problem, file=sys.stderr, flush=True)
    return failures


def _redirect_stderr(log: Path) -> None:
    """Let the chatter of kernels (they inherit file 2) go to a log."""
    with open(log, "a") as file:
        os.dup2(file.fileno(), 2)


def stage(root: Path, executed: Path, out: Path, profiles: dict[str, str]) -> None:
    """Lay out what Sphinx reads: configuration, pages, and the executed notebooks with the run's traces taken off.

    On top of a notebook stands where to download it and, if it has results, of which profile they are, by its name;
    below its figures and tables what is behind them; folded cells that only glue are left out; with `smoke`, a banner
    stands on every page. passports.json keeps what is behind figures and tables that other pages show, by notebook and
    key.
    """
    import nbformat
    import yaml

    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(root / "book", out / "book", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(root / "_toc.yml", out)
    config = yaml.safe_load((root / "_config.yml").read_text())
    if "smoke" in profiles.values():
        config.setdefault("html", {})["announcement"] = SMOKE_BANNER
    settings = config.setdefault("sphinx", {}).setdefault("config", {})
    settings["html_extra_path"] = [*settings.get("html_extra_path", []), DOWNLOADS]
    (out / "_config.yml").write_text(yaml.safe_dump(config))
    (out / "notebooks").mkdir()
    (out / DOWNLOADS / "notebooks").mkdir(parents=True)
    glued = {}
    for path in (executed / f"{name}.ipynb" for name in sorted(profiles)):
        notebook = nbformat.read(path, 4)
        notebook.metadata.pop("papermill", None)  # absolute paths and times
        trace = notebook.metadata.pop("trace", None)
        for cell in notebook.cells:
            cell.metadata.pop("papermill", None)
        nbformat.write(notebook, out / DOWNLOADS / "notebooks" / path.name)
        if (script := root / f"notebooks/{path.stem}.py").exists():
            shutil.copy(script, out / DOWNLOADS / "notebooks")
        glued[path.stem] = _annotate(notebook, path.stem, trace, profiles)
        nbformat.write(notebook, out / "notebooks" / path.name)
    (out / "passports.json").write_text(json.dumps(glued))


def _annotate(notebook, name: str, trace: list[dict] | None, profiles: dict[str, str]) -> dict[str, str]:
    """Add to an executed notebook what a page says beside its cells; returns the lines of glued figures and tables, by
    key.

    trace: what its statements read; None where that is not known, and then nothing is said of it.
    """
    from nbformat.v4 import new_markdown_cell

    head = [new_markdown_cell(FILES.format(name=name))]
    if any("colorize_lib.evaluation" in cell.source for cell in notebook.cells):  # else its numbers are of no profile
        head.append(new_markdown_cell(PROFILE_NOTE.format(profile=profiles[name])))
    ran = {cell.execution_count: cell.source for cell in notebook.cells if cell.get("execution_count")}
    found, cells, glued = passports.statements(ran) if trace is not None else [], [], {}

    def line(kind: str, number: int, key: str = "") -> str:
        about = passports.passport(passports.behind(found, number, key), trace)
        return passports.line(about, f'<a href="{name}.ipynb" download>{kind} of cell {number}</a>')

    for cell in notebook.cells:
        cells.append(cell)
        outputs, tags = cell.get("outputs", []), cell.metadata.get("tags", [])
        if "hide-input" in tags and outputs and all(map(_only_glued, outputs)):
            tags.append("remove-cell")
        if not found:
            continue
        if "remove-output" not in tags and any(kinds := [*map(_kind, outputs)]):
            cells.append(new_markdown_cell(line(min(filter(None, kinds)), cell.execution_count)))
        for output in outputs:
            key = output.get("metadata", {}).get("scrapbook", {}).get("name")
            if key and (kind := _kind(output, GLUED)):
                glued[key] = line(kind, cell.execution_count, key)
    notebook.cells = cells[:1] + head + cells[1:]
    return glued


def _only_glued(output) -> bool:
    """Whether an output is kept for the text and shown nowhere."""
    return all(kind.startswith(GLUED) for kind in output.get("data", [""]))


def _kind(output, prefix: str = "") -> str:
    """ "Figure" or "Table" for an output that is one, else nothing. prefix: of kinds of data that count as well."""
    data = {kind.removeprefix(prefix): value for kind, value in output.get("data", {}).items()}
    page = "".join(data.get("text/html", ""))
    if "image/png" in data or "<input" in page:
        return "Figure"
    return "Table" * ("<table" in page)


def build(root: Path) -> int:
    """Let Jupyter Book make the static site _build/site from _build/stage; any warning is an error."""
    tool = Path(sys.executable).with_name("jupyter-book")
    made, site, log = root / "_build/jb", root / "_build/site", root / "_build/jupyter-book.log"
    shutil.rmtree(made, ignore_errors=True)
    command = [tool, "build", "_build/stage", "--path-output", "_build/jb", "--all", "-W", "-n", "--keep-going"]
    _log("building the pages")
    if _run_logged(command, root, log):
        text = log.read_text(errors="replace")
        found = [line for line in text.splitlines() if re.search(r"(WARNING|ERROR|CRITICAL):", line)]
        print("\n".join(dict.fromkeys(found)) or text, file=sys.stderr)
        print("colorize book: the book was not built, for the reasons above", file=sys.stderr)
        return 1
    shutil.rmtree(site, ignore_errors=True)
    shutil.move(made / "_build/html", site)
    _log(f"The book is in {site.relative_to(root)}. Read it with\n  python3 -m http.server 8000 -d _build/site")
    _log("and then open http://localhost:8000 in a browser.")
    return 0


def _run_logged(command: list, folder: Path, log: Path) -> int:
    """Run a program with its output in a file and a line now and then of how long it takes; returns its status."""
    begun = time.perf_counter()
    with open(log, "w") as file, subprocess.Popen(command, cwd=folder, stdout=file, stderr=file) as program:
        while True:
            try:
                return program.wait(HEARTBEAT)
            except subprocess.TimeoutExpired:
                _log(f"still building, {time.perf_counter() - begun:.0f} s")
