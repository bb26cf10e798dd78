"""Pictures in, stores out: preparing, opening and generating the data of every experiment.

A **store** is a folder with all pictures at one size in a memory-mapped array. Whatever the pictures came in (Parquet
shards, class folders, an archive), training sees only stores, and a store is known by the hashes of its pixels.
This is the only module that opens network connections.
"""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import http.client
import importlib.util
import io
import itertools
import json
import math
import mmap
import multiprocessing
import os
import shutil
import signal
import sys
import tarfile
import threading
import time
import urllib.error
import urllib.request
import warnings
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import torch
from filelock import FileLock
from PIL import Image, ImageOps
from tqdm import tqdm

from .color import lab_to_rgb, rgb_to_lab, to_uint8, to_unit

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # imported in a notebook it asks for ipywidgets, with a path of the machine
    import pooch

FORMAT = 1  # of a store; a change of meaning or of resampling raises it, and old caches are prepared anew
SPLITS = ("train", "val", "test")
MAX_PIXELS = 50_000_000  # larger pictures are left out: they are scans, maps or attacks, and cost minutes
GREY_CHROMA = 2.0  # mean Lab chroma below which a picture is called grey
CHROMA_PER_STEP = 0.17  # least Lab chroma per step of (largest - smallest 8-bit channel), over the whole sRGB cube
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm"}
CHUNK = 128
WORKERS = min(16, os.cpu_count() or 1)
RETRY_SECONDS = 2.0


# ---------------------------------------------------------------- store


