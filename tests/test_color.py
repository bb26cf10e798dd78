"""sRGB and CIELAB, with scikit-image as the referee."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import color as skcolor
from torch.utils._python_dispatch import TorchDispatchMode

from colorize_lib.color import (
    chroma,
    clip_rgb,
    hue,
    lab_to_rgb,
    lightness,
    out_of_gamut_share,
    rgb_to_lab,
    to_uint8,
    to_unit,
)

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA"))]
CHANNEL = st.floats(0, 1, width=32)


def lattice(levels: int, dtype=torch.float32) -> torch.Tensor:
    """The sRGB cube as one picture [3, levels**2, levels]."""
    axis = torch.linspace(0, 1, levels, dtype=dtype)
    return torch.cartesian_prod(axis, axis, axis).T.reshape(3, levels**2, levels)


def random_colours(n: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(3, n, 1, generator=torch.Generator().manual_seed(seed))


def referee(rgb: torch.Tensor) -> np.ndarray:
    """scikit-image's Lab of [3, h, w], in double precision, channels first."""
    return np.moveaxis(skcolor.rgb2lab(rgb.cpu().double().movedim(0, -1).numpy()), -1, 0)


# -------------------------------------------------------------------------------------------------------- forward


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("rgb", [lattice(33), random_colours(100_000)], ids=["lattice", "random"])
def test_lab_agrees_with_scikit_image(rgb, device):
    lab = rgb_to_lab(rgb.to(device))
    assert lab.dtype == torch.float32
    np.testing.assert_allclose(lab.cpu(), referee(rgb), rtol=0, atol=1e-3)


def test_lab_agrees_with_scikit_image_in_double_precision_below_the_knee():
    dark = (
        torch.linspace(0, 0.12, 100_000, dtype=torch.float64).expand(3, 1, -1)
        * torch.tensor([1, 0.7, 0.3])[:, None, None]
    )
    np.testing.assert_allclose(rgb_to_lab(dark), referee(dark), rtol=0, atol=1e-6)


def test_lightness_alone_is_the_first_channel_of_lab():
    cube = lattice(33)
    assert lightness(cube[None]).shape == (1, 1, 33**2, 33)
    assert torch.allclose(lightness(cube), rgb_to_lab(cube)[:1], rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="rgb must be floating point"):
        lightness(cube[:1])


def test_rgb_agrees_with_scikit_image_on_displayable_colours():
    lab = rgb_to_lab(lattice(33, torch.float64))
    theirs = np.moveaxis(skcolor.lab2rgb(np.moveaxis(lab.numpy(), 0, -1)), -1, 0)
    np.testing.assert_allclose(lab_to_rgb(lab), theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [  # CIE 15 with D65: corners of the cube, as printed by many tables
        ((1, 1, 1), (100, 0.0, 0.0)),
        ((0, 0, 0), (0, 0, 0)),
        ((1, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 1, 0), (87.73, -86.18, 83.18)),
        ((0, 0, 1), (32.30, 79.19, -107.86)),
    ],
)
def test_known_colours(rgb, lab):
    ours = rgb_to_lab(torch.tensor(rgb, dtype=torch.float64).reshape(3, 1, 1)).flatten()
    np.testing.assert_allclose(ours, lab, atol=0.02)


@pytest.mark.parametrize("shape", [(3, 2, 5), (4, 3, 2, 5), (2, 4, 3, 1, 1)])
def test_any_number_of_leading_axes(shape):
    rgb = torch.rand(shape, dtype=torch.float64)
    lab = rgb_to_lab(rgb)
    assert lab.shape == lab_to_rgb(lab).shape == shape
    torch.testing.assert_close(lab.reshape(-1, *shape[-3:])[0], rgb_to_lab(rgb.reshape(-1, *shape[-3:])[0]))


@pytest.mark.parametrize("convert", [rgb_to_lab, lab_to_rgb])
@pytest.mark.parametrize(
    "wrong", [torch.zeros(2, 5, 3), torch.zeros(3, 5), torch.zeros(1, 1, 4, 4), torch.zeros(3, 4, 4, dtype=torch.int64)]
)
def test_wrong_shapes_and_integers_are_refused(convert, wrong):
    kinds = "floating point or uint8" if convert is rgb_to_lab else "floating point"
    with pytest.raises(ValueError, match=rf"must be {kinds} \[\.\.\., 3, h, w\]; got torch\.\w+ \(") as refusal:
        convert(wrong)
    assert str(tuple(wrong.shape)) in str(refusal.value)


