"""From finished runs to everything that is measured of them, with intervals, as plain values.

A **system** is an arm with its read-out, for example `l2`, `ce@1` or `ce_rebal@0.38` (the number is the temperature),
or a baseline: `grey`, `mean`, `random`, `ceiling`. `measure_all` measures every system of the finished runs on test
photographs, and `summarise` makes of it what `results` records.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ..colorizer import WEIGHTS, Colorizer, load_colorizer, load_run
from ..config import Config, from_identity
from ..data.prior import data_prior
from ..data.store import Store
from ..quantize import ab_gamut_centers
from ..readout import PATTERN, Readout
from ..training.batches import batch_order
from ..training.loop import RUNS, Run
from . import baselines, metrics
from .intervals import Estimator, Interval, Tables

BASELINES = ("grey", "mean", "random", "ceiling")
"""No colour, the training images' mean colour, the ab map of a random training image, and perfect soft labels."""
SWEEP = (0.77, 0.58, 0.29, 0.14, 0.01)
"""Temperatures of the paper's sweep besides 1 and 0.38, the last standing for 0; measured for the first seed."""
PAIRS = (
    ("ce@1", "l2"), ("ce@0.38", "ce@1"), ("ce_rebal@1", "ce@1"), ("ce_rebal@0.38", "ce@0.38"),
    ("ce_rebal@0.38", "ce_rebal@1"), ("ce_rebal@0.38", "l2"), ("student_mse", "l2"), ("ce@1", "student_mse"),
    ("ce@0.38", "l2"), ("ce@0.38", "student_mse"), ("l2", "grey"), ("ce@1", "grey"), ("student_mse", "grey"),
    ("ce_rebal@0.38", "grey"),
)  # fmt: skip
"""Systems whose differences are recorded for every metric, paired by image and seed."""
LOST_HUES = tuple(f"confusion_{true}_{seen}" for true in ("red", "yellow") for seen in ("blue", "gray"))
"""Where the student paper says that reds and yellows go; recorded besides the metrics of `METRICS`."""
RECORDED = (*metrics.METRICS, *LOST_HUES)
SUBSETS: dict[str, tuple[str, Callable]] = {
    "all": ("all images", lambda t: t.n > 0),
    "dark": ("mean L below 25", lambda t: t.mean_L < 25),
    "bright": ("more than a fifth of the pixels with L above 90", lambda t: t.share_white > 0.2),
    "muted": ("mean chroma below 6", lambda t: t.mean_chroma < 6),
    "vivid": ("mean chroma above 20", lambda t: t.mean_chroma > 20),
}
"""Kinds of images, by rules on the truth."""
SUBSET_METRICS = ("auc", "ab_error", "skill", "ciede2000", "chroma_ratio", "colourfulness", "colourfulness_true")


SYSTEM = re.compile(rf"student_mse|l2(_rebal)?|{'|'.join(BASELINES)}|ce(_rebal)?{PATTERN.pattern}")
"""What the name of a system looks like."""


def system_name(arm: str, readout: Readout | float | None = None) -> str:
    """Name of an arm with its read-out (a number is the temperature of a mean): `l2`, `ce@0.38`, `ce@1~0.5:median`."""
    if readout is None:
        return arm
    return f"{arm}{readout if isinstance(readout, Readout) else Readout(readout)}"


def system_parts(name: str) -> tuple[str, Readout | None]:
    """The arm and the read-out of a system: the inverse of `system_name`."""
    arm, at, rest = name.partition("@")
    return arm, Readout.parse(at + rest) if at else None


def system_title(name: str) -> str:
    """Name of a system for a reader."""
    arm, readout = system_parts(name)
    titles = {
        "student_mse": "MSE on RGB (student)", "l2": "L2 on ab", "l2_rebal": "L2 on ab, rebalanced",
        "ce": "cross entropy", "ce_rebal": "rebalanced",
        "grey": "grey baseline", "mean": "mean colour", "random": "another photo's colours",
        "ceiling": "encoding ceiling", "truth": "truth", "input": "input",
    }  # fmt: skip
    if readout is None:
        return titles[arm]
    kind = f", {readout.kind}" if readout.kind != "mean" else ""
    tilt = f", tilted by {readout.lambda_:g}" if readout.lambda_ < 1 else ""
    return f"{titles[arm]}, T = {readout.temperature:g}{tilt}{kind}"


def _progress(what: str, log) -> Callable[[int, int], None] | None:
    return (lambda done, n: log(f"{what}: {done}/{n} images")) if log else None


