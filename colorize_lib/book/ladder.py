"""The ladder: effects at every budget that was recorded, against the images that training saw; and what time and the
number of photographs change.

Rungs differ in width, photographs and recipe besides their length, so every figure marks them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..config import FIELDS, load_config
from ..evaluation.effects import SETTLED, settled_epoch
from ..evaluation.intervals import Interval
from ..evaluation.metrics import metric
from ..evaluation.results import Results, load
from ..evaluation.systems import BASELINES, System, system_title
from .answers import MISSING, UNKNOWN, difference
from .figures import ARM_COLOURS, WIDTH, _done

RUNGS = {
    "ablation": ("ablation", ""),
    "evening": ("evening", ""),
    "evening, long": ("evening", "batch=256,lr=0.002,precision=bf16,steps=10114"),
    "student": ("student", ""),
}
"""The rungs that may be recorded: profile and variant."""
EFFECTS = {
    "loss": ("ce@1", "l2"),
    "decoder": ("ce@0.38", "ce@1"),
    "rebalanced training": ("ce_rebal@1", "ce@1"),
    "tilt after training": ("ce@1~0.5", "ce@1"),
}
"""What a paper may have changed, each as one system less another."""
CONSTANTS = {"student_mse": "mean", "l2": "mean", "l2_rebal": "weighted", "ce@1": "mean", "ce_rebal@1": "weighted"}
"""The constant colour that a network which learned nothing ends at."""
MARKERS = "osD^vP*X"
LEVELS = {"l2": "#D55E00", "ce@1": "#0072B2", "ce@0.38": "#56B4E9", "ce@1~0.5": "#009E73"}
"""Systems whose values are drawn over the ladder, and their colours."""


@dataclass(frozen=True, eq=False)
class Rung:
    """Trained networks of one budget. variant: of their settings, "" for those of the profile."""

    title: str
    found: Results
    variant: str = ""

    @cached_property
    def passport(self) -> dict:
        """Of one of its runs; ValueError where there is none."""
        mine = [p for p in self.found.summary["passports"].values() if p.get("variant", "") == self.variant]
        if not mine:
            raise ValueError(f"no run of {self.found.profile} {self.variant}".strip())
        return mine[0]

    def _setting(self, name: str):
        return self.passport["config"].get(name, FIELDS[name])

    @property
    def views(self) -> int:
        """Images seen in training, repeats counted."""
        return self.passport["steps"] * self._setting("batch")

    @property
    def epochs(self) -> float:
        """How often each photograph was seen."""
        return self.views / self.passport["photos"]

    @property
    def rate(self) -> str:
        """How the learning rate goes, in words."""
        return f"rate {self._setting('schedule').replace('_', ' ')}"

    @property
    def about(self) -> str:
        """Width, photographs and views in words."""
        width = Fraction(self._setting("width")).limit_denominator(64)
        photos = f"{self.passport['photos']:,} photographs, {self.epochs:.1f} epochs"
        return f"{self.title}: width {width}, {photos}, {self.rate}"

    def named(self, system: str) -> str:
        """A system as its runs of this rung are called; baselines have no runs."""
        return system if system in BASELINES else str(System.parse(system).of_variant(self.variant))

    def difference(self, a: str, b: str, name: str) -> Interval:
        """A metric of a less that of b, or `MISSING`."""
        return difference(self.found, self.named(a), self.named(b), name)

    def interval(self, system: str, name: str) -> Interval:
        """A metric, or `MISSING`."""
        try:
            return self.found.interval(self.named(system), name)
        except ValueError:
            return MISSING

    def made_up(self, system: str) -> float:
        """The share, in per cent, of the colourfulness that `l2` lacks of the truth's that a system makes up."""
        mine, l2 = (self.interval(name, "colourfulness").value for name in (system, "l2"))
        return 100 * (mine - l2) / (self.interval("grey", "colourfulness_true").value - l2)

    @property
    def history(self) -> pd.DataFrame:
        """The curves of its runs."""
        return self.found.curves(self.variant)

    @property
    def curves(self) -> Iterator[tuple[str, pd.DataFrame]]:
        """The arm and the curve of each of its runs, one after another."""
        for (arm, _), curve in self.history.groupby(["arm", "seed"], sort=False):
            yield arm, curve


