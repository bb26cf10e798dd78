"""Reading image files of any kind as upright 8-bit RGB."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

MAX_PIXELS = 50_000_000  # larger pictures are left out: they are scans, maps or attacks, and cost minutes
SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm"}


def to_rgb(image: Image.Image) -> Image.Image:
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


def open_image(source: str | Path | bytes) -> Image.Image:
    """Open a picture (path or encoded bytes) as upright RGB; ValueError starting with "oversized" or "unreadable"."""
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
            ImageOps.exif_transpose(image, in_place=True)
            image.load()
            return to_rgb(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(f"oversized: {error}; at most {MAX_PIXELS:,} pixels") from error
    except Exception as error:  # Pillow's decoders raise a dozen types, some of them bare SyntaxError or struct.error
        name = "picture" if isinstance(source, bytes) else source
        raise ValueError(f"unreadable: {type(error).__name__}: {error} ({name})") from error


def read_image(path: str | Path) -> np.ndarray:
    """Read a picture file as uint8 [h, w, 3]: upright, alpha over white. ValueError if unreadable or oversized."""
    return np.asarray(open_image(path))


def list_images(paths: str | Path | Iterable[str | Path]) -> list[Path]:
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
    folder = Path(importlib.util.find_spec("skimage").origin).parent / "data"
    photos = {name: read_image(folder / file) for name, file in _BUNDLED.items() if (folder / file).is_file()}
    return (
        {name: np.asarray(fit_square(Image.fromarray(photo), side)) for name, photo in photos.items()}
        if side
        else photos
    )
