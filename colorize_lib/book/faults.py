"""Networks made bad on purpose: what was changed, how they paint, and what the doctor says of each.

A case is one run of a short training, with one thing wrong or, for comparison, with nothing; one case is the run with
nothing wrong, asked wrongly. `lineup` reads the cases that are recorded of a profile, or trains and measures those that
are missing on data that are named.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
import torch
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from PIL import Image
from scipy.ndimage import gaussian_filter1d

from ..colorizer import Colorizer, load_run
from ..config import Config, load_config, settings_of
from ..data.files import atomic_file
from ..data.images import fit_square
from ..data.prepare import open_data
from ..data.prior import load_prior
from ..data.store import Store
from ..evaluation import diagnosis, records
from ..evaluation.intervals import Interval
from ..evaluation.results import Results, load, variant_of
from ..objectives import NEEDS_PRIOR
from ..quantize import ab_gamut_centers, rebalancing_weights
from ..readout import Readout
from ..training.loop import RUNS, VALIDATION_PHOTOS, train_run
from .examples import Images, book_photos, colorize_all
from .figures import WIDTH, _ab_axis, _done, _squares, image_grid, show_image

OF = ("boat", "caps", "island", "lighthouse")
"""Photographs of book/photos that are painted, in the order in which a recorded image has them."""
PAINTED = 96
"""Side in pixels of the images that are kept of a run."""
LIST_WIDTH = 5
"""The original smooths its prior over 5 ab units; taken for places in the list of colours it is a mistake."""
SYNTHETIC = 64
"""Of generated scenes so many images are measured, where of photographs all are."""
BROKEN_PRIORS = ("b before a", "smoothed along the list")


def broken_prior(kind: str) -> np.ndarray:
    """One of `BROKEN_PRIORS`, made from that of MiniPlaces: [313], with the sum 1.

    "b before a": its numbers stand as if the list of colours were sorted by b and then by a. "smoothed along the list":
    by a Gaussian of `LIST_WIDTH` places, whichever colours are neighbours there.
    """
    good = load_prior(diagnosis.PRIOR).double().numpy()
    if kind not in BROKEN_PRIORS:
        raise ValueError(f"prior {kind!r} is unknown; allowed: {', '.join(BROKEN_PRIORS)}")
    order = np.lexsort(ab_gamut_centers().numpy().T)
    prior = good[order] if kind == "b before a" else gaussian_filter1d(good, float(LIST_WIDTH))
    return prior / prior.sum()


@dataclass(frozen=True)
class Case:
    """One training. done: what was done, for the reader. rule: what the doctor should name, "" where it has no rule for
    it. change: the settings that make it bad, from those of the profile with its budget. prior: one of `BROKEN_PRIORS`.
    readout: what is asked of the network. remedy: what undoes it, "" where the rule has that."""

    name: str
    arm: str
    done: str
    rule: str = ""
    change: Callable[[Config], dict] = lambda config: {}
    prior: str = ""
    readout: str = "@1"
    remedy: str = ""

    @property
    def trained(self) -> bool:
        """Whether it has a run of its own; else it is that of the case to compare with, asked otherwise."""
        return self.readout == "@1"

    @property
    def than(self) -> str:
        """The case to compare with, in which nothing is wrong."""
        return "healthy" if self.arm == "ce" else "rebalanced"

    def config(self, usual: Config, budget: float) -> Config:
        """The configuration of the run: the profile's with a share `budget` of its steps and He's start, and the
        fault."""
        short = replace(usual, steps=max(2, round(budget * usual.steps)), init="he")
        return replace(short, recipe=False, **self.change(short))


CASES = {case.name: case for case in (
    Case("healthy", "ce", "nothing: the reference"),
    Case("default start", "ce", "PyTorch's own initialisation", "start", lambda c: {"init": "default"}),
    Case("rate too high", "ce", "30 times the learning rate", "rate too high", lambda c: {"lr": 30 * c.lr}),
    Case("rate too low", "ce", "a hundredth of the learning rate", "rate too low", lambda c: {"lr": c.lr / 100}),
    Case("decay", "ce", "the original's weight decay, beside a mean", "decay", lambda c: {"weight_decay": 1e-3}),
    Case("decay and sum", "ce", "the same, beside a sum as in the original",
         change=lambda c: {"weight_decay": 1e-3, "reduction": "sum"}, remedy="Train with weight_decay=0."),
    Case("too short", "ce", "5/12 of the steps", "too short", lambda c: {"steps": max(1, c.steps * 5 // 12)}),
    Case("few images", "ce", "500 training images", "few images", lambda c: {"train_photos": 500}),
    Case("decoder", "ce", "nothing in training; asked with T = 0.38", "decoder", readout="@0.38"),
    Case("rebalanced", "ce_rebal", "nothing: the reference of those below"),
    Case("b before a", "ce_rebal", "prior in the wrong order", "prior", prior="b before a"),
    Case("along the list", "ce_rebal", "prior smoothed along the list", "prior", prior="smoothed along the list"),
    Case("no weights", "ce_rebal", "weights of one", "weights", lambda c: {"lambda_": 1.0}),
)}  # fmt: skip
"""Every case by name."""


@dataclass(frozen=True)
class Lineup:
    """The cases of one profile: what was measured, diagnosed (`Diagnosis.plain`) and, where it was trained, painted, by
    case; variants: how results name each."""

    found: Results
    variants: dict[str, str]
    diagnoses: dict[str, dict]
    painted: dict[str, np.ndarray]

    def system(self, case: str, readout: str = "") -> str:
        """The name of a case's system, of its own read-out unless another is named."""
        return f"{CASES[case].arm}{readout or CASES[case].readout} {self.variants[case]}".strip()

    def interval(self, case: str, metric: str, readout: str = "") -> Interval:
        """A metric on test images, of the case's own read-out unless another is named."""
        return self.found.interval(self.system(case, readout), metric)

    def against(self, case: str, metric: str) -> Interval:
        """The difference to the case that has nothing wrong."""
        return self.found.difference(self.system(case), self.system(CASES[case].than), metric)

    def note(self, cases: Iterable[str], split: str) -> None:
        """Tell `trace` that these cases were read; split: see `Results.note_runs`."""
        runs = [run for case in cases for run in self.found.runs_of(self.variants[case], [CASES[case].arm])]
        self.found.note_runs(runs, split=split)

    def said(self, case: str) -> str:
        """The rule that names the reason, and the first cause where the reason is little learning."""
        found = self.diagnoses[case]
        weak = found["reason"] in diagnosis.WEAK and found["causes"]
        return found["reason"] + (f": {found['causes'][0]}" if weak else "")

    def named(self, case: str) -> str:
        """Where the doctor names what was done: "first", "also" or "not"."""
        told, rule = self.diagnoses[case], CASES[case].rule
        if rule in self.said(case).split(": "):
            return "first"
        return "also" if rule in (*told["causes"], *told["also"]) else "not"

    def also(self, case: str) -> str:
        """The reasons that hold beside the first, or "none"."""
        return ", ".join(self.diagnoses[case]["also"]) or "none"

    def looks(self, case: str) -> str:
        """The `symptom` of its read-out."""
        return symptom(self.diagnoses[case]["facts"], CASES[case].readout)

    def remedy(self, case: str) -> str:
        """What undoes what was done, in the doctor's words where it has a rule for that, named or not; where nothing
        was done, its remedy against what it did name."""
        told, about = self.diagnoses[case], CASES[case]
        rules = {rule.name: rule.remedy for rule in (*diagnosis.REASONS, *diagnosis.CAUSES)}
        known = rules[about.rule].format_map(diagnosis.Facts(told["facts"])) if about.rule else told["remedy"]
        return about.remedy or known

    def words(self, case: str) -> str:
        """Sentence and remedy of the doctor."""
        return f"{self.diagnoses[case]['sentence']}\nWhat to do: {self.diagnoses[case]['remedy']}"

    def fact(self, case: str, name: str) -> float:
        """What the doctor knew of a case, NaN where it did not."""
        return float(self.diagnoses[case]["facts"].get(name, np.nan))

    def curve(self, case: str) -> pd.DataFrame:
        """The history of a case, a row a validation."""
        mine = self.found.curves(self.variants[case], [CASES[case].arm])
        return mine[mine.seed == self.found.summary["seeds"][0]]


