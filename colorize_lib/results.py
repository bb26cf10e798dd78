"""From finished runs to the small result files that the book reads, and from those to verdicts.

`record` measures every run on the test photographs and writes `book/results/<profile>/`; `load` reads such a folder.
A **system** is an arm with its decoder, for example `l2`, `ce@1` or `ce_rebal@0.38` (the number is the temperature),
or a yardstick: `grey`, `mean`, `random`, `ceiling`. Every number carries an interval; every run its passport.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from . import metrics, stats
from .color import rgb_to_lab, to_unit
from .config import ARMS, Config, from_identity
from .data import Store, batch_order, open_data
from .gamut import ab_gamut_centers
from .losses import CrossEntropy
from .stats import Interval
from .train import RUNS, WEIGHTS, Colorizer, Run, data_prior, export_weights, load_colorizer, load_run, train_run

BOOK = Path(__file__).resolve().parent.parent / "book"
YARDSTICKS = ("grey", "mean", "random", "ceiling")
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
STRATA: dict[str, tuple[str, Callable]] = {
    "all": ("all pictures", lambda t: t.n > 0),
    "dark": ("mean L below 25", lambda t: t.mean_L < 25),
    "bright": ("more than a fifth of the pixels with L above 90", lambda t: t.share_white > 0.2),
    "muted": ("mean chroma below 6", lambda t: t.mean_chroma < 6),
    "vivid": ("mean chroma above 20", lambda t: t.mean_chroma > 20),
}
"""Kinds of pictures, by rules on the truth."""
STRATUM_METRICS = ("auc", "ab_error", "skill", "ciede2000", "chroma_ratio", "colourfulness", "colourfulness_true")


def system_name(arm: str, temperature: float | None = None) -> str:
    """Name of an arm with its decoder: `l2`, `ce@0.38`."""
    return arm if temperature is None else f"{arm}@{temperature:g}"


def system_title(name: str) -> str:
    """Name of a system for a reader."""
    arm, _, temperature = name.partition("@")
    titles = {
        "student_mse": "MSE on RGB (student)", "l2": "L2 on ab", "ce": "cross entropy", "ce_rebal": "rebalanced",
        "grey": "grey baseline", "mean": "mean colour", "random": "another photo's colours",
        "ceiling": "encoding ceiling", "truth": "truth", "input": "input",
    }  # fmt: skip
    return titles[arm] + (f", T = {temperature}" if temperature else "")


# ---------------------------------------------------------------------------------------------- measuring


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
    """Measure `YARDSTICKS`; `random` only with donors, training pictures uint8 of the shape of pixels."""

    def ceiling(batch):
        return metrics.ceiling_prediction(batch, config.neighbours, config.sigma, config.temperature)

    mean = prior @ ab_gamut_centers()
    predictors = {"grey": metrics.grey_prediction, "mean": metrics.constant_prediction(mean), "ceiling": ceiling}
    if donors is not None:
        predictors["random"] = metrics.borrowed_prediction(donors)
    return {name: metrics.measure(predictors[name], pixels, prior) for name in YARDSTICKS if name in predictors}


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
    return {name: _triple(interval) for name, interval in stats.bootstrap_metrics(tables, names).items()}


def _triple(interval: Interval) -> list:
    return [float(f"{x:.6g}") if math.isfinite(x) else None for x in (interval.value, interval.low, interval.high)]


# ---------------------------------------------------------------------------------------------- recording


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


def _write_measured(path: Path, m: metrics.Measured) -> None:
    arrays = {f"column_{c}": m.table[c].to_numpy() for c in m.table.columns}
    with open(path.with_suffix(".tmp"), "wb") as file:
        np.savez_compressed(file, hist_pred=m.hist_pred, hist_true=m.hist_true, **arrays)
    path.with_suffix(".tmp").rename(path)


def _read_measured(path: Path) -> metrics.Measured:
    with np.load(path) as file:
        table = pd.DataFrame({k.removeprefix("column_"): file[k] for k in file.files if k.startswith("column_")})
        return metrics.Measured(table, file["hist_pred"], file["hist_true"])


def collect(
    config: Config, store: Store, runs: Path = RUNS, limit: int = 0, say=None, elsewhere: Store | None = None
) -> Results:
    """Measure the finished runs of a configuration on the test pictures and gather everything the book needs.

    limit: only the first so many test pictures. elsewhere: a store whose test pictures come from another source; on
    them values and differences are measured, too. Raises ValueError if no run is finished.
    """
    found, here, there = _measure_all(config, store, runs, limit, say, elsewhere)
    return _gathered(config, found, here, there)


@dataclass(frozen=True)
class _TestSet:
    """Test pictures with what was measured on them, {system: {seed or None: Measured}}."""

    pictures: int
    fingerprint: str
    systems: dict

    def about(self, seeds: list[int]) -> tuple[dict, dict]:
        """The systems of some seeds, and which pictures they were measured on."""
        kept = {n: {s: m for s, m in by.items() if s is None or s in seeds} for n, by in self.systems.items()}
        return {n: by for n, by in kept.items() if by}, {"pictures": self.pictures, "test_data": self.fingerprint}


def _measure_all(config: Config, store: Store, runs: Path, limit: int, say, elsewhere: Store | None):
    """Folders of the finished runs {(arm, seed): folder}, and the test sets here and elsewhere (or None)."""
    found = finished_runs(config, store, runs)
    if not found:
        raise ValueError(f"no finished run of profile {config.profile!r} on this data; train first (`colorize train`)")
    prior = _prior(found, config, store)

    def measured(test: Store, sweep: tuple) -> _TestSet:
        rows = test.rows("test", limit)
        donors = _donors(config, store, len(rows))
        systems = {n: {None: m} for n, m in measure_yardsticks(test.pixels[rows], prior, config, donors).items()}
        for (_, seed), folder in found.items():
            temperatures = [1.0, config.temperature, *(sweep if seed == config.seeds[0] else ())]
            for name, m in _measured_run(folder, test, rows, prior, temperatures, say).items():
                systems.setdefault(name, {})[seed] = m
        return _TestSet(len(rows), test.fingerprint(rows), systems)

    return found, measured(store, SWEEP), None if elsewhere is None else measured(elsewhere, ())


def _gathered(config: Config, found: dict, here: _TestSet, there: _TestSet | None) -> Results:
    """The results of the runs `found` from what was measured of them, and perhaps of others."""
    seeds = [seed for seed in config.seeds if any(seed == s for _, s in found)]
    systems, about = here.about(seeds)
    summary = _summarise(systems) | about | {"profile": config.profile, "seeds": seeds}
    summary["passports"] = {folder.name: load_run(folder, "cpu").passport for folder in found.values()}
    if there is not None:
        far, about = there.about(seeds)
        summary["elsewhere"] = {k: v for k, v in _summarise(far).items() if k in ("systems", "differences")} | about
    return Results(_finite(summary), read_histories(found), _by_picture(systems))


BY_PICTURE = ("ab_error", "chroma", "ciede2000", "psnr", "ssim", "colourfulness")
"""Metrics that are kept for every single test picture, so that a later analysis needs no new run."""


def _by_picture(systems: dict) -> pd.DataFrame:
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


def read_histories(found: dict[tuple[str, int], Path]) -> pd.DataFrame:
    """The curves of runs {(arm, seed): folder}, one row a validation."""
    histories = [pd.read_csv(f / "history.csv").assign(arm=arm, seed=seed) for (arm, seed), f in found.items()]
    return pd.concat(histories, ignore_index=True)


SETTLED = {"val_plain": ("settled_loss", 0.02), "val_chroma_ratio": ("settled_ratio", 0.1)}
"""Curves whose settling `curve_facts` reports: under which name, and within what share of the last value."""


def curve_facts(history: pd.DataFrame) -> pd.DataFrame:
    """How restless curves are and when they come to rest; one row an arm, means over seeds.

    wavers, ratio_wavers: spread of validation score and chroma ratio around a straight line through the middle half of
    the training, as a share of their mean. settled_loss, settled_ratio: first epoch from which on they stay within the
    share of their last value that `SETTLED` names. epochs: length of the training. The spreads are NaN for fewer than 8
    validations.
    """
    rows = []
    for (arm, _), part in history.sort_values("step").groupby(["arm", "seed"]):
        row = {"arm": arm, "epochs": part.epoch.iloc[-1]}
        middle = part.iloc[len(part) // 4 : len(part) - len(part) // 4]
        for column, name in {"val_plain": "wavers", "val_chroma_ratio": "ratio_wavers"}.items():
            row[name] = _spread_around_line(middle.step, middle[column]) if len(part) >= 8 else math.nan
        for column, (name, share) in SETTLED.items():
            last = part[column].iloc[-1]
            outside = (part[column] - last).abs() > share * abs(last)
            row[name] = part.epoch[~outside[::-1].cummax()[::-1]].iloc[0]
        rows.append(row)
    return pd.DataFrame(rows).groupby("arm").mean()


def _spread_around_line(x: pd.Series, y: pd.Series) -> float:
    """Standard deviation of y around its least-squares line, over the mean of y."""
    rest = y - np.polyval(np.polyfit(x, y, 1), x)
    return float(np.sqrt((rest**2).sum() / (len(y) - 2)) / y.mean())


def training_curves(config: Config, runs: Path = RUNS) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Curves, a row a validation, and passports, a row a run: recorded ones where no data is named, else those of the
    finished runs. Nothing is measured, so it is quick.
    """
    if not config.data:
        found = load(config.profile, config.seeds).only(config.arms)
        history, passports = found.history, found.summary["passports"].values()
    else:
        folders = finished_runs(config, open_data(config.data, config.side), runs)
        history, passports = read_histories(folders), [load_run(f, "cpu").passport for f in folders.values()]
    return history, pd.DataFrame([p for p in passports if p["arm"] in config.arms])


