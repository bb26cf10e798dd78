"""Training at the smallest size: repeatable, the same images for every arm, and what a step computes."""

import contextlib
import dataclasses
import gc
import math
import os
import shutil
import signal
import weakref

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode
from trainings import CPU, TINY, read_history, same_run, same_weights

from colorize_lib import config as settings
from colorize_lib.color import rgb_to_lab, to_unit
from colorize_lib.colorizer import WEIGHTS, load_run
from colorize_lib.config import ARMS
from colorize_lib.data import prepare as data
from colorize_lib.data import prior as prior_module
from colorize_lib.data.prior import data_prior
from colorize_lib.data.scenes import synthetic_scenes
from colorize_lib.devices import cuda_modes
from colorize_lib.quantize import ab_gamut_centers, densify, soft_encode
from colorize_lib.training import loop as train
from colorize_lib.training.batches import Batches, batch_order
from colorize_lib.training.distributed import ALONE
from colorize_lib.training.loop import Run, complete, learning_rate, total_steps, train_all, train_run

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


def test_the_same_seed_gives_the_same_run_another_does_not(finished, store, tmp_path):
    again = train_run(TINY, "ce_rebal", 0, store, tmp_path, log=None)
    assert same_run(again, finished["ce_rebal"])
    torch.manual_seed(99)  # the caller's random numbers play no part
    np.random.seed(99)
    other = train_run(TINY, "ce_rebal", 1, store, tmp_path, log=None)
    assert read_history(other) != read_history(again) and not same_weights(other, again)


def test_a_finished_run_is_read_not_trained(finished, store, monkeypatch):
    monkeypatch.setattr(Run, "prepare", lambda run: pytest.fail("trained again"))
    folder = finished["l2"]
    assert train_run(TINY, "l2", 0, store, folder.parent, log=None) == folder
    shown_elsewhere = dataclasses.replace(TINY, temperature=1.0, profile="laptop")
    assert train_run(shown_elsewhere, "l2", 0, store, folder.parent, log=None) == folder


@pytest.mark.parametrize("step", [0, 3])
def test_ctrl_c_leaves_a_run_that_goes_on(finished, store, tmp_path, monkeypatch, step):
    def interrupted(run, take_step=Run.take_step):
        if run.step == step:
            raise KeyboardInterrupt
        return take_step(run)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "take_step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train_run(TINY, "ce", 0, store, tmp_path, log=None)
    folder = train_run(TINY, "ce", 0, store, tmp_path, log=None)
    assert same_run(folder, finished["ce"])


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
                train_run(TINY, "l2", 0, store, tmp_path, log=None)
            assert f"interrupted and saved at step {step} of 6" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) == handler
    folder = train_run(TINY, "l2", 0, store, tmp_path, log=None)
    assert same_run(folder, finished["l2"])


def test_ctrl_c_at_the_very_end_finishes_the_run_and_starts_no_other(finished, store, tmp_path, monkeypatch, capsys):
    def asked(run, validate=Run.validate):
        if run.step == run.steps:
            os.kill(os.getpid(), signal.SIGTERM)
        return validate(run)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "validate", asked)
        with pytest.raises(KeyboardInterrupt):
            train_all(dataclasses.replace(TINY, arms=("l2", "ce"), seeds=(0,)), store, tmp_path, log=None)
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    assert same_run(folder, finished["l2"]) and "interrupted" not in capsys.readouterr().out


def test_a_loss_that_is_not_finite_stops_the_run(store, tmp_path, monkeypatch):
    wild = dataclasses.replace(TINY, lr=1e30, schedule="constant")
    with pytest.raises(
        FloatingPointError, match=r"the loss of l2 \(seed 0\) is (nan|inf) at step \d, learning rate 1e\+30"
    ):
        train_run(wild, "l2", 0, store, tmp_path, log=None)
    assert not list(tmp_path.glob(f"*/{WEIGHTS}"))


def test_too_little_memory_says_what_to_change_and_frees_the_step(store, tmp_path, monkeypatch):
    kept = []

    def hungry(run, prepare=Run.prepare):
        def ask_for_too_much(layer, given, output):
            kept.append(weakref.ref(output))
            torch.empty(2**50)

        prepare(run)
        run.network.head.register_forward_hook(ask_for_too_much)

    monkeypatch.setattr(Run, "prepare", hungry)
    said = (
        r"a batch of 8 images of 16 px at width 0.0625 does not fit into the memory of CPU.*; a smaller batch, side or"
    )
    with pytest.raises(MemoryError, match=said) as caught:
        train_run(TINY, "l2", 0, store, tmp_path, log=None)
    assert caught.value.__traceback__ and [output() for output in kept] == [None], "while the error is still held"


