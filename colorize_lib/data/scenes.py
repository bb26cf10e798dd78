"""Generated scenes whose colours are random given their grey appearance, with known probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from ..color import lab_to_rgb, rgb_to_lab, to_uint8, to_unit
from ..trace import note


@dataclass(frozen=True)
class SceneClass:
    """Objects that look alike in grey: lightness in `lightness` +- `amplitude`, and a colour drawn for each object.

    `colours` are pairs ab in CIE units, `probabilities` theirs. All are inside the sRGB cube at all these lightnesses.
    """

    name: str
    lightness: float
    amplitude: float
    colours: tuple[tuple[float, float], ...]
    probabilities: tuple[float, ...] = (1.0,)

    @property
    def mean(self) -> np.ndarray:
        """Conditional mean of ab given this grey appearance, float64 [2]: what squared error can at best predict."""
        return np.array(self.probabilities) @ np.array(self.colours)

    @property
    def mean_chroma(self) -> float:
        """Expected chroma E|ab|; never below the chroma of `mean`, and their gap is the greying of squared error."""
        return float(np.array(self.probabilities) @ np.linalg.norm(self.colours, axis=1))


_THIRD = (1 / 3, 1 / 3, 1 / 3)
SCENE_CLASSES = (
    SceneClass("sky", 78, 8, ((-4.0, -20.0),)),
    SceneClass("cloud", 93, 2, ((0.0, 0.0),)),
    SceneClass("hill", 42, 4, ((-20.0, 12.0), (12.0, 22.0)), (0.6, 0.4)),
    SceneClass("grass", 54, 5, ((-26.0, 36.0), (-30.0, 40.0), (-34.0, 44.0)), (0.25, 0.5, 0.25)),
    SceneClass("sand", 76, 3, ((5.0, 28.0),)),
    SceneClass("wall", 68, 3, ((0.0, 0.0),)),
    SceneClass("brick", 46, 6, ((28.0, 26.0), (18.0, 24.0)), (0.7, 0.3)),
    SceneClass("roof", 34, 4, ((34.0, 26.0), (-2.0, -18.0)), (0.5, 0.5)),
    SceneClass("window", 24, 2, ((0.0, 0.0),)),
    SceneClass("trunk", 30, 3, ((12.0, 18.0),)),
    SceneClass("leaves", 40, 7, ((-28.0, 28.0), (34.0, 34.0)), (0.7, 0.3)),
    SceneClass(
        "car", 47, 3, ((54.0, 34.0), (4.0, 46.0), (-40.0, 30.0), (-12.0, -24.0), (8.0, -38.0), (0.0, 0.0)), (1 / 6,) * 6
    ),
    SceneClass("tyre", 18, 2, ((0.0, 0.0),)),
    SceneClass("ball", 60, 6, ((46.0, 28.0), (2.0, 55.0), (2.0, -42.0)), _THIRD),
    SceneClass("flower", 70, 4, ((34.0, -6.0), (4.0, 62.0), (18.0, -30.0)), _THIRD),
)
"""Every class of the synthetic scenes; a class number in `SyntheticScenes.classes` is a place in this table."""
_CLASS = {kind.name: number for number, kind in enumerate(SCENE_CLASSES)}
_SCENES_AT_ONCE = 256
SCENES_VERSION = 1  # raise it when the painting changes, so that cached stores are made anew


class SyntheticScenes(NamedTuple):
    """Images uint8 [n, side, side, 3] and the class of every pixel, uint8 [n, side, side] (see `SCENE_CLASSES`)."""

    pixels: np.ndarray
    classes: np.ndarray
    table: tuple[SceneClass, ...] = SCENE_CLASSES


def scene_conditional_mean() -> np.ndarray:
    """Best possible output of squared error, float64 [classes, 2]: mean ab of each class in `SCENE_CLASSES`."""
    return np.stack([kind.mean for kind in SCENE_CLASSES])


def scene_colours(seed: int) -> np.ndarray:
    """One colour drawn for each class of `SCENE_CLASSES`, float64 [classes, 2]."""
    rng = np.random.default_rng(seed)
    return np.stack([kind.colours[rng.choice(len(kind.colours), p=kind.probabilities)] for kind in SCENE_CLASSES])


def repaint(scenes: SyntheticScenes, ab: np.ndarray) -> np.ndarray:
    """The scenes with the colour ab [classes, 2] for every pixel of a class, same lightness: uint8 [n, side, side, 3].

    With `scene_conditional_mean()` this is the best that squared error can paint, with `scene_colours(seed)` another
    image that the same grey one could have come from.
    """
    lightness = rgb_to_lab(to_unit(torch.from_numpy(scenes.pixels)).double())[:, :1]
    colours = torch.from_numpy(ab[scenes.classes]).to(lightness).movedim(-1, 1)
    return to_uint8(lab_to_rgb(torch.cat([lightness, colours], 1))).numpy()


class _Canvas:
    """Many scenes painted at once, back to front. Masks and patterns are [n, side, side]; lengths are shares of it."""

    def __init__(self, n: int, side: int, rng: np.random.Generator):
        self.n, self.side, self.rng = n, side, rng
        self.y, self.x = (np.mgrid[:side, :side].astype(np.float32) + 0.5)[:, None] / side
        grain = np.arange(side) * min(side, 64) // side  # rows and columns of textures, at least a pixel
        self.row, self.column = grain[:, None], grain[None]
        self.lab = np.zeros((n, side, side, 3), np.float32)
        self.classes = np.zeros((n, side, side), np.uint8)

    def between(self, low: float, high: float) -> np.ndarray:
        """One number per scene, [n, 1, 1]."""
        return self.rng.uniform(low, high, (self.n, 1, 1)).astype(np.float32)

    def noise(self, height: int | None = None) -> np.ndarray:
        """Uniform noise in -1..1, [n, side, side], or [n, 1, side] that is the same down a column."""
        return self.rng.uniform(-1, 1, (self.n, height or self.side, self.side)).astype(np.float32)

    def paint(self, name: str, mask: np.ndarray, pattern: np.ndarray) -> None:
        """Paint one object a scene, its lightness by `pattern` in -1..1, its colour drawn independently of all else."""
        kind = SCENE_CLASSES[_CLASS[name]]
        draw = self.rng.choice(len(kind.colours), self.n, p=kind.probabilities)
        colour = np.array(kind.colours, np.float32)[draw]
        scene, row, column = np.nonzero(np.broadcast_to(mask, self.classes.shape))
        lightness = kind.lightness + kind.amplitude * np.broadcast_to(pattern, self.classes.shape).clip(-1, 1)
        self.lab[scene, row, column, 0] = lightness[scene, row, column]
        self.lab[scene, row, column, 1:] = colour[scene]
        self.classes[scene, row, column] = _CLASS[name]

    def disc(self, x: np.ndarray, y: np.ndarray, radius: np.ndarray, flat: float = 1) -> np.ndarray:
        """Squared distance from (x, y) in radii; below 1 inside. `flat` < 1 makes it wider than high."""
        return ((self.x - x) ** 2 + ((self.y - y) / flat) ** 2) / radius**2

    def box(self, x: np.ndarray, top: np.ndarray, bottom: np.ndarray, half: np.ndarray) -> np.ndarray:
        return (abs(self.x - x) < half) & (self.y >= top) & (self.y < bottom)


def _paint_land(canvas: _Canvas) -> tuple[np.ndarray, np.ndarray]:
    """Sky, clouds, hills and ground; returns the height of the horizon and whether the ground is grass, [n, 1, 1]."""
    horizon, grassy = canvas.between(0.48, 0.62), canvas.between(0, 1) < 0.7
    canvas.paint("sky", np.array(True), 2 * canvas.y / horizon - 1)
    for _ in range(2):
        x, y, radius = canvas.between(0, 1), canvas.between(0.08, 0.24), canvas.between(0.08, 0.16)
        lobe = canvas.disc(x + radius, y + 0.2 * radius, 0.8 * radius, 0.5)
        cloud = np.minimum(canvas.disc(x, y, radius, 0.5), lobe)
        canvas.paint("cloud", cloud < 1, 1 - 2 * cloud)
    for _ in range(2):
        wave = np.sin(2 * np.pi * (canvas.between(0.6, 1.3) * canvas.x + canvas.between(0, 1)))
        ridge = horizon - canvas.between(0.04, 0.12) * (1 + wave)
        canvas.paint("hill", canvas.y > ridge, 1 - 6 * (canvas.y - ridge))
    ground = canvas.y >= horizon
    canvas.paint("grass", ground & grassy, 0.75 * canvas.noise(1) + 0.25 * canvas.noise())
    canvas.paint("sand", ground & ~grassy, canvas.noise())
    return horizon, grassy


def _paint_house(canvas: _Canvas, horizon: np.ndarray) -> np.ndarray:
    """A house of brick or plaster with roof and windows in most scenes; returns its middle, [n, 1, 1]."""
    x, half, there = canvas.between(0.2, 0.8), canvas.between(0.13, 0.19), canvas.between(0, 1) < 0.8
    bottom, top = horizon + canvas.between(0.04, 0.1), horizon - canvas.between(0.1, 0.16)
    walls, bricks = canvas.box(x, top, bottom, half) & there, canvas.between(0, 1) < 0.5
    mortar = (canvas.row % 3 == 0) | ((canvas.column + 3 * (canvas.row // 3 % 2)) % 6 == 0)
    canvas.paint("brick", walls & bricks, np.where(mortar, 1, -0.6 + 0.4 * canvas.noise()))
    canvas.paint("wall", walls & ~bricks, 0.3 * canvas.noise())
    slope = top - 0.16 + 0.16 * abs(canvas.x - x) / (half + 0.04)
    canvas.paint("roof", (canvas.y > slope) & (canvas.y < top) & there, canvas.row % 2 * 2 - 1)
    for shift in (-0.5, 0.5):
        window = canvas.box(x + shift * half, top + 0.05, top + 0.13, 0.2 * half + 0.012)
        canvas.paint("window", window & there, 1 - 20 * (canvas.y - top - 0.05))
    return x


def _paint_tree(canvas: _Canvas, horizon: np.ndarray, house: np.ndarray) -> None:
    x, there = (house + canvas.between(0.35, 0.65)) % 1, canvas.between(0, 1) < 0.75
    foot, radius = horizon + canvas.between(0.06, 0.14), canvas.between(0.1, 0.15)
    canvas.paint("trunk", canvas.box(x, foot - 0.25, foot, np.float32(0.024)) & there, canvas.noise(1))
    crown = canvas.disc(x, foot - 0.17 - radius, radius, 1.2)
    canvas.paint("leaves", (crown < 1 + 0.3 * canvas.noise()) & there, canvas.noise())


def _paint_car(canvas: _Canvas) -> None:
    x, bottom, there = canvas.between(0.15, 0.85), canvas.between(0.78, 0.86), canvas.between(0, 1) < 0.6
    body = canvas.box(x, bottom - 0.1, bottom, np.float32(0.17))
    cabin = canvas.box(x, bottom - 0.18, bottom - 0.1, 0.1 - 0.4 * (bottom - 0.1 - canvas.y))
    canvas.paint("car", (body | cabin) & there, 1 - 12 * (canvas.y - bottom + 0.16))
    canvas.paint("window", canvas.box(x, bottom - 0.155, bottom - 0.1, np.float32(0.065)) & there, np.array(0.0))
    for shift in (-0.095, 0.095):
        wheel = canvas.disc(x + shift, bottom, np.float32(0.042))
        canvas.paint("tyre", (wheel < 1) & there, 1 - 2 * wheel)


def _paint_toys(canvas: _Canvas, grassy: np.ndarray) -> None:
    """Balls anywhere in front, flowers only in grass."""
    for _ in range(6):
        x, y = canvas.between(0.03, 0.97), canvas.between(0.72, 0.97)
        flower = canvas.disc(x, y, canvas.between(0.032, 0.045))
        canvas.paint("flower", (flower < 1) & grassy & (canvas.between(0, 1) < 0.8), 1 - 2 * flower)
    for _ in range(2):
        x, y, radius = canvas.between(0.1, 0.9), canvas.between(0.72, 0.88), canvas.between(0.08, 0.12)
        light = canvas.disc(x - 0.35 * radius, y - 0.4 * radius, radius)
        there = canvas.between(0, 1) < 0.75
        canvas.paint("ball", (canvas.disc(x, y, radius) < 1) & there, 1 - 1.1 * light)


def _scene_chunk(side: int, seed: int, chunk: int) -> tuple[np.ndarray, np.ndarray]:
    canvas = _Canvas(_SCENES_AT_ONCE, side, np.random.default_rng([seed, chunk]))
    horizon, grassy = _paint_land(canvas)
    _paint_tree(canvas, horizon, _paint_house(canvas, horizon))
    _paint_car(canvas)
    _paint_toys(canvas, grassy)
    lab = torch.from_numpy(canvas.lab).movedim(-1, 1)
    return to_uint8(lab_to_rgb(lab.double())).contiguous().numpy(), canvas.classes


def synthetic_scenes(n: int, side: int, seed: int = 0) -> SyntheticScenes:
    """Make n little landscapes whose colours are random given their grey appearance, with known probabilities.

    Lightness is drawn first and is the same whatever colours follow, every object draws its colour from its class
    alone (`SCENE_CLASSES`), and all of it lies inside the sRGB cube. So given the lightness image, the
    distribution of every pixel's colour is the one in the table. The first scenes are the same for every n.
    """
    note("images", what="generated scenes")
    if n < 1 or side < 16:
        raise ValueError(f"need n >= 1 scenes of side >= 16, got n={n}, side={side}")
    chunks = [_scene_chunk(side, seed, chunk) for chunk in range(-(-n // _SCENES_AT_ONCE))]
    pixels, classes = (np.concatenate(parts)[:n] for parts in zip(*chunks, strict=True))
    return SyntheticScenes(pixels, classes)
