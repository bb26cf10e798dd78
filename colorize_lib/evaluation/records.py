"""The files that the book reads: written by `record`, `tune`, `bench` and `doctor --record`, and asked by notebooks.

`record` writes a file for each run into `book/results/<profile>/runs/`, and one for truth and baselines beside; a run
that is recorded again replaces its file. `results` reads them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from ..color import rgb_to_lab
from ..colorizer import TERMS, export_weights, read_passport
from ..config import BEST, FIELDS, Config, identity, load_config
from ..data.files import atomic_file
from ..data.images import read_image
from ..data.prepare import open_data
from ..data.prior import data_prior, read_rgb
from ..data.store import Store
from ..readout import Readout
from ..trace import note
from ..training.loop import RUNS, train_run
from . import metrics
from .measuring import ASKED, SWEEP, ImageSet, Record, choose_readout, finished_runs
from .results import BOOK, Results, assemble, load, variant_of
from .systems import System


def read_histories(found: dict[tuple[str, int], Path]) -> pd.DataFrame:
    """The curves of runs {(arm, seed): folder}, one row a validation; ValueError if there is none."""
    if not found:
        raise ValueError("there is no run to read the history of; train first (`colorize train`)")
    note("live", runs=[folder.name for folder in found.values()])
    histories = [pd.read_csv(f / "history.csv").assign(arm=arm, seed=seed) for (arm, seed), f in found.items()]
    return pd.concat(histories, ignore_index=True)


def curve_facts(history: pd.DataFrame) -> pd.DataFrame:
    """Where curves end and how restless they are; one row an arm, means over seeds.

    ab_error, chroma_ratio: last values on validation images. unseen: last loss there over that on training images, both
    without weights and above what no network can get below. wavers, ratio_wavers: spread of validation loss and chroma
    ratio around a straight line through the middle half of the training, in per cent of their mean; NaN for fewer than
    8 validations.
    """
    rows = []
    for (arm, _), part in history.sort_values("step").groupby(["arm", "seed"]):
        last, middle = part.iloc[-1], part.iloc[len(part) // 4 : len(part) - len(part) // 4]
        row = {"arm": arm, "ab_error": last.val_ab_error, "chroma_ratio": last.val_chroma_ratio}
        row["unseen"] = last.val_excess / last.excess
        for column, name in {"val_plain": "wavers", "val_chroma_ratio": "ratio_wavers"}.items():
            row[name] = _spread_around_line(middle.step, middle[column]) if len(part) >= 8 else math.nan
        rows.append(row)
    return pd.DataFrame(rows).groupby("arm").mean()


def _spread_around_line(x: pd.Series, y: pd.Series) -> float:
    """Standard deviation of y around its least-squares line, in per cent of the mean of y."""
    rest = y - np.polyval(np.polyfit(x, y, 1), x)
    return float(100 * np.sqrt((rest**2).sum() / (len(y) - 2)) / y.mean())


def training_curves(config: Config, runs: Path = RUNS) -> pd.DataFrame:
    """Curves, a row a validation: recorded ones where no data is named, else those of the finished runs. Nothing is
    measured, so it is quick.
    """
    if not config.data:
        return load(config.profile, config.seeds).curves(arms=config.arms)
    return read_histories(finished_runs(config, open_data(config.data, config.side), runs))


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
    by those of the same settings. Raises ValueError, before one is trained, for more than one seed, and for trials that
    differ, from each other or from the profile, in anything but `TRIED` (and `epochs`, of which the steps are told): a
    row could not say which it is of.
    """
    folder = folder or _folder(configs[0].profile)
    first, usual = configs[0], load_config(configs[0].profile)
    own, profiles = identity(first), identity(usual)
    for name in [name for name in FIELDS if name not in (*TRIED, "epochs")]:
        if len({getattr(config, name) for config in configs}) > 1:
            raise ValueError(f"trials cannot differ in {name}; they can in {', '.join(TRIED)} (see `colorize sweep`)")
        if own.get(name) != profiles.get(name):
            raise ValueError(f"{name}={getattr(first, name)!r} is not possible in trials of profile {first.profile!r}; "
                             f"allowed: its own, {getattr(usual, name)!r}")  # fmt: skip
    if len(first.seeds) > 1:
        raise ValueError(f"seeds={first.seeds!r} is not possible in trials; allowed: one seed")
    rows = []
    for config in configs:
        for arm in config.arms:
            last = pd.read_csv(train_run(config, arm, config.seeds[0], store, runs, log) / "history.csv").iloc[-1]
            tried = {name: getattr(config.for_arm(arm), name) for name in TRIED} | {"steps": int(last.step)}
            rows.append({"arm": arm} | tried | last[list(TUNED)].to_dict())
    path = folder / "tuning.csv"
    table = pd.concat([load_tuning(folder.name, folder), pd.DataFrame(rows)]) if path.exists() else pd.DataFrame(rows)
    table = table.drop_duplicates(["arm", *TRIED], keep="last").sort_values(["arm", *TRIED])
    with atomic_file(path) as unfinished:
        table.to_csv(unfinished, index=False, float_format="%.6g")
    return table


