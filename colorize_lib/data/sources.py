"""Where images come from: Parquet files, folders, MiniPlaces, Places365, generated scenes."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from .download import MINIPLACES_MD5, extract, miniplaces_archive
from .files import cache_dir, files_key, short_hash
from .images import list_images
from .scenes import SCENE_CLASSES, SCENES_VERSION, synthetic_scenes
from .store import SPLITS, is_store

CHUNK = 128
SPLIT_NAMES = {name: name for name in SPLITS} | {
    "training": "train",
    "valid": "val",
    "validation": "val",
    "testing": "test",
}
"""Names of splits in folders and Parquet files, in lower case, and what they mean."""


class Item(NamedTuple):
    """One image on its way into a store; `payload` is a path, encoded bytes or pixels."""

    payload: Path | bytes | np.ndarray
    label: str
    source: str
    split: str


class Source(NamedTuple):
    """Where images come from. `key` changes with the files; `load(side)` gives their number and the items.

    Loading may download and unpack, so it happens only when there is no store yet. `shuffle` asks for a store in the
    order of `place_of`; sources that come sorted by class give their items in this order already, where they can.
    """

    kind: str
    key: str
    load: Callable[[int], tuple[int, Iterable[Item]]]
    shuffle: bool = False


def place_of(name: str) -> str:
    """What to sort names by for a fixed order as good as random, of which every prefix is a fair sample."""
    return hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()


def _shuffled(items: Iterable[Item]) -> list[Item]:
    return sorted(items, key=lambda item: place_of(item.source))


def find_source(source: str) -> Source:
    """What a source is, of these; ValueError for anything else.

    - "synthetic": generated scenes, see `synthetic_scenes`
    - "miniplaces": the official MiniPlaces archive, downloaded; or the path of that archive, or of its unpacked folder
    - "places365": the small images of Places365 through torchvision, downloaded; "places365:FOLDER" has them already,
      or what it lacks is downloaded there
    - Parquet files, separated by commas, or a folder of them: columns image (encoded), label, source, split
    - a folder of images, where folders train, val and test (or training, valid, validation, testing) are splits and the
      folders below are labels
    """
    name, _, folder = str(source).partition(":")
    if name == "places365":
        root = Path(folder).expanduser() if folder else cache_dir() / "places365"
        if folder and not root.is_dir():  # or a slip of the pen would begin to download it all again
            raise ValueError(f"no such folder: {root}; make it to have Places365 downloaded there")
        return Source("places365", _shuffled_key(root.resolve()), lambda side: _places365(root))
    if source == "miniplaces":
        return Source(
            "miniplaces", _shuffled_key(MINIPLACES_MD5), lambda side: _miniplaces(extract(miniplaces_archive()))
        )
    if source == "synthetic":
        return Source("synthetic", short_hash(SCENES_VERSION, SCENE_CLASSES, SYNTHETIC_SPLITS), _synthetic)
    parts = [str(source)] if os.path.exists(source) else str(source).split(",")
    paths = [Path(part.strip()).expanduser() for part in parts if part.strip()]
    for path in paths:
        if not os.path.exists(path):
            raise ValueError(f"no such file or folder: {path}; {_ALLOWED}")
    if len(paths) == 1 and paths[0].is_dir():
        return _folder_source(paths[0])
    if paths and all(path.suffix == ".parquet" and path.is_file() for path in paths):
        return _parquet_source(paths)
    if len(paths) == 1 and {".tar", ".tgz"} & set(paths[0].suffixes):
        return Source("miniplaces", _shuffled_key(files_key(paths)), lambda side: _miniplaces(extract(paths[0])))
    raise ValueError(f"cannot read data {str(source)!r}; {_ALLOWED}")


def _shuffled_key(*values: object) -> str:
    """The key of what is stored in the order of `place_of`; another one than when the order was that of the files."""
    return short_hash("shuffled", *values)


_ALLOWED = (
    "data must be a store, Parquet files or a folder of them, a folder of images, a MiniPlaces archive or folder, "
    '"miniplaces", "places365" or "synthetic"'
)


def _folder_source(folder: Path) -> Source:
    if is_store(folder):
        raise ValueError(f"{folder} is a finished store already; give it as it is (--data, or `open_data`)")
    shards = sorted(path for path in folder.glob("*.parquet") if path.is_file())
    if shards:
        return _parquet_source(shards)
    files = list_images(folder)
    key = _shuffled_key(files_key(files))
    if _kit(folder):
        return Source("miniplaces", key, lambda side: _miniplaces(folder))
    return Source("folder", key, lambda side: (len(files), _shuffled(_folder_items(folder, files))))


def _split_of(name: str) -> str:
    """Split of an image without one, by the hash of its name: 90 % train, 5 % val, 5 % test."""
    draw = int(place_of(name)[:16], 16) % 100
    return "train" if draw < 90 else "val" if draw < 95 else "test"


def _parquet_source(files: list[Path]) -> Source:
    """Parquet files in their order, unless they are sorted by label; ValueError where columns or splits do not fit."""
    tables = [_labels(path) for path in files]
    key, total, shuffle = files_key(files), sum(map(len, tables)), _sorted_by_label(pd.concat(tables))
    return Source(
        "parquet", _shuffled_key(key) if shuffle else key, lambda side: (total, _parquet_items(files)), shuffle
    )


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """ValueError that names the file for all that damage makes pyarrow raise."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as Parquet; damaged? {str(error).splitlines()[0][:200]}") from error


