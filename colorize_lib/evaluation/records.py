"""The small result files that the book reads: written by `record`, read by `load`, asked by notebooks and pages.

`record` writes `book/results/<profile>/`. Every number in it carries an interval; every run its passport. Images are
called pictures and subsets strata in these files, because the first of them did.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from ..color import rgb_to_lab, to_unit
from ..colorizer import export_weights, load_colorizer, load_run
from ..config import ARMS, Config, identity, load_config
from ..data.prepare import open_data
from ..data.prior import data_prior
from ..data.store import Store
from ..training.loop import RUNS, train_run
from . import metrics
from .intervals import Interval
from .measuring import (
    BASELINES,
    SUBSET_METRICS,
    SUBSETS,
    Tested,
    finished_runs,
    measure_all,
    summarise,
    system_title,
    values_by_image,
)

BOOK = Path(__file__).resolve().parents[2] / "book"


def collect(
    config: Config, store: Store, runs: Path = RUNS, limit: int = 0, log=None, elsewhere: Store | None = None
) -> Results:
    """Measure the finished runs of a configuration on the test images and gather everything the book needs.

    limit: only the first so many test images. elsewhere: a store whose test images come from another source; on
    them values and differences are measured, too. Raises ValueError if no run is finished.
    """
    found, here, there = measure_all(config, store, runs, limit, log, elsewhere)
    return _gathered(config, found, here, there)


def _gathered(config: Config, found: dict, here: Tested, there: Tested | None) -> Results:
    """The results of the runs `found` from what was measured of them, and perhaps of others."""
    seeds = [seed for seed in config.seeds if any(seed == s for _, s in found)]
    systems, about = here.about(seeds)
    summary = summarise(systems) | about | {"profile": config.profile, "seeds": seeds}
    summary["passports"] = {folder.name: load_run(folder, "cpu").passport for folder in found.values()}
    if there is not None:
        far, about = there.about(seeds)
        summary["elsewhere"] = {k: v for k, v in summarise(far).items() if k in ("systems", "differences")} | about
    return Results(summary, read_histories(found), values_by_image(systems))


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
    test pixels (nearest colour). images: their number by use. fingerprints: of the training and the test images.
    """

    prior: torch.Tensor
    test: torch.Tensor
    images: dict[str, int]
    fingerprints: dict[str, str]


TRIED = ("init", "lr", "batch", "steps")
"""Settings that every row of a table of trials names."""
TUNED = ("loss", "val_plain", "val_ab_error", "val_chroma_ratio")
"""What it tells of a trial: the arm's own loss since the validation before the last, and what the last one gave."""


def tune(configs: list[Config], store: Store, runs: Path = RUNS, folder: Path | None = None, log=print) -> pd.DataFrame:
    """Train every arm with every one of `configs` (what is missing) and record how each ended on validation images.

    All arms get the same trials, on the same images; test images are not looked at. Writes tuning.csv into the recorded
    results of the profile, with columns arm, `TRIED` and `TUNED`; trials that stand in it already are kept, or replaced
    by those of the same settings.
    """
    folder = folder or _folder(configs[0].profile)
    rows = []
    for config in configs:
        for arm in config.arms:
            last = pd.read_csv(train_run(config, arm, config.seeds[0], store, runs, log) / "history.csv").iloc[-1]
            tried = {name: getattr(config, name) for name in TRIED} | {"steps": int(last.step)}
            rows.append({"arm": arm} | tried | last[list(TUNED)].to_dict())
    path = folder / "tuning.csv"
    table = pd.concat([load_tuning(folder.name, folder), pd.DataFrame(rows)]) if path.exists() else pd.DataFrame(rows)
    table = table.drop_duplicates(["arm", *TRIED], keep="last").sort_values(["arm", *TRIED])
    folder.mkdir(parents=True, exist_ok=True)
    _replace(path, table.to_csv(index=False, float_format="%.6g"))
    return table


def load_tuning(profile: str, folder: Path | None = None) -> pd.DataFrame:
    """What `tune` recorded; a table without rows where nothing was."""
    path = (folder or BOOK / "results" / profile) / "tuning.csv"
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["arm", *TRIED, *TUNED])


