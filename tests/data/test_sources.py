"""Where images come from: order, splits and labels of folders, kits and Parquet files, and what is refused."""

import hashlib
import tarfile

import numpy as np
import pandas as pd
import pytest
from making import encode, make_store, write_folder, write_parquet

from colorize_lib.data import download as download_module
from colorize_lib.data import prepare as data
from colorize_lib.data import sources as sources_module
from colorize_lib.data.scenes import synthetic_scenes
from colorize_lib.data.sources import _sorted_by_label, _split_of, find_source
from colorize_lib.data.store import SPLITS

NUMBERS = np.arange(40)


def noise(n: int, side: int = 8) -> np.ndarray:
    return np.random.default_rng(n).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


# ------------------------------------------------------------------------------------------------- order and splits


def test_every_prefix_of_a_folder_is_a_fair_sample(tmp_path):
    names = [f"train/{label}/{i:03}.png" for label in "abcd" for i in range(50)]
    store = make_store(write_folder(tmp_path / "p", noise(200), names), tmp_path / "store", 8)
    assert sorted(store.index["source"]) == names
    for n in (40, 80, 120):
        assert store.index["label"][:n].value_counts().between(n / 8, n / 2.5).all()
    again = make_store(write_folder(tmp_path / "q", noise(200), names), tmp_path / "again", 8)
    assert again.fingerprint() == store.fingerprint()  # wherever the folder lies


def test_a_smaller_folder_is_stored_in_the_same_order(tmp_path):
    names = [f"{i:03}.png" for i in range(60)]
    many = make_store(write_folder(tmp_path / "p", noise(60), names), tmp_path / "store", 8)
    few = make_store(write_folder(tmp_path / "q", noise(60)[:30], names[:30]), tmp_path / "few", 8)
    assert few.index["source"].tolist() == [name for name in many.index["source"] if name in names[:30]] != names[:30]


def test_parquet_keeps_its_order_and_its_key(tmp_path):
    labels = np.random.default_rng(0).permutation(np.repeat(list("abcd"), 10))
    path = write_parquet(tmp_path / "a.parquet", noise(40), label=labels)
    store = make_store(path, tmp_path / "store", 8)
    assert np.array_equal(store.pixels, noise(40)) and store.index["label"].tolist() == labels.tolist()
    assert find_source(path).key == sources_module.files_key([tmp_path / "a.parquet"])


