"""The oracle: generated scenes whose posterior is known, the best answer to every question, and toys that learn it.

Everything here follows from `SCENE_CLASSES`: what each read-out of the true posterior gives, where each objective
must end, what soft labels and labels at quarter resolution cost, and what rebalancing does to odds. The toy networks
see the class of an object and nothing else, which leaves only the objective to differ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from ..color import lab_to_rgb, rgb_to_lab, to_unit
from ..data.scenes import SCENE_CLASSES, SyntheticScenes, repaint
from ..networks import OUTPUT_STRIDE
from ..objectives import AB_SCALE, L2, CrossEntropy, subsample, upsample
from ..quantize import ab_gamut_centers, densify, nearest_bin, rebalancing_weights, soft_encode
from ..readout import Readout
from .figures import ARM_COLOURS, ARM_LINES, WIDTH, _ab_axis, _colours_of, _done, image_grid

LAMBDA = 0.5
"""Of the rebalancing, as published."""
ANSWERS = {
    "mean": Readout(1.0),
    "median": Readout(1.0, kind="median"),
    "mode": Readout(1.0, kind="mode"),
    "sample": Readout(1.0, kind="sample"),
    "T = 0.38": Readout(0.38),
    "tilted mean": Readout(1.0, LAMBDA),
}
"""What can be asked of a posterior, by the name that the chapter uses."""
SYSTEMS = {
    "l2": "squared error",
    "ce@1": "cross entropy, mean",
    "l2_rebal": "squared error, rebalanced",
    "ce_rebal@1": "rebalanced cross entropy, mean",
    "ce@1~0.5": "cross entropy, tilted mean",
}
"""What the toys are asked for, as systems, and how a reader calls them."""
TOY_ARMS = ("l2", "l2_rebal", "ce", "ce_rebal")
"""What has to be trained for them."""
TWO_COLOURS = {"roof": ("blue", "red"), "leaves": ("orange", "green"), "hill": ("brown", "green")}
"""Classes of two colours: the name of the second and of the first in `SCENE_CLASSES`."""

_CLASS = torch.tensor([n for n, kind in enumerate(SCENE_CLASSES) for _ in kind.colours])
_SHARE = torch.tensor([p for kind in SCENE_CLASSES for p in kind.probabilities], dtype=torch.float64)
# Many colours of the scenes are as far from one grid colour as from another. A shift that nobody can see decides such
# ties the same way on every machine, where rounding would.
_COLOUR = torch.tensor([c for kind in SCENE_CLASSES for c in kind.colours], dtype=torch.float64)
_COLOUR = _COLOUR + torch.tensor([0.001, 0.002], dtype=torch.float64)


def _number(name: str) -> int:
    return [kind.name for kind in SCENE_CLASSES].index(name)


def _by_class(values: Tensor) -> Tensor:
    """Sum over the colours of each class: [colours, k] -> [classes, k]."""
    return torch.zeros(len(SCENE_CLASSES), values.shape[1], dtype=values.dtype).index_add_(0, _CLASS, values)


def class_shares(scenes: SyntheticScenes) -> Tensor:
    """How often each class occurs among the labels, every fourth pixel: float64 [classes], sum 1."""
    labels = torch.from_numpy(scenes.classes[:, ::OUTPUT_STRIDE, ::OUTPUT_STRIDE]).long().flatten()
    return torch.bincount(labels, minlength=len(SCENE_CLASSES)).double() / len(labels)


def posteriors(weights: Tensor | None = None, neighbours: int = 5) -> Tensor:
    """What cross entropy learns at best: for each class the mean of its soft labels, float64 [classes, 313].

    weights: of the 313 colours; each label then counts by the weight of its nearest colour, as in `ce_rebal`.
    neighbours: how many colours share a label; 1 makes it name the nearest.
    """
    counts = _SHARE if weights is None else _SHARE * weights[nearest_bin(_COLOUR)]
    summed = _by_class(counts[:, None] * densify(*soft_encode(_COLOUR, neighbours)))
    return summed / summed.sum(1, keepdim=True)


def scene_prior(shares: Tensor) -> Tensor:
    """Distribution of the labels over the 313 colours, float64 [313], from the share of each class."""
    return shares @ posteriors()


def hard_means(weights: Tensor | None = None) -> Tensor:
    """What squared error learns at best: the (weighted) mean of each class's colours, float64 [classes, 2]."""
    counts = _SHARE if weights is None else _SHARE * weights[nearest_bin(_COLOUR)]
    return _by_class(counts[:, None] * _COLOUR) / _by_class(counts[:, None])


