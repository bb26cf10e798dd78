"""Data of the live page: `_static/live/data.js`, written at the end of every build from the weights that ship.

One script, so that the page works from a folder of files as well as over http: the weights as shipped, in base64, the
table of the network's stages, the 313 colours, the read-out that was chosen for these weights, and the photographs of
book/photos.
"""

import base64
import json
from dataclasses import asdict
from importlib import resources
from pathlib import Path

from colorize_lib.colorizer import SHIPPED, load_colorizer
from colorize_lib.networks import STAGES
from colorize_lib.quantize import ab_gamut_centers

PHOTOS = Path(__file__).parents[1] / "photos"


def live_data() -> dict:
    """What the page needs, as plain JSON values."""
    weights = resources.files("colorize_lib") / "weights" / SHIPPED[0] / "ce.safetensors"
    chosen = load_colorizer("ce", "cpu").readout
    photos = sorted(PHOTOS.glob("*.jpg"), key=lambda path: (path.stem != "lighthouse", path.stem))  # the first is shown
    return {
        "weights": base64.b64encode(weights.read_bytes()).decode(),
        "stages": [asdict(stage) for stage in STAGES],
        "centers": [int(value) for value in ab_gamut_centers().flatten()],
        "readout": [chosen.temperature, chosen.lambda_],
        "photos": {path.stem: base64.b64encode(path.read_bytes()).decode() for path in photos},
    }


def write(app, error) -> None:
    """Write the script beside the built pages, unless the build failed."""
    if error is None and app.builder.format == "html":
        path = Path(app.outdir) / "_static/live/data.js"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"const LIVE_DATA = {json.dumps(live_data())};\n")


def setup(app) -> dict:
    """Tell Sphinx what this extension brings."""
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
