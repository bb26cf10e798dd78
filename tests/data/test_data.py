"""Stores, sources, scenes and downloads; every picture is made here, every download comes from a loopback server."""

import hashlib
import http.server
import io
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from colorize_lib.color import lab_to_rgb, rgb_to_lab, to_unit
from colorize_lib.data import download as download_module
from colorize_lib.data import images as images_module
from colorize_lib.data import prepare as data
from colorize_lib.data import scenes as scenes_module
from colorize_lib.data import sources as sources_module
from colorize_lib.data.download import (
    MINIPLACES_MD5,
    MINIPLACES_URLS,
    RELEASED_URL,
    download,
    extract,
    released_weights,
)
from colorize_lib.data.images import _BUNDLED, bundled_photos, fit_square, list_images, read_image
from colorize_lib.data.scenes import _CLASS, SCENE_CLASSES, SceneClass, scene_conditional_mean, synthetic_scenes
from colorize_lib.data.sources import _split_of, find_source
from colorize_lib.data.store import SPLITS, Store
from colorize_lib.training.batches import batch_order


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("COLORIZE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(download_module, "RETRY_SECONDS", 0.0)


@pytest.fixture(scope="module")
def scenes():
    return synthetic_scenes(40, 32).pixels


def encode(pixels, form="PNG") -> bytes:
    Image.fromarray(pixels).save(file := io.BytesIO(), form)
    return file.getvalue()


def write_parquet(path, pixels, split="train", **columns):
    names = [f"{split}/{i}.png" for i in range(len(pixels))]
    table = {"image": [encode(p) for p in pixels], "label": "a", "source": names, "split": split}
    pd.DataFrame(table | columns).to_parquet(path)
    return str(path)


def write_folder(folder, pixels, names=None):
    for i, picture in enumerate(pixels):
        path = folder / (names[i] if names else f"{i:03}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(picture))
    return str(folder)


def make_store(source, out, side=32, **options):
    return data.prepare(source, out, side, progress=False, workers=1, **options)


# ---------------------------------------------------------------- store


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


def test_fingerprint_is_of_the_pictures_not_of_their_container(tmp_path, scenes):
    parquet = make_store(write_parquet(tmp_path / "a.parquet", scenes), tmp_path / "one")
    folder = make_store(write_folder(tmp_path / "pictures", scenes), tmp_path / "two")
    assert parquet.fingerprint() == folder.fingerprint() == parquet.meta["fingerprint"]
    assert len(parquet.fingerprint()) == 16 and int(parquet.fingerprint(), 16)
    rows = np.array([3, 1])
    assert parquet.fingerprint(rows) == folder.fingerprint(rows) != parquet.fingerprint(rows[::-1])


def test_a_folder_of_parquets_and_no_split_column(tmp_path, scenes):
    (tmp_path / "shards").mkdir()
    pd.DataFrame({"image": [{"bytes": encode(p), "path": None} for p in scenes]}).to_parquet(
        tmp_path / "shards" / "x.parquet"
    )
    store = make_store(str(tmp_path / "shards"), tmp_path / "store")
    assert len(store) == 40 and set(store.index["split"]) <= set(SPLITS)
    pd.DataFrame({"picture": [b""]}).to_parquet(tmp_path / "bad.parquet")
    with pytest.raises(ValueError, match="no column 'image'.*picture"):
        make_store(str(tmp_path / "bad.parquet"), tmp_path / "bad")


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


def test_unusable_pictures_are_left_out_and_listed(tmp_path, scenes, monkeypatch, capsys):
    folder = tmp_path / "pictures"
    write_folder(folder, scenes[:3])
    (folder / "broken.jpg").write_bytes(b"no picture at all")
    (folder / "cut.jpg").write_bytes(encode(scenes[0], "JPEG")[:300])
    (folder / "grey.png").write_bytes(encode(scenes[0][..., 1]))
    (folder / "huge.png").write_bytes(encode(np.zeros((110, 100, 3), np.uint8) + np.uint8([200, 20, 20])))
    (folder / "notes.txt").write_text("not a picture, not even looked at")
    monkeypatch.setattr(images_module, "MAX_PIXELS", 10_000)
    store = data.prepare(str(folder), tmp_path / "store", 32, workers=1)
    assert np.array_equal(store.pixels, scenes[:3])
    reasons = dict(zip(store.skipped["source"], store.skipped["reason"].str.split(":").str[0], strict=True))
    assert reasons == {
        "broken.jpg": "unreadable",
        "cut.jpg": "unreadable",
        "grey.png": "grey",
        "huge.png": "oversized",
    }
    assert "2 unreadable, 1 grey, 1 oversized" in capsys.readouterr().err
    assert len(make_store(str(folder), tmp_path / "grey", keep_grey=True)) == 4
    for path in [folder / "000.png", folder / "001.png", folder / "002.png"]:
        path.unlink()
    with pytest.raises(ValueError, match="no usable picture.*'grey': 1"):
        make_store(str(folder), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_the_cheap_grey_test_agrees_with_lab():
    rng = np.random.default_rng(0)
    base = rng.integers(0, 256, (300, 1, 1, 1))
    tint = rng.integers(-9, 10, (300, 1, 1, 3)) * rng.random((300, 1, 1, 1))
    pixels = (base + tint + rng.integers(-2, 3, (300, 16, 16, 3))).clip(0, 255).astype(np.uint8)
    decoded = np.empty_like(pixels)
    assert data._decode(list(pixels), decoded, keep_grey=True)[1] == [""] * 300
    assert np.array_equal(decoded, pixels)
    reasons = data._decode(list(pixels), decoded, keep_grey=False)[1]
    lab = rgb_to_lab(to_unit(torch.from_numpy(pixels)))
    chroma = lab[:, 1:].norm(dim=1).mean((1, 2))
    assert [bool(reason) for reason in reasons] == (chroma < data.GREY_CHROMA).tolist()
    assert 50 < sum(map(bool, reasons)) < 250


def test_other_sizes_are_cropped_and_shrunk(tmp_path):
    picture = np.zeros((64, 100, 3), np.uint8)
    picture[:, 18:50] = (200, 0, 0)  # left half of the central square
    picture[:, 50:82] = (0, 0, 200)
    store = make_store(write_folder(tmp_path / "p", [picture]), tmp_path / "store", 16)
    assert (store.pixels[0, :, :8] == (200, 0, 0)).all() and (store.pixels[0, :, 8:] == (0, 0, 200)).all()
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    halved = np.asarray(fit_square(Image.fromarray(noise), 16), float)
    assert abs(halved - noise.reshape(16, 2, 16, 2, 3).mean((1, 3))).max() <= 0.51
    assert fit_square(Image.fromarray(noise), 24).size == (24, 24)


def test_a_finished_store_is_reused_and_never_overwritten(tmp_path, scenes):
    source = write_parquet(tmp_path / "a.parquet", scenes)
    store = make_store(source, tmp_path / "store")
    stamp = (store.path / "pixels.npy").stat().st_mtime_ns
    assert make_store(source, tmp_path / "store").fingerprint() == store.fingerprint()
    assert (store.path / "pixels.npy").stat().st_mtime_ns == stamp
    other = write_parquet(tmp_path / "b.parquet", scenes[:5])
    with pytest.raises(ValueError, match="other files or settings"):
        make_store(other, tmp_path / "store")
    with pytest.raises(ValueError, match="finished store already"):
        make_store(str(store.path), tmp_path / "again")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(ValueError, match="not a store"):
        make_store(other, tmp_path / "mine")
    assert sorted(p.name for p in tmp_path.iterdir() if "part" in p.name) == []


def test_an_error_on_the_way_leaves_nothing(tmp_path, scenes, monkeypatch):
    source = write_parquet(tmp_path / "a.parquet", scenes)

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(data, "_awaited", interrupt)
    with pytest.raises(KeyboardInterrupt):
        make_store(source, tmp_path / "store")
    assert [p.name for p in tmp_path.iterdir() if "store" in p.name] == [".store.lock"]


SLOW_PREPARE = """
import sys, time
from colorize_lib.data import prepare as data
data._mark_grey = lambda *rest: (print("going", flush=True), time.sleep(60))
data.prepare(sys.argv[1], sys.argv[2], 32, workers=1, progress=False)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kills a forked process tree")
def test_a_killed_run_leaves_nothing_valid_and_does_not_block_the_next(tmp_path, scenes):
    source = write_parquet(tmp_path / "a.parquet", scenes)
    command = [sys.executable, "-c", SLOW_PREPARE, source, str(tmp_path / "store")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout.readline() == "going\n"
        os.kill(run.pid, signal.SIGKILL)
        run.stdout.close()
    assert (tmp_path / ".store.part").exists() and not (tmp_path / "store").exists()
    start = time.monotonic()
    assert len(make_store(source, tmp_path / "store")) == 40
    assert time.monotonic() - start < 10 and not (tmp_path / ".store.part").exists()


def test_damaged_and_foreign_folders_are_refused(tmp_path, scenes):
    store = make_store(write_parquet(tmp_path / "a.parquet", scenes), tmp_path / "store")
    with pytest.raises(ValueError, match="not a finished store"):
        Store(tmp_path)
    store.index[:-1].to_parquet(store.path / "index.parquet")
    with pytest.raises(ValueError, match="damaged"):
        Store(store.path)
    for bad, message in [
        ("nowhere", "no such file"),
        ("", "cannot read data ''"),
        (str(tmp_path / "store" / "store.json"), "cannot read data"),
    ]:
        with pytest.raises(ValueError, match=message):
            find_source(bad)
    with pytest.raises(ValueError, match="multiple of 8, got 20"):
        make_store("synthetic", tmp_path / "x", 20)
    with pytest.raises(ValueError, match="split must be one of train, val, test or None, got 'dev'"):
        make_store("synthetic", tmp_path / "x", split="dev")


def test_open_data_prepares_once(tmp_path, scenes, monkeypatch):
    source = write_parquet(tmp_path / "a.parquet", scenes)
    store = data.open_data(source, 32, progress=False)
    assert store.path.is_relative_to(tmp_path / "cache") and len(store) == 40
    with pytest.raises(ValueError, match="no such file"):
        data.open_data(",".join(f"shard-{i:03}.parquet" for i in range(40)), 32)
    monkeypatch.setattr(data, "_make_store", None)  # not called again
    assert data.open_data(source, 32, progress=False).path == store.path
    assert data.open_data(str(store.path), 32).path == store.path
    assert data.open_data(store.path, 16).side == 32
    with pytest.raises(ValueError, match="32 px, smaller than the 64 px"):
        data.open_data(str(store.path), 64)


def test_open_data_notices_changed_files(tmp_path, scenes):
    source = write_parquet(tmp_path / "a.parquet", scenes)
    before = data.open_data(source, 32, progress=False)
    write_parquet(tmp_path / "a.parquet", scenes[:7])
    assert len(data.open_data(source, 32, progress=False)) == 7 != len(before)


def test_batch_order_depends_on_seed_and_epoch_only():
    order = batch_order(1000, 3, 5)
    assert sorted(order) == list(range(1000))
    assert (order == batch_order(1000, 3, 5)).all()
    assert (order != batch_order(1000, 3, 6)).any() and (order != batch_order(1000, 4, 5)).any()
    assert batch_order(6, 0, 0).tolist() == np.random.default_rng([0, 0]).permutation(6).tolist()


# ---------------------------------------------------------------- pictures


def test_read_picture_of_every_kind(tmp_path):
    ramp = np.linspace(0, 65535, 12).reshape(3, 4).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    read = read_image(tmp_path / "deep.png")
    assert read.shape == (3, 4, 3) and abs(read[..., 0] - ramp / 257).max() <= 0.5
    Image.fromarray((ramp / 65535).astype(np.float32)).save(tmp_path / "float.tif")
    assert np.array_equal(read_image(tmp_path / "float.tif"), read)
    Image.new("RGBA", (4, 3), (255, 0, 0, 128)).save(tmp_path / "alpha.png")
    assert abs(read_image(tmp_path / "alpha.png")[0, 0].astype(int) - (255, 127, 127)).max() <= 1
    Image.new("RGB", (4, 3), (0, 90, 200)).quantize(4).save(tmp_path / "palette.gif")
    assert read_image(tmp_path / "palette.gif")[0, 0].tolist() == [0, 90, 200]
    Image.new("CMYK", (4, 3), (0, 255, 255, 0)).save(tmp_path / "ink.jpg")
    assert read_image(tmp_path / "ink.jpg")[0, 0, 0] > 200
    exif = Image.Exif()
    exif[0x0112] = 6  # held upright: turn by 90 degrees
    Image.new("RGB", (40, 30)).save(tmp_path / "turned.jpg", exif=exif)
    assert read_image(tmp_path / "turned.jpg").shape == (40, 30, 3)
    with pytest.raises(ValueError, match="unreadable"):
        read_image(tmp_path / "absent.png")


def test_list_pictures(tmp_path, scenes):
    write_folder(tmp_path / "p", scenes[:3], ["b/1.png", "a.PNG", "b/.hidden.png"])
    assert [p.name for p in list_images(tmp_path / "p")] == ["a.PNG", "1.png"]
    single = tmp_path / "p" / "b" / "1.png"
    assert list_images([single, tmp_path / "p"])[0] == single
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no pictures in"):
        list_images(tmp_path / "empty")
    with pytest.raises(ValueError, match="no such file"):
        list_images([tmp_path / "absent"])


def test_bundled_photos_are_installed():
    photos = bundled_photos()
    assert {"astronaut", "chelsea", "coffee", "rocket"} <= set(photos)
    assert list(photos) == [name for name in _BUNDLED if name in photos]
    for photo in photos.values():
        assert photo.dtype == np.uint8 and photo.ndim == 3 and photo.shape[2] == 3 and min(photo.shape[:2]) >= 256


# ---------------------------------------------------------------- synthetic scenes


def test_scene_colours_are_displayable_and_as_stated():
    scenes = synthetic_scenes(256, 32, seed=1)
    lab = rgb_to_lab(to_unit(torch.from_numpy(scenes.pixels))).movedim(1, -1).numpy()
    for number, kind in enumerate(SCENE_CLASSES):
        there = lab[scenes.classes == number]
        assert len(there) > 100, kind.name
        assert abs(there[:, 0] - kind.lightness).max() < kind.amplitude + 0.5
        errors = np.linalg.norm(there[:, None, 1:] - np.array(kind.colours), axis=-1)
        assert errors.min(1).max() < 1, kind.name
        for ab in kind.colours:
            for L in np.linspace(kind.lightness - kind.amplitude, kind.lightness + kind.amplitude, 9):
                rgb = lab_to_rgb(torch.tensor([L, *ab])[:, None, None])
                assert rgb.min() >= 0 and rgb.max() <= 1, (kind.name, ab, L)


def test_lightness_does_not_depend_on_the_colours_drawn(monkeypatch):
    scenes = synthetic_scenes(64, 32)
    swapped = tuple(
        SceneClass(k.name, k.lightness, k.amplitude, k.colours[::-1], k.probabilities) for k in SCENE_CLASSES
    )
    monkeypatch.setattr(scenes_module, "SCENE_CLASSES", swapped)
    other = synthetic_scenes(64, 32)
    assert (scenes.classes == other.classes).all() and (scenes.pixels != other.pixels).any()
    lightness = [rgb_to_lab(to_unit(torch.from_numpy(s.pixels)))[:, 0] for s in (scenes, other)]
    assert (lightness[0] - lightness[1]).abs().max() < 0.7  # both were rounded to 8 bits


def test_scene_frequencies_and_closed_form():
    means = scene_conditional_mean()
    assert means.shape == (len(SCENE_CLASSES), 2)
    scenes = synthetic_scenes(1500, 16, seed=2)
    lab = rgb_to_lab(to_unit(torch.from_numpy(scenes.pixels))).movedim(1, -1).numpy()
    for number, kind in enumerate(SCENE_CLASSES):
        assert sum(kind.probabilities) == pytest.approx(1) and len(kind.probabilities) == len(kind.colours)
        assert np.linalg.norm(kind.mean) <= kind.mean_chroma + 1e-9
        there = scenes.classes == number
        ab = lab[there][:, 1:]
        spread = kind.mean_chroma / np.sqrt(there.any((1, 2)).sum())  # about one standard error over objects
        assert np.linalg.norm(ab.mean(0) - means[number]) < 4 * spread + 1, kind.name
    ball = SCENE_CLASSES[_CLASS["ball"]]
    assert np.linalg.norm(ball.mean) < 0.5 * ball.mean_chroma  # the case the book turns on: averaging greys


def test_scenes_are_reproducible():
    few, many = synthetic_scenes(5, 32, seed=4), synthetic_scenes(300, 32, seed=4)
    assert (few.pixels == many.pixels[:5]).all() and (few.classes == many.classes[:5]).all()
    assert (few.pixels != synthetic_scenes(5, 32, seed=5).pixels).any()
    assert few.pixels.shape == (5, 32, 32, 3) and few.classes.shape == (5, 32, 32)
    with pytest.raises(ValueError, match="side=8"):
        synthetic_scenes(3, 8)


def test_synthetic_store_can_be_regenerated(monkeypatch):
    monkeypatch.setattr(sources_module, "SYNTHETIC_SPLITS", {"train": (20, 0), "val": (4, 1), "test": (6, 2)})
    store = data.open_data("synthetic", 16, progress=False)
    assert len(store) == 30 and store.side == 16
    assert (store.pixels[store.rows("test")] == synthetic_scenes(6, 16, 2).pixels).all()


# ---------------------------------------------------------------- MiniPlaces and Places365


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
    monkeypatch.setattr(download_module, "download", None)  # not called again
    assert data.open_data("miniplaces", 32, progress=False).path == store.path
    for source in (tmp_path / "data.tar.gz", tmp_path / "kit"):
        same = make_store(str(source), tmp_path / "from" / source.name)
        assert same.fingerprint() == store.fingerprint() and same.meta["kind"] == "miniplaces"
        assert same.index.equals(store.index)


def test_places365_through_torchvision(tmp_path, scenes, monkeypatch):
    places = pytest.importorskip("colorize_lib._compat").torchvision.datasets.Places365
    train = [f"/{'ab'[i % 2]}/{['abbey', 'bar'][i % 2]}/{i:08}.jpg" for i in range(30)]
    val = [f"Places365_val_{i:08}.jpg" for i in range(4)]
    write_folder(tmp_path / "data_256_standard", scenes[:30], [name[1:] for name in train])
    write_folder(tmp_path / "val_256", scenes[30:34], val)
    lists = {
        "categories_places365.txt": "/a/abbey 0\n/b/bar 1\n",
        "places365_train_standard.txt": "".join(f"{name} {i % 2}\n" for i, name in enumerate(train)),
        "places365_val.txt": "".join(f"{name} {i % 2}\n" for i, name in enumerate(val)),
    }
    for name, text in lists.items():
        (tmp_path / name).write_text(text)
    category, train_list, val_list = ((name, hashlib.md5(text.encode()).hexdigest()) for name, text in lists.items())
    monkeypatch.setattr(places, "_CATEGORIES_META", category)
    monkeypatch.setattr(places, "_FILE_LIST_META", {"train-standard": train_list, "val": val_list})
    store = make_store(f"places365:{tmp_path}", tmp_path / "store")
    drawn = [_split_of(f"data_256_standard{name}") == "train" for name in train]
    assert store.index["split"].tolist() == ["train" if yes else "val" for yes in drawn] + ["test"] * 4
    assert store.index["label"][:2].tolist() == ["abbey", "bar"]
    assert np.array_equal(store.pixels, scenes[:34])


# ---------------------------------------------------------------- downloads


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves bytes with ranges; breaks the connection after `cut` bytes as often as `cuts` says."""

    def do_GET(self):
        log = self.server
        content = log.files.get(self.path)
        asked = self.headers.get("Range")
        log.requests.append((self.path, asked))
        if content is None:
            return self.send_error(404)
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and log.ranges else 0
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            return self.end_headers()
        self.send_response(206 if asked and log.ranges else 200)
        if asked and log.ranges:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        body = content[start:]
        if log.cuts > 0:
            log.cuts -= 1
            body = body[: log.cut]
        self.wfile.write(body)

    def log_message(self, *_): ...


@pytest.fixture
def served():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.files, server.requests, server.ranges, server.cuts, server.cut = {}, [], True, 0, 40_000
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


CONTENT = np.random.default_rng(0).bytes(100_000)
SHA = hashlib.sha256(CONTENT).hexdigest()


def fetch(served, name="file", path="/file", **options):
    return download(served.url + path, name, progress=False, **options)


def test_download_resumes_after_interruptions(served):
    served.files["/file"], served.cuts = CONTENT, 2
    assert fetch(served).read_bytes() == CONTENT  # no hash: goes on within the call
    assert [asked for _, asked in served.requests] == [None, "bytes=40000-", "bytes=80000-"]


def test_download_resumes_in_a_later_call_where_the_hash_is_known(served, tmp_path):
    served.files["/file"], served.cuts = CONTENT, 4
    served.cut = 10_000
    with pytest.raises(OSError, match="closed before the file was whole"):
        fetch(served, sha256=SHA)
    assert not (tmp_path / "cache" / "downloads" / "file").exists()
    assert fetch(served, sha256=SHA).read_bytes() == CONTENT
    assert served.requests[-1] == ("/file", "bytes=40000-")
    fetch(served, sha256=SHA)
    assert len(served.requests) == 5  # the finished file is checked, not downloaded


def test_download_from_a_server_without_ranges(served):
    served.files["/file"], served.cuts, served.ranges = CONTENT, 1, False
    assert fetch(served, sha256=SHA).read_bytes() == CONTENT


@pytest.mark.parametrize("partial", [CONTENT, CONTENT + b"more", b"another file, longer" * 9000])
def test_download_with_a_partial_file_that_is_not_shorter(served, tmp_path, partial):
    served.files["/file"] = CONTENT
    (tmp_path / "file.part").write_bytes(partial)
    assert fetch(served, sha256=SHA, folder=tmp_path).read_bytes() == CONTENT


def test_a_wrong_hash_is_refused(served, tmp_path):
    served.files["/file"] = b"something else"
    found = hashlib.sha256(b"something else").hexdigest()
    with pytest.raises(OSError, match=f"(?s){found}.*{SHA}.*refused"):
        fetch(served, sha256=SHA, folder=tmp_path)
    assert not (tmp_path / "file").exists() and not (tmp_path / "file.part").exists()
    assert (tmp_path / "file.refused").read_bytes() == b"something else"
    (tmp_path / "file").write_bytes(b"damaged since")  # a cached file is checked as well, and fetched again
    served.files["/file"] = CONTENT
    assert fetch(served, sha256=SHA, md5=hashlib.md5(CONTENT).hexdigest(), folder=tmp_path).read_bytes() == CONTENT


def test_mirrors_are_tried_in_turn(served, tmp_path):
    served.files |= {"/wrong": b"a login page", "/file": CONTENT}
    urls = ["http://127.0.0.1:9/file", "file:///etc/hostname", served.url + "/gone", served.url + "/wrong"]
    assert download([*urls, served.url + "/file"], "file", SHA, progress=False).read_bytes() == CONTENT
    with pytest.raises(OSError, match="(?s)refused.*only http.*404") as error:
        download(urls[:3], "other", progress=False)
    assert str(error.value).count("\n") == 3


def test_released_weights_are_checked_by_the_digits_in_their_name(served, tmp_path, monkeypatch):
    served.files["/net-9b330a0b.pth"] = served.files[f"/net-{SHA[:8]}.pth"] = CONTENT
    monkeypatch.setattr(download_module, "RELEASED_URL", f"{served.url}/net-{SHA[:8]}.pth")
    assert released_weights(tmp_path).name == f"net-{SHA[:8]}.pth"
    monkeypatch.setattr(download_module, "RELEASED_URL", f"{served.url}/net-9b330a0b.pth")
    with pytest.raises(OSError, match="expected 9b330a0b"):
        released_weights(tmp_path)


def test_the_real_addresses():
    assert RELEASED_URL.endswith("colorization_release_v2-9b330a0b.pth") and len(MINIPLACES_MD5) == 32
    assert all(url.endswith("data.tar.gz") for url in MINIPLACES_URLS)


def tar_with(path, *members):
    with tarfile.open(path, "w:gz") as tar:
        for name, kind, link in [("good.txt", tarfile.REGTYPE, ""), *members]:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, link
            tar.addfile(member, io.BytesIO())
    return path


@pytest.mark.parametrize(
    "member",
    [
        ("../evil.txt", tarfile.REGTYPE, ""),
        ("a/../../evil.txt", tarfile.REGTYPE, ""),
        ("/tmp/evil.txt", tarfile.REGTYPE, ""),
        ("link", tarfile.SYMTYPE, "../../outside"),
        ("link", tarfile.SYMTYPE, "/etc/passwd"),
        ("hard", tarfile.LNKTYPE, "../outside"),
        ("pipe", tarfile.FIFOTYPE, ""),
    ],
)
def test_unsafe_archives_are_refused(tmp_path, member):
    archive = tar_with(tmp_path / "bad.tar.gz", member)
    with pytest.raises(ValueError, match="was refused"):
        extract(archive, tmp_path / "out" / "deep")
    assert not (tmp_path / "out" / "deep").exists() and not list(tmp_path.rglob("evil.txt"))


def test_damaged_archives_are_refused_and_good_ones_unpacked_once(tmp_path, scenes):
    write_folder(tmp_path / "p", scenes[:4])
    with tarfile.open(tmp_path / "good.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "p", "p")
    folder = extract(tmp_path / "good.tar.gz")
    assert len(list_images(folder)) == 4 and extract(tmp_path / "good.tar.gz") == folder
    (tmp_path / "cut.tar.gz").write_bytes((tmp_path / "good.tar.gz").read_bytes()[:2000])
    with pytest.raises(ValueError, match="was refused"):
        extract(tmp_path / "cut.tar.gz")
    (tmp_path / "page.tar.gz").write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match="was refused"):
        extract(tmp_path / "page.tar.gz")
