"""A trained network as a tool: predict, colorize a photograph, save and load."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from .color import lab_to_rgb, rgb_to_lab, to_uint8, to_unit
from .config import from_identity
from .devices import pick_device
from .networks import ColorNet, flush_running_means, make_network
from .objectives import NEEDS_PRIOR, CrossEntropy, Objective, make_objective

WEIGHTS = "network.safetensors"
TERMS = (
    "Trained on MiniPlaces (a subset of Places2), whose photographs may be used for non-commercial research and "
    "education only and are not distributed here. The weights are offered for the same use; the code is MIT."
)


class Colorizer:
    """A trained network with its objective and passport; `save` and `load` keep all three in one file."""

    def __init__(self, network: ColorNet, objective: Objective, passport: dict):
        flush_running_means(network.eval())
        self.network, self.objective, self.passport = network, objective, passport
        self.arm = objective.name
        self.side = passport["config"]["side"]

    @property
    def device(self) -> torch.device:
        return self.network.head.weight.device

    @torch.no_grad()
    def predict(self, pixels: np.ndarray | Tensor, temperature: float | None = None) -> tuple[Tensor, Tensor | None]:
        """Colorize pictures uint8 [b, h, w, 3] (h, w multiples of 8).

        Returns Lab [b, 3, h, w], unclipped, and the logits [b, 313, h/4, w/4] (None for a regression arm).
        """
        rgb = to_unit(torch.tensor(np.ascontiguousarray(pixels)).to(self.device))
        raw = self.network(self.objective.network_input(rgb)).float()
        if not isinstance(self.objective, CrossEntropy):
            return self.objective.decode(raw, rgb), None
        return self.objective.decode(raw, rgb, temperature), raw

    @torch.no_grad()
    def photo(self, picture: np.ndarray, temperature: float | None = None, side: int | None = None) -> np.ndarray:
        """Colorize one picture uint8 [h, w, 3] of any size; only its lightness is looked at.

        The network sees the picture with its shorter side reduced to about `side` (default: the side it was trained
        at); the predicted ab is enlarged and joined with the full-resolution L. For `student_mse`, too, the
        predicted lightness is replaced by the true one here.
        """
        rgb = to_unit(torch.tensor(np.ascontiguousarray(picture))[None].to(self.device))
        height, width = rgb.shape[-2:]
        factor = (side or self.side) / min(height, width)
        size = [max(16, 8 * round(n * factor / 8)) for n in (height, width)]
        small = torch.nn.functional.interpolate(rgb, size=size, mode="bilinear", antialias=True, align_corners=False)
        lab, _ = self.predict(to_uint8(small).cpu(), temperature)
        ab = torch.nn.functional.interpolate(lab[:, 1:], size=(height, width), mode="bilinear", align_corners=False)
        return to_uint8(lab_to_rgb(torch.cat([rgb_to_lab(rgb)[:, :1], ab], 1)))[0].cpu().numpy()

    def save(self, path: Path, dtype: torch.dtype = torch.float32) -> None:
        """Write weights, prior and passport as one safetensors file, through a temporary file."""
        state = {k: v.to(dtype) if v.is_floating_point() else v for k, v in self.network.state_dict().items()}
        if self.objective.name in NEEDS_PRIOR:
            state["prior"] = self.objective.prior.float()
        state = {k: v.cpu().contiguous().clone() for k, v in state.items()}
        save_file(state, path.with_suffix(".tmp"), {"passport": json.dumps(self.passport)})
        path.with_suffix(".tmp").rename(path)

    @classmethod
    def load(cls, path: Path, device: str = "auto") -> Colorizer:
        """Read a file written by `save`; ValueError if it is not one."""
        try:
            with safe_open(path, "pt") as file:
                about = json.loads((file.metadata() or {})["passport"])
                state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
        except (SafetensorError, KeyError):
            raise ValueError(f"{path} holds no network with a passport; it was not written by this library") from None
        config = from_identity(about["config"])
        objective = make_objective(about["arm"], config, state.pop("prior", None))
        network = make_network(config, objective.channels, 0)
        network.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
        network.to(pick_device(device), memory_format=torch.channels_last)
        return cls(network, objective, about)


def load_run(folder: Path | str, device: str = "auto") -> Colorizer:
    """The trained network of a finished run."""
    path = Path(folder) / WEIGHTS
    if not path.exists():
        raise FileNotFoundError(f"{folder} holds no finished run ({WEIGHTS} is missing)")
    return Colorizer.load(path, device)


def load_colorizer(arm: str = "ce_rebal", device: str = "auto") -> Colorizer:
    """The network of `arm` that ships with the package (profile laptop, see its passport)."""
    with resources.as_file(resources.files(__package__) / "weights" / f"{arm}.safetensors") as path:
        if not path.exists():
            shipped = sorted(p.stem for p in path.parent.glob("*.safetensors"))
            raise ValueError(f"arm={arm!r} does not ship with this package; allowed: {', '.join(shipped) or 'none'}")
        return Colorizer.load(path, device)


def export_weights(
    folder: Path | str, out: Path | str, terms: str = TERMS, measured: dict | None = None, name: str = ""
) -> Path:
    """Write a finished run's network as fp16 to `out`/<name, or the arm>.safetensors.

    Its passport gains the terms of the training data and what was measured ({system: {metric: value}}).
    """
    colorizer = load_run(folder, "cpu")
    colorizer.passport |= {"terms": terms, "measured": measured or {}}
    Path(out).mkdir(parents=True, exist_ok=True)
    path = Path(out) / f"{name or colorizer.arm}.safetensors"
    colorizer.save(path, torch.float16)
    return path