def read(readout: Readout, logits: Tensor, prior: Tensor | None = None) -> Tensor:
    """A read-out of logits [..., 313]: float64 [..., 2]."""
    ab = readout(logits.reshape(-1, logits.shape[-1], 1, 1), prior)
    return ab.double().reshape(*logits.shape[:-1], 2)


def answers(prior: Tensor, seed: int = 0) -> dict[str, Tensor]:
    """Every answer of `ANSWERS` to the true posterior of each class: {name: float64 [classes, 2]}; seed: of samples."""
    asked = {name: replace(readout, seed=seed) for name, readout in ANSWERS.items()}
    return {name: read(readout, posteriors().log(), prior) for name, readout in asked.items()}


def closed_forms(prior: Tensor) -> dict[str, Tensor]:
    """Where every system of `SYSTEMS` must end: {system: float64 [classes, 2]}."""
    weights, mean = rebalancing_weights(prior, LAMBDA), ANSWERS["mean"]
    return {
        "l2": hard_means(),
        "ce@1": read(mean, posteriors().log()),
        "l2_rebal": hard_means(weights),
        "ce_rebal@1": read(mean, posteriors(weights).log()),
        "ce@1~0.5": read(ANSWERS["tilted mean"], posteriors().log(), prior),
    }


# -------------------------------------------------------------------------------------------------------- what it costs


def answer_table(found: dict[str, Tensor], names: list[str]) -> pd.DataFrame:
    """The answers for some classes, a row a class and answer: columns a, b and chroma."""
    rows = {(name, answer): ab[_number(name)].tolist() for name in names for answer, ab in found.items()}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["a", "b"])
    table.index = pd.MultiIndex.from_tuples(rows, names=["class", "answer"])
    return table.assign(chroma=np.hypot(table.a, table.b))


def chroma_table(found: dict[str, Tensor], names: list[str]) -> pd.DataFrame:
    """Chroma of every answer, a row an answer, a column a class, and the mean chroma of the objects themselves."""
    columns = {name: {"the objects": SCENE_CLASSES[_number(name)].mean_chroma} for name in names}
    for name in names:
        columns[name] |= {answer: float(ab[_number(name)].norm()) for answer, ab in found.items()}
    return pd.DataFrame(columns)


def score_table(prior: Tensor, shares: Tensor, truth: str = "labels") -> pd.DataFrame:
    """How each answer fares with each question over whole scenes, in expectation: a row an answer.

    truth: "labels", the posterior that the answers were read from, or "colours", those that the objects really have.
    Columns: root mean squared error, the same with rebalancing weights, mean distance, share of pixels (%) whose
    nearest grid colour is the answer's, and mean chroma over that of the truth. A sample is averaged over its draws.
    """
    if truth not in ("labels", "colours"):
        raise ValueError(f"truth={truth!r} is unknown; choose labels or colours")
    p, centers = posteriors(), ab_gamut_centers().double()
    classes, colours, chance = _CLASS, _COLOUR, _SHARE
    if truth == "labels":
        classes, bins = torch.nonzero(p, as_tuple=True)
        colours, chance = centers[bins], p[classes, bins]
    joint = shares[classes] * chance
    weights = rebalancing_weights(prior, LAMBDA)
    given = {name: (ab[:, None], torch.ones(len(ab), 1).double()) for name, ab in answers(prior).items()}
    given["sample"] = centers.expand(len(p), -1, 2), p
    rows = {name: _scores(points[classes], chances[classes], colours, joint, weights)
            for name, (points, chances) in given.items()}  # fmt: skip
    return pd.DataFrame.from_dict(rows, orient="index")


