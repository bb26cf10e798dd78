"""Reading image files of any kind, and bringing them to one size."""

import errno
import io
import os
import struct
import tracemalloc

import numpy as np
import pytest
from filelock import FileLock
from making import encode, write_folder
from PIL import Image, ImageCms

from colorize_lib.data import images as images_module
from colorize_lib.data.files import atomic_dir, cache_dir, progress_bar
from colorize_lib.data.images import _BUNDLED, bundled_photos, fit_square, list_images, open_image, read_image


def test_read_images_of_every_kind(tmp_path):
    ramp = np.linspace(0, 65535, 12).reshape(3, 4).astype(np.uint16)
    Image.fromarray(ramp).save(tmp_path / "deep.png")
    read = read_image(tmp_path / "deep.png")
    assert read.shape == (3, 4, 3) and abs(read[..., 0] - ramp / 257).max() <= 0.5
    Image.fromarray((ramp / 65535).astype(np.float32)).save(tmp_path / "float.tif")
    assert np.array_equal(read_image(tmp_path / "float.tif"), read)
    holes = (ramp / 65535).astype(np.float32)
    holes[0, :3] = np.nan, np.inf, -np.inf
    Image.fromarray(holes).save(tmp_path / "holes.tif")
    found = read_image(tmp_path / "holes.tif")
    assert not found[0, :3].any() and np.array_equal(found[1:], read[1:])
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
    with pytest.raises(FileNotFoundError, match=r"absent\.png"):
        read_image(tmp_path / "absent.png")


def test_strips_change_nothing(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 8
    files = {
        "rgb.png": rng.integers(0, 256, (30, 20, 3), np.uint8),
        "alpha.png": rng.integers(0, 256, (30, 20, 4), np.uint8),
    }
    files |= {"deep.png": rng.integers(0, 65536, (30, 20), np.uint16), "float.tif": rng.random((30, 20), np.float32)}
    for name, values in files.items():
        image = Image.fromarray(values)
        image.save(tmp_path / name, **({"exif": exif} if name == "rgb.png" else {}))
        if name == "rgb.png":
            image.quantize(9).save(tmp_path / "palette.png", transparency=3)
    whole = {path.name: np.asarray(open_image(path)) for path in tmp_path.iterdir()}
    monkeypatch.setattr(images_module, "_STRIP", 47)
    for name, values in whole.items():
        assert np.array_equal(read_image(tmp_path / name), values), name
    assert whole["rgb.png"].shape == (20, 30, 3) and len(whole) == 5


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16"])
def test_reading_a_large_image_needs_little_more_than_its_pixels(tmp_path, mode, monkeypatch):
    monkeypatch.setattr(images_module, "_STRIP", 1 << 16)
    values = {"RGB": np.zeros((2500, 2000, 3), np.uint8), "RGBA": np.zeros((2500, 2000, 4), np.uint8)}
    Image.fromarray(values.get(mode, np.zeros((2500, 2000), np.uint16))).save(tmp_path / "large.png", compress_level=1)
    tracemalloc.start()  # of numpy and of bytes; Pillow holds the decoded image besides, four bytes a pixel
    try:
        pixels = read_image(tmp_path / "large.png")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert pixels.shape == (2500, 2000, 3) and peak < 1.3 * pixels.nbytes


# ------------------------------------------------------------------------------------------------------ ICC profiles


def icc(space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """An ICC profile, version 2, of these tags (ICC.1:2001-04, sections 6.1 and 6.2)."""
    table, data, start = b"", b"", 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        table += name + struct.pack(">II", start + len(data), len(content))
        data += content + b"\0" * (-len(content) % 4)
    white = struct.pack(">3i", 63190, 65536, 54061)
    head = struct.pack(">I4xI4s4s4s12x4s28x", start + len(data), 0x02400000, b"mntr", space, connection, b"acsp")
    return (head + white).ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + data


def xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(65536 * v) for v in values))


def gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(256 * value))


