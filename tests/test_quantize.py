"""The 313 colours, soft encoding, prior, rebalancing, annealed mean: against published and brute-force values."""

import hashlib
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from colorize_lib import quantize
from colorize_lib.color import rgb_to_lab
from colorize_lib.quantize import (
    ab_gamut_centers,
    centers_by_rule,
    check_prior,
    densify,
    nearest_bin,
    never_nearest,
    prior_from_ab,
    rebalancing_weights,
    soft_encode,
    soft_encode_map,
    soft_entropy,
)
from colorize_lib.readout import annealed_mean

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA"))]
CENTERS = ab_gamut_centers()
BIN = {(int(a), int(b)): i for i, (a, b) in enumerate(CENTERS.tolist())}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def cube_colours(n: int, seed: int = 0) -> torch.Tensor:
    """The (a, b) [n, 2] of random displayable colours."""
    return rgb_to_lab(torch.rand(3, n, 1, generator=generator(seed)))[1:, :, 0].T


def photo_like_prior(spread: float = 12.0) -> torch.Tensor:
    """Mass around grey that falls off with chroma, [313]."""
    prior = torch.exp(-torch.linalg.vector_norm(CENTERS, dim=1) / spread)
    return prior / prior.sum()


# ---------------------------------------------------------------------------------------------------- the 313 colours


def test_the_derived_colours_are_the_published_ones():
    points = CENTERS.numpy().astype("<i8")
    assert CENTERS.shape == (313, 2) and CENTERS.dtype == torch.float32
    order = np.lexsort((points[:, 1], points[:, 0]))
    assert (order == np.arange(313)).all()
    digest = hashlib.sha256(points.tobytes()).hexdigest()
    assert digest == "2a39983ed60d5b52b717842d56d5f766982289e6d5a609582155f437cecc1045"
    assert points.sum(0).tolist() == [4910, 2090]
    assert points.min(0).tolist() == [-90, -110] and points.max(0).tolist() == [100, 100]
    assert points[0].tolist() == [-90, 50] and points[-1].tolist() == [100, 0]


@pytest.mark.parametrize("levels", [5, 9, 33])
def test_the_rule_does_not_depend_on_the_lattice(levels, monkeypatch):
    monkeypatch.setattr(quantize, "srgb_ab", lambda _levels=9, make=quantize.srgb_ab: make(levels))
    quantize._derived.cache_clear()
    try:
        assert torch.equal(ab_gamut_centers(), CENTERS)
    finally:
        quantize._derived.cache_clear()


def test_the_caller_cannot_spoil_the_colours():
    ab_gamut_centers()[0] = 0
    assert torch.equal(ab_gamut_centers(), CENTERS)


def test_rules_that_do_not_give_313():
    # All 16.7 million 8-bit colours give the same counts, except for the two rules on cells, 268 and 309: a lattice
    # of 86 levels (every third 8-bit value) misses three cells of which only a corner can be displayed.
    rules = centers_by_rule()
    counts = {name: len(points) for name, points in rules.items()}
    assert counts == {
        "overlapping cells, all corners": 313,
        "nearest grid point of a colour": 261,
        "grid point inside the hull": 233,
        "lower corner of a cell that is hit": 265,
        "all corners of a cell that is hit": 306,
        "nearest grid points and their neighbours": 323,
    }
    right = {tuple(point) for point in rules["overlapping cells, all corners"]}
    assert right == set(BIN)
    for name in ("nearest grid point of a colour", "grid point inside the hull", "all corners of a cell that is hit"):
        assert {tuple(point) for point in rules[name]} < right


def test_52_colours_are_never_the_nearest():
    never = never_nearest()
    assert never.sum() == 52 and never.dtype == torch.bool
    nearest = centers_by_rule()["nearest grid point of a colour"]
    assert set(BIN) - {tuple(p) for p in nearest} == {p for p, i in BIN.items() if never[i]}


# --------------------------------------------------------------------------------------------------- soft encoding


def brute_force(ab: np.ndarray, k: int, sigma: float = 5.0) -> tuple[np.ndarray, np.ndarray]:
    """Sort all distances, equal ones in the order of the list."""
    squared = (ab[:, None, 0] - CENTERS.numpy()[:, 0]) ** 2 + (ab[:, None, 1] - CENTERS.numpy()[:, 1]) ** 2
    index = np.argsort(squared, axis=1, kind="stable")[:, :k]
    nearest = np.take_along_axis(squared, index, 1).astype(np.float64)
    weight = np.exp((nearest[:, :1] - nearest) / (2 * sigma**2))  # against the first, lest all vanish far away
    return index, weight / weight.sum(1, keepdims=True)


