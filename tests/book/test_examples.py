"""Example images: chosen by their rule, described truly, colorized by the right networks."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import skimage.color
import tiny
import torch

from colorize_lib.book import examples
from colorize_lib.book.examples import RULES, book_images, choose_images, colorize_all, colorize_systems, colorizers
from colorize_lib.color import rgb_to_lab, to_unit
from colorize_lib.config import load_config
from colorize_lib.readout import Readout


@pytest.fixture(scope="module")
def made():
    return tiny.experiment()


def _flat(*rgb: int) -> np.ndarray:
    return np.broadcast_to(np.array(rgb, np.uint8), (16, 16, 3)).copy()


@pytest.mark.parametrize(
    ("rule", "more", "less"),
    [
        ("red_yellow", _flat(200, 30, 30), _flat(30, 30, 200)),
        ("red_yellow", _flat(230, 210, 20), _flat(20, 160, 40)),
        ("neutral", _flat(120, 120, 120), _flat(200, 30, 30)),
        ("vivid", _flat(255, 0, 0), _flat(150, 110, 110)),
        ("dark", _flat(10, 10, 10), _flat(90, 90, 90)),
        ("bright", _flat(250, 250, 250), _flat(128, 128, 128)),
    ],
)
def test_the_score_of_a_rule_prefers_what_it_says(rule, more, less):
    score = RULES[rule][1]
    assert score(examples._lab(more)) > score(examples._lab(less))


def test_monochrome_prefers_one_colour_to_two():
    two = _flat(200, 30, 30)
    two[:8] = (30, 30, 200)
    score = RULES["monochrome"][1]
    assert score(examples._lab(_flat(200, 30, 30))) > score(examples._lab(two))


@pytest.mark.parametrize("rule", RULES)
def test_from_a_data_set_only_test_images_are_shown(made, rule):
    chosen = choose_images(made.config, rule, 3)
    assert len(chosen.items) == 3
    test = {f"test photo {row}": row for row in made.store.rows("test")}
    for name, image in chosen.items.items():
        assert np.array_equal(image, made.store.pixels[test[name]])
    assert "3 of" in chosen.rule and str(tiny.IMAGES["test"]) in chosen.rule
    assert RULES[rule][0] in chosen.rule or rule == "any"


def test_any_spreads_over_all_test_images(made):
    rows = made.store.rows("test")
    names = list(choose_images(made.config, "any", 3).items)
    assert names == [f"test photo {rows[i]}" for i in (0, 7, 15)]


def test_more_images_than_there_are(made):
    chosen = choose_images(made.config, "vivid", 99)
    assert len(chosen.items) == tiny.IMAGES["test"] and chosen.rule.startswith("16 of the 16 test photographs")


def test_without_data_what_is_shown_may_ship():
    config = load_config("evening")
    chosen = choose_images(config, "vivid", 4)
    scores = [RULES["vivid"][1](examples._lab(image)) for image in chosen.items.values()]
    assert scores == sorted(scores, reverse=True) and len(scores) == 4
    everything = examples.shippable_images(config)
    assert set(chosen.items) <= set(everything) and "astronaut" in everything
    assert chosen.rule.startswith(f"of {len(everything)} photographs bundled with scikit-image")
    assert all(p.dtype == np.uint8 and p.shape[2] == 3 for p in everything.values())


def test_synthetic_data_shows_scenes_only():
    chosen = choose_images(load_config("smoke"), "any", 2)
    assert list(chosen.items) == ["scene 1", "scene 2"]
    assert chosen.rule == "the first 2 synthetic scenes, in their given order"
    assert chosen.items["scene 1"].shape == (32, 32, 3)


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="rule='pretty' is unknown; choose one of any, red_yellow"):
        choose_images(load_config("smoke"), "pretty")


def test_images_may_be_named(made):
    shown = examples.named_images(load_config("evening"), ["rocket", "lighthouse"])
    assert list(shown.items) == ["rocket", "lighthouse"]
    assert np.array_equal(shown.items["lighthouse"], examples.book_photos()["lighthouse"])
    with pytest.raises(ValueError, match="no image 'dog' may be shown; there are: astronaut.*lighthouse"):
        examples.named_images(load_config("evening"), ["rocket", "dog"])
    of_data = examples.named_images(made.config, ["rocket", "lighthouse"], "dark")
    assert of_data.items.keys() == choose_images(made.config, "dark", 2).items.keys()


def test_errors_of_shown_images_are_distances_from_the_truth():
    grey, red = _flat(128, 128, 128), _flat(200, 30, 30)
    errors = examples.ab_errors({"one": {"input": grey, "truth": red, "l2": red}})
    assert errors.columns.tolist() == ["input", "l2"] and errors["l2"]["one"] == 0
    assert errors.input["one"] == pytest.approx(RULES["vivid"][1](examples._lab(red)), abs=0.02)


def test_pairs_of_images_are_held_against_each_other_and_the_truth():
    grey, red = _flat(128, 128, 128), _flat(200, 30, 30)
    rows = {"one": {"truth": red, "l2": grey, "ce@1": red}, "two": {"truth": red, "l2": red, "ce@1": red}}
    found = examples.apart(rows, {"l2": "ce@1", "l2_rebal": "ce@1"})
    assert found[["one", "other"]].values.tolist() == [["l2", "ce@1"]], "the other pair was not painted"
    lab = [skimage.color.rgb2lab(image / 255) for image in (grey, red)]
    expected = skimage.color.deltaE_ciede2000(*lab).mean() / 2
    assert found.iloc[0, 2:].tolist() == pytest.approx([expected, expected, 0], rel=1e-3)


def test_networks_are_those_of_the_runs(made):
    networks = colorizers(dataclasses.replace(made.config, seeds=(1, 0)), made.runs)
    assert list(networks) == list(made.config.arms)
    assert {network.passport["seed"] for network in networks.values()} == {1}
    with pytest.raises(ValueError, match="arm 'student_mse' is not trained yet"):
        colorizers(dataclasses.replace(made.config, seeds=(5,)), made.runs)


def test_every_image_is_colorized_by_every_network_at_its_own_size(made):
    images = choose_images(made.config, "any", 2)
    first = next(iter(images.items.values()))
    big = examples.Images({**images.items, "big": np.tile(first, (2, 3, 1))}, "")
    out = colorize_all(big, colorizers(made.config, made.runs), readout=Readout(0.38))
    assert list(out) == list(big.items)
    for name, shown in out.items():
        assert list(shown) == ["input", "truth", *made.config.arms]
        assert {p.shape for p in shown.values()} == {big.items[name].shape}
        assert {p.dtype for p in shown.values()} == {np.dtype(np.uint8)}
        assert np.array_equal(shown["truth"], big.items[name])
        assert np.ptp(shown["input"].astype(int), axis=2).max() <= 1, "the input is grey"


def test_the_book_shows_six_of_its_photographs_by_a_rule_or_some_of_the_data(made):
    chosen = book_images(load_config("evening", seeds=[]), "red_yellow")
    assert len(chosen.items) == 6 and chosen.rule.startswith(f"of the {len(examples.book_photos())} photographs")
    score = {
        name: RULES["red_yellow"][1](rgb_to_lab(to_unit(torch.from_numpy(image.copy())[None]))[0])
        for name, image in examples.book_photos().items()
    }
    assert list(chosen.items) == sorted(score, key=score.get, reverse=True)[:6]
    assert list(book_images(made.config, "vivid").items) == list(choose_images(made.config, "vivid", 4).items)
    assert list(book_images(load_config("smoke")).items) == ["scene 1", "scene 2", "scene 3", "scene 4"]


def test_systems_that_cannot_be_shown_are_left_out_and_a_gain_multiplies_chroma(made):
    images, networks = choose_images(made.config, "any", 1), colorizers(made.config, made.runs)
    del networks["student_mse"]
    gains = {networks["l2"].passport["run"]: {"l2": 0.0}, networks["ce"].passport["run"]: {"ce@0.38": 1.0}}
    (shown,) = colorize_systems(images, networks, ["student_mse", "l2", "l2+gain", "ce@1+gain"], gains).values()
    assert list(shown) == ["input", "truth", "l2", "l2+gain"], "no network, and no factor at T = 1"
    assert np.array_equal(shown["l2+gain"], shown["input"]) and not np.array_equal(shown["l2"], shown["input"])
