"""Effects at every budget: rungs against the records they are made of, lines and words by hand, figures by numbers."""

from __future__ import annotations

import dataclasses
import math

import pandas as pd
import pytest
import tiny

from colorize_lib.book import answers, ladder
from colorize_lib.evaluation.intervals import Interval
from colorize_lib.evaluation.results import load

LONG = "steps=8"


def around(value: float, half: float, seeds: int = 2) -> Interval:
    return Interval(value, value - half, value + half, seeds, 10)


@pytest.fixture(scope="module")
def found():
    return tiny.experiment().results


@pytest.fixture(scope="module")
def longer(found):
    """The same networks under the name of a variant, all but one arm, after twice the steps."""
    systems = {
        f"{name} {LONG}": of for name, of in found.summary["systems"].items() if of["seeds"] and "ce_" not in name
    }
    tables = {f"{name} {LONG}": found.tables[name] for name in found.tables if f"{name} {LONG}" in systems}
    passports = {f"{run}-long": p | {"variant": LONG, "steps": 2 * p["steps"]}
                 for run, p in found.summary["passports"].items()}  # fmt: skip
    summary = {**found.summary, "systems": found.summary["systems"] | systems}
    summary["passports"] = found.summary["passports"] | passports
    history = found.history.assign(variant=LONG, step=2 * found.history.step)
    return dataclasses.replace(found, summary=summary, tables=found.tables | tables, other_history=history)


@pytest.fixture(scope="module")
def two(longer) -> dict[str, ladder.Rung]:
    return {"short": ladder.Rung("short", longer), "long": ladder.Rung("long", longer, LONG)}


# ------------------------------------------------------------------------------------------------------------- rungs


def test_a_rung_knows_its_budget_and_its_systems(two, longer):
    short, long = two.values()
    assert (short.views, long.views) == (4 * 8, 8 * 8) and long.epochs == 2.0
    assert short.about == "short: width 1/16, 32 photographs, 1.0 epochs, rate one cycle"
    assert long.named("ce@1") == f"ce@1 {LONG}" and long.named("grey") == "grey"
    assert long.difference("ce@1", "l2", "auc") == longer.difference(f"ce@1 {LONG}", f"l2 {LONG}", "auc")
    assert math.isnan(long.difference("ce_rebal@1", "ce@1", "auc").value), "was not trained that long"
    assert math.isnan(long.interval("ce_rebal@1", "auc").value)
    assert set(long.history.step) == {2 * step for step in short.history.step}
    with pytest.raises(ValueError, match="no run of smoke init=he"):
        _ = ladder.Rung("other", longer, "init=he").passport


def test_a_system_makes_up_a_share_of_the_colour_that_l2_lacks(two):
    short = two["short"]
    l2, ce, true = (short.found.value(*place) for place in
                    (("l2", "colourfulness"), ("ce@1", "colourfulness"), ("grey", "colourfulness_true")))  # fmt: skip
    assert short.made_up("ce@1") == pytest.approx(100 * (ce - l2) / (true - l2)) and short.made_up("l2") == 0


def test_the_ladder_takes_what_is_recorded(found, longer, monkeypatch):
    def recorded(profile):
        if profile == "zhang":
            raise FileNotFoundError
        return found

    monkeypatch.setattr(ladder, "load", recorded)
    places = {"mine": ("smoke", ""), "long": ("smoke", LONG), "never": ("laptop", "lr=1"), "none": ("zhang", "")}
    monkeypatch.setattr(ladder, "RUNGS", places | {"other": ("laptop", "")})
    there = ladder.rungs(longer)
    assert list(there) == ["mine", "long", "other"], "in the order of RUNGS"
    assert there["long"].found is longer and there["other"].found is found
    assert list(ladder.rungs(longer, alone=True)) == ["smoke"]
    monkeypatch.setattr(ladder, "RUNGS", {"none": ("zhang", "")})
    assert list(ladder.rungs(longer)) == ["smoke"], "never empty"


def test_the_long_rung_is_recorded_under_its_name():
    profile, variant = ladder.RUNGS["evening, long"]
    rung = ladder.Rung("long", load(profile), variant)
    assert rung.views > 2_500_000 and math.isfinite(rung.difference("ce@1", "l2", "colourfulness").value)
    assert all(name in rung.found.systems for name in ladder.TRANSPLANTS.values())


# ---------------------------------------------------------------------------------------------------- lines and words


class At:
    """A rung of some views with one effect."""

    def __init__(self, views: float, value: float):
        self.views, self.value = views, value

    def difference(self, *names):
        return around(self.value, 1)