def lineup(config: Config, budget: float, runs: Path = RUNS, log=None) -> Lineup:
    """All cases with the first seed: recorded ones where the configuration names no data; else what is missing is
    trained on them. budget: share of the profile's steps.

    Raises ValueError for a budget that is not above 0, and for a case that is not recorded, naming it.
    """
    if not 0 < budget <= 1:
        raise ValueError(f"budget={budget} is not possible; allowed: above 0, at most 1")
    seed = config.seeds[0] if config.seeds else 0
    configs = {name: case.config(config, budget) for name, case in CASES.items()}
    usual = config if config.data else load_config(config.profile)
    variants = {name: _variant(configs[name], CASES[name], usual) for name in CASES}
    if config.data:
        return _trained(config, configs, variants, seed, Path(runs), log)
    found, kept = load(config.profile, (seed,)), records.read_facts(config.profile)
    run_of = {(p["arm"], p["variant"]): run for run, p in found.summary["passports"].items()}
    mine = {name: run_of.get((CASES[name].arm, variant)) for name, variant in variants.items()}
    if missing := [name for name, run in mine.items() if run not in kept]:
        what = f"case {missing[0]!r} ({variants[missing[0]]}, seed {seed})"
        raise ValueError(f"{what} is not recorded in {config.profile!r}; name a data set to train it on")
    found.note_runs(mine.values(), "profile")
    told = {name: diagnosis.diagnose(diagnosis.Facts(kept[run][0])).plain() for name, run in mine.items()}
    return Lineup(found, variants, told, {name: kept[run][1] for name, run in mine.items() if CASES[name].trained})


