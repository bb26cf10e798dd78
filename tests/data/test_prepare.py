"""Preparing: what is left out, interruption and killing, and finding what was prepared before."""

import multiprocessing
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from making import encode, make_store, write_folder, write_parquet

from colorize_lib.color import rgb_to_lab, to_unit
from colorize_lib.data import images as images_module
from colorize_lib.data import prepare as data


def test_an_image_that_may_not_be_read_is_left_out_and_other_trouble_is_told(monkeypatch):
    refused = {"locked.jpg": PermissionError(13, "Permission denied", "locked.jpg"), "x.jpg": OSError(24, "too many")}

    def refuse(path):
        raise refused[path]

    monkeypatch.setattr(data, "open_image", refuse)
    assert data._decode(["locked.jpg"], 32, keep_grey=True)[2] == ["not allowed: locked.jpg"]
    with pytest.raises(OSError, match="too many"):
        data._decode(["x.jpg"], 32, keep_grey=True)


def test_unusable_images_are_left_out_and_listed(tmp_path, scenes, monkeypatch, capsys):
    folder = tmp_path / "images"
    write_folder(folder, scenes[:3])
    (folder / "broken.jpg").write_bytes(b"no image at all")
    (folder / "cut.jpg").write_bytes(encode(scenes[0], "JPEG")[:300])
    (folder / "grey.png").write_bytes(encode(scenes[0][..., 1]))
    (folder / "huge.png").write_bytes(encode(np.zeros((110, 100, 3), np.uint8) + np.uint8([200, 20, 20])))
    (folder / "notes.txt").write_text("not an image, not even looked at")
    monkeypatch.setattr(images_module, "MAX_PIXELS", 10_000)
    store = data.prepare(str(folder), tmp_path / "store", 32, workers=1)
    assert np.array_equal(store.pixels[store.index["source"].argsort()], scenes[:3])
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
    with pytest.raises(
        ValueError, match="no usable image; left out: 2 unreadable, 1 grey, 1 oversized; the first, .*: "
    ):
        make_store(str(folder), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_the_cheap_grey_test_agrees_with_lab():
    rng = np.random.default_rng(0)
    base = rng.integers(0, 256, (300, 1, 1, 1))
    tint = rng.integers(-9, 10, (300, 1, 1, 3)) * rng.random((300, 1, 1, 1))
    pixels = (base + tint + rng.integers(-2, 3, (300, 16, 16, 3))).clip(0, 255).astype(np.uint8)
    decoded, shas, reasons = data._decode(list(pixels), 16, keep_grey=True)
    assert np.array_equal(decoded, pixels) and all(shas) and reasons == [""] * 300
    decoded, _, reasons = data._decode(list(pixels), 16, keep_grey=False)
    assert np.array_equal(decoded, pixels[[not reason for reason in reasons]])
    lab = rgb_to_lab(to_unit(torch.from_numpy(pixels)))
    chroma = lab[:, 1:].norm(dim=1).mean((1, 2))
    assert [bool(reason) for reason in reasons] == (chroma < data.GREY_CHROMA).tolist()
    assert 50 < sum(map(bool, reasons)) < 250


def test_a_finished_store_is_reused_and_never_overwritten(tmp_path, scenes):
    source = write_parquet(tmp_path / "a.parquet", scenes)
    store = make_store(source, tmp_path / "store")
    stamp = (store.path / "pixels.npy").stat().st_mtime_ns
    assert make_store(source, tmp_path / "store").fingerprint() == store.fingerprint()
    assert (store.path / "pixels.npy").stat().st_mtime_ns == stamp
    other = write_parquet(tmp_path / "b.parquet", scenes[:5])
    with pytest.raises(ValueError, match="other files or settings"):
        make_store(other, tmp_path / "store")
    pq.write_table(pq.read_table(tmp_path / "a.parquet").slice(0, 0), tmp_path / "none.parquet")
    with pytest.raises(ValueError, match="there is not a single image in what was given"):
        make_store(str(tmp_path / "none.parquet"), tmp_path / "none")
    with pytest.raises(ValueError, match="finished store already; give it as it is"):
        make_store(str(store.path), tmp_path / "again")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(ValueError, match="not a store"):
        make_store(other, tmp_path / "mine")
    assert sorted(p.name for p in tmp_path.iterdir() if "part" in p.name) == []


def interrupted(monkeypatch, where: str, source, out: Path) -> Path:
    """Interrupt the making of a store where a function of `prepare` is called; returns the folder that is left."""

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(data, where, interrupt)
        with pytest.raises(KeyboardInterrupt):
            make_store(source, out)
    assert not out.exists()
    (left,) = out.parent.glob(f".{out.name}.*.part")
    return left


def same_store(one, other) -> bool:
    files = [sorted(path.name for path in store.path.iterdir()) for store in (one, other)]
    return files[0] == files[1] and all(
        (one.path / name).read_bytes() == (other.path / name).read_bytes() for name in files[0]
    )


def test_an_interrupted_run_goes_on_where_it_was(tmp_path, scenes, monkeypatch, capsys):
    monkeypatch.setattr(data, "CHUNK", 8)
    folder = tmp_path / "images"
    write_folder(folder, scenes)
    (folder / "broken.jpg").write_bytes(b"no image at all")
    whole = make_store(str(folder), tmp_path / "whole")
    left = interrupted(monkeypatch, "_arrange", str(folder), tmp_path / "store")
    rows, pixels = (left / data.ROWS).read_text().splitlines(keepends=True), (left / data.DECODED).read_bytes()
    for done, torn in ((41, ""), (16, rows[16][:20]), (0, rows[0][:5])):
        (left / data.ROWS).write_text("".join(rows[:done]) + torn)
        (left / data.DECODED).write_bytes(pixels[: -1 if torn else None])  # pixels of a row that was not written whole
        with monkeypatch.context() as patch:
            if not torn:
                patch.setattr(data, "_decode", None)  # nothing is left to decode
            store = data.prepare(str(folder), tmp_path / "store", 32, workers=1)
        assert same_store(store, whole) and not left.exists()
        assert f"{done} of 41 images" in capsys.readouterr().err
        shutil.rmtree(store.path)
        left.mkdir()


def test_what_is_left_of_another_source_is_not_taken_for_this_one(tmp_path, scenes, monkeypatch):
    sources = [write_parquet(tmp_path / f"{n}.parquet", scenes[:n]) for n in (5, 9)]
    interrupted(monkeypatch, "_arrange", sources[0], tmp_path / "store")
    assert len(make_store(sources[1], tmp_path / "store")) == 9


def test_a_run_that_was_stopped_at_its_end_begins_anew(tmp_path, scenes, monkeypatch):
    source = write_parquet(tmp_path / "a.parquet", scenes)
    left = interrupted(monkeypatch, "fingerprint_of", source, tmp_path / "store")
    assert not (left / data.DECODED).exists(), "it has its final name by then"
    assert same_store(make_store(source, tmp_path / "store"), make_store(source, tmp_path / "whole"))


def prepare_for_ever(source, out, pipe):
    data._mark_grey = lambda *_: (pipe.send("going"), time.sleep(600))
    make_store(source, out)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="kills a forked process tree")