@pytest.mark.parametrize("k", [1, 5, 10])
def test_soft_encoding_of_a_few_thousand_colours(k):
    ab = torch.cat([cube_colours(3000), 260 * torch.rand(3000, 2, generator=generator()) - 130]).double()
    index, weight = soft_encode(ab, k)
    expected_index, expected_weight = brute_force(ab.numpy(), k)
    assert np.array_equal(index, expected_index)
    np.testing.assert_allclose(weight, expected_weight, rtol=0, atol=1e-12)


@pytest.mark.parametrize("k", [5, 10])
def test_soft_encoding_where_everything_is_a_tie(k):
    # corners, edges and middles of cells; exact in single precision too
    axis = torch.arange(-130, 130, 2.5)
    ab = torch.cartesian_prod(axis, axis)
    index, weight = soft_encode(ab, k)
    expected_index, expected_weight = brute_force(ab.numpy(), k)
    assert np.array_equal(index, expected_index)
    np.testing.assert_allclose(weight, expected_weight, rtol=0, atol=1e-5)


def test_soft_encoding_is_exact_on_a_million_random_colours():
    """Without a sort: an answer is exact if it is in order and no other bin comes before its last."""
    centers = CENTERS.double()
    everywhere = 260 * torch.rand(500_000, 2, generator=generator(1), dtype=torch.float64) - 130
    colours = torch.cat([cube_colours(500_000, 2).double(), everywhere])
    for ab in colours.split(4000):
        index, _ = soft_encode(ab, 10)
        squared = (ab[:, :1] - centers[:, 0]).square_() + (ab[:, 1:] - centers[:, 1]).square_()
        found = squared.gather(1, index)
        step = found.diff(dim=1)
        assert ((step > 0) | ((step == 0) & (index.diff(dim=1) > 0))).all()
        rest = squared.scatter_(1, index, torch.inf).amin(1)
        assert (rest >= found[:, -1]).all()
        ties = (rest == found[:, -1]).nonzero()[:, 0]
        assert np.array_equal(index[ties], brute_force(ab[ties].numpy(), 10)[0])
        assert torch.equal(soft_encode(ab, 5)[0], index[:, :5])


def test_soft_encoding_in_single_precision():
    ab = cube_colours(20_000, 3)
    exact = densify(*soft_encode(ab.double()))
    assert soft_encode(ab)[1].dtype == torch.float32
    # a near tie for the fifth place may fall either way; the weight moved then is that of two equals
    off = (densify(*soft_encode(ab)).double() - exact).abs().amax(1)
    assert (off < 1e-4).float().mean() > 0.999
    assert torch.equal(soft_encode(ab)[0][:, 0], soft_encode(ab.double())[0][:, 0])


@pytest.mark.parametrize(
    ("colour", "expected"),
    [
        ((0, 0), {(0, 0): 0.6488, (-10, 0): 0.0878, (0, -10): 0.0878, (0, 10): 0.0878, (10, 0): 0.0878}),
        # (-10, -10) and (0, -20) are equally far, 178; the lower number takes the fifth place
        ((3, -7), {(0, -10): 0.4670, (0, 0): 0.2098, (10, -10): 0.2098, (10, 0): 0.0943, (-10, -10): 0.0190}),
    ],
)
def test_golden_encodings(colour, expected):
    index, weight = soft_encode(torch.tensor([colour]).float())
    assert index[0].tolist() == [BIN[p] for p in expected]  # nearest first, equals in the order of the list
    np.testing.assert_allclose(weight[0], list(expected.values()), atol=5e-5)


def test_golden_entropy():
    assert soft_entropy(soft_encode(torch.zeros(1, 2))[1]).item() == pytest.approx(1.1351, abs=5e-5)
    assert soft_entropy(torch.tensor([[1.0, 0, 0], [0.5, 0.5, 0]])).tolist() == pytest.approx([0, math.log(2)])


@pytest.mark.parametrize(("k", "entropy"), [(5, 1.26), (10, 1.44)])
def test_average_targets_of_displayable_colours(k, entropy):
    index, weight = soft_encode(cube_colours(50_000), k)
    assert soft_entropy(weight).mean().item() == pytest.approx(entropy, abs=0.01)
    if k == 5:
        np.testing.assert_allclose(weight.mean(0), [0.49, 0.26, 0.13, 0.09, 0.03], atol=0.006)
    else:
        assert 0.04 < weight[:, 5:].sum(1).mean() < 0.05
    assert (index >= 0).all() and (index < 313).all()


