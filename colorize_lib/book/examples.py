"""Which images the book shows, chosen by rules that are printed with them, and the networks that colorize them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ..color import chroma, hue, lab_to_rgb, rgb_to_lab, to_uint8, to_unit
from ..colorizer import Colorizer, load_colorizer, load_run
from ..config import Config
from ..data.images import bundled_photos, read_image
from ..data.prepare import open_data
from ..data.scenes import synthetic_scenes
from ..evaluation.measuring import finished_runs
from ..evaluation.metrics import ciede2000
from ..evaluation.results import BOOK
from ..evaluation.systems import System
from ..readout import Readout
from ..trace import note
from ..training.loop import RUNS


def _share(mask: torch.Tensor) -> float:
    return float(mask.float().mean())


def _in_sector(lab: torch.Tensor, low: float, high: float) -> torch.Tensor:
    angle = hue(lab[1:])
    inside = (angle >= low) & (angle < high) if low < high else (angle >= low) | (angle < high)
    return inside & (chroma(lab[1:]) > 20)


RULES: dict[str, tuple[str, Callable[[torch.Tensor], float]]] = {
    "any": ("in their given order", lambda lab: 0.0),
    "red_yellow": ("the most pixels with a red, orange or yellow hue and chroma above 20",
                   lambda lab: _share(_in_sector(lab, 345, 105))),
    "neutral": ("the most pixels with chroma below 10", lambda lab: _share(chroma(lab[1:]) < 10)),
    "vivid": ("the highest mean chroma", lambda lab: float(chroma(lab[1:]).mean())),
    "dark": ("the lowest mean L", lambda lab: -float(lab[0].mean())),
    "bright": ("the most pixels with L above 90", lambda lab: _share(lab[0] > 90)),
    "monochrome": ("the smallest spread of a and b", lambda lab: -float(lab[1:].flatten(1).std(1).sum())),
}  # fmt: skip
"""Rules by name: what is printed, and the score of an image (Lab [3, h, w]); the highest scores are shown."""


@dataclass(frozen=True)
class Images:
    """Images to show, uint8 [h, w, 3] by name, and the sentence that says how they were chosen."""

    items: dict[str, np.ndarray]
    rule: str

    def __post_init__(self):
        for name in self.items:
            note("shown", what=name)


def choose_images(config: Config, rule: str = "any", n: int = 6, scenes: int = 4) -> Images:
    """Choose images by a rule of `RULES`: test photographs of the configured data, else images that may ship.

    Those are scikit-image's bundled photographs and as many `scenes` of ours (networks trained on photographs have
    never seen any); on synthetic data there are scenes only.
    From a data set the n images are spread evenly over the top tenth, so that they are not all extreme.
    """
    if rule not in RULES:
        raise ValueError(f"rule={rule!r} is unknown; choose one of {', '.join(RULES)}")
    text, score = RULES[rule]
    if config.data and config.data != "synthetic":
        store = open_data(config.data, config.side)
        rows = store.rows("test")
        ranked = sorted(rows, key=lambda r: -score(_lab(store.pixels[r])))
        pool = len(ranked) if rule == "any" else min(len(ranked), max(n, len(ranked) // 10))
        picked = [ranked[i] for i in np.linspace(0, pool - 1, min(n, pool)).astype(int)]
        items = {f"test photo {r}": np.asarray(store.pixels[r]) for r in picked}
        where = f"{len(items)} of the {pool} test photographs (of {len(rows)}) with {text}, evenly spaced"
        return Images(items, where if rule != "any" else f"{len(items)} of {pool} test photographs, evenly spaced")
    items = shippable_images(config, scenes)
    ranked = _highest(score, items, n)
    photos = "photographs bundled with scikit-image" + " and synthetic scenes" * (scenes > 0)
    what = "synthetic scenes" if config.data else photos
    shown = len(ranked)
    where = f"of {len(items)} {what} the {shown} with {text}" if rule != "any" else f"the first {shown} {what}, {text}"
    return Images({name: items[name] for name in ranked}, where)


def book_images(config: Config, rule: str = "any", n: int = 6) -> Images:
    """The n of `book_photos` by a rule of `RULES`; where data is configured or there is no book, four of others."""
    photos = book_photos()
    if config.data or not photos:
        return choose_images(config, rule, 4)
    text, score = RULES[rule]
    ranked = _highest(score, photos, n)
    rule = f"of the {len(photos)} photographs that come with the book the {len(ranked)} with {text}"
    return Images({name: photos[name] for name in ranked}, rule)


def named_images(config: Config, names: Iterable[str], rule: str = "any") -> Images:
    """The images of these names among all that may be shown; where data is configured as many of that, by a rule of
    `RULES`. Raises ValueError for an unknown name, naming those there are."""
    names = list(names)
    if config.data:
        return choose_images(config, rule, len(names), scenes=0)
    known = bundled_photos() | book_photos()
    if missing := [name for name in names if name not in known]:
        raise ValueError(f"no image {missing[0]!r} may be shown; there are: {', '.join(known)}")
    return Images({name: known[name] for name in names}, "named in the notebook")


def _lab(image: np.ndarray) -> torch.Tensor:
    """Lab [3, h, w] of an image uint8 [h, w, 3]."""
    return rgb_to_lab(to_unit(torch.from_numpy(np.array(image))))


def _highest(score: Callable, images: dict[str, np.ndarray], n: int) -> list[str]:
    return sorted(images, key=lambda name: -score(_lab(images[name])))[:n]


def book_photos() -> dict[str, np.ndarray]:
    """The photographs in book/photos, by name; none where the package is installed without the book."""
    note("images", what="photographs of the book")
    return {path.stem: read_image(path) for path in sorted((BOOK / "photos").glob("*.jpg"))}


def shippable_images(config: Config, scenes: int = 4) -> dict[str, np.ndarray]:
    """Images that may be shown anywhere: scikit-image's photographs (not for synthetic data) and synthetic scenes."""
    n = 12 if config.data == "synthetic" else scenes
    drawn = synthetic_scenes(n, config.side, seed=1000).pixels if n else ()
    made = {f"scene {i + 1}": image for i, image in enumerate(drawn)}
    return made if config.data == "synthetic" else bundled_photos() | made


