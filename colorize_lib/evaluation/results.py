"""What was measured, as notebooks, pages and rules ask for it: numbers with intervals, read from the recorded files.

`book/results/<profile>/runs/` holds a `measuring.Record` for each run, truth.parquet what does not depend on one. Every
interval is derived from these per-image sums when it is asked for.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from ..config import ARMS, FIELDS, Config, load_config, settings_of
from ..data.files import files_key
from ..trace import about_runs, note, tracing
from . import metrics
from .intervals import Estimator, Interval, Tables
from .measuring import RECORDED, SUBSETS, Record
from .systems import BASELINES, System, system_title

BOOK = Path(__file__).resolve().parents[2] / "book"


def variant_of(passport: dict, usual: Config | None = None) -> str:
    """How a run's settings differ from the usual ones, as in the name of a system: "init=default,lr=0.002".

    usual: by default those of its profile. A parent that it started from is named by its arm: "from=ce", or of its
    trunk alone "from=ce:trunk", and so on to the parent's own: "from=ce:ce" is a third cycle. `assemble` adds
    "parent=1f0c2a9b" where runs differ in nothing else.
    """
    usual = (usual or load_config(passport["profile"])).for_arm(passport["arm"])
    expected = settings_of(usual)
    mine = {name: value for name, value in passport["config"].items() if name != "temperature"}
    changed = {name for name in expected.keys() | mine.keys() if expected.get(name) != mine.get(name)}
    parts = [f"{name}={_short(mine.get(name, FIELDS.get(name)))}" for name in sorted(changed)]
    return ",".join(sorted(parts + _by_content(passport)))


def lineage(passport: dict) -> list[dict]:
    """The passport of a run and those of the runs that it went on from, nearest first."""
    parent = passport.get("parent")
    return [passport, *(lineage(parent.get("passport", {})) if parent else [])]


def views(passport: dict) -> int:
    """How many images a network has looked at in training, with those of the runs that it went on from."""
    return sum(one["config"].get("batch", FIELDS["batch"]) * one["steps"] for one in lineage(passport))


def _by_content(passport: dict) -> list[str]:
    """What a run took from other files: the weights that it started from, and another prior."""
    prior, parents = passport.get("prior"), [one["parent"] for one in lineage(passport) if one.get("parent")]
    words = [word for parent in parents for word in (parent["arm"], parent["part"]) if word != "whole"]
    parts = [f"prior={prior[:8]}"] if prior else []
    return parts + [f"from={':'.join(words)}"] * bool(words)


def _variants(passports: list[dict], usual: Config | None) -> list[str]:
    """`variant_of` runs; where it is the same for runs of one arm and seed, with the hashes of their parents."""
    named = [variant_of(passport, usual) for passport in passports]
    cells = [(p["arm"], p["seed"], variant) for p, variant in zip(passports, named, strict=True)]
    for i, passport in enumerate(passports):
        if cells.count(cells[i]) > 1 and passport.get("parent"):
            named[i] = ",".join(sorted([*named[i].split(","), f"parent={passport['parent']['sha256'][:8]}"]))
    return named


def _short(value) -> str:
    return ":".join(f"{x:g}" for x in value) if isinstance(value, list | tuple) else str(value)


@dataclass(frozen=True)
class Results:
    """Everything recorded of one profile.

    summary: plain values: profile, seeds, pictures (number of test images), test_data, passports, systems (with their
    seeds), confusion, histograms, calibration, validation, gains. history: one row a validation of the runs with the
    profile's own settings. tables: per-image sums of every system and seed. other_history: the history of runs with
    other settings, which the column variant names.
    """

    summary: dict
    history: pd.DataFrame
    tables: Tables
    other_history: pd.DataFrame

    @property
    def profile(self) -> str:
        return self.summary["profile"]

    @property
    def systems(self) -> list[str]:
        """Names of the systems measured: arm by arm, baselines last, runs with other settings after each."""
        names = [name for name in self.summary["systems"] if self.seeds(name) or name in BASELINES]
        order = ARMS + BASELINES
        return sorted(names, key=lambda n: (order.index(System.parse(n).arm), System.parse(n).variant))

    @property
    def covers(self) -> str:
        """What the intervals are about, as the end of a sentence: images alone where there is one seed."""
        over = "alone, because each network was trained once" if self.n_seeds == "1" else f"and of {self.n_seeds} seeds"
        return f"the choice of test images {over}"

    @cached_property
    def networks(self) -> dict[str, int]:
        """How many networks there are of each arm, variants aside."""
        counts = Counter(self.summary["passports"][run]["arm"] for run in self.usual_runs())
        return {arm: counts[arm] for arm in ARMS if arm in counts}

    @property
    def n_seeds(self) -> str:
        """How many networks there are an arm, in words: "3" or "2 to 3"."""
        counts = sorted({*self.networks.values()}) or [len(self.summary["seeds"])]
        return " to ".join(str(n) for n in dict.fromkeys((counts[0], counts[-1])))

    @cached_property
    def main_systems(self) -> list[str]:
        """The systems to compare: regression arms, the classifiers' mean and annealed mean, baselines."""
        named = {name: System.parse(name) for name in self.systems}
        usual = {name for name, s in named.items() if not s.treatment and not s.variant}
        return [n for n in self.systems if n in usual and ("@" not in n or n.partition("@")[2] in ("1", "0.38"))]

    @cached_property
    def estimator(self) -> Estimator:
        """What makes intervals of the per-image sums."""
        return Estimator(self.tables)

    @cached_property
    def _truth(self) -> pd.DataFrame:
        return self.tables["grey"][None]

    def seeds(self, system: str) -> list[int]:
        """Seeds behind a system's numbers; none for a baseline."""
        return self.summary["systems"][system]["seeds"]

    def available(self, system: str) -> list[str]:
        """Metrics that a system has."""
        return self.estimator.available(system, RECORDED)

    def interval(self, system: str, metric: str) -> Interval:
        """Value and 95 % interval of a metric. Raises ValueError naming what is there."""
        self._need(system, metric)
        return self.estimator.interval(system, metric)

    def value(self, system: str, metric: str) -> float:
        """The value alone, a plain float for glue."""
        return float(self.interval(system, metric).value)

    def values_by_seed(self, system: str, metric: str) -> dict[int | None, float]:
        """The value of each seed by itself."""
        self._need(system, metric)
        return {seed: metrics.value(table, metric) for seed, table in self.tables[system].items()}

    def by_image(self, system: str, metric: str) -> np.ndarray:
        """The value of each test image by itself, mean over seeds; NaN for an image that has none."""
        self._need(system, metric)
        wanted = metrics.metric(metric)
        tables = self.tables[system].values()
        values = [wanted(*(metrics.column(t, c) for c in (wanted.numerator, wanted.denominator))) for t in tables]
        return np.mean(values, axis=0)

    def difference(self, a: str, b: str, metric: str) -> Interval:
        """Difference a - b of a metric, paired by image and seed."""
        self._need(a, metric)
        self._need(b, metric)
        return self.estimator.difference(a, b, metric)

    def subset(self, name: str, system: str, metric: str) -> Interval:
        """A metric on the images of one of `SUBSETS`; all NaN where there is no such image."""
        self._need(system, metric)
        return self.estimator.interval(system, metric, rows=self._rows(name))

    def effect(self, f: Callable[..., float], terms: Iterable[tuple[str, ...]], subset: str = "") -> Interval:
        """A smooth function of several metrics, `f(*values)`, each given as (system, metric), or as (system, metric,
        subset) where one is that of a subset only; paired by image and seed.

        A system may be that of another recorded profile, measured on the same test images ("laptop/l2"). subset: only
        the images of one of `SUBSETS`. Raises ValueError naming what is missing.
        """
        tables, named = dict(self.tables), []
        for system, metric, *own in terms:
            profile, _, name = system.rpartition("/")
            found = load(profile) if profile and profile != self.profile else self
            if found.summary["test_data"] != self.summary["test_data"]:
                raise ValueError(f"{system} was not measured on the test images of profile {self.profile!r}")
            found._need(name, metric)
            if found is not self:
                tables[system] = found.tables[name]
            named.append((system if found is not self else name, metric, *(self._rows(part) for part in own if part)))
        estimator = self.estimator if tables.keys() == self.tables.keys() else Estimator(tables)
        return estimator.effect(f, named, rows=self._rows(subset) if subset else None)

    def table(self, names: list[str], systems: list[str] | None = None) -> pd.DataFrame:
        """A table to show: systems by metrics, one number a cell, with the digits that suit the metric's unit; systems
        that are not there are left out."""
        rows = {}
        for system in (s for s in systems or self.main_systems if s in self.summary["systems"]):
            known = self.available(system)
            cells = [_cell(self.value(system, n), metrics.metric(n).unit) if n in known else "" for n in names]
            rows[system_title(system)] = dict(zip([metrics.metric(n).title for n in names], cells, strict=True))
        return pd.DataFrame(rows).T

    def confusion(self, system: str) -> pd.DataFrame:
        """Where vivid colours went, true sectors in rows."""
        self._note(system)
        return pd.DataFrame(self.summary["confusion"][system]).T.astype(float)

    def calibration(self, system: str) -> pd.DataFrame:
        """How often a classifier's likeliest colour is right, see `metrics.calibration`; all seeds together."""
        self._note(system)
        return pd.DataFrame(self.summary["calibration"][system])

    def only(self, arms) -> Results:
        """The part that concerns some arms, with the baselines."""
        arm_of = {name: System.parse(name).arm for name in self.summary["systems"]}
        if missing := sorted(set(arms) - set(arm_of.values())):
            have = ", ".join(sorted(set(arm_of.values()) - set(BASELINES)))
            raise ValueError(f"arm {missing[0]!r} was not recorded in {self.profile!r}; there are: {have}")
        kept = {n: s for n, s in self.summary["systems"].items() if arm_of[n] in (*arms, *BASELINES)}
        tables = {name: self.tables[name] for name in kept}
        history = self.history[self.history.arm.isin(arms)]
        self.note_runs(self.usual_runs(arms), "profile")
        return replace(self, summary={**self.summary, "systems": kept}, history=history, tables=tables)

    def _need(self, system: str, metric: str) -> None:
        known = self.summary["systems"]
        if system not in known or metric not in self.available(system):
            names = ", ".join(known if system not in known else self.available(system))
            raise ValueError(f"no result {system}/{metric} in profile {self.profile!r}; there are: {names}")
        self._note(system)

    def _note(self, system: str) -> None:
        if not tracing():  # this is asked for thousands of numbers
            return
        asked, seeds, passports = System.parse(system), self.seeds(system), self.summary["passports"]
        self.note_runs(r for r in self.runs_of(asked.variant, [asked.arm]) if passports[r]["seed"] in seeds)

    def curves(self, variant: str = "", arms: Iterable[str] = ARMS) -> pd.DataFrame:
        """The history of some arms' runs with the profile's own settings, or with others, step by step."""
        arms, history = set(arms), self.history
        if variant:
            history = self.other_history[self.other_history.variant == variant]
        self.note_runs(self.runs_of(variant, arms), split="val")
        return history[history.arm.isin(arms)].sort_values("step")

    def usual_runs(self, arms: Iterable[str] = ARMS) -> list[str]:
        """Runs of some arms whose settings are the profile's own."""
        return self.runs_of("", arms)

    def runs_of(self, variant: str, arms: Iterable[str]) -> list[str]:
        """Runs of some arms with the profile's own settings (""), or with others."""
        arms = set(arms)
        return [run for run, p in self.summary["passports"].items() if p["arm"] in arms and p["variant"] == variant]

    def note_runs(self, runs: Iterable[str], kind: str = "runs", split: str = "test") -> None:
        """Tell `trace` that these runs were read. split: of the images that what was read is about, "test" or "val", or
        "" where it is about none, such as an image that a run painted. Raises ValueError for another."""
        images = {"test": {"test_data": self.summary["test_data"], "images": self.summary["pictures"]},
                  "val": {"validation": True}, "": {}}  # fmt: skip
        if split not in images:
            raise ValueError(f"split={split!r} is unknown; there are: {', '.join(map(repr, images))}")
        about = about_runs({run: self.summary["passports"][run] for run in runs})
        note(kind, profile=self.profile, runs=about, **images[split])

    def _rows(self, name: str) -> np.ndarray:
        if name not in SUBSETS:
            raise ValueError(f"subset {name!r} is unknown; there are: {', '.join(SUBSETS)}")
        return SUBSETS[name][1](self._truth).to_numpy()


