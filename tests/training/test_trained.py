"""The trained network as a tool: predictions, photographs, saving and loading."""

import warnings

import numpy as np
import pytest
import torch
from runs import CPU, TINY
from safetensors import safe_open
from safetensors.torch import save_file

from colorize_lib import config as settings
from colorize_lib.color import lab_to_rgb, rgb_to_lab, to_uint8, to_unit
from colorize_lib.colorizer import WEIGHTS, Colorizer, export_weights, load_colorizer, load_run
from colorize_lib.config import ARMS
from colorize_lib.data.prior import data_prior
from colorize_lib.objectives import upsample
from colorize_lib.readout import annealed_mean
from colorize_lib.training.loop import train_run


@pytest.mark.parametrize("arm", ARMS)
def test_predictions(finished, store, arm):
    colorizer, pixels = load_run(finished[arm]), np.array(store.pixels[:3])
    assert (colorizer.arm, colorizer.side, colorizer.device) == (arm, 16, CPU)
    lab, logits = colorizer.predict(pixels)
    assert lab.shape == (3, 3, 24, 24) and torch.isfinite(lab).all()
    if arm not in ("ce", "ce_rebal"):
        assert logits is None
        return
    assert logits.shape == (3, 313, 6, 6)
    torch.testing.assert_close(lab[:, 1:], upsample(annealed_mean(logits, 0.38)))
    warm, same_logits = colorizer.predict(pixels, temperature=1.0)
    torch.testing.assert_close(warm[:, 1:], upsample(annealed_mean(logits, 1.0)))
    assert torch.equal(logits, same_logits)


@pytest.mark.parametrize("arm", ["l2", "ce"])
def test_a_prediction_looks_at_lightness_only(finished, store, arm):
    pixels = np.array(store.pixels[:2])
    lab = rgb_to_lab(to_unit(torch.from_numpy(pixels)))
    grey = to_uint8(lab_to_rgb(torch.cat([lab[:, :1], torch.zeros(2, 2, 24, 24)], 1)))
    assert (grey.numpy() != pixels).mean() > 0.5
    one, other = (load_run(finished[arm]).predict(p)[0] for p in (pixels, grey))
    assert (one - other).abs().max() < 1  # 8 bits of grey


@pytest.mark.parametrize(
    ("shape", "dtype"), [((1, 20, 16, 3), np.uint8), ((1, 16, 16, 3), np.float32), ((1, 16, 16), np.uint8)]
)
def test_predict_refuses_other_pictures(finished, shape, dtype):
    with pytest.raises(ValueError, match=r"multiples of 8; got|must be uint8 .*; got"):
        load_run(finished["l2"]).predict(np.zeros(shape, dtype))


def muted_picture(height: int, width: int) -> np.ndarray:
    """Smooth, of middling lightness, so that the colours predicted for it can be displayed."""
    y, x = np.mgrid[:height, :width]
    grey = 120 + 30 * np.sin(y / 9) + 30 * np.cos(x / 7)
    return np.stack([grey + 10, grey, grey - 10], -1).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), [(37, 53), (16, 16), (5, 7), (200, 90), (64, 64), (1, 1), (8, 90)])
@pytest.mark.parametrize("arm", ["student_mse", "ce"])
def test_a_photo_of_any_size_keeps_its_lightness(finished, arm, height, width):
    picture = muted_picture(height, width)
    coloured = load_run(finished[arm]).photo(picture)
    assert coloured.shape == picture.shape and coloured.dtype == np.uint8
    before, after = (rgb_to_lab(to_unit(torch.from_numpy(p)[None])) for p in (picture, coloured))
    assert (after[:, 0] - before[:, 0]).abs().max() < 1
    assert not np.array_equal(coloured, picture)


def test_a_photo_at_another_side_and_temperature(finished):
    colorizer, picture = load_run(finished["ce"]), muted_picture(64, 48)
    usual = colorizer.photo(picture)
    assert not np.array_equal(usual, colorizer.photo(picture, side=32))
    assert not np.array_equal(usual, colorizer.photo(picture, temperature=0.05))


