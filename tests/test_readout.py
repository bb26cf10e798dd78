"""Read-outs: closed forms on small distributions, and scipy's optimum for the median."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from colorize_lib.quantize import ab_gamut_centers, rebalancing_weights
from colorize_lib.readout import KINDS, Readout, annealed_mean, distribution, geometric_median

CENTERS = ab_gamut_centers()
PLACE = {tuple(map(int, c)): i for i, c in enumerate(CENTERS.tolist())}


def logits_of(mass: dict) -> torch.Tensor:
    """Logits [1, 313, 1, 1] of a distribution given as {(a, b): probability}; elsewhere practically nothing."""
    p = torch.full((313,), 1e-30)
    for color, share in mass.items():
        p[PLACE[color]] = share
    return p.log()[None, :, None, None]


def read(mass: dict, readout: Readout, **options) -> list[float]:
    return readout(logits_of(mass), **options)[0, :, 0, 0].tolist()


TWO = {(0, 0): 0.6, (40, -30): 0.4}


def test_mean_median_and_mode_of_two_colours():
    assert read(TWO, Readout(1)) == pytest.approx([16, -12], abs=1e-3)
    assert read(TWO, Readout(1, kind="median")) == [0, 0], "the median of two colours is the likelier one"
    assert read(TWO, Readout(1, kind="mode")) == [0, 0]


@pytest.mark.parametrize("share", [0.4, 0.49, 0.51, 0.6])
def test_the_median_jumps_where_the_mean_slides(share):
    mass = {(0, 0): 1 - share, (40, -30): share}
    assert read(mass, Readout(1, kind="median")) == ([40, -30] if share > 0.5 else [0, 0])
    assert read(mass, Readout(1)) == pytest.approx([40 * share, -30 * share], abs=1e-3)


def test_a_temperature_sharpens():
    # p^(1/T) with T = 1/2: 0.36 and 0.16, so 4/13 of the way
    assert read(TWO, Readout(0.5)) == pytest.approx([40 * 4 / 13, -30 * 4 / 13], abs=1e-3)
    assert read(TWO, Readout(0.01)) == pytest.approx(read(TWO, Readout(1, kind="mode")), abs=1e-3)
    logits = torch.randn(2, 313, 3, 4, generator=torch.Generator().manual_seed(0))
    assert torch.equal(annealed_mean(logits, 0.4), Readout(0.4)(logits))


def test_a_tilt_is_a_change_of_prior():
    prior = torch.full((313,), 0.5 / 312)
    prior[PLACE[0, 0]] = 0.5
    low, high = rebalancing_weights(prior, 0.5)[[PLACE[0, 0], PLACE[40, -30]]].tolist()
    share = 0.4 * high / (0.4 * high + 0.6 * low)
    assert read(TWO, Readout(1, 0.5), prior=prior) == pytest.approx([40 * share, -30 * share], abs=1e-2)
    # tilted first, then sharpened, as rebalanced training leaves the weights in the logits
    share = (0.4 * high) ** 2 / ((0.4 * high) ** 2 + (0.6 * low) ** 2)
    assert read(TWO, Readout(0.5, 0.5), prior=prior) == pytest.approx([40 * share, -30 * share], abs=1e-2)
    logits = torch.randn(1, 313, 2, 2, generator=torch.Generator().manual_seed(1))
    assert torch.equal(Readout(0.38, 1.0)(logits, prior), Readout(0.38)(logits)), "lambda 1 is no tilt"
    with pytest.raises(ValueError, match="lambda_=0.5 tilts by the training data's prior"):
        Readout(1, 0.5)(logits)


def test_a_colour_that_never_occurs_is_never_read_when_tilted():
    prior = torch.full((313,), 1 / 312)
    prior[PLACE[0, 0]] = 0
    p = distribution(torch.zeros(1, 313, 1, 1), 1.0, 0.5, prior)[0, 0, 0]
    assert p[PLACE[0, 0]] == 0 and p.sum() == pytest.approx(1) and torch.isfinite(p).all()


def mean_distance(p: np.ndarray, at: np.ndarray) -> float:
    return float(p @ np.hypot(*(CENTERS.numpy() - at).T))


@pytest.mark.parametrize("sharpness", [0.5, 2.0, 5.0])
def test_the_median_is_the_point_of_least_mean_distance(sharpness):
    logits = sharpness * torch.randn(20, 313, generator=torch.Generator().manual_seed(3)) - CENTERS.norm(dim=1) / 15
    p = torch.softmax(logits, 1).double()
    ours = geometric_median(p).numpy()
    for row, found in zip(p.numpy(), ours, strict=True):
        best = minimize(lambda x, row=row: mean_distance(row, x), found + 3, method="Nelder-Mead",
                        options={"xatol": 1e-5, "fatol": 1e-9, "maxiter": 4000}).x  # fmt: skip
        assert mean_distance(row, found) <= mean_distance(row, best) + 1e-6
        assert np.hypot(*(found - best)) < 0.01


def nearly_held(n: int, spread: float) -> torch.Tensor:
    """Distributions [n, 313] whose median has just left a colour of the list: the others pull a little more than its
    own probability holds. There steps towards the median are short long before it is reached."""
    chance, places = torch.Generator().manual_seed(5), []
    for _ in range(n):
        far = (CENTERS - 15 * torch.randn(2, generator=chance)).double().norm(dim=1)
        p = torch.softmax(-((far / spread) ** 2) / 2 + torch.randn(313, generator=chance) / 2, 0)
        apart = CENTERS.double() - CENTERS[(place := int(far.argmin()))]
        p[place] = 0
        pull = p @ (apart / apart.norm(dim=1, keepdim=True).clamp_min(1e-9))
        p[place] = pull.norm() / (1 + 0.02 * torch.rand(1, generator=chance).item())
        places.append(p / p.sum())
    return torch.stack(places)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("spread", [8, 15, 25])
def test_medians_that_a_colour_of_the_list_nearly_holds(spread, dtype):
    p, centers = nearly_held(60, spread), CENTERS.double().numpy()

    def distance_and_slope(x, row):
        apart = x - centers
        length = np.hypot(*apart.T)
        return row @ length, row @ (apart / np.maximum(length, 1e-12)[:, None])

    for row, found in zip(p.numpy(), geometric_median(p.to(dtype)).double().numpy(), strict=True):
        begin = centers[np.hypot(*(centers - found).T).argmin()] + [0.02, 0.01]
        best = minimize(distance_and_slope, begin, row, "L-BFGS-B", True, options={"gtol": 1e-10, "ftol": 1e-16}).x
        assert np.hypot(*(found - best)) < 0.01


def test_the_median_in_single_precision():
    p = torch.softmax(3 * torch.randn(50, 313, generator=torch.Generator().manual_seed(4)), 1)
    torch.testing.assert_close(geometric_median(p).double(), geometric_median(p.double()), rtol=0, atol=0.01)


def test_samples_follow_the_distribution():
    logits = logits_of(TWO).expand(1, 313, 100, 100)
    first, again, other = (Readout(1, kind="sample", seed=seed)(logits) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)
    share = (first[:, 0] == 40).float().mean().item()
    assert abs(share - 0.4) < 4 * math.sqrt(0.24 / 10_000)  # four standard deviations
    assert set(map(tuple, first[0].flatten(1).T.tolist())) == {(0, 0), (40, -30)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_read_out_is_written_and_read_again(kind):
    for readout in (Readout(0.38, kind=kind), Readout(1, 0.5, kind), Readout(1, 0.25, kind), Readout(1e-5, kind=kind)):
        assert Readout.parse(str(readout)) == readout
    assert str(Readout()) == "@0.38" and str(Readout(1, 0.5, "median")) == "@1~0.5:median"


@pytest.mark.parametrize(
    ("values", "message"),
    [({"temperature": 0}, "temperature=0 must be above 0"), ({"temperature": float("nan")}, "temperature=nan"),
     ({"lambda_": 1.5}, "lambda_=1.5 must lie in 0 to 1"), ({"kind": "best"}, "kind='best' is unknown; allowed: mean")],
)  # fmt: skip
def test_an_impossible_read_out_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        Readout(**values)


@pytest.mark.parametrize("text", ["", "0.38", "@", "@1~", "@1:", "@-1", "@1:best"])
def test_other_text_is_no_read_out(text):
    with pytest.raises(ValueError, match="read-out|kind"):
        Readout.parse(text)