def _scores(points: Tensor, chance: Tensor, truth: Tensor, share: Tensor, weights: Tensor) -> dict[str, float]:
    """Expected scores of points [n, m, 2], answered with chances [n, m], where the truth is [n, 2] with shares [n]."""
    joint, true_bin = share[:, None] * chance, nearest_bin(truth)
    bins = nearest_bin(points.reshape(-1, 2)).view(points.shape[:-1])
    distance = torch.linalg.vector_norm(points - truth[:, None], dim=-1)
    weighted = joint * weights[true_bin][:, None]
    return {
        "RMS": float((joint * distance**2).sum().sqrt()),
        "RMS, weighted": float(((weighted * distance**2).sum() / weighted.sum()).sqrt()),
        "distance": float((joint * distance).sum()),
        "hit %": 100 * float((joint * (bins == true_bin[:, None])).sum()),
        "chroma": float((joint * points.norm(dim=-1)).sum() / (share @ truth.norm(dim=-1))),
    }


def soft_label_table(prior: Tensor, shares: Tensor) -> pd.DataFrame:
    """How far labels on the grid move the closed forms away from those of the colours, ab units, a row a class.

    Columns: `ce` from the mean; `ce_rebal`, and `ce` tilted afterwards, from the tilted mean; and the last again for
    labels that only name the nearest colour, with the prior of such labels.
    """
    ends, nearest = closed_forms(prior), posteriors(neighbours=1)
    hard_prior = shares @ nearest
    hard_end = hard_means(rebalancing_weights(hard_prior, LAMBDA))
    apart = {
        "ce": ends["ce@1"] - ends["l2"],
        "ce_rebal": ends["ce_rebal@1"] - ends["l2_rebal"],
        "ce tilted": ends["ce@1~0.5"] - ends["l2_rebal"],
        "one colour a label, tilted": read(ANSWERS["tilted mean"], nearest.log(), hard_prior) - hard_end,
    }
    columns = {name: torch.linalg.vector_norm(gap, dim=1).numpy() for name, gap in apart.items()}
    return pd.DataFrame(columns, [kind.name for kind in SCENE_CLASSES])


def quarter_table(scenes: SyntheticScenes) -> pd.DataFrame:
    """Root mean squared ab error of full-size images whose colours came from a quarter of the side.

    A row a way to take labels, all enlarged as networks' answers are; columns: from the true colours, and from the mean
    of each class. The first row never leaves full size.
    """
    truth = rgb_to_lab(to_unit(torch.from_numpy(scenes.pixels)).double())[:, 1:]
    mean = hard_means()[torch.from_numpy(scenes.classes).long()].movedim(-1, 1)
    half = OUTPUT_STRIDE // 2
    ways = {
        "full size": lambda ab: ab,
        "every fourth pixel": lambda ab: upsample(subsample(ab)),
        "middle of each block": lambda ab: upsample(subsample(ab[..., half:, half:])),
        "average of each block": lambda ab: upsample(nn.functional.avg_pool2d(ab, OUTPUT_STRIDE)),
    }
    rows = {name: {"truth": way(truth) - truth, "mean": way(mean) - truth} for name, way in ways.items()}
    return pd.DataFrame(rows).map(lambda error: float(error.square().sum(1).mean().sqrt())).T


# ----------------------------------------------------------------------------------------------------------------- toys


@dataclass(frozen=True, eq=False)
class Toy:
    """A trained toy: its arm and lambda, and its outputs [n, classes, channels] after each of n numbers of steps."""

    arm: str
    lambda_: float
    steps: list[int]
    outputs: Tensor


