"""Checkpoints, the lock and the history: a run ends where it would have, whatever happens on the way."""

import contextlib
import dataclasses
import io
import math
import os
import resource
import signal
from pathlib import Path
from unittest import mock

import pytest
import torch
from filelock import FileLock
from trainings import TINY, in_process, read_history, same_run

from colorize_lib.colorizer import WEIGHTS
from colorize_lib.data.store import Store
from colorize_lib.training import loop
from colorize_lib.training.checkpoint import CHECKPOINTS, LOCK, read_checkpoint
from colorize_lib.training.loop import Run, train_run


@pytest.mark.parametrize("stops", [(2,), (3,), (1, 4, 5)], ids=str)
@pytest.mark.parametrize("arm", ["l2", "ce_rebal"])
def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(finished, store, tmp_path, arm, stops):
    for stop in stops:
        folder = train_run(TINY, arm, 0, store, tmp_path, log=None, stop_after=stop)
        assert (folder / "checkpoint.pt").exists() and not (folder / WEIGHTS).exists()
        assert len(read_history(folder)) == stop // 2
    assert same_run(train_run(TINY, arm, 0, store, tmp_path, log=None), finished[arm])


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def killed_at(last: int, store, runs) -> None:
    """Train until a step, and no further."""

    def take_step(run, take_step=Run.take_step):
        if run.step == last:
            die()
        return take_step(run)

    with mock.patch.object(Run, "take_step", take_step):
        train_run(TINY, "ce_rebal", 0, Store(store), runs, log=None)


def test_a_run_killed_again_and_again_ends_bit_for_bit_where_it_would_have(finished, store, tmp_path):
    for last in (0, 1, 2, 3, 5, 5):
        assert in_process(killed_at, last, store.path, tmp_path) == -signal.SIGKILL
    assert same_run(train_run(TINY, "ce_rebal", 0, store, tmp_path, log=None), finished["ce_rebal"])


def killed_while_writing(moment: str, store, runs) -> None:
    """Train, and be killed at a moment of the first checkpoint."""
    replaced = []

    def half_a_file(state, file, save=torch.save):
        whole = io.BytesIO()
        save(state, whole)
        file.write(whole.getvalue()[: len(whole.getvalue()) // 2])
        file.flush()
        die()

    def counted(path, target, replace=Path.replace):
        replaced.append(path)
        if len(replaced) == (1 if moment == "first replace" else 2):
            die()
        return replace(path, target)

    patches = {"torch.save": (torch, "save", half_a_file), "os.fsync": (os, "fsync", die)}
    with mock.patch.object(*patches.get(moment, (Path, "replace", counted))):
        train_run(TINY, "l2", 0, Store(store), runs, log=None)


@pytest.mark.parametrize("moment", ["torch.save", "os.fsync", "first replace", "second replace"])
def test_a_run_killed_while_it_writes_a_checkpoint_loses_nothing(finished, store, tmp_path, moment):
    begun = train_run(TINY, "l2", 0, store, tmp_path, log=None, stop_after=2)
    assert in_process(killed_while_writing, moment, store.path, tmp_path) == -signal.SIGKILL
    assert read_checkpoint(begun)["step"] == 2, "the checkpoint before still serves"
    assert same_run(train_run(TINY, "l2", 0, store, tmp_path, log=None), finished["l2"])


@contextlib.contextmanager
def small_disk(size: int):
    """Within it no file can become longer."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("name", ["checkpoint.tmp", WEIGHTS])
def test_a_full_disk_is_told_with_the_file_and_loses_nothing(finished, store, tmp_path, name):
    folder = train_run(TINY, "l2", 0, store, tmp_path, log=None, stop_after=5)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    run = Run(TINY, "l2", 0, store, tmp_path)
    run.prepare()
    write = run.save if name == "checkpoint.tmp" else run.finish
    with small_disk(20_000), pytest.raises(OSError, match=name):
        write()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert same_run(train_run(TINY, "l2", 0, store, tmp_path, log=None), finished["l2"])


class Bomb:
    """Something that only pickle could bring back, by running code."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('a checkpoint was executed')",))


DAMAGE = {
    "cut off": lambda path, state, other: path.write_bytes(path.read_bytes()[:-1000]),
    "empty": lambda path, state, other: path.write_text(""),
    "text": lambda path, state, other: path.write_text("no checkpoint"),
    "a folder": lambda path, state, other: (path.unlink(), path.mkdir()),
    "a list": lambda path, state, other: torch.save([1, 2], path),
    "incomplete": lambda path, state, other: torch.save({"step": 3}, path),
    "pickled code": lambda path, state, other: torch.save(Bomb(), path),
    "a step of text": lambda path, state, other: torch.save(state | {"step": "4"}, path),
    "a step too far": lambda path, state, other: torch.save(state | {"step": 7}, path),
    "seconds that are no number": lambda path, state, other: torch.save(state | {"seconds": math.nan}, path),
    "a history of text": lambda path, state, other: torch.save(state | {"history": ["row"]}, path),
    "another network": lambda path, state, other: torch.save(state | {"network": other["network"]}, path),
    "another optimiser": lambda path, state, other: torch.save(state | {"optimiser": other["optimiser"]}, path),
    "weights that are not finite": lambda path, state, other: torch.save(
        state | {"network": state["network"] | {"head.bias": torch.full((313,), math.nan)}}, path
    ),
}


