"""Why is it grey? What is known of a trained network, and rules that name the likely reason why its images are dull.

`examine` collects facts from a run's folder or a file of weights, `measure` more from images; `diagnose` asks the
rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from ..color import to_unit
from ..colorizer import WEIGHTS, Colorizer, load_run
from ..config import ARMS, from_identity, load_config
from ..data.prior import data_prior, load_prior, prior_moments
from ..data.store import Store
from ..networks import OUTPUT_STRIDE
from ..objectives import AB_SCALE
from ..quantize import ab_gamut_centers
from ..readout import Readout
from ..training.loop import VALIDATION_PHOTOS
from . import metrics
from .baselines import constant_prediction
from .measuring import PRIOR, StoredImages, beside, predictor, reduced_side
from .results import lineage, views

READOUTS = tuple(map(Readout.parse, ("@1", "@0.38", "@1:median", "@1:mode", "@1~0.5")))
REBALANCED = ("l2_rebal", "ce_rebal")
NEAR_GREY = 15
"""Chroma up to which a colour is near grey, as in `data.prior.IMAGENET_MOMENTS`."""

VIVID = 0.8
"""Chroma ratio from which on images are no longer dull. One constant colour has 0.73 where rebalancing chooses it, and
the mean of a network that was trained on MiniPlaces without rebalancing up to 0.6."""
HUE = 0.75
"""Of the chroma shown where the truth is vivid, the share along the true hue from which on hues are more than guesses:
half way between one constant colour, which has 0.5 on MiniPlaces, and the truth."""
NOTHING = 0.01
"""What `learnt` is of a network that has learnt nothing: as much as two sets of images differ in their prior."""
LITTLE = {"ce": 0.04, "ce_rebal": 0.04, "l2": 0.1, "l2_rebal": 0.15, "student_mse": 0.05}
"""What `learnt` is between the recorded trials of 600 steps and runs of 4,000, both of 32 images; not of every arm."""
TRIAL_STEPS, ENOUGH_VIEWS, FEW_PHOTOS = 600, 128_000, 4_800
"""Steps of the recorded trials; image views of the profiles laptop and ablation; a third of their images."""
USED_UP = 15
"""Epochs after which images have little left to teach: the 86,310 of `evening`, seen more often, are overfitted."""
HIGH_RATE = 5
"""Times the rate that the trials chose; they tried up to four times it, without harm."""
ORIGINAL_DECAY, STRONG_DECAY = 1e-3, 10
"""Weight decay beside a loss that is a sum over positions (the original's Caffe files; with a mean it is as many times
stronger as there are positions, because Adam scales the loss away), and how many times it counts as strong."""
DEAD = 0.75
"""Share of a layer's channels without variance; networks that work have up to 0.5."""
ENOUGH_IMAGES = 20
"""Images from which on hues and what was learnt are judged: of 8 the best constant answer is as good as a network."""
VIVID_PRIOR, SAME_SHAPE = 50, 0.02
"""Mean chroma that no prior of photographs has (ImageNet's 18, equal shares 72, a wrong one in public code 108), and
Jensen-Shannon divergence in nats up to which two priors have one shape."""
LIST_WIDTHS = (1.5, 3, 5, 8)
"""Widths of a smoothing along the list of colours, in places: public code has 1.6; a width of 5 ab units, the
original's, taken for 5 places is the same mistake."""


class Facts(dict):
    """What is known of a network, by name. What is not known is NaN, so that no comparison with it holds."""

    def __missing__(self, name: str) -> float:
        return math.nan

    def plain(self) -> dict:
        """As JSON values; what is not finite is left out."""
        return {k: v for k, v in self.items() if not (isinstance(v, float) and not math.isfinite(v))}


@dataclass(frozen=True)
class Rule:
    """A finding with a name, what must hold of the facts for it, what it says (facts in braces), and the remedy."""

    name: str
    holds: Callable[[Facts], bool]
    finding: str
    remedy: str