def test_parquet_sorted_by_label_is_shuffled(tmp_path):
    files = [write_parquet(tmp_path / f"{k}.parquet", noise(40)[k::2], label=np.repeat(list("ab"), 10)) for k in (0, 1)]
    store = make_store(",".join(files), tmp_path / "store", 8)  # two shards, each sorted
    assert not _sorted_by_label(store.index) and len(store) == 40
    assert sorted(p.tobytes() for p in store.pixels) == sorted(p.tobytes() for p in noise(40))
    for pixels, label, sha in zip(store.pixels, store.index["label"], store.index["sha"], strict=True):
        assert sha == hashlib.sha256(pixels.tobytes()).hexdigest()[:32]
        place = [p.tobytes() for p in noise(40)].index(pixels.tobytes())
        assert label == "ab"[place // 2 // 10]
    assert make_store(",".join(files), tmp_path / "again", 8).fingerprint() == store.fingerprint()
    assert find_source(files[0]).key != sources_module.files_key([tmp_path / "0.parquet"])


def test_sorted_within_a_split_is_sorted():
    def frame(labels, splits):
        return pd.DataFrame({"label": labels, "split": splits})

    mixed = np.random.default_rng(1).permutation(np.repeat(list("abcd"), 25))
    assert _sorted_by_label(frame(np.sort(mixed), "train"))
    assert not _sorted_by_label(frame(mixed, "train"))
    assert _sorted_by_label(frame([*mixed, *np.sort(mixed)], ["train"] * 100 + ["val"] * 100))
    assert not _sorted_by_label(frame(["a"] * 50, "train")) and not _sorted_by_label(frame(list("abc"), "train"))


def test_splits_are_those_of_the_folders_or_of_the_names(tmp_path, scenes):
    names = [f"{'train' if i % 2 else 'test'}/{'abc'[i % 3]}/{i:03}.png" for i in range(40)]
    store = make_store(write_folder(tmp_path / "given", scenes, names), tmp_path / "one")
    assert store.index["split"].value_counts().to_dict() == {"train": 20, "test": 20}
    assert set(store.index["label"]) == set("abc")
    splits = pd.Series([_split_of(f"{i}.jpg") for i in range(4000)])
    shares = splits.value_counts(normalize=True)
    assert shares["train"] == pytest.approx(0.9, abs=0.02) and shares["val"] == pytest.approx(0.05, abs=0.02)
    assert _split_of("cat/1.jpg") == "train" and _split_of("cat/6.jpg") == _split_of("cat/6.jpg")
    overridden = make_store(str(tmp_path / "given"), tmp_path / "two", split="test")
    assert set(overridden.index["split"]) == {"test"}


def test_other_names_of_splits(tmp_path):
    folders = ["training", "Train", "valid", "validation", "val", "testing", "test"]
    names = [f"{folder}/x/{i}.png" for i, folder in enumerate(folders)]
    store = make_store(write_folder(tmp_path / "p", noise(7), names), tmp_path / "one", 8)
    assert store.index["split"].value_counts().to_dict() == {"train": 2, "val": 3, "test": 2}
    assert set(store.index["label"]) == {"x"}
    table = write_parquet(tmp_path / "a.parquet", noise(7), split=folders)
    assert make_store(table, tmp_path / "two", 8).index["split"].tolist() == [
        *["train"] * 2,
        *["val"] * 3,
        *["test"] * 2,
    ]


def test_train_and_val_never_hold_what_test_holds(tmp_path):
    pixels = noise(10)[[0, 1, 2, 3, 3, 0, 4, 1, 4, 5]]
    split = ["train"] * 5 + ["val"] * 2 + ["test"] * 3
    store = make_store(write_parquet(tmp_path / "a.parquet", pixels, split=split), tmp_path / "store", 8)
    assert store.index["split"].tolist() == ["train"] * 3 + ["val"] + ["test"] * 3  # equals within a split may stay
    assert np.array_equal(store.pixels, pixels[[2, 3, 4, 5, 7, 8, 9]])
    assert store.skipped["reason"].tolist() == [
        "duplicate: the same image is in split val",
        "duplicate: the same image is in split test",
        "duplicate: the same image is in split test",
    ]
    assert store.skipped["source"].str.split("/").str[-1].tolist() == ["0.png", "1.png", "6.png"]
    assert store.meta["skipped"] == {"duplicate": 3} and store.meta["n"] == 7


# ------------------------------------------------------------------------------------------------------------ Parquet


def test_an_image_may_have_several_labels(tmp_path):
    labels = [["sky"], ["sky", "sea"], [], None]
    store = make_store(write_parquet(tmp_path / "a.parquet", noise(4), label=labels), tmp_path / "store", 8)
    assert store.index["label"].tolist() == ["['sky']", "['sky', 'sea']", "[]", ""]


def test_a_folder_of_parquets_and_no_split_column(tmp_path, scenes):
    for shards in ("shards", "shards.parquet"):  # whatever its name
        (tmp_path / shards).mkdir()
        table = pd.DataFrame({"image": [{"bytes": encode(p), "path": None} for p in scenes]})
        table.to_parquet(tmp_path / shards / "x.parquet")
        store = make_store(str(tmp_path / shards), tmp_path / f"store-{shards}")
        assert len(store) == 40 and set(store.index["split"]) <= set(SPLITS)


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"image": [1, 2]}, "column 'image' is int64; expected binary"),
        ({"image": [{"path": "a"}, {"path": "b"}]}, "column 'image' is struct.*expected binary, or a struct with"),
        ({"split": [0, 1]}, "column 'split' is int64; expected text"),
        ({"source": [0, 1]}, "column 'source' is int64; expected text"),
        ({"split": ["train", "dev"]}, "split 'dev' is not possible; allowed: train, val, test, training"),
    ],
)
def test_foreign_parquet_is_refused_before_anything_is_read(tmp_path, columns, complaint):
    path = tmp_path / "a.parquet"
    pd.DataFrame({"image": [b"", b""]} | columns).to_parquet(path)
    with pytest.raises(ValueError, match=f"a.parquet: {complaint}"):
        find_source(str(path))


def test_parquet_of_other_things_is_refused(tmp_path):
    pd.DataFrame({"picture": [b""]}).to_parquet(tmp_path / "bad.parquet")
    with pytest.raises(ValueError, match="bad.parquet has no column 'image'.*picture"):
        find_source(str(tmp_path / "bad.parquet"))
    for content in (b"", b"garbage" * 100):
        (tmp_path / "bad.parquet").write_bytes(content)
        with pytest.raises(ValueError, match="bad.parquet cannot be read as Parquet"):
            find_source(str(tmp_path / "bad.parquet"))


def test_none_and_categories_are_fine_as_split_label_and_source(tmp_path):
    table = {"image": [encode(p) for p in noise(4)], "label": [None, 1.5, 2.5, 3.5], "source": None}
    pd.DataFrame(table | {"split": pd.Categorical(["train", "val", None, "test"])}).to_parquet(tmp_path / "a.parquet")
    store = make_store(str(tmp_path / "a.parquet"), tmp_path / "store", 8)
    assert store.index["split"].tolist() == ["train", "val", _split_of("a.parquet:2"), "test"]
    assert store.index["source"][3] == "a.parquet:3"


def test_damage_in_the_middle_is_named_and_leaves_nothing(tmp_path, scenes):
    path = tmp_path / "a.parquet"
    write_parquet(path, scenes)
    content = bytearray(path.read_bytes())
    content[2000:30000] = b"\x55" * 28000  # encoded images; label and split are whole
    path.write_bytes(content)
    with pytest.raises(ValueError, match="a.parquet cannot be read as Parquet; damaged"):
        make_store(str(path), tmp_path / "store")
    assert not (tmp_path / "store").exists() and not (tmp_path / ".store.part").exists()


