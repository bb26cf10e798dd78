"""Images of the front page, `_static/front/*.jpg`, painted at the end of every build by the networks that ship.

`given` and `shown` lie over each other under a slider: the grey photograph, and what `colorize photo` makes of it. The
others are the same photograph as each arm of `evening` paints it.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from colorize_lib.book.examples import Images as Chosen
from colorize_lib.book.examples import book_photos, colorize_all, colorize_systems
from colorize_lib.colorizer import load_colorizer
from colorize_lib.evaluation.systems import System

PHOTO = "lighthouse"
STRIP = {"rgb": "student_mse", "ab": "l2", "mean": "ce@1", "tilted": "ce@1~0.5", "rebalanced": "ce_rebal@0.38"}
"""File names of the strip, and the systems that paint them."""


def front_images() -> dict[str, np.ndarray]:
    """The images by file name, uint8 [h, w, 3]."""
    chosen = Chosen({PHOTO: book_photos()[PHOTO]}, "")
    networks = {System.parse(name).arm: None for name in STRIP.values()}
    networks = {arm: load_colorizer(arm, "cpu", "evening") for arm in networks}
    strip = colorize_systems(chosen, networks, list(STRIP.values()))[PHOTO]
    shown = colorize_all(chosen, {"shown": load_colorizer("ce", "cpu")})[PHOTO]
    own = {"given": shown["input"], "true": shown["truth"], "shown": shown["shown"]}
    return own | {name: strip[system] for name, system in STRIP.items()}


def write(app, error) -> None:
    """Write the images beside the built pages, unless the build failed."""
    if error is None and app.builder.format == "html":
        folder = Path(app.outdir) / "_static/front"
        folder.mkdir(parents=True, exist_ok=True)
        for name, image in front_images().items():
            Image.fromarray(image).save(folder / f"{name}.jpg", quality=90)


def setup(app) -> dict:
    """Tell Sphinx what this extension brings."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