def test_a_run_that_is_deleted_frees_its_memory_at_once(store, tmp_path):
    run = Run(TINY, "ce_rebal", 0, store, tmp_path)
    run.prepare()
    complete(run, log=None)
    watched = [weakref.ref(x) for x in (run.network, run.network.head.weight, run.optimiser, run.objective)]
    gc.disable()
    try:
        del run
        assert [reference() for reference in watched] == [None] * 4
    finally:
        gc.enable()


def test_a_data_dependent_start(store, tmp_path):
    started = dataclasses.replace(TINY, init="data")
    once = train_run(started, "ce", 0, store, tmp_path / "a", log=None)
    train_run(started, "ce", 0, store, tmp_path / "b", log=None, stop_after=2)
    again = train_run(started, "ce", 0, store, tmp_path / "b", log=None)
    assert same_run(once, again)


@pytest.mark.parametrize("arm", ["student_mse", "l2_rebal", "ce"])
@pytest.mark.parametrize("init", ["he", "data"])
def test_the_network_with_shortcuts_trains_resumes_and_is_read(store, tmp_path, arm, init):
    config = dataclasses.replace(TINY, architecture="siggraph17", init=init, width=1 / 32)
    once = train_run(config, arm, 0, store, tmp_path / "a", log=None)
    train_run(config, arm, 0, store, tmp_path / "b", log=None, stop_after=3)
    assert same_run(once, train_run(config, arm, 0, store, tmp_path / "b", log=None))
    trained = load_run(once)
    lab, logits = trained.predict(store.pixels[:2])
    assert lab.shape == (2, 3, 24, 24) and torch.isfinite(lab).all()
    assert logits is None or logits.shape == (2, 313, 6, 6)
    assert trained.photo(store.pixels[0]).shape == (24, 24, 3)


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


@pytest.mark.parametrize("arm", ["l2_rebal", "ce", "ce_rebal"])
def test_a_prior_from_a_file_is_used_kept_and_known_by_its_content(store, tmp_path, arm):
    values = np.random.default_rng(0).random(313).astype(np.float32)
    np.save(tmp_path / "one.npy", values / values.sum())
    shutil.copy(tmp_path / "one.npy", tmp_path / "same.npy")
    np.save(tmp_path / "other.npy", values[::-1] / values.sum())
    config = dataclasses.replace(TINY, prior=str(tmp_path / "one.npy"), steps=1)
    folder = train_run(config, arm, 0, store, tmp_path / "runs", log=None)
    trained = load_run(folder)
    np.testing.assert_allclose(trained.objective.prior, values / values.sum(), rtol=1e-5)
    assert len(trained.passport["prior"]) == 64 and str(tmp_path) not in str(trained.passport)
    names = [
        Run(dataclasses.replace(config, prior=prior), arm, 0, store, tmp_path / "runs").folder
        for prior in (str(tmp_path / "same.npy"), str(tmp_path / "other.npy"), "", "imagenet")
    ]
    assert names[0] == folder and len(set(names)) == 4
    for plain in ("student_mse", "l2"):  # which have no use for it
        assert Run(config, plain, 0, store).folder == Run(dataclasses.replace(config, prior=""), plain, 0, store).folder


def test_an_imagenet_shaped_prior_is_made_from_the_data(store, tmp_path, monkeypatch):
    grey = torch.softmax(-ab_gamut_centers().norm(dim=1) / 12, 0)
    monkeypatch.setattr(prior_module, "prior_from_ab", lambda *_: grey)
    run = Run(dataclasses.replace(TINY, prior="imagenet"), "ce_rebal", 0, store, tmp_path)
    run.prepare()
    assert torch.equal(run.objective.prior, prior_module.imagenet_prior(grey)) and run.passport["prior"] == "imagenet"


def test_a_prior_that_is_none_is_refused_before_anything_is_made(store, tmp_path):
    config = dataclasses.replace(TINY, prior=str(tmp_path / "gone.csv"))
    with pytest.raises(FileNotFoundError, match="gone.csv"):
        train_run(config, "ce", 0, store, tmp_path / "runs", log=None)
    assert not (tmp_path / "runs").exists()


# ------------------------------------------------------------------------------------------------ steps and schedules