def test_colours_outside_the_table_are_compared_with_every_bin():
    ab = torch.tensor([[500.0, -20], [-140, 50], [130, 130], [-130.1, 0], [0, 0], [0, 1e4]]).double()
    index, _ = soft_encode(ab, 5)
    assert np.array_equal(index, brute_force(ab.numpy(), 5)[0])
    at_the_rim = torch.tensor([[-130.0, -130], [129.999, 129.999], [-130, 129.999]]).double()
    assert np.array_equal(soft_encode(at_the_rim)[0], brute_force(at_the_rim.numpy(), 5)[0])


@pytest.mark.parametrize("colour", [(500.0, -20), (-140, 50), (130, 130), (-130.1, 0), (0, 1e4)])
def test_maps_do_not_wrap_around_outside_the_table(colour):
    ab = torch.tensor([colour], dtype=torch.float64)
    index, weight = soft_encode_map(ab[:, :, None, None])
    assert torch.equal(index[:, :, 0, 0], soft_encode(ab)[0]) and torch.equal(weight[:, :, 0, 0], soft_encode(ab)[1])
    found = CENTERS[soft_encode_map(ab[:, :, None, None], displayable=True)[0][0, 0]].flatten()  # a broken promise
    assert (found - ab.clamp(-100, 100)[0]).norm() < 90


@pytest.mark.parametrize("device", DEVICES)
def test_other_devices_and_maps(device):
    ab = cube_colours(2 * 3 * 4).reshape(2, 3, 4, 2).movedim(-1, 1).to(device)
    index, weight = soft_encode_map(ab, 6, 4.0)
    assert index.shape == weight.shape == (2, 6, 3, 4) and index.device == ab.device
    flat_index, flat_weight = soft_encode(ab[1, :, 2, 3][None].cpu(), 6, 4.0)
    assert torch.equal(index[1, :, 2, 3].cpu(), flat_index[0])
    torch.testing.assert_close(weight[1, :, 2, 3].cpu(), flat_weight[0])


def test_no_colours_no_targets():
    index, weight = soft_encode(torch.zeros(0, 2))
    assert index.shape == weight.shape == (0, 5)


@pytest.mark.parametrize("shape", [(3, 3), (2,), (1, 2, 4, 4)])
def test_wrong_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"ab must be \[n, 2\]; got \("):
        soft_encode(torch.zeros(shape))


@pytest.mark.parametrize(("k", "sigma"), [(0, 5.0), (314, 5.0), (5, 0.0), (5, -1.0), (5, float("nan"))])
def test_impossible_settings_are_refused(k, sigma):
    with pytest.raises(ValueError, match=rf"neighbours={k}, sigma={sigma}; allowed: 1 to 313, above 0"):
        soft_encode(torch.zeros(1, 2), k, sigma)


def test_all_neighbours_are_allowed():
    index, weight = soft_encode(torch.tensor([[1.0, 2.0]]), 313)
    assert sorted(index[0].tolist()) == list(range(313)) and weight.sum().item() == pytest.approx(1)


def test_densify():
    index, weight = soft_encode(cube_colours(500), 10)
    dense = densify(index, weight)
    assert dense.shape == (500, 313) and (dense >= 0).all()
    torch.testing.assert_close(dense.sum(1), torch.ones(500))
    torch.testing.assert_close(dense.gather(1, index), weight)
    assert ((dense > 0).sum(1) <= 10).all()
    assert densify(torch.tensor([[2, 0]]), torch.tensor([[0.7, 0.3]]), bins=4).tolist() == [
        pytest.approx([0.3, 0, 0.7, 0])
    ]


def test_nearest_bin():
    assert torch.equal(nearest_bin(CENTERS), torch.arange(313))
    assert nearest_bin(torch.tensor([[5.0, 5.0]])).item() == BIN[0, 0]  # four equals


@settings(max_examples=100, deadline=None)
@given(st.floats(-129, 129, width=32), st.floats(-129, 129, width=32), st.integers(1, 20), st.floats(0.5, 50))
def test_encoding_properties(a, b, k, sigma):
    index, weight = soft_encode(torch.tensor([[a, b]], dtype=torch.float64), k, sigma)
    assert weight.sum().item() == pytest.approx(1) and (weight >= 0).all()
    assert (weight.diff() <= 1e-12).all() and len(set(index[0].tolist())) == k
    assert 0 <= soft_entropy(weight).item() <= math.log(k) + 1e-9


