"""Collect the wheels that a machine without internet lacks for training and for executing the notebooks.

On that machine:      python -m pip list --format=freeze > have.txt
On one with internet: make wheels HAVE=have.txt OUT=wheels      (PYTHON_VERSION=3.12 PLATFORM=manylinux_2_28_x86_64)
Back on the first:    python -m pip install --no-index --no-deps wheels/*.whl
                      python -m colorize_lib run 04_training ...            in a clone of this repository

What the machine has is left alone (its PyTorch above all, which was built for its cards), unless its version does not
fit `pyproject.toml`; those are named. Jupyter Book and its theme are not collected: the book is built elsewhere.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).resolve().parent.parent
FOR_THE_BOOK = {"jupyter-book", "sphinx-book-theme", "sphinxcontrib-bibtex"}


def main() -> int:
    """Read the list, resolve what lacks, download it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("have", type=Path, help="what `pip list --format=freeze` printed on the machine")
    parser.add_argument("out", type=Path, help="folder for the wheels")
    parser.add_argument("--python-version", default="3.12", help="of the machine (default: 3.12)")
    parser.add_argument("--platform", default="manylinux_2_28_x86_64", help="of the machine")
    options = parser.parse_args()
    if not options.have.is_file():
        parser.error(f"{options.have} is no file; make it with: python -m pip list --format=freeze > {options.have}")
    have = read_list(options.have.read_text())
    if not have:
        parser.error(f"{options.have} names no package; it should hold lines such as torch==2.11.0")
    unfit = [r for r in needed() if r.name in have and not r.specifier.contains(have[r.name], prereleases=True)]
    for requirement in unfit:
        print(f"{requirement.name} {have.pop(requirement.name)} does not fit {requirement}: another one is collected")
    lacking = resolve(have, options.python_version)
    print(f"{len(lacking)} packages are lacking: {', '.join(lacking) or 'none'}")
    if lacking:
        fetch(lacking, options)
        print(f"copy {options.out} over and run: python -m pip install --no-index --no-deps {options.out.name}/*.whl")
    return 0


def read_list(text: str) -> dict[str, str]:
    """Name and version of every line `name==version`; other lines are passed over."""
    found = {}
    for line in text.splitlines():
        name, _, version = line.strip().partition("==")
        try:
            found[canonicalize_name(name)] = str(Version(version))
        except InvalidVersion:
            continue
    return found


def needed() -> list[Requirement]:
    """What training and executing notebooks need, of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = map(Requirement, project["dependencies"] + project["optional-dependencies"]["book"])
    notebooks = [requirement for requirement in listed if requirement.name not in FOR_THE_BOOK]
    return [*notebooks, Requirement("myst-nb")]  # otherwise part of jupyter-book: notebooks glue their numbers with it


def resolve(have: dict[str, str], python: str) -> list[str]:
    """Pinned names of everything needed that is not in `have`; what is there counts as complete with what it needs."""
    pins = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    if "torch" in have:  # torchvision 0.26 was built for PyTorch 2.11, 0.27 for 2.12, and so on
        pins = [pin for pin in pins if not pin.startswith("torchvision==")]
        pins.append(f"torchvision==0.{Version(have['torch']).minor + 15}.*")
    files = {
        "needed.in": [str(requirement) for requirement in needed() if requirement.name not in have],
        "pins.txt": [pin for pin in pins if canonicalize_name(pin.partition("==")[0]) not in have],
        "left-out.txt": [f"{name} ; python_version < '0'" for name in have],
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, lines in files.items():
            (Path(folder) / name).write_text("\n".join(lines) + "\n")
        command = [Path(sys.executable).with_name("uv"), "pip", "compile", "needed.in", "-c", "pins.txt"]
        command += f"--override left-out.txt --python-version {python} --python-platform x86_64-manylinux_2_28".split()
        done = subprocess.run([*command, "--no-header", "--no-annotate", "--quiet"],
                              cwd=folder, capture_output=True, text=True, check=False)  # fmt: skip
    if done.returncode:
        raise SystemExit(f"nothing fits together:\n{done.stderr}")
    return [line.partition(" ;")[0].strip() for line in done.stdout.splitlines() if "==" in line]


def fetch(pinned: list[str], options: argparse.Namespace) -> None:
    """Download the wheels, without what they in turn need: that was resolved."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    command += ["--python-version", options.python_version, "--dest", str(options.out)]
    for platform in (options.platform, "manylinux2014_x86_64", "any"):
        command += ["--platform", platform]
    subprocess.run([*command, *pinned], check=True)


if __name__ == "__main__":
    sys.exit(main())