def train_toy(arm: str, prior: Tensor, steps: int = 500, seed: int = 0, lambda_: float = LAMBDA) -> Toy:
    """Train a network that sees the class of an object: 32 numbers a class, and a linear head. Double precision.

    The objective is the book's own, fed an image that holds each class's colours in their exact proportions, so that
    nothing is left to chance but the start. Adam with rate 0.02, falling linearly to 0 in the second half, and eps
    1e-6: with the usual 1e-8 some starts of squared error are thrown far off again once gradients are mere rounding.
    """
    objective = _objective(arm, prior, lambda_)
    classes, rgb = _all_that_can_happen()
    generator = torch.Generator().manual_seed(seed)
    traits = torch.randn(len(SCENE_CLASSES), 32, generator=generator, dtype=torch.float64).requires_grad_()
    head = (0.01 * torch.randn(32, objective.channels, generator=generator, dtype=torch.float64)).requires_grad_()
    bias = torch.zeros(objective.channels, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([traits, head, bias], 0.02, eps=1e-6)
    rate = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: min(1, 2 * (1 - step / steps)))
    kept = {}
    marks = set(np.geomspace(1, steps, 40).round().astype(int).tolist())
    for step in range(1, steps + 1):
        optimiser.zero_grad()
        output = traits @ head + bias
        objective.score(output[classes].T[None, :, None], rgb).loss.backward()
        optimiser.step()
        rate.step()
        if step in marks:
            kept[step] = (traits @ head + bias).detach()
    return Toy(arm, getattr(objective, "lambda_", 1.0), list(kept), torch.stack(list(kept.values())))


def _objective(arm: str, prior: Tensor, lambda_: float) -> L2 | CrossEntropy:
    if arm not in TOY_ARMS:
        raise ValueError(f"arm={arm!r} has no toy; choose one of {', '.join(TOY_ARMS)}")
    if arm in ("l2", "l2_rebal"):
        return L2(arm, prior=prior if arm == "l2_rebal" else None, lambda_=lambda_)
    return CrossEntropy(arm, prior, lambda_ if arm == "ce_rebal" else 1.0)


def _all_that_can_happen() -> tuple[Tensor, Tensor]:
    """Classes [n] of n positions, and the image, rgb [1, 3, 4, 4n], whose labels there are the classes' colours.

    Each class has the fewest positions that hold its colours in their exact proportions.
    """
    shares = [Fraction(p).limit_denominator(100) for kind in SCENE_CLASSES for p in kind.probabilities]
    whole = [math.lcm(*(s.denominator for s, c in zip(shares, _CLASS, strict=True) if c == n)) for n in _CLASS.unique()]
    times = torch.tensor([int(s * whole[c]) for s, c in zip(shares, _CLASS, strict=True)])
    classes, ab = _CLASS.repeat_interleave(times), _COLOUR.repeat_interleave(times, 0)
    lightness = torch.tensor([SCENE_CLASSES[c].lightness for c in classes], dtype=torch.float64)
    lab = torch.cat([lightness[:, None], ab], 1).T[None, :, None]
    return classes, lab_to_rgb(lab).repeat_interleave(OUTPUT_STRIDE, -1).repeat_interleave(OUTPUT_STRIDE, -2)


def toy_colours(toys: list[Toy], prior: Tensor) -> dict[str, Tensor]:
    """What the systems of trained toys answer after each number of steps: {system: float64 [n, classes, 2]}."""
    found = {}
    for toy in toys:
        if toy.arm in ("l2", "l2_rebal"):
            found[toy.arm] = toy.outputs * AB_SCALE
            continue
        found[f"{toy.arm}@1"] = read(ANSWERS["mean"], toy.outputs)
        if toy.arm == "ce":
            found["ce@1~0.5"] = read(ANSWERS["tilted mean"], toy.outputs, prior)
    return {system: found[system] for system in SYSTEMS if system in found}