class Store:
    """A folder of equally large pictures: `pixels` uint8 [n, side, side, 3] (memory-mapped) and `index` (n rows).

    `index` has the columns label, source, split and sha (hash of the pixels); `skipped` tells what was left out.
    Raises ValueError where the folder is no finished store.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if not (self.path / "store.json").is_file():
            raise ValueError(f"{self.path} is not a finished store (no store.json); make one with `prepare`")
        self.meta = json.loads((self.path / "store.json").read_text())
        if self.meta["format"] != FORMAT:
            raise ValueError(f"{self.path} is a store of format {self.meta['format']}, this library reads {FORMAT}")
        self.side: int = self.meta["side"]
        self.pixels = np.load(self.path / "pixels.npy", mmap_mode="r")
        self.index = pd.read_parquet(self.path / "index.parquet")
        if not len(self.index) == len(self.pixels) == self.meta["n"]:
            raise ValueError(f"{self.path} is damaged: its index, pixels and description disagree on their number")

    def __len__(self) -> int:
        return len(self.index)

    @functools.cached_property
    def skipped(self) -> pd.DataFrame:
        """Pictures left out: columns source and reason."""
        return pd.read_csv(self.path / "skipped.csv")

    def rows(self, split: str, limit: int = 0) -> np.ndarray:
        """Row numbers, int64, of split "train", "val" or "test", or of "all"; only the first `limit` if it is > 0."""
        rows = np.arange(len(self)) if split == "all" else np.flatnonzero(self.index["split"].to_numpy() == split)
        if not len(rows):
            there = ", ".join(f"{name} ({n})" for name, n in self.index["split"].value_counts().items())
            raise ValueError(f"no pictures in split {split!r} of {self.path}; it holds {there}")
        return rows[:limit].astype(np.int64) if limit > 0 else rows.astype(np.int64)

    def read(self, rows: np.ndarray) -> np.ndarray:
        """The pictures `rows`, uint8 [len(rows), side, side, 3], read from the file.

        Pages of the memory map that were touched once stay with this process; here they do not, so that training on
        a store larger than the memory leaves it free.
        """
        pictures = np.empty((len(rows), *self.pixels.shape[1:]), np.uint8)
        with open(self.path / "pixels.npy", "rb", buffering=0) as file:
            for picture, row in zip(pictures, rows, strict=True):
                place = self.pixels.offset + int(row) * picture.nbytes
                if os.preadv(file.fileno(), [picture], place) < picture.nbytes:
                    raise ValueError(f"{self.path} is damaged: picture {row} cannot be read")
        return pictures

    def fingerprint(self, rows: np.ndarray | None = None) -> str:
        """16 hex digits over the pixels of `rows` in their order (default: all), whatever file they came in."""
        shas = self.index["sha"].to_numpy()
        return _fingerprint(shas if rows is None else shas[rows])


def _fingerprint(shas: Iterable[str]) -> str:
    return hashlib.sha256("".join(shas).encode()).hexdigest()[:16]


@functools.lru_cache(maxsize=2)
def batch_order(n: int, seed: int, epoch: int) -> np.ndarray:
    """Order in which epoch `epoch` visits n pictures: a permutation int64 [n] that depends on seed and epoch only.

    Kept, because every step asks for it and 100,000 pictures take a millisecond to shuffle; read-only.
    """
    order = np.random.default_rng([seed, epoch]).permutation(n)
    order.flags.writeable = False
    return order


# ---------------------------------------------------------------- reading pictures


def _to_rgb(image: Image.Image) -> Image.Image:
    """Any Pillow picture as 8-bit RGB: upright, alpha over white, 16 bits and floats scaled."""
    if image.mode != "RGB":
        if image.mode.startswith("I") or image.mode == "F":
            values = np.asarray(image, np.float64)
            scale = 1 / 257 if image.mode != "F" else 255 if values.max() <= 1 else 1
            return Image.fromarray((values * scale).round().clip(0, 255).astype(np.uint8)).convert("RGB")
        if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        image = image.convert("RGB")
    return image


def _open(source: str | Path | bytes) -> Image.Image:
    """Open a picture (path or encoded bytes) as upright RGB; ValueError starting with "oversized" or "unreadable"."""
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
            ImageOps.exif_transpose(image, in_place=True)
            image.load()
            return _to_rgb(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"oversized: {error}; at most {MAX_PIXELS:,} pixels") from error
    except Exception as error:  # Pillow's decoders raise a dozen types, some of them bare SyntaxError or struct.error
        name = "picture" if isinstance(source, bytes) else source
        raise ValueError(f"unreadable: {type(error).__name__}: {error} ({name})") from error


def read_picture(path: str | Path) -> np.ndarray:
    """Read a picture file as uint8 [h, w, 3]: upright, alpha over white. ValueError if unreadable or oversized."""
    return np.asarray(_open(path))


def list_pictures(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    """Picture files among `paths`, folders searched through, sorted within each; ValueError if there are none."""
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise ValueError(f"no such file or folder: {path}")
        inside = sorted(path.rglob("*"), key=lambda p: p.relative_to(path).as_posix()) if path.is_dir() else [path]
        found += [p for p in inside if p.is_file() and p.suffix.lower() in SUFFIXES and not p.name.startswith(".")]
    if not found:
        raise ValueError(f"no pictures in {', '.join(map(str, paths))}; looked for {' '.join(sorted(SUFFIXES))}")
    return found


def _fit(image: Image.Image, side: int) -> Image.Image:
    """Crop to the central square, then resize to `side`: exact means at whole factors, Lanczos otherwise."""
    if image.size != (side, side):
        edge = min(image.size)
        left, top = (image.width - edge) // 2, (image.height - edge) // 2
        box = (left, top, left + edge, top + edge)
        whole = edge % side == 0
        image = image.reduce(edge // side, box) if whole else image.resize((side, side), Image.Resampling.LANCZOS, box)
    return image


# ---------------------------------------------------------------- sources


class Item(NamedTuple):
    """One picture on its way into a store; `payload` is a path, encoded bytes or pixels."""

    payload: Path | bytes | np.ndarray
    label: str
    source: str
    split: str


class Source(NamedTuple):
    """Where pictures come from. `key` changes with the files; `load(side)` gives their number and the items.

    Loading may download and unpack, so it happens only when there is no store yet.
    """

    kind: str
    key: str
    load: Callable[[int], tuple[int, Iterable[Item]]]


def find_source(source: str) -> Source:
    """What a source is, of these; ValueError for anything else.

    - "synthetic": generated scenes, see `synthetic_scenes`
    - "miniplaces": the official MiniPlaces archive, downloaded; or the path of that archive, or of its unpacked folder
    - "places365": the small pictures of Places365 through torchvision, downloaded; "places365:FOLDER" has them already
    - Parquet files, separated by commas, or a folder of them: columns image (encoded), label, source, split
    - a folder of pictures, where folders train, val and test are splits and the folders below are labels
    """
    name, _, folder = str(source).partition(":")
    if name == "places365":
        root = Path(folder).expanduser() if folder else cache_dir() / "places365"
        return Source("places365", _hash(root.resolve()), lambda side: _places365(root))
    if source == "miniplaces":
        return Source("miniplaces", MINIPLACES_MD5[:16], lambda side: _miniplaces(extract(_miniplaces_archive())))
    if source == "synthetic":
        return Source("synthetic", _hash(SCENES_VERSION, SCENE_CLASSES, SYNTHETIC_SPLITS), _synthetic)
    parts = [str(source)] if os.path.exists(source) else str(source).split(",")
    paths = [Path(part.strip()).expanduser() for part in parts if part.strip()]
    for path in paths:
        if not path.exists():
            raise ValueError(f"no such file or folder: {path}; {_ALLOWED}")
    if paths and all(path.suffix == ".parquet" for path in paths):
        return Source("parquet", _files_key(paths), lambda side: _parquet(paths))
    if len(paths) == 1 and paths[0].is_dir():
        return _folder_source(paths[0])
    if len(paths) == 1 and {".tar", ".tgz"} & set(paths[0].suffixes):
        return Source("miniplaces", _files_key(paths), lambda side: _miniplaces(extract(paths[0])))
    raise ValueError(f"cannot read data {str(source)!r}; {_ALLOWED}")


_ALLOWED = (
    "data must be a store, Parquet files or a folder of them, a folder of pictures, a MiniPlaces archive or folder, "
    '"miniplaces", "places365" or "synthetic"'
)


def _folder_source(folder: Path) -> Source:
    if (folder / "store.json").is_file():
        raise ValueError(f"{folder} is a finished store already; open it with `open_data`")
    shards = sorted(folder.glob("*.parquet"))
    if shards:
        return Source("parquet", _files_key(shards), lambda side: _parquet(shards))
    files = list_pictures(folder)
    if _kit(folder):
        return Source("miniplaces", _files_key(files), lambda side: _miniplaces(folder))
    return Source("folder", _files_key(files), lambda side: (len(files), _folder_items(folder, files)))


def _hash(*values: object) -> str:
    return hashlib.sha256(repr(values).encode()).hexdigest()[:16]


def _files_key(files: Iterable[Path]) -> str:
    """Hash of names, sizes and modification times: cheap, and changes whenever a file does."""
    stats = ((path, path.stat()) for path in files)
    return _hash(*((os.path.abspath(path), stat.st_size, stat.st_mtime_ns) for path, stat in stats))


def _split_of(name: str) -> str:
    """Split of a picture without one, by the hash of its name: 90 % train, 5 % val, 5 % test."""
    draw = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % 100
    return "train" if draw < 90 else "val" if draw < 95 else "test"


def _parquet(files: list[Path]) -> tuple[int, Iterator[Item]]:
    for path in files:
        if "image" not in (names := pq.read_schema(path).names):
            raise ValueError(f"{path} has no column 'image' (encoded pictures); it has {', '.join(names)}")
    return sum(pq.read_metadata(path).num_rows for path in files), _parquet_items(files)


def _parquet_items(files: list[Path]) -> Iterator[Item]:
    for path in files:
        shard, number = pq.ParquetFile(path), 0
        columns = [name for name in ("image", "label", "source", "split") if name in shard.schema_arrow.names]
        for batch in shard.iter_batches(CHUNK, columns=columns):
            for row in batch.to_pylist():
                image = row["image"]
                image = image["bytes"] if isinstance(image, dict) else image  # Hugging Face wraps them
                source, number = row.get("source") or f"{path.name}:{number}", number + 1
                label = "" if row.get("label") is None else str(row["label"])
                yield Item(image or b"", label, source, row.get("split") or _split_of(source))


def _folder_items(folder: Path, files: list[Path]) -> Iterator[Item]:
    for path in files:
        name = path.relative_to(folder)
        given = name.parts[0] if len(name.parts) > 1 and name.parts[0] in SPLITS else None
        label = "/".join(name.parts[bool(given) : -1])
        yield Item(path, label, name.as_posix(), given or _split_of(name.as_posix()))


def _kit(folder: Path) -> Path | None:
    """The folder `images` of MiniPlaces in `folder`, or None if this is another data set."""
    places = (folder, folder / "images", folder / "data" / "images")
    letters = (place for place in places if (place / "val").is_dir() and any(place.glob("train/[a-z]/*/")))
    return next(letters, None)


def _miniplaces(folder: Path) -> tuple[int, list[Item]]:
    """MiniPlaces: of each class's official training pictures a tenth is val, by hash of the name; official val is test.

    The layout is train/<letter>/<class>/<number>.jpg and val/<number>.jpg, where a class name may hold a slash; so the
    test pictures have no label.
    """
    images = _kit(folder)
    if images is None:
        raise ValueError(f"{folder} does not hold MiniPlaces: no train/<letter> and val in it or its folder images")
    classes: dict[str, list[str]] = {}
    for path in list_pictures(images / "train"):
        name = path.relative_to(images)
        classes.setdefault("/".join(name.parts[2:-1]), []).append(name.as_posix())
    items = []
    for label, names in classes.items():
        held_out = set(sorted(names, key=_hash)[: round(len(names) / 10)])
        items += [Item(images / name, label, name, "val" if name in held_out else "train") for name in names]
    items += [Item(path, "", path.relative_to(images).as_posix(), "test") for path in list_pictures(images / "val")]
    return len(items), items


def _places365(root: Path) -> tuple[int, list[Item]]:
    """Places365 at 256 pixels: official training pictures are train and, a tenth by hash, val; its val is test."""
    from ._compat import torchvision

    root.mkdir(parents=True, exist_ok=True)
    items = []
    for split in ("train-standard", "val"):
        found = torchvision.datasets.Places365(root, split, small=True, download=True)  # only what is not there yet
        for path, number in found.imgs:
            name = Path(path).relative_to(root).as_posix()
            part = "test" if split == "val" else "train" if _split_of(name) == "train" else "val"
            items.append(Item(Path(path), found.classes[number][3:], name, part))  # "/a/abbey"
    return len(items), items


def _synthetic(side: int) -> tuple[int, Iterator[Item]]:
    def items() -> Iterator[Item]:
        for split, (n, seed) in SYNTHETIC_SPLITS.items():
            for number, pixels in enumerate(synthetic_scenes(n, side, seed).pixels):
                yield Item(pixels, "scene", f"scene/{seed}/{number}", split)

    return sum(n for n, _ in SYNTHETIC_SPLITS.values()), items()


# ---------------------------------------------------------------- download


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
        with open(part, "ab" if resumed else "wb") as file, _progress(total, "B", progress, have) as bar:
            while block := answer.read(1 << 18):
                file.write(block)
                bar.update(len(block))
    return part.stat().st_size >= total


def extract(archive: Path, folder: Path | None = None) -> Path:
    """Unpack a tar archive into `folder` (default: in the cache, once) and return the folder.

    Absolute paths, paths or links that lead out of the folder and special files are refused: ValueError, and nothing
    is left behind. Needs Python 3.11.4 or newer, where tarfile knows the filter "data".
    """
    folder = Path(folder or cache_dir() / "unpacked" / f"{archive.name.split('.')[0]}-{_files_key([archive])}")
    with _appearing(folder, folder.exists) as temp:
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


def _miniplaces_archive() -> Path:
    return download(MINIPLACES_URLS, "miniplaces.tar.gz", md5=MINIPLACES_MD5)


def released_weights(folder: Path | None = None) -> Path:
    """Download the network released by Zhang et al. (PyTorch port, 129 MB); its name carries its hash."""
    name = RELEASED_URL.rsplit("/", 1)[1]
    return download(RELEASED_URL, name, sha256=name.removesuffix(".pth").rsplit("-", 1)[1], folder=folder)


# ---------------------------------------------------------------- bundled photographs

_BUNDLED = {
    "astronaut": "astronaut.png",
    "chelsea": "chelsea.png",
    "coffee": "coffee.png",
    "rocket": "rocket.jpg",
    "motorcycle": "motorcycle_left.png",
    "hubble": "hubble_deep_field.jpg",
    "retina": "retina.jpg",
}


def bundled_photos(side: int = 0) -> dict[str, np.ndarray]:
    """Free photographs installed with scikit-image, name -> uint8 [h, w, 3]; nothing is downloaded.

    side: 0 for their own size, else the central square at so many pixels, as a store would hold it.
    """
    folder = Path(importlib.util.find_spec("skimage").origin).parent / "data"
    photos = {name: read_picture(folder / file) for name, file in _BUNDLED.items() if (folder / file).is_file()}
    return {name: np.asarray(_fit(Image.fromarray(photo), side)) for name, photo in photos.items()} if side else photos


# ---------------------------------------------------------------- synthetic scenes


@dataclass(frozen=True)
class SceneClass:
    """Objects that look alike in grey: lightness in `lightness` +- `amplitude`, and a colour drawn for each object.

    `colours` are pairs ab in CIE units, `probabilities` theirs. All are inside the sRGB cube at all these lightnesses.
    """

    name: str
    lightness: float
    amplitude: float
    colours: tuple[tuple[float, float], ...]
    probabilities: tuple[float, ...] = (1.0,)

    @property
    def mean(self) -> np.ndarray:
        """Conditional mean of ab given this grey appearance, float64 [2]: what squared error can at best predict."""
        return np.array(self.probabilities) @ np.array(self.colours)

    @property
    def mean_chroma(self) -> float:
        """Expected chroma E|ab|; never below the chroma of `mean`, and their gap is the greying of squared error."""
        return float(np.array(self.probabilities) @ np.linalg.norm(self.colours, axis=1))


_THIRD = (1 / 3, 1 / 3, 1 / 3)
SCENE_CLASSES = (
    SceneClass("sky", 78, 8, ((-4.0, -20.0),)),
    SceneClass("cloud", 93, 2, ((0.0, 0.0),)),
    SceneClass("hill", 42, 4, ((-20.0, 12.0), (12.0, 22.0)), (0.6, 0.4)),
    SceneClass("grass", 54, 5, ((-26.0, 36.0), (-30.0, 40.0), (-34.0, 44.0)), (0.25, 0.5, 0.25)),
    SceneClass("sand", 76, 3, ((5.0, 28.0),)),
    SceneClass("wall", 68, 3, ((0.0, 0.0),)),
    SceneClass("brick", 46, 6, ((28.0, 26.0), (18.0, 24.0)), (0.7, 0.3)),
    SceneClass("roof", 34, 4, ((34.0, 26.0), (-2.0, -18.0)), (0.5, 0.5)),
    SceneClass("window", 24, 2, ((0.0, 0.0),)),
    SceneClass("trunk", 30, 3, ((12.0, 18.0),)),
    SceneClass("leaves", 40, 7, ((-28.0, 28.0), (34.0, 34.0)), (0.7, 0.3)),
    SceneClass(
        "car", 47, 3, ((54.0, 34.0), (4.0, 46.0), (-40.0, 30.0), (-12.0, -24.0), (8.0, -38.0), (0.0, 0.0)), (1 / 6,) * 6
    ),
    SceneClass("tyre", 18, 2, ((0.0, 0.0),)),
    SceneClass("ball", 60, 6, ((46.0, 28.0), (2.0, 55.0), (2.0, -42.0)), _THIRD),
    SceneClass("flower", 70, 4, ((34.0, -6.0), (4.0, 62.0), (18.0, -30.0)), _THIRD),
)
"""Every class of the synthetic scenes; a class number in `SyntheticScenes.classes` is a place in this table."""
_CLASS = {kind.name: number for number, kind in enumerate(SCENE_CLASSES)}
_SCENES_AT_ONCE = 256
SCENES_VERSION = 1  # raise it when the painting changes, so that cached stores are made anew
SYNTHETIC_SPLITS = {"train": (2048, 0), "val": (256, 1), "test": (256, 2)}
"""Number of scenes and seed of each split of the source "synthetic"; `synthetic_scenes` makes the same ones again."""


class SyntheticScenes(NamedTuple):
    """Pictures uint8 [n, side, side, 3] and the class of every pixel, uint8 [n, side, side] (see `SCENE_CLASSES`)."""

    pixels: np.ndarray
    classes: np.ndarray
    table: tuple[SceneClass, ...] = SCENE_CLASSES


def scene_conditional_mean() -> np.ndarray:
    """Best possible output of squared error, float64 [classes, 2]: mean ab of each class in `SCENE_CLASSES`."""
    return np.stack([kind.mean for kind in SCENE_CLASSES])


def scene_colours(seed: int) -> np.ndarray:
    """One colour drawn for each class of `SCENE_CLASSES`, float64 [classes, 2]."""
    rng = np.random.default_rng(seed)
    return np.stack([kind.colours[rng.choice(len(kind.colours), p=kind.probabilities)] for kind in SCENE_CLASSES])


def repaint(scenes: SyntheticScenes, ab: np.ndarray) -> np.ndarray:
    """The scenes with the colour ab [classes, 2] for every pixel of a class, same lightness: uint8 [n, side, side, 3].

    With `scene_conditional_mean()` this is the best that squared error can paint, with `scene_colours(seed)` another
    picture that the same grey one could have come from.
    """
    lightness = rgb_to_lab(to_unit(torch.from_numpy(scenes.pixels)).double())[:, :1]
    colours = torch.from_numpy(ab[scenes.classes]).to(lightness).movedim(-1, 1)
    return to_uint8(lab_to_rgb(torch.cat([lightness, colours], 1))).numpy()


class _Canvas:
    """Many scenes painted at once, back to front. Masks and patterns are [n, side, side]; lengths are shares of it."""

    def __init__(self, n: int, side: int, rng: np.random.Generator):
        self.n, self.side, self.rng = n, side, rng
        self.y, self.x = (np.mgrid[:side, :side].astype(np.float32) + 0.5)[:, None] / side
        grain = np.arange(side) * min(side, 64) // side  # rows and columns of textures, at least a pixel
        self.row, self.column = grain[:, None], grain[None]
        self.lab = np.zeros((n, side, side, 3), np.float32)
        self.classes = np.zeros((n, side, side), np.uint8)

    def between(self, low: float, high: float) -> np.ndarray:
        """One number per scene, [n, 1, 1]."""
        return self.rng.uniform(low, high, (self.n, 1, 1)).astype(np.float32)

    def noise(self, height: int | None = None) -> np.ndarray:
        """Uniform noise in -1..1, [n, side, side], or [n, 1, side] that is the same down a column."""
        return self.rng.uniform(-1, 1, (self.n, height or self.side, self.side)).astype(np.float32)

    def paint(self, name: str, mask: np.ndarray, pattern: np.ndarray) -> None:
        """Paint one object a scene, its lightness by `pattern` in -1..1, its colour drawn independently of all else."""
        kind = SCENE_CLASSES[_CLASS[name]]
        draw = self.rng.choice(len(kind.colours), self.n, p=kind.probabilities)
        colour = np.array(kind.colours, np.float32)[draw]
        scene, row, column = np.nonzero(np.broadcast_to(mask, self.classes.shape))
        lightness = kind.lightness + kind.amplitude * np.broadcast_to(pattern, self.classes.shape).clip(-1, 1)
        self.lab[scene, row, column, 0] = lightness[scene, row, column]
        self.lab[scene, row, column, 1:] = colour[scene]
        self.classes[scene, row, column] = _CLASS[name]

    def disc(self, x: np.ndarray, y: np.ndarray, radius: np.ndarray, flat: float = 1) -> np.ndarray:
        """Squared distance from (x, y) in radii; below 1 inside. `flat` < 1 makes it wider than high."""
        return ((self.x - x) ** 2 + ((self.y - y) / flat) ** 2) / radius**2

    def box(self, x: np.ndarray, top: np.ndarray, bottom: np.ndarray, half: np.ndarray) -> np.ndarray:
        return (abs(self.x - x) < half) & (self.y >= top) & (self.y < bottom)


def _paint_land(canvas: _Canvas) -> tuple[np.ndarray, np.ndarray]:
    """Sky, clouds, hills and ground; returns the height of the horizon and whether the ground is grass, [n, 1, 1]."""
    horizon, grassy = canvas.between(0.48, 0.62), canvas.between(0, 1) < 0.7
    canvas.paint("sky", np.array(True), 2 * canvas.y / horizon - 1)
    for _ in range(2):
        x, y, radius = canvas.between(0, 1), canvas.between(0.08, 0.24), canvas.between(0.08, 0.16)
        lobe = canvas.disc(x + radius, y + 0.2 * radius, 0.8 * radius, 0.5)
        cloud = np.minimum(canvas.disc(x, y, radius, 0.5), lobe)
        canvas.paint("cloud", cloud < 1, 1 - 2 * cloud)
    for _ in range(2):
        wave = np.sin(2 * np.pi * (canvas.between(0.6, 1.3) * canvas.x + canvas.between(0, 1)))
        ridge = horizon - canvas.between(0.04, 0.12) * (1 + wave)
        canvas.paint("hill", canvas.y > ridge, 1 - 6 * (canvas.y - ridge))
    ground = canvas.y >= horizon
    canvas.paint("grass", ground & grassy, 0.75 * canvas.noise(1) + 0.25 * canvas.noise())
    canvas.paint("sand", ground & ~grassy, canvas.noise())
    return horizon, grassy


def _paint_house(canvas: _Canvas, horizon: np.ndarray) -> np.ndarray:
    """A house of brick or plaster with roof and windows in most scenes; returns its middle, [n, 1, 1]."""
    x, half, there = canvas.between(0.2, 0.8), canvas.between(0.13, 0.19), canvas.between(0, 1) < 0.8
    bottom, top = horizon + canvas.between(0.04, 0.1), horizon - canvas.between(0.1, 0.16)
    walls, bricks = canvas.box(x, top, bottom, half) & there, canvas.between(0, 1) < 0.5
    mortar = (canvas.row % 3 == 0) | ((canvas.column + 3 * (canvas.row // 3 % 2)) % 6 == 0)
    canvas.paint("brick", walls & bricks, np.where(mortar, 1, -0.6 + 0.4 * canvas.noise()))
    canvas.paint("wall", walls & ~bricks, 0.3 * canvas.noise())
    slope = top - 0.16 + 0.16 * abs(canvas.x - x) / (half + 0.04)
    canvas.paint("roof", (canvas.y > slope) & (canvas.y < top) & there, canvas.row % 2 * 2 - 1)
    for shift in (-0.5, 0.5):
        window = canvas.box(x + shift * half, top + 0.05, top + 0.13, 0.2 * half + 0.012)
        canvas.paint("window", window & there, 1 - 20 * (canvas.y - top - 0.05))
    return x


def _paint_tree(canvas: _Canvas, horizon: np.ndarray, house: np.ndarray) -> None:
    x, there = (house + canvas.between(0.35, 0.65)) % 1, canvas.between(0, 1) < 0.75
    foot, radius = horizon + canvas.between(0.06, 0.14), canvas.between(0.1, 0.15)
    canvas.paint("trunk", canvas.box(x, foot - 0.25, foot, np.float32(0.024)) & there, canvas.noise(1))
    crown = canvas.disc(x, foot - 0.17 - radius, radius, 1.2)
    canvas.paint("leaves", (crown < 1 + 0.3 * canvas.noise()) & there, canvas.noise())


def _paint_car(canvas: _Canvas) -> None:
    x, bottom, there = canvas.between(0.15, 0.85), canvas.between(0.78, 0.86), canvas.between(0, 1) < 0.6
    body = canvas.box(x, bottom - 0.1, bottom, np.float32(0.17))
    cabin = canvas.box(x, bottom - 0.18, bottom - 0.1, 0.1 - 0.4 * (bottom - 0.1 - canvas.y))
    canvas.paint("car", (body | cabin) & there, 1 - 12 * (canvas.y - bottom + 0.16))
    canvas.paint("window", canvas.box(x, bottom - 0.155, bottom - 0.1, np.float32(0.065)) & there, np.array(0.0))
    for shift in (-0.095, 0.095):
        wheel = canvas.disc(x + shift, bottom, np.float32(0.042))
        canvas.paint("tyre", (wheel < 1) & there, 1 - 2 * wheel)


def _paint_toys(canvas: _Canvas, grassy: np.ndarray) -> None:
    """Balls anywhere in front, flowers only in grass."""
    for _ in range(6):
        x, y = canvas.between(0.03, 0.97), canvas.between(0.72, 0.97)
        flower = canvas.disc(x, y, canvas.between(0.032, 0.045))
        canvas.paint("flower", (flower < 1) & grassy & (canvas.between(0, 1) < 0.8), 1 - 2 * flower)
    for _ in range(2):
        x, y, radius = canvas.between(0.1, 0.9), canvas.between(0.72, 0.88), canvas.between(0.08, 0.12)
        light = canvas.disc(x - 0.35 * radius, y - 0.4 * radius, radius)
        there = canvas.between(0, 1) < 0.75
        canvas.paint("ball", (canvas.disc(x, y, radius) < 1) & there, 1 - 1.1 * light)


def _scene_chunk(side: int, seed: int, chunk: int) -> tuple[np.ndarray, np.ndarray]:
    canvas = _Canvas(_SCENES_AT_ONCE, side, np.random.default_rng([seed, chunk]))
    horizon, grassy = _paint_land(canvas)
    _paint_tree(canvas, horizon, _paint_house(canvas, horizon))
    _paint_car(canvas)
    _paint_toys(canvas, grassy)
    lab = torch.from_numpy(canvas.lab).movedim(-1, 1)
    return to_uint8(lab_to_rgb(lab.double())).contiguous().numpy(), canvas.classes


def synthetic_scenes(n: int, side: int, seed: int = 0) -> SyntheticScenes:
    """Make n little landscapes whose colours are random given their grey appearance, with known probabilities.

    Lightness is drawn first and is the same whatever colours follow, every object draws its colour from its class
    alone (`SCENE_CLASSES`), and all of it lies inside the sRGB cube. So given the lightness picture, the
    distribution of every pixel's colour is the one in the table. The first scenes are the same for every n.
    """
    if n < 1 or side < 16:
        raise ValueError(f"need n >= 1 scenes of side >= 16, got n={n}, side={side}")
    chunks = [_scene_chunk(side, seed, chunk) for chunk in range(-(-n // _SCENES_AT_ONCE))]
    pixels, classes = (np.concatenate(parts)[:n] for parts in zip(*chunks, strict=True))
    return SyntheticScenes(pixels, classes)


# ---------------------------------------------------------------- preparing


def _decode(payloads: list, pixels: np.ndarray, keep_grey: bool) -> tuple[list[str], list[str]]:
    """Decode one chunk into `pixels` [m, side, side, 3]; returns per payload a sha and a reason to leave it out."""
    shas, reasons = [""] * len(payloads), [""] * len(payloads)
    for row, payload in enumerate(payloads):
        try:
            image = Image.fromarray(payload) if isinstance(payload, np.ndarray) else _open(payload)
            values = _fit(image, pixels.shape[1]).tobytes()
            pixels[row].reshape(-1)[:] = np.frombuffer(values, np.uint8)
            shas[row] = hashlib.sha256(values).hexdigest()[:32]  # now, while they are in the processor's cache
        except ValueError as error:
            pixels[row], reasons[row] = 0, str(error)
    if not keep_grey:
        _mark_grey(pixels, reasons)
    return shas, reasons


def _mark_grey(pixels: np.ndarray, reasons: list[str]) -> None:
    """Note which pictures have mean Lab chroma below `GREY_CHROMA`; only small channel differences need Lab."""
    # pairwise and on whole planes: thirty times faster than max over a short axis
    red, green, blue = np.ascontiguousarray(np.moveaxis(pixels, -1, 0))
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    small = spread.mean((1, 2)) < GREY_CHROMA / CHROMA_PER_STEP
    rows = [row for row in np.flatnonzero(small) if not reasons[row]]
    if rows:
        lab = rgb_to_lab(torch.from_numpy(pixels[rows]).movedim(-1, 1))
        values = torch.hypot(lab[:, 1], lab[:, 2]).mean((1, 2))
        for row, value in zip(rows, values.tolist(), strict=True):
            if value < GREY_CHROMA:
                reasons[row] = f"grey: mean chroma {value:.2f} below {GREY_CHROMA:g}"


_trays: dict[int, np.ndarray] = {}
"""Memory that workers share with the process that forked them, so that pictures need not be sent."""


def _decode_onto(tray: int, place: int, payloads: list, keep_grey: bool) -> tuple:
    return _decode(payloads, _trays[tray][place, : len(payloads)], keep_grey)


def decoding_pool(workers: int = WORKERS) -> Executor:
    """Processes where they can be forked (decoding is twice as fast as in threads), threads elsewhere.

    Other ways of starting processes would run an unguarded script of the caller once more in every worker.
    """
    if sys.platform.startswith("linux"):
        fork = multiprocessing.get_context("fork")
        return ProcessPoolExecutor(workers, fork, initializer=_set_up_worker, initargs=(os.getpid(),))
    return ThreadPoolExecutor(workers)


def _set_up_worker(parent: int) -> None:
    """Let a worker leave Ctrl-C to its parent, end when the parent was killed (it would keep the store locked), and
    use no threads of torch, which do not survive a fork."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=watch, daemon=True).start()