def _cell(value: float, unit: str) -> str:
    digits = {"share": 3, "M3": 1}.get(unit, 2)
    return f"{value:.{digits}f}" if math.isfinite(value) else ""


# ------------------------------------------------------------------------------------------------- from the files


def assemble(profile: str, truth: Record, runs: Iterable[Record], usual: Config | None = None) -> Results:
    """The results of a profile from what was measured of truth, baselines and runs, all on the same test images.

    usual: the settings of runs that are no variant, see `variant_of`. Raises ValueError for a run that was measured on
    other images.
    """
    shared, baselines = truth.tables[""], {n: {None: t} for n, t in truth.tables.items() if n}
    tables: Tables = dict(baselines)
    facts = {name: {} for name in ("confusion", "histograms", "calibration")}
    summary = {"passports": {}, "validation": {}, "gains": {}}
    histories, runs = [pd.DataFrame(columns=["arm", "seed", "variant", "step"])], list(runs)
    variants = ["", *_variants([record.about["passport"] for record in runs], usual)]
    for record, variant in zip((truth, *runs), variants, strict=True):
        passport = record.about.get("passport")
        if record.about["key"] != truth.about["key"]:
            raise ValueError(f"{passport['run']} was measured on other test images than the truth of {profile!r}")
        name_of = {n: str(System.parse(n).of_variant(variant)) for n in record.tables if n}
        for kind, parts in facts.items():
            for name, counts in record.about[kind].items():
                parts.setdefault(name_of[name], []).append(counts)
        if passport:
            for name, table in record.tables.items():
                tables.setdefault(name_of[name], {})[passport["seed"]] = table
            run = passport["run"]
            summary["passports"][run] = passport | {"variant": variant}
            summary["gains"][run] = record.about["gains"]
            summary["validation"][run] = record.about["validation"]
            curve = pd.DataFrame(record.about.get("history", {"step": []}))
            histories.append(curve.assign(arm=passport["arm"], seed=passport["seed"], variant=variant))
    full = {name: {seed: pd.concat([shared, table], axis=1) for seed, table in sorted(by_seed.items(), key=str)}
            for name, by_seed in tables.items()}  # fmt: skip
    history = pd.concat([h for h in histories if len(h)] or histories, ignore_index=True)
    usual_runs = history.variant == ""
    seeds = sorted({passport["seed"] for passport in summary["passports"].values()})
    summary |= {"profile": profile, "seeds": seeds, "pictures": truth.about["images"]}
    summary |= {"test_data": truth.about["test_data"], "prior": truth.about["prior"]}
    summary["systems"] = {name: {"seeds": [s for s in by if s is not None]} for name, by in full.items()}
    summary |= _pooled(facts, truth.about["truth"])
    return Results(summary, history[usual_runs].drop(columns="variant"), full, history[~usual_runs])