def test_total_steps():
    assert total_steps(dataclasses.replace(TINY, steps=7), 24) == 7
    epochs = dataclasses.replace(TINY, steps=0, epochs=2.5, batch=10)
    assert total_steps(epochs, 24) == 5  # two whole batches an epoch
    student = settings.load_config("student")
    assert total_steps(student, 90_000) == 30 * (90_000 // 256)


@pytest.mark.parametrize("photos", [0, 7])
def test_too_few_pictures_are_refused(photos):
    with pytest.raises(ValueError, match=f"{photos} training images do not fill one batch of 8"):
        total_steps(TINY, photos)


def test_a_store_without_validation_pictures_is_refused_before_training(tmp_path):
    for i, scene in enumerate(synthetic_scenes(8, 16, seed=5).pixels):
        Image.fromarray(scene).save(tmp_path / f"{i}.png")
    only = data.prepare(str(tmp_path), tmp_path / "store", 16, split="train", progress=False, workers=1, keep_grey=True)
    with pytest.raises(ValueError, match="no images in split 'val'"):
        train_run(TINY, "l2", 0, only, tmp_path / "runs", log=None)


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


# ------------------------------------------------------------------------------------------------------ fast and exact


def weights_after(config, arm, store, folder, steps=4) -> dict[str, torch.Tensor]:
    run = Run(config, arm, 0, store, folder)
    run.prepare()
    with cuda_modes(config.deterministic):
        for _ in range(steps):
            run.take_step()
    return run.network.state_dict()


@pytest.mark.parametrize(
    ("arm", "architecture"), [("student_mse", "eccv16"), ("ce_rebal", "eccv16"), ("l2_rebal", "siggraph17")]
)
def test_a_compiled_step_is_the_step(store, tmp_path, monkeypatch, arm, architecture):
    config = dataclasses.replace(TINY, precision="fp64", architecture=architecture)
    plain = weights_after(config, arm, store, tmp_path)
    # traced as for the compiler, which would take a minute, and computed without it
    monkeypatch.setattr(torch, "compile", lambda f, mode, usual=torch.compile: usual(f, backend="aot_eager"))
    fast = weights_after(dataclasses.replace(config, compile="default"), arm, store, tmp_path)
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
    # on PyTorch's device without numbers: whatever needs one on the way raises, as a GPU would have to be waited for
    gpu = torch.device("meta")
    monkeypatch.setattr(train, "pick_device", lambda name: gpu)
    monkeypatch.setattr(prior_module, "prior_from_ab", lambda *_: torch.full((313,), 1 / 313))
    monkeypatch.setattr(Run, "autocast", lambda run: contextlib.nullcontext())  # there is none for it
    run = Run(dataclasses.replace(TINY, fused=False), arm, 0, store, tmp_path)
    run.prepare()
    run.take_step()  # tables are made
    with Moves() as moves:
        run.sums += run.take_step()
    assert run.sums.device == gpu and moves.shapes == [(8, 16, 16, 3)]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
@pytest.mark.parametrize("arm", ARMS)
def test_deterministic_runs_on_a_gpu_resume_bit_for_bit(store, tmp_path, arm):
    config = dataclasses.replace(TINY, device="cuda", deterministic=True, precision="bf16")
    whole = train_run(config, arm, 0, store, tmp_path / "whole", log=None)
    for stop in (1, 3, None):
        parts = train_run(config, arm, 0, store, tmp_path / "parts", log=None, stop_after=stop)
    assert same_run(whole, parts)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA")
@pytest.mark.parametrize(
    "switch",
    [{"compile": "default"}, {"compile": "reduce-overhead"}, {"deterministic": True}, {"resident": False}],
    ids=str,
)
def test_the_fast_path_on_a_gpu_is_the_plain_path_on_a_processor(store, tmp_path, switch):
    config = dataclasses.replace(TINY, precision="fp64")
    plain = weights_after(config, "ce_rebal", store, tmp_path)
    fast = weights_after(dataclasses.replace(config, device="cuda", **switch), "ce_rebal", store, tmp_path)
    for name, value in plain.items():
        at = f"{name}: {{}}".format  # with how far off it is
        torch.testing.assert_close(fast[name].cpu(), value, rtol=1e-6, atol=1e-8, msg=at)


# ------------------------------------------------------------------------------------------------- a trained network


def test_a_network_keeps_the_prior_it_was_trained_with(finished, store):
    prior = data_prior(store, store.rows("train", 24), TINY, CPU)
    for arm in ("l2_rebal", "ce", "ce_rebal"):
        assert torch.equal(load_run(finished[arm]).objective.prior, prior)


def test_a_begun_run_holds_no_network(tmp_path, store):
    begun = train_run(TINY, "l2", 0, store, tmp_path, log=None, stop_after=1)
    with pytest.raises(FileNotFoundError, match=f"{begun.name} holds no finished run"):
        load_run(begun)
