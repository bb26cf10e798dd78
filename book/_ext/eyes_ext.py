"""The images of the reader's own test (book/your-eyes.md), drawn from the networks that ship at the end of every build.

`_static/eyes/<photo>-<letter>.jpg` are squares of photographs: `t` the true one, then a letter for each of `SYSTEMS`.
`_static/eyes/sheet-<number>.jpg` are contact sheets of the same photographs, one for each of `SETTINGS`.
`_static/eyes/data.js` says what they are, as a script, so that the page works from a folder of files as well as over
http.
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image
from results_ext import load

from colorize_lib.book.examples import Images, book_photos, colorize_systems, colorizers
from colorize_lib.book.eyes import recorded_auc
from colorize_lib.colorizer import Colorizer, load_colorizer
from colorize_lib.config import load_config
from colorize_lib.data.images import bundled_photos
from colorize_lib.evaluation.systems import System, arms_of
from colorize_lib.readout import Readout

SIDE, QUALITY = 192, 88
"""Pixels of a square's side, and the quality of the JPEG files, the same for true and painted ones."""
BUNDLED = ("astronaut", "chelsea", "coffee", "motorcycle", "rocket")
"""Of scikit-image's photographs; the two others are no scenes, but a retina and a piece of the sky."""
COMPARED = ("student_mse+L", "l2", "ce@1", "ce_rebal@0.38")
"""Systems whose networks were trained alike (profile `evening`); with them goes `ce` with its own read-out."""
SETTINGS = tuple(Readout(t, lambda_) for t in (1.0, 0.38) for lambda_ in (1.0, 0.75, 0.5))
"""Read-outs of `ce` that are compared sheet by sheet."""
ON_SHEET, THUMB = slice(2, None, 5), 160
"""The squares on a contact sheet, every fifth from the third on, two in a row, and the pixels of their sides there."""


def squares() -> dict[str, np.ndarray]:
    """The photographs of the test by name, uint8 [192, 192, 3].

    Of each photograph of the book, whose long side is twice 192, both halves of its long side, cut to squares across
    the middle; of scikit-image's the central square, reduced.
    """
    found = {}
    for name, photo in book_photos().items():
        upright = photo.shape[0] > photo.shape[1]
        start = (min(photo.shape[:2]) - SIDE) // 2
        across = slice(start, start + SIDE)
        for half, word in enumerate(("upper", "lower") if upright else ("left", "right")):
            along = slice(half * SIDE, (half + 1) * SIDE)
            found[f"{name}-{word}"] = photo[along, across] if upright else photo[across, along]
    bundled = bundled_photos(SIDE)
    return found | {name: bundled[name] for name in BUNDLED if name in bundled}


def painted(photos: dict[str, np.ndarray], chosen: Colorizer) -> tuple[dict[str, dict], dict[str, str]]:
    """The squares as every system paints them, {system: {photo: uint8 [192, 192, 3]}}, and the run of each system.

    chosen: `ce`, which is asked as it ships.
    """
    networks = colorizers(load_config("evening", arms=arms_of(COMPARED)))
    rows = colorize_systems(Images(photos, ""), networks, list(COMPARED))
    found = {system: {name: row[system] for name, row in rows.items()} for system in COMPARED}
    found[f"ce{chosen.readout}"] = {name: chosen.photo(photo) for name, photo in photos.items()}
    runs = {system: networks[System.parse(system).arm].passport["run"] for system in COMPARED}
    return found, runs | {f"ce{chosen.readout}": chosen.passport["run"]}


def sheet(photos: dict[str, np.ndarray], chosen: Colorizer, setting: Readout) -> np.ndarray:
    """The contact sheet of a setting, uint8 [480, 320, 3]."""
    shown = [Image.fromarray(chosen.photo(photo, setting)) for photo in list(photos.values())[ON_SHEET]]
    images = [np.asarray(image.resize((THUMB, THUMB), Image.Resampling.LANCZOS)) for image in shown]
    return np.vstack([np.hstack(images[i : i + 2]) for i in range(0, len(images), 2)])


def write(app, error) -> None:
    """Write images and script beside the built pages, unless the build failed."""
    if error is not None or app.builder.format != "html":
        return
    out, chosen, photos = Path(app.outdir) / "_static/eyes", load_colorizer("ce", "cpu"), squares()
    out.mkdir(parents=True, exist_ok=True)
    systems, runs = painted(photos, chosen)
    letters = dict(zip("abcdefgh", systems, strict=False))
    for letter, images in {"t": photos, **{key: systems[name] for key, name in letters.items()}}.items():
        for name, image in images.items():
            Image.fromarray(image).save(out / f"{name}-{letter}.jpg", quality=QUALITY)
    for number, setting in enumerate(SETTINGS):
        Image.fromarray(sheet(photos, chosen, setting)).save(out / f"sheet-{number}.jpg", quality=QUALITY)
    auc = recorded_auc(chosen.passport["run"], load("evening"))
    data = {
        "photos": list(photos),
        "side": SIDE,
        "systems": [
            {"name": name, "title": System.parse(name).title, "letter": letter, "run": runs[name]}
            for letter, name in letters.items()
        ],
        "settings": [
            {"name": str(s), "temperature": s.temperature, "lambda": s.lambda_, "auc": auc.get(str(s))}
            for s in SETTINGS
        ],
        "sheets_run": chosen.passport["run"],
    }
    (out / "data.js").write_text(f"const EYES_DATA = {json.dumps(data, indent=1)};\n")


def setup(app) -> dict:
    """Tell Sphinx what this extension brings."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