# -------------------------------------------------------------------------------------------- decoding the targets


@pytest.mark.parametrize(("k", "temperature", "cost"), [(5, 1.0, 0.22), (1, 1.0, 3.8), (5, 0.38, 1.8)])
def test_cost_of_decoding_a_perfect_target(k, temperature, cost):
    ab = cube_colours(20_000)
    logits = densify(*soft_encode(ab, k)).clamp_min(1e-30).log()
    decoded = annealed_mean(logits.T[None, :, :, None], temperature)[0, :, :, 0].T
    assert (decoded - ab).norm(dim=1).mean().item() == pytest.approx(cost, abs=0.05)


def test_mean_of_all_neighbours_gives_the_colour_back_inside_the_gamut():
    ab = 40 * torch.rand(100, 2, generator=generator()) - 20
    index, weight = soft_encode(ab, 60, 10.0)
    torch.testing.assert_close((weight[..., None] * CENTERS[index]).sum(1), ab, rtol=0, atol=0.05)


# ------------------------------------------------------------------------------------------------- annealed mean


def random_logits(scale: float = 3.0) -> torch.Tensor:
    return scale * torch.randn(2, 313, 3, 4, generator=generator(5))


def test_annealed_mean_at_one_is_the_mean():
    logits = random_logits()
    expected = torch.einsum("bqhw,qc->bchw", logits.exp() / logits.exp().sum(1, keepdim=True), CENTERS)
    assert annealed_mean(logits, 1.0).shape == (2, 2, 3, 4)
    torch.testing.assert_close(annealed_mean(logits, 1.0), expected, rtol=1e-4, atol=1e-4)


def test_annealed_mean_towards_zero_is_the_mode():
    logits = random_logits()
    mode = CENTERS[logits.argmax(1)].movedim(-1, 1)
    torch.testing.assert_close(annealed_mean(logits, 1e-3), mode, rtol=0, atol=1e-2)


@pytest.mark.parametrize("temperature", [1, 0.77, 0.58, 0.38, 0.29, 0.14])
def test_annealed_mean_is_the_formula_of_the_paper(temperature):
    z = torch.softmax(random_logits().double(), 1)
    f = torch.exp(z.log() / temperature) / torch.exp(z.log() / temperature).sum(1, keepdim=True)  # eq. 5
    expected = (f[:, :, None] * CENTERS[None, :, :, None, None]).sum(1)
    torch.testing.assert_close(annealed_mean(random_logits(), temperature).double(), expected, rtol=0, atol=1e-3)


def test_annealed_mean_of_a_sharper_temperature_is_more_colourful():
    chromas = [annealed_mean(random_logits(), t).norm(dim=1).mean().item() for t in (1, 0.77, 0.58, 0.38, 0.14, 0.01)]
    assert chromas == sorted(chromas)


def test_annealed_mean_ignores_constants_and_survives_large_logits():
    logits = random_logits()
    torch.testing.assert_close(annealed_mean(logits + 100), annealed_mean(logits), rtol=0, atol=1e-2)
    large = annealed_mean(1e4 * logits, 0.01)
    assert torch.isfinite(large).all()
    torch.testing.assert_close(large, CENTERS[logits.argmax(1)].movedim(-1, 1))
    assert annealed_mean(logits.to(torch.bfloat16)).dtype == torch.float32


def test_annealed_mean_of_equal_logits_is_the_middle_of_the_list():
    decoded = annealed_mean(torch.zeros(1, 313, 1, 1)).flatten()
    torch.testing.assert_close(decoded, CENTERS.mean(0), rtol=1e-4, atol=1e-4)


