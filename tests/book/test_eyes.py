"""Readers' files are checked field by field, and what is made of them holds for readers whose rates are known."""

from __future__ import annotations

import copy
import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from colorize_lib.book import eyes, readers
from colorize_lib.evaluation.results import Results
from colorize_lib.evaluation.shares import crossed, wilson

PAIR = {"photo": "boat-left", "system": "l2", "side": "left", "answer": "right", "ms": 812, "practice": False}
CHOICE = {"left": "@1", "right": "@0.38~0.5", "answer": "right", "ms": 2000}
FILE = {
    "format": "colorize-lib/your-eyes",
    "version": 1,
    "seed": 7,
    "round": 1,
    "time": "2026-11-26T12:00:00.000Z",
    "timed": True,
    "networks": {"l2": "l2-s0-1", "sheets": "ce-s0-2"},
    "pairs": [PAIR | {"practice": True}, PAIR, PAIR | {"answer": "left"}],
    "choices": [CHOICE],
}


def changed(**values) -> dict:
    """The good file with other values."""
    return copy.deepcopy(FILE) | values


def test_a_good_file_is_read(tmp_path):
    (tmp_path / "anna.json").write_text(json.dumps(FILE))
    (tmp_path / "bert.json").write_text(json.dumps(changed(seed=8, choices=[])))
    (tmp_path / "notes.txt").write_text("not an answer")
    found = eyes.read_answers(tmp_path)
    assert found.readers == 2 and found.run == "ce-s0-2"
    assert found.pairs.wrong.tolist() == [True, False, True, False]
    assert found.choices.values.tolist() == [["anna.json", "@1", "@0.38~0.5", "@0.38~0.5"]]
    assert found.left_out == {"practice": 2, "untimed": 0, "later round": 0}


def test_what_was_no_first_look_of_a_second_is_left_out():
    found = eyes.gather({"a": changed(timed=False), "b": changed(round=2, seed=8)})
    assert found.pairs.empty and found.left_out == {"practice": 2, "untimed": 2, "later round": 2}
    assert found.choices.reader.tolist() == ["a"], "sheets have no clock, but a later round has seen them"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], r"bad: the file is \[\]"),
        (changed(format="other"), "bad: format='other' is not possible"),
        (changed(version=2), "bad: version=2 is not possible; it must be 1"),
        (changed(version=True), "bad: version=True"),
        (changed(seed=-1), "bad: seed=-1"),
        (changed(round=0), "bad: round=0"),
        (changed(time="yesterday"), "bad: time='yesterday'.* a time such as"),
        (changed(timed="yes"), "bad: timed='yes'"),
        (changed(networks={}), "bad: networks"),
        (changed(networks={"sheets": "x"}), "bad: networks.l2 is missing"),
        (changed(pairs={}), "bad: pairs={} is not possible; it must be a list"),
        (changed(pairs=[PAIR, 3]), r"bad: pairs\[1\] is 3"),
        (changed(pairs=[PAIR | {"side": "middle"}]), r"bad: pairs\[0\].side='middle' .* left or right"),
        (changed(pairs=[PAIR | {"side": ["left"]}]), r"bad: pairs\[0\].side"),
        (changed(pairs=[PAIR | {"system": "l3"}]), r"bad: pairs\[0\].system='l3'"),
        (changed(pairs=[PAIR | {"ms": math.nan}]), r"bad: pairs\[0\].ms=nan"),
        (changed(pairs=[PAIR | {"photo": ""}]), r"bad: pairs\[0\].photo=''"),
        (changed(choices=[CHOICE | {"right": "0.38"}]), r"bad: choices\[0\].right='0.38' .* a setting such as"),
    ],
)
def test_a_bad_file_is_refused_by_name_and_field(content, message):
    with pytest.raises(ValueError, match=message):
        eyes.gather({"bad": content})


@pytest.mark.parametrize("key", FILE)
def test_a_missing_field_is_named(key):
    content = {name: value for name, value in FILE.items() if name != key}
    with pytest.raises(ValueError, match=f"bad: {key} is missing"):
        eyes.gather({"bad": content})


def test_files_that_do_not_go_together_are_refused(tmp_path):
    with pytest.raises(ValueError, match="two: seed and time are those of one"):
        eyes.gather({"one": FILE, "two": FILE})
    with pytest.raises(ValueError, match="two: networks.l2='l2-s0-9', but 'l2-s0-1' before"):
        eyes.gather({"one": FILE, "two": changed(seed=8, networks=FILE["networks"] | {"l2": "l2-s0-9"})})
    with pytest.raises(ValueError, match="holds no .json file"):
        eyes.read_answers(tmp_path)
    with pytest.raises(ValueError, match="is no folder"):
        eyes.read_answers(tmp_path / "nothing")
    (tmp_path / "half.json").write_text('{"format": ')
    with pytest.raises(ValueError, match="half.json: no JSON"):
        eyes.read_answers(tmp_path)


@pytest.mark.parametrize(("k", "n"), [(0, 4), (1, 4), (7, 20), (20, 20)])
def test_wilson_is_scipys(k, n):
    expected = stats.binomtest(k, n).proportion_ci(method="wilson")
    assert np.allclose(wilson(k, n), expected, atol=1e-12)


