"""Settings against the usual ones: pairs and tables by hand, Adam's grid by made curves, the pull of decay counted."""

from __future__ import annotations

import dataclasses

import pandas as pd
import pytest
import tiny

from colorize_lib.book import answers, variants
from colorize_lib.evaluation import claims
from colorize_lib.evaluation.intervals import Interval
from colorize_lib.evaluation.results import Results


def around(value: float, half: float) -> Interval:
    return Interval(value, value - half, value + half, 2, 10)


@pytest.fixture(scope="module")
def found():
    return tiny.experiment().results


def test_variants_stand_beside_the_usual_system_where_they_are_recorded(found):
    systems = found.summary["systems"] | {f"{s} init=he": {"seeds": [0]} for s in ("l2", "ce@1")}
    more = dataclasses.replace(found, summary=found.summary | {"systems": systems})
    assert variants.pairs(more, ["init=he", "width=1"]) == {f"{s} init=he": (f"{s} init=he", s) for s in ("l2", "ce@1")}
    assert not variants.pairs(more, ["init=he"], ["ce_rebal@1"]), "was not trained so"


def test_settings_name_the_runs_that_decide_and_the_largest_effect(found):
    effect = claims.load_hypotheses()[0].checks[0].effect
    checks = [claims.Check(effect, must=must) for must in ("within 0.2", "within 2", "> 0")]
    findings = [
        claims.Finding(check, around(value, 0.05), "confirmed")
        for check, value in zip(checks, (0.1, 1.9, 0.3), strict=True)
    ]
    verdict = claims.decide("H11", found)
    table = variants.table({"H11": verdict, "H12": dataclasses.replace(verdict, findings=findings, missing=())})
    assert table.verdict["H11"] == "open, 6 missing" and "kernels" in table["decided by"]["H11"]
    assert table["largest effect"]["H11"] == answers.UNKNOWN and "+1.9" in table["largest effect"]["H12"]


def tried(found: Results, errors: dict[str, tuple[float, ...]]) -> claims.Verdict:
    """H12 of `l2` networks that ended at these errors: {setting: one a seed}."""
    rows = [{"arm": "l2", "variant": f"{setting}steps=2000".strip(), "seed": seed, "step": 1, "val_ab_error": error}
            for setting, of_one in errors.items() for seed, error in enumerate(of_one)]  # fmt: skip
    tables = found.tables | {"l2 steps=2000": found.tables["l2"]}
    systems = found.summary["systems"] | {"l2 steps=2000": {"seeds": [0, 1]}}
    made = dataclasses.replace(found, summary=found.summary | {"systems": systems}, tables=tables)
    return claims.decide("H12", dataclasses.replace(made, other_history=pd.DataFrame(rows)))


def test_the_grid_of_adam_is_what_is_recorded_of_h12(found):
    h12 = tried(found, {"": (10, 20, 20), "lr=0.003,": (9, 18, 18), "betas=0.9:0.99,lr=0.0001,": (11, 22, 22)})
    grid = variants.adam_grid(h12)
    assert list(grid.system) == ["l2"] * 3 and list(grid.lr) == [1e-3, 3e-3, 1e-4]
    assert list(grid.beta2) == [0.999, 0.999, 0.99] and not grid.decay.any()
    assert [d.value for d in grid.difference] == pytest.approx([0, -0.1, 0.1])
    assert h12.verdict == "open" and len(h12.findings) == 2
    assert variants.best_adam(grid, "l2") == (
        "a rate of 0.003, a second beta of 0.999 and no decay (-10.0 % [-10.0, -10.0])"
    )
    assert variants.best_adam(grid[grid.lr < 0.003], "l2").endswith("of 0.999 and no decay, the paper's")
    assert variants.best_adam(grid, "ce@1") == answers.UNKNOWN
    assert variants.adam_cost(grid, "l2", 1e-4, 0, 0.99).startswith("+10.0 % [+")
    assert variants.adam_cost(grid, "l2", 1e-4, 0) == answers.UNKNOWN, "with this beta it was not tried"
    axis = variants.plot_adam(grid, -0.01).axes[0]
    drawn = {line.get_label(): list(line.get_ydata()) for line in axis.lines if line.get_marker() == "o"}
    assert drawn["second beta 0.999"] == pytest.approx([0, -10]) and drawn["second beta 0.99"] == pytest.approx([10])
    assert not variants.plot_adam(variants.adam_grid(claims.decide("H12", found)), -0.01).axes[0].lines


def test_decay_pulls_harder_under_the_mean_by_the_number_of_positions():
    pull = variants.decay_pull()
    assert list(pull.index) == [(arm, when) for arm in ("l2", "ce") for when in ("drawn", "trained")]
    assert list(pull["mean"] / pull["sum"]) == pytest.approx([16 * 16] * 4, rel=1e-3)
    assert (pull > 0).all(axis=None)
