"""Readers' own tests (book/your-eyes.md), pooled: which images were taken for true, and which settings look better.

A reader's file is the JSON that the page lets one save. `read_answers` checks and gathers such files; `deception`,
`preferences` and `agreement` put intervals on them.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from ..evaluation import results
from ..evaluation.intervals import Interval
from ..evaluation.results import Results
from ..evaluation.shares import crossed, wilson
from ..evaluation.systems import System
from ..readout import Readout

FORMAT, VERSION = "colorize-lib/your-eyes", 1
SIDES = ("left", "right")


@dataclass(frozen=True)
class Answers:
    """What readers answered.

    pairs: reader, photo, system, wrong (whether the painted image was taken for the true one), ms; of counted pairs
    shown for a second, and of a reader's first round only. choices: reader, left, right, chosen (settings).
    left_out: how many pairs were not counted, and why. run: of the network that painted the contact sheets.
    """

    pairs: pd.DataFrame
    choices: pd.DataFrame
    left_out: dict[str, int] = field(default_factory=dict)
    run: str = ""

    @property
    def readers(self) -> int:
        """How many took part in anything that is counted."""
        return len({*self.pairs.reader, *self.choices.reader})


# -------------------------------------------------------------------------------------------------------- reading files


def _parses(parse) -> tuple:
    def check(value) -> bool:
        try:
            return isinstance(value, str) and bool(parse(value))
        except ValueError:
            return False

    return check


def _whole(least: int):
    return lambda value: type(value) is int and value >= least


_TEXT = (lambda value: isinstance(value, str) and value, "a text")
_TRUTH = (lambda value: isinstance(value, bool), "true or false")
_SIDE = (lambda value: value in SIDES, "left or right")
_TIME = (lambda value: type(value) in (int, float) and 0 <= value < math.inf, "milliseconds, 0 or more")
_LIST = (lambda value: isinstance(value, list), "a list")
_SETTING = (_parses(Readout.parse), "a setting such as @0.38 or @1~0.5")
_FIELDS = {
    "format": (lambda value: value == FORMAT, repr(FORMAT)),
    "version": (lambda value: type(value) is int and value == VERSION, str(VERSION)),
    "seed": (_whole(0), "a whole number, 0 or more"),
    "round": (_whole(1), "a whole number, 1 or more"),
    "time": (_parses(datetime.fromisoformat), "a time such as 2026-11-26T12:00:00Z"),
    "timed": _TRUTH,
    "networks": (lambda value: isinstance(value, dict) and "sheets" in value, "the run of each system, and of sheets"),
    "pairs": _LIST,
    "choices": _LIST,
}
_PAIR = {"photo": _TEXT, "system": (_parses(System.parse), "a system such as l2 or ce@0.38"), "side": _SIDE,
         "answer": _SIDE, "ms": _TIME, "practice": _TRUTH}  # fmt: skip
_CHOICE = {"left": _SETTING, "right": _SETTING, "answer": _SIDE, "ms": _TIME}


def _check(values, fields: dict, name: str, place: str = "") -> None:
    if not isinstance(values, dict):
        raise ValueError(f"{name}: {place.rstrip('.') or 'the file'} is {values!r:.40}; it must be an object")
    for key, (possible, allowed) in fields.items():
        if key not in values:
            raise ValueError(f"{name}: {place}{key} is missing; it must be {allowed}")
        if not possible(values[key]):
            raise ValueError(f"{name}: {place}{key}={values[key]!r:.60} is not possible; it must be {allowed}")


def read_answers(folder: str | Path) -> Answers:
    """Gather the files *.json of a folder, a reader each.

    Raises ValueError naming file and field for what the page cannot have written, for a file that is there twice, for
    files of different networks, and for a folder that is missing or holds none.
    """
    if not Path(folder).is_dir():
        raise ValueError(f"answers={str(folder)!r} is no folder; give one with the JSON files that readers saved")
    documents = {}
    for path in sorted(Path(folder).glob("*.json")):
        try:
            documents[path.name] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path.name}: no JSON ({error})") from error
    if not documents:
        raise ValueError(f"answers={str(folder)!r} holds no .json file")
    return gather(documents)


def gather(documents: dict[str, dict]) -> Answers:
    """Check the contents of readers' files, {name: content}, and put them together. Raises ValueError as described."""
    pairs, choices, left_out, seen, networks = [], [], dict.fromkeys(("practice", "untimed", "later round"), 0), {}, {}
    for name, content in documents.items():
        _check(content, _FIELDS, name)
        for key, fields in (("pairs", _PAIR), ("choices", _CHOICE)):
            for number, one in enumerate(content[key]):
                _check(one, fields, name, f"{key}[{number}].")
        if (other := seen.setdefault((content["seed"], content["time"]), name)) != name:
            raise ValueError(f"{name}: seed and time are those of {other}; count each reader once")
        for system, run in content["networks"].items():
            if networks.setdefault(system, run) != run:
                raise ValueError(f"{name}: networks.{system}={run!r}, but {networks[system]!r} before; pool them apart")
        for one in content["pairs"]:
            if one["system"] not in content["networks"]:
                raise ValueError(f"{name}: networks.{one['system']} is missing; it must be the run of that system")
            why = "practice" if one["practice"] else "" if content["timed"] else "untimed"
            why = why or ("later round" if content["round"] > 1 else "")
            if why:
                left_out[why] += 1
            else:
                pairs.append((name, one["photo"], one["system"], one["answer"] != one["side"], one["ms"]))
        if content["round"] == 1:
            choices += [(name, one["left"], one["right"], one[one["answer"]]) for one in content["choices"]]
    pairs = pd.DataFrame(pairs, columns=["reader", "photo", "system", "wrong", "ms"])
    choices = pd.DataFrame(choices, columns=["reader", "left", "right", "chosen"])
    return Answers(pairs, choices, left_out, networks.get("sheets", ""))


