"""Reading image files of any kind as upright 8-bit RGB."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from ..trace import note

MAX_PIXELS = 50_000_000  # larger images are left out: they are scans, maps or attacks, and cost minutes
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm"}
_STRIP = 1 << 20  # pixels that `read_image` converts at once
_MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""Pillow's mode of the colours that an ICC profile is of."""


def to_rgb(image: Image.Image) -> Image.Image:
    """Any Pillow image as 8-bit sRGB: alpha over white, 16 bits and floats scaled, an embedded ICC profile applied.

    Of floats what is no finite number is black.
    """
    profile = image.info.get("icc_profile")
    image = _flat(image)
    if profile:
        image = _by_profile(image, profile)
    return image if image.mode == "RGB" else image.convert("RGB")


def _flat(image: Image.Image) -> Image.Image:
    """Without alpha, and at 8 bits: mode RGB, L or CMYK, or one that Pillow converts to RGB."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.nan_to_num(np.asarray(image, np.float32), posinf=0, neginf=0)
        scale = 1 / 257 if image.mode != "F" else 255 if values.max() <= 1 else 1
        return Image.fromarray((values * scale).round().clip(0, 255).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or image.mode != "RGB" and "transparency" in image.info:
        colours = image.convert("RGBA")
        colours = Image.alpha_composite(Image.new("RGBA", image.size, "white"), colours)
        return colours.convert("L" if image.mode in ("L", "LA", "La") else "RGB")
    return image.convert("RGB") if image.mode == "P" else image


def _by_profile(image: Image.Image, embedded: bytes) -> Image.Image:
    """Convert to sRGB by an ICC profile; one that is broken, or of other colours than the image, is ignored."""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(embedded))
        if _MODES.get(profile.profile.xcolor_space.strip()) != image.mode:
            return image
        if "sRGB" in ImageCms.getProfileDescription(profile):
            return image  # nothing to do, and rounding would change a value here and there
        return ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, ImportError, OSError, TypeError, ValueError):
        return image


@contextlib.contextmanager
def _opened(source: str | Path | bytes) -> Iterator[Image.Image]:
    """A decoded, upright image of any mode; ValueError starting with "oversized" or "unreadable".

    What the system refuses is no fault of the image and stays an OSError.
    """
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
            ImageOps.exif_transpose(image, in_place=True)
            image.load()
            yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"oversized: {error}; at most {MAX_PIXELS:,} pixels") from error
    except Exception as error:  # Pillow's decoders raise a dozen types, some of them bare SyntaxError or struct.error
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):  # the last: an offset below 0 in it
            raise
        unknown = isinstance(error, UnidentifiedImageError)
        why = "no image of a kind that is known here" if unknown else f"{type(error).__name__}: {error}"
        raise ValueError(f"unreadable: {why} ({'encoded bytes' if isinstance(source, bytes) else source})") from error


def open_image(source: str | Path | bytes) -> Image.Image:
    """Open an image (path or encoded bytes) as upright sRGB; ValueError starting with "oversized" or "unreadable"."""
    with _opened(source) as image:
        return to_rgb(image)


def read_image(path: str | Path) -> np.ndarray:
    """Read an image file as uint8 [h, w, 3]: upright sRGB, alpha over white. ValueError if unreadable or oversized.

    Converted strip by strip: besides Pillow's decoded image there is room for little more than the result.
    """
    with _opened(path) as image:
        if image.mode == "F":
            image = to_rgb(image)  # its scale depends on all values
        pixels, rows = np.empty((image.height, image.width, 3), np.uint8), max(1, _STRIP // image.width)
        for top in range(0, image.height, rows):
            strip = image.crop((0, top, image.width, min(top + rows, image.height)))
            pixels[top : top + rows] = np.asarray(to_rgb(strip))
        return pixels


def list_images(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    """Image files among `paths`, folders searched through, sorted within each; ValueError if there are none.

    What is hidden in a folder, such as thumbnails of a photo program, is left out.
    """
    paths = [paths] if isinstance(paths, str | Path) else list(paths)
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise ValueError(f"no such file or folder: {path}")
        inside = (p.relative_to(path) for p in path.rglob("*")) if path.is_dir() else [Path()]
        shown = [name for name in inside if not any(part.startswith(".") for part in name.parts)]
        files = [path / name for name in sorted(shown, key=Path.as_posix)]
        found += [p for p in files if p.is_file() and p.suffix.lower() in SUFFIXES]
    if not found:
        raise ValueError(f"no images in {', '.join(map(str, paths))}; looked for {' '.join(sorted(SUFFIXES))}")
    return found


def fit_square(image: Image.Image, side: int) -> Image.Image:
    """Crop to the central square, then resize to `side`: exact means at whole factors, Lanczos otherwise."""
    if image.size != (side, side):
        edge = min(image.size)
        left, top = (image.width - edge) // 2, (image.height - edge) // 2
        box = (left, top, left + edge, top + edge)
        whole = edge % side == 0
        image = image.reduce(edge // side, box) if whole else image.resize((side, side), Image.Resampling.LANCZOS, box)
    return image


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
    note("images", what="photographs of scikit-image")
    folder = Path(importlib.util.find_spec("skimage").origin).parent / "data"
    photos = {name: read_image(folder / file) for name, file in _BUNDLED.items() if (folder / file).is_file()}
    return (
        {name: np.asarray(fit_square(Image.fromarray(photo), side)) for name, photo in photos.items()}
        if side
        else photos
    )