REASONS = (
    Rule("dead", lambda f: f["dead"] >= DEAD,
         "A layer of the network is dead: {dead:.0%} of its channels are the same for every image.",
         "Train again with init={best_init} and lr={best_lr:g}; a rate that is too high kills channels."),
    Rule("prior", lambda f: f["arm"] in REBALANCED and f.get("prior_problem"),
         "The prior is broken, and with it every weight of the rebalancing: it {prior_problem}.",
         "Train again with the data's own prior, which is the default."),
    Rule("nothing", lambda f: f["learnt"] < NOTHING,
         "It has learnt nothing yet: it is no better ({learnt:.1%}) than one answer for everything, such as the prior.",
         "Look at images and labels, and at the loss after some hundred steps: it must be below a constant's."),
    Rule("weights", lambda f: f["arm"] in REBALANCED and (f["lambda_"] > 0.9 or f["unweighted"] > 0.5),
         "The weights are missing from the loss: it should be rebalanced, and counts every colour alike.",
         "Train with lambda_=0.5, and check that the loss is multiplied by the weights."),
    Rule("begun", lambda f: f["finished"] == 0 and math.isnan(f["step"]),
         "The run has just begun: it was not validated yet.",
         "Go on with the command that began it."),
    Rule("unfinished", lambda f: f["finished"] == 0 and f["step"] >= 0,
         "The run is not finished: its rate at step {step:,.0f} is {rate:.2g}, and much is learnt while it falls.",
         "Go on with the command that began it."),
    Rule("little", lambda f: NOTHING <= f["learnt"] < f["little"],
         "It has learnt little yet: it is {learnt:.1%} better than one answer for everything, and 128,000 views give "
         "more than {little:.0%}.",
         "Train longer, on more images."),
    Rule("brown", lambda f: f["ratio"] >= VIVID and f["hue"] < HUE,
         "It is vivid ({ratio:.2f} of the truth's chroma), but its hues are mostly guesses: where the truth is vivid "
         "{hue:.0%} of its colour lies along the true hue, of a constant colour {constant_hue:.0%}. That looks brown.",
         "Train longer, on more images; meanwhile a plain classifier's mean is duller and less often wrong."),
    Rule("fine", lambda f: f["ratio"] >= VIVID and f["hue"] >= HUE,
         "Nothing is wrong: it has {ratio:.2f} of the truth's chroma, and where the truth is vivid {hue:.0%} of it "
         "lies along the true hue.",
         "None is needed."),
    Rule("vivid", lambda f: f["ratio"] >= VIVID and math.isnan(f["hue"]),
         "It is not grey: it has {ratio:.2f} of the truth's chroma. Whether its hues are right only images tell.",
         f"Give {ENOUGH_IMAGES} or more with --data."),
    Rule("decoder", lambda f: f["arm"] == "ce" and f["tilted"] != 1 and f["temperature"] < 1 and (
             f["ratio"] < VIVID or f["mean_ratio"] < VIVID),
         "It is the decoder: T = {temperature:g} on a plain classifier follows the majority, which is near grey "
         "({shown}).",
         "Nothing has to be trained: ask for the tilted mean, `--temperature 1 --lambda 0.5`, or for the mean, "
         "`--temperature 1`."),
    Rule("mean", lambda f: f["arm"] == "ce" and f["tilted"] != 1 and f["temperature"] >= 1 and f["mean_ratio"] < VIVID,
         "It is the decoder: the mean of a plain classifier is as dull as squared error ({shown}).",
         "Nothing has to be trained: tilt it, `--temperature 1 --lambda 0.5`."),
    Rule("squared error", lambda f: f["arm"] in ("l2", "student_mse") and f["ratio"] < VIVID,
         "Squared error asks for the mean of all possible colours: {ratio:.2f} of the truth's chroma is about as vivid "
         "as such a network can be.",
         "Train cross entropy (--arms ce) and tilt it with --lambda 0.5, or rebalance (--arms l2_rebal)."),
    Rule("dull", lambda f: f["arm"] in REBALANCED and f["ratio"] < VIVID,
         "It is rebalanced with lambda = {lambda_:g} and yet has only {ratio:.2f} of the truth's chroma.",
         "A smaller lambda counts rare colours more."),
    Rule("unknown", lambda f: True,
         "Nothing that is known here explains dull images.",
         f"Give {ENOUGH_IMAGES} images or more to measure on with --data."),
)  # fmt: skip
"""Reasons in the order in which they are asked; the first that holds is the likely one."""

