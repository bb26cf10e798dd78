"""From finished runs to everything that is measured of them, with intervals, as plain values.

A **system** is an arm with its decoder, for example `l2`, `ce@1` or `ce_rebal@0.38` (the number is the temperature),
or a yardstick: `grey`, `mean`, `random`, `ceiling`. `measure_all` measures every system of the finished runs on test
photographs, and `summarise` makes of it what `results` records.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ..colorizer import WEIGHTS, Colorizer, load_colorizer, load_run
from ..config import Config, from_identity
from ..data.prior import data_prior
from ..data.store import Store
from ..objectives import CrossEntropy
from ..quantize import ab_gamut_centers
from ..training.batches import batch_order
from ..training.loop import RUNS, Run
from . import baselines, intervals, metrics
from .intervals import Interval

BASELINES = ("grey", "mean", "random", "ceiling")
"""No colour, the training pictures' mean colour, the ab map of a random training picture, and perfect soft labels."""
SWEEP = (0.77, 0.58, 0.29, 0.14, 0.01)
"""Temperatures of the paper's sweep besides 1 and 0.38, the last standing for 0; measured for the first seed."""
PAIRS = (
    ("ce@1", "l2"), ("ce@0.38", "ce@1"), ("ce_rebal@1", "ce@1"), ("ce_rebal@0.38", "ce@0.38"),
    ("ce_rebal@0.38", "ce_rebal@1"), ("ce_rebal@0.38", "l2"), ("student_mse", "l2"), ("ce@1", "student_mse"),
    ("ce@0.38", "l2"), ("ce@0.38", "student_mse"), ("l2", "grey"), ("ce@1", "grey"), ("student_mse", "grey"),
    ("ce_rebal@0.38", "grey"),
)  # fmt: skip
"""Systems whose differences are recorded for every metric, paired by picture and seed."""
LOST_HUES = tuple(f"confusion_{true}_{seen}" for true in ("red", "yellow") for seen in ("blue", "gray"))
"""Where the student paper says that reds and yellows go; recorded besides the metrics of `METRICS`."""
SUBSETS: dict[str, tuple[str, Callable]] = {
    "all": ("all pictures", lambda t: t.n > 0),
    "dark": ("mean L below 25", lambda t: t.mean_L < 25),
    "bright": ("more than a fifth of the pixels with L above 90", lambda t: t.share_white > 0.2),
    "muted": ("mean chroma below 6", lambda t: t.mean_chroma < 6),
    "vivid": ("mean chroma above 20", lambda t: t.mean_chroma > 20),
}
"""Kinds of pictures, by rules on the truth."""
SUBSET_METRICS = ("auc", "ab_error", "skill", "ciede2000", "chroma_ratio", "colourfulness", "colourfulness_true")


def system_name(arm: str, temperature: float | None = None) -> str:
    """Name of an arm with its decoder: `l2`, `ce@0.38`."""
    return arm if temperature is None else f"{arm}@{temperature:g}"


def system_title(name: str) -> str:
    """Name of a system for a reader."""
    arm, _, temperature = name.partition("@")
    titles = {
        "student_mse": "MSE on RGB (student)", "l2": "L2 on ab", "l2_rebal": "L2 on ab, rebalanced",
        "ce": "cross entropy", "ce_rebal": "rebalanced",
        "grey": "grey baseline", "mean": "mean colour", "random": "another photo's colours",
        "ceiling": "encoding ceiling", "truth": "truth", "input": "input",
    }  # fmt: skip
    return titles[arm] + (f", T = {temperature}" if temperature else "")


def _say_progress(what: str, say) -> Callable[[int, int], None] | None:
    return (lambda done, n: say(f"{what}: {done}/{n} pictures")) if say else None


