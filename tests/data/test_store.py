"""Stores: what they hold, what they are known by, and that damaged and foreign ones are refused."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from making import make_store, write_folder, write_parquet

from colorize_lib.data.store import Store


@pytest.fixture
def store(tmp_path, scenes):
    return make_store(write_parquet(tmp_path / "a.parquet", scenes[:6]), tmp_path / "store")


def test_parquet_to_store_and_back(tmp_path, scenes):
    first = write_parquet(tmp_path / "a.parquet", scenes[:25])
    second = write_parquet(tmp_path / "b.parquet", scenes[25:], "val")
    store = make_store(f"{first},{second}", tmp_path / "store")
    assert isinstance(store.pixels, np.memmap) and store.pixels.dtype == np.uint8
    assert np.array_equal(store.pixels, scenes) and len(store) == 40 and store.side == 32
    assert store.rows("train").tolist() == list(range(25)) and store.rows("train").dtype == np.int64
    assert store.rows("val", limit=3).tolist() == [25, 26, 27] and len(store.rows("all")) == 40
    assert store.index["sha"][7] == hashlib.sha256(scenes[7].tobytes()).hexdigest()[:32]
    assert len(store.skipped) == 0
    with pytest.raises(ValueError, match=r"'test'.*train \(25\), val \(15\)"):
        store.rows("test")


def test_fingerprint_is_of_the_images_not_of_their_container(tmp_path, scenes):
    parquet = make_store(write_parquet(tmp_path / "a.parquet", scenes), tmp_path / "one")
    folder = make_store(write_folder(tmp_path / "images", scenes), tmp_path / "two")
    assert len(parquet.fingerprint()) == 16 and int(parquet.fingerprint(), 16)
    assert parquet.fingerprint() == parquet.meta["fingerprint"] != folder.fingerprint()  # another order
    number = folder.index["source"].str[:3].astype(int)
    assert folder.fingerprint(np.argsort(number)) == parquet.fingerprint() == folder.fingerprint(number.argsort())
    rows = np.array([3, 1])
    assert parquet.fingerprint(rows) != parquet.fingerprint(rows[::-1])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[]", r"store.json is damaged: it holds a list, expected an object"),
        ("null", r"store.json is damaged: it holds a NoneType, expected an object"),
        ("{}", "format None, this library reads 1"),
        ('{"format": 7}', "format 7, this library reads 1"),
        ('{"format": 1, "n": 6}', "store.json is damaged: side is None, expected a number from 1"),
        ('{"format": 1, "side": "64", "n": 6}', "store.json is damaged: side is '64'"),
        ('{"format": 1, "side": 32, "n": true}', "store.json is damaged: n is True"),
        ('{"format": 1, "side": 64, "n": 6}', r"pixels.npy is damaged.*expected uint8 \[n, 64, 64, 3\]"),
        ('{"format": 1, "side": 32, "n": 5}', "disagree on their number"),
        ("{", "store.json cannot be read"),
        (b"\xff\xfe\x00", "store.json cannot be read"),
    ],
)
def test_a_foreign_description_is_refused(store, text, complaint):
    (store.path / "store.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=complaint):
        Store(store.path)


@pytest.mark.parametrize("column", ["sha", "split", "label", "source"])
def test_an_index_without_a_column_is_refused(store, column):
    store.index.drop(columns=column).to_parquet(store.path / "index.parquet")
    with pytest.raises(ValueError, match=f"index.parquet is damaged: no column '{column}'"):
        Store(store.path)


@pytest.mark.parametrize("content", [b"", b"garbage" * 100, None])
@pytest.mark.parametrize("name", ["pixels.npy", "index.parquet"])
def test_unreadable_files_are_refused(store, name, content):
    path = store.path / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{name} cannot be read"):
        Store(store.path)


def test_pixels_of_another_kind_or_cut_short_are_refused(store):
    path = store.path / "pixels.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with pytest.raises(ValueError, match=r"pixels.npy cannot be read"):
        Store(store.path)
    np.save(path, np.zeros((6, 32, 32, 3), np.float32))
    with pytest.raises(ValueError, match=r"pixels.npy is damaged: it holds float32 \(6, 32, 32, 3\), expected uint8"):
        Store(store.path)
    path.write_bytes(whole)
    opened = Store(store.path)
    os.truncate(path, len(whole) - 10)
    with pytest.raises(ValueError, match="image 5 cannot be read"):
        opened.read(np.array([5]))


def test_what_is_no_store_is_refused(tmp_path, store):
    with pytest.raises(ValueError, match="not a finished store"):
        Store(tmp_path)
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "store.json").mkdir()
    with pytest.raises(ValueError, match="not a finished store"):
        Store(tmp_path / "odd")
    store.index[:-1].to_parquet(store.path / "index.parquet")
    with pytest.raises(ValueError, match="disagree on their number"):
        Store(store.path)


def test_a_store_knows_its_columns_and_what_it_left_out(store):
    assert list(pd.read_parquet(store.path / "index.parquet")) == ["label", "source", "split", "sha"]
    assert list(store.skipped) == ["source", "reason"]
    meta = json.loads((store.path / "store.json").read_text())
    assert meta["splits"] == {"train": 6} and meta["skipped"] == {} and meta["kind"] == "parquet"


@pytest.mark.parametrize("module", ["images", "files"])
def test_images_are_read_without_tables_and_networks(module):
    code = f"import colorize_lib.data.{module}, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"pandas", "pyarrow", "pooch", "requests", "torch"} & set(loaded)