def test_photos_may_be_views_and_read_only(finished):
    colorizer, picture = load_run(finished["l2"]), muted_picture(40, 40)
    mirrored = colorizer.photo(picture[:, ::-1])
    assert np.array_equal(mirrored, colorizer.photo(picture[:, ::-1].copy()))
    picture.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        colorizer.photo(picture)
        colorizer.predict(picture[None])
        colorizer.predict(picture[None, :, ::-1])


@pytest.mark.parametrize("shape", [(16, 16), (16, 16, 4)])
def test_photo_refuses_pictures_without_three_channels(finished, shape):
    with pytest.raises(ValueError, match="must be uint8"):
        load_run(finished["l2"]).photo(np.zeros(shape, np.uint8))


# ------------------------------------------------------------------------------------------------------ save and load


@pytest.mark.parametrize("arm", ARMS)
def test_saved_and_loaded(finished, store, tmp_path, arm):
    one = load_run(finished[arm])
    one.save(tmp_path / "copy.safetensors")
    other = Colorizer.load(tmp_path / "copy.safetensors", "cpu")
    assert [path.name for path in tmp_path.iterdir()] == ["copy.safetensors"]
    assert other.passport == one.passport and other.arm == arm and not other.network.training
    assert torch.equal(one.predict(store.pixels[:2])[0], other.predict(store.pixels[:2])[0])
    if arm in ("ce", "ce_rebal"):
        assert torch.equal(one.objective.prior, other.objective.prior)
        assert torch.equal(one.objective.prior, data_prior(store, store.rows("train", 24), TINY, CPU))
        assert one.objective.lambda_ == (0.5 if arm == "ce_rebal" else 1)


@pytest.mark.parametrize("arm", ARMS)
def test_exported_weights_are_half_as_large_and_nearly_the_same(finished, store, tmp_path, arm):
    path = export_weights(finished[arm], tmp_path / "weights", terms="for tests")
    assert path == tmp_path / "weights" / f"{arm}.safetensors"
    exported, original = Colorizer.load(path), load_run(finished[arm])
    assert exported.passport == original.passport | {"terms": "for tests", "measured": {}}
    with safe_open(path, "pt") as file:
        kinds = {file.get_tensor(key).dtype for key in file.keys() if key.startswith("trunk") and "num" not in key}  # noqa: SIM118
        assert kinds == {torch.float16}
        if "prior" in file.keys():  # noqa: SIM118
            assert file.get_tensor("prior").dtype == torch.float32
    assert path.stat().st_size < 0.75 * (finished[arm] / WEIGHTS).stat().st_size
    one, other = (c.predict(store.pixels[:2], *([1.0] if "ce" in arm else []))[0] for c in (exported, original))
    assert (one - other).abs().max() < 0.5


def test_loading_what_is_not_there(tmp_path, store):
    with pytest.raises(FileNotFoundError, match="holds no finished run"):
        load_run(tmp_path)
    begun = train_run(TINY, "l2", 0, store, tmp_path, log=None, stop_after=1)
    with pytest.raises(FileNotFoundError, match=f"{begun.name} holds no finished run"):
        load_run(begun)
    with pytest.raises(FileNotFoundError):
        Colorizer.load(tmp_path / "missing.safetensors")


def test_loading_what_is_something_else(tmp_path):
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    (tmp_path / "text.safetensors").write_text("no network")
    for name in ("other", "text"):
        with pytest.raises(ValueError, match=f"{name}.safetensors holds no network with a passport"):
            Colorizer.load(tmp_path / f"{name}.safetensors")


def test_an_arm_that_does_not_ship():
    with pytest.raises(ValueError, match="arm='l3' does not ship with this package; allowed: "):
        load_colorizer("l3")


def test_old_networks_load_whatever_the_profiles_are_now(finished, monkeypatch):
    monkeypatch.setattr(settings, "PROFILES", {})
    assert load_run(finished["ce"]).objective.temperature == 0.38
