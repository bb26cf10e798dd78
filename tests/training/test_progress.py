"""What a training tells, and when."""

import sys

import pandas as pd
import pytest
from trainings import TINY

from colorize_lib.training.loop import Run, train_run
from colorize_lib.training.progress import Progress


def test_the_first_line_comes_before_anything_is_prepared(store, tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr(Run, "prepare", lambda run: (_ for _ in ()).throw(RuntimeError("later")))
    with pytest.raises(RuntimeError, match="later"):
        train_run(TINY, "ce", 3, store, tmp_path, log=lines.append)
    (line,) = lines
    assert line.startswith("ce seed 3: 6 steps of 8 images of 16 px, width 0.0625, fp32, on CPU, ")
    assert line.endswith(str(Run(TINY, "ce", 3, store, tmp_path).folder))


def test_a_line_follows_every_validation(store, tmp_path):
    lines = []
    train_run(TINY, "ce", 0, store, tmp_path, log=lines.append, stop_after=2)
    folder = train_run(TINY, "ce", 0, store, tmp_path, log=lines.append)
    assert lines[3] == "ce seed 0: goes on from step 2"
    row = pd.read_csv(folder / "history.csv").iloc[1]
    assert lines[4].startswith("ce seed 0: step 4/6, epoch 1.3, loss 5.") and lines[4].endswith("min left")
    assert f"above the floor {row['excess']:.4f} (validation {row['val_excess']:.4f})" in lines[4]
    assert len(lines) == 6 and 0 < row["excess"] < row["loss"] - 0.1


@pytest.mark.parametrize("pace", [0.1, 1.9, 30])
def test_a_line_comes_at_least_every_ten_seconds(pace):
    now, told = [0.0], [0.0]
    progress = Progress("l2 seed 0", 40, 140, 8, lambda line: told.append((now[0], line)), lambda: now[0])
    for step in range(41, 141):
        now[0] += pace
        progress.advance(step, lambda step=step: 1 / step)
    times = [0.0, *(time for time, _ in told[1:])]
    assert max(b - a for a, b in zip(times, times[1:], strict=False)) <= max(10, pace)
    assert len(times) < 2 + 100 * pace / 8, "and not many more"
    rest = 140 - 40 - round(times[1] / pace)
    assert told[1][1] == (
        f"l2 seed 0: step {140 - rest}/140, loss {1 / (140 - rest):.4f}, {8 / pace:.0f} images/s, "
        f"{rest * pace / 60:.1f} min left"
    )


def test_lines_are_flushed(monkeypatch):
    happened = []

    class File:
        def write(self, text):
            happened.append(text)

        def flush(self):
            happened.append("flushed")

    monkeypatch.setattr(sys, "stdout", File())
    Progress("l2 seed 0", 0, 2, 8, print).write("begins")
    assert "".join(happened[:-1]).startswith("l2 seed 0: begins\n") and happened[-1] == "flushed"


def test_a_terminal_shows_a_bar_between_the_lines_of_validations(capsys):
    now, lines = [0.0], []
    with Progress("l2 seed 0", 0, 20, 8, lines.append, lambda: now[0], terminal=True) as progress:
        for step in range(1, 21):
            now[0] += 5
            progress.advance(step, lambda: 0.25)
        assert not lines
        progress.line("validated")
    assert len(lines) == 1 and "step 20/20, validated" in lines[0]
    assert "l2 seed 0" in (shown := capsys.readouterr().err) and "loss 0.2500" in shown


def test_silence(store, tmp_path, capsys):
    train_run(TINY, "l2", 0, store, tmp_path, log=None)
    assert capsys.readouterr() == ("", "")
