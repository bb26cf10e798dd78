"""The network that a run starts from (`init_from`): its hash, its provenance and its weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import Tensor, nn

from ..colorizer import load_run
from ..config import Config, from_identity
from ..data.files import atomic_file
from ..networks import ARCHITECTURES
from ..objectives import HEADS

REMEMBERED = "parent.json"
"""File in a run's folder that tells its parent, so that the run can be found and resumed when the parent is gone."""


@dataclass(frozen=True)
class Parent:
    """A network whose weights another run starts from.

    path: where it was found. part: "whole", or "trunk" without the head. sha256: see `weights_hash`. passport: its own,
    so that with the parent of the parent all ancestors are known.
    """

    path: str
    part: str
    sha256: str
    passport: dict

    @property
    def identity(self) -> dict:
        """What a child's name depends on; not on where the parent lies."""
        return {"parent": self.sha256, "part": self.part}

    @property
    def entry(self) -> dict:
        """What the child's passport says under `parent`."""
        known = {name: self.passport.get(name) for name in ("run", "arm", "seed")}
        return {"part": self.part, "sha256": self.sha256, **known, "passport": self.passport}

    def give_weights(self, network: nn.Module) -> None:
        """Overwrite the weights of `network`, or those of its trunk; a trunk includes batch norm's statistics.

        Raises FileNotFoundError where the parent is gone, ValueError where another network lies in its place.
        """
        state = load_run(self.path, "cpu").network.state_dict()
        if weights_hash(state) != self.sha256:
            raise ValueError(f"init_from={self.path!r}: it is another network than when this run was set up")
        if self.part == "trunk":
            state |= {name: value for name, value in network.state_dict().items() if name.startswith("head.")}
        network.load_state_dict(state)

    def remember(self, folder: Path) -> None:
        """Write `REMEMBERED` into a run's folder."""
        with atomic_file(folder / REMEMBERED) as unfinished:
            unfinished.write_text(json.dumps(asdict(self)))


def weights_hash(state: dict[str, Tensor]) -> str:
    """sha256 of a network's tensors as `Colorizer.load` reads them: names, shapes and values (not of the file)."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(f"{name} {list(value.shape)} ".encode())
        digest.update(value.contiguous().numpy().tobytes())
    return digest.hexdigest()


def read_parent(config: Config, arm: str) -> Parent:
    """The parent that `config` names for a run of `arm`.

    Raises FileNotFoundError where it is missing, and ValueError where it is no network or none that fits, naming
    what differs.
    """
    try:
        found = load_run(config.init_from, "cpu")
    except FileNotFoundError as error:
        raise FileNotFoundError(f"init_from={config.init_from!r}: {error}") from None
    except ValueError as error:
        raise ValueError(f"init_from={config.init_from!r}: {error}") from None
    theirs = from_identity(found.passport["config"])
    for name in ("architecture", "width", "activation", "affine"):
        if getattr(theirs, name) != getattr(config, name):
            said = f"its {name} is {getattr(theirs, name)!r}, that of this run {getattr(config, name)!r}"
            raise ValueError(f"init_from={config.init_from!r}: {said}; they must agree")
    channels = found.network.head.out_channels
    ends = [ARCHITECTURES[config.architecture].before_head(c)[-1].name for c in (channels, HEADS[arm])]
    if ends[0] != ends[1]:
        said = f"its trunk ({found.arm}) ends with {ends[0]}, that of {arm} with {ends[1]}"
        raise ValueError(f"init_from={config.init_from!r}: {said}; they must agree")
    if config.init_part == "whole" and channels != HEADS[arm]:
        said = f"its head ({found.arm}) has {channels} channels, that of {arm} {HEADS[arm]}"
        raise ValueError(f"init_from={config.init_from!r}: {said}; init_part='trunk' leaves the head out")
    path = str(Path(config.init_from).resolve())
    return Parent(path, config.init_part, weights_hash(found.network.state_dict()), found.passport)


def find_parent(config: Config, arm: str, name: Callable[[Parent], str], runs: Path) -> Parent:
    """The parent that `config` names or, where it is gone, the one that a run in `runs` remembers to have begun from.

    name: the name of the run of a parent. Raises as `read_parent` does.
    """
    try:
        return read_parent(config, arm)
    except FileNotFoundError:
        path = str(Path(config.init_from).resolve())
        told = {file.parent.name: Parent(**json.loads(file.read_text())) for file in runs.glob(f"*/{REMEMBERED}")}
        begun = [parent for run, parent in told.items() if parent.path == path and name(parent) == run]
        if len(begun) != 1:
            raise
        return begun[0]
