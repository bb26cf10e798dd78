"""What a machine makes of a training: `colorize bench` measures it in one run, against what the machine can do at best.

Everything that is compared is timed in alternating rounds of one process. The best round of each tells its time,
because a busy machine only ever makes things slower; ratios are medians over rounds, which a busy machine hardly moves.
"""

from __future__ import annotations

import dataclasses
import io
import itertools
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from .color import to_unit
from .colorizer import Colorizer
from .config import Config
from .data.prepare import chunk_size, decoding_pool, prepare
from .data.prior import load_prior
from .data.store import Store
from .devices import cuda_modes, machine, multiplies_bf16, peak_memory, pick_device, synchronize
from .evaluation import measuring as judge
from .evaluation.systems import CLASSIFIERS
from .networks import training_flop
from .objectives import HEADS, CrossEntropy, label_ab
from .quantize import ab_gamut_centers, soft_encode
from .readout import Readout
from .training.loop import Run, complete

STEPS = {"cpu": 1, "cuda": 8}
"""Steps in a round: a card takes the next orders while it works, so that single steps would wait for their orders."""
ROUNDS, SECONDS = 5, 20
"""Rounds at the least, and how long to go on with them: the shorter a step, the more easily it is disturbed."""
SETTINGS = {
    "cpu": (("channels_last", False), ("fused", False), ("precision", "fp32"), ("precision", "bf16")),
    "cuda": (("channels_last", False), ("fused", False), ("resident", False), ("precision", "fp32"),
             ("deterministic", True), ("compile", "default"), ("compile", "reduce-overhead")),
}  # fmt: skip
"""What `switches` changes, one at a time."""


def measure(config: Config, store: Store, epoch: bool = False, compiled: bool = False, log=None) -> dict:
    """Everything this module measures of one configuration, as plain JSON values.

    epoch: also train each arm for a whole epoch. compiled: try `compile` on a processor as well, which takes minutes.
    Returns machine, setup (what was trained), matrix_rate (FLOP/s by precision), arms (seconds a step by arm), stages
    (seconds of each part of a step, by arm), switches, encoding, preparing, measuring, peak_memory_mb and epoch.
    """
    device, log = pick_device(config.device), log or (lambda line: None)
    found = {"machine": machine(device), "setup": setup(config, store)}
    log("multiplying large matrices")
    found["matrix_rate"] = matrix_rate(device)
    with cuda_modes(config.deterministic):
        found["arms"], found["stages"], found["epoch"], found["peak_memory_mb"] = {}, {}, {}, 0
        for arm in config.arms:
            log(f"timing the steps of {arm}")
            found["arms"][arm], found["stages"][arm] = steps(config, store, arm)
            found["peak_memory_mb"] = max(found["peak_memory_mb"], round(peak_memory(device) / 2**20))
        log("switching one thing at a time")
        found["switches"] = switches(config, store, config.arms[-1], compiled)
    log("encoding colours, and preparing images")
    found["encoding"] = encoding(config.neighbours, config.sigma)
    found["preparing"] = [preparing(store, side) for side in (store.side, 4 * store.side)]
    log("measuring a classifier")
    found["measuring"] = measuring(config, store)
    for arm in config.arms if epoch else ():
        log(f"training {arm} for an epoch")
        found["epoch"][arm] = whole_epoch(config, store, arm)
    return found


def setup(config: Config, store: Store) -> dict:
    """What is trained."""
    run = Run(config, config.arms[-1], 0, store)
    about = {key: getattr(config, key) for key in ("profile", "width", "side", "batch")}
    about |= {key: run.passport[key] for key in ("precision", "commit")}
    return about | {"pictures": len(run.rows)}


def matrix_rate(device: torch.device) -> dict[str, float]:
    """Floating point operations a second in products of large square matrices: what no training can exceed."""
    n = 8192 if device.type == "cuda" else 2048
    kinds = {"fp32": torch.float32}
    if multiplies_bf16(device):
        kinds["bf16"] = torch.bfloat16
    rates = {}
    for name, dtype in kinds.items():
        a, b = (torch.randn(n, n, device=device).to(dtype) for _ in range(2))
        rates[name] = 2 * n**3 / _times(device, {"": lambda a=a, b=b: a @ b}, SECONDS / 4)[""].min()
    return rates