def _variant(config: Config, case: Case, usual: Config) -> str:
    """How results name a run with these settings."""
    about = {"profile": usual.profile, "arm": case.arm, "config": settings_of(config.for_arm(case.arm))}
    if case.prior and case.arm in NEEDS_PRIOR:
        numbers = torch.from_numpy(broken_prior(case.prior)).float().numpy()
        about["prior"] = hashlib.sha256(numbers.tobytes()).hexdigest()
    return variant_of(about, usual)


def _trained(config: Config, configs: dict, variants: dict, seed: int, runs: Path, log) -> Lineup:
    store, folders = open_data(config.data, config.side), {}
    for name, case in CASES.items():
        own = replace(configs[name], prior=str(write_prior(case.prior, runs)) if case.prior else "")
        folders[name] = train_run(own, case.arm, seed, store, runs, log)
    limit, few = (SYNTHETIC, SYNTHETIC) if config.data == "synthetic" else (0, VALIDATION_PHOTOS)
    weights = dict.fromkeys(folders.values())
    found = records.collect(replace(config, seeds=(seed,)), store, runs, limit, weights=weights)
    told = {folder: diagnosed(folder, store, few) for folder in weights}
    painted = {name: paint(load_run(folder)) for name, folder in folders.items() if CASES[name].trained}
    return Lineup(found, variants, {name: told[folder] for name, folder in folders.items()}, painted)


def write_prior(kind: str, runs: Path = RUNS) -> Path:
    """Write a broken prior as a file that `Config.prior` can name, and return it."""
    path = Path(runs) / "priors" / f"{kind.replace(' ', '-')}.npy"
    with atomic_file(path) as unfinished, open(unfinished, "wb") as file:  # by its name alone NumPy would change it
        np.save(file, broken_prior(kind))
    return path


