"""What the pages show of the networks that ship, and what they say of it."""

from __future__ import annotations

import json

import pytest
import shipped_ext

from colorize_lib import trace
from colorize_lib.colorizer import load_colorizer
from colorize_lib.config import BEST


@pytest.mark.parametrize("draw", [shipped_ext.front_images, shipped_ext.strip_images, shipped_ext.still_images])
def test_the_line_below_images_names_what_they_are_drawn_from(draw, tmp_path, monkeypatch):
    monkeypatch.setenv(trace.VARIABLE, str(tmp_path / "trace"))
    monkeypatch.setattr(trace, "_noted", set())  # else the same line is written once a process
    exec("draw(chosen)", {"In": ["", "a"], "draw": draw, "chosen": load_colorizer(BEST, "cpu")})
    notes = [json.loads(line) for line in (tmp_path / "trace").read_text().splitlines()]
    asked, shown = ({note["what"] for note in notes if note["kind"] == kind} for kind in ("asked", "shown"))
    names, photo = shipped_ext.BEHIND[draw]
    assert asked == {load_colorizer(name, "cpu").passport["run"] for name in names}
    assert [f"{name} (Kodak)" for name in shown] == [photo]
    line = shipped_ext.line_below(draw.__name__)
    assert line.startswith(f'<div class="passport">Figure of {draw.__name__} in book/_ext/shipped_ext.py · ')
    assert f"shown: {photo}" in line
    for run in asked:
        assert f'"../book/reproduce.html#run-evening-{run}">book/results/evening/runs/{run}.parquet</a>' in line


def test_a_line_counts_runs_and_photographs():
    line = shipped_ext.line_below("live_scripts")
    assert f"evening: {len(shipped_ext.ARMS)} runs · seed 0 · training data " in line
    assert f"shown: {len(shipped_ext.book_photos())} photographs (Kodak)" in line
    assert "Figure of painted in book/_ext/eyes_ext.py · weights that ship: " in shipped_ext.line_below("painted")
    with pytest.raises(KeyError, match="no_such"):
        shipped_ext.line_below("no_such")
