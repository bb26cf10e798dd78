"""A trained network as a tool: predict, colorize a photograph, save and load."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from .color import lab_to_rgb, lightness, to_uint8, to_unit
from .config import BEST, FIELDS, from_identity
from .data.files import atomic_file
from .devices import pick_device
from .networks import ColorNet, flush_running_means, make_network
from .objectives import HEADS, NEEDS_PRIOR, CrossEntropy, Objective, make_objective, subsample
from .readout import Readout
from .trace import about_runs, note

WEIGHTS = "network.safetensors"
TERMS = (
    "Trained on MiniPlaces (a subset of Places2), whose photographs may be used for non-commercial research and "
    "education only and are not distributed here. The weights are offered for the same use; the code is MIT."
)
MAX_ASPECT = 8
"""Longer over shorter side of what a network is shown; a thinner image is squeezed to it."""
MAX_AREA = 2**20
"""Pixels of what a network is shown, at most."""
TILE = 2**18
"""Pixels of an image that are converted at once: as many as a processor's cache holds."""


class Colorizer:
    """A trained network with its objective and provenance; `save` and `load` keep all three in one file.

    `passport` is the provenance: arm, configuration, data, code and machine of the training.
    """

    def __init__(self, network: ColorNet, objective: Objective, passport: dict):
        flush_running_means(network.eval())
        self.network, self.objective, self.passport = network, objective, passport
        self.arm = objective.name
        self.side = passport["config"]["side"]

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.network.head.weight.device

    @property
    def readout(self) -> Readout | None:
        """What is asked of a classifier unless something else is: what its file names, else the annealed mean."""
        if not self.is_classifier:
            return None
        named = self.passport.get("readout")
        return Readout.parse(named) if named else Readout(self.objective.temperature)

    @property
    def is_classifier(self) -> bool:
        """Whether it predicts distributions, of which different things can be asked, or one colour."""
        return isinstance(self.objective, CrossEntropy)

    def output(self, rgb: Tensor) -> Tensor:
        """What the network says of RGB [b, 3, h, w] in 0..1, on its device: what its objective decodes."""
        if run := self.passport.get("run"):
            note("asked", what=run)
        return self.network(self.objective.network_input(rgb)).float()

    def predict(self, pixels: np.ndarray | Tensor, readout: Readout | None = None) -> tuple[Tensor, Tensor | None]:
        """Colorize images uint8 [b, h, w, 3] (h, w multiples of 8).

        readout: what is asked of a classifier's distributions; by default its own, see `readout`.
        Returns Lab [b, 3, h, w], unclipped, and the logits [b, 313, h/4, w/4] (None for a regression arm).
        """
        (lab,), logits = self.answers(pixels, [readout])
        return lab, logits

    @torch.no_grad()
    def answers(
        self, pixels: np.ndarray | Tensor, readouts: Sequence[Readout | None], side: int = 0
    ) -> tuple[list[Tensor], Tensor | None]:
        """The same for several read-outs, from one pass through the network: their Lab images, and the logits.

        side: pixels along a side at which the network sees the images, if not at their own; its colours are enlarged.
        """
        rgb = to_unit(_on(self.device, pixels))
        seen = adaptive_avg_pool2d(rgb, side) if side else rgb
        output = self.output(seen)
        if not self.is_classifier:
            return [self.objective.decode(output, rgb) for _ in readouts], None
        return [self.objective.decode(output, rgb, readout or self.readout) for readout in readouts], output

    def photo(
        self, image: np.ndarray, readout: Readout | None = None, gain: float = 1.0, side: int | None = None
    ) -> np.ndarray:
        """Colorize one image uint8 [h, w, 3] of any size; only its lightness is looked at.

        The network sees the image with its shorter side reduced to about `side` (default: the side it was trained
        at); one that `is_thin` is squeezed for that. The predicted ab is enlarged and joined with the full-resolution
        L. For `student_mse`, too, the predicted lightness is replaced by the true one here. readout: as for `predict`.
        gain: factor on the predicted ab.
        Raises ValueError for anything but uint8 [h, w, 3] with at least one pixel.
        """
        lab, _ = self.predict(self.seen(image, side), readout)
        return recolor(image, gain * lab[0, 1:])

    @torch.no_grad()
    def coarse(self, image: np.ndarray, readout: Readout | None = None) -> Tensor:
        """What the network answers to one image uint8 [h, w, 3], not enlarged: ab [2, h', w'] for every fourth pixel
        of what it is shown. readout: as for `predict`."""
        rgb = to_unit(self.seen(image).to(self.device))
        output = self.output(rgb)
        if self.is_classifier:
            return (readout or self.readout)(output, self.objective.prior)[0]
        return self.objective.decode(output, subsample(rgb))[0, 1:]

    def seen(self, image: np.ndarray, side: int | None = None) -> Tensor:
        """What the network is shown of an image by `photo`: uint8 [1, h, w, 3]. Raises ValueError as `photo`."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] != 3 or not image.size:
            raise ValueError(f"an image must be uint8 [h, w, 3] and not empty; got {image.dtype} {image.shape}")
        size = network_size(*image.shape[:2], side or self.side)
        return to_uint8(_reduced(image, size, self.device)).cpu()

    def save(self, path: Path, dtype: torch.dtype = torch.float32) -> None:
        """Write weights, prior and provenance as one safetensors file.

        dtype: of the weights; the prior and batch norm's running statistics are always float32, because variances
        span more than half precision can hold. Raises OSError naming the file where the system refuses.
        """
        state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in self.network.state_dict().items()}
        state |= {k: v.float() for k, v in self.network.named_buffers() if v.is_floating_point()}
        if self.objective.name in NEEDS_PRIOR:
            state["prior"] = self.objective.prior.float()
        state = {k: v.cpu().contiguous().clone() for k, v in state.items()}
        with atomic_file(path) as unfinished:  # safetensors' own writing makes a file that nobody else may read
            unfinished.write_bytes(save(state, {"passport": json.dumps(self.passport, allow_nan=False)}))

    @classmethod
    def load(cls, path: Path | str, device: str = "auto") -> Colorizer:
        """Read a file written by `save`, wherever it was trained.

        Raises ValueError naming the file and what is wrong with it if it is not one, FileNotFoundError if it is
        missing.
        """
        about, state = _read(Path(path))
        try:
            _check_passport(about)
            config = from_identity(about["config"])
            prior = state.pop("prior", None) if about["arm"] in NEEDS_PRIOR else None
            if prior is not None and tuple(prior.shape) != (HEADS["ce"],):
                raise ValueError(f"the tensor prior is {list(prior.shape)}; expected [{HEADS['ce']}]")
            objective = make_objective(about["arm"], config, prior)
            network = make_network(config, objective.channels, 0)
            _check_tensors(state, network.state_dict(), f"arm {about['arm']} at width {config.width:g}")
        except ValueError as error:
            raise ValueError(f"{path} is no network that can be used here: {error}") from None
        note("network", profile=about.get("profile", ""), runs=about_runs({about.get("run", Path(path).stem): about}))
        network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
        network.to(pick_device(device), memory_format=torch.channels_last)
        return cls(network, objective.to(network.head.weight.device), about)


def _read(path: Path, tensors: bool = True) -> tuple[object, dict[str, Tensor]]:
    """The provenance and the tensors (unless left out) of a file; ValueError if it has not both."""
    if path.is_dir():
        raise ValueError(f"{path} is a folder; expected a file of a network, such as {WEIGHTS}")
    try:
        with safe_open(path, "pt") as file:
            # some files hold NaN, which JSON does not know, for what could not be measured
            about = json.loads((file.metadata() or {})["passport"], parse_constant=lambda _: None)
            names = file.keys() if tensors else ()
            return about, {key: file.get_tensor(key) for key in names}
    except (SafetensorError, KeyError, json.JSONDecodeError):
        raise ValueError(f"{path} holds no network with a passport; it is damaged, or not of this library") from None


def _check_passport(about: object) -> None:
    """Refuse a provenance that does not say what a network is; ValueError naming the field and what is expected."""
    if not isinstance(about, dict):
        raise ValueError(f"its passport is {type(about).__name__}; expected an object with arm and config")
    for field, kind in (("arm", str), ("config", dict)):
        if not isinstance(about.get(field), kind):
            found = repr(about[field]) if field in about else "missing"
            raise ValueError(f"its passport's field {field} is {found}; expected {kind.__name__}")
    if type(about["config"].get("side")) is not int:
        found = repr(about["config"]["side"]) if "side" in about["config"] else "missing"
        raise ValueError(f"its passport's field config.side is {found}; expected the training side in pixels")
    if unknown := sorted(set(about["config"]) - set(FIELDS)):
        raise ValueError(f"its passport's field config.{unknown[0]} is unknown; expected some of {sorted(FIELDS)}")


def _check_tensors(state: dict[str, Tensor], expected: dict[str, Tensor], what: str) -> None:
    """Refuse tensors that do not make the network; ValueError naming the first and what is expected."""
    for name in sorted(state.keys() | expected.keys()):
        if name not in state:
            raise ValueError(f"the tensor {name} is missing; expected {list(expected[name].shape)} for {what}")
        if name not in expected:
            raise ValueError(f"the tensor {name} is unknown; expected none of this name for {what}")
        if state[name].shape != expected[name].shape:
            shapes = list(state[name].shape), list(expected[name].shape)
            raise ValueError(f"the tensor {name} is {shapes[0]}; expected {shapes[1]} for {what}")
        if not torch.isfinite(state[name]).all():
            raise ValueError(f"the tensor {name} holds values that are not finite; was it saved in half precision?")


# ---------------------------------------------------------------------------------------------------- of any size


def is_thin(height: int, width: int) -> bool:
    """Whether an image is so much longer than it is broad that it is squeezed before a network sees it."""
    return max(height, width) > MAX_ASPECT * min(height, width)


def network_size(height: int, width: int, side: int) -> tuple[int, int]:
    """Height and width at which a network sees an image: multiples of 8, from 16.

    The shorter side becomes about `side` and the longer keeps the proportion, up to `MAX_ASPECT` to 1; both shrink
    where they would be more than `MAX_AREA` pixels.
    """
    longest = MAX_ASPECT * min(height, width)
    height, width = min(height, longest), min(width, longest)
    factor = min(side / min(height, width), math.sqrt(MAX_AREA / (height * width)))
    return max(16, 8 * round(height * factor / 8)), max(16, 8 * round(width * factor / 8))


def _tiles(height: int, width: int, pixels: int) -> list[tuple[slice, slice]]:
    """Rows and columns of the parts that an image falls into: whole rows, unless a single one is too long."""
    columns = min(width, pixels)
    rows = max(1, pixels // columns)
    return [
        (slice(top, min(top + rows, height)), slice(left, min(left + columns, width)))
        for top in range(0, height, rows)
        for left in range(0, width, columns)
    ]


def _on(device: torch.device, pixels: np.ndarray) -> Tensor:
    """A copy on a device; PyTorch cannot share every array of numpy's (views, read-only ones)."""
    return torch.tensor(np.ascontiguousarray(pixels)).to(device)