def test_a_straight_continuation_by_hand():
    straight = [At(10**n, 2.0 * n) for n in (3, 4, 5)]
    assert ladder.continuation(straight, "a", "b", "auc", 1e7) == pytest.approx((14, 14, 14))
    bent = [At(1e3, 0), At(1e4, 0), At(1e5, 3)]
    value, low, high = ladder.continuation(bent, "a", "b", "auc", 1e6)
    assert (value, low, high) == pytest.approx((4, 0, 6)), "4 by least squares; 6, 4.5 and 0 without one"
    alike = [At(1e3, 0), At(1e5, 2), At(1.01e5, 9)]
    assert ladder.continuation(alike, "a", "b", "auc", 1e5)[2] < 10, "two equal budgets give no line of their own"


def test_two_rungs_give_no_continuation():
    two = [At(1e3, 1), At(1e4, 2), At(1e5, math.nan)]
    assert all(map(math.isnan, ladder.continuation(two, "a", "b", "auc", 1e6)))
    assert ladder.continuation(two, "a", "b", "auc", 1e6, least=2) == pytest.approx((4, 4, 4)), "unless asked for"
    assert all(map(math.isnan, ladder.continuation(two[1:], "a", "b", "auc", 1e6, least=2)))


@pytest.mark.parametrize(
    ("first", "last", "word"),
    [
        (around(1, 0.5), around(3, 0.5), "grows"),
        (around(-1, 0.5), around(-3, 0.5), "grows"),
        (around(0, 0.5), around(3, 0.5), "grows"),
        (around(3, 0.5), around(1, 0.5), "shrinks"),
        (around(3, 0.5), around(-3, 0.5), "changes its sign"),
        (around(3, 0.5), around(0.2, 0.5), "is no longer told from zero"),
        (around(0.2, 0.5), around(0.3, 0.5), "is told from zero at neither end"),
        (around(2, 0.8), around(3, 0.8), "does not certainly change"),
        (answers.MISSING, around(3, 0.5), f"is {answers.UNKNOWN}"),
    ],
)
def test_the_course_of_an_effect_follows_the_intervals(first, last, word):
    assert ladder.course(first, last) == word


def test_a_sentence_names_both_ends(two):
    said = ladder.in_words(two["short"], two["long"])
    value = two["short"].difference("ce@1", "l2", "colourfulness").value
    assert f"in colourfulness ({value:+.1f} to {value:+.1f})" in said and said.count(" to ") == 3
    assert answers.UNKNOWN in ladder.in_words(*two.values(), "rebalanced training")
    assert ladder.in_words(two["short"], two["short"]).startswith(f"is {value:+.1f} in colourfulness, is")


# ------------------------------------------------------------------------------------------------- what curves say


def test_overfitting_by_hand(two):
    curve = {"epoch": [1.0, 2.0, 3.0, 4.0], "excess": [4.0, 3.0, 1.5, 0.6], "val_excess": [4.0, 1.0, 1.1, 1.2],
             "val_plain": [5.0, 2.0, 2.1, 2.1], "val_true_hue_ratio": [0.1, 0.2, 0.3, 0.3]}  # fmt: skip
    history = pd.DataFrame(curve).assign(arm="ce", seed=0, step=range(4))
    rung = ladder.Rung("here", dataclasses.replace(two["short"].found, history=history))
    row = ladder.overfitting([rung]).loc[("here", "ce")]
    assert (row.epochs, row.best, row.settled) == (4, 2, 3)
    assert row.after == pytest.approx(20) and row.apart == pytest.approx(50)


@pytest.fixture()
def settling(two) -> ladder.Rung:
    """Two networks of one arm, of which one wavers in its colour to the end."""
    curve = {"epoch": [1.0, 2.0, 3.0, 4.0], "val_plain": [5.0, 2.0, 1.81, 1.8], "val_true_hue_ratio": [0.1] + 3 * [0.3]}
    histories = [pd.DataFrame(curve).assign(arm="ce", seed=seed, step=range(4)) for seed in (0, 1)]
    histories[1]["val_true_hue_ratio"] = [0.1, 0.3, 0.2, 0.4]
    return ladder.Rung("here", dataclasses.replace(two["short"].found, history=pd.concat(histories)))


def test_what_a_long_training_still_changes_by_hand(settling):
    row = ladder.settling(settling, early=(1, 2), late=(3, 4)).loc["ce"]
    assert row.settled == 3, "the first to have settled; the other one did at its end"
    assert row.loss == pytest.approx(100 * (1.805 / 3.5 - 1))
    assert (row.before, row.after) == (pytest.approx(0.2), pytest.approx(0.3))
    assert row.wavering == pytest.approx((0 + 100 * 0.02**0.5 / 0.3) / 2)