def _pooled(facts: dict, truth: list[int]) -> dict:
    """Counts of all seeds together, as shares."""
    confusion = {n: metrics.confusion(sum(pd.DataFrame(c).T for c in parts)) for n, parts in facts["confusion"].items()}
    calibration = {n: metrics.calibration(sum(map(pd.DataFrame, parts))) for n, parts in facts["calibration"].items()}
    counts = {n: np.sum(parts, 0) for n, parts in facts["histograms"].items()}
    histograms = {n: (c / c.sum()).tolist() for n, c in {"truth": np.array(truth), **counts}.items()}
    divergence = {n: metrics.histogram_distance(c, np.array(truth)) for n, c in counts.items()}
    return {
        "confusion": {n: shares.to_dict("index") for n, shares in confusion.items()},
        "calibration": {n: curve.to_dict("list") for n, curve in calibration.items()},
        "histograms": histograms | {"divergence": divergence},
    }


def recorded(folder: Path | None = None) -> list[str]:
    """Names of the profiles with recorded results."""
    root = folder or BOOK / "results"
    return sorted(path.parent.name for path in root.glob("*/truth.parquet"))


def place_of(profile: str, run: str) -> str:
    """Where in the repository a run is recorded, else where it was trained."""
    path = BOOK / "results" / profile / "runs" / f"{run}.parquet"
    return path.relative_to(BOOK.parent).as_posix() if path.exists() else f"runs/{run}"