def distances(starts: list[list[Toy]], prior: Tensor) -> pd.DataFrame:
    """Distance of each system from its closed form, ab units: a row a number of steps.

    starts: the toys of one start each. What is given is the largest distance of all classes and starts.
    """
    ends, found = closed_forms(prior), [toy_colours(toys, prior) for toys in starts]
    apart = {s: torch.stack([torch.linalg.vector_norm(one[s] - ends[s], dim=-1) for one in found]) for s in found[0]}
    columns = {system: distance.amax((0, 2)).numpy() for system, distance in apart.items()}
    return pd.DataFrame(columns, pd.Index(starts[0][0].steps, name="step"))


def convergence_table(curves: pd.DataFrame, within: tuple[float, ...] = (1.0, 0.1)) -> pd.DataFrame:
    """After how many steps each system stays within some distances of its closed form, and where it ends."""
    rows = {}
    for system, curve in curves.items():
        stays = {
            f"steps to {limit:g}": curve.index[(curve > limit).to_numpy()[::-1].cumsum()[::-1] == 0] for limit in within
        }
        rows[SYSTEMS[system]] = {name: int(steps[0]) if len(steps) else None for name, steps in stays.items()}
        rows[SYSTEMS[system]]["distance at the end"] = curve.iloc[-1]
    return pd.DataFrame.from_dict(rows, orient="index")


# ----------------------------------------------------------------------------------------------------------------- odds


def odds(name: str, prior: Tensor, lambda_: float = 1.0) -> float:
    """Odds of a class's second colour against its first after rebalancing with lambda: p -> w p; 1 changes nothing."""
    first, second = (_number(name) == _CLASS).nonzero()[:, 0].tolist()
    counts = _SHARE * rebalancing_weights(prior, lambda_)[nearest_bin(_COLOUR)]
    return float(counts[second] / counts[first])


def toy_odds(name: str, toy: Toy, prior: Tensor, tilt: float = 1.0) -> float:
    """The same odds as a trained classifier gives them: its probability near one colour over that near the other.

    Near are the five grid colours of the soft label. tilt: lambda of a tilt made after training.
    """
    logits = toy.outputs[-1, _number(name)]
    if tilt < 1:
        logits = logits + rebalancing_weights(prior, tilt).log()
    p = torch.softmax(logits, 0)
    first, second = soft_encode(_COLOUR[_number(name) == _CLASS])[0]
    return float(p[second].sum() / p[first].sum())


def odds_table(toys: list[Toy], plain: Toy, prior: Tensor) -> pd.DataFrame:
    """Odds for each class of `TWO_COLOURS` and each rebalanced toy: closed form, trained so, and `plain` tilted."""
    rows = {}
    for name in TWO_COLOURS:
        for toy in sorted(toys, key=lambda t: -t.lambda_):
            closed, trained = odds(name, prior, toy.lambda_), toy_odds(name, toy, prior)
            rows[name, toy.lambda_] = (closed, trained, toy_odds(name, plain, prior, toy.lambda_))
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["closed form", "trained", "tilted"])
    table.index = pd.MultiIndex.from_tuples(rows, names=["class", "lambda"])
    return table


# -------------------------------------------------------------------------------------------------------------- figures

MARKS = {
    "mean": {"marker": "o", "ms": 7},
    "median": {"marker": "s", "ms": 12, "mfc": "none", "mew": 1.6},
    "mode": {"marker": "^", "ms": 17, "mfc": "none", "mew": 1.6},
    "sample": {"marker": "*", "ms": 10},
    "T = 0.38": {"marker": "D", "ms": 4.5},
    "tilted mean": {"marker": "+", "ms": 15, "mew": 1.6},
}
"""How the answers are marked on a plane."""
_SYSTEM_LINES = {
    "l2": (ARM_COLOURS["l2"], ARM_LINES["l2"]),
    "ce@1": (ARM_COLOURS["ce"], ARM_LINES["ce"]),
    "l2_rebal": (ARM_COLOURS["l2_rebal"], ARM_LINES["l2_rebal"]),
    "ce_rebal@1": (ARM_COLOURS["ce_rebal"], ARM_LINES["ce_rebal"]),
    "ce@1~0.5": ("#009E73", (1, 1)),
}


