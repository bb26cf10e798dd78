"""sRGB and CIELAB on tensors, on any device, without clipping.

White point D65 and 2-degree observer, the constants of scikit-image, which referees this module in the tests.
Nothing is clipped on the way: a predicted colour outside the sRGB cube stays measurable
(`out_of_gamut_share`), and is clipped only where an image is shown (`clip_rgb`, `to_uint8`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor

# scikit-image, skimage.color.colorconv.xyz_from_rgb, rounded as published (Recommendation ITU-R BT.709)
_XYZ_FROM_RGB = torch.tensor(
    [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]],
    dtype=torch.float64,
)
_WHITE = torch.tensor([0.95047, 1.0, 1.08883], dtype=torch.float64)
_KNEE = 0.008856  # CIE 15; below it the cube root gives way to a line


_tables: list[Callable] = []


def cached_table(function: Callable) -> Callable:
    """Compute a table once for each device and dtype. A GPU would wait for a copy at every call."""
    cached = functools.lru_cache(maxsize=8)(function)

    @functools.wraps(function)
    def look_up(*key):
        return cached(*key)

    _tables.append(look_up)
    return look_up


def make_compilable() -> None:
    """Let torch.compile take the kept tables as they are; not before, because this loads the compiler, for seconds."""
    for look_up in _tables:
        torch.compiler.assume_constant_result(look_up)


@cached_table
def _matrices(device: torch.device, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """XYZ relative to white from linear RGB, and back."""
    return tuple(
        matrix.to(device, dtype)
        for matrix in (_XYZ_FROM_RGB / _WHITE[:, None], torch.linalg.inv(_XYZ_FROM_RGB) * _WHITE)
    )


def _mix(matrix: Tensor, image: Tensor) -> Tensor:
    """Multiply the channel axis (third from last) by a matrix of three columns.

    Written out: a matrix product would be one in TF32, with three digits, wherever a user allows that for networks.
    """
    first, second, third = matrix[:, :, None, None].unbind(1)
    x, y, z = image.split(1, dim=-3)
    return (first * x).add_(second * y).add_(third * z)


def _need_three_channels(image: Tensor, name: str, bytes_too: bool = False) -> None:
    fits = image.is_floating_point() or bytes_too and image.dtype == torch.uint8
    if image.ndim < 3 or image.shape[-3] != 3 or not fits:
        kinds = "floating point or uint8" if bytes_too else "floating point"
        raise ValueError(f"{name} must be {kinds} [..., 3, h, w]; got {image.dtype} {tuple(image.shape)}")


def rgb_to_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB to CIELAB.

    rgb: [..., 3, h, w] in 0..1, or uint8, which becomes float32 and takes half the time. Returns [..., 3, h, w] with
    L in 0..100 and a, b in CIE units. Source: IEC 61966-2-1, CIE 15. Raises ValueError for another shape or other
    integers.
    """
    x, y, z = _compressed(rgb, slice(3)).unbind(-3)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=-3)


def lightness(rgb: Tensor) -> Tensor:
    """L alone, rgb [..., 3, h, w] -> [..., 1, h, w]: less work than `rgb_to_lab`."""
    return 116 * _compressed(rgb, slice(1, 2)) - 16


def _compressed(rgb: Tensor, rows: slice) -> Tensor:
    """The chosen rows of XYZ relative to white, through CIE's cube root with its line near black."""
    _need_three_channels(rgb, "rgb", bytes_too=True)
    linear = _linear_of_bytes(rgb) if rgb.dtype == torch.uint8 else _linear(rgb)
    xyz = _mix(_matrices(linear.device, linear.dtype)[0][rows], linear)
    root = torch.exp(torch.log(xyz.clamp_min(_KNEE)) / 3)
    return torch.where(xyz > _KNEE, root, 7.787 * xyz + 16 / 116)


