"""Training at the smallest size: repeatable, resumable, the same pictures for every arm; and the trained network."""

import contextlib
import csv
import dataclasses
import functools
import io
import json
import math
import os
import shutil
import signal
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from torch.utils._python_dispatch import TorchDispatchMode

from colorize_lib import config as settings
from colorize_lib.color import lab_to_rgb, rgb_to_lab, to_uint8, to_unit
from colorize_lib.colorizer import WEIGHTS, Colorizer, export_weights, load_colorizer, load_run
from colorize_lib.config import ARMS, Config
from colorize_lib.data import prepare as data
from colorize_lib.data import prior as prior_module
from colorize_lib.data.prior import data_prior
from colorize_lib.data.scenes import synthetic_scenes
from colorize_lib.data.store import Store
from colorize_lib.devices import cuda_modes, pick_device
from colorize_lib.objectives import upsample
from colorize_lib.quantize import densify, soft_encode
from colorize_lib.readout import annealed_mean
from colorize_lib.training import loop as train
from colorize_lib.training.batches import Batches, batch_order
from colorize_lib.training.checkpoint import CHECKPOINTS, read_checkpoint
from colorize_lib.training.distributed import ALONE
from colorize_lib.training.loop import Run, learning_rate, total_steps, train_run

CPU = torch.device("cpu")
TINY = Config(
    side=16, train_photos=24, width=1 / 16, batch=8, steps=6, eval_every=2, lr=1e-3, schedule="one_cycle", device="cpu"
)


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    """26 training and 6 validation scenes of 24 px: room for a crop of 16."""
    return tiny.store_with_room_to_crop(tmp_path_factory.mktemp("scenes"))


@pytest.fixture(scope="module")
def finished(store, tmp_path_factory):
    """The folder of one finished run of each arm."""
    runs = tmp_path_factory.mktemp("finished")
    return {arm: train_run(TINY, arm, 0, store, runs, say=None) for arm in ARMS}