@dataclass(frozen=True)
class StoredImages:
    """The images `rows` of a store, uint8 [n, side, side, 3], read from its file slice by slice."""

    store: Store
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice) -> np.ndarray:
        return self.store.read(self.rows[part])


def measure_systems(
    colorizer: Colorizer, images: metrics.Images, prior: torch.Tensor, readouts: Iterable[Readout], log=None
) -> dict[str, metrics.Measured]:
    """Measure a classifier with each read-out; a regression has only one answer.

    What judges distributions uses the soft encoding (neighbours and sigma) that the network was trained with.
    """
    config, out = from_identity(colorizer.passport["config"]), {}
    for readout in readouts if colorizer.is_classifier else (None,):
        name = system_name(colorizer.arm, readout)
        out[name] = metrics.measure(
            lambda batch, readout=readout: colorizer.predict(batch, readout), images, prior,
            neighbours=config.neighbours, sigma=config.sigma, progress=_progress(name, log),
        )  # fmt: skip
    return out


def measure_baselines(
    images: metrics.Images, prior: torch.Tensor, config: Config, donors: metrics.Images | None = None
) -> dict[str, metrics.Measured]:
    """Measure `BASELINES`; `random` only with donors, training images uint8 of the shape of images."""

    def ceiling(batch):
        return baselines.ceiling_prediction(batch, config.neighbours, config.sigma, config.temperature)

    mean = prior @ ab_gamut_centers()
    predictors = {"grey": baselines.grey_prediction, "mean": baselines.constant_prediction(mean), "ceiling": ceiling}
    if donors is not None:
        predictors["random"] = baselines.borrowed_prediction(donors)
    return {name: metrics.measure(predictors[name], images, prior) for name in BASELINES if name in predictors}


def _donors(config: Config, store: Store, n: int) -> StoredImages:
    """The first n of the shuffled training images, again from the start where there are fewer."""
    rows = store.rows("train", config.train_photos)
    return StoredImages(store, np.resize(rows[batch_order(len(rows), 0, 0)], n))


def evaluate(
    colorizer: Colorizer, store: Store, split: str = "test", limit: int = 0,
    readouts: Iterable[Readout] = (), log=None
) -> dict:  # fmt: skip
    """Every metric of one network on the images of a store, with intervals over images, as plain JSON values.

    The class-balanced AuC needs a prior. It is that of the shipped `ce` for every network and every store, so that any
    two files can be compared. readouts: what to ask of a classifier; by default its mean and its annealed mean.
    """
    rows = store.rows(split, limit)
    config = from_identity(colorizer.passport["config"])
    images, prior = StoredImages(store, rows), load_colorizer("ce", "cpu").objective.prior
    measured = measure_systems(colorizer, images, prior, readouts or (Readout(1.0), Readout(config.temperature)), log)
    measured |= measure_baselines(images, prior, config)
    found = Estimator({name: {None: m.table} for name, m in measured.items()})
    return {
        "pictures": len(rows),
        "split": split,
        "data": store.fingerprint(rows),
        "prior": "ce",
        "passport": colorizer.passport,
        "systems": {name: _metrics(found, name) for name in measured},
    }


def _metrics(found: Estimator, system: str, names: tuple[str, ...] = RECORDED) -> dict[str, list]:
    return {name: _plain(found.interval(system, name)) for name in found.available(system, names)}


def _plain(interval: Interval) -> list:
    """[value, low, high, standard error, degrees of freedom], six digits each, None where there is nothing."""
    numbers = (interval.value, interval.low, interval.high, interval.se, interval.df)
    return [float(f"{x:.6g}") if math.isfinite(x) else None for x in numbers]


def finished_runs(config: Config, store: Store, runs: Path = RUNS) -> dict[tuple[str, int], Path]:
    """Folders of the finished runs of a configuration, {(arm, seed): folder}."""
    found = {}
    for arm in config.arms:
        for seed in config.seeds:
            folder = Run(config, arm, seed, store, runs).folder
            if (folder / WEIGHTS).exists():
                found[arm, seed] = folder
    return found


