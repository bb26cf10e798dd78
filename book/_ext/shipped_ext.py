"""What the pages show of the networks that ship, made at the end of every build.

`_static/live` gets the data of the live page, as scripts, so that the page works from a folder of files as well as over
http. `data.js` is what it begins with: names and thumbnails of the photographs of book/photos, the table of stages, the
313 colours and the read-out that was chosen for the classifier. The rest is asked for when it is needed: `photo-*.js`
have a photograph each and what every network answers to it at quarter resolution, `weights-*.js` the weights of a
network as shipped. Bytes are in base64. `still-*.jpg` stand in for the page where there is no JavaScript.

`_static/front/*.jpg` lie over each other under a slider on the front page: the grey photograph and what
`colorize photo` makes of it. `_static/strip/*.jpg` are the same one in truth and as each arm of `evening` paints it,
`_static/sheet/*.jpg` the contact sheet of `your-photos`: each photograph as painted and in truth.

What is for photographs is painted by the network `best`, as `colorize photo` does: the front page's large image, the
contact sheet, and all that the live page says of `ce`. What compares arms takes those that were trained alike.

The directive `{behind} front_images` is the quiet line below images that a function of this file or of `eyes_ext`
draws: networks, photographs and records. `{behind} KEY` with `:doc:` is that of a figure or table glued in a notebook.
"""

import base64
import io
import json
from dataclasses import asdict
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from docutils import nodes
from docutils.parsers.rst import directives
from eyes_ext import BUNDLED, COMPARED, painted, sheet
from PIL import Image
from results_ext import passport_of
from sphinx.util.docutils import SphinxDirective

from colorize_lib.book.examples import Images, book_photos, colorize_all, colorize_systems, colorizers
from colorize_lib.book.passports import NOTHING, line, listed
from colorize_lib.colorizer import Colorizer, load_colorizer
from colorize_lib.config import ARMS, BEST, load_config
from colorize_lib.evaluation.results import views
from colorize_lib.evaluation.systems import arms_of
from colorize_lib.networks import STAGES
from colorize_lib.objectives import AB_SCALE
from colorize_lib.quantize import ab_gamut_centers
from colorize_lib.readout import Readout
from colorize_lib.trace import about_runs

PHOTOS = Path(__file__).parents[1] / "photos"
FIRST = "lighthouse"
"""The photograph of the front page, with which the live page begins."""
STRIP = {"rgb": "student_mse", "ab": "l2", "mean": "ce@1", "tilted": "ce@1~0.5", "rebalanced": "ce_rebal@0.38"}
"""File names of the front page's strip, and the systems that paint them."""
LIVE = ("ce", "l2")
"""Arms that run in the live page; of the others it has the answers to the photographs that come with it."""
NETWORK_OF = {arm: BEST if arm == "ce" else arm for arm in ARMS}
"""The weights that the live page takes for each arm."""
STILL = {
    "cool": Readout(0.38),
    "mean": Readout(1.0),
    "tilted": Readout(1.0, 0.5),
    "sample": Readout(1.0, kind="sample"),
}
"""File names of the live page without JavaScript, and what they ask of the classifier."""


def base64_of(data: bytes) -> str:
    """Bytes as text that JavaScript's `atob` reads."""
    return base64.b64encode(data).decode()


def thumbnail(name: str) -> str:
    """A small JPEG of a photograph."""
    small, file = Image.fromarray(book_photos()[name]), io.BytesIO()
    small.thumbnail((120, 120))
    small.save(file, "jpeg", quality=80)
    return base64_of(file.getvalue())


def photograph(path: Path, networks: dict[str, Colorizer]) -> dict:
    """A photograph for the live page: the file, and by network ab rounded to whole units, a byte each."""
    image = book_photos()[path.stem]
    answers = {name: network.coarse(image) for name, network in networks.items()}
    answers["ce_rebal@1"] = networks["ce_rebal"].coarse(image, Readout(1.0))
    answers = {name: ab.round().clamp(-128, 127) for name, ab in answers.items()}
    h, w = next(iter(answers.values())).shape[1:]
    grids = {name: base64_of(ab.to(torch.int8).numpy().tobytes()) for name, ab in answers.items()}
    return {"jpeg": base64_of(path.read_bytes()), "h": h, "w": w, "ab": grids}


def live_data(networks: dict[str, Colorizer]) -> dict:
    """What the live page begins with, as plain JSON values; networks: by arm."""
    chosen = networks["ce"]
    names = sorted(book_photos(), key=lambda name: (name != FIRST, name))
    return {
        "side": chosen.side,
        "stages": [asdict(stage) for stage in STAGES],
        "centers": [int(value) for value in ab_gamut_centers().flatten()],
        "scale": AB_SCALE,
        "readout": [chosen.readout.temperature, chosen.readout.lambda_],
        "photos": {name: thumbnail(name) for name in names},
        "seen": {arm: views(networks[arm].passport) for arm in LIVE},
    }