@dataclass(frozen=True)
class DataCard:
    """What the networks saw. prior, test: shares of the 313 colours among the training labels (soft-encoded) and the
    test pixels (nearest colour). pictures: their number by use. fingerprints: of the training and the test pictures.
    """

    prior: torch.Tensor
    test: torch.Tensor
    pictures: dict[str, int]
    fingerprints: dict[str, str]


RATES = (0.25, 0.5, 1.0, 2.0)
"""Learning rates tried for every arm, as multiples of the configured one."""


def tune(config: Config, store: Store, runs: Path = RUNS, folder: Path | None = None, say=print) -> pd.DataFrame:
    """Train every arm at every rate of `RATES` (what is missing) and record how each ended on validation pictures.

    All arms get the same number of trials, on the same pictures; test pictures are not looked at. Writes tuning.csv
    into the recorded results: arm, lr, steps, loss (the arm's own, over the training since the validation before),
    val_plain, val_ab_error, val_chroma_ratio.
    """
    rows = []
    for arm in config.arms:
        for factor in RATES:
            trial = replace(config, lr=factor * config.lr)
            last = pd.read_csv(train_run(trial, arm, config.seeds[0], store, runs, say) / "history.csv").iloc[-1]
            rows.append({"arm": arm, "lr": trial.lr, "steps": int(last.step)} | last[list(TUNED)].to_dict())
    table = pd.DataFrame(rows)
    folder = folder or BOOK / "results" / config.profile
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / "tuning.csv", table.to_csv(index=False, float_format="%.6g"))
    return table


