"""Finished runs of the smallest experiment, measured: every system, once, and as it would be measured directly."""

from __future__ import annotations

import dataclasses
import functools
import json

import numpy as np
import pandas as pd
import pytest
import tiny
import torch

from colorize_lib.colorizer import load_run
from colorize_lib.data.store import Store
from colorize_lib.evaluation import measuring, metrics, records
from colorize_lib.evaluation.measuring import SUBSET_METRICS
from colorize_lib.readout import Readout

PRIOR = torch.full((313,), 1 / 313)
SWEPT = [f"{arm}@{t:g}" for arm in ("ce", "ce_rebal") for t in tiny.SWEEP]
MAIN = ["student_mse", "l2", "ce@1", "ce@0.38", "ce_rebal@1", "ce_rebal@0.38", "grey", "mean", "random", "ceiling"]


@pytest.fixture(scope="module")
def made():
    return tiny.experiment()


def test_every_system_is_measured_and_named(made):
    assert made.results.main_systems == MAIN
    assert set(made.results.systems) == {*MAIN, *SWEPT}
    assert all(measuring.system_title(name) for name in made.results.systems)
    assert made.results.summary["pictures"] == tiny.LIMIT


def test_the_sweep_is_measured_for_the_first_seed_only(made):
    assert {tuple(made.results.seeds(name)) for name in SWEPT} == {(0,)}
    assert {tuple(made.results.seeds(name)) for name in MAIN[:-4]} == {(0, 1)}
    assert made.results.seeds("grey") == []


def test_a_value_is_that_of_the_images_measured_directly(made):
    rows = made.store.rows("test", tiny.LIMIT)
    found = measuring.finished_runs(made.config, made.store, made.runs)
    tables = []
    for seed in made.config.seeds:
        network = load_run(found["l2", seed])
        prior = load_run(found["ce", 0]).objective.prior
        tables.append(metrics.measure(network.predict, made.store.pixels[rows], prior).table)
    direct = metrics.value(pd.concat(tables), "ab_error")
    assert made.results.value("l2", "ab_error") == pytest.approx(direct, rel=1e-4)


def test_the_subset_of_all_images_is_the_whole(made):
    for name in SUBSET_METRICS:
        assert made.results.subset("all", "l2", name).value == made.results.value("l2", name)


def test_confusion_rows_are_shares(made):
    for system in MAIN:
        sums = made.results.confusion(system).sum(axis=1)
        assert np.isfinite(made.results.confusion(system).to_numpy()).any()
        assert all(s == pytest.approx(1, abs=1e-3) or s == 0 for s in sums)


def test_histograms_are_shares_of_313_colours(made):
    found = made.results.summary["histograms"]
    for name in ("truth", "l2", "ce@0.38", "grey"):
        assert len(found[name]) == 313
        assert sum(found[name]) == pytest.approx(1, abs=1e-3)
    assert found["divergence"]["ceiling"] < found["divergence"]["grey"]


def test_measurements_are_kept_beside_the_run(made, monkeypatch):
    monkeypatch.setattr(measuring, "measure_systems", lambda *_: pytest.fail("measured twice"))
    again = records.collect(dataclasses.replace(made.config, arms=("l2",)), made.store, made.runs, tiny.LIMIT)
    assert again.summary["systems"]["l2"] == made.results.summary["systems"]["l2"]


def test_what_an_older_version_measured_is_measured_anew(made, monkeypatch):
    rows = made.store.rows("test", 2)
    folder = measuring.finished_runs(made.config, made.store, made.runs)["l2", 0]
    again = functools.partial(measuring._measured_run, folder, made.store, rows, PRIOR, [Readout(1.0)], None)
    first = again()
    monkeypatch.setattr(measuring, "measure_systems", lambda *_: first | {"l2": "measured anew"})
    monkeypatch.setattr(measuring, "_write_measured", lambda *_: None)
    assert isinstance(again()["l2"], metrics.Measured)
    monkeypatch.setattr(metrics, "VERSION", metrics.VERSION + 1)
    assert again()["l2"] == "measured anew"