def live_scripts() -> dict[str, str]:
    """The scripts of the live page by file name: what it begins with, photographs, and weights."""
    networks = {arm: load_colorizer(name, "cpu") for arm, name in NETWORK_OF.items()}
    scripts = {"data": f"const LIVE_DATA = {json.dumps(live_data(networks))};\n"}
    for path in PHOTOS.glob("*.jpg"):
        scripts[f"photo-{path.stem}"] = f'LIVE_PHOTOS["{path.stem}"] = {json.dumps(photograph(path, networks))};\n'
    for arm in LIVE:
        scripts[f"weights-{arm}"] = f'LIVE_WEIGHTS["{arm}"] = "{base64_of(weights_of(NETWORK_OF[arm]))}";\n'
    return scripts


def weights_of(name: str) -> bytes:
    """The file that `load_colorizer` reads."""
    return (resources.files("colorize_lib") / "weights" / f"{name}.safetensors").read_bytes()


def first_photo() -> Images:
    """The photograph `FIRST`."""
    return Images({FIRST: book_photos()[FIRST]}, "")


def front_images(chosen: Colorizer) -> dict[str, np.ndarray]:
    """The front page's large images by file name, uint8 [h, w, 3]; chosen: the network that `colorize photo` takes."""
    images = colorize_all(first_photo(), {"shown": chosen})[FIRST]
    return {"given": images["input"], "shown": images["shown"]}


def strip_images(_) -> dict[str, np.ndarray]:
    """The front page's row of small images by file name, uint8 [h, w, 3]."""
    networks = colorizers(load_config("evening", arms=arms_of(STRIP.values())))
    images = colorize_systems(first_photo(), networks, list(STRIP.values()))[FIRST]
    return {name: images[system] for name, system in ({"true": "truth"} | STRIP).items()}


def still_images(chosen: Colorizer) -> dict[str, np.ndarray]:
    """The live page's first photograph at some settings, uint8 [h, w, 3] by file name."""
    photo = first_photo().items[FIRST]
    return {f"still-{name}": chosen.photo(photo, readout) for name, readout in STILL.items()}


def sheet_images(chosen: Colorizer) -> dict[str, np.ndarray]:
    """Every photograph of the book as `chosen` paints it, beside the true one, uint8 [h, 2 w, 3] by name."""
    return {name: np.hstack([chosen.photo(image), image]) for name, image in book_photos().items()}


ONE, ALL = f"{FIRST} (Kodak)", f"{len(list(PHOTOS.glob('*.jpg')))} photographs (Kodak)"
SQUARES = f"squares of {ALL} and of {len(BUNDLED)} of scikit-image's"
IMAGES = {"front": front_images, "strip": strip_images, "live": still_images, "sheet": sheet_images}
"""What draws images, by the folder in `_static` that they go to."""
BEHIND = {
    front_images: ((BEST,), ONE),
    strip_images: (arms_of(STRIP.values()), ONE),
    still_images: ((BEST,), ONE),
    sheet_images: ((BEST,), ALL),
    live_scripts: (tuple(NETWORK_OF.values()), ALL),
    painted: (arms_of(COMPARED), SQUARES),
    sheet: (("ce",), f"every fifth of the {SQUARES}"),
}
"""What draws images for pages, with the networks that it uses, by the names they ship under, and what it shows."""


def line_below(name: str) -> str:
    """HTML of what is behind the images of a function in `BEHIND`, given by name. KeyError for another one."""
    draw = {draw.__name__: draw for draw in BEHIND}[name]
    names, shown = BEHIND[draw]
    about = {"profiles": {}, "images": [shown], "live": [], "files": []}
    for told in (load_colorizer(name, "cpu").passport for name in names):
        profile = about["profiles"].setdefault(told["profile"], {"runs": {}, **NOTHING})
        profile["runs"] |= about_runs({told["run"]: told})
    return line(about, f"Figure of {name} in book/_ext/{draw.__module__}.py · weights that ship: {listed(names)}")


class Behind(SphinxDirective):
    """`{behind}`, see the top of this file."""

    required_arguments = 1
    option_spec = {"doc": directives.unchanged_required}

    def run(self) -> list:
        """Return the line."""
        name = self.arguments[0]
        if "doc" in self.options:
            return passport_of(self.env, self.options["doc"], name)
        return [nodes.raw("", line_below(name), format="html")]


def write(app, error) -> None:
    """Write scripts and images beside the built pages, unless the build failed."""
    if error is not None or app.builder.format != "html":
        return
    chosen, static = load_colorizer(BEST, "cpu"), Path(app.outdir) / "_static"
    for folder, draw in IMAGES.items():
        (static / folder).mkdir(parents=True, exist_ok=True)
        for name, image in draw(chosen).items():
            Image.fromarray(image).save(static / folder / f"{name}.jpg", quality=90)
    for name, script in live_scripts().items():
        (static / f"live/{name}.js").write_text(script)


def setup(app) -> dict:
    """Tell Sphinx what this extension brings."""
    app.add_directive("behind", Behind)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