def colorizers(config: Config, runs: Path = RUNS) -> dict[str, Colorizer]:
    """One trained network an arm: those of the runs on the configured data (first seed), else the shipped ones."""
    if not config.data:
        return {arm: load_colorizer(arm) for arm in config.arms}
    found = finished_runs(config, open_data(config.data, config.side), runs)
    missing = [arm for arm in config.arms if (arm, config.seeds[0]) not in found]
    if missing:
        raise ValueError(f"arm {missing[0]!r} is not trained yet on this data; run notebook 04_training first")
    return {arm: load_run(found[arm, config.seeds[0]]) for arm in config.arms}


def colorize_all(images: Images, networks: dict[str, Colorizer], readout: Readout | None = None) -> dict:
    """Colorize every image with every network: {image: {"input", "truth", arm: uint8 [h, w, 3]}}.

    Small images (training size) go through as they are, larger ones as in `Colorizer.photo`.
    """
    out = {}
    for name, image in images.items.items():
        L = _lab(image)[:1]
        grey = to_uint8(lab_to_rgb(torch.cat([L, torch.zeros_like(L), torch.zeros_like(L)]))).numpy()
        out[name] = {"input": grey, "truth": np.asarray(image)}
        out[name] |= {arm: network.photo(np.asarray(image), readout) for arm, network in networks.items()}
    return out


def colorize_systems(
    images: Images, networks: dict[str, Colorizer], systems: list[str], gains: dict[str, dict[str, float]] | None = None
) -> dict:
    """The same for systems: {image: {"input", "truth", "ce@0.38": uint8 [h, w, 3]}}.

    gains: factors of gain controls by run and system, as recorded. Systems without a network, or a control without its
    factor, are left out.
    """
    out = colorize_all(images, {})
    for asked in map(System.parse, systems):
        network = networks.get(asked.arm)
        plain = str(replace(asked, treatment=""))
        factors = (gains or {}).get(network.passport["run"], {}) if network else {}
        gain = factors.get(plain) if asked.treatment == "gain" else 1.0
        for name, image in images.items.items() if network and gain is not None else ():
            out[name][str(asked)] = network.photo(np.asarray(image), asked.readout, gain)
    return out


def ab_errors(rows: dict[str, dict[str, np.ndarray]]) -> pd.DataFrame:
    """Mean distance of every column of `colorize_systems` from the truth on the ab plane: an image a row; of `input` it
    is the mean chroma."""
    ab = {name: {c: _lab(image)[1:] for c, image in row.items()} for name, row in rows.items()}
    return pd.DataFrame({name: {c: float(chroma(x - row["truth"]).mean()) for c, x in row.items() if c != "truth"}
                         for name, row in ab.items()}).T  # fmt: skip


def apart(rows: dict[str, dict[str, np.ndarray]], pairs: dict[str, str]) -> pd.DataFrame:
    """How far apart the images of two columns of `colorize_systems` are, and each from the truth: a pair a row, mean
    CIEDE2000 over pixels and images. Pairs {one: other} of which a column is missing are left out."""

    def far(one: str, other: str) -> float:
        return float(np.mean([ciede2000(_lab(row[one]), _lab(row[other])).mean() for row in rows.values()]))

    there = {one: other for one, other in pairs.items() if all({one, other} <= row.keys() for row in rows.values())}
    found = {"one": there.keys(), "other": there.values(), "from each other": [far(*pair) for pair in there.items()]}
    found |= {"one from the truth": [far(one, "truth") for one in there]}
    return pd.DataFrame(found | {"other from the truth": [far(other, "truth") for other in there.values()]})