def load(
    profile: str, seeds: tuple[int, ...] | None = None, folder: Path | None = None, usual: Config | None = None
) -> Results:
    """Read the recorded results of a profile, of all seeds or of some. usual: see `assemble`. What was read last is
    kept for as long as its files do not change.

    Raises FileNotFoundError saying how to make them, and ValueError for seeds that were not recorded.
    """
    folder = folder or BOOK / "results" / profile
    truth = folder / "truth.parquet"
    if not truth.exists():
        have = recorded(folder.parent)
        raise FileNotFoundError(
            f"no recorded results for profile {profile!r} (recorded: {', '.join(have) or 'none'}); name a data set to "
            f"train on, for example `colorize train --profile {profile} --data FOLDER`"
        )
    files = (truth, *sorted((folder / "runs").glob("*.parquet")))
    found = _read(profile, tuple(seeds or ()), usual, files, files_key(files))
    found.note_runs(found.usual_runs(), "profile")
    return found


@lru_cache(maxsize=4)
def _read(profile: str, seeds: tuple[int, ...], usual: Config | None, files: tuple[Path, ...], _key: str) -> Results:
    truth, *runs = map(Record.read, files)
    have = sorted({run.about["passport"]["seed"] for run in runs})
    if missing := set(seeds) - set(have):
        raise ValueError(f"seeds={sorted(missing)} of {profile!r} are not recorded; there are: {have}")
    kept = [run for run in runs if not seeds or run.about["passport"]["seed"] in seeds]
    return assemble(profile, truth, kept, usual)
