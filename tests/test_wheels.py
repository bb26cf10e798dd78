"""The list of wheels for a machine without internet."""

import ast
import subprocess
import sys
from importlib import metadata

import pytest
import wheels
from packaging.utils import canonicalize_name


def installed() -> list[str]:
    return [f"{package.metadata['Name']}=={package.version}" for package in metadata.distributions()]


def run(root, *arguments) -> subprocess.CompletedProcess:
    command = [sys.executable, root / "tools/wheels.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_list_of_packages_is_read():
    text = "torch==2.11.0+cu130\nScikit_Image==0.25.2\n-e git+somewhere\nnonsense\nodd==not a version\n"
    assert wheels.read_list(text) == {"torch": "2.11.0+cu130", "scikit-image": "0.25.2"}


def test_only_what_lacks_or_does_not_fit_is_collected(root, tmp_path):
    """Everything is there but one pure package that nothing else needs, and an old one."""
    lines = [line for line in installed() if not line.lower().startswith(("safetensors==", "pooch=="))]
    (tmp_path / "have.txt").write_text("\n".join([*lines, "pooch==1.0.0"]))
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    done = run(root, tmp_path / "have.txt", tmp_path / "wheels", "--python-version", python)
    assert done.returncode == 0, done.stderr
    assert "pooch 1.0.0 does not fit pooch>=1.8" in done.stdout and "2 packages are lacking" in done.stdout
    names = sorted(path.name.split("-")[0] for path in (tmp_path / "wheels").glob("*.whl"))
    assert names == ["pooch", "safetensors"]


def test_nothing_lacks(root, tmp_path):
    (tmp_path / "have.txt").write_text("\n".join(installed()))
    done = run(root, tmp_path / "have.txt", tmp_path / "wheels")
    assert done.returncode == 0 and "0 packages are lacking" in done.stdout and not (tmp_path / "wheels").exists()


@pytest.mark.parametrize(("content", "message"), [(None, "is no file"), ("no packages", "names no package")])
def test_a_list_that_is_none_is_refused(root, tmp_path, content, message):
    if content is not None:
        (tmp_path / "have.txt").write_text(content)
    done = run(root, tmp_path / "have.txt", tmp_path / "wheels")
    assert done.returncode == 2 and message in done.stderr


def test_everything_that_a_notebook_imports_is_collected(root):
    """IPython comes with ipykernel."""
    providers, needed = metadata.packages_distributions(), {requirement.name for requirement in wheels.needed()}
    for path in (root / "notebooks").glob("*.py"):
        nodes = ast.walk(ast.parse(path.read_text()))
        found = [[n.module] if isinstance(n, ast.ImportFrom) else [alias.name for alias in n.names]
                 for n in nodes if isinstance(n, ast.Import | ast.ImportFrom)]  # fmt: skip
        for module in {name.partition(".")[0] for names in found for name in names} - set(sys.stdlib_module_names):
            packages = {canonicalize_name(package) for package in providers[module]}
            assert packages & (needed | {"colorize-lib", "ipython"}), f"{path.name} imports {module}"
