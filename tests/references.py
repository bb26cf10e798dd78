"""Make the stored notebooks of tests/reference/notebooks anew: `make references`.

They are the notebooks executed at toy size, with their texts kept and their pictures left out (nbval does not
compare pictures). They run where nbval will run them, in a folder without finished runs.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import jupytext
import nbformat
import papermill

ROOT = Path(__file__).resolve().parent.parent
STORED = ROOT / "tests/reference/notebooks"
PARAMETERS = {"profile": "smoke"}
EMPTY = "iVBORw0KGgo="  # the type of an output counts for nbval, a picture's content does not


def names() -> list[str]:
    """The notebooks, in order."""
    return sorted(path.stem for path in (ROOT / "notebooks").glob("*.py"))


def fresh(name: str) -> nbformat.NotebookNode:
    """A notebook as it would be executed, without outputs and with a cell that sets the parameters."""
    notebook = jupytext.read(ROOT / f"notebooks/{name}.py")
    return papermill.execute_notebook(notebook, None, PARAMETERS, prepare_only=True, progress_bar=False)


def slim(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """Leave out pictures, times, paths and random names."""
    notebook.metadata.pop("papermill", None)
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"  # at random otherwise, and every renewal would look like a change
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            output.get("metadata", {}).clear()
            for kind in {"image/png", "image/jpeg", "image/svg+xml"} & set(output.get("data", {})):
                output["data"][kind] = EMPTY
    return notebook


def problems(notebook: nbformat.NotebookNode) -> list[str]:
    """Why nbval must not be trusted with this notebook; it passes one that was never executed without a word."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
    found = [f"cell {i} was not executed" for i, cell in enumerate(cells) if not cell.execution_count]
    if not any(cell.outputs for cell in cells):
        found.append("there is no output to compare")
    failed = [i for i, cell in enumerate(cells) if any(o.output_type == "error" for o in cell.outputs)]
    return found + [f"cell {i} holds an error" for i in failed]


def main() -> int:
    """Execute all notebooks (or those named) in order and store them."""
    folder = ROOT / "_build/references"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    STORED.mkdir(parents=True, exist_ok=True)
    os.environ["OMP_NUM_THREADS"] = "1"  # as in `make test`
    for name in sys.argv[1:] or names():
        out = folder / f"{name}.ipynb"
        source = jupytext.read(ROOT / f"notebooks/{name}.py")
        papermill.execute_notebook(source, out, PARAMETERS, cwd=folder, progress_bar=False)
        notebook = slim(nbformat.read(out, 4))
        if problems(notebook):
            print(f"{name}: {'; '.join(problems(notebook))}", file=sys.stderr)
            return 1
        nbformat.write(notebook, STORED / f"{name}.ipynb")
        print(name, flush=True)
    for path in STORED.glob("*.ipynb"):
        if path.stem not in names():
            path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
