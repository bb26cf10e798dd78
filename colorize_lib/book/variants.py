"""Settings of the network and of its training: each against the usual one, and what claims make of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from PIL import Image

from ..color import to_unit
from ..colorizer import load_colorizer
from ..config import load_config
from ..data.images import fit_square
from ..evaluation.claims import Verdict, read
from ..evaluation.intervals import Interval
from ..evaluation.results import Results
from ..evaluation.systems import System, system_title
from ..networks import make_network
from ..objectives import HEADS, make_objective
from ..trace import note
from .answers import UNKNOWN, Quiet
from .examples import book_photos
from .figures import WIDTH, _done

BETAS = ("#0072B2", "#E69F00")
"""Colours of Adam's usual second beta and of a smaller one."""


def pairs(
    found: Results, settings: Iterable[str], systems: Iterable[str] = ("l2", "ce@1")
) -> dict[str, tuple[str, str]]:
    """Systems with other settings, as far as they are recorded, and the usual one that each is held against."""
    usual_of = {f"{system} {setting}": system for system in systems for setting in settings}
    return {name: (name, usual) for name, usual in usual_of.items() if name in found.systems}


def table(verdicts: dict[str, Verdict]) -> pd.DataFrame:
    """Claims on settings: what is claimed, the runs that decide, what was measured and the verdict; a row each.

    Of several effects the one furthest from zero is shown, in units of the margin it must keep.
    """
    rows = {}
    for name, verdict in verdicts.items():
        runs = [entry["about"] for entry in read()["runs"] if name in entry["decides"] and "vary" in entry]
        furthest = max(verdict.findings, key=lambda f: abs(f.effect.value) / (abs(f.check.margin) or 1), default=None)
        measured = "\n".join([*furthest.measured[:2], furthest.title]) if furthest else UNKNOWN
        word = verdict.verdict + (f", {len(verdict.missing)} missing" if verdict.missing else "")
        rows[name] = (verdict.hypothesis.title, "; ".join(runs), measured, word)
    return Quiet(pd.DataFrame(rows, ["claim", "decided by", "largest effect", "verdict"]).T)


# ---------------------------------------------------------------------------------------------------------------- Adam


def adam_grid(verdict: Verdict) -> pd.DataFrame:
    """What is recorded of the grid of H12, a row a setting: system, lr, beta2, decay and difference, the `Interval` of
    the relative difference in error from the paper's setting, which stands first and has none."""
    note("judged", runs=list(verdict.runs))
    usual, rows = load_config(verdict.hypothesis.profile), {}
    own = (usual.lr, usual.betas[1], usual.weight_decay)
    for finding in verdict.findings:
        system = System.parse(finding.check.effect.terms[0].system)
        changed = dict(setting.split("=") for setting in system.variant.split(","))
        beta2 = changed["betas"].split(":")[1] if "betas" in changed else own[1]
        mine = float(changed.get("lr", own[0])), float(beta2), float(changed.get("weight_decay", own[2]))
        name = str(system.of_variant(""))
        rows.setdefault((name, *own), Interval.of(0.0, 0.0, 1, finding.effect.seeds, 0))
        rows[name, *mine] = finding.effect
    return pd.DataFrame([(*place, difference) for place, difference in rows.items()],
                        columns=["system", "lr", "beta2", "decay", "difference"])  # fmt: skip


def best_adam(grid: pd.DataFrame, system: str) -> str:
    """The setting of `adam_grid` with the least error of a system, in words, with the difference in per cent."""
    tried = grid[grid.system == system]
    if tried.empty:
        return UNKNOWN
    best = min(tried.itertuples(), key=lambda row: row.difference.value)
    decay = f"a decay of {best.decay:g}" if best.decay else "no decay"
    said = f" ({_per_cent(best.difference)})" if best.difference.value else ", the paper's"
    return f"a rate of {best.lr:g}, a second beta of {best.beta2:g} and {decay}{said}"


def adam_cost(grid: pd.DataFrame, system: str, lr: float, decay: float, beta2: float = 0.999) -> str:
    """The difference in error of one setting of `adam_grid`, in per cent with its interval, or `UNKNOWN`."""
    asked = {"system": system, "lr": lr, "decay": decay, "beta2": beta2}
    found = grid[(grid[list(asked)] == list(asked.values())).all(axis=1)]
    return _per_cent(found.difference.iloc[0]) if len(found) else UNKNOWN


def _per_cent(effect: Interval) -> str:
    low, value, high = (100 * x for x in (effect.low, effect.value, effect.high))
    return f"{value:+.1f} % [{low:+.1f}, {high:+.1f}]"


def plot_adam(grid: pd.DataFrame, margin: float) -> Figure:
    """Differences of `adam_grid` in per cent against the rate: a panel a loss, a line each second beta with each decay.
    Dotted is the margin below which a setting counts as better."""
    systems = list(dict.fromkeys(grid.system))
    figure, axes = plt.subplots(1, max(1, len(systems)), figsize=(WIDTH, 3.0), sharey=True, squeeze=False)
    for axis, system in zip(axes[0], systems, strict=False):
        axis.axhline(100 * margin, color="#555555", lw=1.2, ls="dotted")
        lines = grid[grid.system == system].sort_values("lr").groupby(["decay", "beta2"])
        for k, ((decay, beta2), line) in enumerate(lines):
            colour, said = BETAS[beta2 < 0.999], f"second beta {beta2:g}" + (f", decay {decay:g}" if decay else "")
            x, values = line.lr * 1.06**k, list(line.difference)
            axis.plot(x, [100 * v.value for v in values], "o", ls="--" if decay else "-", color=colour,
                      mfc="white" if decay else colour, label=said)  # fmt: skip
            axis.vlines(x, [100 * v.low for v in values], [100 * v.high for v in values], color=colour, lw=1.6)
        axis.set(xscale="log", title=system_title(system), xlabel="learning rate")
        axis.set_xticks(sorted(set(grid.lr)), [f"{lr:g}" for lr in sorted(set(grid.lr))])
        axis.minorticks_off()
    axes[0, 0].set_ylabel("difference in error, %")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return _done(figure)


# ------------------------------------------------------------------------------------------------- decay and reduction


def decay_pull(decay: float = 1e-3) -> pd.DataFrame:
    """How hard weight decay pulls beside the loss: the norm of `decay` times the weights over that of the gradient, on
    the photographs of the book, for the loss averaged and summed over positions: a row a loss and a network, one as it
    is drawn and the one that ships."""
    config, small = load_config("evening"), [fit_square(Image.fromarray(x), 64) for x in book_photos().values()]
    rgb, rows = to_unit(torch.from_numpy(np.stack([np.asarray(image) for image in small]))), {}
    for arm in ("l2", "ce"):
        shipped = load_colorizer(arm, "cpu")
        for when, network in {"drawn": make_network(config, HEADS[arm], 0), "trained": shipped.network}.items():
            network.requires_grad_(True).train()
            for reduction in ("mean", "sum"):
                objective = make_objective(arm, replace(config, reduction=reduction), shipped.objective.prior)
                loss = objective.score(network(objective.network_input(rgb)), rgb).loss
                gradients = torch.autograd.grad(loss, list(network.parameters()))
                pull, pulled = (torch.cat([x.detach().flatten() for x in xs]).norm()
                                for xs in (network.parameters(), gradients))  # fmt: skip
                rows.setdefault((arm, when), {})[reduction] = float(decay * pull / pulled)
    return pd.DataFrame(rows).T.rename_axis(["loss of", "network"])