def _labels(path: Path) -> pd.DataFrame:
    """Columns label and split of a Parquet file, "" where there is none, after a check of what it holds."""
    with _reading(path):
        schema = pq.read_schema(path)
        _check_columns(path, schema)
        columns = [name for name in ("label", "split") if name in schema.names]
        rows = pq.read_metadata(path).num_rows
        table = pq.read_table(path, columns=columns).to_pandas() if columns else pd.DataFrame(index=range(rows))
    table = table.reindex(columns=["label", "split"]).astype(object).fillna("")
    for split in table["split"].unique():
        if split and split.lower() not in SPLIT_NAMES:
            raise ValueError(f"{path}: split {split!r} is not possible; allowed: {', '.join(SPLIT_NAMES)}, or none")
    return table


def _check_columns(path: Path, schema: pa.Schema) -> None:
    """Refuse a file without encoded images, or whose columns are of other types than they should be."""
    if "image" not in schema.names:
        raise ValueError(f"{path} has no column 'image' (encoded images); it has {', '.join(schema.names)}")
    image = schema.field("image").type
    if types.is_struct(image):  # Hugging Face wraps them
        image = image.field("bytes").type if image.get_field_index("bytes") >= 0 else image
    if not (types.is_binary(image) or types.is_large_binary(image)):
        raise ValueError(f"{path}: column 'image' is {image}; expected binary, or a struct with binary 'bytes'")
    for name in {"source", "split"} & set(schema.names):
        kind = schema.field(name).type
        kind = kind.value_type if types.is_dictionary(kind) else kind
        if not (types.is_string(kind) or types.is_large_string(kind) or types.is_null(kind)):
            raise ValueError(f"{path}: column {name!r} is {kind}; expected text")


def _sorted_by_label(table: pd.DataFrame) -> bool:
    """Whether in some split equal labels stand together, in fewer than half as many runs as a random order has."""
    for _, part in table.groupby("split"):
        label, _ = pd.factorize(part["label"].astype(str))  # it may be a list of several
        runs, n = 1 + np.count_nonzero(np.diff(label)), len(label)
        if runs < (1 + n - np.square(np.bincount(label), dtype=float).sum() / n) / 2:
            return True
    return False


def _parquet_items(files: list[Path]) -> Iterator[Item]:
    for path in files:
        with _reading(path):
            shard, number = pq.ParquetFile(path), 0
            columns = [name for name in ("image", "label", "source", "split") if name in shard.schema_arrow.names]
            for batch in shard.iter_batches(CHUNK, columns=columns):
                for row in batch.to_pylist():
                    image = row["image"]["bytes"] if isinstance(row["image"], dict) else row["image"]
                    source, number = row.get("source") or f"{path.name}:{number}", number + 1
                    label = "" if row.get("label") is None else str(row["label"])
                    split = SPLIT_NAMES[row["split"].lower()] if row.get("split") else _split_of(source)
                    yield Item(image or b"", label, source, split)


def _folder_items(folder: Path, files: list[Path]) -> Iterator[Item]:
    for path in files:
        name = path.relative_to(folder)
        given = SPLIT_NAMES.get(name.parts[0].lower()) if len(name.parts) > 1 else None
        label = "/".join(name.parts[bool(given) : -1])
        yield Item(path, label, name.as_posix(), given or _split_of(name.as_posix()))


def _kit(folder: Path) -> Path | None:
    """The folder `images` of MiniPlaces in `folder`, or None if this is another data set."""
    places = (folder, folder / "images", folder / "data" / "images")
    letters = (place for place in places if (place / "val").is_dir() and any(place.glob("train/[a-z]/*/")))
    return next(letters, None)


def _miniplaces(folder: Path) -> tuple[int, list[Item]]:
    """MiniPlaces: of each class's official training images a tenth is val, by hash of the name; official val is test.

    The layout is train/<letter>/<class>/<number>.jpg and val/<number>.jpg, where a class name may hold a slash; so the
    test images have no label.
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
    return len(items), _shuffled(items)


def _places365(root: Path) -> tuple[int, list[Item]]:
    """Places365 at 256 pixels: official training images are train and, a tenth by hash, val; its val is test."""
    from .._compat import torchvision

    root.mkdir(parents=True, exist_ok=True)
    items = []
    for split in ("train-standard", "val"):
        found = torchvision.datasets.Places365(root, split, small=True, download=True)  # only what is not there yet
        for path, number in found.imgs:
            name = Path(path).relative_to(root).as_posix()
            part = "test" if split == "val" else "train" if _split_of(name) == "train" else "val"
            items.append(Item(Path(path), found.classes[number][3:], name, part))  # "/a/abbey"
    return len(items), _shuffled(items)


def _synthetic(side: int) -> tuple[int, Iterator[Item]]:
    def items() -> Iterator[Item]:
        for split, (n, seed) in SYNTHETIC_SPLITS.items():
            for number, pixels in enumerate(synthetic_scenes(n, side, seed).pixels):
                yield Item(pixels, "scene", f"scene/{seed}/{number}", split)

    return sum(n for n, _ in SYNTHETIC_SPLITS.values()), items()


SYNTHETIC_SPLITS = {"train": (2048, 0), "val": (256, 1), "test": (256, 2)}
"""Number of scenes and seed of each split of the source "synthetic"; `synthetic_scenes` makes the same ones again."""