def diagnosed(folder: Path, store: Store, limit: int = VALIDATION_PHOTOS) -> dict:
    """What the doctor finds of a finished run, from its folder and validation images, as JSON values."""
    facts, network = diagnosis.examine(folder)
    return diagnosis.diagnose(diagnosis.measure(network, facts, store, limit=limit)).plain()


def squares() -> dict[str, np.ndarray]:
    """The photographs `OF` as they are painted here: the middle square, reduced, uint8 [96, 96, 3]."""
    photos = book_photos()
    return {name: np.asarray(fit_square(Image.fromarray(photos[name]), PAINTED)) for name in OF if name in photos}


def paint(network: Colorizer) -> np.ndarray:
    """The photographs of the book side by side, as a network's mean paints them: uint8 [96, 96 n, 3]."""
    mean = Readout(1.0) if network.is_classifier else None
    return np.concatenate([network.photo(image, mean) for image in squares().values()], 1)


# ------------------------------------------------------------------------------------------------- figures, tables

SHOWN = ("caps", "lighthouse")
"""The photographs of the line-up: one of many vivid colours, one of sky and rocks."""
GREY = 0.2
"""Chroma ratio of a mean below which an image looks grey."""


def symptom(facts: dict, readout: str = "@1") -> str:
    """How images look that a classifier paints, with its mean unless another read-out is named, by measures on
    validation images: `Diagnosis.plain()["facts"]`."""
    systems = facts["systems"]
    mine = systems[facts["arm"] + readout]
    ratio, hue = mine["chroma_ratio"], mine["true_hue_ratio"] / max(mine["chroma_ratio"], 1e-9)
    one = hue < 1.1 * systems["constant"]["true_hue_ratio"] / systems["constant"]["chroma_ratio"]
    if ratio < GREY:
        return "grey"
    if one:
        return "one tint over everything"
    return "dull" if ratio < diagnosis.VIVID else "vivid"


def summary(found: Lineup) -> pd.DataFrame:
    """The chapter's table: a row a case with symptom, measure (how far the loss is below that of the best constant
    answer), what was done, what the doctor says first, and the remedy against what was done."""
    found.note(CASES, "val")
    rows = {}
    for name, case in CASES.items():
        rows[f"{name} ({case.done})"] = {
            "symptom": found.looks(name), "measure": f"{found.fact(name, 'learnt'):.1%}",
            "the doctor": found.said(name), "remedy": found.remedy(name).replace("`", ""),
        }  # fmt: skip
    return pd.DataFrame(rows).T.rename_axis("case (what was done)")


def plot_lineup(found: Lineup, names: list[str], columns: int = 7) -> Figure:
    """Grey, truth and cases, each a column of the photographs of `SHOWN`."""
    photos = squares()
    found.note(names, "")
    plain = colorize_all(Images({name: photos[name] for name in SHOWN}, ""), {})
    there = {column: {name: row[column] for name, row in plain.items()} for column in ("input", "truth")}
    for case in names:
        parts = np.split(found.painted[case], len(photos), 1)
        there[case] = dict(zip(photos, parts, strict=True))
    rows = -(-len(there) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(WIDTH, rows * (2 * WIDTH / columns + 0.25)), squeeze=False, layout="compressed"
    )
    for axis in axes.flat:
        axis.axis("off")
    for axis, (name, images) in zip(axes.flat, there.items(), strict=False):
        axis.axis("on")
        show_image(axis, np.concatenate([images[photo] for photo in SHOWN]))
        axis.set_title(name, fontsize=8.5, loc="center")
    return _done(figure)