def plot_posteriors(found: dict[str, Tensor], names: list[str], reach: float = 72) -> Figure:
    """The posterior of some classes on the ab plane, discs as large as probabilities, and every answer to it.

    found: {answer: ab [classes, 2]}. A panel a class.
    """
    figure, axes = plt.subplots(2, -(-len(names) // 2), figsize=(WIDTH, WIDTH * 1.04), sharex=True, sharey=True)
    centers, p = ab_gamut_centers().numpy(), posteriors().numpy()
    for axis, name in zip(axes.flat, names, strict=True):
        number = _number(name)
        share = p[number]
        seen = share > 0
        _ab_axis(axis, name, reach)
        axis.axhline(0, color="#bbbbbb", lw=0.8, zorder=0)
        axis.axvline(0, color="#bbbbbb", lw=0.8, zorder=0)
        axis.scatter(*centers[seen].T, s=1500 * share[seen], c=_colours_of(centers[seen]), edgecolor="white", lw=0.6)
        for answer, ab in found.items():
            axis.plot(*ab[number].numpy(), ls="", color="black", label=answer, **MARKS[answer])
        axis.label_outer()
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return _done(figure)


def plot_painted(scenes: SyntheticScenes, found: dict[str, Tensor], prior: Tensor) -> Figure:
    """Each scene in grey, as it is, and painted with each answer: a row a scene. Samples are drawn for each scene."""
    rows = {}
    for n in range(len(scenes.pixels)):
        scene = SyntheticScenes(scenes.pixels[n : n + 1], scenes.classes[n : n + 1])
        drawn = found | {"sample": read(replace(ANSWERS["sample"], seed=n), posteriors().log(), prior)}
        painted = {name: repaint(scene, drawn[name].numpy())[0] for name in found}
        grey = repaint(scene, np.zeros((len(SCENE_CLASSES), 2)))[0]
        rows[f"scene {n + 1}"] = {"grey": grey, "truth": scene.pixels[0]} | painted
    return image_grid(rows, titles={name: name for name in next(iter(rows.values()))})


def plot_convergence(curves: pd.DataFrame) -> Figure:
    """Distance from the closed form against steps, a line a system; `distances` gives the curves."""
    figure, axis = plt.subplots(figsize=(WIDTH, 3.6))
    for system, curve in curves.items():
        colour, dashes = _SYSTEM_LINES[system]
        style = {"dashes": dashes} if dashes else {}
        axis.plot(curve.index, curve, color=colour, label=SYSTEMS[system], **style)
    axis.axhline(0.1, color="#555555", lw=0.8, ls="--")
    axis.set(xscale="log", yscale="log", xlabel="steps", ylabel="distance, worst class", ylim=(1e-3, None))
    axis.legend(loc="lower left")
    return _done(figure)


def plot_odds(table: pd.DataFrame, prior: Tensor) -> Figure:
    """Odds of one colour against another for every lambda: curve the closed form, dots trained so, crosses tilted."""
    names = list(table.index.unique("class"))
    figure, axes = plt.subplots(1, len(names), figsize=(WIDTH, 2.9), sharey=True)
    steps = np.linspace(0, 1, 101)
    for axis, name in zip(axes, names, strict=True):
        rows = table.loc[name]
        axis.plot(steps, [odds(name, prior, step) for step in steps], color="#333333", label="closed form")
        axis.plot(rows.index, rows["trained"], "o", color=ARM_COLOURS["ce_rebal"], ms=7, label="trained with it")
        axis.plot(rows.index, rows["tilted"], "x", color="#009E73", mew=2, ms=7, label="tilted afterwards")
        axis.axhline(1, color="#555555", lw=0.8, ls="--")
        axis.set(yscale="log", xlabel="lambda (1: none)", title=f"{name}: {' : '.join(TWO_COLOURS[name])}")
        axis.label_outer()
    axes[0].set_ylabel("odds")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return _done(figure)
