"""Downloads with mirrors and checksums, and unpacking; the only module that opens network connections."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # imported in a notebook it asks for ipywidgets, with a path of the machine
    import pooch

import errno
import gzip
import lzma
import sys
import tarfile
import zlib
from collections.abc import Iterable
from pathlib import Path

from filelock import FileLock

from .files import atomic_dir, cache_dir, files_key, progress_bar

_HEADERS = {"User-Agent": "colorize-lib", "Accept-Encoding": "identity"}  # hashes are of the files as they are


def download(
    urls: str | Iterable[str],
    name: str,
    sha256: str | None = None,
    md5: str | None = None,
    folder: Path | None = None,
    progress: bool = True,
) -> Path:
    """Download a file from the first of several mirrors that delivers it whole, and return its path.

    `sha256` and `md5` are hex digests or their first digits. A file with another hash is refused: it is moved to
    `<name>.<hash>.refused`, and the next mirror is tried. Raises OSError with what went wrong at every mirror.
    """
    urls = [urls] if isinstance(urls, str) else list(urls)
    expected = {"sha256": (sha256 or "").lower(), "md5": (md5 or "").lower()}
    target = Path(folder or cache_dir() / "downloads") / name
    target.parent.mkdir(parents=True, exist_ok=True)
    part, failures = target.with_name(f"{name}.part"), []
    with FileLock(target.with_name(f".{name}.lock")):
        if target.exists():
            if not (wrong := _refuse(target, expected)):
                return target
            failures.append(wrong)
        for url in urls:
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
            aside = path.with_name(f"{path.name.removesuffix('.part')}.{found[:8]}.refused")  # over its like at most
            path.replace(aside)
            return f"{algorithm} is {found}, expected {digest}; the file was refused and moved to {aside}"
    return ""


def _fetch(url: str, part: Path, progress: bool) -> str:
    """Fetch `url` into `part`; returns why it failed, or an empty string."""
    if progress:
        print(f"downloading {url}", file=sys.stderr, flush=True)
    try:
        with progress_bar(1, "B", progress, delay=1) as bar:  # the downloader puts in the right number
            pooch.HTTPDownloader(bar, chunk_size=1 << 18, headers=_HEADERS)(url, str(part), None)
    except OSError as error:  # as all errors of requests are
        part.unlink(missing_ok=True)
        return f"{type(error).__name__}: {error}"
    return ""


def extract(archive: Path, folder: Path | None = None) -> Path:
    """Unpack a tar archive into `folder` (default: in the cache, once) and return the folder.

    Absolute paths, paths or links that lead out of the folder, special files, names too long and files over folders
    are refused: ValueError, and nothing is left behind. Needs Python 3.11.4 or newer: tarfile's filter "data".
    """
    folder = Path(folder or cache_dir() / "unpacked" / f"{archive.name.split('.')[0]}-{files_key([archive])}")
    with atomic_dir(folder, folder.exists) as temp:
        if temp is None:
            return folder
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(temp, filter=_no_absolute_path)
        except (tarfile.TarError, EOFError, ValueError, OSError, zlib.error, lzma.LZMAError) as error:
            if (
                isinstance(error, OSError)
                and not isinstance(error, gzip.BadGzipFile)
                and error.errno not in _IMPOSSIBLE
            ):
                raise  # a full disk, or a folder that may not be written: not the archive's fault
            raise ValueError(f"{archive} was refused: {type(error).__name__}: {error}") from error
    return folder


_IMPOSSIBLE = {errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, None}
"""What the file system says to names too long and to a file over a folder, and bz2 (no number) to broken data."""


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


def miniplaces_archive() -> Path:
    """Download the official MiniPlaces archive."""
    return download(MINIPLACES_URLS, "miniplaces.tar.gz", md5=MINIPLACES_MD5)