WHITE = {b"wtpt": xyz(0.9642, 1, 0.8249)}
RED, GREEN, BLUE = (0.436, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7139)  # of sRGB, under D50
CURVES = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), gamma(2.2))
SWAPPED = icc(b"RGB ", b"XYZ ", WHITE | CURVES | {b"rXYZ": xyz(*GREEN), b"gXYZ": xyz(*RED), b"bXYZ": xyz(*BLUE)})
LIGHT = icc(b"GRAY", b"XYZ ", WHITE | {b"kTRC": gamma(1.0)})
_lut = (
    struct.pack(">4sIBBBB9i", b"mft1", 0, 4, 3, 2, 0, *(65536, 0, 0, 0, 65536, 0, 0, 0, 65536)) + bytes(range(256)) * 4
)
INK = icc(b"CMYK", b"Lab ", WHITE | {b"A2B0": _lut + bytes([128, 128, 128, 0, 128, 128]) * 8 + bytes(range(256)) * 3})


def saved(path, image: Image.Image, profile: bytes) -> np.ndarray:
    image.save(path, icc_profile=profile)
    assert np.array_equal(read_image(path), np.asarray(open_image(path)))
    return read_image(path)[0, 0].astype(int)


def test_an_embedded_profile_is_applied(tmp_path):
    assert abs(saved(tmp_path / "a.png", Image.new("RGB", (4, 3), (200, 30, 60)), SWAPPED) - (30, 200, 60)).max() <= 8
    clear = Image.new("RGBA", (4, 3), (200, 30, 60, 0))
    assert abs(saved(tmp_path / "b.png", clear, SWAPPED) - 255).max() <= 1
    palette = Image.new("RGB", (4, 3), (200, 30, 60)).quantize(4)
    assert abs(saved(tmp_path / "c.png", palette, SWAPPED) - (30, 200, 60)).max() <= 8


def test_profiles_of_grey_and_of_inks_are_applied(tmp_path):
    half = 255 * (1.055 * 0.5 ** (1 / 2.4) - 0.055)  # linear light
    assert abs(saved(tmp_path / "a.png", Image.new("L", (4, 3), 128), LIGHT) - half).max() <= 2
    assert abs(saved(tmp_path / "b.png", Image.new("LA", (4, 3), (128, 255)), LIGHT) - half).max() <= 2
    deep = Image.fromarray(np.full((3, 4), 32896, np.uint16))
    assert abs(saved(tmp_path / "c.png", deep, LIGHT) - half).max() <= 2
    assert abs(saved(tmp_path / "d.tif", Image.new("CMYK", (4, 3), (255, 0, 0, 0)), INK) - 119).max() <= 3  # L of 50


@pytest.mark.parametrize("profile", [b"garbage", SWAPPED[:200], LIGHT, INK, SWAPPED[:12] + b"abst" + SWAPPED[16:]])
def test_a_profile_that_is_broken_or_of_other_colours_is_ignored(tmp_path, profile):
    assert saved(tmp_path / "a.png", Image.new("RGB", (4, 3), (200, 30, 60)), profile).tolist() == [200, 30, 60]