def test_annealed_mean_has_gradients():
    logits = random_logits()[:1, :, :1, :1].clone().requires_grad_()
    annealed_mean(logits).sum().backward()
    p = torch.softmax(logits.detach() / 0.38, 1).flatten()
    value = CENTERS.sum(1)
    expected = p * (value - p @ value) / 0.38  # derivative of an expectation under a softmax
    torch.testing.assert_close(logits.grad.flatten(), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("temperature", [0, -1, float("nan")])
def test_temperature_must_be_positive(temperature):
    with pytest.raises(ValueError, match=f"temperature={temperature} must be above 0"):
        annealed_mean(random_logits(), temperature)


# ------------------------------------------------------------------------------------------------------------ prior


def test_prior_is_the_average_of_the_soft_targets():
    colours = cube_colours(900) * 0.3
    prior = prior_from_ab(colours.split(200))
    expected = np.zeros(313)
    for ab in colours.numpy():
        index, weight = brute_force(ab[None].astype(np.float64), 5)
        expected[index[0]] += weight[0] / 900
    assert prior.dtype == torch.float32
    np.testing.assert_allclose(prior, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(prior, prior_from_ab([colours]))  # chunks do not matter


def test_prior_uses_the_settings_of_the_targets():
    ab = torch.zeros(1, 2)
    assert (prior_from_ab([ab], 10) > 0).sum() == 10
    assert prior_from_ab([ab], 5, 2.0)[BIN[0, 0]] > 0.999


@pytest.mark.parametrize("chunks", [[], [torch.zeros(0, 2)]])
def test_no_prior_from_no_colours(chunks):
    with pytest.raises(ValueError, match="313"):
        prior_from_ab(chunks)


def test_no_prior_from_what_is_no_colour():
    with pytest.raises(ValueError, match="313 finite"):
        prior_from_ab([torch.tensor([[0.0, float("nan")]])])


@pytest.mark.parametrize("ab", [(80.0, 60.0), (-60.0, 60.0), (0.0, 0.0)])
def test_vivid_data_has_a_prior(ab):
    check_prior(photo_like_prior())
    prior = prior_from_ab([torch.tensor([ab]).expand(10, 2)])  # flowers, or one saturated colour
    assert prior.argmax() == BIN[ab] and (prior > 0).sum() == 5


BROKEN_PRIORS = [
    (photo_like_prior() * 1.0003, "sum of the prior is 1.0003; allowed: 0.9999 to 1.0001"),
    (photo_like_prior() * 313, "sum of the prior is 313"),
    (torch.zeros(313), "sum of the prior is 0"),
    (photo_like_prior()[:312], r"313 finite numbers from 0; got shape \(312,\)"),
    (photo_like_prior()[None], r"got shape \(1, 313\)"),
    (torch.zeros(0), r"got shape \(0,\)"),
    (photo_like_prior().index_fill(0, torch.tensor(7), float("nan")), "with 1 negative or not finite"),
    (photo_like_prior().index_fill(0, torch.tensor([7, 8]), -0.01), "with 2 negative or not finite"),
    (photo_like_prior().index_fill(0, torch.tensor(7), float("inf")), "with 1 negative or not finite"),
]


@pytest.mark.parametrize(("prior", "complaint"), BROKEN_PRIORS)
def test_broken_priors_are_refused(prior, complaint):
    with pytest.raises(ValueError, match=complaint):
        check_prior(prior)


# ------------------------------------------------------------------------------------------------------ rebalancing


@pytest.mark.parametrize("lambda_", [0.0, 0.25, 0.5, 0.75, 1.0])
def test_rebalancing_is_equation_4(lambda_):
    prior = photo_like_prior()
    weights = rebalancing_weights(prior, lambda_)
    p = prior.double().numpy()
    expected = 1 / ((1 - lambda_) * p + lambda_ / 313)
    expected /= (p * expected).sum()
    np.testing.assert_allclose(weights, expected, rtol=1e-4)
    assert (prior @ weights).item() == pytest.approx(1, abs=1e-5)
    assert (weights[prior.argsort(descending=True)].diff() >= -1e-6).all()  # the rarer, the heavier


def test_rebalancing_at_lambda_one_changes_nothing():
    torch.testing.assert_close(rebalancing_weights(photo_like_prior(), 1.0), torch.ones(313))


def test_colours_that_do_not_occur_have_no_weight():
    prior = photo_like_prior()
    prior[:100] = 0
    prior /= prior.sum()
    for lambda_ in (0.0, 0.5, 1.0):
        weights = rebalancing_weights(prior, lambda_)
        assert (weights[:100] == 0).all() and (weights[100:] > 0).all() and torch.isfinite(weights).all()
        assert (prior @ weights).item() == pytest.approx(1, abs=1e-5)
    # the uniform part is spread over the colours that occur
    expected = 1 / (0.5 * prior[100:] + 0.5 / 213)
    torch.testing.assert_close(rebalancing_weights(prior, 0.5)[100:], expected / (prior[100:] @ expected))


@pytest.mark.parametrize("lambda_", [-0.1, 1.5, float("nan")])
def test_lambda_lies_between_0_and_1(lambda_):
    with pytest.raises(ValueError, match=f"lambda_={lambda_} must lie in 0 to 1"):
        rebalancing_weights(photo_like_prior(), lambda_)