def test_no_matrix_product_that_could_become_one_in_tf32():
    called = set()

    class Listen(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            called.add(str(function))
            return function(*args, **(kwargs or {}))

    with Listen():
        lab_to_rgb(rgb_to_lab(torch.rand(2, 3, 8, 8)))
    assert "aten.mul.Tensor" in called and not [name for name in called if "mm" in name or "matmul" in name]


def test_lab_is_never_bytes():
    with pytest.raises(
        ValueError, match=r"lab must be floating point \[\.\.\., 3, h, w\]; got torch\.uint8 \(3, 4, 4\)"
    ):
        lab_to_rgb(torch.zeros(3, 4, 4, dtype=torch.uint8))


# ------------------------------------------------------------------------------------------- there, back, outside


@pytest.mark.parametrize("device", DEVICES)
def test_there_and_back(device):
    rgb = lattice(33).to(device)
    torch.testing.assert_close(lab_to_rgb(rgb_to_lab(rgb)), rgb, rtol=0, atol=1e-5)
    exact = lattice(33, torch.float64)
    # the published knees are rounded, and so the two curves differ a little where they meet
    torch.testing.assert_close(lab_to_rgb(rgb_to_lab(exact)), exact, rtol=0, atol=1e-6)


def test_lab_there_and_back_also_outside_the_cube():
    axes = torch.linspace(5, 100, 12), torch.linspace(-110, 110, 23), torch.linspace(-110, 110, 23)
    lab = torch.cartesian_prod(*axes).double().T[:, :, None]
    rgb = lab_to_rgb(lab)
    outside = (rgb < 0) | (rgb > 1)
    assert outside.any(0).float().mean() > 0.5  # most of this box cannot be displayed
    torch.testing.assert_close(rgb_to_lab(rgb), lab, rtol=0, atol=2e-3)


def test_nothing_is_clipped_before_showing():
    lab = torch.tensor([60.0, 120, -120]).reshape(3, 1, 1)
    rgb = lab_to_rgb(lab)
    assert rgb.max() > 1 and rgb.min() < 0
    assert clip_rgb(rgb).max() == 1 and clip_rgb(rgb).min() == 0


def test_share_of_colours_outside_of_a_known_picture():
    lab = torch.zeros(2, 3, 4, 4)
    lab[:, 0] = 60
    lab[0, 1, :2] = 120  # 8 of the 16 pixels of the first picture
    lab[0, 2, :2] = -120
    assert out_of_gamut_share(lab).tolist() == [0.5, 0.0]


def test_rounding_to_8_bits_is_no_impossible_colour():
    corners = rgb_to_lab(lattice(2)[None])
    assert out_of_gamut_share(corners).item() == 0
    slightly = rgb_to_lab(torch.full((1, 3, 1, 1), 1 + 0.5 / 255))
    assert out_of_gamut_share(slightly).item() == 0
    assert out_of_gamut_share(slightly, tolerance=0.1 / 255).item() == 1


# ------------------------------------------------------------------------------------------------------ gradients


def test_gradients():
    # away from the knees: 0.04045 in rgb, 0.008856 in xyz, where the curves have corners
    rgb = (0.2 + 0.6 * random_colours(5, 1).double()).requires_grad_()
    assert torch.autograd.gradcheck(rgb_to_lab, rgb)
    dark = (0.005 + 0.02 * random_colours(5, 2).double()).requires_grad_()
    assert torch.autograd.gradcheck(rgb_to_lab, dark)
    lab = rgb_to_lab(rgb.detach()).requires_grad_()
    assert torch.autograd.gradcheck(lab_to_rgb, lab)


@pytest.mark.parametrize("value", [0.0, 0.04045, 0.5, 1.0])
def test_gradients_are_finite_everywhere(value):
    rgb = torch.full((3, 1, 1), value, requires_grad=True)
    rgb_to_lab(rgb).sum().backward()
    assert torch.isfinite(rgb.grad).all() and (rgb.grad != 0).any()
    lab = rgb_to_lab(rgb).detach().requires_grad_()
    lab_to_rgb(lab).sum().backward()
    assert torch.isfinite(lab.grad).all() and (lab.grad != 0).any()


# ---------------------------------------------------------------------------------------------------- 8-bit pixels


def test_bytes_are_converted_as_their_values_are():
    pixels = torch.randint(0, 256, (2, 16, 128, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    pixels[0, :2] = torch.arange(256, dtype=torch.uint8).reshape(2, 128, 1)
    rgb = pixels.movedim(-1, 1)  # a view, as training has it
    exact = rgb_to_lab(rgb.double() / 255)
    for lab in (rgb_to_lab(rgb), rgb_to_lab(rgb.contiguous()), rgb_to_lab(rgb[..., ::4, ::4])):
        assert lab.dtype == torch.float32
    torch.testing.assert_close(rgb_to_lab(rgb).double(), exact, rtol=0, atol=2e-4)
    torch.testing.assert_close(lightness(rgb).double(), exact[:, :1], rtol=0, atol=5e-5)
    assert torch.equal(rgb_to_lab(rgb[..., ::4, ::4]), rgb_to_lab(rgb)[..., ::4, ::4])


def test_all_256_values_survive_the_round_trip():
    pixels = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16, 1).repeat(1, 1, 1, 3)
    unit = to_unit(pixels)
    assert unit.shape == (1, 3, 16, 16) and unit.min() == 0 and unit.max() == 1
    assert torch.equal(to_uint8(unit), pixels)
    assert torch.equal(to_uint8(lab_to_rgb(rgb_to_lab(unit))), pixels)


def test_to_uint8_clips_and_rounds():
    rgb = torch.tensor([-0.2, 0.4999 / 255, 0.501 / 255, 254.4 / 255, 1.5, 1.0]).reshape(1, 3, 2, 1)
    assert to_uint8(rgb).movedim(-1, 1).flatten().tolist() == [0, 0, 1, 254, 255, 255]


@pytest.mark.parametrize("wrong", [torch.zeros(1, 4, 4, 3), torch.zeros(1, 3, 4, 4, dtype=torch.uint8)])
def test_to_unit_refuses_other_pixels(wrong):
    with pytest.raises(ValueError, match=r"pixels must be uint8 \[\.\.\., h, w, 3\]; got"):
        to_unit(wrong)


# --------------------------------------------------------------------------------------------------- chroma and hue


def test_chroma_and_hue():
    ab = torch.tensor([[3.0, 4], [10, 0], [0, 10], [-10, 0], [0, -10], [0, 0]]).T.reshape(1, 2, 1, 6)
    assert chroma(ab).flatten().tolist() == [5, 10, 10, 10, 10, 0]
    angles = hue(ab).flatten()
    assert angles.shape == (6,) and angles[1:5].tolist() == [0, 90, 180, 270]
    np.testing.assert_allclose(angles[0], np.degrees(np.arctan2(4, 3)), rtol=1e-6)
    lch = skcolor.lab2lch(np.array([50, 12.0, -34.0]))
    one = torch.tensor([12.0, -34.0]).reshape(2, 1, 1)
    np.testing.assert_allclose([chroma(one).item(), hue(one).item()], [lch[1], np.degrees(lch[2]) % 360], rtol=1e-6)


def test_hue_of_the_primaries_is_named_as_documented():
    names = rgb_to_lab(torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 1, 0], [0, 0, 1]]).T[:, :, None])[1:]
    red, yellow, green, blue = hue(names).flatten().tolist()
    assert red < 45 and 85 < yellow < 120 and 120 < green < 180 and 270 < blue < 330