def data_card(config: Config) -> DataCard:
    """The data behind the recorded results, or that of the configuration where it names some; trains nothing."""
    if not config.data:
        about = _recorded(config).summary
        run = next(iter(about["passports"].values()))
        images = {"training": run["photos"], "test": about["pictures"]}
        marks = {"training": run["data"], "test": about["test_data"]}
        prior = load_colorizer("ce", "cpu").objective.prior
        return DataCard(prior, torch.tensor(about["histograms"]["truth"]), images, marks)
    store = open_data(config.data, config.side)
    rows = {"training": store.rows("train", config.train_photos), "test": store.rows("test")}
    lab = (rgb_to_lab(to_unit(torch.from_numpy(store.read(part)))) for part in np.array_split(rows["test"], 50))
    seen = sum(metrics.histogram_sums(part).sum(0) for part in lab if len(part))
    prior = data_prior(store, rows["training"], config, torch.device("cpu"))
    marks = {use: store.fingerprint(r) for use, r in rows.items()}
    return DataCard(prior, seen / seen.sum(), {use: len(r) for use, r in rows.items()}, marks)


def for_config(config: Config, runs: Path = RUNS) -> Results:
    """What the notebooks read: recorded results where no data is named, else those of the runs on that data.

    Recorded results exist for the first seed, the first two, and so on up to all that were recorded.
    """
    if not config.data:
        return _recorded(config).only(config.arms)
    return collect(config, open_data(config.data, config.side), runs)


def _recorded(config: Config) -> Results:
    """The recorded results of a profile, which know of no other settings: ValueError if there are some."""
    usual = identity(load_config(config.profile))
    changed = {name: value for name, value in identity(config).items() if value != usual.get(name)}
    if changed:
        raise ValueError(f"results are recorded for profile {config.profile} as it is; {changed} needs data")
    return load(config.profile, config.seeds)


@dataclass(frozen=True)
class Results:
    """Everything recorded of one profile.

    summary: the content of summary.json. history: one row a validation. images: `BY_IMAGE` of every test image,
    where they were just measured (`load_by_image` reads recorded ones).
    """

    summary: dict
    history: pd.DataFrame
    images: pd.DataFrame | None = None

    @property
    def profile(self) -> str:
        return self.summary["profile"]

    @property
    def systems(self) -> list[str]:
        """Names of the systems measured, baselines last."""
        names = sorted(self.summary["systems"], key=lambda n: (ARMS + BASELINES).index(n.partition("@")[0]))
        return [n for n in names if self.seeds(n) or n in BASELINES]

    @property
    def covers(self) -> str:
        """What the intervals are about, as the end of a sentence: images alone where there is one seed."""
        seeds = len(self.summary["seeds"])
        over = "alone, because each network was trained once" if seeds == 1 else f"and of {seeds} seeds"
        return f"the choice of test images {over}"

    @property
    def elsewhere(self) -> Results | None:
        """Values and differences on the second set of test images, if one was measured."""
        other = self.summary.get("elsewhere")
        if other is None:
            return None
        kept = {name: system for name, system in other["systems"].items() if name in self.summary["systems"]}
        return Results({**self.summary, "strata": {}, "elsewhere": None, **other, "systems": kept}, self.history)

    @cached_property
    def main_systems(self) -> list[str]:
        """The systems to compare: regression arms, the classifiers with both decoders, baselines."""
        return [n for n in self.systems if "@" not in n or n.partition("@")[2] in ("1", "0.38")]

    def seeds(self, system: str) -> list[int]:
        """Seeds behind a system's numbers; none for a baseline."""
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
        """Difference a - b of a metric, paired by image and seed."""
        found = self.summary["differences"].get(f"{a} - {b}", {})
        if metric not in found:
            raise ValueError(
                f"difference {a} - {b} of {metric} was not recorded; pairs: {', '.join(self.summary['differences'])}"
            )
        return self._interval(found[metric], [s for s in self.seeds(a) if s in self.seeds(b) or b in BASELINES])

    def subset(self, name: str, system: str, metric: str) -> Interval:
        """A metric on the images of one of `SUBSETS`; all NaN where there is no such image."""
        known = self.summary["strata"].get(name, {})
        if system not in known or metric not in SUBSET_METRICS:
            allowed = f"{', '.join(SUBSETS)}; {', '.join(known or self.systems)}; {', '.join(SUBSET_METRICS)}"
            raise ValueError(f"no result {name}/{system}/{metric} in profile {self.profile!r}; there are: {allowed}")
        recorded = known[system].get(metric, [None, None, None])
        return replace(self._interval(recorded, self.seeds(system)), images=known[system]["pictures"])

    def contrasts(self, system: str) -> dict[str, Interval]:
        """Chroma ratio of blue less that of each other hue, within one system, by name."""
        found = self.summary["contrasts"][system]
        return {name: self._interval(recorded, self.seeds(system)) for name, recorded in found.items()}

    def _interval(self, recorded: list, seeds: list) -> Interval:
        """From value, low and high, and where they were recorded (they were not at first) se and df."""
        value, low, high, *rest = (math.nan if x is None else x for x in recorded)
        return Interval(value, low, high, max(1, len(seeds)), self.summary["pictures"], *rest)

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
        """The part that concerns some arms, with the baselines."""
        missing = set(arms) - set(self.history.arm)
        if missing:
            have = ", ".join(self.history.arm.unique())
            raise ValueError(f"arm {sorted(missing)[0]!r} was not recorded in {self.profile!r}; there are: {have}")
        kept = {n: s for n, s in self.summary["systems"].items() if n.partition("@")[0] in (*arms, *BASELINES)}
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
        if self.images is not None:
            self.images.to_parquet(folder / "pictures.tmp", compression="zstd", index=False)
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


