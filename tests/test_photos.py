"""Files in, files out: nothing is lost, nothing overwritten, and one image's trouble is not the others'."""

from __future__ import annotations

import errno
import os

import numpy as np
import pytest
import torch
from PIL import Image

from colorize_lib.colorizer import Colorizer
from colorize_lib.photos import colorize_files, plan


@pytest.fixture
def album(tmp_path, monkeypatch):
    """The current folder, with images of all kinds of names."""
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 30, 3), dtype=np.uint8))
    for name in ("alb/a.png", "alb/b.jpg", "alb/deep/a.jpg", "more/b.jpg", "more/b.png", "c.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        image.save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def red(monkeypatch):
    """A network that paints everything red, or runs out of something where `trouble` says so."""

    class Red(Colorizer):
        def __init__(self):
            self.trouble = []

    def paint(self, image, readout=None, gain=1.0):
        if self.trouble and (error := self.trouble.pop(0)):
            raise error
        return np.broadcast_to(np.array([255, 0, 0], np.uint8), image.shape)

    monkeypatch.setattr(Colorizer, "photo", paint)
    return Red()


def targets(*args, **options) -> list[str]:
    return [target.as_posix() for _, target in plan(*args, **options)]


def test_paths_below_a_folder_are_mirrored_and_equal_names_numbered(album):
    assert targets(["alb", "more", "c.jpg"], "out") == [
        "out/a.png", "out/b.png", "out/deep/a.png", "out/b-2.png", "out/b-3.png", "out/c.png",
    ]  # fmt: skip
    os.rename("c.jpg", "b-2.jpg")
    assert targets(["more", "b-2.jpg"], "out") == ["out/b.png", "out/b-3.png", "out/b-2.png"]


def test_one_image_by_two_names_is_colorized_once(album):
    os.symlink("c.jpg", "d.jpg")
    os.link("c.jpg", "e.jpg")
    assert targets(["c.jpg", "./c.jpg", "d.jpg", "e.jpg", "alb", "alb/deep"], "out")[0] == "out/c.png"
    assert len(plan(["c.jpg", "d.jpg", "e.jpg", "alb", "alb/deep"], "out")) == 4


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_input_is_never_overwritten(album, overwrite):
    for inputs, out in ((["alb"], "alb"), (["alb/a.png"], "alb"), (["c.jpg", "alb/a.png"], "./alb/../alb")):
        with pytest.raises(ValueError, match="alb/a.png is one of the images to colorize and is not overwritten"):
            plan(inputs, out, overwrite)
    os.mkdir("links")
    os.link("c.jpg", "links/c.png")  # the original under another name
    with pytest.raises(ValueError, match="links/c.png is one of the images"):
        plan(["c.jpg"], "links", overwrite)


def test_a_file_that_exists_is_replaced_only_on_demand(album, red):
    jobs = plan(["alb"], "out")
    assert colorize_files(red, jobs) == 0
    with pytest.raises(ValueError, match="out/a.png exists; give another --out, or --overwrite"):
        plan(["alb"], "out")
    assert plan(["alb"], "out", overwrite=True) == jobs
    os.mkdir("alb/made")
    os.rename("out/a.png", "alb/made/a.png")
    assert targets(["alb"], "alb/made", overwrite=True)[0] == "alb/made/a.png", "not alb/made/made/a.png"
    os.makedirs("out2/c.png")
    with pytest.raises(ValueError, match="out2/c.png, where c.jpg is to be written, is a folder"):
        plan(["c.jpg"], "out2", overwrite=True)


def test_what_is_not_there_is_an_error_before_anything_is_done(album):
    with pytest.raises(ValueError, match="no such file or folder: lost.jpg"):
        plan(["c.jpg", "lost.jpg"], "out")
    os.mkdir("none")
    with pytest.raises(ValueError, match="in none"):
        plan(["c.jpg", "none"], "out")
    with pytest.raises(ValueError, match="all images found lie in none/out"):
        os.makedirs("none/out")
        os.rename("c.jpg", "none/out/c.jpg")
        plan(["none"], "none/out")


def test_where_nothing_can_be_written_is_told_before_anything_is_done(album, monkeypatch):
    with pytest.raises(ValueError, match="c.jpg is a file; give a folder that can be written to"):
        plan(["alb"], "c.jpg/out")
    monkeypatch.setattr("os.access", lambda path, mode: str(path) != "alb")  # the system lets root do all
    with pytest.raises(ValueError, match="the folder alb cannot be written to; give another one"):
        plan(["c.jpg"], "alb/out")


def test_a_folder_below_the_one_to_write_to_is_read_all_the_same(album):
    assert targets(["more"], ".") == ["b.png", "b-2.png"]


def test_files_are_written_whole_and_the_rest_is_listed(album, red):
    (album / "alb/broken.jpg").write_bytes(b"no image")
    Image.new("RGB", (400, 2)).save("alb/thin.png")
    done, told = [], []
    assert colorize_files(red, plan(["alb", "more"], "out"), log=done.append, warn=told.append) == 1
    assert sorted(p.relative_to(album / "out").as_posix() for p in (album / "out").rglob("*.*")) == [
        "a.png", "b-2.png", "b-3.png", "b.png", "deep/a.png", "thin.png",
    ]  # fmt: skip
    assert len(done) == 6 and "more/b.png -> out/b-3.png" in done
    assert told[0].startswith("skipped alb/broken.jpg: unreadable") and len(told) == 2
    assert told[1] == "alb/thin.png: 400 x 2 pixels; the network sees it squeezed"
    assert (np.asarray(Image.open("out/a.png")) == [255, 0, 0]).all()


def test_side_by_side(album, red):
    assert colorize_files(red, plan(["c.jpg"], "out"), side_by_side=True) == 0
    result = np.asarray(Image.open("out/c.png"))
    assert result.shape == (20, 60, 3)
    assert np.ptp(result[:, :30].astype(int), axis=-1).max() <= 1 and np.ptp(result[:, :30]) > 100, "grey, not black"
    assert (result[:, 30:] == [255, 0, 0]).all()


def test_out_of_memory_and_disk_cost_one_image_each(album, red, monkeypatch):
    red.trouble = [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate memory: you tried ..."),
    ]
    save, full = Image.Image.save, [OSError(errno.ENOSPC, "No space left on device")]

    def save_some(image, path, kind, **options):
        save(image, path, kind, **options)  # the file is there
        if full:
            raise full.pop()

    monkeypatch.setattr(Image.Image, "save", save_some)
    told = []
    assert colorize_files(red, plan(["alb", "more"], "out"), warn=told.append) == 4
    assert told == [
        "skipped alb/a.png: out of memory",
        "skipped alb/b.jpg: out of memory",
        "skipped alb/deep/a.jpg: out of memory",
        "skipped more/b.jpg: No space left on device: out/b-2.png",
    ]
    assert [p.name for p in (album / "out").iterdir()] == ["b-3.png"], "no half file"


def test_an_image_that_may_not_be_read_costs_one_image(album, red, monkeypatch):
    jobs, told = plan(["alb"], "out"), []
    monkeypatch.setattr(Image, "open", lambda path: (path / "no folder").read_bytes())
    assert colorize_files(red, jobs[:1], warn=told.append) == 1
    assert told == ["skipped alb/a.png: Not a directory: alb/a.png/no folder"]


def test_what_came_to_stand_there_meanwhile_is_kept(album, red):
    jobs, told = plan(["c.jpg"], "out"), []
    os.mkdir("out")
    (album / "out/c.png").write_text("somebody's")
    assert colorize_files(red, jobs, warn=told.append) == 1
    assert (album / "out/c.png").read_text() == "somebody's" and "out/c.png was made by another program" in told[0]
    (album / "file").touch()
    assert colorize_files(red, [(album / "c.jpg", album / "file/c.png")], warn=told.append) == 1
    assert "File exists" in told[1] or "Not a directory" in told[1]


def test_our_own_mistakes_are_not_taken_for_an_images(album, red):
    red.trouble = [RuntimeError("mat1 and mat2 shapes cannot be multiplied")]
    with pytest.raises(RuntimeError, match="shapes"):
        colorize_files(red, plan(["c.jpg"], "out"))
