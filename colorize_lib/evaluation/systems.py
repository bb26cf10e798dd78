"""What is compared, by name: an arm with its read-out, or a baseline.

A **system** is written `arm[@read-out][+treatment][ variant]`: `l2`, `ce@0.38`, `ce@1~0.5:median` (temperature, tilt
and kind, see `readout`), `l2+gain`, `student_mse+L`, and for a run with other settings than its profile's `l2 init=he`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..config import ARMS
from ..readout import PATTERN, Readout

BASELINES = ("grey", "mean", "weighted", "random", "ceiling")
"""No colour, the training images' mean colour, their weighted mean colour (what rebalancing makes of a constant), the
ab map of a random training image, and perfect soft labels."""
CLASSIFIERS = ("ce", "ce_rebal")
"""Arms whose answer depends on what is asked."""
TREATMENTS = {"gain": "with a gain", "L": "with the true L"}
"""What is done to a predicted image: its ab times the one factor that gives it the truth's mean chroma on validation
images, or its lightness replaced by the true one."""
SYSTEM = re.compile(rf"(?P<arm>\w+?)(?P<readout>{PATTERN.pattern})?(?:\+(?P<treatment>\w+))?(?: (?P<variant>\S+))?")
"""What the name of a system looks like."""
TITLES = {
    "student_mse": "MSE on RGB (student)", "l2": "L2 on ab", "l2_rebal": "L2 on ab, rebalanced",
    "ce": "cross entropy", "ce_rebal": "cross entropy, rebalanced",
    "grey": "grey baseline", "mean": "mean colour", "weighted": "weighted mean colour",
    "random": "another photo's colours", "ceiling": "encoding ceiling", "truth": "truth", "input": "input",
}  # fmt: skip
SETTINGS = {
    "leaky_relu": "leaky ReLU", "siggraph17": "siggraph17", "imagenet": "a prior like ImageNet's", "eccv16_stride":
    "a stride moved", "eccv16_kernel_minus": "kernels one smaller", "eccv16_kernel_plus": "kernels one larger",
    "side=128": "trained at 128 pixels",
}  # fmt: skip
"""Settings, or values of some, that have a name for readers."""


@dataclass(frozen=True)
class System:
    """An arm with its read-out (of a classifier), treatment and variant, or a baseline; `str` gives its name."""

    arm: str
    readout: Readout | None = None
    treatment: str = ""
    variant: str = ""

    def __str__(self) -> str:
        treatment = f"+{self.treatment}" if self.treatment else ""
        return f"{self.arm}{self.readout or ''}{treatment}" + (f" {self.variant}" if self.variant else "")

    @classmethod
    def parse(cls, name: str) -> System:
        """The system of a name. Raises ValueError naming what is wrong with it."""
        found = SYSTEM.fullmatch(name)
        if not found or found["arm"] not in TITLES:
            raise ValueError(f"system {name!r} is unknown; allowed: {', '.join(ARMS)}, {', '.join(BASELINES)}")
        arm, readout = found["arm"], found["readout"]
        if bool(readout) != (arm in CLASSIFIERS):
            raise ValueError(f"system {name!r} is unknown; {' and '.join(CLASSIFIERS)} have a read-out such as @0.38")
        if found["treatment"] and found["treatment"] not in TREATMENTS:
            raise ValueError(f"system {name!r} is unknown; allowed after +: {', '.join(TREATMENTS)}")
        return cls(arm, Readout.parse(readout) if readout else None, found["treatment"] or "", found["variant"] or "")

    @property
    def title(self) -> str:
        """The name for a reader."""
        parts = [TITLES[self.arm]]
        if self.readout:
            parts += [f"T = {self.readout.temperature:g}"]
            parts[-1] += f" tilted by {self.readout.lambda_:g}" if self.readout.lambda_ < 1 else ""
            parts += [self.readout.kind] if self.readout.kind != "mean" else []
        parts += [TREATMENTS[self.treatment]] if self.treatment else []
        return ", ".join(parts + ([variant_title(self.variant)] if self.variant else []))

    def of_variant(self, variant: str) -> System:
        """The same of a run with other settings."""
        return replace(self, variant=variant)


def arms_of(names: Iterable[str]) -> tuple[str, ...]:
    """The arms of systems, each once, in their order."""
    return tuple(dict.fromkeys(System.parse(name).arm for name in names))


def variant_title(variant: str) -> str:
    """Settings of a variant for a reader."""
    settings = variant.split(",")
    return ", ".join(SETTINGS.get(text) or SETTINGS.get(text.rpartition("=")[2], text) for text in settings)


def system_title(name: str) -> str:
    """Name of a system, or of an arm without its read-out, for a reader."""
    return TITLES.get(name) or System.parse(name).title
