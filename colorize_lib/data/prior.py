"""Priors: that of the training images, one shaped like ImageNet's, one of a file. And images' way to a device."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.optimize import minimize
from torch import Tensor

from ..color import rgb_to_lab, to_unit
from ..config import Config
from ..objectives import subsample
from ..quantize import BINS, ab_gamut_centers, check_prior, prior_from_ab
from .store import Store

PRIOR_PHOTOS = 100_000
IMAGENET = "imagenet"
"""The value of `Config.prior` that means `imagenet_prior`; any other is a path, "" the training data's own."""
IMAGENET_MOMENTS = {
    "p(0, 0)": 0.2012,
    "p(0, 10)": 0.1083,
    "p(0, -10)": 0.0642,
    "within 15 of grey": 0.60,
    "within 30 of grey": 0.78,
    "mean chroma": 18.2,
}
"""What is known of the prior that was published with the original's code: shares of the mass, and ab units."""


def training_prior(store: Store, rows: np.ndarray, config: Config, device: torch.device) -> Tensor:
    """The prior [313] that `Config.prior` asks for, on `device`; ValueError where it cannot be had."""
    if config.prior not in ("", IMAGENET):
        return load_prior(config.prior).to(device)
    own = data_prior(store, rows, config, device)
    return imagenet_prior(own) if config.prior else own


def prior_content(name: str) -> str:
    """What a run's name depends on where `Config.prior` is `name`, not "": the sha256 of a file's prior, not its path.

    Raises as `load_prior` does.
    """
    return name if name == IMAGENET else hashlib.sha256(load_prior(name).numpy().tobytes()).hexdigest()


def load_prior(path: str | Path) -> Tensor:
    """Read a prior, float32 [313], from a .npy file of 313 numbers or from a CSV file with a column p.

    Rows are in the order of the 313 colours; where the CSV file has columns a and b they must say so. The numbers are
    scaled to the sum 1. Raises FileNotFoundError where there is no such file, and ValueError where it holds no 313
    numbers from 0 whose sum is 1 within 0.001, each saying what was found.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'prior={str(path)!r} is no file; allowed: "", "{IMAGENET}", or a .csv or .npy file')
    try:
        frame = pd.DataFrame({"p": np.load(path).ravel()}) if path.suffix == ".npy" else pd.read_csv(path)
        values = frame["p"].to_numpy(np.float64)
        told = frame[["a", "b"]].to_numpy(np.float64) if {"a", "b"} <= set(frame) else None
    except KeyError:
        raise ValueError(f"prior={str(path)!r} has no column p; it has {', '.join(frame)}") from None
    except (ValueError, TypeError, EOFError) as error:
        raise ValueError(f"prior={str(path)!r} cannot be read as numbers: {error}") from None
    if problem := _problem(values, told):
        raise ValueError(f"prior={str(path)!r} {problem}")
    prior = torch.from_numpy(values / values.sum()).float()
    check_prior(prior)
    return prior


def _problem(values: np.ndarray, told: np.ndarray | None) -> str:
    """What is wrong with the numbers of a file, and the colours it tells; "" if nothing is."""
    if len(values) != BINS:
        return f"holds {len(values)} numbers; expected {BINS}"
    wrong = ~((values >= 0) & (values < np.inf))
    if wrong.any():
        return f"holds {values[wrong][0]:g} in row {wrong.argmax() + 1}; expected finite numbers from 0"
    if told is not None and (other := (told != ab_gamut_centers().numpy()).any(1)).any():
        row = int(other.argmax())
        expected, found = (f"({a:g}, {b:g})" for a, b in (ab_gamut_centers().tolist()[row], told[row]))
        return f"has the colour {found} in row {row + 1}; expected {expected}"
    if abs(values.sum() - 1) > 1e-3:
        return f"has the sum {values.sum():.6g}; expected 1 within 0.001"
    return ""


def prior_moments(prior: Tensor) -> dict[str, float]:
    """What `IMAGENET_MOMENTS` tells, of any prior [313]; a colour at a distance of just 15 or 30 is within it."""
    return dict(zip(IMAGENET_MOMENTS, (_features() @ prior.double().cpu().numpy()).tolist(), strict=True))


def _features() -> np.ndarray:
    """The functions of a colour whose means under a prior are its moments, [6, 313]."""
    centers = ab_gamut_centers().double().numpy()
    radius = np.hypot(*centers.T)
    points = [(centers == point).all(1) for point in ((0, 0), (0, 10), (0, -10))]
    return np.stack([*points, radius <= 15, radius <= 30, radius]).astype(np.float64)


def imagenet_prior(prior: Tensor) -> Tensor:
    """A prior with the moments of ImageNet's, made from that of other data: float32 [313], on the device of `prior`.

    Of all distributions with `IMAGENET_MOMENTS` the one with the least relative entropy to `prior`: p exp(t f), scaled,
    with t the minimiser of the convex dual log sum p exp(t f) - t m (Jaynes 1957; Csiszár 1975). Made from MiniPlaces
    its entropy is 3.43 nats; that of the published prior, which is no condition, is 3.44. Raises ValueError where data
    are so unlike photographs that no such distribution is found.
    """
    p, f, wanted = prior.double().cpu().numpy(), _features(), np.array(list(IMAGENET_MOMENTS.values()))
    scale = np.array([1, 1, 1, 1, 1, 100])  # for numbers of one size
    f, wanted = f / scale[:, None], wanted / scale

    def tilted(t: np.ndarray) -> tuple[float, np.ndarray]:
        exponent = t @ f
        weight = p * np.exp(exponent - exponent.max())
        return float(np.log(weight.sum()) + exponent.max()), weight / weight.sum()

    def dual(t: np.ndarray) -> tuple[float, np.ndarray]:
        value, q = tilted(t)
        return value - t @ wanted, f @ q - wanted

    with np.errstate(all="ignore"):  # where there is no minimum, t grows without bound
        q = tilted(minimize(dual, np.zeros(len(f)), jac=True, method="BFGS", options={"gtol": 1e-9}).x)[1]
    if not np.allclose(f @ q, wanted, rtol=0, atol=1e-5):
        raise ValueError(f"prior={IMAGENET!r} cannot be made from these data; their prior has {prior_moments(prior)}")
    return torch.from_numpy(q).float().to(prior.device)


def data_prior(store: Store, rows: np.ndarray, config: Config, device: torch.device) -> Tensor:
    """Prior [313] of the images `rows`, on `device`: soft targets averaged over every fourth pixel, whole images.

    Of more than `PRIOR_PHOTOS` some are taken at equal distances, so that training on millions begins without delay.
    """
    rows = rows[:: math.ceil(len(rows) / PRIOR_PHOTOS)]
    size = max(1, 512 * 64**2 // store.side**2)  # images at once, for an even use of memory
    labels = (subsample(read_rgb(store, rows[i : i + size], device)) for i in range(0, len(rows), size))
    colours = (rgb_to_lab(rgb.double())[:, 1:].movedim(1, -1).reshape(-1, 2) for rgb in labels)
    return prior_from_ab(colours, config.neighbours, config.sigma).to(device)


def read_rgb(store: Store, rows: np.ndarray, device: torch.device) -> Tensor:
    """The images `rows` as float32 rgb [len(rows), 3, side, side] in 0..1 on `device`."""
    return to_unit(torch.from_numpy(store.read(rows)).to(device))