def _times(device: torch.device, works: dict[str, Callable], seconds: float = 0) -> pd.DataFrame:
    """Seconds that each piece of work took, a column each, in alternating rounds after one of warming up.

    seconds: how long to go on, beyond the least number of rounds.
    """
    times, steps, ends, rounds = {name: [] for name in works}, STEPS[device.type], time.perf_counter() + seconds, 0
    while rounds <= ROUNDS or time.perf_counter() < ends:
        rounds += 1
        for name, work in works.items():
            synchronize(device)
            begun = time.perf_counter()
            for _ in range(steps):
                work()
            synchronize(device)
            times[name].append((time.perf_counter() - begun) / steps)
    return pd.DataFrame(times)[1:]


def _ratio(times: pd.DataFrame, name: object, to: object) -> float:
    """How many times as long one work took as another, as a rule."""
    return (times[name] / times[to]).median().item()


def steps(config: Config, store: Store, arm: str) -> tuple[dict, dict]:
    """Seconds of a whole training step, of the bare forward, backward and optimiser step, and of every stage.

    Whole and bare steps run on two networks of the same kind: the bare step learns nonsense, and sharing a network
    would give the other one logits out of the ordinary. Returns ({bare, full, overhead, flop_per_picture}, stages);
    overhead is the share by which a whole step is longer than the bare one before it.
    """
    full, bare = (Run(config, arm, 0, store) for _ in range(2))
    for run in (full, bare):
        run.prepare(resume=False)
    seen = bare.objective.network_input(bare.rgb(bare.batches(0)))
    times = _times(full.device, {"bare": lambda: _bare_step(bare, seen), "full": full.take_step}, seconds=SECONDS)
    flop = training_flop(config.width, config.side, HEADS[arm], config.architecture)
    overhead = _ratio(times, "full", "bare") - 1
    return times.min().to_dict() | {"overhead": overhead, "flop_per_picture": flop}, stages(full)


def _bare_step(run: Run, seen: Tensor) -> None:
    """Forward, backward from a constant gradient, optimiser step: what no training loop can avoid."""
    run.optimiser.zero_grad(set_to_none=True)
    output = _forward(run, seen)
    output.backward(torch.full_like(output, 1e-6))
    run.optimiser.step()


def _forward(run: Run, seen: Tensor) -> Tensor:
    with run.autocast():
        return run.trained(seen)


def stages(run: Run) -> dict[str, float]:
    """Seconds of each part of a step, one after another; together they take about a step's time."""
    batch = run.batches(run.step)
    rgb = run.rgb(batch)
    seen = run.objective.network_input(rgb)
    output = _forward(run, seen)
    gradient = torch.full_like(output, 1e-6)
    logits = output.detach().to(run.dtype).requires_grad_()
    coming = itertools.count(run.step)

    def backward() -> None:
        torch.autograd.backward(output, gradient, retain_graph=True, inputs=list(run.network.parameters()))

    works = {
        "pictures": lambda: run.batches(next(coming)),
        "lightness": lambda: run.objective.network_input(run.rgb(batch)),
        "forward": lambda: _forward(run, seen),
        "loss": lambda: torch.autograd.grad(run.objective.score(logits, rgb).loss, logits),
        "backward": backward,
        "optimiser": run.optimiser.step,
    }
    if isinstance(run.objective, CrossEntropy):
        works["of the loss: encoding"] = lambda: run.objective.targets(label_ab(rgb))
    return _times(run.device, works, seconds=SECONDS / 3).min().to_dict()


def switches(config: Config, store: Store, arm: str, compiled: bool = False) -> list[dict]:
    """Seconds of a step with one setting changed at a time, beside the step as configured; `error` where it fails."""
    device = pick_device(config.device)
    changes = [("as configured", ""), *((k, v) for k, v in SETTINGS[device.type] if getattr(config, k) != v)]
    if compiled and device.type == "cpu":
        changes.append(("compile", "default"))
    rows, works = [], {}
    for name, value in changes:
        run = Run(dataclasses.replace(config, **({name: value} if value != "" else {})), arm, 0, store)
        rows.append({"setting": name, "value": str(value)})
        try:
            run.prepare(resume=False)
            step = _stepping(run)
            step()
        except Exception as error:  # a compiler that is missing, an operation without a deterministic form
            rows[-1]["error"] = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            continue
        works[len(rows) - 1] = step
    times = _times(device, works, seconds=SECONDS)
    for row in times:
        rows[row] |= {"seconds": times[row].min().item(), "ratio": _ratio(times, row, times.columns[0])}
    return rows