def _measured_run(folder: Path, store: Store, rows: np.ndarray, prior, readouts, log) -> dict:
    """Measure a run, or read what an earlier call measured: the tables are kept in the run's folder."""
    key, out, missing = f"v{metrics.VERSION}-{store.fingerprint(rows)}", {}, []
    colorizer = load_run(folder)
    for readout in readouts if colorizer.is_classifier else (None,):
        name = system_name(colorizer.arm, readout)
        path = folder / f"measured-{key}-{name}.npz"
        if path.exists():
            out[name] = _read_measured(path)
        else:
            missing.append(readout)
    if missing:
        fresh = measure_systems(colorizer, StoredImages(store, rows), prior, missing, log)
        for name, m in fresh.items():
            _write_measured(folder / f"measured-{key}-{name}.npz", m)
        out |= fresh
    return out


def _measured_baselines(test: Store, rows: np.ndarray, prior, config: Config, store: Store, runs: Path) -> dict:
    """Measure the baselines, or read what an earlier call measured beside the runs."""
    trained_on = store.fingerprint(store.rows("train", config.train_photos))
    encoding = (config.neighbours, config.sigma, config.temperature)
    settings = (metrics.VERSION, test.fingerprint(rows), trained_on, *encoding)
    key = hashlib.sha256(repr(settings).encode()).hexdigest()[:16]
    paths = {name: Path(runs) / f"baseline-{name}-{key}.npz" for name in BASELINES}
    if not all(path.exists() for path in paths.values()):
        donors = _donors(config, store, len(rows))
        for name, m in measure_baselines(StoredImages(test, rows), prior, config, donors).items():
            _write_measured(paths[name], m)
    return {name: _read_measured(path) for name, path in paths.items()}


def _write_measured(path: Path, m: metrics.Measured) -> None:
    arrays = {f"column_{c}": m.table[c].to_numpy() for c in m.table.columns}
    unfinished = path.with_suffix(f".{os.getpid()}.tmp")  # two notebooks may measure the same run at the same time
    with open(unfinished, "wb") as file:
        np.savez_compressed(file, hist_pred=m.hist_pred, hist_true=m.hist_true, **arrays)
    unfinished.rename(path)


def _read_measured(path: Path) -> metrics.Measured:
    with np.load(path) as file:
        table = pd.DataFrame({k.removeprefix("column_"): file[k] for k in file.files if k.startswith("column_")})
        return metrics.Measured(table, file["hist_pred"], file["hist_true"])


@dataclass(frozen=True)
class Tested:
    """Test images with what was measured on them, {system: {seed or None: Measured}}."""

    images: int
    fingerprint: str
    systems: dict

    def about(self, seeds: list[int]) -> tuple[dict, dict]:
        """The systems of some seeds, and which images they were measured on."""
        kept = {n: {s: m for s, m in by.items() if s is None or s in seeds} for n, by in self.systems.items()}
        return {n: by for n, by in kept.items() if by}, {"pictures": self.images, "test_data": self.fingerprint}


def measure_all(
    config: Config, store: Store, runs: Path = RUNS, limit: int = 0, log=None, elsewhere: Store | None = None
) -> tuple[dict[tuple[str, int], Path], Tested, Tested | None]:
    """Measure the finished runs of a configuration on the test images of its store, and of a store from elsewhere.

    limit: only the first so many images. Returns the folders of the runs {(arm, seed): folder}, and what was measured
    here and elsewhere. What an earlier call measured is read. Raises ValueError if no run is finished.
    """
    found = finished_runs(config, store, runs)
    if not found:
        raise ValueError(f"no finished run of profile {config.profile!r} on this data; train first (`colorize train`)")
    prior = _prior(found, config, store)

    def measured(test: Store, sweep: tuple) -> Tested:
        rows = test.rows("test", limit)
        systems = {n: {None: m} for n, m in _measured_baselines(test, rows, prior, config, store, runs).items()}
        for (_, seed), folder in found.items():
            temperatures = (1.0, config.temperature, *(sweep if seed == config.seeds[0] else ()))
            readouts = [Readout(t) for t in temperatures]
            for name, m in _measured_run(folder, test, rows, prior, readouts, log).items():
                systems.setdefault(name, {})[seed] = m
        return Tested(len(rows), test.fingerprint(rows), systems)

    return found, measured(store, SWEEP), None if elsewhere is None else measured(elsewhere, ())


BY_IMAGE = ("ab_error", "chroma", "ciede2000", "psnr", "ssim", "colourfulness")
"""Metrics that are kept for every single test image, so that a later analysis needs no new run."""