def load_tuning(profile: str, folder: Path | None = None) -> pd.DataFrame:
    """What `tune` recorded; a table without rows where nothing was."""
    path = (folder or BOOK / "results" / profile) / "tuning.csv"
    note("file", what=f"book/results/{profile}/tuning.csv")
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=["arm", *TRIED, *TUNED])


def data_card(config: Config) -> DataCard:
    """The data behind the recorded results, or that of the configuration where it names some; trains nothing."""
    if not config.data:
        found = _recorded(config)
        about = found.summary
        run = next(iter(about["passports"].values()))
        images = {"training": run["photos"], "test": about["pictures"]}
        marks = {"training": run["data"], "test": about["test_data"]}
        found.note_runs([])
        note("file", what=f"{run['photos']:,} training images ({run['data'][:8]})")
        return DataCard(torch.tensor(about["prior"]), torch.tensor(about["histograms"]["truth"]), images, marks)
    store = open_data(config.data, config.side)
    rows = {"training": store.rows("train", config.train_photos), "test": store.rows("test")}
    cpu, parts = torch.device("cpu"), np.array_split(rows["test"], 50)
    seen = sum(metrics.histogram_sums(rgb_to_lab(read_rgb(store, part, cpu))).sum(0) for part in parts if len(part))
    prior = data_prior(store, rows["training"], config, cpu)
    marks = {use: store.fingerprint(r) for use, r in rows.items()}
    return DataCard(prior, seen / seen.sum(), {use: len(r) for use, r in rows.items()}, marks)


def for_config(config: Config, runs: Path = RUNS) -> Results:
    """What the notebooks read: recorded results where no data is named, else those of the runs on that data."""
    if not config.data:
        return _recorded(config).only(config.arms)
    return collect(config, open_data(config.data, config.side), runs)


def arms_there(config: Config, runs: Path = RUNS) -> tuple[str, ...]:
    """Those of a configuration's arms that `for_config` finds: recorded ones where no data is named, else finished."""
    if config.data:
        there = {arm for arm, _ in finished_runs(config, open_data(config.data, config.side), runs)}
    else:
        named = map(System.parse, _recorded(config).systems)
        there = {system.arm for system in named if not system.variant}
    return tuple(arm for arm in config.arms if arm in there)


def collect(
    config: Config, store: Store, runs: Path = RUNS, limit: int = 0, log=None, weights: Iterable[Path] = ()
) -> Results:
    """Measure the finished runs of a configuration on the test images of a store; what was measured before is read.

    limit: only the first so many test images (default: the configuration's). weights: folders of runs or files of
    weights in place of those runs; one with other settings is a variant of the configuration. Raises ValueError if no
    run is finished.
    """
    images = ImageSet(store, store.rows("test", limit or config.test_photos))
    weights = _runs_of(config, store, runs, weights)
    truth = images.truth(runs, log)
    found = [images.run(path, truth, questions(path, config), log) for path in weights]
    return assemble(config.profile, truth, found, config)


def _runs_of(config: Config, store: Store, runs: Path, weights: Iterable[Path]) -> list[Path]:
    """The weights or, where there are none, the finished runs of a configuration; ValueError if there are none."""
    weights = list(weights) or list(finished_runs(config, store, runs).values())
    if not weights:
        raise ValueError(f"no finished run of profile {config.profile!r} on this data; train first (`colorize train`)")
    return weights


def questions(weights: Path, usual: Config) -> tuple[Readout, ...]:
    """What is asked of a run: the main two read-outs, with the usual settings also the sweep, and all of `ce`.

    A run that went on from the end of one of its own arm counts as usual, for it may be the next to ship.
    """
    passport = read_passport(weights)
    arm = passport["arm"]
    if not re.fullmatch(f"(from={arm}(:{arm})*)?", variant_of(passport, usual)):
        return ASKED[:2]
    return (ASKED if arm == "ce" else ASKED[:2]) + SWEEP


def _recorded(config: Config) -> Results:
    """The recorded results of a profile, which know of no other settings: ValueError if there are some."""
    usual = identity(load_config(config.profile))
    changed = {name: value for name, value in identity(config).items() if value != usual.get(name)}
    changed |= {name: getattr(config, name) for name in ("init_from", "prior") if getattr(config, name)}
    if changed:
        raise ValueError(f"results are recorded for profile {config.profile} as it is; {changed} needs data")
    return load(config.profile, config.seeds)