def test_what_is_no_data_is_refused(tmp_path, scenes):
    (tmp_path / "notes.txt").write_text("no data")
    write_folder(tmp_path / "p", scenes[:1])
    parquet = write_parquet(tmp_path / "a.parquet", scenes[:1])
    for bad, message in [
        ("nowhere", "no such file"),
        ("x" * 5000, "no such file"),
        ("", "cannot read data ''"),
        (str(tmp_path / "notes.txt"), "cannot read data"),
        (f"{parquet},{tmp_path / 'p'}", "cannot read data"),
    ]:
        with pytest.raises(ValueError, match=message):
            find_source(bad)


# ------------------------------------------------------------------------------------------ synthetic, MiniPlaces, ...


def test_synthetic_store_can_be_regenerated(monkeypatch):
    monkeypatch.setattr(sources_module, "SYNTHETIC_SPLITS", {"train": (20, 0), "val": (4, 1), "test": (6, 2)})
    store = data.open_data("synthetic", 16, progress=False)
    assert len(store) == 30 and store.side == 16
    assert (store.pixels[store.rows("test")] == synthetic_scenes(6, 16, 2).pixels).all()


def make_kit(folder, scenes):
    names = [f"train/a/abbey/{i:08}.jpg" for i in range(1, 21)] + [f"train/b/bakery/shop/{i:08}.jpg" for i in range(10)]
    names += [f"val/{i:08}.jpg" for i in range(1, 6)] + ["test/00000001.jpg"]
    write_folder(folder, scenes[: len(names)], names)


def test_miniplaces_archive_through_the_whole_path(tmp_path, scenes, served, monkeypatch):
    make_kit(tmp_path / "kit" / "images", scenes)
    with tarfile.open(tmp_path / "data.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "kit" / "images", "images")
    content = (tmp_path / "data.tar.gz").read_bytes()
    served.files["/data.tar.gz"] = content
    monkeypatch.setattr(download_module, "MINIPLACES_URLS", (served.url + "/gone", served.url + "/data.tar.gz"))
    monkeypatch.setattr(download_module, "MINIPLACES_MD5", hashlib.md5(content).hexdigest())
    store = data.open_data("miniplaces", 32, progress=False)
    assert store.index["split"].value_counts().to_dict() == {"train": 27, "test": 5, "val": 3}
    assert store.index.groupby("split")["label"].value_counts()["val"].to_dict() == {"abbey": 2, "bakery/shop": 1}
    labels = store.index["label"][store.index["split"] == "train"]
    assert set(labels[:9]) == {"abbey", "bakery/shop"} and np.count_nonzero(labels != labels.shift()) > 4
    monkeypatch.setattr(download_module, "download", None)  # not called again
    assert data.open_data("miniplaces", 32, progress=False).path == store.path
    for source in (tmp_path / "data.tar.gz", tmp_path / "kit"):
        same = make_store(str(source), tmp_path / "from" / source.name)
        assert same.fingerprint() == store.fingerprint() and same.meta["kind"] == "miniplaces"
        assert same.index.equals(store.index)


def test_places365_through_torchvision(tmp_path, scenes, monkeypatch):
    places = pytest.importorskip("colorize_lib._compat").torchvision.datasets.Places365
    train = [f"/{'ab'[i // 15]}/{['abbey', 'bar'][i // 15]}/{i:08}.jpg" for i in range(30)]
    val = [f"Places365_val_{i:08}.jpg" for i in range(4)]
    write_folder(tmp_path / "data_256_standard", scenes[:30], [name[1:] for name in train])
    write_folder(tmp_path / "val_256", scenes[30:34], val)
    lists = {
        "categories_places365.txt": "/a/abbey 0\n/b/bar 1\n",
        "places365_train_standard.txt": "".join(f"{name} {i // 15}\n" for i, name in enumerate(train)),
        "places365_val.txt": "".join(f"{name} {i % 2}\n" for i, name in enumerate(val)),
    }
    for name, text in lists.items():
        (tmp_path / name).write_text(text)
    category, train_list, val_list = ((name, hashlib.md5(text.encode()).hexdigest()) for name, text in lists.items())
    monkeypatch.setattr(places, "_CATEGORIES_META", category)
    monkeypatch.setattr(places, "_FILE_LIST_META", {"train-standard": train_list, "val": val_list})
    with pytest.raises(ValueError, match="no such folder: .*places; make it to have Places365 downloaded there"):
        make_store(f"places365:{tmp_path}/places", tmp_path / "store")
    store = make_store(f"places365:{tmp_path}", tmp_path / "store")
    index = store.index.sort_values("source", ignore_index=True)
    drawn = [_split_of(f"data_256_standard{name}") == "train" for name in train]
    assert index["split"].tolist() == ["train" if yes else "val" for yes in drawn] + ["test"] * 4
    assert index["label"][:30].tolist() == ["abbey"] * 15 + ["bar"] * 15
    assert np.array_equal(store.pixels[store.index["source"].argsort()], scenes[:34])
    assert set(store.index["label"][:9]) == {"abbey", "bar"}
