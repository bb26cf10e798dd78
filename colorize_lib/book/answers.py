"""One posterior and its answers: a network's distribution at single positions of an image, and the map of two dials.

The dials are temperature and tilt (lambda) of a read-out. What they do was measured on validation images and stands
in the records of the runs of `ce`; trained arms are held against the setting that theory gives them.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from torch import Tensor

from ..color import lab_to_rgb, lightness, to_unit
from ..colorizer import Colorizer
from ..config import ARMS, FIELDS, Config
from ..evaluation.claims import Verdict, wording
from ..evaluation.intervals import Interval
from ..evaluation.measuring import DIALED, DIALS, choose_readout
from ..evaluation.metrics import SECTORS, VIVID, hue_sector, metric
from ..evaluation.results import Results
from ..evaluation.systems import System, system_title
from ..objectives import label_ab, subsample
from ..quantize import GRID, ab_gamut_centers, soft_encode
from ..readout import Readout, distribution
from ..trace import note
from .examples import book_photos, colorizers, shippable_images
from .figures import ARM_COLOURS, HALO, WIDTH, _ab_axis, _colours_of, _done, show_image
from .oracle import ANSWERS, MARKS

THEORY = {
    "l2": "ce@1",
    "l2_rebal": "ce@1~0.5",
    "ce_rebal@1": "ce@1~0.5",
    "ce_rebal@0.38": "ce@0.38~0.5",
}
"""Trained systems, and the setting of the dials that should give the same."""
BESIDE = (
    *THEORY, "student_mse+L", "ce@1:median", "ce@1:mode", "ce@1:sample", "ce@1~0.5:median",
    "l2+gain", "ce@1+gain", "ce@0.38+gain", "grey", "mean", "weighted",
)  # fmt: skip
"""What stands on the plane of test images beside the means of `ce`."""
MISSING = Interval(math.nan, math.nan, math.nan, 0, 0)
"""The interval of what was not measured."""
UNKNOWN = "not measured yet"
PURPOSES = {
    "least error": "the highest AuC",
    "rare colours count": "the highest balanced AuC",
    "images to show": "the largest share of chroma along the true hue, among settings as vivid as the truth to a tenth",
}
"""What an image may be for, and the criterion by which the dials are set for it on validation images."""


# ------------------------------------------------------------------------------------------------------- one position


@dataclass(frozen=True, eq=False)
class View:
    """An image and what a network holds possible in it.

    image: uint8 [h', w', 3]. L, true: lightness [h, w] and true ab [h, w, 2] of the labels, every fourth pixel of what
    the network was shown. logits: [1, 313, h, w]. prior: of the training data, [313].
    """

    image: np.ndarray
    L: Tensor
    true: Tensor
    logits: Tensor
    prior: Tensor

    @classmethod
    def of(cls, image: np.ndarray, network: Colorizer) -> View:
        """Show an image uint8 [h', w', 3] to a classifier, as `Colorizer.photo` does."""
        seen = network.seen(image)
        _, logits = network.predict(seen)
        rgb = to_unit(seen)
        L, true = subsample(lightness(rgb))[0, 0], label_ab(rgb)[0].movedim(0, -1)
        return cls(image, L, true, logits.cpu(), network.objective.prior.cpu())

    @property
    def spread(self) -> Tensor:
        """Root mean squared distance of the possible colours from their mean, [h, w]."""
        p, centers = distribution(self.logits)[0], ab_gamut_centers()
        return (p @ centers.square().sum(1) - (p @ centers).square().sum(-1)).clamp_min(0).sqrt()

    def at(self, place: tuple[int, int]) -> Tensor:
        """The distribution at one position, [313]."""
        return distribution(self.logits)[0][place]

    def read(self, readout: Readout) -> Tensor:
        """A read-out at every position, ab [h, w, 2]."""
        return readout(self.logits, self.prior)[0].movedim(0, -1)


def one_image(config: Config, name: str) -> np.ndarray:
    """The image of a name among those that may be shown; the first where there is none, as with scenes only."""
    images = shippable_images(config) | ({} if config.data == "synthetic" else book_photos())
    shown = name if name in images else next(iter(images))
    note("shown", what=shown)
    return np.asarray(images[shown])


def networks(config: Config, needed: Iterable[str] = ()) -> dict[str, Colorizer]:
    """Those of the configured arms of which a network is there: of the runs on the configured data, else shipped.

    Raises ValueError for one of the arms `needed` that is not there.
    """
    found = {}
    for arm in config.arms:
        try:
            found |= colorizers(replace(config, arms=(arm,)))
        except ValueError:  # this one is not trained, or does not ship
            continue
    if missing := [arm for arm in needed if arm not in found]:
        raise ValueError(f"this chapter needs a network of {missing[0]}: name it among arms, and train it on your data")
    return found


VISIBLE = (35, 85)
"""Lightness between which colours are easy to see."""


def telling_places(view: View) -> dict[str, tuple[int, int]]:
    """Two positions away from the border and neither dark nor white, so that colours can be seen there: "open", whose
    distribution is the widest of those whose true colour is vivid (of all, where none is), and "certain", whose is the
    narrowest."""
    darkest, lightest = VISIBLE
    inside = (darkest < view.L) & (lightest > view.L)
    inside[[0, -1]], inside[:, [0, -1]] = False, False
    vivid = inside & (torch.linalg.vector_norm(view.true, dim=-1) > VIVID)
    widest = view.spread.where(vivid if vivid.any() else inside, -math.inf).argmax()
    narrowest = view.spread.where(inside, math.inf).argmin()
    return {name: divmod(int(i), view.L.shape[1]) for name, i in (("open", widest), ("certain", narrowest))}


def answers_at(view: View, place: tuple[int, int], samples: int = 5) -> dict[str, Tensor]:
    """Every answer of `oracle.ANSWERS` at one position: {name: ab [1, 2]}, of samples [samples, 2]."""
    drawn = {name: samples if readout.kind == "sample" else 1 for name, readout in ANSWERS.items()}
    return {name: torch.stack([view.read(replace(ANSWERS[name], seed=seed))[place] for seed in range(n)])
            for name, n in drawn.items()}  # fmt: skip


def trained_at(image: np.ndarray, place: tuple[int, int], found: dict[str, Colorizer]) -> dict[str, Tensor]:
    """What networks other than `ce` answer at one position, classifiers with their mean: {arm: ab [2]}."""
    y, x = place
    return {arm: one.coarse(image, Readout(1.0))[:, y, x].cpu() for arm, one in found.items() if arm != "ce"}


def hue_shares(p: Tensor) -> dict[str, float]:
    """Probability of the nine colours around grey (chroma below 15), and of the others by hue sector, from p [313]."""
    centers = ab_gamut_centers()
    sector = hue_sector(centers.T[None, :, :, None])[0, :, 0]
    group = torch.where(torch.linalg.vector_norm(centers, dim=1) < 15, len(SECTORS), sector)
    shares = torch.zeros(len(SECTORS) + 1).index_add_(0, group, p.float())
    return dict(zip([*SECTORS, "grey"], shares.tolist(), strict=True))


def cost_table(view: View, place: tuple[int, int]) -> pd.DataFrame:
    """What each answer costs at one position: its chroma, the mean and the root mean squared distance that the
    distribution lets expect, and the distance from the truth; of samples the first."""
    p, centers, rows = view.at(place), ab_gamut_centers(), {}
    for name, (ab, *_) in answers_at(view, place, 1).items():
        apart = torch.linalg.vector_norm(centers - ab, dim=1)
        true = torch.linalg.vector_norm(ab - view.true[place])
        rows[name] = (ab.norm(), p @ apart, torch.sqrt(p @ apart.square()), true)
    columns = ["chroma", "expected distance", "expected RMS", "distance from the truth"]
    return pd.DataFrame({n: map(float, row) for n, row in rows.items()}, columns).T


def paint(image: np.ndarray, network: Colorizer) -> dict[str, np.ndarray]:
    """The image in grey, as it is, and with each answer: {name: uint8 [h, w, 3]}."""
    grey = Readout(1.0)
    painted = {"input": network.photo(image, grey, gain=0.0), "truth": image}
    return painted | {name: network.photo(image, readout) for name, readout in ANSWERS.items()}


# ------------------------------------------------------------------------------------------------------------ figures


def plot_paintings(painted: dict[str, np.ndarray], places: dict[str, tuple[int, int]], size: tuple[int, int]) -> Figure:
    """Versions of one image, four in a row; the first two show where positions of a map of `size` (h, w) lie."""
    rows = -(-len(painted) // 4)
    high, wide = next(iter(painted.values())).shape[:2]
    tall = rows * (WIDTH / 4 * high / wide + 0.3)
    figure, axes = plt.subplots(rows, 4, figsize=(WIDTH, tall), squeeze=False, layout="compressed")
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for number, (axis, (name, image)) in enumerate(zip(axes.flat, painted.items(), strict=False)):
        show_image(axis, image)
        axis.set_title(name, fontsize=9, loc="center")
        for label, place in places.items() if number < 2 else ():
            y, x = ((i + 0.5) * n / m for i, n, m in zip(place, (high, wide), size, strict=True))
            axis.plot(x, y, "o", ms=9, mfc="none", mec="black", mew=3)
            axis.plot(x, y, "o", ms=9, mfc="none", mec="white", mew=1.5)
            left = x > wide / 2
            axis.annotate(label, (x, y), (-8 if left else 8, 0), textcoords="offset points", fontsize=8, color="white",
                          ha="right" if left else "left", va="center",
                          bbox={"boxstyle": "round,pad=0.15", "fc": "black", "ec": "none", "alpha": 0.55})  # fmt: skip
    return _done(figure)


def plot_places(view: View, places: dict[str, tuple[int, int]], found: dict[str, Colorizer]) -> Figure:
    """The distribution at two positions on the ab plane, the first large: discs as large as probabilities, every answer
    to it, what other networks answer, and the truth; below, these colours at the position's own lightness.

    places: {title: position}, two of them.
    """
    layout = [["plane 0", "plane 1"], ["plane 0", "legend"], ["strip 0", "strip 1"]]
    ratios = {"width_ratios": (1.72, 1), "height_ratios": (1, 0.68, 0.16)}
    figure, axes = plt.subplot_mosaic(layout, figsize=(WIDTH, 5.6), **ratios)
    for n, ((title, place), reach) in enumerate(zip(places.items(), (68, 58), strict=True)):
        _posterior(axes[f"plane {n}"], view, place, trained_at(view.image, place, found), title, reach)
        shown = {"truth": view.true[place][None]} | answers_at(view, place, 1)
        _patches(axes[f"strip {n}"], {name: ab[0] for name, ab in shown.items()}, float(view.L[place]))
    handles, labels = axes["plane 0"].get_legend_handles_labels()
    axes["legend"].legend(handles, labels, loc="center left", ncols=2, markerscale=0.8, columnspacing=0.9)
    axes["legend"].axis("off")
    return _done(figure)


def _posterior(axis, view: View, place: tuple[int, int], trained: dict[str, Tensor], title: str, reach: float) -> None:
    centers, p = ab_gamut_centers().numpy(), view.at(place).numpy()
    _ab_axis(axis, title, reach)
    axis.axhline(0, color="#bbbbbb", lw=0.8, zorder=0)
    axis.axvline(0, color="#bbbbbb", lw=0.8, zorder=0)
    axis.scatter(*centers.T, s=4000 * p, c=_colours_of(centers, 70), edgecolor="#777777", lw=0.4)
    for name, ab in answers_at(view, place).items():
        axis.plot(*ab.numpy().T, ls="", color="black", label=name, **MARKS[name])
    axis.plot(*view.true[place].numpy(), "X", ls="", ms=11, mfc="white", mec="black", mew=1.3, label="truth")
    for arm, ab in trained.items():
        axis.plot(*ab.numpy(), "p", ls="", ms=8, mfc=ARM_COLOURS[arm], mec="white", label=arm)


def _patches(axis, colours: dict[str, Tensor], L: float) -> None:
    """A patch for each colour ab [2] at one lightness, with its mark in it."""
    lab = torch.cat([torch.full((1, len(colours)), L), torch.stack(list(colours.values()), 1)])
    rgb = lab_to_rgb(lab[None, :, None]).clamp(0, 1)[0].movedim(0, -1).numpy()
    axis.imshow(rgb, extent=(0, len(colours), 0, 1), aspect="auto")
    for x, name in enumerate(colours):
        mark = MARKS.get(name, {"marker": "X", "mfc": "white"}) | {"ms": 8}
        axis.plot(x + 0.5, 0.5, ls="", color="white" if L < 55 else "black", **mark)
    axis.set(xticks=[], yticks=[], xlabel=f"painted at L = {L:.0f}")
    axis.grid(False)


# ---------------------------------------------------------------------------------------------------------- two dials


def validated(found: Results) -> pd.DataFrame:
    """`measuring.DIALED` on validation images of all systems that were tried there, means over seeds: a row a system.

    Of runs with the profile's own settings. Without rows where nothing of the kind was recorded.
    """
    tried, arms = found.summary.get("validation", {}), {System.parse(name).arm for name in found.systems}
    usual = set(found.usual_runs(arms))
    usual = [run for run in tried if run in usual]
    found.note_runs(usual, split="val")
    tables = [pd.DataFrame(tried[run]).T for run in usual]
    return pd.concat(tables).groupby(level=0, sort=False).mean() if tables else pd.DataFrame()


def dial_table(values: pd.DataFrame) -> pd.DataFrame:
    """Those rows of a table of systems that are means of `ce` at some setting of the dials, with the columns
    temperature and lambda_; both falling."""
    asked = {name: System.parse(name) for name in values.index}
    plain = {name: s.readout for name, s in asked.items() if s == System("ce", s.readout) and s.readout.kind == "mean"}
    rows = values.loc[list(plain)]
    places = {field: [getattr(readout, field) for readout in plain.values()] for field in ("temperature", "lambda_")}
    return rows.assign(**places).sort_values(["lambda_", "temperature"], ascending=False)


def choose(tried: pd.DataFrame) -> pd.DataFrame:
    """The setting that the criterion of each purpose takes, the last by `measuring.choose_readout`: a row each of
    `PURPOSES`; without rows where nothing was tried. tried: see `validated`."""
    dials = dial_table(tried)
    if dials.empty:
        return dials
    chosen, _ = choose_readout(dials.to_dict("index"))
    rows = (dials.auc.idxmax(), dials.auc_balanced.idxmax(), str(System("ce", chosen)))
    return dials.loc[list(rows)].set_axis(list(PURPOSES))


def plot_dials(dials: pd.DataFrame, names: Iterable[str]) -> Figure:
    """Metrics over both dials, one map each with its numbers; the best cell is framed where more or less is better.

    The colours of a map span what tilts up to the last but one give; full tilts may lie far outside.
    """
    names = list(names)
    rows, columns = -(-len(names) // 2), min(2, len(names))
    size = (WIDTH, 0.6 + 2.55 * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False, sharex=True, sharey=True)
    for axis, name in zip(axes.flat, names, strict=False):
        axis.set_title(metric(name).title)
        axis.grid(False)
        if dials.empty:
            axis.text(0.5, 0.5, UNKNOWN, ha="center", va="center")
        else:
            _heat(axis, dials.pivot(index="lambda_", columns="temperature", values=name).sort_index(ascending=False)
                  .sort_index(axis=1, ascending=False), metric(name))  # fmt: skip
        axis.label_outer()
    return _done(figure)


def _heat(axis, table: pd.DataFrame, about) -> None:
    values = table.to_numpy(float)
    scale = Normalize(values[:-1].min(), values[:-1].max(), clip=True)
    axis.imshow(values, cmap="viridis", norm=scale, aspect="auto")
    digits = 1 if about.unit == "M3" else 3 if about.unit == "share" else 2
    for (row, column), value in np.ndenumerate(values):
        text = f"{value:.{digits}f}".removeprefix("0")
        axis.text(column, row, text, ha="center", va="center", fontsize=8,
                  color="white" if scale(value) < 0.6 else "black")  # fmt: skip
    if about.better in ("high", "low"):
        best = values.argmax() if about.better == "high" else values.argmin()
        row, column = np.unravel_index(best, values.shape)
        axis.add_patch(plt.Rectangle((column - 0.47, row - 0.45), 0.94, 0.9, fill=False, ec="#D55E00", lw=2.4))
    axis.set_xticks(range(table.shape[1]), [f"{t:g}" for t in table.columns])
    axis.set_yticks(range(table.shape[0]), [f"{x:g}" for x in table.index])
    axis.set(xlabel="temperature T", ylabel="lambda (1: no tilt)")
    axis.tick_params(length=0)


POINTS = {
    "0.38+gain": {"marker": "P", "ms": 9, "mfc": "none", "mew": 1.3},
    "~0.5:median": {"marker": "s", "ms": 7},
    "+gain": {"marker": "P", "ms": 9},
    ":median": {"marker": "s", "ms": 7, "mfc": "none", "mew": 1.6},
    ":mode": {"marker": "^", "ms": 8, "mfc": "none", "mew": 1.6},
    ":sample": {"marker": "*", "ms": 11},
}
"""How systems are marked on the plane, by the end of their name; baselines are crosses, trained arms large discs."""


def plot_plane(values: pd.DataFrame, points: Iterable[str], vividness: str = "true_hue_ratio") -> Figure:
    """AuC against balanced AuC: the means of `ce` at the dials as curves of one lambda over T, coloured by vividness.

    values: a row a system, columns auc, auc_balanced and `vividness`; settings without any of it are left out. points:
    systems to mark on it. From trained ones a line leads to the setting that theory gives them (`THEORY`). Lambda 0 is
    drawn as far as the others reach.
    """
    figure, axis = plt.subplots(figsize=(WIDTH, 5.2))
    axis.set(xlabel="AuC", ylabel="AuC, class-balanced")
    if values.empty:
        axis.text(0.5, 0.5, UNKNOWN, ha="center", va="center")
        return _done(figure)
    dials = dial_table(values)
    points = [name for name in points if name in values.index and name not in dials.index]
    shown = dials[dials.lambda_ > 0]
    corners = pd.concat([shown, values.loc[points]])[["auc", "auc_balanced"]]
    low, high = (corners.min() - 0.08 * np.ptp(corners, 0), corners.max() + 0.08 * np.ptp(corners, 0))
    if len(shown):
        _fan(axis, dials, shown[vividness], vividness, figure)
    for name in points:
        _point(axis, name, values)
    axis.set(xlim=(low.auc, high.auc), ylim=(low.auc_balanced, high.auc_balanced))
    handles, labels = axis.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2 if len(labels) > 4 else 4)
    return _done(figure)


def _fan(axis, dials: pd.DataFrame, vivid: pd.Series, vividness: str, figure: Figure) -> None:
    scale = Normalize(vivid.min(), vivid.max(), clip=True)
    for lambda_, curve in dials.groupby("lambda_", sort=False):
        axis.plot(curve.auc, curve.auc_balanced, color="#bbbbbb", lw=1.4, zorder=1)
        axis.scatter(curve.auc, curve.auc_balanced, c=curve[vividness], cmap="viridis", norm=scale, zorder=3,
                     s=22 + 60 * curve.temperature, edgecolor="white", lw=0.5)  # fmt: skip
        end = curve.iloc[-1]
        axis.annotate(f"\u03bb = {lambda_:g}", (end.auc, end.auc_balanced), (-5, -3), textcoords="offset points",
                      ha="right", va="top", fontsize=8.5, annotation_clip=True, path_effects=HALO)  # fmt: skip
    bar = figure.colorbar(plt.cm.ScalarMappable(scale, "viridis"), ax=axis, label=metric(vividness).title, aspect=35)
    bar.outline.set_visible(False)


def _point(axis, name: str, values: pd.DataFrame) -> None:
    system = System.parse(name)
    at = values.loc[name, ["auc", "auc_balanced"]]
    colour = ARM_COLOURS.get(system.arm, "#777777")
    style = next((mark for end, mark in POINTS.items() if name.endswith(end)), None)
    if style is None:
        style = {"marker": "o", "ms": 11} if system.arm in ARMS else {"marker": "X", "ms": 8}
        style |= {"mfc": "white", "mew": 2.6} if name.endswith("@1") else {"mec": "black", "mew": 0.8}
    if THEORY.get(name) in values.index:
        there = values.loc[THEORY[name]]
        axis.plot([at.auc, there.auc], [at.auc_balanced, there.auc_balanced], color=colour, lw=1.6, ls=":", zorder=2)
    axis.plot(at.auc, at.auc_balanced, ls="", color=colour, label=system_title(name), zorder=4, **style)


# --------------------------------------------------------------------------------------------------------------- doses

WAYS = {"ce tilted": "#009E73", "ce_rebal": ARM_COLOURS["ce_rebal"], "l2_rebal": ARM_COLOURS["l2_rebal"]}
"""How rare colours are made to count more: after training, or in it; and the colours of the three."""


def doses(found: Results) -> pd.DataFrame:
    """`measuring.DIALED` on validation images for every dose of rebalancing (lambda, 1 is none) that was given in
    training or, to `ce` at T = 1, by a tilt after it: a row each way of `WAYS`, lambda and seed.

    Without weights `l2_rebal` is `l2` and `ce_rebal` is `ce`, so these stand for a lambda of 1.
    """
    rows = {}
    for run, passport in found.summary["passports"].items():
        dose, tried = passport["config"].get("lambda_", FIELDS["lambda_"]), found.summary["validation"].get(run, {})
        if passport["variant"] not in ("", f"lambda_={dose}"):
            continue
        named = {("l2_rebal", 1.0): "l2", ("l2_rebal", dose): "l2_rebal"}
        named |= {("ce_rebal", 1.0): "ce@1", ("ce_rebal", dose): "ce_rebal@1"}
        named |= {("ce tilted", tilt): str(System("ce", Readout(1.0, tilt))) for tilt in DIALS["lambda_"]}
        mine = {(*place, passport["seed"]): tried[name] for place, name in named.items() if name in tried}
        rows |= mine
        found.note_runs([run] if mine else [], split="val")
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(DIALED))
    index = pd.MultiIndex.from_tuples(table.index, names=["way", "lambda_", "seed"])
    return table.set_axis(index).sort_index()


def dose_difference(given: pd.DataFrame, a: str, b: str, lambda_: float, name: str) -> Interval:
    """A metric of one way less that of another at one dose, paired by seed, with an interval over seeds only;
    `MISSING` where fewer than two seeds have both. given: see `doses`."""
    both = [given[name].get((way, lambda_), pd.Series(dtype=float)) for way in (a, b)]
    apart = both[0].sub(both[1]).dropna()
    if len(apart) < 2:
        return MISSING
    return Interval.of(apart.mean(), apart.sem(), len(apart) - 1, len(apart), 0)


def plot_doses(given: pd.DataFrame, names: Iterable[str], least: float = 0.25) -> Figure:
    """Metrics against the dose, down to the strongest that was trained with: a line each of `WAYS`, a point a seed."""
    names = list(names)
    figure, axes = plt.subplots(1, len(names), figsize=(WIDTH, 3.3), squeeze=False)
    for axis, name in zip(axes[0], names, strict=True):
        for k, (way, colour) in enumerate(WAYS.items()):
            mine = given[name][given.index.get_level_values("way") == way].reset_index()
            mine = mine[mine.lambda_ >= least]
            mean = mine.groupby("lambda_")[name].mean()
            axis.plot(mean.index, mean, color=colour, label=way, ls="--" if way in ARM_COLOURS else "-")
            axis.plot(mine.lambda_ + 0.012 * (k - 1), mine[name], "o", color=colour, mfc="white", ms=4.5)
        axis.set(xlabel="lambda (1: none)", xlim=(1.04, least - 0.04), xticks=(1, 0.75, 0.5, 0.25))
        axis.set_title(metric(name).title, fontsize=9)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=len(WAYS))
    return _done(figure)


# ------------------------------------------------------------------------------------------------------------ honesty


def label_shares() -> tuple[float, float]:
    """What a soft label gives its nearest colour, at most and at least where the grid is whole: of a colour that lies
    on the grid, and of one midway between four."""
    centers = ab_gamut_centers()
    on, between = (soft_encode(centers + shift)[1][:, 0] for shift in (0.0, GRID / 2))
    return float(on.median()), float(between.median())


def plot_honesty(curves: dict[str, pd.DataFrame], most: float) -> Figure:
    """How often the likeliest colour is right, against its probability: a line each of `Results.calibration`, by
    system. The larger a mark, the more positions are behind it. most: of `label_shares`, dotted."""
    figure, axis = plt.subplots(figsize=(WIDTH, 3.6))
    axis.plot([0, 1], [0, 1], color="#999999", lw=1.2, ls="--")
    axis.axvline(most, color="#555555", lw=1.2, ls="dotted")
    for system, curve in curves.items():
        told = curve[curve.positions > 0.001 * curve.positions.sum()]
        colour = ARM_COLOURS[System.parse(system).arm]
        axis.plot(told.confidence, told.accuracy, color=colour, lw=1.4, label=system_title(system))
        axis.scatter(told.confidence, told.accuracy, 200 * told.positions / told.positions.sum(), color=colour)
    axis.set(xlabel="probability of the likeliest colour", ylabel="how often it is right", xlim=(0, 1), ylim=(0, 1.02))
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return _done(figure)


# -------------------------------------------------------------------------------------------- what is there, in words


def difference(found: Results, a: str, b: str, metric: str) -> Interval:
    """A difference a - b, or `MISSING` where it was not recorded."""
    try:
        return found.difference(a, b, metric)
    except ValueError:  # a system is not there, or of old records this pair
        return MISSING


def panels(found: Results, pairs: dict[str, tuple[str, str]], names: Iterable[str]) -> dict[str, dict[str, Interval]]:
    """Differences of metrics for `figures.plot_intervals`: {title: {row: a - b}}. pairs: {row: (a, b)}."""
    return {metric(n).title: {row: difference(found, a, b, n) for row, (a, b) in pairs.items()} for n in names}


def measured(found: Results, systems: Iterable[str], metrics: Iterable[str]) -> pd.DataFrame:
    """Values on test images: those of the systems that are there in rows; NaN for a metric that one lacks."""
    systems, metrics = [s for s in systems if s in found.systems], list(metrics)
    rows = {s: [found.value(s, m) if m in found.available(s) else math.nan for m in metrics] for s in systems}
    return pd.DataFrame.from_dict(rows, orient="index", columns=metrics)


def said(effect: Interval, form: str, words: tuple[str, str, str] = ("higher", "lower", "not told apart")) -> str:
    """The word of `claims.wording` with the interval behind it, or that nothing was measured."""
    return f"{wording(effect, words=words)} ({effect:{form}})" if math.isfinite(effect.value) else UNKNOWN


def sorted_out(effects: dict[str, Interval]) -> tuple[str, str]:
    """The names of effects that are certainly above zero, and of those below, as lists in words."""
    if not any(math.isfinite(effect.value) for effect in effects.values()):
        return UNKNOWN, UNKNOWN
    above = ", ".join(name for name, effect in effects.items() if effect.low > 0)
    below = ", ".join(name for name, effect in effects.items() if effect.high < 0)
    return above or "none", below or "none"


def standing(verdict: Verdict) -> str:
    """A verdict in words; of an open one how its findings came out so far and what is missing."""
    if verdict.verdict != "open":
        return verdict.verdict
    counts = pd.Series([f.verdict for f in verdict.findings if f.verdict], dtype=str).value_counts(sort=False)
    so_far = "; ".join(f"{n} {word}" for word, n in counts.items())
    missing = "; ".join(text.partition(";")[0].replace("`", "") for text in verdict.missing)
    return f"open (findings so far: {so_far or 'none'}; missing: {missing or 'nothing'})"


def in_parts(verdict: Verdict) -> str:
    """The verdicts of the parts of a claim, in words."""
    parts = "; ".join(f"{part}: {word}" for part, word in (verdict.parts or {}).items())
    return parts or "its parts are not judged yet"


class Quiet(pd.DataFrame):
    """A table of text that a page shows with every line of a cell but the first small and grey beneath it, such as the
    interval of a value; without the rows' names, where all are the same."""

    @property
    def _constructor(self):
        return pd.DataFrame

    def _repr_html_(self) -> str:
        with pd.option_context("display.max_colwidth", None):
            return f"<div>{self.map(_quiet).to_html(escape=False, index=self.index.nunique() > 1)}</div>"


