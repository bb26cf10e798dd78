"""A network as a tool: what it predicts, images of any size, and files that are, or are not, networks."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch.nn.functional import interpolate

from colorize_lib import colorizer as module
from colorize_lib import config as settings
from colorize_lib.color import lab_to_rgb, rgb_to_lab, to_uint8, to_unit
from colorize_lib.colorizer import WEIGHTS, Colorizer, export_weights, load_colorizer, load_run, network_size, recolor
from colorize_lib.config import ARMS, BEST, Config, identity
from colorize_lib.evaluation.results import lineage
from colorize_lib.networks import make_network
from colorize_lib.objectives import NEEDS_PRIOR, make_objective, upsample
from colorize_lib.readout import Readout, annealed_mean

TINY = Config(side=16, width=1 / 16, precision="bf16", device="cpu", init="he")
CPU = torch.device("cpu")


@functools.lru_cache
def network_of(arm: str) -> Colorizer:
    """A network that was never trained; its batch norms have seen something."""
    chance = torch.Generator().manual_seed(1)
    objective = make_objective(arm, TINY, torch.rand(313, generator=chance).softmax(0))
    network = make_network(TINY, objective.channels, 0)
    network.head.weight.data *= 20
    for name, values in network.named_buffers():
        if name.endswith("running_var"):
            values.uniform_(0.5, 2, generator=chance)
    passport = {"arm": arm, "config": identity(TINY) | {"side": TINY.side, "temperature": 0.38}}
    return Colorizer(network.to(memory_format=torch.channels_last), objective, passport)


def noise(*shape: int) -> np.ndarray:
    """Noise around the colours of a photograph, uint8."""
    return np.random.default_rng(0).integers(60, 200, shape, dtype=np.uint8)


def muted_image(height: int, width: int) -> np.ndarray:
    """Smooth, of middling lightness, so that the colours predicted for it can be displayed."""
    y, x = np.mgrid[:height, :width]
    grey = 120 + 30 * np.sin(y / 9) + 30 * np.cos(x / 7)
    return np.stack([grey + 10, grey, grey - 10], -1).astype(np.uint8)


# ------------------------------------------------------------------------------------------------------- predictions


@pytest.mark.parametrize("arm", ARMS)
def test_predictions(arm):
    colorizer, pixels = network_of(arm), noise(3, 24, 24, 3)
    assert (colorizer.arm, colorizer.side, colorizer.device) == (arm, 16, CPU)
    lab, logits = colorizer.predict(pixels)
    assert lab.shape == (3, 3, 24, 24) and torch.isfinite(lab).all()
    if arm not in ("ce", "ce_rebal"):
        assert logits is None
        return
    assert logits.shape == (3, 313, 6, 6)
    torch.testing.assert_close(lab[:, 1:], upsample(annealed_mean(logits, 0.38)))
    warm, same_logits = colorizer.predict(pixels, Readout(1.0))
    torch.testing.assert_close(warm[:, 1:], upsample(annealed_mean(logits, 1.0)))
    assert torch.equal(logits, same_logits)


@pytest.mark.parametrize("arm", ["l2", "ce"])
def test_a_prediction_looks_at_lightness_only(arm):
    pixels = noise(2, 24, 24, 3)
    lab = rgb_to_lab(to_unit(torch.from_numpy(pixels)))
    lab[:, 1:] = 0
    grey = to_uint8(lab_to_rgb(lab)).numpy()
    assert (grey != pixels).mean() > 0.5
    one, other = (network_of(arm).predict(p)[0] for p in (pixels, grey))
    assert (one - other).abs().max() < 1  # 8 bits of grey


@pytest.mark.parametrize(
    ("shape", "dtype"), [((1, 20, 16, 3), np.uint8), ((1, 16, 16, 3), np.float32), ((1, 16, 16), np.uint8)]
)
def test_predict_refuses_other_images(shape, dtype):
    with pytest.raises(ValueError, match=r"multiples of 8; got|must be uint8 .*; got"):
        network_of("l2").predict(np.zeros(shape, dtype))


# ------------------------------------------------------------------------------------------------ images of any size


@pytest.mark.parametrize(("height", "width"), [(37, 53), (16, 16), (5, 7), (64, 30), (1, 1), (8, 90)])
@pytest.mark.parametrize("arm", ["student_mse", "ce"])
def test_an_image_of_any_size_keeps_its_lightness(arm, height, width):
    image = muted_image(height, width)
    coloured = network_of(arm).photo(image)
    assert coloured.shape == image.shape and coloured.dtype == np.uint8
    before, after = (rgb_to_lab(to_unit(torch.from_numpy(p)[None]))[0] for p in (image, coloured))
    rgb = lab_to_rgb(after)
    shown = ((rgb > 2 / 255) & (rgb < 253 / 255)).all(0)  # the others were clipped
    assert (after[0] - before[0]).abs()[shown].max() < 1
    assert not np.array_equal(coloured, image)


def test_an_image_at_another_side_and_temperature():
    colorizer, image = network_of("ce"), muted_image(64, 48)
    usual = colorizer.photo(image)
    assert not np.array_equal(usual, colorizer.photo(image, side=32))
    assert not np.array_equal(usual, colorizer.photo(image, Readout(0.05)))


def test_what_is_asked_of_a_classifier_changes_the_colours():
    colorizer, image = load_colorizer("ce", "cpu"), noise(40, 56, 3)
    asked = [None, Readout(1.0), Readout(1.0, 0.25), Readout(1.0, kind="median"), Readout(1.0, kind="sample")]
    painted = [colorizer.photo(image, readout) for readout in asked]
    assert not any(np.array_equal(a, b) for a, b in itertools.combinations(painted, 2))
    assert np.array_equal(painted[-1], colorizer.photo(image, asked[-1])), "a sample is the same for the same seed"
    assert np.array_equal(painted[0], colorizer.photo(image, colorizer.readout))


def test_a_gain_multiplies_the_colours():
    colorizer, image = load_colorizer("l2", "cpu"), noise(32, 32, 3)
    grey = colorizer.photo(image, gain=0.0)
    assert np.ptp(grey.astype(int), axis=-1).max() <= 1 and not np.array_equal(grey, colorizer.photo(image))


def test_images_may_be_views_and_read_only():
    colorizer, image = network_of("l2"), muted_image(40, 40)
    mirrored = colorizer.photo(image[:, ::-1])
    assert np.array_equal(mirrored, colorizer.photo(image[:, ::-1].copy()))
    image.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        colorizer.photo(image)
        colorizer.predict(image[None])
        colorizer.predict(image[None, :, ::-1])


@pytest.mark.parametrize("shape", [(16, 16), (16, 16, 4), (0, 5, 3)])
def test_photo_refuses_what_is_no_image(shape):
    with pytest.raises(ValueError, match="must be uint8 .* and not empty; got uint8"):
        network_of("l2").photo(np.zeros(shape, np.uint8))


@pytest.mark.parametrize(
    ("height", "width", "side", "size"),
    [(480, 640, 64, (64, 88)), (64, 64, 64, (64, 64)), (2, 30_000, 64, (64, 512)), (5000, 1, 64, (512, 64)),
     (300, 2400, 64, (64, 512)), (1, 1, 8, (16, 16)), (100, 100, 4096, (1024, 1024))],
)  # fmt: skip
def test_what_a_network_sees_is_bounded(height, width, side, size):
    assert network_size(height, width, side) == size


def test_a_thin_image_goes_through_the_network_squeezed(monkeypatch):
    colorizer, seen = network_of("l2"), []
    predict = colorizer.predict
    monkeypatch.setattr(colorizer, "predict", lambda pixels, t: seen.append(tuple(pixels.shape)) or predict(pixels, t))
    image = muted_image(2, 3000)
    assert colorizer.photo(image).shape == image.shape
    upright = colorizer.photo(image.swapaxes(0, 1))
    assert seen == [(1, 16, 128, 3), (1, 128, 16, 3)] and upright.shape == (3000, 2, 3)


@pytest.mark.parametrize(("height", "width"), [(50, 37), (37, 50), (3, 400), (400, 3)])
def test_in_tiles_an_image_comes_out_as_it_does_at_once(monkeypatch, height, width):
    colorizer, image, held = network_of("ce"), noise(height, width, 3), []
    copied = module._on

    def counted(device, pixels):
        if pixels.ndim == 3:  # a part of the image; the network's batches have another axis
            held.append(np.prod(pixels.shape[:2]))
        return copied(device, pixels)

    monkeypatch.setattr(module, "_on", counted)
    monkeypatch.setattr(module, "TILE", 10**9)
    whole = colorizer.photo(image)
    assert max(held) == height * width
    held.clear()
    monkeypatch.setattr(module, "TILE", 100)
    assert np.array_equal(colorizer.photo(image), whole)
    assert max(held) <= max(100, max(height, width)), "never more than a tile, or the longest line"


@pytest.mark.parametrize(("height", "width"), [(50, 37), (9, 7), (4, 4), (200, 3)])
def test_recoloring_and_reducing_are_pytorchs(monkeypatch, height, width):
    image, ab = noise(height, width, 3), 40 * torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(module, "TILE", 64)
    rgb = to_unit(torch.from_numpy(image)[None])
    enlarged = interpolate(ab[None], size=(height, width), mode="bilinear", align_corners=False)
    expected = to_uint8(lab_to_rgb(torch.cat([rgb_to_lab(rgb)[:, :1], enlarged], 1)))[0].numpy()
    off = recolor(image, ab).astype(int) - expected
    assert np.abs(off).max() <= 1 and (off != 0).mean() < 0.005, "but for rounding"
    small = interpolate(rgb, size=(16, 24), mode="bilinear", antialias=True, align_corners=False)
    torch.testing.assert_close(module._reduced(image, (16, 24), CPU), small)


# ------------------------------------------------------------------------------------------------------ save and load


@pytest.mark.parametrize("arm", ARMS)
def test_saved_and_loaded(tmp_path, arm):
    one, pixels = network_of(arm), noise(2, 16, 16, 3)
    one.save(tmp_path / "copy.safetensors")
    other = Colorizer.load(tmp_path / "copy.safetensors", "cpu")
    assert [path.name for path in tmp_path.iterdir()] == ["copy.safetensors"]
    (tmp_path / "usual").touch()
    modes = {path.stat().st_mode for path in tmp_path.iterdir()}
    assert len(modes) == 1, "whoever may read other files may read this one"
    assert other.passport == one.passport and other.arm == arm and not other.network.training
    assert torch.equal(one.predict(pixels)[0], other.predict(pixels)[0])
    if arm in NEEDS_PRIOR:
        assert torch.equal(one.objective.prior, other.objective.prior)
        assert other.objective.lambda_ == (0.5 if arm.endswith("_rebal") else 1)


@pytest.mark.parametrize("arm", ARMS)
def test_exported_weights_are_half_as_large_and_nearly_the_same(tmp_path, arm):
    original, pixels = network_of(arm), noise(2, 16, 16, 3)
    original.save(tmp_path / WEIGHTS)
    path = export_weights(tmp_path, tmp_path / "weights", terms="for tests")
    assert path == tmp_path / "weights" / f"{arm}.safetensors"
    exported = load_run(path)  # a file will do, too
    assert exported.passport == original.passport | {"terms": "for tests", "measured": {}}
    assert path.stat().st_size < 0.75 * (tmp_path / WEIGHTS).stat().st_size
    one, other = (c.predict(pixels, *([Readout(1.0)] if "ce" in arm else []))[0] for c in (exported, original))
    assert (one - other).abs().max() < 0.5


def test_exports_keep_in_single_precision_what_half_cannot_hold(tmp_path):
    colorizer = network_of("ce")
    network = make_network(TINY, 313, 0)
    network.trunk["conv1"][-1].running_var.fill_(1e6)  # infinite in half precision
    network.trunk["conv2"][-1].running_mean.fill_(1e-9)  # and zero
    Colorizer(network, colorizer.objective, dict(colorizer.passport)).save(tmp_path / "x.safetensors", torch.float16)
    with safe_open(tmp_path / "x.safetensors", "pt") as file:
        kinds = {key: file.get_tensor(key).dtype for key in file.keys()}  # noqa: SIM118
    single = {key for key in kinds if key.endswith(("running_var", "running_mean"))} | {"prior"}
    assert {kinds[key] for key in single} == {torch.float32}
    weights = {key for key in kinds if key.endswith(("weight", "bias"))}
    assert {kinds[key] for key in weights} == {torch.float16}
    trunk = Colorizer.load(tmp_path / "x.safetensors").network.trunk
    assert trunk["conv1"][-1].running_var.eq(1e6).all() and trunk["conv2"][-1].running_mean.eq(1e-9).all()


@pytest.mark.parametrize("arm", ARMS)
def test_the_shipped_networks_load(arm):
    colorizer = load_colorizer(arm, "cpu")
    assert colorizer.passport["profile"] == "evening"
    assert json.dumps(colorizer.passport, allow_nan=False), "what cannot be measured is no number that JSON lacks"
    assert (colorizer.arm, colorizer.side) == (arm, 64)
    lab, _ = colorizer.predict(noise(1, 64, 64, 3))
    assert torch.isfinite(lab).all() and lab[:, 1:].abs().max() > 1


def test_loading_what_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no finished run"):
        load_run(tmp_path)
    with pytest.raises(FileNotFoundError):
        Colorizer.load(tmp_path / "missing.safetensors")


def test_loading_what_is_something_else(tmp_path):
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    save_file({"x": torch.zeros(1)}, tmp_path / "torn.safetensors", {"passport": "{"})
    (tmp_path / "text.safetensors").write_text("no network")
    (tmp_path / "empty.safetensors").touch()
    for name in ("other", "text", "torn", "empty"):
        with pytest.raises(ValueError, match=f"{name}.safetensors holds no network with a passport"):
            Colorizer.load(tmp_path / f"{name}.safetensors")
    (tmp_path / WEIGHTS).mkdir()
    with pytest.raises(ValueError, match=f"{WEIGHTS} is a folder; expected a file"):
        load_run(tmp_path)


def damaged(tmp_path, change_passport=lambda about: about, change_tensors=lambda state: state, arm="l2"):
    """A saved network with something changed, and the file's name as a message would begin."""
    path = tmp_path / "net.safetensors"
    network_of(arm).save(path)
    about = change_passport(json.loads(json.dumps(network_of(arm).passport)))
    save_file(change_tensors(load_file(path)), path, {"passport": json.dumps(about)})
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: {}, "field arm is missing; expected str"),
        (lambda _: [], "passport is list; expected an object with arm and config"),
        (lambda _: None, "passport is NoneType; expected an object"),
        (lambda about: about | {"arm": 3}, "field arm is 3; expected str"),
        (lambda about: about | {"arm": "l3"}, "arm='l3' is unknown; choose one of student_mse, l2"),
        (lambda about: about | {"config": None}, "field config is None; expected dict"),
        (lambda about: about | {"config": {}}, "field config.side is missing; expected the training side in pixels"),
        (lambda about: about | {"config": about["config"] | {"side": "64"}}, "field config.side is '64'; expected"),
        (lambda about: about | {"config": about["config"] | {"depth": 3}}, "config.depth is unknown; expected some of"),
        (lambda about: about | {"config": about["config"] | {"width": "wide"}}, "width='wide' cannot be read"),
        (lambda about: about | {"config": about["config"] | {"width": None}}, "width=None cannot be read"),
        (lambda about: about | {"config": about["config"] | {"side": 3}}, "side=3 is not possible"),
        (
            lambda about: about | {"arm": "student_mse"},
            r"tensor head.bias is \[2\]; expected \[3\] for arm student_mse",
        ),
        (lambda about: about | {"arm": "ce"}, "arm 'ce' needs the prior"),
    ],
)
def test_a_passport_of_something_else_is_named(tmp_path, change, message):
    with pytest.raises(ValueError, match=rf"net.safetensors is no network that can be used here: .*{message}"):
        Colorizer.load(damaged(tmp_path, change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state | {"extra": torch.zeros(1)}, "tensor extra is unknown; expected none"),
        (lambda state: state | {"prior": torch.zeros(313)}, "tensor prior is unknown; expected none"),
        (lambda state: {k: v for k, v in state.items() if k != "head.bias"}, r"head.bias is missing; expected \[2\]"),
        (
            lambda state: state | {"head.bias": torch.zeros(3)},
            r"head.bias is \[3\]; expected \[2\] for arm l2 at width",
        ),
        (
            lambda state: state | {"trunk.conv5.6.running_var": state["trunk.conv5.6.running_var"] / 0},
            "trunk.conv5.6.running_var holds values that are not finite",
        ),
    ],
)
def test_tensors_of_something_else_are_named(tmp_path, change, message):
    with pytest.raises(ValueError, match=rf"net.safetensors is no network .*{message}"):
        Colorizer.load(damaged(tmp_path, change_tensors=change))