def measure_systems(
    colorizer: Colorizer, pixels: np.ndarray, prior: torch.Tensor, temperatures=(1.0, 0.38), say=None
) -> dict[str, metrics.Measured]:
    """Measure a network with each decoder; a regression arm has only one."""
    objective = colorizer.objective
    if not isinstance(objective, CrossEntropy):
        temperatures = (None,)
    out = {}
    for t in temperatures:
        name = system_name(colorizer.arm, t)
        predict = lambda batch, t=t: colorizer.predict(batch, t)  # noqa: E731
        out[name] = metrics.measure(predict, pixels, prior, progress=_say_progress(name, say))
    return out


def measure_yardsticks(
    pixels: np.ndarray, prior: torch.Tensor, config: Config, donors: np.ndarray | None = None
) -> dict[str, metrics.Measured]:
    """Measure `BASELINES`; `random` only with donors, training pictures uint8 of the shape of pixels."""

    def ceiling(batch):
        return baselines.ceiling_prediction(batch, config.neighbours, config.sigma, config.temperature)

    mean = prior @ ab_gamut_centers()
    predictors = {"grey": baselines.grey_prediction, "mean": baselines.constant_prediction(mean), "ceiling": ceiling}
    if donors is not None:
        predictors["random"] = baselines.borrowed_prediction(donors)
    return {name: metrics.measure(predictors[name], pixels, prior) for name in BASELINES if name in predictors}


def _donors(config: Config, store: Store, n: int) -> np.ndarray:
    """The first n of the shuffled training pictures, again from the start where there are fewer."""
    rows = store.rows("train", config.train_photos)
    return store.pixels[np.resize(rows[batch_order(len(rows), 0, 0)], n)]


def evaluate(
    colorizer: Colorizer, store: Store, split: str = "test", limit: int = 0, temperatures=None, say=None
) -> dict:
    """Every metric of one network on the pictures of a store, with intervals over pictures, as plain JSON values."""
    rows = store.rows(split, limit)
    config = from_identity(colorizer.passport["config"])
    temperatures = temperatures or (1.0, config.temperature)
    prior = getattr(colorizer.objective, "prior", None)
    prior = load_colorizer("ce", "cpu").objective.prior if prior is None else prior
    pixels = store.pixels[rows]
    measured = measure_systems(colorizer, pixels, prior, temperatures, say) | measure_yardsticks(pixels, prior, config)
    return {
        "pictures": len(rows),
        "split": split,
        "data": store.fingerprint(rows),
        "passport": colorizer.passport,
        "systems": {name: _summary([m.table]) for name, m in measured.items()},
    }


def _summary(tables: list[pd.DataFrame]) -> dict[str, list]:
    """Every metric with its interval: {name: [value, low, high]}."""
    names = [*metrics.available(tables[0]), *LOST_HUES]
    return {name: _triple(interval) for name, interval in intervals.bootstrap_metrics(tables, names).items()}


def _triple(interval: Interval) -> list:
    return [float(f"{x:.6g}") if math.isfinite(x) else None for x in (interval.value, interval.low, interval.high)]


def finished_runs(config: Config, store: Store, runs: Path = RUNS) -> dict[tuple[str, int], Path]:
    """Folders of the finished runs of a configuration, {(arm, seed): folder}."""
    found = {}
    for arm in config.arms:
        for seed in config.seeds:
            folder = Run(config, arm, seed, store, runs).folder
            if (folder / WEIGHTS).exists():
                found[arm, seed] = folder
    return found


def _measured_run(folder: Path, store: Store, rows: np.ndarray, prior, temperatures, say) -> dict:
    """Measure a run, or read what an earlier call measured: the tables are kept in the run's folder."""
    key, out, missing = store.fingerprint(rows), {}, []
    colorizer = load_run(folder)
    classifier = isinstance(colorizer.objective, CrossEntropy)
    for t in temperatures if classifier else (None,):
        path = folder / f"measured-{key}-{system_name(colorizer.arm, t)}.npz"
        if path.exists():
            out[system_name(colorizer.arm, t)] = _read_measured(path)
        else:
            missing.append(t)
    if missing:
        fresh = measure_systems(colorizer, store.pixels[rows], prior, missing, say)
        for name, m in fresh.items():
            _write_measured(folder / f"measured-{key}-{name}.npz", m)
        out |= fresh
    return out


