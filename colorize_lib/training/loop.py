"""Training one arm with one seed.

A run lives in `runs/<run id>/`: history.csv while it trains, checkpoint.pt to resume from, and at the end
network.safetensors, which says itself where it comes from. Everything random is a function of (seed, step), so a
resumed run takes exactly the steps an uninterrupted one would have taken.
"""

from __future__ import annotations

import functools
import math
import signal
import threading
import time
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from ..color import chroma, make_compilable, rgb_to_lab, to_unit
from ..colorizer import WEIGHTS, Colorizer
from ..config import Config, run_id
from ..data.files import atomic_file
from ..data.prior import prior_content, read_rgb, training_prior
from ..data.store import Store
from ..devices import check_precision, cuda_modes, device_name, peak_memory, pick_device, reset_peak_memory
from ..networks import data_dependent_init, flush_running_means, make_network
from ..objectives import NEEDS_PRIOR, CrossEntropy, make_objective
from ..readout import Readout
from .batches import Batches
from .checkpoint import (
    CHECKPOINTS,
    LOCK,
    all_finite,
    read_checkpoint,
    run_lock,
    tensors_of,
    write_checkpoint,
)
from .distributed import any_rank, average, barrier, from_first, world, wrap_ddp
from .parent import Parent, find_parent
from .progress import Progress, on_terminal
from .provenance import passport

clock = time.perf_counter
RUNS = Path("runs")
VALIDATION_PHOTOS = 512
ASKED_EVERY = 10  # steps after which several processes tell each other of an interruption


def total_steps(config: Config, photos: int) -> int:
    """Optimiser steps of a run: `steps`, or `epochs` of whole batches."""
    steps = config.steps or round(config.epochs * (photos // config.batch))
    if photos < config.batch or steps < 1:
        raise ValueError(f"{photos} training images do not fill one batch of {config.batch}")
    return steps


def learning_rate(config: Config, step: int, steps: int) -> float:
    """Learning rate of `step` (from 0): constant, Caffe's steps, or one cycle (15 % up, cosine down to zero)."""
    if config.schedule == "steps":
        passed = sum(step >= s for s in config.lr_steps)
        return (config.lr, *config.lr_values)[passed] if config.lr_values else config.lr * config.lr_factor**passed
    if config.schedule == "one_cycle":
        rise = max(1, round(0.15 * steps))
        if step < rise:
            return config.lr * (step + 1) / rise
        return config.lr * 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))
    return config.lr