# -------------------------------------------------------------------------------------------------------------- pooling


def _cells(rows: pd.DataFrame, what: str, by: str) -> tuple[np.ndarray, np.ndarray]:
    table = rows.assign(one=1.0, hit=rows[what].astype(float)).pivot_table(
        index="reader", columns=by, values=["hit", "one"], aggfunc="sum", fill_value=0.0
    )
    return table["hit"].to_numpy(float), table["one"].to_numpy(float)


def _both(hits: np.ndarray, trials: np.ndarray) -> dict[str, Interval]:
    share, (readers, items) = float(hits.sum() / trials.sum()), hits.shape
    ends = {"pairs": wilson(hits.sum(), trials.sum()), "readers": crossed(hits, trials)}
    return {name: Interval(share, float(low), float(high), readers, items) for name, (low, high) in ends.items()}


def deception(pairs: pd.DataFrame) -> dict[str, dict[str, Interval]]:
    """The share of painted images taken for the true one, {"pairs" or "readers": {system: Interval}}.

    pairs: every pair by itself, Wilson's interval. readers: `crossed`. Systems in the order of their shares.
    """
    systems = pairs.groupby("system").wrong.mean().sort_values(kind="stable").index
    found = {s: _both(*_cells(pairs[pairs.system == s], "wrong", "photo")) for s in systems}
    return {kind: {s: by_kind[kind] for s, by_kind in found.items()} for kind in ("pairs", "readers")}


def preferences(choices: pd.DataFrame, auc: dict[str, float]) -> pd.DataFrame:
    """Of each setting: shown, chosen, strength and recorded AuC (NaN if there is none), the strongest first.

    strength: the chance to be chosen beside an average setting in the model of Bradley and Terry (Biometrika 39, 1952),
    in which it depends on two settings' worths only, P(i before j) = w_i / (w_i + w_j). To each setting a choice won
    and one lost against an average one are added, by a half, so that none is infinitely good or bad.
    """
    names = sorted({*choices.left, *choices.right})
    at = {name: i for i, name in enumerate(names)}
    won, n = np.zeros(len(names)), np.zeros((len(names), len(names)))
    for row in choices.itertuples():
        won[at[row.chosen]] += 1
        n[at[row.left], at[row.right]] += 1
    n, worth = n + n.T, np.ones(len(names))
    for _ in range(200):  # Hunter's iteration (Annals of Statistics 32, 2004)
        worth = (won + 0.5) / ((n / (worth[:, None] + worth)).sum(1) + 1 / (worth + 1))
    table = {"shown": n.sum(1).astype(int), "chosen": won.astype(int), "strength": worth / (1 + worth)}
    table = pd.DataFrame(table | {"AuC": [auc.get(name, math.nan) for name in names]}, index=names)
    return table.sort_values("strength", ascending=False, kind="stable")


def agreement(choices: pd.DataFrame, auc: dict[str, float]) -> Interval:
    """The share of choices that went to the setting with the higher recorded AuC, for readers in general (`crossed`).

    Choices between settings without a recorded AuC are left out; without any the share is NaN.
    """
    left, right = choices.left.map(auc), choices.right.map(auc)
    kept = choices.assign(agrees=(choices.chosen == choices.left) == (left > right), all="all")[(left - right).notna()]
    if kept.empty:
        return Interval(math.nan, math.nan, math.nan, 0, 0)
    hits, trials = _cells(kept, "agrees", "all")
    return _both(hits.T, trials.T)["readers"]


def recorded_auc(run: str, found: Results | None = None) -> dict[str, float]:
    """AuC on validation photographs of the mean of a classifier's run at every recorded setting, {"@1~0.5": 0.89}.

    found: the results of the run's profile, by default of `evening`, of which all networks are that ship.
    """
    validation = (found or results.load("evening")).summary["validation"]
    recorded = {System.parse(name): values for name, values in validation.get(run, {}).items()}
    return {str(s.readout): values["auc"] for s, values in recorded.items() if s.readout and not s.treatment}