def save_json(value, path: Path) -> None:
    """Write JSON with a line for each entry and lists of numbers on one line."""
    text = json.dumps(value, indent=1, allow_nan=False)
    text = re.sub(r"\[[^\[\]{}]*\]", lambda found: re.sub(r"\s+", " ", found.group()), text)
    with atomic_file(path) as unfinished:
        unfinished.write_text(text + "\n")


def export_runs(config: Config, store: Store, out: Path, runs: Path = RUNS) -> list[Path]:
    """Write the network of every finished run of a configuration as `out`/<run id>.safetensors, fp16. ValueError if
    none is finished."""
    found = _runs_of(config, store, runs, ())
    return [export_weights(folder, out, name=folder.name) for folder in found]


def _folder(profile: str) -> Path:
    """Where to record a profile; ValueError where no book is beside the library, as in an installed package."""
    if not BOOK.is_dir():
        raise ValueError(f"there is no book to record in at {BOOK}; run this in a clone of the repository")
    return BOOK / "results" / profile


def write_facts(facts: dict, painted: np.ndarray, folder: Path | None = None) -> Path:
    """Keep what `colorize doctor` knows of a run (`Facts.plain`) and images that its network painted, uint8
    [h, w, 3], as <run id>.json and .jpg in `doctor/` beside the records of its profile; returns the first. What the
    rules make of the facts is not kept, so that it is never older than the rules.

    Raises ValueError for a network of which run or profile are not known.
    """
    if missing := [name for name in ("run", "profile") if not facts.get(name)]:
        raise ValueError(f"a diagnosis can only be recorded of a network whose {missing[0]} is known")
    path = (folder or _folder(facts["profile"])) / "doctor" / f"{facts['run']}.json"
    with atomic_file(path.with_suffix(".jpg")) as unfinished:
        Image.fromarray(painted).save(unfinished, "jpeg", quality=90, subsampling=0)
    save_json(_brief(facts), path)
    return path