TUNED = ("loss", "val_plain", "val_ab_error", "val_chroma_ratio")


def load_tuning(profile: str, folder: Path | None = None) -> pd.DataFrame:
    """What `tune` recorded; a table without rows where nothing was."""
    path = (folder or BOOK / "results" / profile) / "tuning.csv"
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["arm", "lr", "steps", *TUNED])


def data_card(config: Config) -> DataCard:
    """The data behind the recorded results, or that of the configuration where it names some; trains nothing."""
    if not config.data:
        about = load(config.profile, config.seeds).summary
        run = next(iter(about["passports"].values()))
        pictures = {"training": run["photos"], "test": about["pictures"]}
        marks = {"training": run["data"], "test": about["test_data"]}
        prior = load_colorizer("ce", "cpu").objective.prior
        return DataCard(prior, torch.tensor(about["histograms"]["truth"]), pictures, marks)
    store = open_data(config.data, config.side)
    rows = {"training": store.rows("train", config.train_photos), "test": store.rows("test")}
    lab = (rgb_to_lab(to_unit(torch.from_numpy(store.pixels[part]))) for part in np.array_split(rows["test"], 50))
    seen = sum(metrics.histogram_sums(part).sum(0) for part in lab if len(part))
    prior = data_prior(store, rows["training"], config, torch.device("cpu"))
    marks = {use: store.fingerprint(r) for use, r in rows.items()}
    return DataCard(prior, seen / seen.sum(), {use: len(r) for use, r in rows.items()}, marks)


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