def export_runs(config: Config, store: Store, out: Path, runs: Path = RUNS) -> list[Path]:
    """Write the network of every finished run of a configuration as `out`/<run id>.safetensors, fp16."""
    found = finished_runs(config, store, runs)
    return [export_weights(folder, out, name=folder.name) for folder in found.values()]


def _folder(profile: str) -> Path:
    """Where to record a profile; ValueError where no book is beside the library, as in an installed package."""
    if not BOOK.is_dir():
        raise ValueError(f"there is no book to record in at {BOOK}; run this in a clone of the repository")
    return BOOK / "results" / profile


def bench_file(name: str) -> Path:
    """Where what `colorize bench` measured is recorded under a name."""
    return _folder("bench") / f"{name}.json"


def benches() -> dict[str, dict]:
    """All recorded measurements of `colorize bench`, by name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(bench_file("").parent.glob("*.json"))}


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


def load_by_image(profile: str, folder: Path | None = None) -> pd.DataFrame:
    """The recorded values of single test images: columns picture (in the order of the test split), system, seed (-1
    where there is none) and `BY_IMAGE`.
    """
    return pd.read_parquet((folder or BOOK / "results" / profile) / "pictures.parquet")


def record(
    config: Config, store: Store, folder: Path | None = None, runs: Path = RUNS, limit: int = 0, log=print,
    elsewhere: Store | None = None
) -> Results:  # fmt: skip
    """Measure the finished runs on all test images and write them as the recorded results of the profile.

    Besides the summary of all seeds one is written for the first seed, the first two, and so on. elsewhere: see
    `collect`.
    """
    folder = folder or _folder(config.profile)
    finished, here, there = measure_all(config, store, runs, limit, log, elsewhere)
    trained = [seed for seed in config.seeds if any(seed == s for _, s in finished)]
    firsts = [{key: f for key, f in finished.items() if key[1] in trained[:k]} for k in range(1, len(trained) + 1)]
    *parts, found = (_gathered(config, part, here, there) for part in firsts)
    for old in [*folder.glob("summary*.json"), *folder.glob("history/*.csv")]:  # of an earlier recording
        old.unlink()
    for k, part in enumerate(parts, 1):
        replace(part, images=None).save(folder, f"summary-first-{k}")
    found.save(folder)
    return found