def read_history(folder) -> list[dict]:
    with open(folder / "history.csv") as file:
        return [{k: float(v) for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def read_weights(folder) -> dict[str, torch.Tensor]:
    with safe_open(folder / WEIGHTS, "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


def same_weights(one, other) -> bool:
    one, other = read_weights(one), read_weights(other)
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


# ------------------------------------------------------------------------------------------------------ a whole run


@pytest.mark.parametrize("arm", ARMS)
def test_a_run_leaves_history_and_network(finished, arm):
    folder = finished[arm]
    assert sorted(path.name for path in folder.iterdir()) == ["history.csv", WEIGHTS]
    assert folder.name.startswith(f"{arm}-s0-")
    rows = read_history(folder)
    assert [row["step"] for row in rows] == [2, 4, 6]
    assert [row["epoch"] for row in rows] == pytest.approx([2 / 3, 4 / 3, 2])
    assert [row["lr"] for row in rows] == [learning_rate(TINY, step - 1, 6) for step in (2, 4, 6)]
    assert all(math.isfinite(value) for row in rows for value in row.values())
    for row in rows:
        assert (row["loss"] == row["plain"]) == (not arm.endswith("_rebal"))
        assert (row["plain"] == row["excess"]) == (not arm.startswith("ce"))
        assert row["val_ab_error"] > 0 and row["val_chroma_ratio"] >= 0


def test_the_passport_says_where_a_network_comes_from(finished, store):
    about = load_run(finished["ce"]).passport
    assert about["run"] == finished["ce"].name and (about["arm"], about["seed"]) == ("ce", 0)
    assert about["config"] == settings.identity(TINY) | {"side": 16, "temperature": 0.38}
    assert about["data"] == store.fingerprint(store.rows("train", 24)) and about["photos"] == 24
    assert about["steps"] == 6 and about["seconds"] > 0 and 50 < about["peak_memory_mb"] < 1e6
    assert about["versions"]["torch"] == torch.__version__ and about["commit"] and about["device"].startswith("CPU")
    assert json.loads(json.dumps(about)) == about


def test_the_same_seed_gives_the_same_run_another_does_not(finished, store, tmp_path):
    again = train_run(TINY, "ce_rebal", 0, store, tmp_path, say=None)
    assert read_history(again) == read_history(finished["ce_rebal"]) and same_weights(again, finished["ce_rebal"])
    torch.manual_seed(99)  # the caller's random numbers play no part
    np.random.seed(99)
    other = train_run(TINY, "ce_rebal", 1, store, tmp_path, say=None)
    assert read_history(other) != read_history(again) and not same_weights(other, again)


def test_a_finished_run_is_read_not_trained(finished, store, monkeypatch):
    monkeypatch.setattr(Run, "prepare", lambda run: pytest.fail("trained again"))
    folder = finished["l2"]
    assert train_run(TINY, "l2", 0, store, folder.parent, say=None) == folder
    shown_elsewhere = dataclasses.replace(TINY, temperature=1.0, profile="laptop")
    assert train_run(shown_elsewhere, "l2", 0, store, folder.parent, say=None) == folder


def test_progress_is_told_at_every_validation(store, tmp_path):
    lines = []
    folder = train_run(TINY, "ce", 0, store, tmp_path, say=lines.append)
    assert len(lines) == 3
    assert lines[1].startswith("ce seed 0: step 4/6, epoch 1.3, loss 5.") and lines[1].endswith("min left")
    row = pd.read_csv(folder / "history.csv").iloc[1]
    assert f"above the floor {row['excess']:.4f} (validation {row['val_excess']:.4f})" in lines[1]
    assert 0 < row["excess"] < row["loss"] - 0.1


@pytest.mark.parametrize("stops", [(2,), (3,), (1, 4, 5)], ids=str)
@pytest.mark.parametrize("arm", ["l2", "ce_rebal"])
def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(finished, store, tmp_path, arm, stops):
    for stop in stops:
        folder = train_run(TINY, arm, 0, store, tmp_path, say=None, stop_after=stop)
        assert (folder / "checkpoint.pt").exists() and not (folder / WEIGHTS).exists()
        assert len(read_history(folder)) == stop // 2
    folder = train_run(TINY, arm, 0, store, tmp_path, say=None)
    assert read_history(folder) == read_history(finished[arm])
    assert same_weights(folder, finished[arm])


@pytest.mark.parametrize("step", [0, 3])
def test_ctrl_c_leaves_a_run_that_goes_on(finished, store, tmp_path, monkeypatch, step):
    def interrupted(run, take_step=Run.take_step):
        if run.step == step:
            raise KeyboardInterrupt
        return take_step(run)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "take_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train_run(TINY, "ce", 0, store, tmp_path, say=None)
    folder = train_run(TINY, "ce", 0, store, tmp_path, say=None)
    assert read_history(folder) == read_history(finished["ce"]) and same_weights(folder, finished["ce"])


def test_checkpoints_are_not_written_more_often_than_asked(finished, store, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(train, "write_checkpoint", lambda state, folder: written.append(state["step"]))
    for seconds, steps in {0: [2, 4], 100: []}.items():
        config = dataclasses.replace(TINY, checkpoint_seconds=seconds)
        folder = train_run(config, "l2", 0, store, tmp_path / str(seconds), say=None)
        assert written == steps and read_history(folder) == read_history(finished["l2"])
        written.clear()


@pytest.mark.parametrize("signals", [(signal.SIGINT,), (signal.SIGTERM, signal.SIGTERM)], ids=str)
def test_ctrl_c_finishes_the_step_and_saves_it(finished, store, tmp_path, monkeypatch, capsys, signals):
    def asked_twice_in_different_runs(run, take_step=Run.take_step):
        if run.step in (1, 4):
            for kind in signals:
                os.kill(os.getpid(), kind)
        return take_step(run)

    handler = signal.getsignal(signal.SIGINT)
    with monkeypatch.context() as patch:
        patch.setattr(Run, "take_step", asked_twice_in_different_runs)
        for step in (2, 5):
            with pytest.raises(KeyboardInterrupt):
                train_run(TINY, "l2", 0, store, tmp_path, say=None)
            assert f"interrupted and saved at step {step} of 6" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) == handler
    folder = train_run(TINY, "l2", 0, store, tmp_path, say=None)
    assert read_history(folder) == read_history(finished["l2"]) and same_weights(folder, finished["l2"])


def in_a_child(work, seconds: float | None = None) -> int:
    """Do something in a forked process and return how it ended; killed with SIGKILL after some seconds."""
    child = os.fork()
    if not child:
        with contextlib.suppress(BaseException):
            work()
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_run_killed_again_and_again_ends_bit_for_bit_where_it_would_have(store, tmp_path):
    longer = dataclasses.replace(TINY, steps=120)
    begun = time.perf_counter()
    whole = train_run(longer, "ce_rebal", 0, store, tmp_path / "whole", say=None)
    longest = (time.perf_counter() - begun) / 12
    work = functools.partial(train_run, longer, "ce_rebal", 0, store, tmp_path / "killed", say=None)
    chance = np.random.default_rng(0)
    kills = sum(in_a_child(work, chance.uniform(0, longest)) == signal.SIGKILL for _ in range(25))
    assert kills >= 20
    folder = work()
    assert read_history(folder) == read_history(whole) and same_weights(folder, whole)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("moment", ["torch.save", "os.fsync", "first replace", "second replace"])
def test_a_run_killed_while_it_writes_a_checkpoint_loses_nothing(finished, store, tmp_path, monkeypatch, moment):
    replaced = []

    def half_a_file(state, file, save=torch.save):
        whole = io.BytesIO()
        save(state, whole)
        file.write(whole.getvalue()[: len(whole.getvalue()) // 2])
        file.flush()
        die()

    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    def counted(path, target, replace=Path.replace):
        replaced.append(path)
        if len(replaced) == (1 if moment == "first replace" else 2):
            die()
        return replace(path, target)

    def work():
        if moment == "torch.save":
            monkeypatch.setattr(torch, "save", half_a_file)
        elif moment == "os.fsync":
            monkeypatch.setattr(os, "fsync", die)
        else:
            monkeypatch.setattr(Path, "replace", counted)
        train_run(TINY, "l2", 0, store, tmp_path, say=None)

    begun = train_run(TINY, "l2", 0, store, tmp_path, say=None, stop_after=2)
    assert in_a_child(work) == signal.SIGKILL
    state = read_checkpoint(begun)
    assert state["step"] == 2, "the checkpoint before still serves"
    folder = train_run(TINY, "l2", 0, store, tmp_path, say=None)
    assert read_history(folder) == read_history(finished["l2"]) and same_weights(folder, finished["l2"])
    assert sorted(p.suffix for p in folder.iterdir() if "checkpoint" in p.name or p.suffix == ".pt") in ([], [".tmp"])


@pytest.mark.parametrize("damage", ["cut off", "empty", "text", "incomplete", "pickled code"])
def test_a_damaged_checkpoint_is_refused_and_the_one_before_serves(finished, store, tmp_path, damage, capsys):
    folder = train_run(TINY, "ce", 0, store, tmp_path, say=None, stop_after=4)
    newest, previous = (folder / name for name in CHECKPOINTS)
    assert previous.exists()
    if damage == "cut off":
        newest.write_bytes(newest.read_bytes()[:-1000])
    elif damage in ("empty", "text"):
        newest.write_text("" if damage == "empty" else "no checkpoint")
    else:
        torch.save({"step": 3} if damage == "incomplete" else Bomb(), newest)
    again = train_run(TINY, "ce", 0, store, tmp_path, say=None, stop_after=5)
    assert "checkpoint.pt lacks" in capsys.readouterr().err
    for path in (again / name for name in CHECKPOINTS):
        path.write_text("no checkpoint")
    with pytest.raises(ValueError, match=r"no checkpoint in .* can be read \(UnpicklingError\); delete that folder"):
        train_run(TINY, "ce", 0, store, tmp_path, say=None)


class Bomb:
    """Something that only pickle could bring back, by running code."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('a checkpoint was executed')",))


def test_a_loss_that_is_not_finite_stops_the_run(store, tmp_path, monkeypatch):
    wild = dataclasses.replace(TINY, lr=1e30, schedule="constant")
    with pytest.raises(
        FloatingPointError, match=r"the loss of l2 \(seed 0\) is (nan|inf) at step \d, learning rate 1e\+30"
    ):
        train_run(wild, "l2", 0, store, tmp_path, say=None)
    assert not list(tmp_path.glob(f"*/{WEIGHTS}"))


@pytest.mark.parametrize(
    ("fits", "message"), [(2, "a batch of 8 .* a batch of 2 does"), (0, "not even a single picture")]
)
def test_too_little_memory_says_what_would_fit(store, tmp_path, monkeypatch, fits, message):
    def hungry(run, take_step=Run.take_step):
        if run.config.batch > fits:
            raise torch.OutOfMemoryError
        return take_step(run)

    monkeypatch.setattr(Run, "take_step", hungry)
    with pytest.raises(MemoryError, match=message):
        train_run(TINY, "l2", 0, store, tmp_path, say=None)


def test_a_checkpoint_of_an_older_version_is_resumed(store, tmp_path):
    folder = train_run(TINY, "l2", 0, store, tmp_path, say=None, stop_after=2)
    state = torch.load(folder / "checkpoint.pt", weights_only=True)
    del state["sums"], state["since"]
    torch.save(state, folder / "checkpoint.pt")
    assert len(read_history(train_run(TINY, "l2", 0, store, tmp_path, say=None))) == 3


def test_a_data_dependent_start(store, tmp_path):
    started = dataclasses.replace(TINY, init="data")
    once = train_run(started, "ce", 0, store, tmp_path / "a", say=None)
    train_run(started, "ce", 0, store, tmp_path / "b", say=None, stop_after=2)
    again = train_run(started, "ce", 0, store, tmp_path / "b", say=None)
    assert read_history(once) == read_history(again) and same_weights(once, again)


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_can_learn_one_batch_by_heart(store, tmp_path, arm):
    easy = dataclasses.replace(
        TINY, side=24, train_photos=8, flip=False, width=1 / 8, steps=60, lr=5e-3, eval_every=30, lambda_=0.9
    )
    run = Run(easy, arm, 0, store, tmp_path)
    run.prepare()
    excess = [run.take_step()[2].item() for _ in range(60)]
    assert excess[-1] < {"student_mse": 0.5, "l2": 0.4, "l2_rebal": 0.5, "ce": 0.3, "ce_rebal": 0.4}[arm] * excess[0], (
        excess[::10]
    )


# ------------------------------------------------------------------------------------------------------------ batches


def test_every_arm_sees_the_same_pictures(store, tmp_path):
    seen = {}
    for arm in ARMS:
        run = Run(TINY, arm, 3, store, tmp_path)
        run.prepare()
        batches, given = [], run.batches
        run.batches = lambda step, seen=batches, given=given: seen.append(given(step).clone()) or given(step)
        for _ in range(4):
            run.take_step()
        seen[arm] = torch.stack(batches)
    assert all(torch.equal(seen[arm], seen["l2"]) for arm in ARMS)


def test_arms_start_from_the_same_trunk(store, tmp_path):
    runs = [Run(TINY, arm, 0, store, tmp_path) for arm in ARMS]
    for run in runs:
        run.prepare()
    first = dict(runs[0].network.trunk.named_parameters())
    for run in runs[1:]:
        assert all(torch.equal(p, first[name]) for name, p in run.network.trunk.named_parameters())


def contains(picture: np.ndarray, crop: np.ndarray) -> list[tuple[int, int, bool]]:
    """Where `crop` lies in `picture`, as it is or mirrored."""
    side = len(crop)
    offsets = range(len(picture) - side + 1)
    spots = [(y, x) for y in offsets for x in offsets]
    window = {spot: picture[spot[0] : spot[0] + side, spot[1] : spot[1] + side] for spot in spots}
    return [
        (y, x, flip)
        for (y, x), w in window.items()
        for flip in (False, True)
        if (w[:, ::-1] if flip else w).tobytes() == crop.tobytes()
    ]


def pictures(store, config, seed, step, world=ALONE):
    return Batches(store, store.rows("train", config.train_photos), config, seed, CPU, world)(step)


def test_an_epoch_shows_every_picture_once_in_the_order_of_its_seed(store):
    rows = store.rows("train", 24)
    order = np.concatenate([batch_order(24, 3, epoch) for epoch in (0, 1)])
    crops, flips = set(), []
    for step in range(6):
        batch = pictures(store, TINY, 3, step).numpy()
        assert batch.shape == (8, 16, 16, 3) and batch.dtype == np.uint8
        for number, crop in zip(order[8 * step : 8 * step + 8], batch, strict=True):
            (y, x, flipped), *_ = contains(store.pixels[rows[number]], crop)
            crops.add((step, y, x))
            flips.append(flipped)
    assert sorted(order[:24]) == sorted(order[24:]) == list(range(24)) and list(order[:24]) != list(order[24:])
    assert len({spot[1:] for spot in crops}) > 1  # crops move, one a batch
    assert 0 < np.mean(flips) < 1


def test_batches_without_mirror_and_crop(store):
    plain = dataclasses.replace(TINY, side=24, flip=False)
    rows = store.rows("train", 24)
    batch = pictures(store, plain, 0, 0)
    assert np.array_equal(batch, store.pixels[rows[batch_order(24, 0, 0)[:8]]])


def test_a_batch_depends_on_seed_and_step_alone(store):
    once = pictures(store, TINY, 0, 4)
    torch.rand(3), np.random.rand(3)
    assert torch.equal(once, pictures(store, TINY, 0, 4))
    assert not torch.equal(once, pictures(store, TINY, 1, 4))
    assert not torch.equal(once, pictures(store, TINY, 0, 5))


def test_the_prior_is_that_of_the_training_pictures(store):
    rows = store.rows("train", 24)
    prior = data_prior(store, rows, TINY, CPU)
    ab = rgb_to_lab(to_unit(torch.from_numpy(store.pixels[rows])))[:, 1:, ::4, ::4]
    assert prior.sum().item() == pytest.approx(1, abs=1e-5)
    expected = densify(*soft_encode(ab.movedim(1, -1).reshape(-1, 2))).mean(0)
    np.testing.assert_allclose(prior, expected, atol=1e-5)


def test_the_prior_of_many_pictures_is_that_of_some_at_equal_distances(store, monkeypatch):
    rows = store.rows("train", 24)
    expected = data_prior(store, rows[[0, 3, 6, 9, 12, 15, 18, 21]], TINY, CPU)
    monkeypatch.setattr(prior_module, "PRIOR_PHOTOS", 10)
    assert torch.equal(data_prior(store, rows, TINY, CPU), expected)


# ------------------------------------------------------------------------------------------------ steps and schedules


def test_total_steps():
    assert total_steps(dataclasses.replace(TINY, steps=7), 24) == 7
    epochs = dataclasses.replace(TINY, steps=0, epochs=2.5, batch=10)
    assert total_steps(epochs, 24) == 5  # two whole batches an epoch
    student = settings.load_config("student")
    assert total_steps(student, 90_000) == 30 * (90_000 // 256)


@pytest.mark.parametrize("photos", [0, 7])
def test_too_few_pictures_are_refused(photos):
    with pytest.raises(ValueError, match=f"{photos} training pictures do not fill one batch of 8"):
        total_steps(TINY, photos)


def test_a_store_without_validation_pictures_is_refused_before_training(tmp_path):
    for i, scene in enumerate(synthetic_scenes(8, 16, seed=5).pixels):
        Image.fromarray(scene).save(tmp_path / f"{i}.png")
    only = data.prepare(str(tmp_path), tmp_path / "store", 16, split="train", progress=False, workers=1, keep_grey=True)
    with pytest.raises(ValueError, match="no images in split 'val'"):
        train_run(TINY, "l2", 0, only, tmp_path / "runs", say=None)


def rates(steps: int, **changes) -> np.ndarray:
    made = dataclasses.replace(TINY, **changes)
    return np.array([learning_rate(made, step, steps) for step in range(steps)])


def test_constant_rate():
    assert (rates(50, schedule="constant") == 1e-3).all()


def test_one_cycle_rises_and_falls_to_zero():
    found = rates(200, schedule="one_cycle")
    assert found.argmax() in (29, 30) and found.max() == 1e-3
    np.testing.assert_allclose(found[:30], 1e-3 * np.arange(1, 31) / 30)  # 15 % up, in a line
    np.testing.assert_allclose(found[30:], 5e-4 * (1 + np.cos(np.pi * np.arange(170) / 170)))
    assert 0 < found[-1] < 1e-6 and (np.diff(found[30:]) < 0).all()


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_one_cycle_of_a_few_steps(steps):
    found = rates(steps, schedule="one_cycle")
    assert found[0] == 1e-3 and (found >= 0).all()


@pytest.mark.parametrize(
    ("profile", "rates"),
    [
        ("zhang", {0: 3.16e-5, 214_999: 3.16e-5, 215_000: 3.16e-5 * 0.316, 430_000: 3.16e-5 * 0.316**2}),
        ("zhang_older", {0: 3e-5, 224_999: 3e-5, 225_000: 3e-6, 449_999: 3e-6}),
        ("zhang_paper", {199_999: 3e-5, 200_000: 1e-5, 374_999: 1e-5, 375_000: 3e-6, 449_999: 3e-6}),
    ],
)
def test_the_three_schedules_of_the_original(profile, rates):
    zhang = settings.load_config(profile)
    assert zhang.steps == 450_000
    np.testing.assert_allclose([learning_rate(zhang, step, zhang.steps) for step in rates], list(rates.values()))


def test_the_optimiser_follows_the_schedule(store, tmp_path):
    run = Run(dataclasses.replace(TINY, betas=(0.8, 0.9), eps=1e-7, weight_decay=0.1), "l2", 0, store, tmp_path)
    run.prepare()
    for step in range(3):
        run.take_step()
        (group,) = run.optimiser.param_groups
        assert group["lr"] == learning_rate(TINY, step, 6)
        assert (group["betas"], group["eps"], group["weight_decay"]) == ((0.8, 0.9), 1e-7, 0.1)


def test_a_step_is_one_of_adam(store, tmp_path):
    """The first step of Adam moves each weight by the learning rate, against the sign of its gradient."""
    run = Run(dataclasses.replace(TINY, schedule="constant"), "ce_rebal", 0, store, tmp_path)
    run.prepare()
    before = {name: p.detach().clone() for name, p in run.network.named_parameters()}
    loss, plain, excess = run.take_step()
    rgb = to_unit(pictures(store, run.config, 0, 0))
    fresh = train.make_network(run.config, 313, 0)
    score = run.objective.score(fresh(rgb_to_lab(rgb)[:, :1]), rgb)
    score.loss.backward()
    np.testing.assert_allclose(
        [loss, plain, excess], [score.loss.item(), score.plain.item(), score.excess.item()], rtol=1e-4
    )
    for name, p in fresh.named_parameters():
        large = p.grad.abs() > 1e-5
        moved = (run.network.get_parameter(name).detach() - before[name])[large]
        np.testing.assert_allclose(moved, -1e-3 * p.grad.sign()[large], rtol=0.05, err_msg=name)


# ------------------------------------------------------------------------------------------------- a trained network


@pytest.mark.parametrize("arm", ARMS)
def test_predictions(finished, store, arm):
    colorizer, pixels = load_run(finished[arm]), np.array(store.pixels[:3])
    assert (colorizer.arm, colorizer.side, colorizer.device) == (arm, 16, CPU)
    lab, logits = colorizer.predict(pixels)
    assert lab.shape == (3, 3, 24, 24) and torch.isfinite(lab).all()
    if arm not in ("ce", "ce_rebal"):
        assert logits is None
        return
    assert logits.shape == (3, 313, 6, 6)
    torch.testing.assert_close(lab[:, 1:], upsample(annealed_mean(logits, 0.38)))
    warm, same_logits = colorizer.predict(pixels, temperature=1.0)
    torch.testing.assert_close(warm[:, 1:], upsample(annealed_mean(logits, 1.0)))
    assert torch.equal(logits, same_logits)


@pytest.mark.parametrize("arm", ["l2", "ce"])
def test_a_prediction_looks_at_lightness_only(finished, store, arm):
    pixels = np.array(store.pixels[:2])
    lab = rgb_to_lab(to_unit(torch.from_numpy(pixels)))
    grey = to_uint8(lab_to_rgb(torch.cat([lab[:, :1], torch.zeros(2, 2, 24, 24)], 1)))
    assert (grey.numpy() != pixels).mean() > 0.5
    one, other = (load_run(finished[arm]).predict(p)[0] for p in (pixels, grey))
    assert (one - other).abs().max() < 1  # 8 bits of grey


@pytest.mark.parametrize(
    ("shape", "dtype"), [((1, 20, 16, 3), np.uint8), ((1, 16, 16, 3), np.float32), ((1, 16, 16), np.uint8)]
)
def test_predict_refuses_other_pictures(finished, shape, dtype):
    with pytest.raises(ValueError, match=r"multiples of 8; got|must be uint8 .*; got"):
        load_run(finished["l2"]).predict(np.zeros(shape, dtype))


def muted_picture(height: int, width: int) -> np.ndarray:
    """Smooth, of middling lightness, so that the colours predicted for it can be displayed."""
    y, x = np.mgrid[:height, :width]
    grey = 120 + 30 * np.sin(y / 9) + 30 * np.cos(x / 7)
    return np.stack([grey + 10, grey, grey - 10], -1).astype(np.uint8)


@pytest.mark.parametrize(("height", "width"), [(37, 53), (16, 16), (5, 7), (200, 90), (64, 64), (1, 1), (8, 90)])
@pytest.mark.parametrize("arm", ["student_mse", "ce"])
def test_a_photo_of_any_size_keeps_its_lightness(finished, arm, height, width):
    picture = muted_picture(height, width)
    coloured = load_run(finished[arm]).photo(picture)
    assert coloured.shape == picture.shape and coloured.dtype == np.uint8
    before, after = (rgb_to_lab(to_unit(torch.from_numpy(p)[None])) for p in (picture, coloured))
    assert (after[:, 0] - before[:, 0]).abs().max() < 1
    assert not np.array_equal(coloured, picture)


def test_a_photo_at_another_side_and_temperature(finished):
    colorizer, picture = load_run(finished["ce"]), muted_picture(64, 48)
    usual = colorizer.photo(picture)
    assert not np.array_equal(usual, colorizer.photo(picture, side=32))
    assert not np.array_equal(usual, colorizer.photo(picture, temperature=0.05))


def test_photos_may_be_views_and_read_only(finished):
    colorizer, picture = load_run(finished["l2"]), muted_picture(40, 40)
    mirrored = colorizer.photo(picture[:, ::-1])
    assert np.array_equal(mirrored, colorizer.photo(picture[:, ::-1].copy()))
    picture.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        colorizer.photo(picture)
        colorizer.predict(picture[None])
        colorizer.predict(picture[None, :, ::-1])


@pytest.mark.parametrize("shape", [(16, 16), (16, 16, 4)])
def test_photo_refuses_pictures_without_three_channels(finished, shape):
    with pytest.raises(ValueError, match="must be uint8"):
        load_run(finished["l2"]).photo(np.zeros(shape, np.uint8))


# ------------------------------------------------------------------------------------------------------ save and load


@pytest.mark.parametrize("arm", ARMS)
def test_saved_and_loaded(finished, store, tmp_path, arm):
    one = load_run(finished[arm])
    one.save(tmp_path / "copy.safetensors")
    other = Colorizer.load(tmp_path / "copy.safetensors", "cpu")
    assert [path.name for path in tmp_path.iterdir()] == ["copy.safetensors"]
    assert other.passport == one.passport and other.arm == arm and not other.network.training
    assert torch.equal(one.predict(store.pixels[:2])[0], other.predict(store.pixels[:2])[0])
    if arm in ("ce", "ce_rebal"):
        assert torch.equal(one.objective.prior, other.objective.prior)
        assert torch.equal(one.objective.prior, data_prior(store, store.rows("train", 24), TINY, CPU))
        assert one.objective.lambda_ == (0.5 if arm == "ce_rebal" else 1)


@pytest.mark.parametrize("arm", ARMS)
def test_exported_weights_are_half_as_large_and_nearly_the_same(finished, store, tmp_path, arm):
    path = export_weights(finished[arm], tmp_path / "weights", terms="for tests")
    assert path == tmp_path / "weights" / f"{arm}.safetensors"
    exported, original = Colorizer.load(path), load_run(finished[arm])
    assert exported.passport == original.passport | {"terms": "for tests", "measured": {}}
    with safe_open(path, "pt") as file:
        kinds = {file.get_tensor(key).dtype for key in file.keys() if key.startswith("trunk") and "num" not in key}  # noqa: SIM118
        assert kinds == {torch.float16}
        if "prior" in file.keys():  # noqa: SIM118
            assert file.get_tensor("prior").dtype == torch.float32
    assert path.stat().st_size < 0.75 * (finished[arm] / WEIGHTS).stat().st_size
    one, other = (c.predict(store.pixels[:2], *([1.0] if "ce" in arm else []))[0] for c in (exported, original))
    assert (one - other).abs().max() < 0.5


def test_loading_what_is_not_there(tmp_path, store):
    with pytest.raises(FileNotFoundError, match="holds no finished run"):
        load_run(tmp_path)
    begun = train_run(TINY, "l2", 0, store, tmp_path, say=None, stop_after=1)
    with pytest.raises(FileNotFoundError, match=f"{begun.name} holds no finished run"):
        load_run(begun)
    with pytest.raises(FileNotFoundError):
        Colorizer.load(tmp_path / "missing.safetensors")


def test_loading_what_is_something_else(tmp_path):
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    (tmp_path / "text.safetensors").write_text("no network")
    for name in ("other", "text"):
        with pytest.raises(ValueError, match=f"{name}.safetensors holds no network with a passport"):
            Colorizer.load(tmp_path / f"{name}.safetensors")


def test_an_arm_that_does_not_ship():
    with pytest.raises(ValueError, match="arm='l3' does not ship with this package; allowed: "):
        load_colorizer("l3")


def test_old_networks_load_whatever_the_profiles_are_now(finished, monkeypatch):
    monkeypatch.setattr(settings, "PROFILES", {})
    assert load_run(finished["ce"]).objective.temperature == 0.38


# ------------------------------------------------------------------------------------------------ devices, benchmark


def test_devices():
    assert pick_device("cpu") == CPU
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="device='cuda' asked for, but PyTorch sees no CUDA device"):
            pick_device("cuda")


def test_a_card_computes_as_asked_whatever_was_computed_before():
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] in (":4096:8", ":16:8")  # what PyTorch's deterministic mode demands
    assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32


@pytest.mark.parametrize("units", [True, False])
def test_half_precision_is_for_hardware_with_units_for_it(store, tmp_path, monkeypatch, units):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: units, raising=False)
    asked = dataclasses.replace(TINY, precision="bf16", device="cpu")
    run = Run(asked, "l2", 0, store, tmp_path)
    assert run.passport["precision"] == ("bf16" if units else "fp32")
    run.prepare()
    assert torch.isfinite(run.take_step()).all()
    assert all(p.dtype == torch.float32 and p.grad.dtype == torch.float32 for p in run.network.parameters())


# ------------------------------------------------------------------------------------------------------ fast and exact


def weights_after(config, arm, store, folder, steps=4) -> dict[str, torch.Tensor]:
    run = Run(config, arm, 0, store, folder)
    run.prepare()
    with cuda_modes(config.deterministic):
        for _ in range(steps):
            run.take_step()
    return run.network.state_dict()


@pytest.mark.skipif(not shutil.which("g++"), reason="no compiler")
@pytest.mark.parametrize("arm", ["student_mse", "ce_rebal"])
def test_a_compiled_step_is_the_step(store, tmp_path, arm):
    config = dataclasses.replace(TINY, precision="fp64")
    plain, fast = (
        weights_after(dataclasses.replace(config, compile=mode), arm, store, tmp_path) for mode in ("off", "default")
    )
    for name, value in plain.items():
        torch.testing.assert_close(fast[name], value, rtol=1e-7, atol=1e-9, msg=name)


@pytest.mark.parametrize("switch", [{"fused": False}, {"channels_last": False}], ids=str)
def test_switches_change_rounding_alone(store, tmp_path, switch):
    config = dataclasses.replace(TINY, precision="fp64")
    one, other = (weights_after(c, "ce", store, tmp_path) for c in (config, dataclasses.replace(config, **switch)))
    for name, value in one.items():
        torch.testing.assert_close(other[name], value, rtol=1e-7, atol=1e-9, msg=name)


class Moves(TorchDispatchMode):
    """Notes what is brought to another device within it."""

    def __init__(self):
        super().__init__()
        self.shapes = []

    def __torch_dispatch__(self, function, types, given=(), named=None):
        result = function(*given, **(named or {}))
        if "copy" in str(function) and result.device != [x for x in given if isinstance(x, torch.Tensor)][-1].device:
            self.shapes.append(tuple(result.shape))
        return result


@pytest.mark.parametrize("arm", ARMS)
def test_a_step_brings_nothing_but_pictures_to_the_device(store, tmp_path, monkeypatch, arm):
    # on PyTorch's device without numbers: whatever needs one on the way raises, as a card would have to be waited for
    card = torch.device("meta")
    monkeypatch.setattr(train, "pick_device", lambda name: card)
    monkeypatch.setattr(prior_module, "prior_from_ab", lambda *_: torch.full((313,), 1 / 313))
    monkeypatch.setattr(Run, "forward", lambda run, seen: run.trained(seen))  # there is no autocast for it
    run = Run(dataclasses.replace(TINY, fused=False), arm, 0, store, tmp_path)
    run.prepare()
    run.take_step()  # tables are made
    with Moves() as moves:
        run.sums += run.take_step()
    assert run.sums.device == card and moves.shapes == [(8, 16, 16, 3)]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
@pytest.mark.parametrize("arm", ARMS)
def test_deterministic_runs_on_a_card_resume_bit_for_bit(store, tmp_path, arm):
    config = dataclasses.replace(TINY, device="cuda", deterministic=True, precision="bf16")
    whole = train_run(config, arm, 0, store, tmp_path / "whole", say=None)
    for stop in (1, 3, None):
        parts = train_run(config, arm, 0, store, tmp_path / "parts", say=None, stop_after=stop)
    assert same_weights(whole, parts) and read_history(whole) == read_history(parts)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
@pytest.mark.parametrize(
    "switch",
    [{"compile": "default"}, {"compile": "reduce-overhead"}, {"deterministic": True}, {"resident": False}],
    ids=str,
)
def test_the_fast_path_on_a_card_is_the_plain_path_on_a_processor(store, tmp_path, switch):
    config = dataclasses.replace(TINY, precision="fp64")
    plain = weights_after(config, "ce_rebal", store, tmp_path)
    fast = weights_after(dataclasses.replace(config, device="cuda", **switch), "ce_rebal", store, tmp_path)
    for name, value in plain.items():
        torch.testing.assert_close(fast[name].cpu(), value, rtol=1e-6, atol=1e-8, msg=name)