def _stepping(run: Run) -> Callable:
    def step() -> None:
        with cuda_modes(run.config.deterministic):
            run.take_step()

    return step


def encoding(neighbours: int, sigma: float, colours: int = 65536) -> dict:
    """Seconds to soft-encode as many colours as the student's batch has labels, on the processor: by our table, and by
    two ways to take the nearest of all 313 with `topk`: a matrix of differences, and `torch.cdist`."""
    ab = 50 * torch.randn(colours, 2, generator=torch.Generator().manual_seed(0)).clamp(-2, 2)
    centers = ab_gamut_centers()

    def nearest_of_all(squared: Tensor) -> None:
        found = squared.topk(neighbours, largest=False).values
        torch.softmax(found / (-2 * sigma**2), 1)

    works = {
        "table": lambda: soft_encode(ab, neighbours, sigma),
        "matrix": lambda: nearest_of_all((ab[:, None] - centers).square().sum(-1)),
        "cdist": lambda: nearest_of_all(torch.cdist(ab, centers).square()),
    }
    return {"colours": colours, "neighbours": neighbours} | _times(torch.device("cpu"), works).min().to_dict()


def preparing(store: Store, side: int) -> dict:
    """Seconds in which `prepare` makes a store, of `store.side`, of JPEG files of `side`, and in which as many
    processes only decode them; `share` is the part of its time that decoding alone takes."""
    chunk = chunk_size(store.side)
    encoded = [_jpeg(image, side) for image in store.read(store.rows("train", 32 * chunk))]
    with tempfile.TemporaryDirectory() as folder:
        source, stores = Path(folder) / "images.parquet", (Path(folder) / str(n) for n in itertools.count())
        pd.DataFrame({"image": encoded}).to_parquet(source)
        works = {
            "decode": lambda: _decode_all([encoded[i : i + chunk] for i in range(0, len(encoded), chunk)]),
            "prepare": lambda: prepare(source, next(stores), store.side, progress=False),
        }
        times = _times(torch.device("cpu"), works)
    return {"side": side, "pictures": len(encoded), "share": _ratio(times, "decode", "prepare")} | times.min().to_dict()


def _jpeg(image: np.ndarray, side: int) -> bytes:
    enlarged = Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS)
    enlarged.save(file := io.BytesIO(), "JPEG", quality=90)
    return file.getvalue()


def _decode_all(chunks: list[list[bytes]]) -> None:
    with decoding_pool() as pool:
        list(pool.map(_decode, chunks))


def _decode(encoded: list[bytes]) -> None:
    for jpeg in encoded:
        Image.open(io.BytesIO(jpeg)).load()


def measuring(config: Config, store: Store, n: int = 50) -> dict:
    """Seconds an image that judging a classifier takes: its network alone, asked once, which includes the truth and the
    scores of its distributions, and asked six times."""
    run = Run(config, "ce", 0, store)
    run.prepare(resume=False)
    network, prior = Colorizer(run.network, run.objective, run.passport), load_prior(judge.PRIOR).float()
    images = judge.StoredImages(store, store.rows("train", n))
    asked = [Readout(t, tilt) for tilt in (1.0, 0.5) for t in (1.0, 0.38, 0.14)]
    rgb = to_unit(torch.from_numpy(images[:n]).to(run.device))
    works = {
        "network": lambda: network.output(rgb),
        "one": lambda: judge.measure_systems(network, images, prior, asked[:1]),
        "six": lambda: judge.measure_systems(network, images, prior, asked),
    }
    with torch.no_grad():
        times = _times(run.device, works)
    return {"side": store.side, "pictures": len(images)} | (times.min() / len(images)).to_dict()