def rungs(found: Results, alone: bool = False) -> dict[str, Rung]:
    """The rungs of `RUNGS` that are recorded, by title; found: results at hand of one of these profiles, or of others.

    alone: only the rung of `found`, as for data of one's own.
    """
    if alone:
        return {found.profile: Rung(found.profile, found)}
    there, profiles = {}, {found.profile: found}
    for title, (profile, variant) in RUNGS.items():
        try:
            profiles[profile] = profiles.get(profile) or load(profile)
            rung = Rung(title, profiles[profile], variant)
            there |= {title: rung} if rung.passport else {}
        except (FileNotFoundError, ValueError):  # not recorded (yet)
            continue
    return there or rungs(found, alone=True)


def views_of(profile: str) -> int:
    """Images that a profile with a number of steps shows."""
    config = load_config(profile)
    return config.steps * config.batch


def alike(ladder: dict[str, Rung]) -> list[tuple[str, str]]:
    """Neighbours with one width and the same photographs, by title."""
    kinds = {title: (rung._setting("width"), rung.passport["photos"]) for title, rung in ladder.items()}
    titles = list(ladder)
    return [(a, b) for a, b in zip(titles, titles[1:], strict=False) if kinds[a] == kinds[b]]


def continuation(ladder: Iterable[Rung], a: str, b: str, name: str, views: float, least: int = 3) -> tuple[float, ...]:
    """What the straight line through the effects a - b against log(views) says at some views: (value, least, greatest),
    the last two over the lines that leave one rung out. NaN for fewer than `least` rungs; two give one line.

    Rungs count alike, whatever their interval: they differ in more than chance. It is no forecast, which so few and
    unlike networks do not bear.
    """
    effects = [(math.log10(rung.views), rung.difference(a, b, name).value) for rung in ladder]
    points = np.array([point for point in effects if math.isfinite(point[1])]).reshape(-1, 2)
    if len(points) < least:
        return math.nan, math.nan, math.nan
    parts = [points, *(np.delete(points, i, 0) for i in range(len(points)))]
    lines = [np.polyfit(*part.T, 1) for part in parts if np.ptp(part[:, 0]) > 0.3]  # two equal budgets give no line
    ends = [float(np.polyval(line, math.log10(views))) for line in lines]
    return (ends[0], min(ends), max(ends)) if ends else (math.nan, math.nan, math.nan)


def course(first: Interval, last: Interval) -> str:
    """How an effect went from one rung to another, as a verb with its object.

    Certain is what intervals say: each against 0, and the change by both half widths as of independent estimates.
    """
    if not (math.isfinite(first.value) and math.isfinite(last.value)):
        return f"is {UNKNOWN}"
    half = math.hypot(first.high - first.low, last.high - last.low) / 2
    signs = [(end.low > 0) - (end.high < 0) for end in (first, last)]
    if signs[0] * signs[1] < 0:
        return "changes its sign"
    if signs == [0, 0]:
        return "is told from zero at neither end"
    if signs[0] and not signs[1]:
        return "is no longer told from zero"
    if abs(last.value - first.value) <= half:
        return "does not certainly change"
    return "grows" if abs(last.value) > abs(first.value) else "shrinks"


def in_words(first: Rung, last: Rung, effect: str = "loss") -> str:
    """What becomes of one of `EFFECTS` from one rung to another, as the rest of a sentence that begins with it."""
    said = []
    for name, title, form in (("colourfulness", "colourfulness", "+.1f"), ("auc", "AuC", "+.4f"),
                              ("auc_balanced", "class-balanced AuC", "+.3f")):  # fmt: skip
        ends = [rung.difference(*EFFECTS[effect], name) for rung in (first, last)]
        way = f"{course(*ends)} in {title} ({ends[0].value:{form}} to {ends[1].value:{form}})"
        said.append(f"is {ends[0].value:{form}} in {title}" if first is last else way)
    return f"{', '.join(said[:-1])}, and {said[-1]}"


# --------------------------------------------------------------------------------------------------------------- time


