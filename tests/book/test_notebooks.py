"""The notebooks keep the rules of the book, and the stored copies belong to them and were executed."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import jupytext
import nbformat
import pytest
import references
import yaml

ROOT = Path(__file__).parent.parent.parent
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
FILES = [TOC["root"], *(c["file"] for part in TOC["parts"] for c in part["chapters"])]
NOTEBOOKS = [ROOT / f"{file}.py" for file in FILES if file.startswith("notebooks/")]
PAGES = [ROOT / f"{file}.md" for file in FILES if file.startswith("book/")]
IMPORTS = (ast.Import, ast.ImportFrom)
EXPLAIN = ("01_data", "02_architecture", "03_losses", "04_training", "11_the_oracle")
"""Notebooks that explain how something is done, by code that a page shows."""
PARAMETERS = ["profile", "data", "seeds", "arms", "settings"]

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


def cells(path: Path, kind: str) -> list[str]:
    """Sources of the cells of one kind."""
    return [cell.source for cell in jupytext.read(path).cells if cell.cell_type == kind]


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in jupytext.read(path).cells if cell.cell_type == "code"]


def hidden(cell: nbformat.NotebookNode) -> bool:
    """Whether a page folds the code of a cell."""
    return bool({"hide-input", "hide-cell"} & set(cell.metadata.get("tags", [])))


def test_the_book_lists_every_notebook_and_page():
    assert {p.name for p in NOTEBOOKS} == {p.name for p in (ROOT / "notebooks").glob("*.py")}
    assert {p.name for p in PAGES} == {p.name for p in (ROOT / "book").glob("*.md")}
    assert not list((ROOT / "notebooks").glob("*.ipynb")), "an .ipynb beside its .py makes the book fail"


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.stem)
def test_lines_of_a_shell_fit_a_page(path):
    shells = "\n".join(re.findall(r"^```bash\n(.*?)^```", path.read_text(), re.S | re.M))
    assert not [line for line in shells.splitlines() if len(line) > 80]


@each_notebook
def test_head_title_question_parameters_and_findings(path):
    notebook = jupytext.read(path)
    kernel = notebook.metadata.kernelspec
    assert (kernel.name, kernel.language) == ("python3", "python")
    first = notebook.cells[0]
    assert first.cell_type == "markdown" and re.match(r"# \S", first.source), "begins with its title"
    assert "?" in first.source, "the first cell asks the notebook's question"
    tagged = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1
    names = [node.targets[0].id for node in ast.parse(tagged[0].source).body if isinstance(node, ast.Assign)]
    assert names[:5] == PARAMETERS
    code = [c for c in notebook.cells if c.cell_type == "code"]
    assert code[0] is tagged[0], "the parameters come before any other code"
    headings = re.findall(r"^## (.+)$", "\n".join(cells(path, "markdown")), re.M)
    assert headings and headings[-1] == "What we found"


@each_notebook
def test_code_is_no_wider_than_a_page_shows_and_no_longer_than_one_takes_in(path):
    for cell in code_cells(path):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert not [line for line in lines if len(line) > 80], "a page shows eighty characters of a line"
        imports = sum(n.end_lineno - n.lineno + 1 for n in ast.parse(cell.source).body if isinstance(n, IMPORTS))
        most = 25 if hidden(cell) else 20
        assert len(lines) - imports <= most, f"a cell of {len(lines)} lines:\n{cell.source}"


def only_glues(source: str) -> bool:
    """Whether code keeps values for the prose and shows nothing itself."""
    last = ast.parse(source).body[-1]
    shows = isinstance(last, ast.Expr) and not ast.unparse(last).endswith("display=False)")
    return "glue(" in source and not shows and not re.search(r"\bprint\(", source)


@each_notebook
def test_code_is_folded_where_it_is_not_what_the_chapter_explains(path):
    """Parameters, imports and what only glues everywhere; all code of chapters about results."""
    code = code_cells(path)
    folded = code[:2] + [cell for cell in code if path.stem not in EXPLAIN or only_glues(cell.source)]
    bare = [cell.source for cell in folded if not hidden(cell)]
    assert not bare, f'# %% tags=["hide-input"] folds what a reader need not see:\n{bare[0]}'


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("x = 1\nglue('x', x, display=False)", True),
        ("for x in 1, 2:\n    glue(f'{x}', x, display=False)", True),
        ("glue('x', 1, display=False)\ntable", False),
        ("x = 1\nglue('figure', x)", False),
        ("glue('x', 1, display=False)\nfor x in 1, 2:\n    print(x)", False),
        ("x = 1", False),
    ],
)
def test_the_rule_for_cells_that_only_glue(source, expected):
    assert only_glues(source) is expected


@each_notebook
def test_cells_only_call_the_library(path):
    for source in cells(path, "code"):
        tree = ast.parse(source)
        for node in ast.walk(tree):
            assert not isinstance(node, ast.ClassDef), f"class {node.name} belongs into the library"
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 3, f"function {node.name} belongs into the library"
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                assert not _is_path(node.value), f"a path in a cell: {node.value!r}"
        imported = {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
        imported |= {(n.module or "").split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
        forbidden = imported & {"os", "pathlib", "sys", "urllib", "requests", "pooch", "matplotlib", "seaborn"}
        assert not forbidden, f"{', '.join(forbidden)} belongs into the library"
        drawn = re.findall(r"\bplot_\w+\(", source)
        assert len(drawn) <= 1, f"one figure a cell, not {', '.join(drawn)}"
        assert not re.search(r"^\s*[!%]", source, re.M), "no shell commands and magics"


def _is_path(text: str) -> bool:
    return bool(re.search(r"^[~.]{0,2}/\w|^[a-z]+://|\.(npy|csv|json|parquet|png|jpe?g|safetensors)$", text))


@each_notebook
def test_figures_have_a_label_a_caption_and_alternative_text(path):
    for cell in jupytext.read(path).cells:
        if cell.cell_type == "code" and re.search(r"\bplot_\w+\(", cell.source):
            options = cell.metadata.get("mystnb", {})
            assert options.get("figure", {}).get("name"), f"no figure name:\n{cell.source}"
            assert len(options["figure"].get("caption", "")) > 20, f"no caption:\n{cell.source}"
            assert len(options.get("image", {}).get("alt", "")) > 20, f"no alternative text:\n{cell.source}"


# ------------------------------------------------------------------------------------- no number typed into the prose

NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?\s?(?:%|per ?cent\b|percentage points?\b)|(?<![\w.])\d+\.\d+(?![\w.]*\w)")
# numbers that name something rather than measure it
NAMES = re.compile(
    r"\b(?:[Ss]ections?|[Cc]hapters?|[Ee]q(?:uations?|s?\.)|[Ff]ig(?:ures?|s?\.)|[Tt]ables?|Python|[Vv]ersions?|CUDA|"
    r"Jupyter Book|PyTorch|MathJax|CC BY(?:-\w+)*|Apache|CIE)\s\d+(?:\.\d+)*(?:(?:,| and| to)\s\d+(?:\.\d+)*)*"
)


def without_code(text: str) -> str:
    """Markdown without its header and blocks of code; what stands inside of directives is prose."""
    text = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.S)
    return re.sub(r"^(`{3,})(?!\{).*?^\1`*\s*$", "", text, flags=re.S | re.M)


def prose(text: str) -> str:
    """Markdown without what may hold numbers: code, formulas, roles and directives' options, links, comments."""
    text = re.sub(r"^(`{3,}|:\w[\w-]*:).*$", "", without_code(text), flags=re.M)
    text = re.sub(r"<!--.*?-->|\$\$.*?\$\$", "", text, flags=re.S)
    text = re.sub(r"\{[a-z:]+\}`[^`]*`|``.*?``|`[^`]*`|(?<!\\)\$[^$]+\$", "", text)
    text = re.sub(r"\]\([^)]*\)|<?https?://\S+|href=\"[^\"]*\"", "]", text)
    return NAMES.sub("", text)