# ------------------------------------------------------------------------------------------------------ properties


@settings(max_examples=50, deadline=None)
@given(CHANNEL)
def test_grey_has_no_colour(value):
    lab = rgb_to_lab(torch.full((3, 1, 1), value))
    assert lab[1:].abs().max() < 0.02  # the rounded matrix and white point of scikit-image leave 0.01
    assert -1e-3 <= lab[0] <= 100.001


@settings(max_examples=50, deadline=None)
@given(st.tuples(CHANNEL, CHANNEL, CHANNEL), st.integers(0, 2), CHANNEL)
def test_more_light_is_lighter(colour, channel, value):
    darker = torch.tensor(colour).reshape(3, 1, 1)
    lighter = darker.clone()
    lighter[channel] = max(value, colour[channel])
    assert rgb_to_lab(lighter)[0] >= rgb_to_lab(darker)[0] - 1e-4


@settings(max_examples=50, deadline=None)
@given(st.tuples(CHANNEL, CHANNEL, CHANNEL))
def test_every_displayable_colour_comes_back(colour):
    rgb = torch.tensor(colour).reshape(3, 1, 1)
    torch.testing.assert_close(lab_to_rgb(rgb_to_lab(rgb)), rgb, rtol=0, atol=2e-5)


@settings(max_examples=50, deadline=None)
@given(st.floats(-130, 130), st.floats(-130, 130))
def test_hue_and_chroma_give_the_colour_back(a, b):
    ab = torch.tensor([a, b], dtype=torch.float64).reshape(2, 1, 1)
    angle, radius = torch.deg2rad(hue(ab)), chroma(ab)
    assert 0 <= hue(ab) <= 360
    back = torch.stack([radius * angle.cos(), radius * angle.sin()])
    torch.testing.assert_close(back, ab, rtol=0, atol=1e-9)
