"""Downloads with mirrors and checksums, and unpacking; the only module that opens network connections."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # imported in a notebook it asks for ipywidgets, with a path of the machine
    import pooch

import gzip
import http.client
import tarfile
import time
import urllib.error
import urllib.request
import zlib
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock

from .files import atomic_dir, cache_dir, files_key, progress_bar

RETRY_SECONDS = 2.0


def download(
    urls: str | Iterable[str],
    name: str,
    sha256: str | None = None,
    md5: str | None = None,
    folder: Path | None = None,
    progress: bool = True,
) -> Path:
    """Download a file from the first of several mirrors that delivers it whole, and return its path.

    An interrupted download goes on where it stopped (HTTP ranges); in a later call only where a hash is given.
    `sha256` and `md5` are hex digests or their first digits. A file with another hash is refused: it is moved to
    `<name>.refused`, and the next mirror is tried. Raises OSError with what went wrong at every mirror.
    """
    urls = [urls] if isinstance(urls, str) else list(urls)
    expected = {"sha256": (sha256 or "").lower(), "md5": (md5 or "").lower()}
    target = Path(folder or cache_dir() / "downloads") / name
    target.parent.mkdir(parents=True, exist_ok=True)
    part, failures = target.with_name(f"{name}.part"), []
    with FileLock(target.with_name(f".{name}.lock")):
        if target.exists() and not (wrong := _refuse(target, expected)):
            return target
        failures += [wrong] if target.exists() else []
        for url in urls:
            if not any(expected.values()):
                part.unlink(missing_ok=True)  # nothing tells whether it is the same file
            failure = _fetch(url, part, progress) or _refuse(part, expected)
            if not failure:
                part.replace(target)
                return target
            failures.append(f"{url}: {failure}")
    raise OSError(f"could not download {name}:\n  " + "\n  ".join(failures))


def _refuse(path: Path, expected: dict[str, str]) -> str:
    """Empty if the file has the expected hashes; else it is moved aside, and the reason returned."""
    for algorithm, digest in expected.items():
        if digest and not (found := pooch.file_hash(str(path), alg=algorithm)).startswith(digest):
            aside = path.with_name(path.name.removesuffix(".part") + ".refused")
            path.replace(aside)
            return f"{algorithm} is {found}, expected {digest}; the file was refused and moved to {aside}"
    return ""


def _fetch(url: str, part: Path, progress: bool, attempts: int = 4) -> str:
    """Fetch `url` into `part`, going on after an interruption; returns why it failed, or an empty string."""
    if not url.startswith(("http://", "https://")):
        return "only http and https are allowed"
    failure = ""
    for attempt in range(attempts):
        time.sleep(attempt * RETRY_SECONDS)
        try:
            if _fetch_once(url, part, progress):
                return ""
            failure = "the connection closed before the file was whole"
        except urllib.error.HTTPError as error:
            if error.code != 416:  # "range": our file is not shorter than theirs, so it is whole or another one
                return f"{error}"
            if part.exists() and error.headers.get("Content-Range", "").endswith(f"/{part.stat().st_size}"):
                return ""
            part.unlink(missing_ok=True)
        except (OSError, http.client.HTTPException) as error:
            failure = f"{type(error).__name__}: {error}"
    return failure


def _fetch_once(url: str, part: Path, progress: bool) -> bool:
    """One request; appends to `part` where the server can go on from its end. Returns whether the file is whole."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "colorize-lib", "Accept-Encoding": "identity"}
    request = urllib.request.Request(url, headers=headers | ({"Range": f"bytes={have}-"} if have else {}))
    with urllib.request.urlopen(request, timeout=60) as answer:
        resumed = answer.status == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if answer.status == 206 and not resumed:
            raise OSError(f"the server sent the range {answer.headers.get('Content-Range')}, not from {have}")
        have = have if resumed else 0
        total = have + int(answer.headers.get("Content-Length") or 0)
        with open(part, "ab" if resumed else "wb") as file, progress_bar(total, "B", progress, have) as bar:
            while block := answer.read(1 << 18):
                file.write(block)
                bar.update(len(block))
    return part.stat().st_size >= total


def extract(archive: Path, folder: Path | None = None) -> Path:
    """Unpack a tar archive into `folder` (default: in the cache, once) and return the folder.

    Absolute paths, paths or links that lead out of the folder and special files are refused: ValueError, and nothing
    is left behind. Needs Python 3.11.4 or newer, where tarfile knows the filter "data".
    """
    folder = Path(folder or cache_dir() / "unpacked" / f"{archive.name.split('.')[0]}-{files_key([archive])}")
    with atomic_dir(folder, folder.exists) as temp:
        if temp is None:
            return folder
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(temp, filter=_no_absolute_path)
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(f"{archive} was refused: {type(error).__name__}: {error}") from error
    return folder


def _no_absolute_path(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    if member.name.startswith(("/", "\\")):  # the filter "data" would quietly make it relative
        raise tarfile.AbsolutePathError(member)
    return tarfile.data_filter(member, folder)


MINIPLACES_URLS = (
    "https://places.csail.mit.edu/miniplaces/data/data.tar.gz",
    "http://miniplaces.csail.mit.edu/data/data.tar.gz",
    "https://web.cs.ucla.edu/~smo3/data.tar.gz",
)
MINIPLACES_MD5 = "265825ec94f79390e4f1e38045a69059"  # from one public course loader, unconfirmed
RELEASED_URL = "https://colorizers.s3.us-east-2.amazonaws.com/colorization_release_v2-9b330a0b.pth"


def miniplaces_archive() -> Path:
    """Download the official MiniPlaces archive."""
    return download(MINIPLACES_URLS, "miniplaces.tar.gz", md5=MINIPLACES_MD5)


def released_weights(folder: Path | None = None) -> Path:
    """Download the network released by Zhang et al. (PyTorch port, 129 MB); its name carries its hash."""
    name = RELEASED_URL.rsplit("/", 1)[1]
    return download(RELEASED_URL, name, sha256=name.removesuffix(".pth").rsplit("-", 1)[1], folder=folder)