def test_a_killed_run_leaves_nothing_valid_and_does_not_block_the_next(tmp_path, scenes):
    source, fork = write_parquet(tmp_path / "a.parquet", scenes), multiprocessing.get_context("fork")
    heard, pipe = fork.Pipe(duplex=False)
    run = fork.Process(target=prepare_for_ever, args=(source, tmp_path / "store", pipe))
    run.start()
    assert heard.poll(120) and heard.recv() == "going"
    run.kill()
    run.join()
    assert len(list(tmp_path.glob(".store.*.part"))) == 1 and not (tmp_path / "store").exists()
    assert len(make_store(source, tmp_path / "store")) == 40  # the worker that is left does not hold the lock for ever
    assert not list(tmp_path.glob(".store.*.part"))


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


@pytest.mark.parametrize("side", [0, -8, 20, 4104, 99999999992])
def test_impossible_sides_are_refused(tmp_path, side):
    with pytest.raises(ValueError, match=f"side must be a multiple of 8 from 8 to 4096, got {side}"):
        make_store("synthetic", tmp_path / "x", side)
    with pytest.raises(ValueError, match="split must be one of train, val, test or None, got 'dev'"):
        make_store("synthetic", tmp_path / "x", split="dev")


def test_a_finished_store_opens_where_nothing_can_be_written(tmp_path, scenes, monkeypatch):
    source = write_parquet(tmp_path / "a.parquet", scenes)
    store = make_store(source, tmp_path / "media" / "store")
    (tmp_path / "media" / ".store.lock").unlink()

    def read_only(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(data.atomic_dir.__wrapped__.__globals__["FileLock"], "acquire", read_only)
    assert make_store(source, tmp_path / "media" / "store").fingerprint() == store.fingerprint()
    assert [p.name for p in (tmp_path / "media").iterdir()] == ["store"]


def test_open_data_notices_changed_files(tmp_path, scenes):
    source = write_parquet(tmp_path / "a.parquet", scenes)
    before = data.open_data(source, 32, progress=False)
    write_parquet(tmp_path / "a.parquet", scenes[:7])
    assert len(data.open_data(source, 32, progress=False)) == 7 != len(before)
