"""Metrics against hand-worked cases, brute force and independent programs."""

import math
import pickle
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from skimage import color as sk_color
from skimage import metrics as sk_metrics

from colorize_lib import quantize
from colorize_lib.color import lab_to_rgb, rgb_to_lab, to_uint8, to_unit
from colorize_lib.evaluation import metrics
from colorize_lib.evaluation.baselines import (
    borrowed_prediction,
    ceiling_prediction,
    constant_prediction,
    grey_prediction,
)
from colorize_lib.readout import annealed_mean


def image_sums(pred_lab, true_lab, prior):
    """Every sum and count of one system on its own."""
    truth = metrics.Truth.of(true_lab, prior)
    return truth.sums | metrics.system_sums(pred_lab, truth)


# Sharma, Wu and Dalal 2005, table 1: L1 a1 b1 L2 a2 b2 difference
SHARMA = """
50.0000 2.6772 -79.7751 50.0000 0.0000 -82.7485 2.0425
50.0000 3.1571 -77.2803 50.0000 0.0000 -82.7485 2.8615
50.0000 2.8361 -74.0200 50.0000 0.0000 -82.7485 3.4412
50.0000 -1.3802 -84.2814 50.0000 0.0000 -82.7485 1.0000
50.0000 -1.1848 -84.8006 50.0000 0.0000 -82.7485 1.0000
50.0000 -0.9009 -85.5211 50.0000 0.0000 -82.7485 1.0000
50.0000 0.0000 0.0000 50.0000 -1.0000 2.0000 2.3669
50.0000 -1.0000 2.0000 50.0000 0.0000 0.0000 2.3669
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0009 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0010 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0011 7.2195
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0012 7.2195
50.0000 -0.0010 2.4900 50.0000 0.0009 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0010 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0011 -2.4900 4.7461
50.0000 2.5000 0.0000 50.0000 0.0000 -2.5000 4.3065
50.0000 2.5000 0.0000 73.0000 25.0000 -18.0000 27.1492
50.0000 2.5000 0.0000 61.0000 -5.0000 29.0000 22.8977
50.0000 2.5000 0.0000 56.0000 -27.0000 -3.0000 31.9030
50.0000 2.5000 0.0000 58.0000 24.0000 15.0000 19.4535
50.0000 2.5000 0.0000 50.0000 3.1736 0.5854 1.0000
50.0000 2.5000 0.0000 50.0000 3.2972 0.0000 1.0000
50.0000 2.5000 0.0000 50.0000 1.8634 0.5757 1.0000
50.0000 2.5000 0.0000 50.0000 3.2592 0.3350 1.0000
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""
SECTOR_NAMES = list(metrics.SECTORS)
HUE_SUMS = ("conf_", "hit_", "near_", "cp_", "ct_", "along_", "as_", "right_")


def as_image(colours):
    """Colours [n, 3] as one image [3, n, 1]."""
    return torch.as_tensor(np.asarray(colours, dtype=float)).T[:, :, None]


def some_pixels(n=5, side=24, seed=0):
    """Blocky images with colours all over the cube, the last one grey."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (n, side // 4, side // 4, 3))
    fine = np.kron(coarse, np.ones((1, 4, 4, 1))) + rng.integers(-9, 10, (n, side, side, 3))
    fine[-1] = fine[-1, :, :, :1]
    return fine.clip(0, 255).astype(np.uint8)


def pair(seed=0, fade=0.6):
    """A true image batch and a faded, shifted prediction."""
    true = rgb_to_lab(to_unit(torch.from_numpy(some_pixels(seed=seed))))
    ab = true[:, 1:] * fade + torch.tensor([4.0, -3.0])[:, None, None]
    return torch.cat([true[:, :1], ab], 1), true


@pytest.fixture(scope="module")
def prior():
    true = rgb_to_lab(to_unit(torch.from_numpy(some_pixels(seed=9))))
    index, weight = quantize.soft_encode(true[:, 1:].movedim(1, -1).reshape(-1, 2))
    total = torch.bincount(index.flatten(), weight.flatten(), 313) + 1e-4
    return total / total.sum()