def _summarise(systems: dict[str, dict]) -> dict:
    """All derived numbers from the measured systems {name: {seed: Measured}}."""
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
    for stratum, (_, rule) in STRATA.items():
        out["strata"][stratum] = {name: _stratum(by_seed, rule) for name, by_seed in tables.items()}
    out["histograms"] = _histograms(systems)
    return out


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
    return {n: _triple(i) for n, i in stats.bootstrap_differences(left, right, names).items()}


def _contrasts(by_seed: dict) -> dict[str, list]:
    """Differences within one system: the chroma ratio of blue less that of every other hue (hypothesis H8)."""
    out, blue = {}, metrics.metric("chroma_ratio_blue")
    for sector in metrics.SECTORS:
        other = metrics.metric(f"chroma_ratio_{sector}")
        names = {other.numerator: blue.numerator, other.denominator: blue.denominator}
        renamed = [t[list(names)].rename(columns=names) for t in by_seed.values()]
        if sector != "blue":
            effect = stats.bootstrap_difference(list(by_seed.values()), renamed, blue.name)
            out[f"{blue.name} - {other.name}"] = _triple(effect)
    return out


def _stratum(by_seed: dict, rule: Callable) -> dict:
    chosen = [t[rule(t)] for t in by_seed.values()]
    if not len(chosen[0]):
        return {"pictures": 0}
    found = stats.bootstrap_metrics(chosen, list(STRATUM_METRICS))
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


def for_config(config: Config, runs: Path = RUNS) -> Results:
    """What the notebooks read: recorded results where no data is named, else those of the runs on that data.

    Recorded results exist for the first seed, the first two, and so on up to all that were recorded.
    """
    if not config.data:
        return load(config.profile, config.seeds).only(config.arms)
    return collect(config, open_data(config.data, config.side), runs)


# ---------------------------------------------------------------------------------------------- reading