def chunk_size(side: int) -> int:
    """Pictures that a worker decodes at once: few large ones, for an even use of memory and of the workers."""
    return max(1, min(CHUNK, CHUNK * 64**2 // side**2))


def _awaited(chunk: list[Item], pixels: np.ndarray, future: Future) -> tuple:
    return chunk, pixels, *future.result()


def _decoded(items: Iterable[Item], side: int, workers: int, keep_grey: bool) -> Iterator[tuple]:
    """Chunks and their decoded pictures, in order; a few chunks ahead of the reader, never the whole source.

    The pixels of a chunk are good until the next one is asked for.
    """
    most, places = chunk_size(side), 2 * workers + 4
    shape = places, most, side, side, 3
    tray = np.frombuffer(mmap.mmap(-1, math.prod(shape)), np.uint8).reshape(shape)
    _trays[id(tray)] = tray
    pool, items, waiting = decoding_pool(workers), iter(items), deque()
    try:
        for place, chunk in enumerate(iter(lambda: list(itertools.islice(items, most)), [])):
            place %= places
            future = pool.submit(_decode_onto, id(tray), place, [item.payload for item in chunk], keep_grey)
            waiting.append((chunk, tray[place, : len(chunk)], future))
            if len(waiting) == places:
                yield _awaited(*waiting.popleft())
        while waiting:
            yield _awaited(*waiting.popleft())
    finally:
        pool.shutdown(cancel_futures=True)
        del _trays[id(tray)]


_PLAIN = "{n_fmt} of {total_fmt}{unit}, {rate_fmt}, {remaining} left"


class _Lines:
    """Stands in for the terminal where there is none: what tqdm draws over and over becomes plain lines."""

    def write(self, text: str) -> None:
        if text.strip():
            print(text.strip(), file=sys.stderr, flush=True)

    def flush(self) -> None: ...


def _progress(total: int, unit: str, show: bool, done: int = 0) -> tqdm:
    """A bar with the time left on a terminal; elsewhere a plain line every ten seconds."""
    options = {"total": total or None, "initial": done, "unit": unit, "unit_scale": True, "disable": not show}
    if not sys.stderr.isatty():
        options |= {"file": _Lines(), "mininterval": 10, "delay": 10, "miniters": 1, "bar_format": _PLAIN}
    return tqdm(**options)


def _write_pixels(out: Path, source: Source, side: int, split: str | None, keep_grey: bool, workers, progress: bool):
    """Write pixels.npy under `out`; returns (index rows, skipped rows)."""
    index, skipped = [], []
    total, items = source.load(side)
    bar, decoded = _progress(total, " pictures", progress), _decoded(items, side, workers, keep_grey)
    with open(out / "pixels.npy", "wb") as file, bar, contextlib.closing(decoded) as chunks:
        _write_header(file, 0, side)
        for chunk, pixels, shas, reasons in chunks:
            file.write(pixels[[not reason for reason in reasons]] if any(reasons) else pixels)
            for item, sha, reason in zip(chunk, shas, reasons, strict=True):
                if reason:
                    skipped.append((item.source, reason))
                else:
                    index.append((item.label, item.source, split or item.split, sha))
            bar.update(len(chunk))
        _write_header(file, len(index), side)
    return index, skipped


def _write_header(file, n: int, side: int) -> None:
    """The .npy header; numpy leaves room for the first number to grow, so it can be written again at the end."""
    file.seek(0)
    header = {"descr": "|u1", "fortran_order": False, "shape": (n, side, side, 3)}
    np.lib.format.write_array_header_1_0(file, header)


def _make_store(source: Source, out: Path, side: int, key: str, **options) -> None:
    """Write a whole store into the (new) folder `out`; store.json comes last, and makes it valid."""
    index, skipped = _write_pixels(out, source, side, **options)
    if not index:
        reasons = Counter(reason.split(":")[0] for _, reason in skipped)
        raise ValueError(f"no usable picture; left out: {dict(reasons)}; first: {skipped[:1]}")
    frame = pd.DataFrame(index, columns=["label", "source", "split", "sha"])
    frame.to_parquet(out / "index.parquet")
    pd.DataFrame(skipped, columns=["source", "reason"]).to_csv(out / "skipped.csv", index=False)
    meta = {
        "format": FORMAT,
        "side": side,
        "n": len(frame),
        "kind": source.kind,
        "origin": key,
        "fingerprint": _fingerprint(frame["sha"]),
        "splits": frame["split"].value_counts().to_dict(),
        "skipped": dict(Counter(reason.split(":")[0] for _, reason in skipped)),
    }
    (out / "store.json").write_text(json.dumps(meta, indent=1))


def prepare(
    source: str | Source,
    out: str | Path,
    side: int = 64,
    split: str | None = None,
    progress: bool = True,
    workers: int = WORKERS,
    keep_grey: bool = False,
) -> Store:
    """Make a store of `source` in the folder `out` (see `find_source` for what a source can be).

    Pictures of another size are cropped to the central square and resized. `split` overrides the split of all
    pictures. Unreadable, grey (unless `keep_grey`) and oversized pictures are left out and listed in skipped.csv.
    A finished store made from the same files is returned as it is, another one is never overwritten (ValueError).
    The store appears under its name only when whole, so that an interrupted run leaves nothing half-made.
    """
    out = Path(os.path.abspath(out))
    if side < 8 or side % 8:
        raise ValueError(f"side must be a positive multiple of 8, got {side}")
    if split not in (None, *SPLITS):
        raise ValueError(f"split must be one of {', '.join(SPLITS)} or None, got {split!r}")
    found = source if isinstance(source, Source) else find_source(source)
    key = _hash(FORMAT, found.key, side, split, keep_grey)
    with _appearing(out, lambda: _holds(out, key)) as temp:
        if temp is None:
            return Store(out)
        _make_store(found, temp, side, key, split=split, keep_grey=keep_grey, workers=workers, progress=progress)
    store = Store(out)
    if progress:
        parts, left_out = (
            ", ".join(f"{n:,} {name}" for name, n in store.meta[key].items()) or "none" for key in ("splits", "skipped")
        )
        print(f"{out}: {len(store):,} pictures of {side} px ({parts}); left out: {left_out}", file=sys.stderr)
    return store


@contextlib.contextmanager
def _appearing(folder: Path, there: Callable[[], bool]) -> Iterator[Path | None]:
    """Yield a temporary folder that gets the name `folder` when the block ends well, or None if it is `there` already.

    Nothing half-made is ever seen under the name, and several processes may ask for the same folder at once.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    temp = folder.with_name(f".{folder.name}.part")
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        if there():
            yield None
            return
        shutil.rmtree(temp, ignore_errors=True)  # left by a killed run: while we hold the lock it has no owner
        temp.mkdir()
        try:
            yield temp
            temp.rename(folder)
        finally:
            shutil.rmtree(temp, ignore_errors=True)


def _holds(out: Path, key: str) -> bool:
    """Whether `out` is the finished store of `key`; ValueError if something else is there."""
    if not out.exists():
        return False
    if not (out / "store.json").is_file():
        if out.is_dir() and not any(out.iterdir()):
            out.rmdir()
            return False
        raise ValueError(f"{out} exists and is not a store; choose another folder")
    if Store(out).meta["origin"] == key:
        return True
    raise ValueError(f"{out} is a finished store made from other files or settings; delete it or choose another folder")


def cache_dir() -> Path:
    """Folder for prepared stores and downloads: $COLORIZE_CACHE, or the user's cache folder."""
    return Path(os.environ.get("COLORIZE_CACHE") or pooch.os_cache("colorize"))


def open_data(data: str | Path, side: int, progress: bool = True) -> Store:
    """Open a store, or prepare any other source once at `side` pixels in the cache and open that.

    A store with larger pictures than `side` is returned as it is (training crops); a smaller one is a ValueError.
    """
    if os.path.isfile(os.path.join(data, "store.json")):  # unlike Path.is_file, no error for a long list of files
        store = Store(data)
        if store.side < side:
            raise ValueError(f"{data} holds pictures of {store.side} px, smaller than the {side} px asked for")
        return store
    found = find_source(str(data))
    folder = cache_dir() / "stores" / f"{found.kind}-{side}-{_hash(FORMAT, found.key)}"
    return prepare(found, folder, side, progress=progress)
