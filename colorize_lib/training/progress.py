"""What a training tells while it runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from tqdm import tqdm

EVERY = 8.0
"""Seconds after which a line is due; with the step that is under way it comes within ten."""


def on_terminal() -> bool:
    """Whether somebody watches a terminal, and not a file or a notebook that keeps every line."""
    return sys.stdout.isatty() and sys.stderr.isatty()


class Progress:
    """A bar on a terminal, elsewhere a line every few seconds; on both the lines of the validations.

    name: of the run. log: called with each line, None for silence. clock: gives seconds.
    """

    def __init__(
        self, name: str, step: int, steps: int, batch: int, log: Callable[[str], None] | None,
        clock: Callable[[], float] = time.perf_counter, terminal: bool = False,
    ):  # fmt: skip
        self.name, self.step, self.steps, self.batch, self.log, self.clock = name, step, steps, batch, log, clock
        self.first, self.begun = step, clock()
        self.told = self.begun
        done, total = step * batch, steps * batch
        self.bar = tqdm(desc=name, initial=done, total=total, unit=" images", unit_scale=True, leave=False,
                        dynamic_ncols=True) if log and terminal else None  # fmt: skip

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_) -> None:
        if self.bar is not None:
            self.bar.close()

    def advance(self, step: int, loss: Callable[[], float]) -> None:
        """Step `step` is taken. loss: reads it; a GPU has to be waited for, so only where it is told."""
        self.step = step
        if self.bar is not None:
            self.bar.update(self.batch)
        if self.log is None or self.clock() - self.told < EVERY:
            return
        if self.bar is not None:
            self.bar.set_postfix_str(f"loss {loss():.4f}")
            self.told = self.clock()
        else:
            self.line(f"loss {loss():.4f}")

    def line(self, text: str) -> None:
        """Log `text` with the step before it and the speed after it."""
        pace = (self.clock() - self.begun) / max(1, self.step - self.first)
        rate = f"{self.batch / pace:.0f} images/s" if pace else "? images/s"
        left = pace * (self.steps - self.step) / 60
        self.write(f"step {self.step}/{self.steps}, {text}, {rate}, {left:.1f} min left")

    def write(self, text: str) -> None:
        """Log a line about the run, at once, also where the output goes into a file."""
        if self.log is None:
            return
        with tqdm.external_write_mode():
            self.log(f"{self.name}: {text}")
            sys.stdout.flush()
        self.told = self.clock()