def _quiet(cell) -> str:
    first, *more = str(cell).split("\n")
    return html.escape(first) + "".join(f'<span class="quiet">{html.escape(part)}</span>' for part in more if part)


def with_intervals(found: Results, systems: Iterable[str], forms: dict[str, str]) -> Quiet:
    """Values on test images with their intervals beneath: systems in rows, metrics in columns; what is not there is
    left out or empty. forms: {metric: format of its numbers}."""
    names = {m: metric(m).title for m in forms}
    rows = {
        system_title(s): {
            names[m]: f"{found.interval(s, m):{form}}".replace(" [", "\n[").replace(", ", ",\u00a0")
            for m, form in forms.items()
            if m in found.available(s)
        }
        for s in systems
        if s in found.systems
    }
    return Quiet(pd.DataFrame(rows, index=list(names.values())).T.fillna(""))


def findings_table(verdicts: dict[str, Verdict]) -> Quiet:
    """`Verdict.table` of several claims under each other, by id; a row that says so where nothing was measured."""
    note("judged", runs=[run for one in verdicts.values() for run in one.runs])
    nothing = pd.DataFrame([(UNKNOWN, "", "", "", "open")], columns=["measure", "of", "measured", "must be", "finding"])
    tables = {name: one.table().reset_index() if one.findings else nothing for name, one in verdicts.items()}
    table = pd.concat(tables).droplevel(1)
    return Quiet(table.assign(measure=table.measure + "\n" + table.pop("of")))