CAUSES = (
    Rule("rate too high", lambda f: f["lr"] > HIGH_RATE * f["best_lr"],
         "the learning rate {lr:g} is far above {best_lr:g}, which the recorded trials chose",
         "Train with lr={best_lr:g}."),
    Rule("unstable", lambda f: f["rising"] > 0.02 and not f["memorises"],
         "the {followed} ends {rising:.0%} above its best",
         "Train with a lower lr, or with the schedule one_cycle."),
    Rule("rate too low", lambda f: f["steps"] >= TRIAL_STEPS and f["lr"] * f["steps"] < f["best_lr"] * TRIAL_STEPS,
         "all {steps:,.0f} steps at rate {lr:g} lead less far than 600 at {best_lr:g}",
         "Train with lr={best_lr:g}."),
    Rule("too short", lambda f: f["views"] < ENOUGH_VIEWS and f["views"] < USED_UP * f["photos"],
         "{views:,.0f} image views are few: first colours come with 128,000, and every doubling helps",
         "Train for more steps."),
    Rule("few images", lambda f: f["photos"] < FEW_PHOTOS,
         "{photos:,.0f} training images are few",
         "Train on more images."),
    Rule("memorises", lambda f: f["memorises"] == 1,
         "the {followed} ends {rising:.0%} above its best while the training loss falls",
         "Train on more images, or for fewer steps."),
    Rule("start", lambda f: f.get("init") != f.get("best_init"),
         "it began with init={init}, where the recorded trials chose {best_init}",
         "Train with init={best_init}."),
    Rule("decay", lambda f: f["decay"] > STRONG_DECAY,
         "weight decay {weight_decay:g} beside a loss that is a {reduction} over positions is {decay:.0f} times as "
         "strong as the original's",
         "Train with weight_decay=0, or with reduction=sum."),
    Rule("still falling", lambda f: f["falling"] > 0.01 and f["schedule"] in ("constant", "steps"),
         "the {followed} fell by {falling:.1%} in the last quarter",
         "Train for more steps, or with the schedule one_cycle."),
    Rule("overconfident", lambda f: f["arm"] == "ce" and f["overconfidence"] > 0.05,
         "it is more sure than right, by {overconfidence:.2f}",
         "Train on more images, or for fewer steps."),
    Rule("prior of the tilt", lambda f: f["arm"] == "ce" and f.get("prior_problem"),
         "its prior, which a tilt would use, {prior_problem}",
         "Train with the data's own prior, which is the default, or do not tilt."),
    Rule("sum of the prior", lambda f: abs(f["prior_sum"] - 1) > 1e-4,
         "its prior has the sum {prior_sum:.4f}, as if something were added after it was scaled",
         "Scale the prior last; a small difference does no harm, because weights are scaled again."),
    Rule("peak of the prior", lambda f: f["prior_peak"] > 10,
         "its prior is greatest at a chroma of {prior_peak:.0f}, where that of photographs is greatest at grey",
         "Compare the prior with a histogram of the images' colours."),
)  # fmt: skip
"""What keeps a network from learning, most harmful first; the first that holds is named where it learnt little. In
the recorded runs of 600 steps decay, 256 times too strong, cost less than PyTorch's start, and both less than steps."""
WEAK = ("nothing", "little")
"""The reasons that have a cause."""