@dataclass(frozen=True)
class Results:
    """Everything recorded of one profile.

    summary: the content of summary.json. history: one row a validation. pictures: `BY_PICTURE` of every test picture,
    where they were just measured (`load_pictures` reads recorded ones).
    """

    summary: dict
    history: pd.DataFrame
    pictures: pd.DataFrame | None = None

    @property
    def profile(self) -> str:
        return self.summary["profile"]

    @property
    def systems(self) -> list[str]:
        """Names of the systems measured, yardsticks last."""
        names = sorted(self.summary["systems"], key=lambda n: (ARMS + YARDSTICKS).index(n.partition("@")[0]))
        return [n for n in names if self.seeds(n) or n in YARDSTICKS]

    @property
    def covers(self) -> str:
        """What the intervals are about, as the end of a sentence: pictures alone where there is one seed."""
        seeds = len(self.summary["seeds"])
        over = "alone, because each network was trained once" if seeds == 1 else f"and of {seeds} seeds"
        return f"the choice of test pictures {over}"

    @property
    def elsewhere(self) -> Results | None:
        """Values and differences on the second set of test pictures, if one was measured."""
        other = self.summary.get("elsewhere")
        if other is None:
            return None
        kept = {name: system for name, system in other["systems"].items() if name in self.summary["systems"]}
        return Results({**self.summary, "strata": {}, "elsewhere": None, **other, "systems": kept}, self.history)

    @cached_property
    def main_systems(self) -> list[str]:
        """The systems to compare: regression arms, the classifiers with both decoders, yardsticks."""
        return [n for n in self.systems if "@" not in n or n.partition("@")[2] in ("1", "0.38")]

    def seeds(self, system: str) -> list[int]:
        """Seeds behind a system's numbers; none for a yardstick."""
        return self.summary["systems"][system]["seeds"]

    def interval(self, system: str, metric: str) -> Interval:
        """Value and 95 % interval of a metric. Raises ValueError naming what is there."""
        known = self.summary["systems"]
        if system not in known or metric not in known[system]["metrics"]:
            names = ", ".join(known) if system not in known else ", ".join(known[system]["metrics"])
            raise ValueError(f"no result {system}/{metric} in profile {self.profile!r}; there are: {names}")
        return self._interval(known[system]["metrics"][metric], self.seeds(system))

    def value(self, system: str, metric: str) -> float:
        """The value alone, a plain float for glue."""
        return float(self.interval(system, metric).value)

    def difference(self, a: str, b: str, metric: str) -> Interval:
        """Difference a - b of a metric, paired by picture and seed."""
        found = self.summary["differences"].get(f"{a} - {b}", {})
        if metric not in found:
            raise ValueError(
                f"difference {a} - {b} of {metric} was not recorded; pairs: {', '.join(self.summary['differences'])}"
            )
        return self._interval(found[metric], [s for s in self.seeds(a) if s in self.seeds(b) or b in YARDSTICKS])

    def stratum(self, name: str, system: str, metric: str) -> Interval:
        """A metric on the pictures of one of `STRATA`; all NaN where there is no such picture."""
        known = self.summary["strata"].get(name, {})
        if system not in known or metric not in STRATUM_METRICS:
            allowed = f"{', '.join(STRATA)}; {', '.join(known or self.systems)}; {', '.join(STRATUM_METRICS)}"
            raise ValueError(f"no result {name}/{system}/{metric} in profile {self.profile!r}; there are: {allowed}")
        triple = known[system].get(metric, [None, None, None])
        return replace(self._interval(triple, self.seeds(system)), pictures=known[system]["pictures"])

    def contrasts(self, system: str) -> dict[str, Interval]:
        """Chroma ratio of blue less that of each other hue, within one system, by name."""
        found = self.summary["contrasts"][system]
        return {name: self._interval(triple, self.seeds(system)) for name, triple in found.items()}

    def _interval(self, triple: list, seeds: list) -> Interval:
        value, low, high = (math.nan if x is None else x for x in triple)
        return Interval(value, low, high, max(1, len(seeds)), self.summary["pictures"])

    def table(self, names: list[str], systems: list[str] | None = None) -> pd.DataFrame:
        """A table to show: systems by metrics, value with its interval, with the digits that suit the metric's unit."""
        rows = {}
        for system in systems or self.main_systems:
            known = self.summary["systems"][system]["metrics"]
            cells = [_cell(self.interval(system, n), metrics.metric(n).unit) if n in known else "" for n in names]
            rows[system_title(system)] = dict(zip([metrics.metric(n).title for n in names], cells, strict=True))
        return pd.DataFrame(rows).T

    def confusion(self, system: str) -> pd.DataFrame:
        """Where vivid colours went, true sectors in rows."""
        return pd.DataFrame(self.summary["confusion"][system]).T.astype(float)

    def only(self, arms) -> Results:
        """The part that concerns some arms, with the yardsticks."""
        missing = set(arms) - set(self.history.arm)
        if missing:
            have = ", ".join(self.history.arm.unique())
            raise ValueError(f"arm {sorted(missing)[0]!r} was not recorded in {self.profile!r}; there are: {have}")
        kept = {n: s for n, s in self.summary["systems"].items() if n.partition("@")[0] in (*arms, *YARDSTICKS)}
        return replace(
            self, summary={**self.summary, "systems": kept}, history=self.history[self.history.arm.isin(arms)]
        )

    def save(self, folder: Path, name: str = "summary") -> None:
        """Write <name>.json, runs.csv, history/*.csv and env.json, each through a temporary file."""
        (folder / "history").mkdir(parents=True, exist_ok=True)
        save_json(self.summary, folder / f"{name}.json")
        rows = [{"system": n} | row for n, by_seed in self.summary["by_seed"].items() for row in by_seed]
        _replace(folder / "runs.csv", pd.DataFrame(rows).to_csv(index=False))
        for (arm, seed), part in self.history.groupby(["arm", "seed"]):
            text = part.drop(columns=["arm", "seed"]).to_csv(index=False, float_format="%.6g")
            _replace(folder / "history" / f"{arm}-s{seed}.csv", text)
        first = next(iter(self.summary["passports"].values()))
        save_json({k: first[k] for k in ("versions", "device", "precision", "commit")}, folder / "env.json")
        if self.pictures is not None:
            self.pictures.to_parquet(folder / "pictures.tmp", compression="zstd", index=False)
            (folder / "pictures.tmp").rename(folder / "pictures.parquet")


def _cell(interval: Interval, unit: str) -> str:
    digits = {"share": 3, "M3": 1}.get(unit, 2)
    return f"{interval:.{digits}f}" if math.isfinite(interval.value) else ""