def test_a_prior_of_another_length_is_named(tmp_path):
    path = damaged(tmp_path, change_tensors=lambda state: state | {"prior": torch.ones(7) / 7}, arm="ce")
    with pytest.raises(ValueError, match=r"tensor prior is \[7\]; expected \[313\]"):
        Colorizer.load(path)


def test_a_network_trained_elsewhere_loads_on_a_processor(tmp_path):
    there = dataclasses.replace(TINY, device="cuda", precision="bf16", compile="reduce-overhead", deterministic=True)
    about = {"config": identity(there) | {"side": 16}, "device": "NVIDIA H100", "precision": "bf16", "processes": 8}
    halve = lambda state: {k: v.bfloat16() if v.is_floating_point() else v for k, v in state.items()}  # noqa: E731
    colorizer = Colorizer.load(damaged(tmp_path, lambda passport: passport | about, halve), "cpu")
    assert {v.dtype for v in colorizer.network.parameters()} == {torch.float32} and colorizer.device == CPU
    assert torch.isfinite(colorizer.predict(noise(1, 16, 16, 3))[0]).all()


def test_a_network_that_does_not_ship():
    with pytest.raises(ValueError, match="network 'l3' does not ship with this package; allowed: best, ce, ce_rebal, "):
        load_colorizer("l3")