def overfitting(ladder: Iterable[Rung]) -> pd.DataFrame:
    """What the curves say of every rung and arm, means over seeds, of the arms' own score without weights (for
    classifiers above its floor): a row each, by rung and arm.

    best: epoch of the lowest validation score. after: how far validation ends above it, in per cent. apart: how far
    training ends below validation, in per cent of the latter. settled: see `effects.settled_epoch`.
    """
    rows = []
    for rung in ladder:
        for arm, curve in rung.curves:
            best, last = curve.loc[curve.val_excess.idxmin()], curve.iloc[-1]
            values = (best.epoch, 100 * (last.val_excess / best.val_excess - 1),
                      100 * (1 - last.excess / last.val_excess), settled_epoch(curve))  # fmt: skip
            rows.append((rung.title, arm, last.epoch, *values))
    columns = ["rung", "arm", "epochs", "best", "after", "apart", "settled"]
    return pd.DataFrame(rows, columns=columns).groupby(["rung", "arm"], sort=False).mean()


def settling(long: Rung, early: tuple[float, float] = (8, 12), late: tuple[float, float] = (26, 30)) -> pd.DataFrame:
    """What a long training still changes after its first epochs, and how much it only wavers: a row an arm, means over
    seeds of what the curves are on average between two epochs each.

    settled: see `effects.settled_epoch`, the least over the seeds. loss: change on validation images from early to
    late, in per cent. before, after: true-hue chroma ratio early and late. wavering: its standard deviation late, in
    per cent.
    """
    rows = []
    for arm, curve in long.curves:
        before, after = (curve[curve.epoch.between(*span)] for span in (early, late))
        colour, change = after.val_true_hue_ratio, after.val_plain.mean() / before.val_plain.mean() - 1
        rows.append((arm, settled_epoch(curve), 100 * change, before.val_true_hue_ratio.mean(), colour.mean(),
                     100 * colour.std() / colour.mean()))  # fmt: skip
    runs = pd.DataFrame(rows, columns=["arm", "settled", "loss", "before", "after", "wavering"]).groupby("arm")
    return runs.mean().assign(settled=runs.settled.min())


def collapsed(rung: Rung, margin: float = 0.05) -> dict[str, str]:
    """Arms with networks that have hardly more chroma along the true hue than one constant colour has, and how many of
    each: {"l2": "1 of 2"}."""
    found = {}
    for system, constant in CONSTANTS.items():
        name, least = rung.named(system), rung.found.value(constant, "true_hue_ratio")
        there = name in rung.found.summary["systems"]
        values = rung.found.values_by_seed(name, "true_hue_ratio").values() if there else ()
        if low := sum(value < least + margin for value in values):
            found[System.parse(system).arm] = f"{low} of {len(values)}"
    return found


# -------------------------------------------------------------------------------------------------------- photographs


def by_photos(found: Results, system: str) -> dict[int, str]:
    """A system at every number of photographs with which it was trained, other settings alike: {number: name}."""
    numbers = {p.get("variant", ""): p["photos"] for p in found.summary["passports"].values()}
    variants = {variant: n for variant, n in numbers.items() if re.fullmatch(r"(train_photos=\d+)?", variant)}
    named = {n: str(System.parse(system).of_variant(variant)) for variant, n in variants.items()}
    return {n: named[n] for n in sorted(named) if named[n] in found.systems}


# -------------------------------------------------------------------------------------------------------- transplants

TRANSPLANTS = {
    "l2 on the trunk of l2": "l2 from=l2:trunk,steps=4000",
    "l2 on the trunk of ce": "l2 from=ce:trunk,steps=4000",
    "ce on the trunk of l2": "ce@1 from=l2:trunk,steps=4000",
    "l2 on the trunk of ce_rebal": "l2 from=ce_rebal:trunk,steps=4000",
}
"""Arms that went on from a trunk, with a new head. The first is the control, the last the row *L2, ft* of Zhang et al.,
Table 1."""


def between(found: Results, system: str, name: str, ends: tuple[str, str] = ("l2", "ce@1")) -> Interval:
    """Where a metric of a system lies between those of two others: 0 is the first, 1 the second; or `MISSING`."""
    try:
        return found.effect(lambda x, low, high: (x - low) / (high - low), [(s, name) for s in (system, *ends)])
    except ValueError:
        return MISSING