def faded(pixels, fade=0.6):
    lab = rgb_to_lab(to_unit(pixels))
    return torch.cat([lab[:, :1], lab[:, 1:] * fade], 1)


def unsure(pixels, fade=0.6):
    """Two systems, faded and grey, and logits that know nothing."""
    lab = rgb_to_lab(to_unit(pixels))
    half = metrics.Answer(faded(pixels, fade), fade * lab[:, 1:, ::4, ::4])
    logits = lab.new_zeros(len(lab), 313, lab.shape[2] // 4, lab.shape[3] // 4)
    return {"half": half, "none": metrics.Answer(faded(pixels, 0))}, logits


def measured(color, pixels, prior, **more):
    """What one function from images to Lab images is measured as."""
    return metrics.measure(lambda part: ({"x": metrics.Answer(color(part))}, None), pixels, prior, **more)["x"]


# ------------------------------------------------------------------------------------------- single measures


def test_ciede2000_gives_the_published_differences():
    rows = np.array([line.split() for line in SHARMA.strip().splitlines()], dtype=float)
    assert rows.shape == (34, 7)
    first, second = as_image(rows[:, :3]), as_image(rows[:, 3:6])
    for a, b in ((first, second), (second, first)):
        np.testing.assert_allclose(metrics.ciede2000(a, b)[:, 0], rows[:, 6], atol=5.1e-5)
    single = metrics.ciede2000(first.float(), second.float())[:, 0].numpy()
    opposite = 13  # hues exactly 180 degrees apart: the mean hue, and the difference, jumps by rounding
    np.testing.assert_allclose(np.delete(single, opposite), np.delete(rows[:, 6], opposite), atol=2e-4)


def test_ciede2000_agrees_with_scikit_image_also_on_greys():
    rng = np.random.default_rng(1)
    lab = rng.uniform([0, -110, -110], [100, 110, 110], (2, 4000, 3))
    lab[0, :500, 1:] = 0
    lab[1, 250:750, 1:] = 0
    expected = sk_color.deltaE_ciede2000(lab[0], lab[1])
    np.testing.assert_allclose(metrics.ciede2000(*map(as_image, lab))[:, 0], expected, rtol=0, atol=1e-9)


colours = st.tuples(st.floats(0, 100), st.floats(-110, 110), st.floats(-110, 110))


@settings(deadline=None)
@given(colours, colours)
def test_ciede2000_is_a_symmetric_difference(x, y):
    x, y = as_image([x]), as_image([y])
    assert metrics.ciede2000(x, y) >= 0
    assert metrics.ciede2000(x, x) == 0
    torch.testing.assert_close(metrics.ciede2000(x, y), metrics.ciede2000(y, x))


@pytest.mark.parametrize("shape", [(11, 11), (24, 24), (16, 37)])
def test_ssim_agrees_with_scikit_image(shape):
    rng = np.random.default_rng(2)
    x = rng.random((3, *shape, 3))
    x[1] = x[1].mean()  # flat, where the variances cancel
    y = (0.7 * x + 0.3 * rng.random(x.shape)).clip(0, 1)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
    expected = [sk_metrics.structural_similarity(a, b, channel_axis=-1, **options) for a, b in zip(x, y, strict=True)]
    got = metrics.ssim(*(torch.from_numpy(z).movedim(-1, 1).float() for z in (x, y)))
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_colourfulness_of_half_red_half_green():
    image = torch.zeros(1, 3, 8, 8)
    image[:, 0, :4], image[:, 1, 4:] = 160, 160
    assert float(metrics.colourfulness(image)) == pytest.approx(184.0, abs=0.05)


def test_colourfulness_agrees_with_the_formula_in_numpy():
    pixels = some_pixels()
    got = metrics.colourfulness(to_unit(torch.from_numpy(pixels)) * 255)
    for image, value in zip(pixels.astype(float), got, strict=True):
        r, g, b = image.reshape(-1, 3).T
        rg, yb = r - g, 0.5 * (r + g) - b
        expected = np.sqrt(rg.std() ** 2 + yb.std() ** 2) + 0.3 * np.sqrt(rg.mean() ** 2 + yb.mean() ** 2)
        assert float(value) == pytest.approx(expected, rel=1e-5, abs=1e-4)


def test_hue_sectors_begin_where_they_should():
    degrees = [345, 0, 49.9, 50, 74.9, 75, 104.9, 105, 189.9, 190, 309.9, 310, 344.9, 359.9]
    expected = ["red"] * 3 + ["orange"] * 2 + ["yellow"] * 2 + ["green"] * 2 + ["blue"] * 2 + ["purple"] * 2 + ["red"]
    angle = torch.deg2rad(torch.tensor(degrees, dtype=torch.float64))
    ab = torch.stack([angle.cos(), angle.sin()])[None, :, :, None] * 30
    assert [SECTOR_NAMES[k] for k in metrics.hue_sector(ab).flatten()] == expected


def test_bin_map_agrees_with_the_exact_search():
    rng = np.random.default_rng(3)
    ab = rng.uniform(-160, 160, (20000, 2)).astype(np.float32)
    ab[:3000] = rng.integers(-26, 27, (3000, 2)) * 5  # halfway between colours
    ab = torch.from_numpy(ab)
    got = metrics.bin_map(ab.T.reshape(1, 2, 100, 200)).flatten()
    assert torch.equal(got, quantize.nearest_bin(ab))
    brute = torch.cdist(ab.double(), quantize.ab_gamut_centers().double())
    np.testing.assert_allclose(brute[torch.arange(len(ab)), got], brute.min(1).values, atol=1e-5)


# --------------------------------------------------------------------------------------------------- the AuC


def test_the_auc_of_a_table_is_the_area_it_claims_to_be(prior):
    pred, true = pair()
    table = pd.DataFrame(image_sums(pred, true, prior))
    d = (pred - true)[:, 1:].double().square().sum(1).sqrt()
    assert metrics.value(table, "auc") == pytest.approx(float(1 - d.clamp(max=150).mean() / 150), abs=1e-7)
    fine = d.flatten()[:, None] <= torch.arange(0, 150.001, 0.05)  # a trapezoid with small steps goes to the identity
    assert metrics.value(table, "auc") == pytest.approx(
        float(torch.trapezoid(fine.double().mean(0)) * 0.05 / 150), abs=2e-4
    )


def flat_image(*colours):
    """A Lab image [1, 3, 12, 12] at L = 60 whose columns have these colours, in equal shares."""
    ab = torch.tensor(colours).repeat_interleave(12 // len(colours), 0).T[:, None, :].expand(2, 12, 12)
    return torch.cat([torch.full((1, 12, 12), 60.0), ab])[None]


def test_balanced_auc_of_two_pixels_by_hand():
    true, pred = flat_image([0.0, 0.0], [30.0, 0.0]), flat_image([0.0, 6.0], [0.0, 0.0])
    prior, centers = torch.zeros(313), quantize.ab_gamut_centers().tolist()
    prior[centers.index([0, 0])], prior[centers.index([30, 0])] = 0.9, 0.1
    table = pd.DataFrame(image_sums(pred, true, prior))
    assert metrics.value(table, "auc") == pytest.approx(1 - (6 + 30) / 2 / 150)
    # weights 1 / 0.9 and 1 / 0.1, that is 1 : 9
    assert metrics.value(table, "auc_balanced") == pytest.approx(1 - (1 * 6 + 9 * 30) / 10 / 150)
    assert metrics.value(table, "ab_rmse") == pytest.approx(math.sqrt((36 + 900) / 2))
    assert metrics.value(table, "skill") == pytest.approx(1 - 36 / 30)


def test_skill_over_the_mean_colour_by_hand():
    true, pred = flat_image([0.0, 0.0], [30.0, 0.0]), flat_image([0.0, 6.0], [0.0, 0.0])
    prior, centers = torch.zeros(313), quantize.ab_gamut_centers().tolist()
    prior[centers.index([0, 0])], prior[centers.index([30, 0])] = 0.9, 0.1
    table = pd.DataFrame(image_sums(pred, true, prior))
    # the mean colour is (3, 0), its errors 3 and 27
    assert metrics.value(table, "skill_mean") == pytest.approx(1 - 36 / 30)
    assert metrics.value(table.assign(err=0), "skill_mean") == 1


def test_precision_and_f1_by_hand():
    red = [30.0, 0.0]
    true = flat_image(red, red, [0.0, 0.0], [0.0, 0.0])
    pred = flat_image(red, [0.0, 0.0], red, [0.0, 0.0])
    table = pd.DataFrame(image_sums(pred, true, torch.full((313,), 1 / 313)))
    for name, value in (("recall_red", 1 / 2), ("precision_red", 1 / 2), ("f1_red", 1 / 2), ("wrong_hue", 0)):
        assert metrics.value(table, name) == pytest.approx(value), name
    wrong = pd.DataFrame(image_sums(-pred, true, torch.full((313,), 1 / 313)))
    assert metrics.value(wrong, "wrong_hue") == pytest.approx(1 / 2)
    assert metrics.value(wrong, "true_hue_ratio_red") == pytest.approx(-1 / 2)
    assert metrics.value(wrong, "chroma_ratio_red") == pytest.approx(1 / 2)


def test_pixels_without_prior_are_counted_and_left_out_of_the_balance():
    true, pred = flat_image([0.0, 0.0], [30.0, 0.0]), flat_image([0.0, 6.0], [0.0, 0.0])
    prior = torch.zeros(313)
    prior[quantize.ab_gamut_centers().tolist().index([0, 0])] = 1
    table = pd.DataFrame(image_sums(pred, true, prior))
    assert table.n_unseen.item() == 72
    assert metrics.value(table, "auc_balanced") == pytest.approx(1 - 6 / 150)


# ---------------------------------------------------------------------------------------- sums of an image


def test_sums_of_images_as_shown_agree_with_scikit_image(prior):
    pred, true = pair(fade=1.8)
    assert (lab_to_rgb(pred) > 1.01).any()  # some predictions must be clipped
    sums = image_sums(pred, true, prior)
    shown, truth = (to_uint8(lab_to_rgb(lab)).numpy() for lab in (pred, true))
    assert (truth == some_pixels()).all()
    for k, (a, b) in enumerate(zip(shown, truth, strict=True)):
        assert float(sums["psnr"][k]) == pytest.approx(sk_metrics.peak_signal_noise_ratio(b, a), abs=1e-4)
        expected = sk_color.deltaE_ciede2000(sk_color.rgb2lab(a), sk_color.rgb2lab(b)).mean()
        assert float(sums["de2000"][k] / sums["n"][k]) == pytest.approx(expected, abs=2e-3)
    rgb = lab_to_rgb(pred).numpy()
    outside = ((rgb < -1 / 255) | (rgb > 1 + 1 / 255)).any(1).sum((1, 2))
    np.testing.assert_allclose(sums["out_of_gamut"], outside)


def test_hue_and_neutral_sums_agree_with_a_loop_over_pixels(prior):
    pred, true = pair(fade=0.5)
    true = torch.cat([true, true * torch.tensor([1, 0.1, 0.1])[:, None, None]])  # the second half nearly neutral
    pred = torch.cat([pred, pred])
    sums = {k: v.numpy() for k, v in image_sums(pred, true, prior).items()}
    de = metrics.ciede2000(rgb_to_lab(to_unit(to_uint8(lab_to_rgb(pred)))), true)
    bounds = [(345, 410), (50, 75), (75, 105), (105, 190), (190, 310), (310, 345)]

    def sector(a, b):
        angle = math.degrees(math.atan2(b, a)) % 360
        return next(
            s
            for s, (low, high) in zip(SECTOR_NAMES, bounds, strict=True)
            if low <= angle < high or low <= angle + 360 < high
        )

    for k in range(len(true)):
        expected = dict.fromkeys(
            [c for c in sums if c.endswith("_neutral") or c.startswith(HUE_SUMS)] + ["along", "wrong_hue"], 0.0
        )
        pixels = [x[k, 1:].flatten(1).T.tolist() for x in (pred, true)]
        for (pa, pb), (ta, tb), e in zip(*pixels, de[k].flatten().tolist(), strict=True):
            d, cp, ct = math.hypot(pa - ta, pb - tb), math.hypot(pa, pb), math.hypot(ta, tb)
            along = (pa * ta + pb * tb) / ct if ct else 0
            expected["along"] += along
            if ct > 20:
                s, seen = sector(ta, tb), "gray" if cp < 10 else sector(pa, pb)
                expected[f"conf_{s}_{seen}"] += 1
                expected["wrong_hue"] += seen not in (s, "gray")
                values = {"hit": d <= 20, "near": d <= 10, "cp": cp, "ct": ct, "along": along}
                for name, x in values.items():
                    expected[f"{name}_{s}"] += x
            if cp > 20:
                s = sector(pa, pb)
                expected[f"as_{s}"] += 1
                expected[f"right_{s}"] += d <= 20
            if ct < 10:
                values = {"n": 1, "err": d, "de": e, "cp": cp, "da": pa - ta, "db": pb - tb}
                for name, x in values.items():
                    expected[f"{name}_neutral"] += x
        for name, x in expected.items():
            assert sums[name][k] == pytest.approx(x, rel=1e-4, abs=1e-3), name
    assert sum(sums[f"n_{s}"].sum() for s in SECTOR_NAMES) > 500 < sums["n_neutral"].sum()


def test_a_perfect_prediction(prior):
    _, true = pair()
    table = pd.DataFrame(image_sums(true, true, prior))
    value = {name: metrics.value(table, name) for name in metrics.available(table)}
    best = ("auc", "recall", "precision", "f1", "skill", "ssim", "chroma_ratio")
    assert {value[n] for n in value if n.startswith(best)} == {1.0}
    assert all(value[n] == pytest.approx(1, abs=1e-6) for n in value if n.startswith("true_hue"))
    assert {value[n] for n in value if n.startswith(("ab_", "delta", "lightness", "wrong"))} == {0.0}
    assert value["ciede2000"] < 2e-3 and value["out_of_gamut"] == 0
    assert value["psnr"] == pytest.approx(10 * math.log10(255**2 * 3 * 24 * 24))  # one value off by one


def test_descriptors_of_the_truth(prior):
    true = torch.full((1, 3, 12, 12), 50.0)
    true[0, 0, :3], true[0, 0, 3:5] = 10, 95
    true[0, 1], true[0, 2] = 3, 4
    sums = image_sums(true, true, prior)
    expected = {"mean_L": (3 * 10 + 2 * 95 + 7 * 50) / 12, "share_white": 1 / 6, "mean_chroma": 5}
    assert {k: float(sums[k]) for k in expected} == pytest.approx(expected)


@pytest.mark.parametrize(
    ("pred", "true", "prior_size", "message"),
    [
        ((1, 3, 16, 16), (1, 3, 16, 12), 313, "must be"),
        ((1, 2, 16, 16), (1, 2, 16, 16), 313, "must be"),
        ((1, 3, 10, 16), (1, 3, 10, 16), 313, "too small"),
        ((1, 3, 16, 16), (1, 3, 16, 16), 312, "312"),
    ],
)
def test_impossible_input_is_named(pred, true, prior_size, message):
    with pytest.raises(ValueError, match=message):
        image_sums(torch.zeros(pred), torch.zeros(true), torch.full((prior_size,), 1 / prior_size))


def test_a_prediction_that_is_not_finite_is_refused(prior):
    pred, true = pair()
    pred[0, 1, 3, 3] = torch.nan
    with pytest.raises(ValueError, match="diverged"):
        image_sums(pred, true, prior)


# -------------------------------------------------------------------------------------------- distributions


def test_probability_sums_agree_with_brute_force():
    torch.manual_seed(0)
    logits, ab = 3 * torch.randn(2, 313, 3, 4), torch.rand(2, 2, 3, 4) * 100 - 50
    sums = metrics.probability_sums(logits, ab)
    p = logits.double().softmax(1).movedim(1, -1).reshape(2, 12, 313)
    centers, truth = quantize.ab_gamut_centers().double(), ab.double().movedim(1, -1).reshape(2, 12, 2)
    z = quantize.densify(*quantize.soft_encode(truth.reshape(-1, 2))).reshape(2, 12, 313)
    np.testing.assert_allclose(sums["nll"], -(z * p.log()).sum((1, 2)), rtol=1e-5)
    kl = torch.where(z > 0, z * (z.clamp_min(1e-300).log() - p.log()), 0).sum((1, 2))
    np.testing.assert_allclose(sums["nll_excess"], kl, rtol=1e-5)
    np.testing.assert_allclose(sums["nll"] - sums["nll_floor"], kl, rtol=1e-5)
    to_truth = (p * torch.cdist(truth, centers.expand(2, -1, -1))).sum((1, 2))
    among = torch.einsum("bnq,qr,bnr->b", p, torch.cdist(centers, centers), p)
    np.testing.assert_allclose(sums["energy"], to_truth - among / 2, rtol=1e-5)
    top, confidence, right = p.argmax(-1), p.max(-1).values, torch.cdist(truth, centers.expand(2, -1, -1)).argmin(-1)
    for k in range(10):
        inside = (confidence >= k / 10) & (confidence < (k + 1) / 10)
        np.testing.assert_allclose(sums[f"calib_n_{k}"], inside.sum(1))
        np.testing.assert_allclose(sums[f"calib_p_{k}"], (confidence * inside).sum(1), atol=1e-5)
        np.testing.assert_allclose(sums[f"calib_hit_{k}"], ((top == right) & inside).sum(1))
    np.testing.assert_allclose(sums["confidence_excess"], (confidence - (top == right).double()).sum(1), atol=1e-5)


def test_uniform_and_perfect_distributions():
    ab = torch.rand(1, 2, 4, 4) * 60 - 30
    uniform = pd.DataFrame(metrics.probability_sums(torch.zeros(1, 313, 4, 4), ab))
    assert metrics.value(uniform, "nll") == pytest.approx(math.log(313), abs=1e-5)
    index, weight = quantize.soft_encode(ab.movedim(1, -1).reshape(-1, 2))
    perfect = quantize.densify(index, weight).log().reshape(1, 4, 4, 313).movedim(-1, 1)
    table = pd.DataFrame(metrics.probability_sums(perfect, ab))
    assert metrics.value(table, "nll_excess") == pytest.approx(0, abs=1e-5)
    sure = torch.zeros(1, 313, 4, 4)
    sure[:, 100] = 1e4
    error = (ab - quantize.ab_gamut_centers()[100][:, None, None]).square().sum(1).sqrt().mean()
    table = pd.DataFrame(metrics.probability_sums(sure, ab))
    assert metrics.value(table, "energy") == pytest.approx(float(error), rel=1e-5)
    assert metrics.value(table, "overconfidence") == pytest.approx(1 - table.calib_hit_9.sum() / 16)
    with pytest.raises(ValueError, match="313"):
        metrics.probability_sums(sure, ab[:, :, :2])


# ----------------------------------------------------------------------------------------------- histograms


def test_histograms_count_the_nearest_colours():
    _, true = pair()
    counts = metrics.histogram_sums(true)
    assert counts.shape == (5, 313) and (counts.sum(1) == 24 * 24).all()
    expected = torch.bincount(quantize.nearest_bin(true[2, 1:].flatten(1).T), minlength=313)
    assert torch.equal(counts[2], expected)


def test_histogram_distances():
    rng = np.random.default_rng(5)
    p, q = rng.integers(0, 50, (2, 313))
    assert metrics.histogram_distance(p, q) == pytest.approx(jensenshannon(p, q) ** 2)
    assert metrics.histogram_distance(p, 7 * p) == pytest.approx(0, abs=1e-12)
    first, second = np.eye(313)[[0, 300]]
    assert metrics.histogram_distance(first, second) == pytest.approx(math.log(2))


# ----------------------------------------------------------------------------------- predictors and measuring


def test_the_grey_baseline(prior):
    table = measured(grey_prediction, some_pixels(), prior).table
    chroma = np.linalg.norm(sk_color.rgb2lab(some_pixels())[..., 1:], axis=-1)
    assert metrics.value(table, "auc") == pytest.approx(1 - chroma.mean() / 150, abs=1e-5)
    assert metrics.value(table, "skill") == 0 and metrics.value(table, "chroma") == 0
    assert metrics.value(table, "confusion_blue_gray") == 1


@pytest.mark.parametrize("temperature", [1.0, 0.38])
def test_the_ceiling_is_the_annealed_mean_of_the_soft_targets(prior, temperature):
    pixels = torch.from_numpy(some_pixels(side=24))
    lab = ceiling_prediction(pixels, temperature=temperature)
    true = rgb_to_lab(to_unit(pixels))
    index, weight = quantize.soft_encode(true[:, 1:, ::4, ::4].movedim(1, -1).reshape(-1, 2))
    logits = quantize.densify(index, weight).log().reshape(5, 6, 6, 313).movedim(-1, 1)
    ab = torch.nn.Upsample(scale_factor=4, mode="bilinear")(annealed_mean(logits, temperature))
    torch.testing.assert_close(lab, torch.cat([true[:, :1], ab], 1), atol=1e-3, rtol=1e-4)


def test_one_colour_for_every_pixel_and_the_colours_of_another_image(prior):
    pixels = np.random.default_rng(1).integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    lab = rgb_to_lab(to_unit(torch.from_numpy(pixels)))
    flat = constant_prediction(torch.tensor([3.0, -4.0]))(torch.from_numpy(pixels))
    assert torch.allclose(flat[:, :1], lab[:, :1], atol=1e-4)
    assert (flat[:, 1] == 3).all() and (flat[:, 2] == -4).all()
    rolled = np.roll(pixels, 1, 0)
    borrowed = measured(borrowed_prediction(rolled), pixels, prior, batch=2)
    errors = (lab[:, 1:] - lab.roll(1, 0)[:, 1:]).norm(dim=1).clamp(max=150).sum((1, 2))
    np.testing.assert_allclose(borrowed.table["err"], errors, rtol=1e-4)


def test_the_ceiling_of_flat_colour_is_nearly_exact(prior):
    pixels = np.broadcast_to(np.array([180, 90, 60], np.uint8), (1, 22, 18, 3))  # no multiples of four
    found = measured(partial(ceiling_prediction, temperature=1.0), pixels, prior)
    assert metrics.value(found.table, "ab_error") < 1


def test_measuring_does_not_depend_on_the_batch_and_keeps_the_order(prior):
    pixels, calls = some_pixels(7), []
    whole = metrics.measure(unsure, pixels, prior)["half"]
    parts = metrics.measure(unsure, pixels, prior, batch=3, progress=lambda *done: calls.append(done))["half"]
    assert calls == [(0, 7), (3, 7), (6, 7), (7, 7)]
    pd.testing.assert_frame_equal(whole.table, parts.table, rtol=1e-4)
    sums = 0
    for k in range(7):
        alone = metrics.measure(unsure, pixels[k : k + 1], prior)["half"]
        np.testing.assert_allclose(alone.table.iloc[0], whole.table.iloc[k], rtol=1e-4, atol=1e-3)
        sums = sums + np.stack([alone.hist_pred, alone.hist_true])
    assert (sums == [whole.hist_pred, whole.hist_true]).all() and sums.sum() == 2 * 7 * 24 * 24


def test_several_systems_are_measured_as_each_by_itself(prior):
    pixels = some_pixels(3)
    both = metrics.measure(unsure, pixels, prior, reference="half")
    alone = measured(partial(faded, fade=0), pixels, prior)
    pd.testing.assert_frame_equal(both["none"].table[list(alone.table)], alone.table)
    assert "nll" in both["half"].table and "nll" not in both["none"].table, "of a distribution only once"
    assert metrics.value(both["half"].table, "label_chroma_ratio") == pytest.approx(0.6, abs=1e-5)
    shown = [rgb_to_lab(to_unit(to_uint8(lab_to_rgb(faded(torch.from_numpy(pixels), f))))) for f in (0.6, 0)]
    expected = sk_color.deltaE_ciede2000(*(lab.movedim(1, -1).numpy() for lab in shown)).mean()
    assert metrics.value(both["none"].table, "ciede2000_from_mean") == pytest.approx(expected, abs=2e-3)
    assert metrics.value(both["half"].table, "ciede2000_from_mean") == 0


def test_measuring_refuses_what_it_cannot_measure(prior):
    with pytest.raises(ValueError, match="0 images"):
        measured(faded, some_pixels()[:0], prior)
    with pytest.raises(ValueError, match="batches of 0"):
        measured(faded, some_pixels(), prior, batch=0)
    with pytest.raises(ValueError, match="uint8"):
        measured(faded, some_pixels().astype(np.float32), prior)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_sums_on_a_gpu_are_those_on_a_cpu(prior):
    pred, true = pair()
    here, there = (image_sums(pred.to(d), true.to(d), prior.to(d)) for d in ("cpu", "cuda"))
    for name in here:
        np.testing.assert_allclose(there[name].cpu(), here[name], rtol=1e-3, atol=1e-2, err_msg=name)


# ----------------------------------------------------------------------------------------------- the metrics


@pytest.fixture(scope="module")
def table(prior):
    return metrics.measure(unsure, some_pixels(), prior, reference="half")["half"].table


def test_every_metric_has_its_columns_and_a_complete_description(table):
    assert metrics.available(table) == list(metrics.METRICS)
    for m in metrics._ALL.values():
        assert m.columns <= set(table)
        assert m.better in {"high", "low", "one", "none"} and m.transform in metrics.TRANSFORMS
        assert m.title and m.definition and "{" not in m.title + m.definition
    assert len(metrics._ALL) == len(metrics.METRICS) + 6 * 7
    assert pickle.loads(pickle.dumps(metrics.METRICS)) == metrics.METRICS


def test_the_descriptions_quote_the_constants_in_use():
    assert "150" in metrics.METRICS["auc"].definition and metrics.REACH == 150
    recall = metrics.METRICS["recall_red"].definition
    assert f"within {metrics.HIT} " in recall and f"above {metrics.VIVID}" in recall
    assert f"below {metrics.NEUTRAL}" in metrics.METRICS["neutral_error"].definition


def test_a_faded_prediction_has_the_ratio_it_was_faded_by(table):
    assert metrics.value(table, "chroma_ratio") == pytest.approx(0.6, abs=1e-5)
    assert metrics.value(table, "chroma_ratio_red") == pytest.approx(0.6, abs=1e-5)
    assert metrics.value(table, "skill") == pytest.approx(0.6, abs=1e-5)
    assert metrics.value(table, "delta_colourfulness") > 0


def test_values_of_subsets_and_what_is_missing(table):
    grey = table.tail(1)
    assert math.isnan(metrics.value(grey, "recall_red")) and metrics.value(grey, "neutral_chroma") < 1e-2
    parts = [metrics.value(table.head(2), "auc"), metrics.value(table.tail(3), "auc")]
    assert metrics.value(table, "auc") == pytest.approx((2 * parts[0] + 3 * parts[1]) / 5)
    with pytest.raises(ValueError, match="nll"):
        metrics.value(table.drop(columns="nll"), "nll")
    with pytest.raises(ValueError, match="unknown.*auc"):
        metrics.value(table, "accuracy")
    with pytest.raises(ValueError, match="unknown"):
        metrics.metric("confusion_red_pink")


def test_confusion_and_calibration_tables(table):
    shares = metrics.confusion(metrics.confusion_counts(table))
    np.testing.assert_allclose(shares.sum(axis=1), 1)
    assert shares.columns[-1] == "gray" and list(shares.index) == SECTOR_NAMES
    assert metrics.metric("confusion_red_gray").title == "red seen as grey"
    assert shares.loc["red", "red"] == metrics.value(table, "confusion_red_red")
    curve = metrics.calibration(metrics.calibration_sums(table))
    assert curve.positions.sum() == table.n_positions.sum()
    assert curve.confidence[0] == pytest.approx(1 / 313) and math.isnan(curve.accuracy[9])