LINES = (
    ("steps", "training: {steps:,.0f} steps of {batch} ({views:,.0f} views of {photos:,.0f} images), lr {lr:g} "
              "{schedule}, init {init}; the recorded trials chose lr {best_lr:g}, init {best_init}"),
    ("earlier", "it went on from {earlier}, whose views are counted"),
    ("weighting", "loss: {reduction} over positions, weight decay {weight_decay:g}, {weighting}"),
    ("prior_sum", "prior: sum {prior_sum:.4f}, {prior_entropy:.2f} nats, {prior_near_grey:.0%} within 15 of grey, mean "
                  "chroma {prior_chroma:.1f}, {prior_distance:.3f} nats from MiniPlaces'; most: {prior_top}"),
    ("dead", "network: at most {dead:.0%} of a layer's channels are dead"),
    ("val_loss", "history: validation loss {val_loss:.4g} at step {step:,.0f}; the {followed} fell by {falling:.1%} in "
                 "the last quarter and ends {rising:.1%} above its best; chroma ratio of the mean {mean_ratio:.2f}"),
    ("constant_loss", "learnt: loss {loss:.4g}, that of the best constant answer {constant_loss:.4g}, {learnt:.1%} "
                      "below it"),
    ("near_grey", "distributions: {near_grey:.0%} of the probability within 15 of grey (truth {near_grey_true:.0%}, "
                  "as the loss weighs it {near_grey_asked:.0%}); {above_floor:.2f} nats above the floor, "
                  "overconfidence {overconfidence:+.2f}"),
)  # fmt: skip
"""What is told of the facts, each where the one named first is known."""


@dataclass(frozen=True)
class Diagnosis:
    """reason: the likely one. causes: all of `CAUSES` that hold. also: the other reasons that hold."""

    facts: Facts
    reason: Rule
    causes: tuple[Rule, ...]
    also: tuple[Rule, ...]

    @property
    def sentence(self) -> str:
        """The likely reason, with its cause."""
        text = self.reason.finding.format_map(self.facts)
        if self._cause:
            text += f" Most likely because {self._cause.finding.format_map(self.facts)}."
        return text

    @property
    def remedy(self) -> str:
        """What to do, against the cause where there is one."""
        return (self._cause or self.reason).remedy.format_map(self.facts)

    @property
    def _cause(self) -> Rule | None:
        return self.causes[0] if self.causes and self.reason.name in WEAK else None

    def __str__(self) -> str:
        told = [rule.finding.format_map(self.facts) for rule in self.also]
        told += [rule.finding.format_map(self.facts) for rule in self.causes if rule != self._cause]
        return "\n".join([self.sentence, f"What to do: {self.remedy}", *(f"Also: {text}" for text in told)])

    def plain(self) -> dict:
        """As JSON values."""
        known = self.facts.plain()
        names = {kind: [rule.name for rule in rules] for kind, rules in (("causes", self.causes), ("also", self.also))}
        return {"reason": self.reason.name, "sentence": self.sentence, "remedy": self.remedy} | names | {"facts": known}


def diagnose(facts: Facts) -> Diagnosis:
    """Ask every rule."""
    reasons = [rule for rule in REASONS if rule.holds(facts)]
    return Diagnosis(facts, reasons[0], tuple(r for r in CAUSES if r.holds(facts)), tuple(reasons[1:-1]))


def describe(facts: Facts, before: Facts | None = None) -> str:
    """The facts in lines, and those of read-outs as a table; only what `before`, told already, has not."""
    top = ", ".join(f"({a}, {b}) {share:.0%}" for a, b, share in facts.get("prior_top", ()))
    words = Facts(facts | {"prior_top": top})
    lines = [] if before else [f"{facts['run']} ({facts['arm']}, profile {facts.get('profile', 'not known')})"]
    lines += [
        text.format_map(words) for name, text in LINES if name in facts and facts[name] != (before or {}).get(name)
    ]
    if "systems" in facts:
        table = pd.DataFrame(facts["systems"]).T.rename(columns=lambda name: metrics.metric(name).title)
        lines += ["", table.to_string(float_format="{:.2f}".format)]
    return "\n".join(lines)


