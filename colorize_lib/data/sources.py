"""Where images come from: Parquet files, folders, MiniPlaces, Places365, generated scenes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from .download import MINIPLACES_MD5, extract, miniplaces_archive
from .files import cache_dir, files_key, short_hash
from .images import list_images
from .scenes import SCENE_CLASSES, SCENES_VERSION, synthetic_scenes
from .store import SPLITS

CHUNK = 128


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
        return Source("places365", short_hash(root.resolve()), lambda side: _places365(root))
    if source == "miniplaces":
        return Source("miniplaces", MINIPLACES_MD5[:16], lambda side: _miniplaces(extract(miniplaces_archive())))
    if source == "synthetic":
        return Source("synthetic", short_hash(SCENES_VERSION, SCENE_CLASSES, SYNTHETIC_SPLITS), _synthetic)
    parts = [str(source)] if os.path.exists(source) else str(source).split(",")
    paths = [Path(part.strip()).expanduser() for part in parts if part.strip()]
    for path in paths:
        if not path.exists():
            raise ValueError(f"no such file or folder: {path}; {_ALLOWED}")
    if paths and all(path.suffix == ".parquet" for path in paths):
        return Source("parquet", files_key(paths), lambda side: _parquet(paths))
    if len(paths) == 1 and paths[0].is_dir():
        return _folder_source(paths[0])
    if len(paths) == 1 and {".tar", ".tgz"} & set(paths[0].suffixes):
        return Source("miniplaces", files_key(paths), lambda side: _miniplaces(extract(paths[0])))
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
        return Source("parquet", files_key(shards), lambda side: _parquet(shards))
    files = list_images(folder)
    if _kit(folder):
        return Source("miniplaces", files_key(files), lambda side: _miniplaces(folder))
    return Source("folder", files_key(files), lambda side: (len(files), _folder_items(folder, files)))


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
    for path in list_images(images / "train"):
        name = path.relative_to(images)
        classes.setdefault("/".join(name.parts[2:-1]), []).append(name.as_posix())
    items = []
    for label, names in classes.items():
        held_out = set(sorted(names, key=short_hash)[: round(len(names) / 10)])
        items += [Item(images / name, label, name, "val" if name in held_out else "train") for name in names]
    items += [Item(path, "", path.relative_to(images).as_posix(), "test") for path in list_images(images / "val")]
    return len(items), items


def _places365(root: Path) -> tuple[int, list[Item]]:
    """Places365 at 256 pixels: official training pictures are train and, a tenth by hash, val; its val is test."""
    from .._compat import torchvision

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


SYNTHETIC_SPLITS = {"train": (2048, 0), "val": (256, 1), "test": (256, 2)}
"""Number of scenes and seed of each split of the source "synthetic"; `synthetic_scenes` makes the same ones again."""
