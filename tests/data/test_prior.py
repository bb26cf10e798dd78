"""Priors from files, and one with the moments of ImageNet's."""

from importlib import resources

import numpy as np
import pytest
import torch

from colorize_lib.data.prior import IMAGENET_MOMENTS, imagenet_prior, load_prior, prior_content, prior_moments
from colorize_lib.quantize import ab_gamut_centers, check_prior

CENTERS = ab_gamut_centers()
UNIFORM = np.full(313, 1 / 313)


@pytest.fixture(scope="module")
def miniplaces() -> torch.Tensor:
    """The prior of the training images of MiniPlaces, which ships with the package."""
    with resources.as_file(resources.files("colorize_lib.evaluation") / "prior.csv") as path:
        return load_prior(path)


def entropy(prior: torch.Tensor) -> float:
    return -torch.special.xlogy(prior.double(), prior.double()).sum().item()


def with_columns(values, a=None, b=None) -> str:
    a, b = (CENTERS[:, 0] if a is None else a), (CENTERS[:, 1] if b is None else b)
    return "a,b,p\n" + "".join(f"{i:g},{j:g},{p}\n" for i, j, p in zip(a, b, values, strict=True))


def test_the_prior_that_ships_is_one_of_photographs(miniplaces):
    check_prior(miniplaces)
    assert CENTERS[miniplaces.topk(3).indices].tolist() == [[0, 0], [0, 10], [0, -10]]
    assert prior_moments(miniplaces)["p(0, 0)"] == pytest.approx(0.19849, abs=1e-5)
    assert entropy(miniplaces) == pytest.approx(3.2806, abs=1e-4)


def test_moments_are_what_their_names_say():
    prior = torch.zeros(313)
    for (a, b), share in {(0, 0): 0.1, (0, 10): 0.2, (10, -10): 0.3, (-30, 0): 0.15, (40, 30): 0.25}.items():
        prior[(torch.tensor([a, b]) == CENTERS).all(1)] = share
    expected = (0.1, 0.2, 0, 0.6, 0.75, 2 + 3 * 2**0.5 + 4.5 + 12.5)
    assert tuple(prior_moments(prior).values()) == pytest.approx(expected)


def test_a_prior_shaped_like_imagenets_has_the_published_moments(miniplaces):
    made = imagenet_prior(miniplaces)
    check_prior(made)
    assert prior_moments(made) == pytest.approx(IMAGENET_MOMENTS, abs=1e-4)
    assert entropy(made) == pytest.approx(3.44, abs=0.02), "published, and no condition"
    assert torch.equal(made == 0, miniplaces == 0)


def test_it_is_the_least_change_that_gives_them(miniplaces):
    made, own = imagenet_prior(miniplaces).double(), miniplaces.double()
    radius = CENTERS.norm(dim=1)
    # of colours that no moment tells apart but the mean chroma, the log of the change is linear in chroma
    far = (radius > 30) & (own > 1e-7)
    change, chroma = (made / own).log()[far], radius[far].double()
    slope = (change[-1] - change[0]) / (chroma[-1] - chroma[0])
    torch.testing.assert_close(change - change[0], slope * (chroma - chroma[0]), rtol=0, atol=1e-4)
    assert torch.allclose(imagenet_prior(made.float()), made.float(), atol=1e-6), "nothing is left to change"


def test_data_without_grey_have_no_such_prior(miniplaces):
    vivid = miniplaces.clone()
    vivid[(CENTERS == 0).all(1)] = 0
    with pytest.raises(ValueError, match="prior='imagenet' cannot be made from these data; .*'p\\(0, 0\\)': 0.0"):
        imagenet_prior(vivid / vivid.sum())


def test_files_of_both_kinds(tmp_path):
    values = np.random.default_rng(0).random(313)
    values /= values.sum()
    np.save(tmp_path / "x.npy", values * 1.0005)  # scaled to the sum 1
    (tmp_path / "x.csv").write_text(with_columns(values))
    (tmp_path / "y.csv").write_text("p\n" + "\n".join(map(str, values)))
    for name in ("x.npy", "x.csv", "y.csv"):
        torch.testing.assert_close(load_prior(tmp_path / name), torch.from_numpy(values).float())
    assert prior_content(str(tmp_path / "x.csv")) == prior_content(str(tmp_path / "y.csv")) != "imagenet"
    (tmp_path / "x.csv").write_text(with_columns(values[::-1]))
    assert prior_content(str(tmp_path / "x.csv")) != prior_content(str(tmp_path / "y.csv"))
    assert prior_content("imagenet") == "imagenet"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("p\n0.5\n0.5\n", "holds 2 numbers; expected 313"),
        (with_columns([-0.5, *UNIFORM[1:]]), "holds -0.5 in row 1; expected finite numbers from 0"),
        (with_columns([*UNIFORM[:-1], "nan"]), "holds nan in row 313"),
        (with_columns(UNIFORM * 1.01), "has the sum 1.01; expected 1 within 0.001"),
        (with_columns(UNIFORM, b=CENTERS[:, 1].flip(0)), r"has the colour \(-90, 0\) in row 1; expected \(-90, 50\)"),
        ("a,b\n1,2\n", "has no column p; it has a, b"),
        (with_columns(["half", *UNIFORM[1:]]), "cannot be read as numbers: .*half"),
        ("", "cannot be read as numbers"),
    ],
    ids=["short", "negative", "nan", "sum", "order", "no column", "text", "empty"],
)
def test_a_file_that_is_no_prior_is_refused(tmp_path, content, said):
    (tmp_path / "x.csv").write_text(content)
    with pytest.raises(ValueError, match=f"^prior='.*x.csv' {said}"):
        load_prior(tmp_path / "x.csv")


@pytest.mark.parametrize("content", [b"", b"no array"])
def test_a_damaged_array_is_refused(tmp_path, content):
    (tmp_path / "x.npy").write_bytes(content)
    with pytest.raises(ValueError, match="^prior='.*x.npy' cannot be read as numbers"):
        load_prior(tmp_path / "x.npy")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(FileNotFoundError, match='prior=.*gone.csv.* is no file; allowed: "", "imagenet", or a .csv or'):
        load_prior(tmp_path / "gone.csv")