def whole_epoch(config: Config, store: Store, arm: str) -> dict:
    """Train one epoch as `colorize train` would: with validation, history and the files at the end.

    Returns its seconds, those of the setup before its first step, the pictures and, where the machine tells, joules.
    """
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        run = Run(dataclasses.replace(config, steps=0, epochs=1), arm, 0, store, Path(folder))
        run.prepare()
        synchronize(run.device)
        ready = time.perf_counter()
        with _Energy(run.device) as energy:
            complete(run, log=None)
        times = {"setup": ready - begun, "seconds": time.perf_counter() - ready}
    return times | {"pictures": run.steps * config.batch} | ({"joules": energy.joules} if energy.joules else {})


class _Energy:
    """Energy used within it, in `joules`: the card's by its power twice a second, the processor's by Linux's counter;
    0 where neither is to be had."""

    COUNTER = Path("/sys/class/powercap/intel-rapl:0/energy_uj")

    def __init__(self, device: torch.device):
        self.card = device.type == "cuda" and shutil.which("nvidia-smi")
        self.joules, self.ended = 0.0, threading.Event()

    def __enter__(self):
        self.begun = self._counted()
        if self.card:
            self.thread = threading.Thread(target=self._watch, daemon=True)
            self.thread.start()
        return self

    def _watch(self) -> None:
        last = time.perf_counter()
        while not self.ended.wait(0.5):
            watts = self._watts()
            self.joules, last = self.joules + watts * (time.perf_counter() - last), time.perf_counter()

    @staticmethod
    def _watts() -> float:
        card = f"GPU-{torch.cuda.get_device_properties('cuda').uuid}"
        ask = ["nvidia-smi", "--query-gpu=power.draw", "--format=csv,noheader,nounits", "-i", card]
        told = subprocess.run(ask, capture_output=True, text=True, check=False).stdout.strip()
        return float(told) if told.replace(".", "", 1).isdigit() else 0.0

    def _counted(self) -> float:
        try:
            return int(self.COUNTER.read_text()) / 1e6
        except (OSError, ValueError):
            return 0.0

    def __exit__(self, *_) -> None:
        self.ended.set()
        if self.card:
            self.thread.join()
        else:
            self.joules = max(0.0, self._counted() - self.begun)


# --------------------------------------------------------------------------------------------------------- as tables


def tables(found: dict) -> dict[str, pd.DataFrame]:
    """What `measure` found as tables of text, by title; none has more than five columns."""
    batch, arms = found["setup"]["batch"], found["arms"]
    made = {"Steps": pd.DataFrame([_step_row(arm, row) for arm, row in arms.items()])}
    paces = [{"arm": arm, **_pace(found, arm, batch, row["full"])} for arm, row in arms.items()]
    made["Pace of the whole steps"] = pd.DataFrame(paces)
    for kind, some in _by_kind(found["stages"]).items():
        title = f"Parts of a step of {kind}, and pictures a second of each"
        made[title] = pd.DataFrame(_part_row(batch, part, some) for part in next(iter(some.values())))
    made["One setting changed at a time"] = pd.DataFrame([_switch_row(row) for row in found["switches"]])
    ways = {way: s for way, s in found["encoding"].items() if isinstance(s, float)}
    made[f"Soft encoding of {found['encoding']['colours']:,} colours"] = pd.DataFrame(
        {"way": way, "ms": f"{1e3 * s:.1f}", "times as long": f"{s / ways['table']:.1f}"} for way, s in ways.items()
    )
    made["Preparing a store"] = pd.DataFrame([_prepared_row(row) for row in found["preparing"]])
    if row := found.get("measuring"):  # older files have none
        made["Measuring a classifier"] = pd.DataFrame([_measured_row(row)])
    if epochs := found["epoch"]:
        made["A whole epoch"] = pd.DataFrame([_epoch_row(found, arm, row) for arm, row in epochs.items()])
        setups = [{"arm": arm, "setup": f"{row['setup']:.1f} s"} for arm, row in epochs.items()]
        made["Setup, once a run"] = pd.DataFrame(setups)
    return made


def _by_kind(stages: dict) -> dict[str, dict]:
    """The arms of the kinds that are there; those of a kind have the same parts."""
    kinds = {"a regression": {}, "a classifier": {}}
    for arm, row in stages.items():
        kinds["a classifier" if arm in CLASSIFIERS else "a regression"][arm] = row
    return {kind: some for kind, some in kinds.items() if some}


def _part_row(batch: int, part: str, arms: dict) -> dict:
    return {"part": part} | {arm: f"{1e3 * row[part]:.2f} ms, {batch / row[part]:,.0f}/s" for arm, row in arms.items()}