def _replace(path: Path, text: str) -> None:
    path.with_suffix(".tmp").write_text(text)
    path.with_suffix(".tmp").rename(path)


def save_json(value, path: Path) -> None:
    """Write JSON with a line for each entry and lists of numbers on one line, through a temporary file."""
    text = json.dumps(value, indent=1, allow_nan=False)
    text = re.sub(r"\[[^\[\]{}]*\]", lambda found: re.sub(r"\s+", " ", found.group()), text)
    _replace(Path(path), text + "\n")


def recorded(folder: Path | None = None) -> list[str]:
    """Names of the profiles with recorded results."""
    return sorted(path.parent.name for path in (folder or BOOK / "results").glob("*/summary.json"))


def export(config: Config, store: Store, out: Path, runs: Path = RUNS) -> list[Path]:
    """Write the finished runs of the first seed as weights to ship, with their recorded metrics in the passport.

    Raises ValueError for an arm that is not trained, FileNotFoundError if nothing is recorded yet.
    """
    found, seed, recorded = finished_runs(config, store, runs), config.seeds[0], load(config.profile).summary["by_seed"]
    missing = [arm for arm in config.arms if (arm, seed) not in found]
    if missing:
        raise ValueError(f"{missing[0]} with seed {seed} is not trained yet; run `colorize train` first")
    paths = []
    for arm in config.arms:
        mine = {
            n: row for n, rows in recorded.items() for row in rows if n.partition("@")[0] == arm and row["seed"] == seed
        }
        paths.append(export_weights(found[arm, seed], out, measured=mine))
    return paths


def load(profile: str, seeds: tuple[int, ...] | None = None, folder: Path | None = None) -> Results:
    """Read the recorded results of a profile, of all seeds or of the first few.

    Raises FileNotFoundError saying how to make them, and ValueError for seeds that were not recorded together.
    """
    folder = folder or BOOK / "results" / profile
    if not (folder / "summary.json").exists():
        have = recorded(folder.parent)
        raise FileNotFoundError(
            f"no recorded results for profile {profile!r} (recorded: {', '.join(have) or 'none'}); name a data set to "
            f"train on, for example `colorize train --profile {profile} --data FOLDER`"
        )
    summaries = [json.loads(path.read_text()) for path in sorted(folder.glob("summary*.json"))]
    by_seeds = {tuple(s["seeds"]): s for s in summaries}
    wanted = tuple(seeds) if seeds else max(by_seeds, key=len)
    if wanted not in by_seeds:
        raise ValueError(
            f"seeds={list(wanted)} of {profile!r} are not recorded; there are: {sorted(map(list, by_seeds))}"
        )
    parts = []
    for path in sorted((folder / "history").glob("*.csv")):
        arm, _, seed = path.stem.rpartition("-s")
        if int(seed) in wanted:
            parts.append(pd.read_csv(path).assign(arm=arm, seed=int(seed)))
    return Results(by_seeds[wanted], pd.concat(parts, ignore_index=True))


def load_pictures(profile: str, folder: Path | None = None) -> pd.DataFrame:
    """The recorded values of single test pictures: columns picture (in the order of the test split), system, seed (-1
    where there is none) and `BY_PICTURE`.
    """
    return pd.read_parquet((folder or BOOK / "results" / profile) / "pictures.parquet")


def record(
    config: Config,
    store: Store,
    folder: Path | None = None,
    runs: Path = RUNS,
    limit: int = 0,
    say=print,
    elsewhere: Store | None = None,
) -> Results:
    """Measure the finished runs on all test pictures and write them as the recorded results of the profile.

    Besides the summary of all seeds one is written for the first seed, the first two, and so on. elsewhere: see
    `collect`.
    """
    folder = folder or BOOK / "results" / config.profile
    finished, here, there = _measure_all(config, store, runs, limit, say, elsewhere)
    trained = [seed for seed in config.seeds if any(seed == s for _, s in finished)]
    firsts = [{key: f for key, f in finished.items() if key[1] in trained[:k]} for k in range(1, len(trained) + 1)]
    *parts, found = (_gathered(config, part, here, there) for part in firsts)
    for old in [*folder.glob("summary*.json"), *folder.glob("history/*.csv")]:  # of an earlier recording
        old.unlink()
    for k, part in enumerate(parts, 1):
        replace(part, pictures=None).save(folder, f"summary-first-{k}")
    found.save(folder)
    return found