def _measured_yardsticks(test: Store, rows: np.ndarray, prior, config: Config, store: Store, runs: Path) -> dict:
    """Measure the yardsticks, or read what an earlier call measured beside the runs."""
    trained_on = store.fingerprint(store.rows("train", config.train_photos))
    settings = (test.fingerprint(rows), trained_on, config.neighbours, config.sigma, config.temperature)
    key = hashlib.sha256(repr(settings).encode()).hexdigest()[:16]
    paths = {name: Path(runs) / f"yardstick-{name}-{key}.npz" for name in BASELINES}
    if not all(path.exists() for path in paths.values()):
        donors = _donors(config, store, len(rows))
        for name, m in measure_yardsticks(test.pixels[rows], prior, config, donors).items():
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
    """Test pictures with what was measured on them, {system: {seed or None: Measured}}."""

    pictures: int
    fingerprint: str
    systems: dict

    def about(self, seeds: list[int]) -> tuple[dict, dict]:
        """The systems of some seeds, and which pictures they were measured on."""
        kept = {n: {s: m for s, m in by.items() if s is None or s in seeds} for n, by in self.systems.items()}
        return {n: by for n, by in kept.items() if by}, {"pictures": self.pictures, "test_data": self.fingerprint}


def measure_all(
    config: Config, store: Store, runs: Path = RUNS, limit: int = 0, say=None, elsewhere: Store | None = None
) -> tuple[dict[tuple[str, int], Path], Tested, Tested | None]:
    """Measure the finished runs of a configuration on the test pictures of its store, and of a store from elsewhere.

    limit: only the first so many pictures. Returns the folders of the runs {(arm, seed): folder}, and what was measured
    here and elsewhere. What an earlier call measured is read. Raises ValueError if no run is finished.
    """
    found = finished_runs(config, store, runs)
    if not found:
        raise ValueError(f"no finished run of profile {config.profile!r} on this data; train first (`colorize train`)")
    prior = _prior(found, config, store)

    def measured(test: Store, sweep: tuple) -> Tested:
        rows = test.rows("test", limit)
        systems = {n: {None: m} for n, m in _measured_yardsticks(test, rows, prior, config, store, runs).items()}
        for (_, seed), folder in found.items():
            temperatures = [1.0, config.temperature, *(sweep if seed == config.seeds[0] else ())]
            for name, m in _measured_run(folder, test, rows, prior, temperatures, say).items():
                systems.setdefault(name, {})[seed] = m
        return Tested(len(rows), test.fingerprint(rows), systems)

    return found, measured(store, SWEEP), None if elsewhere is None else measured(elsewhere, ())


BY_PICTURE = ("ab_error", "chroma", "ciede2000", "psnr", "ssim", "colourfulness")
"""Metrics that are kept for every single test picture, so that a later analysis needs no new run."""


def values_by_picture(systems: dict) -> pd.DataFrame:
    """`BY_PICTURE` of every picture, a row for each system, seed and picture; the truth counts as a system."""
    parts = []
    for name, by_seed in systems.items():
        for seed, m in by_seed.items() if name.partition("@")[2] in ("", "1", "0.38") else ():
            parts.append(_picture_values(m.table, BY_PICTURE).assign(system=name, seed=-1 if seed is None else seed))
    truth = {"chroma_true": "chroma", "colourfulness_true": "colourfulness"}
    values = _picture_values(systems["grey"][None].table, tuple(truth)).rename(columns=truth)
    parts.append(values.assign(system="truth", seed=-1))
    return pd.concat(parts).rename_axis("picture").reset_index()


