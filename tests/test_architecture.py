"""The house rules: what may import what, pins, sizes, and what must never be committed."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LIBRARY = ROOT / "colorize_lib"
MODULES = sorted(p.stem for p in LIBRARY.glob("*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# imports point from a later row to an earlier one
LAYERS = [
    {"__init__", "_compat"},
    {"config", "color"},
    {"gamut", "model", "data", "devices"},
    {"losses", "metrics", "parallel"},
    {"batches", "stats"},
    {"train"},
    {"evaluation", "bench"},
    {"results"},
    {"claims", "examples"},
    {"figures"},
    {"cli"},
    {"__main__"},
]
SIDEWAYS = {
    ("model", "gamut"),  # the released checkpoint is checked against the derived colours
}
# packages that only some modules may import
ONLY = {
    "matplotlib": {"figures"},
    "seaborn": {"figures"},
    "papermill": {"cli"},
    "jupytext": {"cli"},
    "nbformat": {"cli"},
    "jupyter_book": {"cli"},
    "IPython": set(),
    "myst_nb": set(),
    "torchvision": {"_compat"},
    "pooch": {"data"},
    "requests": {"data"},
    "urllib": {"data"},
    "http": {"data"},
    "socket": {"data"},
    "ftplib": {"data"},
}
LINES = 4185  # of code, without docstrings and comments; raise it only with something to show for it
PACKAGES = {"PIL": "pillow", "skimage": "scikit-image", "yaml": "pyyaml"}


def _tree(module: str) -> ast.Module:
    return ast.parse((LIBRARY / f"{module}.py").read_text())


def imports(tree: ast.AST) -> tuple[set[str], set[str]]:
    """Own modules and outside packages that a module imports, anywhere in it."""
    own, outside = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            outside |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                own |= {node.module.split(".")[0]} if node.module else {alias.name for alias in node.names}
            else:
                outside.add(node.module.split(".")[0])
    return own, outside


def _layer(module: str) -> int:
    return next(i for i, layer in enumerate(LAYERS) if module in layer)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module):
    assert any(module in layer for layer in LAYERS), f"{module} has no place in the house; add it to a layer"
    own, outside = imports(_tree(module))
    assert "colorize_lib" not in outside, "inside the package imports are relative"
    for other in own & set(MODULES):
        down = _layer(other) < _layer(module)
        assert down or (module, other) in SIDEWAYS, f"{module} must not import {other}"


@pytest.mark.parametrize("module", MODULES)
def test_packages_stay_where_they_belong(module):
    _, outside = imports(_tree(module))
    for package in outside & set(ONLY):
        assert module in ONLY[package], f"{package} belongs to {', '.join(ONLY[package]) or 'the notebooks'}"


@pytest.mark.parametrize("module", MODULES)
def test_imported_packages_are_declared(module):
    _, outside = imports(_tree(module))
    extras = PROJECT["project"]["optional-dependencies"]
    declared = _names(PROJECT["project"]["dependencies"] + (extras["book"] if module == "cli" else []))
    used = {PACKAGES.get(name, name) for name in outside - set(sys.stdlib_module_names) - {"__future__"}}
    assert {canonicalize_name(name) for name in used} <= declared


def test_a_device_is_looked_up_in_one_place():
    where = [
        m for m in MODULES if re.search(r"cuda\.is_available|cuda\.device_count", (LIBRARY / f"{m}.py").read_text())
    ]
    assert where == ["devices"]


def test_the_library_loads_without_torchs_compiler():
    code = "import sys, colorize_lib.claims, colorize_lib.figures\nsys.exit('torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0, "it takes seconds to load"


def test_only_results_knows_where_results_lie():
    for module in set(MODULES) - {"results"}:
        tree = _tree(module)
        texts = {n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        texts -= _docstrings(tree)
        assert not [t for t in texts if "book/results" in t or t == "summary.json"], module


def _docstrings(tree: ast.AST) -> set[str]:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return {ast.get_docstring(n, clean=False) for n in ast.walk(tree) if isinstance(n, kinds)}


@pytest.mark.parametrize("module", MODULES)
def test_everything_public_has_a_docstring(module):
    tree = _tree(module)
    assert ast.get_docstring(tree), f"{module} does not say what it is for"
    kinds = (ast.FunctionDef, ast.ClassDef)
    public = [n for n in tree.body if isinstance(n, kinds) and not n.name.startswith("_")]
    bare = [n.name for n in public if not ast.get_docstring(n)]
    assert not bare, f"without a docstring: {', '.join(bare)}"


def test_the_library_can_be_read_in_an_evening():
    sizes = {module: _code_lines((LIBRARY / f"{module}.py").read_text()) for module in MODULES}
    assert sum(sizes.values()) <= LINES, sizes


def _code_lines(text: str) -> int:
    """Lines that hold code: without blank lines, comments and docstrings."""
    quiet = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
    lines = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in quiet:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            lines -= set(range(node.lineno, node.end_lineno + 1))
    return len(lines)


def test_importing_the_package_is_cheap():
    code = "import sys, colorize_lib; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# ------------------------------------------------------------------------------------------------------------ pins


def _names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


def _constraints() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    for line in lines:
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", line), f"not an exact pin without a suffix: {line}"
    pins = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}
    assert len(pins) == len(lines), "a package is pinned twice"
    return pins


def _requirements() -> list[Requirement]:
    extras = PROJECT["project"]["optional-dependencies"]
    return [Requirement(text) for text in PROJECT["project"]["dependencies"] + extras["book"] + extras["test"]]


def test_every_dependency_has_an_exact_and_possible_pin():
    pins = _constraints()
    for requirement in _requirements():
        name = canonicalize_name(requirement.name)
        assert name in pins, f"{name} has no pin in constraints.txt"
        assert requirement.specifier.contains(pins[name]), f"{name}=={pins[name]} is not {requirement.specifier}"


def test_the_environment_is_the_pinned_one():
    pins = _constraints()
    for requirement in _requirements():
        name = canonicalize_name(requirement.name)
        assert metadata.version(name).split("+")[0] == pins[name], f"{name}: run `make env`"


def test_conda_gives_the_same_environment():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    python, pip, (nested,) = conda[0], conda[1], [item for item in conda if isinstance(item, dict)]
    assert pip == "pip"
    extras = ",".join(PROJECT["project"]["optional-dependencies"])
    assert nested == {"pip": ["-c constraints.txt", f"-e .[{extras}]"]}
    version = python.removeprefix("python=")
    assert Requirement(f"python{PROJECT['project']['requires-python']}").specifier.contains(version)
    assert f'python-version: "{version}"' in (ROOT / ".github/workflows/book.yml").read_text()


def test_versions_agree():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == metadata.version("colorize-lib")
    assert citation["license"] == PROJECT["project"]["license"]


# ----------------------------------------------------------------------------------------------------- what is kept


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git repository")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_picture_or_data_set_is_committed():
    suffixes = {".jpg", ".jpeg", ".webp", ".parquet", ".npy", ".npz", ".pt", ".pth", ".gz", ".zip"}
    kept = set(ROOT.glob("book/results/*/pictures.parquet"))  # metrics of single pictures
    assert not [p for p in _tracked() if p.suffix.lower() in suffixes and p not in kept]
    stray = [p for p in _tracked() if p.suffix == ".ipynb" and "tests/reference/notebooks" not in p.as_posix()]
    assert not stray, "notebooks are kept as jupytext scripts"
    assert not [p for p in _tracked() if p.stat().st_size > 5_500_000]


def test_no_path_of_one_machine_is_committed():
    absolute = re.compile(r"(?<![\w.:/$}])/(?:home|root|Users|mnt|work|opt)/[\w.-]")
    outside = ".." + "/shared"
    for path in _tracked():
        if path.suffix in (".woff", ".safetensors", ".png", ".js") or path == Path(__file__):
            continue
        text = path.read_text(errors="replace")
        found = absolute.search(text)
        assert not found, f"{path.relative_to(ROOT)} holds the path {found and found.group()}..."
        assert outside not in text and f"{ROOT.parent}/" not in text, path.relative_to(ROOT)