def test_no_finished_run_is_an_error(made):
    with pytest.raises(ValueError, match="no finished run of profile 'smoke'.*colorize train"):
        records.collect(dataclasses.replace(made.config, seeds=(9,)), made.store, made.runs)


def test_evaluate_gives_plain_values_and_the_passport(made, tmp_path):
    network = load_run(measuring.finished_runs(made.config, made.store, made.runs)["ce", 0])
    found = measuring.evaluate(network, made.store, limit=4)
    records.save_json(found, tmp_path / "out.json")
    read = json.loads((tmp_path / "out.json").read_text())
    assert read["pictures"] == 4 and read["passport"]["arm"] == "ce"
    assert set(read["systems"]) == {"ce@1", "ce@0.38", "grey", "mean", "ceiling"}
    value, low, high, se, df = read["systems"]["ce@1"]["auc"]
    assert low < value - se < value < value + se < high and 0 < df <= 3


def test_evaluate_balances_every_arm_with_one_prior(made):
    folders = measuring.finished_runs(made.config, made.store, made.runs)
    found = [measuring.evaluate(load_run(folders[arm, 0]), made.store, limit=2) for arm in ("l2", "ce", "ce_rebal")]
    assert {f["prior"] for f in found} == {"ce"}
    assert len({str(f["systems"]["grey"]) for f in found}) == 1


def test_distributions_are_judged_with_the_networks_own_encoding(made):
    network = load_run(measuring.finished_runs(made.config, made.store, made.runs)["ce", 0])
    images = made.store.pixels[made.store.rows("test", 2)]
    assert (measuring.measure_systems(network, images, PRIOR, [Readout(1.0)])["ce@1"].table.nll_floor > 0).all()
    network.passport["config"] |= {"neighbours": 1}
    hard = measuring.measure_systems(network, images, PRIOR, [Readout(1.0)])["ce@1"].table
    assert hard.nll_floor.to_numpy() == pytest.approx(0, abs=1e-4), "one neighbour leaves no entropy"


def test_evaluate_never_holds_more_than_a_batch(made, monkeypatch):
    network = load_run(measuring.finished_runs(made.config, made.store, made.runs)["l2", 0])
    sizes, read = [], Store.read
    monkeypatch.setattr(Store, "read", lambda store, rows: sizes.append(len(rows)) or read(store, rows))
    monkeypatch.setattr(metrics, "measure", functools.partial(metrics.measure, batch=4))
    measuring.evaluate(network, made.store, limit=10)
    assert sizes == [4, 4, 2] * 4, "once for the network and each of three baselines"


@pytest.mark.parametrize(
    ("name", "parts", "title"),
    [
        ("l2", ("l2", None), "L2 on ab"),
        ("ce@0.38", ("ce", Readout(0.38)), "cross entropy, T = 0.38"),
        ("ce@1~0.5", ("ce", Readout(1, 0.5)), "cross entropy, T = 1, tilted by 0.5"),
        ("ce_rebal@1:median", ("ce_rebal", Readout(1, kind="median")), "rebalanced, T = 1, median"),
    ],
)
def test_a_system_has_one_name_everywhere(name, parts, title):
    assert measuring.system_parts(name) == parts and measuring.system_name(*parts) == name
    assert measuring.system_title(name) == title and measuring.SYSTEM.fullmatch(name)


def test_evaluate_asks_what_it_is_told_to(made):
    network = load_run(measuring.finished_runs(made.config, made.store, made.runs)["ce", 0])
    asked = [Readout(1, 0.5), Readout(1, kind="median")]
    found = measuring.evaluate(network, made.store, limit=4, readouts=asked)["systems"]
    assert {name for name in found if name.startswith("ce")} - {"ceiling"} == {"ce@1~0.5", "ce@1:median"}