def _brief(value):
    """JSON values with six digits."""
    if isinstance(value, dict):
        return {name: _brief(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_brief(part) for part in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def read_facts(profile: str, folder: Path | None = None) -> dict[str, tuple[dict, np.ndarray]]:
    """What `write_facts` kept of a profile, {run id: (facts, images)}."""
    files = sorted(((folder or _folder(profile)) / "doctor").glob("*.json"))
    return {path.stem: (json.loads(path.read_text()), read_image(path.with_suffix(".jpg"))) for path in files}


def bench_file(name: str) -> Path:
    """Where what `colorize bench` measured is recorded under a name."""
    return _folder("bench") / f"{name}.json"


def benches() -> dict[str, dict]:
    """All recorded measurements of `colorize bench`, by name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(bench_file("").parent.glob("*.json"))}


def coverage() -> pd.DataFrame:
    """How often 95 % intervals held the true value in simulations: a row a case, a column a number of seeds, each the
    least and the greatest share over the kinds of statistics, as pairs."""
    table = pd.read_csv(BOOK / "results" / "coverage.csv")
    ends = table.groupby(["case", "seeds"], sort=False).coverage.agg(["min", "max"])
    return ends.apply(tuple, axis=1).unstack("seeds").loc[table.case.unique()]


def export(config: Config, store: Store, out: Path, runs: Path = RUNS, log=print) -> list[Path]:
    """Write the finished runs of the first seed as weights to ship, with their recorded metrics in the passport.

    With `ce` goes the read-out that `choose_readout` finds, and a line that says why.

    Raises ValueError for an arm that is not trained or not recorded, FileNotFoundError if nothing is recorded yet.
    """
    found, seed = finished_runs(config, store, runs), config.seeds[0]
    missing = [arm for arm in config.arms if (arm, seed) not in found]
    if missing:
        raise ValueError(f"{missing[0]} with seed {seed} is not trained yet; run `colorize train` first")
    recorded = _with_runs(config.profile, seed, {found[arm, seed].name for arm in config.arms})
    return [_ship(found[arm, seed], recorded, out, arm, log) for arm in config.arms]


def export_best(weights: Path, out: Path, log=print) -> Path:
    """Write a recorded run of `ce` as the weights that ship for photographs, as `export` does.

    Raises ValueError for another arm, for a run that is not recorded, and where the cross entropy at its end on
    validation images is not below that of the network which ships.
    """
    mine, old = read_passport(weights), out / f"{BEST}.safetensors"
    if mine["arm"] != "ce":
        raise ValueError(f"{weights} is of arm {mine['arm']!r}; what ships as {BEST} is a ce")
    recorded, end = _validated(mine)
    if old.exists() and (theirs := read_passport(old))["run"] != mine["run"]:
        if theirs["profile"] != mine["profile"]:
            raise ValueError(f"{weights} is of profile {mine['profile']!r} and {old} of {theirs['profile']!r}; they "
                             "cannot be compared on the same validation images")  # fmt: skip
        _, before = _validated(theirs)
        said = f"cross entropy above its floor on validation images: {end:.4f}, {theirs['run']} has {before:.4f}"
        if not end < before:
            raise ValueError(f"{mine['run']} is no better than what ships; {said}")
        log(said)
    return _ship(weights, recorded, out, BEST, log)


def _validated(passport: dict) -> tuple[Results, float]:
    """The recorded results of a run's profile and seed, and its cross entropy above its floor on validation images at
    its end; ValueError if it is not recorded."""
    run = passport["run"]
    recorded = _with_runs(passport["profile"], passport["seed"], {run})
    variant = recorded.summary["passports"][run]["variant"]
    return recorded, float(recorded.curves(variant, [passport["arm"]]).val_excess.iloc[-1])


def _with_runs(profile: str, seed: int, runs: set[str]) -> Results:
    """The recorded results of one seed of a profile; ValueError for a run that is not among them."""
    recorded = load(profile, (seed,))
    if missing := runs - recorded.summary["passports"].keys():
        raise ValueError(f"{min(missing)} is not recorded yet; run `colorize record` first")
    return recorded


def _ship(weights: Path, recorded: Results, out: Path, name: str, log) -> Path:
    """Write weights to `out`/<name>.safetensors with what was recorded of them, and of `ce` the read-out chosen."""
    passport = read_passport(weights)
    run, arm, readout = passport["run"], passport["arm"], None
    variant = recorded.summary["passports"][run]["variant"]
    mine = {n: System.parse(n) for n in recorded.systems}
    mine = {n: str(s.of_variant("")) for n, s in mine.items() if (s.arm, s.variant) == (arm, variant)}
    values = {plain: {m: recorded.value(n, m) for m in recorded.available(n)} for n, plain in mine.items()}
    measured = {n: {m: float(f"{v:.6g}") for m, v in row.items() if np.isfinite(v)} for n, row in values.items()}
    if arm == "ce":
        readout, why = choose_readout(recorded.summary["validation"][run])
        log(f"{name}: {why}")
    return export_weights(weights, out, TERMS, measured, name, readout)


def record(
    config: Config, store: Store, weights: Iterable[Path] = (), folder: Path | None = None, runs: Path = RUNS,
    limit: int = 0, log=print, curves: bool = False
) -> Results:  # fmt: skip
    """Measure runs of a profile on the test images of a store and write a file for each, as soon as it is measured.

    weights: folders of runs or single files of weights, wherever they lie; by default the finished runs of the
    configuration. Files of other runs are kept. Returns everything that is recorded of the profile then. limit: see
    `collect`. log: see `ImageSet.truth`. curves: keep passports and validation curves alone, of runs that are not
    recorded yet; no test image is looked at but for the baselines. Raises ValueError for a network of another profile,
    for weights without a curve where that is wanted, and where runs are recorded on other test images, before anything
    is measured.
    """
    folder, weights = folder or _folder(config.profile), list(weights)
    for path in weights:
        profile = read_passport(path)["profile"]
        if profile != config.profile:
            raise ValueError(f"{path} is of profile {profile!r}, not {config.profile!r}")
        if curves and path.is_file():
            raise ValueError(f"{path} holds weights without a curve; give the folder of its run")
    usual = config if not weights else load_config(config.profile)
    images = ImageSet(store, store.rows("test", limit or config.test_photos))
    weights = _runs_of(usual, store, runs, weights)
    _check_key(folder, images.key)
    truth = images.truth(runs, log)
    for path in weights:
        file = folder / "runs" / f"{read_passport(path)['run']}.parquet"
        if curves and file.exists():
            continue  # it may hold more
        found = images.curve(path, truth) if curves else images.run(path, truth, questions(path, usual), log)
        truth.write(folder / "truth.parquet")
        found.write(file)
    return load(config.profile, folder=folder)


def _check_key(folder: Path, key: str) -> None:
    """Raise ValueError where a folder holds runs that were measured on other images, or by other metrics."""
    path = folder / "truth.parquet"
    if path.exists() and (old := Record.read(path).about["key"]) != key and list(folder.glob("runs/*")):
        raise ValueError(f"{folder} holds runs that were measured on other test images or otherwise ({old}, now "
                         f"{key}); move it away to record all of them anew")  # fmt: skip
