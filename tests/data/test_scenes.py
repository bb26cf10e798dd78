"""Generated scenes: their colours, frequencies and closed form."""

import numpy as np
import pytest
import torch

from colorize_lib.color import lab_to_rgb, rgb_to_lab, to_unit
from colorize_lib.data import scenes as scenes_module
from colorize_lib.data.scenes import _CLASS, SCENE_CLASSES, SceneClass, scene_conditional_mean, synthetic_scenes


def test_scene_colours_are_displayable_and_as_stated():
    scenes = synthetic_scenes(256, 32, seed=1)
    lab = rgb_to_lab(to_unit(torch.from_numpy(scenes.pixels))).movedim(1, -1).numpy()
    for number, kind in enumerate(SCENE_CLASSES):
        there = lab[scenes.classes == number]
        assert len(there) > 100, kind.name
        assert abs(there[:, 0] - kind.lightness).max() < kind.amplitude + 0.5
        errors = np.linalg.norm(there[:, None, 1:] - np.array(kind.colours), axis=-1)
        assert errors.min(1).max() < 1, kind.name
        for ab in kind.colours:
            for L in np.linspace(kind.lightness - kind.amplitude, kind.lightness + kind.amplitude, 9):
                rgb = lab_to_rgb(torch.tensor([L, *ab])[:, None, None])
                assert rgb.min() >= 0 and rgb.max() <= 1, (kind.name, ab, L)


def test_lightness_does_not_depend_on_the_colours_drawn(monkeypatch):
    scenes = synthetic_scenes(64, 32)
    swapped = tuple(
        SceneClass(k.name, k.lightness, k.amplitude, k.colours[::-1], k.probabilities) for k in SCENE_CLASSES
    )
    monkeypatch.setattr(scenes_module, "SCENE_CLASSES", swapped)
    other = synthetic_scenes(64, 32)
    assert (scenes.classes == other.classes).all() and (scenes.pixels != other.pixels).any()
    lightness = [rgb_to_lab(to_unit(torch.from_numpy(s.pixels)))[:, 0] for s in (scenes, other)]
    assert (lightness[0] - lightness[1]).abs().max() < 0.7  # both were rounded to 8 bits


def test_scene_frequencies_and_closed_form():
    means = scene_conditional_mean()
    assert means.shape == (len(SCENE_CLASSES), 2)
    scenes = synthetic_scenes(1500, 16, seed=2)
    lab = rgb_to_lab(to_unit(torch.from_numpy(scenes.pixels))).movedim(1, -1).numpy()
    for number, kind in enumerate(SCENE_CLASSES):
        assert sum(kind.probabilities) == pytest.approx(1) and len(kind.probabilities) == len(kind.colours)
        assert np.linalg.norm(kind.mean) <= kind.mean_chroma + 1e-9
        there = scenes.classes == number
        ab = lab[there][:, 1:]
        spread = kind.mean_chroma / np.sqrt(there.any((1, 2)).sum())  # about one standard error over objects
        assert np.linalg.norm(ab.mean(0) - means[number]) < 4 * spread + 1, kind.name
    ball = SCENE_CLASSES[_CLASS["ball"]]
    assert np.linalg.norm(ball.mean) < 0.5 * ball.mean_chroma  # the case the book turns on: averaging greys


def test_scenes_are_reproducible():
    few, many = synthetic_scenes(5, 32, seed=4), synthetic_scenes(300, 32, seed=4)
    assert (few.pixels == many.pixels[:5]).all() and (few.classes == many.classes[:5]).all()
    assert (few.pixels != synthetic_scenes(5, 32, seed=5).pixels).any()
    assert few.pixels.shape == (5, 32, 32, 3) and few.classes.shape == (5, 32, 32)
    with pytest.raises(ValueError, match="side=8"):
        synthetic_scenes(3, 8)