def _linear(rgb: Tensor) -> Tensor:
    """Linear light of encoded values: sRGB's power law with its line near black."""
    # powers are written as exp(log): twice as fast on a CPU, and the clamps keep gradients finite at black
    curve = torch.exp(torch.log((rgb.clamp_min(0.04045) + 0.055) / 1.055) * 2.4)
    return torch.where(rgb > 0.04045, curve, rgb / 12.92)


def _linear_of_bytes(rgb: Tensor) -> Tensor:
    """The same of uint8, float32: there are only 256 values, and looking them up takes a fifth of the time."""
    return _linear_values(rgb.device).index_select(0, rgb.reshape(-1).int()).view(rgb.shape)


@cached_table
def _linear_values(device: torch.device) -> Tensor:
    return _linear(torch.arange(256, dtype=torch.float64) / 255).float().to(device)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """Convert CIELAB to sRGB, unclipped: colours outside the cube come back outside 0..1.

    lab: [..., 3, h, w]. Returns rgb [..., 3, h, w]; the inverse of `rgb_to_lab`.
    """
    _need_three_channels(lab, "lab")
    L, a, b = lab.unbind(-3)
    y = (L + 16) / 116
    f = torch.stack([y + a / 500, y, y - b / 200], dim=-3)
    # the two branches of the CIE definition meet at f = 0.2068966; below, scikit-image uses the same line
    xyz = torch.where(f > 0.2068966, f**3, (f - 16 / 116) / 7.787)
    linear = _mix(_matrices(lab.device, lab.dtype)[1], xyz)
    curve = 1.055 * linear.clamp_min(0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, curve, 12.92 * linear)


def clip_rgb(rgb: Tensor) -> Tensor:
    """Clip to the displayable cube 0..1; for showing images, never before measuring ab errors."""
    return rgb.clamp(0, 1)


def out_of_gamut_share(lab: Tensor, tolerance: float = 1 / 255) -> Tensor:
    """Share of pixels of each image whose colour no sRGB display can show.

    lab: [b, 3, h, w]. Returns [b] in 0..1. A pixel counts when a channel leaves 0..1 by more than `tolerance`
    (one 8-bit step, so that rounding is not mistaken for an impossible colour).
    """
    rgb = lab_to_rgb(lab)
    return ((rgb < -tolerance) | (rgb > 1 + tolerance)).any(-3).float().mean((-2, -1))


def luma(rgb: Tensor) -> Tensor:
    """Luma of encoded values, ITU-R 601 as torchvision's Grayscale rounds it: [..., 3, h, w] -> [..., 1, h, w]."""
    red, green, blue = rgb.split(1, dim=-3)
    return (0.2989 * red).add(green, alpha=0.587).add(blue, alpha=0.114)


def to_unit(pixels: Tensor) -> Tensor:
    """Turn uint8 images [b, h, w, 3] into float32 rgb [b, 3, h, w] in 0..1."""
    if pixels.dtype != torch.uint8 or pixels.shape[-1] != 3:
        raise ValueError(f"pixels must be uint8 [..., h, w, 3]; got {pixels.dtype} {tuple(pixels.shape)}")
    return pixels.movedim(-1, -3).float() / 255


def to_uint8(rgb: Tensor) -> Tensor:
    """Clip rgb [b, 3, h, w] to 0..1 and round to uint8 images [b, h, w, 3]."""
    return (clip_rgb(rgb) * 255).round().to(torch.uint8).movedim(-3, -1)


def chroma(ab: Tensor) -> Tensor:
    """Chroma, the distance from grey: ab [..., 2, h, w] -> [..., h, w] in CIE units."""
    return torch.linalg.vector_norm(ab, dim=-3)


def hue(ab: Tensor) -> Tensor:
    """Hue angle in degrees, 0..360 (0 red-purple, 90 yellow, 180 green, 270 blue): [..., 2, h, w] -> [..., h, w]."""
    return torch.rad2deg(torch.atan2(ab[..., 1, :, :], ab[..., 0, :, :])) % 360