def values_by_image(systems: dict) -> pd.DataFrame:
    """`BY_IMAGE` of every image, a row for each system, seed and image; the truth counts as a system."""
    parts = []
    for name, by_seed in systems.items():
        for seed, m in by_seed.items() if name.partition("@")[2] in ("", "1", "0.38") else ():
            parts.append(_image_values(m.table, BY_IMAGE).assign(system=name, seed=-1 if seed is None else seed))
    truth = {"chroma_true": "chroma", "colourfulness_true": "colourfulness"}
    values = _image_values(systems["grey"][None].table, tuple(truth)).rename(columns=truth)
    parts.append(values.assign(system="truth", seed=-1))
    return pd.concat(parts).rename_axis("picture").reset_index()


def _image_values(table: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
    wanted = {name: metrics.metric(name) for name in names}
    return pd.DataFrame({n: m(table[m.numerator], table[m.denominator]).astype("float32") for n, m in wanted.items()})


def _finite(value):
    """The same with None in place of NaN and infinity, which JSON does not know."""
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _prior(found: dict, config: Config, store: Store) -> torch.Tensor:
    """The prior of the training data: kept by the classifiers, else computed as training does."""
    for (arm, _), folder in found.items():
        if arm.startswith("ce"):
            return load_run(folder, "cpu").objective.prior
    return data_prior(store, store.rows("train", config.train_photos), config, torch.device("cpu"))


def summarise(systems: dict[str, dict]) -> dict:
    """All derived numbers from the measured systems {name: {seed: Measured}}, as JSON knows them (NaN becomes None)."""
    tables = {name: {seed: m.table for seed, m in by_seed.items()} for name, by_seed in systems.items()}
    found = Estimator(tables)
    pairs = [(a, b) for a, b in PAIRS if a in tables and b in tables and found.shared(a, b)]
    pooled = {name: pd.concat(by_seed.values(), ignore_index=True) for name, by_seed in tables.items()}
    return _finite({
        "systems": {n: {"seeds": [s for s in by_seed if s is not None], "metrics": _metrics(found, n)}
                    for n, by_seed in tables.items()},
        "differences": {f"{a} - {b}": _differences(found, a, b) for a, b in pairs},
        "strata": {subset: _subset(tables, rule) for subset, (_, rule) in SUBSETS.items()},
        "confusion": {name: metrics.confusion(t).round(5).to_dict("index") for name, t in pooled.items()},
        "calibration": {n: metrics.calibration(t).round(5).to_dict("list") for n, t in pooled.items() if "nll" in t},
        "contrasts": {name: _contrasts(found, name) for name in tables},
        "by_seed": {name: [_values(seed, t) for seed, t in by_seed.items()] for name, by_seed in tables.items()},
        "histograms": _histograms(systems),
    })  # fmt: skip


def _values(seed: int | None, table: pd.DataFrame) -> dict:
    return {"seed": seed} | {n: float(f"{metrics.value(table, n):.6g}") for n in metrics.available(table)}


def _differences(found: Estimator, a: str, b: str) -> dict[str, list]:
    names = found.available(b, found.available(a, RECORDED))
    return {name: _plain(found.difference(a, b, name)) for name in names}


def _contrasts(found: Estimator, system: str) -> dict[str, list]:
    """Differences within one system: the chroma ratio of blue less that of every other hue (hypothesis H8)."""
    blue, others = "chroma_ratio_blue", [f"chroma_ratio_{sector}" for sector in metrics.SECTORS if sector != "blue"]
    return {f"{blue} - {other}": _plain(found.difference(system, system, blue, other)) for other in others}


def _subset(tables: Tables, rule: Callable) -> dict[str, dict]:
    """`SUBSET_METRICS` of every system on the images of a subset."""
    chosen = {name: {seed: t[rule(t)] for seed, t in by_seed.items()} for name, by_seed in tables.items()}
    images = len(next(iter(next(iter(chosen.values())).values())))
    if not images:
        return {name: {"pictures": 0} for name in tables}
    found = Estimator(chosen)
    return {name: {"pictures": images} | _metrics(found, name, SUBSET_METRICS) for name in tables}


def _histograms(systems: dict) -> dict:
    """Shares of the 313 colours for truth and systems, and each system's divergence from the truth."""
    truth = systems["grey"][None].hist_true
    out = {"truth": [round(float(x), 7) for x in truth / truth.sum()], "divergence": {}}
    for name, by_seed in systems.items():
        counts = sum(m.hist_pred for m in by_seed.values())
        out[name] = [round(float(x), 7) for x in counts / counts.sum()]
        out["divergence"][name] = round(metrics.histogram_distance(counts, truth), 6)
    return out
