"""What the statements of a notebook read: the runs, images and files behind its figures and tables.

Functions that read such a thing say so with `note`. That does nothing, unless the notebook is executed for the book:
then the environment names a file, into which goes a line with the place in the notebook and what was read there.
`book.passports` makes of it what a page says below a figure.
"""

from __future__ import annotations

import json
import os
import sys

VARIABLE = "COLORIZE_TRACE"
_noted: set[str] = set()


def tracing() -> bool:
    """Whether anything is written down."""
    return bool(os.environ.get(VARIABLE))


def note(kind: str, **about) -> None:
    """Write down that the statement of a notebook that is running has read something.

    kind: "runs" (profile, runs: {run: its data, photos and seed}, and of what was measured test_data and images, or
    validation: True), "profile" (the same, of all that was loaded, not all of which need be used), "network" (the same,
    of a network that was loaded), "asked" (what: a run whose network answered), "judged" (runs: those behind verdicts
    that are shown), "images" (what: images loaded), "shown" (what: those of them that were taken), "live" (runs trained
    meanwhile) or "file" (what: a path).
    """
    if not tracing():
        return
    frame = sys._getframe(1)
    while frame and not (frame.f_code.co_name == "<module>" and "In" in frame.f_globals):
        frame = frame.f_back
    if frame:
        place = {"cell": len(frame.f_globals["In"]) - 1, "line": frame.f_lineno}
        line = json.dumps(place | {"kind": kind} | about, sort_keys=True)
        if line not in _noted:
            _noted.add(line)
            with open(os.environ[VARIABLE], "a") as file:
                file.write(line + "\n")


def about_runs(passports: dict[str, dict]) -> dict[str, dict]:
    """What `note` tells of runs, from their passports."""
    return {run: {key: p.get(key) for key in ("data", "photos", "seed")} for run, p in passports.items()}