# ------------------------------------------------------------------------------------------------------------- figures


def _marks(ladder: dict[str, Rung]) -> dict[str, str]:
    names = list(RUNGS) + [title for title in ladder if title not in RUNGS]
    return {title: MARKERS[names.index(title) % len(MARKERS)] for title in ladder}


def _places(ladder: dict[str, Rung]) -> dict[str, float]:
    """Where rungs stand on the axis of views: those of equal length beside each other."""
    places = {}
    for title, rung in ladder.items():
        near = sum(abs(math.log10(rung.views / x)) < 0.05 for x in places.values())
        places[title] = rung.views * 1.22**near
    return places


def _rung_colour(rung: Rung) -> tuple:
    """One colour a width, darker where wider."""
    return plt.get_cmap("viridis")(float(np.clip(-0.22 * math.log2(rung._setting("width")), 0, 0.9)))


def _point(axis, x: float, v: Interval, mark: str, colour) -> None:
    """An effect with its interval; hollow where that covers the choice of images only."""
    if math.isfinite(v.value):
        axis.plot([x, x], [v.low, v.high], color=colour, lw=1.8, zorder=3)
        axis.plot(x, v.value, mark, color=colour, mfc="white" if v.seeds == 1 else colour, ms=6.5, mew=1.5, zorder=4)


def _legend(ladder: dict[str, Rung], colour=None) -> list[Line2D]:
    style = {"ls": "", "ms": 6.5}
    return [Line2D([], [], marker=mark, color=colour or _rung_colour(ladder[title]), label=ladder[title].about, **style)
            for title, mark in _marks(ladder).items()]  # fmt: skip


def _views_axis(axis, ladder: dict[str, Rung], furthest: float = 0) -> None:
    places = list(_places(ladder).values())
    axis.set(xscale="log", xlim=(0.6 * min(places), 1.8 * max(*places, furthest)))
    if furthest:
        axis.axvline(furthest, color="#bbbbbb", lw=1, zorder=0)


def plot_levels(ladder: dict[str, Rung], names: Iterable[str] = ("skill_mean", "colourfulness")) -> Figure:
    """Values of `LEVELS` on every rung against the images seen, a panel a metric; lines join rungs of one width and the
    same photographs. The colourfulness of the truth is dotted, as is a skill of zero."""
    names, marks, places = list(names), _marks(ladder), _places(ladder)
    figure, axes = plt.subplots(1, len(names), figsize=(WIDTH, 4.2), squeeze=False)
    for axis, name in zip(axes[0], names, strict=True):
        for system, colour in LEVELS.items():
            values = {title: rung.interval(system, name) for title, rung in ladder.items()}
            for title, value in values.items():
                _point(axis, places[title], value, marks[title], colour)
            for pair in alike(ladder):
                axis.plot([places[t] for t in pair], [values[t].value for t in pair], color=colour, lw=1)
        first = next(iter(ladder.values()))
        line = first.interval("grey", "colourfulness_true").value if name == "colourfulness" else 0.0
        axis.axhline(line, color="#555555", lw=1, ls="dotted")
        _views_axis(axis, ladder)
        axis.set(title=metric(name).title, xlabel="images seen")
    systems = [Line2D([], [], color=colour, lw=3, label=system_title(name)) for name, colour in LEVELS.items()]
    figure.legend(handles=systems + _legend(ladder, "#555555"), loc="outside lower center", ncols=2, fontsize=8)
    return _done(figure)