def test_networks_that_paint_one_colour_are_counted(found, monkeypatch):
    rung = ladder.Rung("here", found)
    values = {"l2": {0: 0.2, 1: 0.5}, "ce@1": {0: 0.5, 1: 0.5}, "ce_rebal@1": {0: 0.2, 1: 0.2}}
    monkeypatch.setattr(type(found), "values_by_seed", lambda self, name, metric: values.get(name, {0: 0.9}))
    monkeypatch.setattr(type(found), "value", lambda self, name, metric: {"mean": 0.18, "weighted": 0.3}[name])
    assert ladder.collapsed(rung) == {"l2": "1 of 2", "ce_rebal": "2 of 2"}, "l2_rebal is not there"


# -------------------------------------------------------------------------------- photographs, trunks, settings


def test_photographs_are_told_from_other_variants(found):
    runs = {"a": ("train_photos=8", 8), "b": ("", 32), "c": ("init=he,train_photos=9", 9), "d": ("train_photos=16", 16)}
    systems = found.summary["systems"] | {"l2 train_photos=8": {"seeds": [0]}, "ce@1 train_photos=16": {"seeds": [0]}}
    passports = {run: {"variant": v, "photos": n} for run, (v, n) in runs.items()}
    some = dataclasses.replace(found, summary=found.summary | {"systems": systems, "passports": passports})
    assert ladder.by_photos(some, "l2") == {8: "l2 train_photos=8", 32: "l2"}
    assert list(ladder.by_photos(some, "ce@1")) == [16, 32]


def test_places_between_two_systems(found):
    assert ladder.between(found, "l2", "auc").value == pytest.approx(0)
    assert ladder.between(found, "ce@1", "auc").value == pytest.approx(1)
    assert math.isnan(ladder.between(found, "l2 from=ce:trunk", "auc").value)


# ----------------------------------------------------------------------------------------------------------- figures


def marks(axis) -> list:
    """Lines that are one mark."""
    return [line for line in axis.lines if line.get_marker() not in ("None", "")]


def test_the_ladder_draws_every_effect_that_is_there(two):
    figure = ladder.plot_ladder(two, ["auc"], furthest=1e4)
    loss, _, rebalanced, _ = figure.axes
    effect = two["short"].difference("ce@1", "l2", "auc").value
    assert [line.get_ydata()[0] for line in marks(loss)] == pytest.approx([effect, effect])
    assert [line.get_xdata()[0] for line in marks(loss)] == [32, 64] and len(marks(rebalanced)) == 1
    dashed = [line for line in loss.lines if line.get_linestyle() == "--"]
    assert all(math.isnan(y) for line in dashed for y in line.get_ydata()), "two rungs give no line"
    assert loss.get_xlim()[1] > 1e4 and ladder.alike(two) == [("short", "long")]


def test_one_network_is_hollow_and_equal_budgets_stand_apart(two):
    axis = ladder.plot_levels(two, ["auc"]).axes[0]
    assert {line.get_markerfacecolor() for line in marks(axis)} == set(ladder.LEVELS.values())
    one = two["short"].found
    single = dataclasses.replace(
        one, tables={n: {k: t for k, t in of.items() if k != 1} for n, of in one.tables.items()}
    )
    again = ladder.Rung("again", single)
    axis = ladder.plot_levels({"short": two["short"], "again": again}, ["auc"]).axes[0]
    assert {line.get_markerfacecolor() for line in marks(axis) if line.get_xdata()[0] > 32} == {"white"}
    assert len(marks(axis)) == 2 * len(ladder.LEVELS)


def test_curves_are_in_units_of_their_best(two):
    figure = ladder.plot_time(two)
    score = figure.axes[0]
    solid = [line for line in score.lines if line.get_linestyle() == "-"]
    assert len(figure.axes) == 6 and len(solid) == 2
    assert all(min(line.get_ydata()) == pytest.approx(1) for line in solid)


def test_settling_is_drawn_less_the_last_value(settling):
    loss, ratio = ladder.plot_settling(settling, until=2.5).axes
    curves = [line for line in ratio.lines if len(line.get_xdata()) == 4]
    assert [line.get_ydata()[-1] for line in curves] == [0, 0] and curves[1].get_ydata()[2] == pytest.approx(-50)
    assert [line.get_xdata()[0] for line in marks(ratio)] == [3, 4], "where each has settled"
    assert len([line for line in loss.lines if len(line.get_xdata()) == 4]) == 2


def test_photographs_and_places_are_drawn_or_left_empty(found):
    axis = ladder.plot_photos(found, ["l2", "ce@1"], ["auc"]).axes[0]
    assert [line.get_ydata()[0] for line in marks(axis)] == pytest.approx(
        [found.value(s, "auc") for s in ("l2", "ce@1")]
    )
    row = {"l2 on it": ladder.between(found, "l2", "auc"), "ce on it": answers.MISSING}
    (axis,) = ladder.plot_between({"AuC": row}).axes
    assert [line.get_xdata()[0] for line in marks(axis)] == pytest.approx([0])