def typed_numbers(text: str) -> list[str]:
    """Decimals and percentages typed into prose; a paragraph that cites its source may quote published ones."""
    found = []
    for paragraph in re.split(r"\n\s*\n", without_code(text)):
        if "{cite" not in paragraph:
            found += [match.group() for match in NUMBER.finditer(prose(paragraph))]
    return found


def typed_findings(text: str) -> list[str]:
    """Stricter, for findings: any number in digits but a year."""
    return [
        n for n in re.findall(r"(?<![\w.@-])\d[\d.,]*(?![\w])", prose(text)) if not re.fullmatch(r"(19|20)\d\d\.?", n)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the error fell to 0.13", ["0.13"]),
        ("by 12 % or 3.5 percent", ["12 %", "3.5 percent"]),
        ("with $T = 0.38$ and `lr=0.001`, see section 3.1, equation 2.2 on Python 3.11", []),
        ("it was {glue:text}`auc:.3f` and {result}`laptop/l2/auc:.3f`", []),
        ("Table 1 of {cite:t}`zhang2016` prints 89.5 %", []),
        ("```\n0.5\n\n0.7\n```\n$$ 0.5 $$", []),
        ("```{shown} name\n:width: 0.5\n\nA caption of 0.7 units.\n```", ["0.7"]),
        ("256 pictures of 64 px in 2016", []),
        ('<a href="#photo=boat&t=0.38">a state of the page</a>', []),
    ],
)
def test_the_rule_for_typed_numbers(text, expected):
    assert typed_numbers(text) == expected


def test_the_rule_for_findings():
    assert typed_findings("In 2016 the 4 arms of H5 and ECCV16 gained {glue:text}`x:.2f` and 3.") == ["4", "3."]


@pytest.mark.parametrize("path", NOTEBOOKS + PAGES, ids=lambda p: p.stem)
def test_no_number_is_typed_into_the_prose(path):
    text = "\n\n".join(cells(path, "markdown")) if path.suffix == ".py" else path.read_text()
    assert not typed_numbers(text), "use {glue:text} or {result}"
    findings = re.split(r"^## What we found$", text, flags=re.M)[1:]
    assert not typed_findings("".join(findings)), "findings quote glued numbers only"


# --------------------------------------------------------------------------------------------------- stored notebooks


@each_notebook
def test_the_stored_copy_is_this_notebook_executed(path):
    stored = references.STORED / f"{path.stem}.ipynb"
    assert stored.exists(), "run `make references`"
    notebook = nbformat.read(stored, 4)
    assert not references.problems(notebook)
    expected = [(c.cell_type, c.source) for c in references.fresh(path.stem).cells]
    assert [(c.cell_type, c.source) for c in notebook.cells] == expected, "run `make references`"
    assert stored.stat().st_size < 300_000


def test_no_copy_is_stored_of_a_notebook_that_is_gone():
    assert {p.stem for p in references.STORED.glob("*.ipynb")} <= {p.stem for p in NOTEBOOKS}


def test_a_notebook_that_was_not_executed_is_refused():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("print(1)")])
    assert references.problems(notebook) == ["cell 0 was not executed", "there is no output to compare"]
    notebook.cells[0].execution_count = 1
    notebook.cells[0].outputs = [nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])]
    assert references.problems(notebook) == ["cell 0 holds an error"]