def _pace(found: dict, arm: str, pictures: float, seconds: float) -> dict:
    """Pictures a second, and their operations as a share of the matrix rate (fp64 is compared with fp32)."""
    best = found["matrix_rate"].get(found["setup"]["precision"], found["matrix_rate"]["fp32"])
    share = found["arms"][arm]["flop_per_picture"] * pictures / seconds / best
    return {"pictures/s": f"{pictures / seconds:,.0f}", "of the matrix rate": f"{share:.0%}"}


def _measured_row(row: dict) -> dict:
    times = {"network alone": row["network"], "one read-out": row["one"]}
    times |= {"each further one": (row["six"] - row["one"]) / 5}
    return {"side": f"{row['side']} px", **{name: f"{1e3 * s:.1f} ms an image" for name, s in times.items()}}


def _step_row(arm: str, row: dict) -> dict:
    times = {"bare": f"{1e3 * row['bare']:.1f} ms", "whole": f"{1e3 * row['full']:.1f} ms"}
    return {"arm": arm, **times, "above bare": f"{row['overhead']:+.1%}"}


def _epoch_row(found: dict, arm: str, row: dict) -> dict:
    joules = f"{row['joules']:,.0f}" if "joules" in row else "not told"
    pace = _pace(found, arm, row["pictures"], row["seconds"])
    return {"arm": arm, "epoch": f"{row['seconds']:.1f} s", **pace, "joules": joules}


def _switch_row(row: dict) -> dict:
    name = f"{row['setting']}={row['value']}" if row["value"] else row["setting"]
    if "seconds" not in row:
        return {"setting": name, "step": "not possible", "against as configured": row["error"]}
    ratio = f"{row['ratio']:.2f} times as long"
    return {"setting": name, "step": f"{1e3 * row['seconds']:.1f} ms", "against as configured": ratio}


def _prepared_row(row: dict) -> dict:
    paces = {
        f"{what}/s": f"{row['pictures'] / row[key]:,.0f}"
        for what, key in (("prepared", "prepare"), ("decoded", "decode"))
    }
    return {"files of": f"{row['side']} px", **paces, "share of decoding": f"{row['share']:.0%}"}


def as_text(found: dict) -> str:
    """What `measure` found, to read in a terminal."""
    facts = [f"{key}: {value}" for part in ("machine", "setup") for key, value in found[part].items()]
    facts += [f"matrix products in {kind}: {rate / 1e12:.2f} TFLOP/s" for kind, rate in found["matrix_rate"].items()]
    facts.append(f"peak memory: {found['peak_memory_mb']:,} MiB")
    return "\n\n".join(
        ["\n".join(facts), *(f"{title}\n{table.to_string(index=False)}" for title, table in tables(found).items())]
    )


PLANS = (
    ("MiniPlaces, the student's 30 epochs", 86_311, 64, 30),
    *((f"Places365, the original's views at {side} px", 1_803_460, side, 18e6 / 1_803_460) for side in (64, 128, 256)),
    *((f"ImageNet, the original's views at {side} px", 1_281_167, side, 18e6 / 1_281_167) for side in (64, 128, 256)),
)
"""(what, training pictures, side in pixels, epochs): the original saw 450,000 batches of 40."""


def costs(found: dict, arm: str, price: float) -> pd.DataFrame:
    """What each of `PLANS` costs on this machine with the full network: hours and dollars of one run.

    price: dollars an hour. Derived from the operations of a plan and the rate of operations that training `arm`
    reached, and called measured where network and side are those of the measurement, so that only the number of
    pictures is another.
    """
    setup, rows = found["setup"], []
    reached = found["arms"][arm]["flop_per_picture"] * setup["batch"] / found["arms"][arm]["full"]
    for what, pictures, side, epochs in PLANS:
        hours = training_flop(1.0, side, HEADS[arm]) * pictures * epochs / reached / 3600
        how = "measured" if (setup["width"], setup["side"]) == (1.0, side) else "derived"
        numbers = {"epochs": f"{epochs:.1f}", "hours": f"{hours:,.1f}", "dollars": f"{hours * price:,.0f}"}
        rows.append({"what": what, **numbers, "rate": how})
    return pd.DataFrame(rows)