def _picture_values(table: pd.DataFrame, names: tuple[str, ...]) -> pd.DataFrame:
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
    out: dict = {
        "systems": {},
        "differences": {},
        "strata": {},
        "confusion": {},
        "calibration": {},
        "contrasts": {},
        "by_seed": {},
    }
    for name, by_seed in tables.items():
        out["systems"][name] = {
            "seeds": [s for s in by_seed if s is not None],
            "metrics": _summary(list(by_seed.values())),
        }
        pooled = pd.concat(by_seed.values(), ignore_index=True)
        out["confusion"][name] = metrics.confusion(pooled).round(5).to_dict("index")
        if "nll" in pooled:
            out["calibration"][name] = metrics.calibration(pooled).round(5).to_dict("list")
        out["contrasts"][name] = _contrasts(by_seed)
        out["by_seed"][name] = [
            {"seed": s} | {n: float(f"{metrics.value(t, n):.6g}") for n in metrics.available(t)}
            for s, t in by_seed.items()
        ]
    for a, b in PAIRS:
        if a in tables and b in tables:
            out["differences"][f"{a} - {b}"] = _difference(tables[a], tables[b])
    for stratum, (_, rule) in SUBSETS.items():
        out["strata"][stratum] = {name: _stratum(by_seed, rule) for name, by_seed in tables.items()}
    out["histograms"] = _histograms(systems)
    return _finite(out)


def _paired(a: dict, b: dict) -> tuple[list, list]:
    """Tables of the seeds both have; a yardstick has no seed and is paired with every one."""
    seeds = list(b if None in a else a)
    pick = lambda t, s: t[s] if s in t else t.get(None)  # noqa: E731
    pairs = [(pick(a, s), pick(b, s)) for s in seeds]
    pairs = [(x, y) for x, y in pairs if x is not None and y is not None]
    return [x for x, _ in pairs], [y for _, y in pairs]


def _difference(a: dict, b: dict) -> dict[str, list]:
    left, right = _paired(a, b)
    names = [n for n in metrics.available(left[0]) if n in metrics.available(right[0])] + list(LOST_HUES)
    return {n: _triple(i) for n, i in intervals.bootstrap_differences(left, right, names).items()}


def _contrasts(by_seed: dict) -> dict[str, list]:
    """Differences within one system: the chroma ratio of blue less that of every other hue (hypothesis H8)."""
    out, blue = {}, metrics.metric("chroma_ratio_blue")
    for sector in metrics.SECTORS:
        other = metrics.metric(f"chroma_ratio_{sector}")
        names = {other.numerator: blue.numerator, other.denominator: blue.denominator}
        renamed = [t[list(names)].rename(columns=names) for t in by_seed.values()]
        if sector != "blue":
            effect = intervals.bootstrap_difference(list(by_seed.values()), renamed, blue.name)
            out[f"{blue.name} - {other.name}"] = _triple(effect)
    return out


def _stratum(by_seed: dict, rule: Callable) -> dict:
    chosen = [t[rule(t)] for t in by_seed.values()]
    if not len(chosen[0]):
        return {"pictures": 0}
    found = intervals.bootstrap_metrics(chosen, list(SUBSET_METRICS))
    return {"pictures": len(chosen[0])} | {n: _triple(i) for n, i in found.items()}


def _histograms(systems: dict) -> dict:
    """Shares of the 313 colours for truth and systems, and each system's divergence from the truth."""
    truth = systems["grey"][None].hist_true.sum(0)
    out = {"truth": [round(float(x), 7) for x in truth / truth.sum()], "divergence": {}}
    for name, by_seed in systems.items():
        counts = sum(m.hist_pred.sum(0) for m in by_seed.values())
        out[name] = [round(float(x), 7) for x in counts / counts.sum()]
        out["divergence"][name] = round(metrics.histogram_distance(counts, truth), 6)
    return out