def plot_curves(found: Lineup, names: list[str]) -> Figure:
    """Validation loss of classifiers by step; the dotted line is the least that one answer for all can have."""
    figure, axis = plt.subplots(figsize=(WIDTH, 3.6))
    constant = found.fact(names[0], "constant_loss")
    curves = {name: found.curve(name) for name in names}
    low, high = min(curve.val_plain.min() for curve in curves.values()) - 0.03, constant + 0.4
    colours = sns.color_palette("colorblind", len(curves))
    for i, (name, curve) in enumerate(curves.items()):
        label = name + " (above the picture)" * bool(curve.val_plain.min() > high)
        look = {"linestyle": ("-", "--")[i % 2], "color": colours[i]} if i else {"color": "0.1", "linewidth": 2.5}
        axis.plot(curve.step, curve.val_plain, marker="o", label=label, **look)
    axis.axhline(constant, color="0.4", linestyle=":", linewidth=1.2)
    axis.text(axis.get_xlim()[1], constant, "one answer for everything", fontsize=8, ha="right", va="bottom")
    axis.set(xlabel="step", ylabel="validation loss (nats)", ylim=(low, high))
    axis.legend(ncols=2)
    return _done(figure)


def plot_weights(kinds: tuple[str, ...] = BROKEN_PRIORS, lambda_: float = 0.5) -> Figure:
    """The weight of each colour under the right prior and under broken ones, on the ab plane."""
    priors = {"right": load_prior(diagnosis.PRIOR)} | {k: torch.from_numpy(broken_prior(k)).float() for k in kinds}
    figure, axes = plt.subplots(1, len(priors), figsize=(WIDTH, 2.9), sharey=True)
    colours = plt.get_cmap("viridis")
    for axis, (name, prior) in zip(axes, priors.items(), strict=True):
        weights = rebalancing_weights(prior, lambda_).log10().numpy()
        _ab_axis(axis, name, 115)
        _squares(axis, ab_gamut_centers().numpy(), colours(np.clip((weights + 1) / 2, 0, 1)))
        axis.grid(False)
    scale = plt.cm.ScalarMappable(LogNorm(0.1, 10), colours)
    figure.colorbar(scale, ax=axes, label="weight in the loss", shrink=0.8)
    return _done(figure)


def decoded(network: Colorizer, photos: tuple[str, ...], readouts: dict[str, Readout], gain: float) -> dict:
    """Photographs of the book as one classifier paints them with several read-outs, and its mean with a gain."""
    there, rows = book_photos(), {}
    for name, image in Images({name: there[name] for name in photos}, "").items.items():
        rows[name] = {title: network.photo(image, readout) for title, readout in readouts.items()}
        rows[name][f"mean times {gain:.1f}"] = network.photo(image, Readout(1.0), gain)
    return rows


def mean_gain(network: Colorizer) -> float:
    """The factor recorded for a classifier's own run, with which its mean has the chroma of validation images."""
    run, found = network.passport["run"], load(network.passport["profile"])
    found.note_runs([run], split="val")
    return float(found.summary["gains"][run][f"{network.arm}@1"])


def plot_decoded(rows: dict[str, dict[str, np.ndarray]]) -> Figure:
    """What `decoded` painted, a row a photograph."""
    return image_grid(rows, titles={title: title for title in next(iter(rows.values()))})


def collapse() -> dict[str, pd.DataFrame]:
    """Histories of squared error on red, green and blue, seed 0: by the student's recipe as we read it, which collapsed
    there, and in the profile evening; with a column views."""
    curves = {}
    for profile in ("student", "evening"):
        found = load(profile, (0,))
        mine, (run,) = found.curves(arms=["student_mse"]), found.usual_runs(["student_mse"])
        curves[profile] = mine.assign(views=mine.epoch * found.summary["passports"][run]["photos"])
    return curves


def plot_collapse(curves: dict[str, pd.DataFrame]) -> Figure:
    """Validation loss and chroma along the true hue by images seen."""
    panels = {"val_plain": "validation loss", "val_true_hue_ratio": "chroma along the true hue"}
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.0))
    for axis, (column, title) in zip(axes, panels.items(), strict=True):
        for name, curve in curves.items():
            axis.plot(curve.views, curve[column], marker="o", label=name)
        axis.set(title=title, xlabel="images seen", xscale="log", ylim=(0, None))
    axes[0].legend(title="profile")
    return _done(figure)