def _reduced(image: np.ndarray, size: tuple[int, int], device: torch.device) -> Tensor:
    """Resize an image uint8 [h, w, 3] to rgb [1, 3, *size] in 0..1, averaging over what falls together.

    Bilinear resizing is one of rows and one of columns: the rows are resized strip by strip and then all columns at
    once, so that the image is never in memory as floats.
    """
    height, width = image.shape[:2]
    if height > width and is_thin(height, width):  # the long side first; it is what would not fit
        return _reduced(image.swapaxes(0, 1), size[::-1], device).transpose(2, 3)
    rows = max(1, TILE // width)
    strips = (to_unit(_on(device, image[top : top + rows]))[None] for top in range(0, height, rows))
    return _resized(torch.cat([_resized(strip, (strip.shape[2], size[1])) for strip in strips], 2), size)


def _resized(rgb: Tensor, size: tuple[int, int]) -> Tensor:
    return interpolate(rgb, size=size, mode="bilinear", antialias=True, align_corners=False)


@torch.no_grad()
def recolor(image: np.ndarray, ab: Tensor, out: np.ndarray | None = None) -> np.ndarray:
    """Give an image uint8 [h, w, 3] the colours `ab` [2, h', w'], enlarged bilinearly to its size, under its own L.

    Works tile by tile on the device of `ab`; the result is the same as that of the whole image at once.
    out: where to write, uint8 [h, w, 3]; a new array if None.
    """
    height, width = image.shape[:2]
    out = np.empty(image.shape, np.uint8) if out is None else out
    for tile in _tiles(height, width, TILE):
        L = lightness(_on(ab.device, image[tile]).movedim(-1, 0))
        lab = torch.cat([L, _enlarged(ab, (height, width), tile)])
        out[tile] = to_uint8(lab_to_rgb(lab)).cpu().numpy()
    return out


def _enlarged(ab: Tensor, size: tuple[int, int], tile: tuple[slice, slice]) -> Tensor:
    """The part `tile` of ab [2, h, w] enlarged bilinearly to `size`, as `interpolate` without aligned corners does."""
    for axis in (1, 2):
        low, high, share = _neighbours(ab.shape[axis], size[axis - 1], tile[axis - 1], ab.device)
        share = share[:, None] if axis == 1 else share
        ab = torch.lerp(ab.index_select(axis, low), ab.index_select(axis, high), share)
    return ab


def _neighbours(n: int, wanted: int, part: slice, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """For the positions `part` of `wanted` along an axis of n values: the values before and after, and how far on."""
    place = torch.arange(part.start, part.stop, device=device, dtype=torch.float64)
    place = ((place + 0.5) * (n / wanted) - 0.5).clamp(0, n - 1)
    low = place.long()
    return low, (low + 1).clamp(max=n - 1), (place - low).float()


# ---------------------------------------------------------------------------------------------- networks that are there


def load_run(folder: Path | str, device: str = "auto") -> Colorizer:
    """The trained network of a finished run, or of a file of an exported one."""
    return Colorizer.load(_weights_of(folder), device)


def read_passport(folder: Path | str) -> dict:
    """The provenance of what `load_run` loads, without its tensors. Raises as that does for what is no network."""
    path = _weights_of(folder)
    about, _ = _read(path, tensors=False)
    try:
        _check_passport(about)
    except ValueError as error:
        raise ValueError(f"{path} is no network that can be used here: {error}") from None
    return about


def _weights_of(folder: Path | str) -> Path:
    path = Path(folder) if Path(folder).is_file() else Path(folder) / WEIGHTS
    if not path.exists():
        raise FileNotFoundError(f"{folder} holds no finished run ({WEIGHTS} is missing)")
    return path


def load_colorizer(name: str = BEST, device: str = "auto") -> Colorizer:
    """A network that ships with the package: that of an arm, to be compared with those of the other arms, which were
    trained alike, or `best`, the `ce` that went on and is for photographs. ValueError naming what ships."""
    with resources.as_file(resources.files(__package__) / "weights") as folder:
        if (folder / f"{name}.safetensors").exists():
            return Colorizer.load(folder / f"{name}.safetensors", device)
        there = sorted(path.stem for path in folder.glob("*.safetensors"))
    raise ValueError(f"network {name!r} does not ship with this package; allowed: {', '.join(there) or 'none'}")


def export_weights(
    folder: Path | str, out: Path | str, terms: str = "", measured: dict | None = None, name: str = "",
    readout: Readout | None = None
) -> Path:  # fmt: skip
    """Write a finished run's network as fp16 to `out`/<name, or the arm>.safetensors.

    Its passport gains the terms of the training data, what was measured ({system: {metric: value}}) and, of a
    classifier, the read-out that it is used with from then on.
    """
    colorizer = load_run(folder, "cpu")
    colorizer.passport |= {"terms": terms, "measured": measured or {}}
    colorizer.passport |= {"readout": str(readout)} if readout else {}
    path = Path(out) / f"{name or colorizer.arm}.safetensors"
    colorizer.save(path, torch.float16)
    return path