def test_the_networks_that_ship_were_trained_alike_and_stay_small():
    networks = [load_colorizer(arm, "cpu") for arm in ARMS]
    for name in ("profile", "steps", "seed", "precision", "data"):
        assert len({network.passport[name] for network in networks}) == 1, name
    weights = Path(module.__file__).parent / "weights"
    assert sum(path.stat().st_size for path in weights.iterdir()) < 25e6


def test_the_network_for_photographs_went_on_from_the_one_that_is_compared():
    best, ce = load_colorizer(), load_colorizer("ce")
    assert best.passport["run"] == load_colorizer(BEST).passport["run"]
    older = [passport["run"] for passport in lineage(best.passport)]
    assert len(older) > 1 and older[-1] == ce.passport["run"], "of the same seed and the same photographs"
    assert best.arm == "ce" and best.passport["measured"]["ce@1"]["nll"] < ce.passport["measured"]["ce@1"]["nll"]


@pytest.mark.parametrize("arm", ARMS)
def test_a_coarse_answer_is_what_is_enlarged(arm):
    network, image = load_colorizer(arm, "cpu"), noise(64, 96, 3)
    lab, logits = network.predict(network.seen(image))
    coarse = network.coarse(image)
    assert coarse.shape == (2, 16, 24)
    if logits is not None:
        torch.testing.assert_close(coarse, network.readout(logits, network.objective.prior)[0])
    apart = (upsample(coarse[None]) - lab[:, 1:]).abs()
    assert apart.max() < 1e-4 or (arm == "student_mse" and apart.mean() < 0.5), "that is enlarged as RGB"


def test_a_network_is_shown_with_the_read_out_that_was_chosen_for_it():
    for best in (load_colorizer(BEST, "cpu"), load_colorizer("ce", "cpu")):
        assert best.readout == Readout.parse(best.passport["readout"]) and best.readout.lambda_ < 1
    assert load_colorizer("ce_rebal", "cpu").readout == Readout(0.38), "its file names none"


def test_old_networks_load_whatever_the_profiles_are_now(tmp_path, monkeypatch):
    monkeypatch.setattr(settings, "PROFILES", {})
    assert Colorizer.load(damaged(tmp_path, arm="ce")).objective.temperature == 0.38
