"""What the pages show of the networks that ship, made at the end of every build.

`_static/live/data.js` is the data of the live page. One script, so that the page works from a folder of files as well
as over http: the weights as shipped, in base64, the table of the network's stages, the 313 colours, the read-out that
was chosen for these weights, and the photographs of book/photos.

`_static/front/*.jpg` are the images of the front page: `given` and `shown` lie over each other under a slider, the grey
photograph and what `colorize photo` makes of it; the others are the same one as each arm of `evening` paints it.
"""

import base64
import json
from dataclasses import asdict
from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image

from colorize_lib.book.examples import Images, book_photos, colorize_all, colorize_systems, colorizers
from colorize_lib.colorizer import SHIPPED, Colorizer, load_colorizer
from colorize_lib.config import load_config
from colorize_lib.evaluation.systems import System
from colorize_lib.networks import STAGES
from colorize_lib.quantize import ab_gamut_centers

PHOTOS = Path(__file__).parents[1] / "photos"
FIRST = "lighthouse"
"""The photograph of the front page, with which the live page begins."""
STRIP = {"rgb": "student_mse", "ab": "l2", "mean": "ce@1", "tilted": "ce@1~0.5", "rebalanced": "ce_rebal@0.38"}
"""File names of the front page's strip, and the systems that paint them."""


def live_data(chosen: Colorizer) -> dict:
    """What the live page needs, as plain JSON values; chosen: the network whose weights it reads."""
    weights = resources.files("colorize_lib") / "weights" / SHIPPED[0] / "ce.safetensors"
    photos = sorted(PHOTOS.glob("*.jpg"), key=lambda path: (path.stem != FIRST, path.stem))
    return {
        "weights": base64.b64encode(weights.read_bytes()).decode(),
        "stages": [asdict(stage) for stage in STAGES],
        "centers": [int(value) for value in ab_gamut_centers().flatten()],
        "readout": [chosen.readout.temperature, chosen.readout.lambda_],
        "photos": {path.stem: base64.b64encode(path.read_bytes()).decode() for path in photos},
    }


def front_images(chosen: Colorizer) -> dict[str, np.ndarray]:
    """The images of the front page by file name, uint8 [h, w, 3]; chosen: the network that `colorize photo` takes."""
    photo = Images({FIRST: book_photos()[FIRST]}, "")
    arms = list(dict.fromkeys(System.parse(name).arm for name in STRIP.values()))
    strip = colorize_systems(photo, colorizers(load_config("evening", arms=arms)), list(STRIP.values()))[FIRST]
    shown = colorize_all(photo, {"shown": chosen})[FIRST]
    own = {"given": shown["input"], "true": shown["truth"], "shown": shown["shown"]}
    return own | {name: strip[system] for name, system in STRIP.items()}


def write(app, error) -> None:
    """Write script and images beside the built pages, unless the build failed."""
    if error is not None or app.builder.format != "html":
        return
    chosen, static = load_colorizer("ce", "cpu"), Path(app.outdir) / "_static"
    for folder in (static / "live", static / "front"):
        folder.mkdir(parents=True, exist_ok=True)
    (static / "live/data.js").write_text(f"const LIVE_DATA = {json.dumps(live_data(chosen))};\n")
    for name, image in front_images(chosen).items():
        Image.fromarray(image).save(static / "front" / f"{name}.jpg", quality=90)


def setup(app) -> dict:
    """Tell Sphinx what this extension brings."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