def plot_ladder(
    ladder: dict[str, Rung], names: Iterable[str] = ("colourfulness", "auc", "auc_balanced"), furthest: float = 0
) -> Figure:
    """`EFFECTS` in rows, metrics in columns, each against the images seen, with 95 % intervals.

    A solid line joins rungs of one width and the same photographs. furthest: where the straight continuation of all
    rungs is drawn to, dashed, with what it would be with any one rung left out as a grey bar; 0 draws none.
    """
    names, marks, places = list(names), _marks(ladder), _places(ladder)
    figure, axes = plt.subplots(len(EFFECTS), len(names), figsize=(WIDTH, 8.4), sharex=True, squeeze=False)
    for row, (effect, pair) in zip(axes, EFFECTS.items(), strict=True):
        for axis, name in zip(row, names, strict=True):
            axis.axhline(0, color="#555555", lw=1, ls="dotted")
            values = {title: rung.difference(*pair, name) for title, rung in ladder.items()}
            for title, value in values.items():
                _point(axis, places[title], value, marks[title], _rung_colour(ladder[title]))
            for ends in alike(ladder):
                axis.plot([places[t] for t in ends], [values[t].value for t in ends], color="#777777", lw=1.2)
            _continue(axis, ladder, pair, name, furthest)
            _views_axis(axis, ladder, furthest)
        row[0].set_ylabel(effect)
    for axis, name in zip(axes[0], names, strict=True):
        axis.set_title(metric(name).title)
        axis.annotate("original", (furthest or 1, 1), (-3, -3), xycoords=("data", "axes fraction"), color="#777777",
                      textcoords="offset points", ha="right", va="top", fontsize=8)  # fmt: skip
    for axis in axes[-1]:
        axis.set_xlabel("images seen")
    figure.legend(handles=_legend(ladder), loc="outside lower center", ncols=1, fontsize=8)
    return _done(figure)


def _continue(axis, ladder: dict[str, Rung], pair: tuple[str, str], name: str, furthest: float) -> None:
    if not furthest:
        return
    start = min(rung.views for rung in ladder.values())
    value, low, high = continuation(ladder.values(), *pair, name, furthest)
    first, *_ = continuation(ladder.values(), *pair, name, start)
    axis.plot([start, furthest], [first, value], color="#999999", lw=1.2, ls="--", zorder=1)
    axis.plot([furthest, furthest], [low, high], color="#999999", lw=4, alpha=0.6, solid_capstyle="butt", zorder=1)


def plot_time(ladder: dict[str, Rung]) -> Figure:
    """Curves of training over epochs, a column a rung: the score of `l2` and `ce` (in training dashed) in units of its
    best on validation images, the ab error there, and the true-hue chroma ratio there of all arms."""
    figure, axes = plt.subplots(3, len(ladder), figsize=(WIDTH, 7.2), sharex="col", sharey="row", squeeze=False)
    for column, rung in zip(axes.T, ladder.values(), strict=True):
        curves = rung.history.groupby(["arm", "epoch"], as_index=False).mean(numeric_only=True)
        for arm, curve in curves.groupby("arm"):
            colour, style = ARM_COLOURS[arm], {"label": system_title(arm)}
            if arm in ("l2", "ce"):
                best = curve.val_excess.min()
                column[0].plot(curve.epoch, curve.val_excess / best, color=colour)
                column[0].plot(curve.epoch, curve.excess / best, color=colour, ls="--", lw=1.4)
                column[1].plot(curve.epoch, curve.val_ab_error, color=colour)
            column[2].plot(curve.epoch, curve.val_true_hue_ratio, color=colour, **style)
        column[0].set_title(f"{rung.title}, {rung.rate}")
        column[0].set_ylim(0.72, 1.3)
        column[2].set(xlabel="epoch", ylim=(0, None))
    labels = ("score, its best validation = 1", "ab error (validation)", "true-hue chroma ratio")
    for axis, label in zip(axes[:, 0], labels, strict=True):
        axis.set_ylabel(label)
    lines = [line for axis in axes[2] for line in zip(*axis.get_legend_handles_labels(), strict=True)]
    by_label = {label: handle for handle, label in lines}
    by_label |= {"dashed: in training": Line2D([], [], color="#555555", ls="--")}
    figure.legend(by_label.values(), by_label.keys(), loc="outside lower center", ncols=3)
    return _done(figure)