def test_to_stop_after_no_step_is_to_take_none(store, tmp_path):
    folder = train_run(TINY, "l2", 0, store, tmp_path, log=None, stop_after=0)
    assert read_checkpoint(folder)["step"] == 0 and not (folder / "network.safetensors").exists()


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_left_out_and_the_one_before_serves(finished, store, tmp_path, damage, capsys):
    folder = train_run(TINY, "ce", 0, store, tmp_path, log=None, stop_after=4)
    other = read_checkpoint(train_run(TINY, "l2", 0, store, tmp_path, log=None, stop_after=4))
    newest, previous = (folder / name for name in CHECKPOINTS)
    assert previous.exists()
    DAMAGE[damage](newest, read_checkpoint(folder), other)
    train_run(TINY, "ce", 0, store, tmp_path, log=None, stop_after=5)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{newest} is not used: ") and len(line) < 400
    assert read_checkpoint(folder)["step"] == 5, "it is written over"
    assert same_run(train_run(TINY, "ce", 0, store, tmp_path, log=None), finished["ce"])


def test_without_a_good_checkpoint_nothing_is_trained_anew(store, tmp_path):
    folder = train_run(TINY, "ce", 0, store, tmp_path, log=None, stop_after=4)
    for path in (folder / name for name in CHECKPOINTS):
        path.write_text("no checkpoint")
    for _ in range(2):
        with pytest.raises(ValueError, match=f"no checkpoint in .*{folder.name} is good; delete that folder"):
            train_run(TINY, "ce", 0, store, tmp_path, log=None)


def test_a_checkpoint_of_an_older_version_is_resumed(store, tmp_path):
    folder = train_run(TINY, "l2", 0, store, tmp_path, log=None, stop_after=2)
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    del state["sums"], state["since"]
    torch.save(state, folder / "checkpoint.pt")
    assert len(read_history(train_run(TINY, "l2", 0, store, tmp_path, log=None))) == 3


def test_a_resumed_run_computes_as_configured_now(store, tmp_path):
    train_run(TINY, "l2", 0, store, tmp_path, log=None, stop_after=2)
    run = Run(dataclasses.replace(TINY, fused=False), "l2", 0, store, tmp_path)
    run.prepare()
    assert run.step == 2 and run.optimiser.param_groups[0]["fused"] is False


def test_checkpoints_are_not_written_more_often_than_asked(finished, store, tmp_path, monkeypatch):
    written, now = [], [0.0]
    monkeypatch.setattr(loop, "write_checkpoint", lambda state, folder: written.append(state["step"]))
    monkeypatch.setattr(loop, "clock", lambda: now[0])
    monkeypatch.setattr(Run, "take_step", lambda run, usual=Run.take_step: now.__setitem__(0, now[0] + 3) or usual(run))
    for seconds, steps in {0: [2, 4], 7: [4], 100: []}.items():
        config = dataclasses.replace(TINY, checkpoint_seconds=seconds)
        folder = train_run(config, "l2", 0, store, tmp_path / str(seconds), log=None)
        assert written == steps and read_history(folder) == read_history(finished["l2"])
        written.clear()


@pytest.mark.parametrize("where", ["weights", "moments"])
def test_a_state_that_is_not_finite_is_never_saved(finished, store, tmp_path, monkeypatch, where):
    def spoilt(run, take_step=Run.take_step):
        scores = take_step(run)
        if run.step == 3:
            head = run.network.head.bias
            spoil = head.data if where == "weights" else run.optimiser.state[head]["exp_avg_sq"]
            spoil[0] = math.inf
        return scores

    folder = train_run(TINY, "l2", 0, store, tmp_path, log=None, stop_after=2)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "take_step", spoilt)
        said = rf"weights or loss of {folder.name} are not finite at step 3, learning rate 0.000\d+; .* still good"
        with pytest.raises(FloatingPointError, match=said):
            train_run(TINY, "l2", 0, store, tmp_path, log=None, stop_after=3)
    assert read_checkpoint(folder)["step"] == 2
    assert same_run(train_run(TINY, "l2", 0, store, tmp_path, log=None), finished["l2"])


def test_one_process_at_a_time_works_in_a_folder(finished, store, tmp_path):
    folder = train_run(TINY, "l2", 0, store, tmp_path, log=None, stop_after=2)
    with FileLock(folder / LOCK):
        before = (folder / "checkpoint.pt").read_bytes()
        with pytest.raises(ValueError, match=f"another process is training in .*{folder.name}"):
            train_run(TINY, "l2", 0, store, tmp_path, log=None)
        assert (folder / "checkpoint.pt").read_bytes() == before
    assert same_run(train_run(TINY, "l2", 0, store, tmp_path, log=None), finished["l2"])
    assert sorted(path.name for path in folder.iterdir()) == ["history.csv", WEIGHTS]