class Run:
    """One training in progress: network, objective, optimiser and history, on disk in `folder`.

    Making one asks for no device and builds no network, so that runs of other machines can be looked up; `prepare`
    does. Only a parent (`init_from`) is read, whose hash is part of the name.
    """

    def __init__(self, config: Config, arm: str, seed: int, store: Store, runs: Path = RUNS):
        config = config.for_arm(arm)
        self.config, self.arm, self.seed, self.store = config, arm, seed, store
        self.name = f"{arm} seed {seed}"
        self.rows = store.rows("train", config.train_photos)
        self.validation = store.rows("val", VALIDATION_PHOTOS)
        self.steps = total_steps(config, len(self.rows))
        self.data = store.fingerprint(self.rows)
        used = config.prior and arm in NEEDS_PRIOR
        self.contents = {"prior": prior_content(config.prior)} if used else {}  # of files, see `run_id`
        self.parent = find_parent(config, arm, self._id, Path(runs)) if config.init_from else None
        self.folder = Path(runs) / self._id(self.parent)
        self.dtype = torch.float64 if config.precision == "fp64" else torch.float32
        self.step, self.seconds, self.history = 0, 0.0, []

    def _id(self, parent: Parent | None) -> str:
        contents = self.contents | (parent.identity if parent else {})
        return run_id(self.config, self.arm, self.seed, self.data, contents)

    @functools.cached_property
    def device(self) -> torch.device:
        """Where this run trains; ValueError where the machine lacks the device that is configured."""
        return pick_device(self.config.device)

    @functools.cached_property
    def passport(self) -> dict:
        """Where the network comes from, see `provenance.passport`, and the side of the images that it has seen whole
        or, with a smaller `config.side`, in part."""
        about = passport(self.folder.name, self.config, self.arm, self.seed, self.data, self.device)
        about |= {"image_side": self.store.side} | self.contents
        return about | ({"parent": self.parent.entry} if self.parent else {})

    def prepare(self, resume: bool = True) -> None:
        """Build network and optimiser, and resume from the checkpoint if there is one (and `resume`).

        Raises ValueError where this machine cannot train the run, or can read none of its checkpoints.
        """
        config = self.config
        check_precision(config.precision, self.device)
        if config.compile != "off" and world().size > 1:
            raise ValueError(f"compile={config.compile!r} is not possible with several processes; allowed: off")
        reset_peak_memory(self.device)
        self.saved = clock()
        self.sums, self.since = torch.zeros(3, device=self.device), 0  # of the scores since the last row of history
        self.batches = Batches(self.store, self.rows, config, self.seed, self.device, world())
        prior = None
        if self.arm in NEEDS_PRIOR:
            prior = training_prior(self.store, self.rows, config, self.device).to(self.dtype)
        self.objective = make_objective(self.arm, config, prior)
        self.network = make_network(config, self.objective.channels, self.seed)
        if config.init == "data":
            first = Batches(self.store, self.rows, config, self.seed, torch.device("cpu"))(0)  # of all processes
            data_dependent_init(self.network, self.objective.network_input(to_unit(first)))
        layout = torch.channels_last if config.channels_last else torch.contiguous_format
        self.network.to(self.device, self.dtype, memory_format=layout)
        self.optimiser = torch.optim.Adam(
            self.network.parameters(), config.lr, config.betas, config.eps, config.weight_decay, fused=config.fused
        )
        if not (resume and self._resume()) and self.parent:
            self.parent.give_weights(self.network)
        self._wrap()

    def _resume(self) -> bool:
        """Take up the newest good checkpoint, in every process the one that the first process finds good, if any."""
        begun = from_first(lambda: read_checkpoint(self.folder, self._load))
        if begun is not None and not world().first:
            self._load(begun)
        return begun is not None

    def _load(self, state: dict) -> None:
        """Go to a checkpoint's state; raises an error if it is that of another network."""
        step, moments = state["step"], state["optimiser"]["state"]
        parameters = dict(enumerate(self.network.parameters())) if step else {}
        fitting = moments.keys() == parameters.keys()
        if not fitting or any(moments[i]["exp_avg"].shape != p.shape for i, p in parameters.items()):
            raise ValueError("its optimiser is that of another network")
        if step > self.steps:
            raise ValueError(f"its step {step} lies behind the last, {self.steps}")
        self.network.load_state_dict(state["network"])
        groups = self.optimiser.state_dict()["param_groups"]  # as configured now; a checkpoint's `fused` may differ
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})
        self.step, self.seconds, self.history = step, state["seconds"], state["history"]
        self.sums, self.since = state.get("sums", self.sums).to(self.device), state.get("since", step)

    def _wrap(self) -> None:
        """The same network and score as a step computes them: by several processes, or compiled."""
        self.trained, self.score = wrap_ddp(self.network, self.device), self.objective.score
        if self.config.compile != "off":
            make_compilable()
            self.trained = torch.compile(self.network, mode=self.config.compile)
            self.score = torch.compile(self.objective.score, mode=self.config.compile)

    def take_step(self) -> Tensor:
        """One optimiser step; returns (loss, plain, excess) as a tensor [3] that has not left the device."""
        self.optimiser.param_groups[0]["lr"] = learning_rate(self.config, self.step, self.steps)
        rgb = self.rgb(self.batches(self.step))
        lightness = self.objective.network_input(rgb)  # outside of autocast, which would round it
        self.optimiser.zero_grad(set_to_none=True)  # before the forward: CUDA graphs may place it where gradients were
        with self.autocast():
            output = self.trained(lightness)
        score = self.score(output.to(self.dtype), rgb)
        score.loss.backward()
        self.optimiser.step()
        self.step += 1
        return torch.stack([score.loss, score.plain, score.excess]).detach()

    def rgb(self, batch: Tensor) -> Tensor:
        """Images uint8 [b, side, side, 3] as the objective takes them, [b, 3, side, side]: bytes, but for fp64.

        Then they are divided in double precision: of single ones a GPU takes the product with 1/255, an ulp off.
        """
        return batch.movedim(-1, 1) if self.dtype == torch.float32 else batch.movedim(-1, 1).to(self.dtype) / 255

    def autocast(self) -> torch.autocast:
        """Within it the network multiplies in bf16, if that is the precision of the run."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16")

    def validate(self) -> None:
        """Add a row to the history: the mean scores since the row before, and those on validation images.

        Raises FloatingPointError where the loss is not finite.
        """
        loss, plain, excess = (average(self.sums) / (self.step - self.since)).tolist()
        if not math.isfinite(loss):
            raise FloatingPointError(self._not_finite(f"the loss of {self.arm} (seed {self.seed}) is {loss}"))
        row = {"step": self.step, "epoch": self.step * self.config.batch / len(self.rows), "lr": self.last_rate}
        row |= {"loss": loss, "plain": plain, "excess": excess} | validation_scores(self)
        self.history.append(row | {"seconds": round(self.seconds, 2)})
        self.sums, self.since = torch.zeros_like(self.sums), self.step

    @property
    def last_rate(self) -> float:
        """Learning rate of the step that was taken last."""
        return learning_rate(self.config, self.step - 1, self.steps)

    def _not_finite(self, what: str) -> str:
        kept = f"; the checkpoint before, in {self.folder}, is still good" if self._has_checkpoint() else ""
        return (
            f"{what} at step {self.step}, learning rate {self.last_rate:.3g}; try a lower lr, or fp32 if precision is "
            f"bf16{kept}"
        )

    def _has_checkpoint(self) -> bool:
        return any((self.folder / name).is_file() for name in CHECKPOINTS)

    def check_finite(self) -> None:
        """Raise FloatingPointError where weights or sums are not finite: from such a state no run could go on."""
        state = self.network.state_dict(), self.optimiser.state_dict(), self.sums
        if not all_finite(tensors_of(state)):
            raise FloatingPointError(self._not_finite(f"weights or loss of {self.folder.name} are not finite"))

    def save(self) -> None:
        """Write checkpoint and history, each to a temporary file that is then renamed; the checkpoint before is kept.

        Nothing random is in it, because images and mirroring follow from seed and step. A state that is not finite is
        not saved, see `check_finite`.
        """
        self.sums, self.saved = average(self.sums), clock()
        self.check_finite()  # in every process: all have the same weights
        if not world().first:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}
        state |= {"step": self.step, "seconds": self.seconds, "history": self.history}
        state |= {"sums": self.sums, "since": self.since}
        write_checkpoint(state, self.folder)
        self.write_history()

    def write_history(self) -> None:
        """Write what is known of the run so far, for people: a resumed run reads it from its checkpoint."""
        if world().first:
            with atomic_file(self.folder / "history.csv") as unfinished:
                pd.DataFrame(self.history or {"step": []}).to_csv(unfinished, index=False, na_rep="nan")
            if self.parent:
                self.parent.remember(self.folder)

    def finish(self) -> Path:
        """Write the trained network with its passport and drop the checkpoint."""
        self.check_finite()
        if world().first:
            facts = {"photos": len(self.rows), "steps": self.steps, "seconds": round(self.seconds, 1)}
            facts |= {"peak_memory_mb": round(peak_memory(self.device) / 2**20)}
            Colorizer(self.network, self.objective, self.passport | facts).save(self.folder / WEIGHTS)
            for name in (*CHECKPOINTS, LOCK):  # whoever takes the lock from now on finds the run finished
                (self.folder / name).unlink(missing_ok=True)
        barrier()  # the others must not look for this run before it is there
        return self.folder

    @property
    def finished(self) -> bool:
        """Whether the trained network is there."""
        return (self.folder / WEIGHTS).exists()

    @property
    def state(self) -> str:
        """How far the run in this folder is: "finished", "step 200 of 4000" (by its last validation) or "not begun"."""
        if self.finished:
            return "finished"
        if not (self.folder / "history.csv").exists():
            return "not begun"
        steps = pd.read_csv(self.folder / "history.csv").step
        return f"step {steps.max() if len(steps) else 0} of {self.steps}"


def train_run(
    config: Config, arm: str, seed: int, store: Store, runs: Path = RUNS, log=print, stop_after: int | None = None
) -> Path:
    """Train one arm with one seed and return the run's folder; read it if finished, resume it if begun.

    log: called with lines of progress (None for silence). stop_after: leave after so many steps with a checkpoint
    written. On Ctrl-C the step is finished and saved, or after the last one the run finished, and KeyboardInterrupt
    raised; called again, the run goes on there. Raises ValueError where the machine cannot compute the run's precision
    or another process trains it, FloatingPointError where loss or weights are no longer finite, and MemoryError where
    memory does not suffice.
    """
    run = Run(config, arm, seed, store, runs)
    if from_first(lambda: run.finished):
        return run.folder
    check_precision(config.precision, run.device)
    with run_lock(run.folder):
        if from_first(lambda: run.finished):  # by the process that held the lock
            return run.folder
        progress = Progress(run.name, 0, run.steps, config.batch, log if world().first else None)
        about = f"{config.batch} images of {config.side} px, width {config.width:g}, {config.precision}"
        progress.write(f"{run.steps} steps of {about}, on {device_name(run.device)}, in {run.folder}")
        run.prepare()
        if run.step:
            progress.write(f"goes on from step {run.step}")
        return complete(run, log, stop_after)


def complete(run: Run, log=print, stop_after: int | None = None) -> Path:
    """Take the steps that a prepared run still lacks, write its network and return its folder; see `train_run`."""
    last = run.steps if stop_after is None else min(run.steps, stop_after)
    batch, log = run.config.batch, log if world().first else None
    modes, bar = cuda_modes(run.config.deterministic), on_terminal()
    with _Interrupt() as interrupt, modes, Progress(run.name, run.step, run.steps, batch, log, clock, bar) as progress:
        interrupted = _train(run, last, interrupt, progress)
        if run.step < run.steps:
            run.save()
            barrier()  # the others must not leave while the first still writes
    folder = run.finish() if run.step == run.steps else run.folder
    if interrupted:
        if world().first and run.step < run.steps:
            print(f"interrupted and saved at step {run.step} of {run.steps}; the same command goes on from there")
        raise KeyboardInterrupt
    return folder


def _train(run: Run, last: int, interrupt: _Interrupt, progress: Progress) -> bool:
    """Take steps until `last` or an interruption; returns whether one was asked for."""
    config, begun = run.config, clock() - run.seconds
    while run.step < last:
        if (run.step % ASKED_EVERY == 0 or world().size == 1) and any_rank(interrupt.asked):
            return True
        _take_step(run)
        run.seconds = clock() - begun
        progress.advance(run.step, lambda: (run.sums[0] / (run.step - run.since)).item())
        if run.step % config.eval_every == 0 or run.step == run.steps:
            run.validate()
            progress.line(_validation_line(run.history[-1]))
            # saving is done together, so one clock decides for all
            if run.step < run.steps and from_first(lambda: clock() - run.saved >= config.checkpoint_seconds):
                run.save()
            else:
                run.write_history()
    return any_rank(interrupt.asked)


def _take_step(run: Run) -> None:
    """A step whose scores are added up; MemoryError that says what to do where memory does not suffice."""
    try:
        run.sums += run.take_step()
        return
    except torch.OutOfMemoryError:
        pass
    except RuntimeError as error:
        if "can't allocate memory" not in str(error):  # what PyTorch says of a processor's memory
            raise
    # here, and not above: an error holds on to the one it is raised from, and that one to all tensors of the step
    config, share = run.config, run.config.batch // world().size
    raise MemoryError(
        f"a batch of {share} images of {config.side} px at width {config.width:g} does not fit into the memory of "
        f"{device_name(run.device)}; a smaller batch, side or width may"
    )


def _validation_line(row: dict) -> str:
    return (
        f"epoch {row['epoch']:.1f}, loss {row['loss']:.4f}, above the floor {row['excess']:.4f} "
        f"(validation {row['val_excess']:.4f}), chroma ratio {row['val_chroma_ratio']:.2f}"
    )


class _Interrupt:
    """Within it Ctrl-C, or SIGTERM of a batch system or torchrun, only sets `asked`, so that no step is left half done.

    A second Ctrl-C interrupts; a second SIGTERM does not, because torchrun passes on what its processes have had.
    """

    asked = False

    def __enter__(self):
        self.here = threading.current_thread() is threading.main_thread()  # elsewhere signals cannot be caught
        if self.here:
            self.before = {kind: signal.signal(kind, self._ask) for kind in (signal.SIGINT, signal.SIGTERM)}
        return self

    def _ask(self, kind: int, _) -> None:
        if self.asked and kind == signal.SIGINT:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *_) -> None:
        if self.here:
            for kind, handler in self.before.items():
                signal.signal(kind, handler)


def train_all(config: Config, store: Store, runs: Path = RUNS, log=print) -> dict[tuple[str, int], Path]:
    """Train what is missing of every arm with every seed; returns the folders of the runs by (arm, seed)."""
    return {(arm, seed): train_run(config, arm, seed, store, runs, log) for seed in config.seeds for arm in config.arms}


@torch.no_grad()
def validation_scores(run: Run) -> dict:
    """Plain score, excess, ab error and chroma ratios (T = 1 for classifiers) on the first validation images.

    The true-hue ratio takes of each predicted colour only what points in the direction of the true one.
    """
    rows = run.validation
    flush_running_means(run.network.eval())
    sums = torch.zeros(6)
    for i in range(0, len(rows), 64):
        rgb = read_rgb(run.store, rows[i : i + 64], run.device).to(run.dtype)
        spare = (rgb.shape[-1] - run.config.side) // 2
        rgb = rgb[..., spare : spare + run.config.side, spare : spare + run.config.side]
        output = run.network(run.objective.network_input(rgb))
        score = run.objective.score(output, rgb)
        extra = {"readout": Readout(1.0)} if isinstance(run.objective, CrossEntropy) else {}
        ab, true = run.objective.decode(output, rgb, **extra)[:, 1:], rgb_to_lab(rgb)[:, 1:]
        along = ((ab * true).sum(1) / chroma(true).clamp_min(1e-6)).mean()
        values = [score.plain, score.excess, chroma(ab - true).mean(), chroma(ab).mean(), along, chroma(true).mean()]
        sums += torch.stack(values).cpu() * len(rgb)
    run.network.train()
    *values, predicted, along, true = (sums / len(rows)).tolist()
    ratios = [predicted / true, along / true] if true else [math.nan] * 2  # of grey images there are none
    names = "val_plain", "val_excess", "val_ab_error", "val_chroma_ratio", "val_true_hue_ratio"
    return dict(zip(names, values + ratios, strict=True))