def plot_settling(long: Rung, until: float = 12) -> Figure:
    """Validation loss and true-hue chroma ratio of every network of a rung over epochs, each less its own last value
    and divided by it. Shaded is what counts as settled, a dot marks the epoch from which on a network is, in both, and
    a dotted line the epoch `until`."""
    columns = {"val_plain": "validation loss", "val_true_hue_ratio": "true-hue chroma ratio"}
    figure, axes = plt.subplots(1, len(columns), figsize=(WIDTH, 2.8))
    for axis, title in zip(axes, columns.values(), strict=True):
        axis.axhspan(-100 * SETTLED, 100 * SETTLED, color="#dddddd", zorder=0)
        axis.axvline(until, color="#555555", lw=1, ls="dotted")
        axis.set(title=title, xlabel="epoch")
    for arm, curve in long.curves:
        settled = settled_epoch(curve)
        for axis, column in zip(axes, columns, strict=True):
            away = 100 * (curve[column] / curve[column].iloc[-1] - 1)
            axis.plot(curve.epoch, away, color=ARM_COLOURS[arm], lw=1, label=system_title(arm))
            axis.plot(settled, away[curve.epoch == settled], "o", color=ARM_COLOURS[arm], ms=6)
    axes[0].set_ylabel("% away from its last value")
    by_label = dict(zip(*axes[0].get_legend_handles_labels()[::-1], strict=True))
    figure.legend(by_label.values(), by_label.keys(), loc="outside lower center", ncols=3)
    return _done(figure)


def _epochs_above(axis, found: Results, numbers: list[int]) -> None:
    views = {p["photos"]: p["steps"] * p["config"].get("batch", FIELDS["batch"])
             for p in found.summary["passports"].values()}  # fmt: skip
    top = axis.secondary_xaxis("top")
    top.set_xticks(numbers, [f"{views[n] / n:.2g}" for n in numbers])
    top.set_xlabel("epochs", fontsize=8.5)
    top.minorticks_off()


def plot_photos(found: Results, systems: Iterable[str], names: Iterable[str]) -> Figure:
    """Metrics against the number of training photographs at equal steps, with 95 % intervals; on top how often each
    photograph was seen."""
    systems, names = list(systems), list(names)
    figure, axes = plt.subplots(1, len(names), figsize=(WIDTH, 3.7), squeeze=False)
    numbers = sorted({n for system in systems for n in by_photos(found, system)})
    for axis, name in zip(axes[0], names, strict=True):
        for k, system in enumerate(systems):
            there = by_photos(found, system)
            values, at = [found.interval(named, name) for named in there.values()], [n * 1.04**k for n in there]
            axis.plot(at, [v.value for v in values], color=LEVELS[system], lw=1.3, label=system_title(system))
            for x, value in zip(at, values, strict=True):
                _point(axis, x, value, MARKERS[k], LEVELS[system])
        axis.set(xscale="log", xlabel="training photographs", title=metric(name).title)
        axis.set_xticks(numbers, [f"{n:,}" for n in numbers], rotation=40, ha="right", rotation_mode="anchor")
        axis.minorticks_off()
        _epochs_above(axis, found, numbers)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(systems))
    return _done(figure)


def plot_between(panels: dict[str, dict[str, Interval]]) -> Figure:
    """Systems on the way from `l2` (0) to `ce` at its mean (1), see `between`: {title: {row: Interval}}."""
    rows = list(next(iter(panels.values())))
    figure, axes = plt.subplots(1, len(panels), figsize=(WIDTH, 0.9 + 0.5 * len(rows)), sharey=True, squeeze=False)
    for axis, (title, values) in zip(axes[0], panels.items(), strict=True):
        for y, row in enumerate(rows):
            v = values[row]
            if math.isfinite(v.value):
                axis.plot([v.low, v.high], [y, y], color="#333333", lw=2)
                axis.plot(v.value, y, "o", color=ARM_COLOURS[row.partition(" ")[0]], ms=7.5, zorder=3)
        for x, arm in ((0, "l2"), (1, "ce")):
            axis.axvline(x, color=ARM_COLOURS[arm], lw=1.3, ls="dotted")
        axis.set(title=title)
        axis.margins(0.15)
        axis.set_xticks((0, 1), ("l2", "ce"))
    axes[0, 0].set_yticks(range(len(rows)), rows)
    axes[0, 0].set_ylim(len(rows) - 0.5, -0.5)
    return _done(figure)
