"""axe-core, which finds what keeps people out of a page. Fetched by npm once, into _build; neither kept nor shipped.

Deque's axe-core is under the MPL 2.0. To renew it: `npm view axe-core dist`, then change VERSION and INTEGRITY.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path

from built import ROOT

VERSION = "4.14.1"
INTEGRITY = "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
TOOLS = ROOT / "_build/tools"
UNREACHABLE = (
    "ENOTFOUND",
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ENETUNREACH",
    "EHOSTUNREACH",
    "ETIMEDOUT",
    "ERR_SOCKET_TIMEOUT",
)
REMEDY = (
    f"`npm pack axe-core@{VERSION}` fetches it; or put the file axe-core-{VERSION}.tgz, made so elsewhere, into "
    f"{TOOLS.relative_to(ROOT)}"
)


class Unreachable(Exception):
    """There is no way to npm's registry."""


def script(tools: Path = TOOLS) -> Path:
    """The file `axe.min.js`, fetched if it is not there.

    Raises Unreachable without a way to the registry, RuntimeError if npm is missing or fails or if the archive is not
    the one that is pinned.
    """
    archive, ready = tools / f"axe-core-{VERSION}.tgz", tools / f"axe-core-{VERSION}.min.js"
    if ready.exists():
        return ready
    tools.mkdir(parents=True, exist_ok=True)
    if not archive.exists():
        _fetch(tools)
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != INTEGRITY:
        archive.unlink()
        raise RuntimeError(f"{archive.name} has the checksum {found}, not {INTEGRITY}; it was removed. {REMEDY}")
    with tarfile.open(archive) as files:
        ready.with_suffix(".part").write_bytes(files.extractfile("package/axe.min.js").read())
    return ready.with_suffix(".part").rename(ready)


def _fetch(tools: Path) -> None:
    if not (npm := shutil.which("npm")):
        raise RuntimeError(f"axe-core is needed and npm is not installed. It comes with Node.js; {REMEDY}")
    command = [npm, "pack", f"axe-core@{VERSION}", "--loglevel=error", "--fetch-retries=1", "--fetch-timeout=30000"]
    done = subprocess.run(command, cwd=tools, capture_output=True, text=True)
    if done.returncode and any(f"code {code}" in done.stderr for code in UNREACHABLE):
        raise Unreachable(f"axe-core is not here and npm's registry cannot be reached. With a network {REMEDY}")
    if done.returncode:
        raise RuntimeError(f"npm could not fetch axe-core: {done.stderr.strip() or done.stdout.strip()}\n{REMEDY}")
