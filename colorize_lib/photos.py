"""`colorize photo`: files and folders in, one PNG an image out; nothing is ever overwritten that was not made here.

What needs PyTorch is imported by the functions that compute, so that a `plan` is refused at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from .data.files import atomic_file, check_writable
from .data.images import list_images, read_image

if TYPE_CHECKING:
    from .colorizer import Colorizer
    from .readout import Readout


def plan(inputs: Iterable[str | Path], out: str | Path, overwrite: bool = False) -> list[tuple[Path, Path]]:
    """Where each image is to be written: [(source, target)], every target another file in the folder `out`.

    A file keeps its name, a folder's images the paths they have below it, both ending in .png; equal names get
    numbers. What lies in `out`, if that is inside a folder given, is taken for the work of an earlier call and left
    out.

    overwrite: whether targets may exist; an image that is itself among the inputs may not be overwritten even then.
    Raises ValueError naming the first file that stands in the way, or an input that does not exist, and where `out`
    cannot be written to.
    """
    check_writable(Path(out))
    found: dict[tuple, tuple[Path, Path]] = {}
    for path in map(Path, inputs):
        for source, name in _images(path, Path(out)):
            found.setdefault(_identity(source), (source, Path(out) / name.with_suffix(".png")))
    if not found:
        raise ValueError(f"all images found lie in {out}, which is to be written to")
    jobs = _numbered(list(found.values()))
    for source, target in jobs:
        if target.is_dir():
            raise ValueError(f"{target}, where {source} is to be written, is a folder; give another --out")
        if target.exists() and _identity(target) in found:
            raise ValueError(f"{target} is one of the images to colorize and is not overwritten; give another --out")
        if target.exists() and not overwrite:
            raise ValueError(f"{target} exists; give another --out, or --overwrite to replace it")
    return jobs


def _images(path: Path, out: Path) -> list[tuple[Path, Path]]:
    """An input's images with the names they are to have in `out`; a file is believed to be one whatever its name."""
    if not path.is_dir():
        if not path.exists():
            raise ValueError(f"no such file or folder: {path}")
        return [(path, Path(path.name))]
    sources, made = list_images(path), out.resolve()
    if path.resolve() in made.parents:
        sources = [source for source in sources if not source.resolve().is_relative_to(made)]
    return [(source, source.relative_to(path)) for source in sources]


def _identity(path: Path) -> tuple[int, int]:
    """What is the same for two names of one file."""
    about = path.stat()
    return about.st_dev, about.st_ino


def _numbered(jobs: list[tuple[Path, Path]]) -> list[tuple[Path, Path]]:
    """The same with different targets: a.png, a-2.png, a-3.png where there were several a.png."""
    wanted, taken, out = {target for _, target in jobs}, set(), []
    for source, target in jobs:
        free, number = target, 1
        while free in taken or (number > 1 and free in wanted):
            number += 1
            free = target.with_name(f"{target.stem}-{number}.png")
        taken.add(free)
        out.append((source, free))
    return out


def colorize_files(
    colorizer: Colorizer, jobs: list[tuple[Path, Path]], readout: Readout | None = None, gain: float = 1.0,
    side_by_side: bool = False, overwrite: bool = False, log: Callable = print, warn: Callable = print,
    progress: Callable[[int, int], None] | None = None,
) -> int:  # fmt: skip
    """Colorize the images of a `plan`, each through a temporary file; returns how many could not be.

    An image that cannot be read, written or held in memory costs a line to `warn`, and the next is taken.
    readout, gain: see `Colorizer.photo`.
    side_by_side: write the grey input and the result in one image. What came to stand under a target's name since the
    plan was made is kept, unless `overwrite`. progress: called with the images done, at first none, and their number.
    """
    from .colorizer import is_thin

    failed, progress = 0, progress or (lambda done, n: None)
    for done, (source, target) in enumerate(jobs):
        progress(done, len(jobs))
        try:
            image = read_image(source)
        except (ValueError, OSError) as error:
            failed += 1
            warn(f"skipped {source}: {error if isinstance(error, ValueError) else _reason(error, source)}")
            continue
        if is_thin(*image.shape[:2]):
            warn(f"{source}: {image.shape[1]} x {image.shape[0]} pixels; the network sees it squeezed")
        try:
            result = _pair(colorizer, image, readout, gain) if side_by_side else colorizer.photo(image, readout, gain)
            _write(result, target, overwrite)
        except (OSError, MemoryError, RuntimeError) as error:
            failed += 1
            warn(f"skipped {source}: {_reason(error, target)}")
        else:
            log(f"{source} -> {target}")
    progress(len(jobs), len(jobs))
    return failed


def _pair(colorizer: Colorizer, image: np.ndarray, readout: Readout | None, gain: float) -> np.ndarray:
    """The grey input and the colorized image side by side."""
    import torch

    from .colorizer import recolor

    width = image.shape[1]
    both = np.empty((image.shape[0], 2 * width, 3), np.uint8)
    recolor(image, torch.zeros(2, 1, 1), both[:, :width])
    both[:, width:] = colorizer.photo(image, readout, gain)
    return both


def _write(image: np.ndarray, target: Path, overwrite: bool) -> None:
    """Write a PNG that has its name only when it is whole."""
    with atomic_file(target) as unfinished:
        Image.fromarray(image).save(unfinished, "png", compress_level=3)  # 6 takes longer than all the rest
        if target.exists() and not overwrite:
            raise FileExistsError(f"{target} was made by another program meanwhile and is kept")


def _reason(error: Exception, target: Path) -> str:
    """Why an image could not be colorized, in a line; raises again what is no fault of memory or file system."""
    import torch

    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error):
        return "out of memory"
    if not isinstance(error, OSError):
        raise error
    return f"{error.strerror}: {error.filename or target}" if error.strerror else str(error)