def test_equal_answers_in_every_bundle_leave_wilsons_interval_but_for_students_t():
    """Readers and photographs that do not differ: as many effective answers as there are."""
    trials = np.ones((8, 8))
    hits = (np.add.outer(np.arange(8), np.arange(8)) % 4 == 0).astype(float)
    low, high = crossed(hits, trials)
    plain = wilson(16, 64)
    assert low < plain[0] < plain[1] < high
    expected = wilson(16, 64, stats.t.ppf(0.975, 7))
    assert np.allclose((low, high), expected, atol=1e-9)


def test_readers_that_differ_make_the_interval_wider():
    """Half of the readers always wrong, half never: eight answers by readers, not sixty-four."""
    hits = np.repeat([[1.0], [0.0]], 4, axis=0) * np.ones(8)
    low, high = crossed(hits, np.ones((8, 8)))
    assert low < wilson(4, 8)[0] and high > wilson(4, 8)[1]


def test_nobody_deceived_has_an_interval_with_a_width():
    low, high = crossed(np.zeros((3, 5)), np.ones((3, 5)))
    assert low == 0 and wilson(0, 15)[1] < high < 1


def test_intervals_for_readers_and_photographs_hold_the_known_rates():
    found = readers.coverage((10, 100), studies=150)
    assert (found.readers > 0.92).all()
    assert found.pairs[100] < 0.9, "many answers about few photographs"


def test_simulated_rates_are_possible_and_have_the_mean_that_is_known():
    assert min(readers.RATES.values()) >= 2 * readers.SHIFT and 2 * readers.SHIFT + max(readers.RATES.values()) <= 1
    wrong, trials = readers.simulate(50, np.random.default_rng(0), studies=100)
    assert (trials.sum(1) <= 1).all() and (wrong <= trials).all(), "a reader sees a photograph once"
    share = wrong.sum((0, 2, 3)) / trials.sum((0, 2, 3))
    assert np.allclose(share, list(readers.RATES.values()), atol=0.02)


def test_shares_of_simulated_readers():
    found = readers.simulated_answers(readers=6, seed=3)
    by_system = found.pairs.groupby("system")
    assert set(by_system.groups) == set(readers.RATES) and (by_system.size() == 6 * readers.EACH).all()
    assert not found.pairs.duplicated(["reader", "photo"]).any()
    shares = eyes.deception(found.pairs)
    for system, interval in shares["pairs"].items():
        wrong = by_system.wrong.sum()[system]
        assert interval.value == pytest.approx(wrong / 24)
        assert (interval.low, interval.high) == pytest.approx(wilson(wrong, 24))
        assert shares["readers"][system].low <= interval.low and shares["readers"][system].high >= interval.high


def choices(*rows) -> pd.DataFrame:
    """Choices of readers: (reader, left, right, chosen)."""
    return pd.DataFrame(rows, columns=["reader", "left", "right", "chosen"])


def test_strength_follows_the_settings_met():
    """Each won once and lost once, but b against the best and c against the worst."""
    rows = [("r", "a", "b", "a"), ("r", "b", "c", "b")] * 4 + [("r", "c", "d", "c")] * 4
    found = eyes.preferences(choices(*rows), {"a": 0.9})
    assert found.index.tolist() == list("abcd")
    assert found.shown.tolist() == [4, 8, 8, 4] and found.chosen.tolist() == [4, 4, 4, 0]
    assert found.AuC["a"] == 0.9 and math.isnan(found.AuC["d"])
    assert (found.strength.diff().dropna() < 0).all() and found.strength.between(0, 1).all()


def test_two_settings_have_the_odds_of_their_choices():
    found = eyes.preferences(choices(*[("r", "a", "b", "a")] * 300, *[("r", "b", "a", "b")] * 100), {})
    odds = found.strength / (1 - found.strength)
    assert odds["a"] / odds["b"] == pytest.approx(3, rel=0.02)


def test_agreement_counts_choices_of_the_higher_auc():
    rows = [("r1", "a", "b", "a"), ("r1", "b", "a", "b"), ("r2", "a", "b", "a"), ("r2", "b", "a", "a")]
    found = eyes.agreement(choices(*rows), {"a": 0.9, "b": 0.8})
    assert found.value == 0.75 and 0 <= found.low < 0.5 and found.high > 0.9
    assert f"{eyes.agreement(choices(*rows), {'a': 0.9}):.2f}" == "nothing to measure"


def test_recorded_auc_is_that_of_plain_read_outs():
    validation = {
        "run": {"ce@1": {"auc": 0.9}, "ce@1~0.5": {"auc": 0.8}, "ce@1+gain": {"auc": 0.1}, "grey": {"auc": 0}}
    }
    found = Results({"validation": validation}, pd.DataFrame(), {}, pd.DataFrame())
    assert eyes.recorded_auc("run", found) == {"@1": 0.9, "@1~0.5": 0.8}
    assert eyes.recorded_auc("another", found) == {}