def test_srgb_stays_as_it_is(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    (tmp_path / "a.png").write_bytes(encode(values, icc_profile=srgb))
    assert np.array_equal(read_image(tmp_path / "a.png"), values)


# ------------------------------------------------------------------------------------------------------ one size, lists


def test_other_sizes_are_cropped_and_shrunk():
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    halved = np.asarray(fit_square(Image.fromarray(noise), 16), float)
    assert abs(halved - noise.reshape(16, 2, 16, 2, 3).mean((1, 3))).max() <= 0.51
    assert fit_square(Image.fromarray(noise), 24).size == (24, 24)


def test_list_images(tmp_path, scenes):
    write_folder(tmp_path / "p", scenes[:3], ["b/1.png", "a.PNG", "b/.hidden.png"])
    write_folder(tmp_path / "p", scenes[:1], [".thumbnails/1.png"])
    assert [p.name for p in list_images(tmp_path / "p")] == ["a.PNG", "1.png"]
    single = tmp_path / "p" / "b" / "1.png"
    assert list_images([single, tmp_path / "p"])[0] == single
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no images in"):
        list_images(tmp_path / "empty")
    with pytest.raises(ValueError, match="no such file"):
        list_images([tmp_path / "absent"])


def test_bundled_photos_are_installed():
    photos = bundled_photos()
    assert {"astronaut", "chelsea", "coffee", "rocket"} <= set(photos)
    assert list(photos) == [name for name in _BUNDLED if name in photos]
    for photo in photos.values():
        assert photo.dtype == np.uint8 and photo.ndim == 3 and photo.shape[2] == 3 and min(photo.shape[:2]) >= 256


# ------------------------------------------------------------------------------------------------ files and progress


def test_a_user_without_a_home_is_told_what_to_set(tmp_path, monkeypatch):
    monkeypatch.delenv("COLORIZE_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "absent"))
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ValueError, match="absent.* cannot be made.*COLORIZE_CACHE"):
        cache_dir()
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda _: (_ for _ in ()).throw(RuntimeError("no home")))
    with pytest.raises(ValueError, match="no home; set the environment variable COLORIZE_CACHE"):
        cache_dir()


def test_a_cache_that_is_there_may_be_read_only_but_not_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setenv("COLORIZE_CACHE", str(tmp_path))
    assert cache_dir() == tmp_path
    (tmp_path / "file").touch()
    monkeypatch.setenv("COLORIZE_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(ValueError, match="COLORIZE_CACHE"):
        cache_dir()


def test_what_is_there_needs_no_lock(tmp_path):
    with atomic_dir(tmp_path / "new" / "folder", lambda: True) as temp:
        assert temp is None
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_told_with_the_folder(tmp_path):
    with pytest.raises(OSError, match="No space left on device: .*folder"), atomic_dir(tmp_path / "folder", bool):
        raise OSError(errno.ENOSPC, "No space left on device")  # as writing into an open file
    assert [path.name for path in tmp_path.iterdir()] == [".folder.lock"]


def test_who_waits_for_another_process_is_told(tmp_path, monkeypatch):
    class Told(io.StringIO):
        def write(self, line):
            super().write(line)
            lock.release()

    lock = FileLock(tmp_path / ".folder.lock")
    lock.acquire()
    monkeypatch.setattr("sys.stderr", told := Told())
    with atomic_dir(tmp_path / "folder", (tmp_path / "folder").exists) as temp:
        assert temp and told.getvalue() == f"another process is making {tmp_path / 'folder'}; waiting for it\n"


def test_what_is_no_image_is_told_the_same_every_time(tmp_path):
    (tmp_path / "x.jpg").write_bytes(b"no image")
    for source, name in ((b"no image", "encoded bytes"), (tmp_path / "x.jpg", "x.jpg")):
        with pytest.raises(ValueError, match=f"^unreadable: no image of a kind that is known here .*{name}.$"):
            open_image(source)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EACCES, errno.EIO])
def test_what_the_system_refuses_is_no_fault_of_an_image(tmp_path, monkeypatch, number):
    def refused(*_):
        raise OSError(number, os.strerror(number), "x.jpg")

    monkeypatch.setattr(Image, "open", refused)
    with pytest.raises(OSError, match=os.strerror(number)):
        read_image(tmp_path / "x.jpg")


def test_progress_in_a_file_is_plain_lines(monkeypatch):
    monkeypatch.setattr("sys.stderr", out := io.StringIO())
    with progress_bar(2000, " images", True) as bar:
        assert out.getvalue() == "0 of 2000 images, ? images/s, ? left\n"
        bar.last_print_t -= 11
        bar.update(500)
        assert len(out.getvalue().splitlines()) == 2
        bar.update(500)
    assert "  " not in out.getvalue()
    assert [line.split(",")[0] for line in out.getvalue().split("\n")] == [
        "0 of 2000 images",
        "500 of 2000 images",
        "1000 of 2000 images",
        "",
    ]
    with progress_bar(2000, " images", False):
        pass