# ------------------------------------------------------------------------------------------------ what a file tells


def examine(path: Path | str) -> tuple[Facts, Colorizer | None]:
    """What a run's folder or a file of weights tells by itself, and the network, None where the run is not finished.

    Raises FileNotFoundError or ValueError naming it for what is neither, and for weights that are not finite.
    """
    path = Path(path)
    history = path / "history.csv"
    if history.exists() and not (path / WEIGHTS).exists():
        arm = path.resolve().name.partition("-s")[0]
        if arm not in ARMS:
            raise ValueError(
                f"{path} holds no finished run, and its name does not begin with an arm: {', '.join(ARMS)}"
            )
        facts, network = Facts(run=path.resolve().name, arm=arm, little=LITTLE.get(arm, math.nan), finished=0), None
        facts["best_lr"] = load_config("evening").for_arm(arm).lr
    else:
        network = load_run(path)
        facts = _file_facts(network)
    facts |= _history_facts(pd.read_csv(history), facts) if history.exists() else {}
    return facts, network


def _file_facts(network: Colorizer) -> Facts:
    about, arm = network.passport, network.arm
    config, chosen = from_identity(about["config"]), load_config("evening").for_arm(arm)
    facts = Facts({name: getattr(config, name) for name in (
        "batch", "lr", "init", "schedule", "reduction", "weight_decay", "lambda_", "temperature")})  # fmt: skip
    positions = (config.side // OUTPUT_STRIDE) ** 2 if config.reduction == "mean" else 1
    rebalanced = f"rebalanced with lambda = {config.lambda_:g}" if arm in REBALANCED else "every colour counts alike"
    facts |= {"arm": arm, "finished": 1, "little": LITTLE.get(arm, math.nan), "weighting": rebalanced,
              "dead": dead_share(network), "best_lr": chosen.lr, "best_init": chosen.init,
              "decay": config.weight_decay * positions / ORIGINAL_DECAY}  # fmt: skip
    facts |= {name: about[name] for name in ("run", "profile", "steps", "photos") if name in about}
    facts["views"] = views(about)
    if earlier := ", ".join(one["run"] for one in lineage(about)[1:]):
        facts["earlier"] = earlier
    measured = {
        name: values["chroma_ratio"] for name, values in about.get("measured", {}).items() if "chroma_ratio" in values
    }
    if network.is_classifier:
        facts |= {"temperature": network.readout.temperature, "tilted": int(network.readout.lambda_ < 1)}
    facts |= _answered(network, measured)
    prior = getattr(network.objective, "prior", None)
    return facts if prior is None else Facts(facts | prior_facts(prior.cpu()))


def dead_share(network: Colorizer) -> float:
    """Share of channels with next to no variance, in the layer of batch norm where it is greatest: 0 to 1."""
    layers = [layer for layer in network.network.modules() if isinstance(layer, torch.nn.BatchNorm2d)]
    return max((float((layer.running_var < 1e-10).float().mean()) for layer in layers), default=0.0)


def prior_facts(prior: Tensor) -> dict:
    """What is to be seen of a prior [313]: sum, entropy in nats, moments, likeliest colours, distance from that of
    MiniPlaces, and `prior_problem`, "" if there is none."""
    p, moments, top = prior.double(), prior_moments(prior), prior.topk(4)
    colours = ab_gamut_centers().int()[top.indices].tolist()
    return {
        "prior_sum": float(p.sum()),
        "prior_entropy": float(-torch.special.xlogy(p, p).sum()),
        "prior_near_grey": moments["within 15 of grey"],
        "prior_chroma": moments["mean chroma"],
        "prior_peak": math.hypot(*colours[0]),
        "prior_top": [[*colour, float(share)] for colour, share in zip(colours, top.values, strict=True)],
        "prior_distance": abs(metrics.histogram_distance(p.numpy(), load_prior(PRIOR).numpy())),
        "prior_problem": prior_problem(prior),
    }


def prior_problem(prior: Tensor) -> str:
    """What is wrong with a prior [313], "" if nothing is.

    Public code has one with a mean chroma of 108, and one that is smoothed along the list of the 313 colours.
    """
    good, total = load_prior(PRIOR).numpy(), float(prior.sum())
    if not bool(((prior >= 0) & (prior < math.inf)).all()) or total <= 0:
        return "holds numbers that are below 0 or not finite"
    if (vivid := prior_moments(prior / total)["mean chroma"]) > VIVID_PRIOR:
        return f"has a mean chroma of {vivid:.0f}, where photographs have about 17"
    b_first = np.lexsort(ab_gamut_centers().numpy().T)
    wrong = {
        "is smoothed along the list of colours, not in the plane of a and b": [
            gaussian_filter1d(good, width) for width in LIST_WIDTHS
        ],
        "has its colours in another order, b before a": [good[b_first], good[np.argsort(b_first)]],
    }
    limit = min(SAME_SHAPE, metrics.histogram_distance(prior.numpy(), good))
    for problem, shapes in wrong.items():
        if any(metrics.histogram_distance(prior.numpy(), shape) < limit for shape in shapes):
            return problem
    return ""


def _history_facts(history: pd.DataFrame, facts: Facts) -> dict:
    """From the validations of a run, how its loss went, and of plain cross entropy how far it came below the entropy
    of its prior, which is what the prior itself would have."""
    if history.empty:
        return {}
    followed = "loss" if facts["arm"] in REBALANCED else "val_plain"  # what is minimised; there is no validation of it
    last, best = history.iloc[-1], history.loc[history[followed].idxmin()]
    before, rising = history[history.step <= 0.75 * last.step].tail(1), float(last[followed] / best[followed] - 1)
    found = {
        "lr": facts.get("lr", float(history.lr.max())),
        "rate": float(last.lr),
        "step": int(last.step),
        "rising": rising,
        "val_loss": float(last.val_plain),
    }
    found |= {"above_floor": float(last.val_excess), "memorises": int(rising > 0.02 and last.plain < best.plain)}
    found |= {"mean_ratio": float(last.val_chroma_ratio), "followed": followed.replace("val_plain", "validation loss")}
    found["falling"] = float(1 - last[followed] / before[followed].iloc[0]) if len(before) else 0.0
    if facts["arm"] != "ce":
        return found | {"ratio": found["mean_ratio"]}
    found["shown"] = f"its mean has {last.val_chroma_ratio:.2f} of the truth's chroma"
    if facts.get("prior_problem"):
        return found
    entropy = facts.get("prior_entropy") or prior_facts(load_prior(PRIOR))["prior_entropy"]
    return found | {"loss": float(last.plain), "constant_loss": entropy, "learnt": float(1 - last.plain / entropy)}


# ------------------------------------------------------------------------------------------------ what images tell


def measure(
    network: Colorizer, facts: Facts, store: Store, split: str = "val", limit: int = VALIDATION_PHOTOS, progress=None
) -> Facts:
    """The facts and what the first `limit` images of a split add to them, of fewer than `ENOUGH_IMAGES` only how vivid
    they are shown; progress: called with the number of images done and of all. ValueError for images far larger than
    those that the network has seen, of which only its colours could be judged."""
    if side := reduced_side(network, store.side):
        raise ValueError(
            f"{store.path} has images of {store.side} px, and the network has seen such of {side}; give a store of "
            f"that side (`colorize prepare --side {side}`)"
        )
    images = StoredImages(store, store.rows(split, limit))
    config, weights = from_identity(network.passport["config"]), getattr(network.objective, "weights", None)
    if weights is not None and not torch.isfinite(weights).all():
        return facts  # nothing can be asked of a network with such a prior
    truth = data_prior(store, images.rows, config, torch.device("cpu"))
    asked = truth if weights is None else truth * weights.cpu() / (truth @ weights.cpu())
    readouts = dict.fromkeys((*READOUTS, network.readout or READOUTS[0]))
    constant = constant_prediction(asked @ ab_gamut_centers())
    with_constant = beside(predictor(network, readouts), {"constant": constant})
    encoding = {"neighbours": config.neighbours, "sigma": config.sigma}
    found = metrics.measure(with_constant, images, truth, **encoding, progress=progress)
    names = ("chroma_ratio", "true_hue_ratio", "skill_mean")
    systems = {system: {n: metrics.value(m.table, n) for n in names} for system, m in found.items()}
    facts = Facts(facts | {"images": len(images), "systems": systems})
    facts |= _answered(network, {name: v["chroma_ratio"] for name, v in systems.items()})
    if len(images) < ENOUGH_IMAGES:
        return facts
    facts |= {"hue": _hue(found[facts["usual"]].table), "constant_hue": _hue(found["constant"].table)}
    if network.is_classifier:
        table = found[f"{network.arm}@1"].table
        told = {"above_floor": "nll_excess", "overconfidence": "overconfidence"}
        facts |= {name: metrics.value(table, of) for name, of in told.items()}
    if network.arm == "student_mse":
        return Facts(facts | {"learnt": systems["student_mse"]["skill_mean"]})
    return Facts(facts | _losses(network, images, truth, asked))


def _answered(network: Colorizer, ratios: dict[str, float]) -> dict:
    """How vivid the usual answer, which the network's own read-out gives, and the mean are, from the chroma ratios of
    systems."""
    arm = network.arm
    usual, mean = (f"{arm}{network.readout}", f"{arm}@1") if network.is_classifier else (arm, arm)
    if usual not in ratios:
        return {}
    told = [name for name in dict.fromkeys((usual, mean, f"{arm}@1~0.5")) if name in ratios]
    shown = ", ".join(f"{ratios[name]:.2f} with {name}" for name in told) + " of the truth's chroma"
    return {"usual": usual, "ratio": ratios[usual], "mean_ratio": ratios.get(mean, math.nan), "shown": shown}


def _hue(table: pd.DataFrame) -> float:
    """Of the chroma that is shown where the truth is vivid, the share along the true hue; NaN where none is shown."""
    along, shown = (sum(table[f"{c}_{s}"].sum() for s in metrics.SECTORS) for c in ("along", "cp"))
    return float(along / shown) if shown else math.nan


@torch.no_grad()
def _losses(network: Colorizer, images: StoredImages, truth: Tensor, asked: Tensor) -> dict:
    """How far the loss is below that of the best constant answer, and of a classifier how much probability is near
    grey, and how far its mean distribution is on the way from the one that the loss asks for (0) to the images' (1).

    truth: the images' own prior [313]; asked: the same as the loss weighs it.
    """
    objective, centers = network.objective, ab_gamut_centers()
    answer = asked.clamp_min(1e-12).log() if network.is_classifier else asked @ centers / AB_SCALE
    sums, seen = torch.zeros(2), torch.zeros(len(centers))
    for start in range(0, len(images), 64):
        rgb = to_unit(torch.from_numpy(images[start : start + 64]).to(network.device))
        output = network.output(rgb)
        constant = answer.to(output)[None, :, None, None].expand_as(output)
        sums += len(rgb) * torch.stack([objective.score(o, rgb).loss for o in (output, constant)]).cpu()
        if network.is_classifier:
            seen += len(rgb) * output.softmax(1).mean((0, 2, 3)).cpu()
    own, best = (sums / len(images)).tolist()
    found = {"loss": own, "constant_loss": best, "learnt": 1 - own / best}
    if not network.is_classifier:
        return found
    seen, near = seen / len(images), torch.linalg.vector_norm(centers, dim=1) <= NEAR_GREY
    names = ("near_grey", "near_grey_true", "near_grey_asked")
    found |= {name: float(p[near].sum()) for name, p in zip(names, (seen, truth, asked), strict=True)}
    way, length = truth - asked, float((truth - asked).square().sum())
    return found | ({"unweighted": float((seen - asked) @ way) / length} if length > 1e-6 else {})
