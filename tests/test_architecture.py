"""The house rules: what may import what, pins, and what must never be committed."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import colorize_lib

ROOT = Path(__file__).parent.parent
LIBRARY = ROOT / "colorize_lib"
MODULES = sorted(
    ".".join(p.relative_to(LIBRARY).with_suffix("").parts) for p in LIBRARY.rglob("*.py") if p.name != "__init__.py"
)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())

# imports point from a later row to an earlier one; within a row, only as SIDEWAYS says
LAYERS = [
    {"_compat", "trace"},
    {"config", "color"},
    {"devices", "quantize"},
    {"networks", "readout"},
    {"objectives"},
    {"data.files", "data.images", "data.scenes"},
    {"data.download", "data.store"},
    {"data.sources", "data.prior"},
    {"data.prepare", "colorizer"},
    {"photos", "training.distributed", "training.progress"},
    {"training.batches", "training.checkpoint", "training.parent", "training.provenance"},
    {"training.loop"},
    {"evaluation.metrics"},
    {"evaluation.baselines", "evaluation.intervals", "evaluation.systems"},
    {"evaluation.measuring", "evaluation.shares"},
    {"evaluation.results"},
    {"evaluation.records"},
    {"evaluation.effects"},
    {"evaluation.claims", "evaluation.diagnosis"},
    {"book.examples"},
    {"book.figures"},
    {"book.oracle", "book.faults"},
    {"book.answers", "book.eyes"},
    {"book.ladder", "book.readers", "book.passports", "book.variants"},
    {"book.build"},
    {"bench"},
    {"cli"},
    {"__main__"},
]
# packages that only some modules, or the modules of some folder, may import
ONLY = {
    "matplotlib": {"book"},
    "seaborn": {"book"},
    "papermill": {"book.build"},
    "jupytext": {"book.build"},
    "nbformat": {"book.build"},
    "jupyter_book": {"book.build"},
    "IPython": set(),
    "myst_nb": set(),
    "torchvision": {"_compat"},
    "pooch": {"data.download"},
    "requests": {"data.download"},
    "urllib": {"data.download"},
    "http": {"data.download"},
    "socket": {"data.download"},
    "ftplib": {"data.download"},
}
PACKAGES = {"PIL": "pillow", "skimage": "scikit-image", "yaml": "pyyaml"}


def _path(module: str) -> Path:
    return LIBRARY / f"{module.replace('.', '/')}.py"


def _tree(module: str) -> ast.Module:
    return ast.parse(_path(module).read_text())


def imports(tree: ast.AST, module: str = "x") -> tuple[set[str], set[str]]:
    """Own modules, with dots, and outside packages that a module imports, anywhere in it."""
    own, outside = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            outside |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level:
            folder = module.split(".")[: -node.level]
            parts = folder + (node.module.split(".") if node.module else [])
            inside = {".".join([*parts, alias.name]) for alias in node.names}
            own |= inside & set(MODULES) or {".".join(parts)}
        elif isinstance(node, ast.ImportFrom):
            outside.add(node.module.split(".")[0])
    return own, outside


def _layer(module: str) -> int:
    return next(i for i, layer in enumerate(LAYERS) if module in layer)


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module):
    assert any(module in layer for layer in LAYERS), f"{module} has no place in the house; add it to a layer"
    own, outside = imports(_tree(module), module)
    assert "colorize_lib" not in outside, "inside the package imports are relative"
    for other in own & set(MODULES):
        assert _layer(other) < _layer(module), f"{module} must not import {other}"


def test_the_test_sees_every_kind_of_import():
    text = (
        "from ..color import x\nfrom . import store\nfrom .files import y\nimport numpy.linalg\nfrom PIL import Image"
    )
    assert imports(ast.parse(text), "data.prepare") == ({"color", "data.store", "data.files"}, {"numpy", "PIL"})


def test_every_folder_of_the_package_is_installed():
    folders = {".".join(("colorize_lib", *p.parent.relative_to(LIBRARY).parts)) for p in LIBRARY.rglob("__init__.py")}
    assert folders == set(PROJECT["tool"]["setuptools"]["packages"])


@pytest.mark.parametrize("module", MODULES)
def test_packages_stay_where_they_belong(module):
    _, outside = imports(_tree(module))
    for package in outside & set(ONLY):
        assert {module, module.partition(".")[0]} & ONLY[package], (
            f"{package} belongs to {', '.join(ONLY[package]) or 'the notebooks'}"
        )


@pytest.mark.parametrize("module", MODULES)
def test_imported_packages_are_declared(module):
    _, outside = imports(_tree(module))
    extras = PROJECT["project"]["optional-dependencies"]
    declared = _names(PROJECT["project"]["dependencies"] + (extras["book"] if module == "book.build" else []))
    used = {PACKAGES.get(name, name) for name in outside - set(sys.stdlib_module_names) - {"__future__"}}
    assert {canonicalize_name(name) for name in used} <= declared


def test_a_device_is_looked_up_in_one_place():
    where = [m for m in MODULES if re.search(r"cuda\.is_available|cuda\.device_count", _path(m).read_text())]
    assert where == ["devices"]


def test_the_library_loads_without_torchs_compiler():
    modules = "sys, colorize_lib.evaluation.claims, colorize_lib.book.figures"
    code = f"import {modules}\nsys.exit('torch._dynamo' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0, "it takes seconds to load"


def test_only_records_and_results_know_where_results_lie():
    for module in set(MODULES) - {"evaluation.records", "evaluation.results"}:
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


def test_importing_the_package_is_cheap():
    code = "import sys, colorize_lib; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_public_names_are_there_and_nothing_else():
    assert {name for name in colorize_lib.__all__ if callable(getattr(colorize_lib, name))} == set(colorize_lib.__all__)
    assert set(colorize_lib.__all__) <= set(dir(colorize_lib))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = colorize_lib.nothing


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
    measured = ("*/pictures.parquet", "*/truth.parquet", "*/runs/*.parquet")  # sums over single images, no pixels
    kept = {path for pattern in measured for path in ROOT.glob(f"book/results/{pattern}")}
    shown = set(ROOT.glob("book/photos/*.jpg"))  # free ones, see the README there
    assert len(shown) <= 12 and all(path.stat().st_size < 45_000 for path in shown)
    painted = set(ROOT.glob("book/results/*/doctor/*.jpg"))  # the same four, small, as networks paint them
    assert len(painted) <= 40 and all(path.stat().st_size < 20_000 for path in painted)
    assert not [p for p in _tracked() if p.suffix.lower() in suffixes and p not in kept | shown | painted]
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
