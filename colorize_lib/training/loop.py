"""Training one arm with one seed, and the trained network as something that colorizes pictures.

A run lives in `runs/<run id>/`: history.csv while it trains, checkpoint.pt to resume from, and at the end
network.safetensors, which carries its own passport. Everything random is a function of (seed, step), so a resumed
run takes exactly the steps an uninterrupted one would have taken.
"""

from __future__ import annotations

import csv
import math
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ..color import chroma, make_compilable, rgb_to_lab, to_unit
from ..colorizer import WEIGHTS, Colorizer
from ..config import Config
from ..data.prior import data_prior, read_rgb
from ..data.store import Store
from ..devices import computes_in_bf16, cuda_modes, keep_freed_memory, peak_memory, pick_device
from ..networks import data_dependent_init, flush_running_means, make_network
from ..objectives import NEEDS_PRIOR, CrossEntropy, make_objective
from .batches import Batches
from .checkpoint import CHECKPOINTS, read_checkpoint, write_checkpoint, write_history
from .distributed import any_rank, average, barrier, broadcast, world, wrap_ddp
from .provenance import passport

RUNS = Path("runs")
VALIDATION_PHOTOS = 512
ASKED_EVERY = 10  # steps after which several processes tell each other of an interruption


def total_steps(config: Config, photos: int) -> int:
    """Optimiser steps of a run: `steps`, or `epochs` of whole batches."""
    steps = config.steps or round(config.epochs * (photos // config.batch))
    if photos < config.batch or steps < 1:
        raise ValueError(f"{photos} training pictures do not fill one batch of {config.batch}")
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
    """One training in progress: network, objective, optimiser and history, on disk in `folder`."""

    def __init__(self, config: Config, arm: str, seed: int, store: Store, runs: Path = RUNS):
        self.config, self.arm, self.seed, self.store = config, arm, seed, store
        self.device = pick_device(config.device)
        self.rows = store.rows("train", config.train_photos)
        self.validation = store.rows("val", VALIDATION_PHOTOS)
        self.steps = total_steps(config, len(self.rows))
        self.passport = passport(config, arm, seed, store.fingerprint(self.rows), self.device)
        self.folder = Path(runs) / self.passport["run"]
        self.dtype = torch.float64 if config.precision == "fp64" else torch.float32
        self.step, self.seconds, self.history, self.saved = 0, 0.0, [], time.perf_counter()
        self.sums, self.since = torch.zeros(3, device=self.device), 0  # of the scores since the last row of history

    def prepare(self, resume: bool = True) -> None:
        """Build network and optimiser, and resume from the checkpoint if there is one (and `resume`)."""
        config = self.config
        keep_freed_memory()
        begun = broadcast(read_checkpoint(self.folder) if resume and world().first else None)
        self.batches = self._batches()
        prior = None
        if self.arm in NEEDS_PRIOR:
            prior = data_prior(self.store, self.rows, config, self.device).to(self.dtype)
        self.objective = make_objective(self.arm, config, prior)
        self.network = make_network(config, self.objective.channels, self.seed)
        if config.init == "data" and begun is None:
            first = Batches(self.store, self.rows, config, self.seed, torch.device("cpu"))(0)  # of all processes
            data_dependent_init(self.network, self.objective.network_input(to_unit(first)))
        layout = torch.channels_last if config.channels_last else torch.contiguous_format
        self.network.to(self.device, self.dtype, memory_format=layout)
        self.optimiser = torch.optim.Adam(
            self.network.parameters(), config.lr, config.betas, config.eps, config.weight_decay, fused=config.fused
        )
        if begun is not None:
            self.network.load_state_dict(begun["network"])
            self.optimiser.load_state_dict(begun["optimiser"])
            self.step, self.seconds, self.history = begun["step"], begun["seconds"], begun["history"]
            self.sums, self.since = begun.get("sums", self.sums).to(self.device), begun.get("since", self.step)
        self.trained = wrap_ddp(self.network, self.device)  # the same network, as it is trained
        self.scores = self._scores
        if config.compile != "off":
            if world().size > 1:
                raise ValueError(f"compile={config.compile!r} is not possible with several processes; allowed: off")
            make_compilable()
            self.scores = torch.compile(self._scores, mode=config.compile)

    def _batches(self) -> Batches:
        return Batches(self.store, self.rows, self.config, self.seed, self.device, world())

    def save(self) -> None:
        """Write checkpoint and history, each to a temporary file that is then renamed; the checkpoint before is kept.

        Nothing random is in it, because pictures and mirroring follow from seed and step.
        """
        self.sums, self.saved = average(self.sums), time.perf_counter()
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
            self.folder.mkdir(parents=True, exist_ok=True)
            write_history(self.history, self.folder / "history.csv")

    def forward(self, seen: Tensor) -> Tensor:
        """The network's raw scores, computed in the precision of the run."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=computes_in_bf16(self.config, self.device)):
            return self.trained(seen)

    def rgb(self, batch: Tensor) -> Tensor:
        """Pictures uint8 [b, side, side, 3] as the objective converts them: bytes still, but for double precision."""
        return batch.movedim(-1, 1) if self.dtype == torch.float32 else to_unit(batch).to(self.dtype)

    def _scores(self, batch: Tensor) -> Tensor:
        """(loss, plain, excess) of pictures uint8 [b, side, side, 3] as a tensor [3]; only the loss has a gradient."""
        rgb = self.rgb(batch)
        seen = self.objective.network_input(rgb)  # outside of autocast, which would round the lightness
        score = self.objective.score(self.forward(seen).to(self.dtype), rgb)
        return torch.stack([score.loss, score.plain.detach(), score.excess.detach()])

    def take_step(self) -> Tensor:
        """One optimiser step; returns (loss, plain, excess) as a tensor [3] that has not left the device."""
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate(self.config, self.step, self.steps)
        scores = self.scores(self.batches(self.step))
        self.optimiser.zero_grad(set_to_none=True)
        scores[0].backward()
        self.optimiser.step()
        self.step += 1
        return scores.detach()

    def finish(self) -> Path:
        """Write the trained network with its passport and drop the checkpoint."""
        if not world().first:
            barrier()
            return self.folder
        facts = {"photos": len(self.rows), "steps": self.steps, "seconds": round(self.seconds, 1)}
        facts |= {"peak_memory_mb": round(peak_memory(self.device) / 2**20)}
        Colorizer(self.network, self.objective, self.passport | facts).save(self.folder / WEIGHTS)
        for name in CHECKPOINTS:
            (self.folder / name).unlink(missing_ok=True)
        barrier()  # the others must not look for this run before it is there
        return self.folder

    @property
    def state(self) -> str:
        """How far the run in this folder is: "finished", "step 200 of 4000" (by its last validation) or "not begun"."""
        if (self.folder / WEIGHTS).exists():
            return "finished"
        if not (self.folder / "history.csv").exists():
            return "not begun"
        with open(self.folder / "history.csv", newline="") as file:
            steps = [row["step"] for row in csv.DictReader(file)]
        return f"step {steps[-1] if steps else 0} of {self.steps}"


def train_run(
    config: Config, arm: str, seed: int, store: Store, runs: Path = RUNS, say=print, stop_after: int | None = None
) -> Path:
    """Train one arm with one seed and return the run's folder; read it if finished, resume it if begun.

    say: called with a line of progress at every validation (None for silence). stop_after: leave after so many
    steps with a checkpoint written. On Ctrl-C the step is finished and saved, and KeyboardInterrupt raised; called
    again, the run goes on there. Raises FloatingPointError where the loss is no longer finite, and MemoryError with
    the batch that would fit where the device has too little memory.
    """
    run = Run(config, arm, seed, store, runs)
    if broadcast((run.folder / WEIGHTS).exists()):
        return run.folder
    run.prepare()
    return complete(run, say, stop_after)


def complete(run: Run, say=print, stop_after: int | None = None) -> Path:
    """Take the steps that a prepared run still lacks, write its network and return its folder; see `train_run`."""
    last = min(run.steps, stop_after or run.steps)
    with _Interrupt() as interrupt, cuda_modes(run.config.deterministic):
        stopped = _train(run, last, interrupt, say if world().first else None)
        if run.step < run.steps:
            run.save()
    if stopped and run.step < last:
        print(f"interrupted and saved at step {run.step} of {run.steps}; the same command goes on from there")
        raise KeyboardInterrupt
    return run.finish() if run.step == run.steps else run.folder


def _train(run: Run, last: int, interrupt: _Interrupt, say) -> bool:
    """Take steps until `last` or an interruption; returns whether it was one."""
    begun, before, first = time.perf_counter(), run.seconds, run.step
    while run.step < last:
        if (run.step % ASKED_EVERY == 0 or world().size == 1) and any_rank(interrupt.asked):
            return True
        try:
            run.sums += run.take_step()
        except torch.OutOfMemoryError:
            raise MemoryError(_too_large(run)) from None
        run.seconds = before + time.perf_counter() - begun
        if run.step % run.config.eval_every == 0 or run.step == run.steps:
            run.history.append(_history_row(run, average(run.sums) / (run.step - run.since)))
            run.sums, run.since = torch.zeros_like(run.sums), run.step
            if say:
                say(_line(run, (run.seconds - before) / (run.step - first)))
            if run.step < run.steps and time.perf_counter() - run.saved >= run.config.checkpoint_seconds:
                run.save()
            else:
                run.write_history()
    return False


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


def _too_large(run: Run) -> str:
    """What to say when memory ran out: the largest batch, by halving, with which a step succeeds."""
    batch, asked = run.config.batch, run.config.batch
    if world().size > 1:
        return f"{asked // world().size} pictures a process do not fit into the memory of {run.passport['device']}"
    while batch > 1:
        batch //= 2
        run.optimiser.zero_grad(set_to_none=True)
        run.config = replace(run.config, batch=batch)
        run.batches = run._batches()
        try:
            run.take_step()
        except torch.OutOfMemoryError:
            continue
        return f"a batch of {asked} does not fit into the memory of {run.passport['device']}; a batch of {batch} does"
    return f"not even a single picture fits into the memory of {run.passport['device']}; a smaller width or side may"


def train_all(config: Config, store: Store, runs: Path = RUNS, say=print) -> dict[tuple[str, int], Path]:
    """Train what is missing of every arm with every seed; returns the folders of the runs by (arm, seed)."""
    return {(arm, seed): train_run(config, arm, seed, store, runs, say) for seed in config.seeds for arm in config.arms}


def _history_row(run: Run, means: Tensor) -> dict:
    loss, plain, excess = means.tolist()
    if not math.isfinite(loss):
        rate = learning_rate(run.config, run.step - 1, run.steps)
        raise FloatingPointError(
            f"the loss of {run.arm} (seed {run.seed}) is {loss} at step {run.step}, learning rate {rate:.3g}; try a "
            f"lower lr, or fp32 if precision is bf16. The checkpoint before, in {run.folder}, is still good."
        )
    row = {"step": run.step, "epoch": run.step * run.config.batch / len(run.rows)}
    row |= {"lr": learning_rate(run.config, run.step - 1, run.steps), "loss": loss, "plain": plain, "excess": excess}
    return row | validate(run) | {"seconds": round(run.seconds, 2)}


def _line(run: Run, pace: float) -> str:
    row, left = run.history[-1], pace * (run.steps - run.step)
    return (
        f"{run.arm} seed {run.seed}: step {run.step}/{run.steps}, epoch {row['epoch']:.1f}, loss {row['loss']:.4f}, "
        f"above the floor {row['excess']:.4f} (validation {row['val_excess']:.4f}), chroma ratio "
        f"{row['val_chroma_ratio']:.2f}, {run.config.batch / pace:.0f} pictures/s, {left / 60:.1f} min left"
    )


@torch.no_grad()
def validate(run: Run) -> dict:
    """Plain score, excess, mean ab error and chroma ratio (T = 1 for classifiers) on the first validation photos."""
    rows = run.validation
    flush_running_means(run.network.eval())
    sums = torch.zeros(5)
    for i in range(0, len(rows), 64):
        rgb = read_rgb(run.store, rows[i : i + 64], run.device).to(run.dtype)
        spare = (rgb.shape[-1] - run.config.side) // 2
        rgb = rgb[..., spare : spare + run.config.side, spare : spare + run.config.side]
        raw = run.network(run.objective.network_input(rgb))
        score = run.objective.score(raw, rgb)
        extra = {"temperature": 1.0} if isinstance(run.objective, CrossEntropy) else {}
        ab, true = run.objective.decode(raw, rgb, **extra)[:, 1:], rgb_to_lab(rgb)[:, 1:]
        values = [score.plain, score.excess, chroma(ab - true).mean(), chroma(ab).mean(), chroma(true).mean()]
        sums += torch.stack(values).cpu() * len(rgb)
    run.network.train()
    plain, excess, error, predicted, true = (sums / len(rows)).tolist()
    ratio = predicted / true if true else math.nan  # of grey pictures there is none
    return {"val_plain": plain, "val_excess": excess, "val_ab_error": error, "val_chroma_ratio": ratio}
