"""Results of tiny runs: measured, recorded, read again, and refused where something is missing."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pandas as pd
import pytest
import tiny
import torch

from colorize_lib.config import load_config
from colorize_lib.evaluation import metrics, records
from colorize_lib.evaluation.measuring import LOST_HUES, PAIRS, SUBSETS
from colorize_lib.evaluation.records import Results

MAIN = ["student_mse", "l2", "ce@1", "ce@0.38", "ce_rebal@1", "ce_rebal@0.38", "grey", "mean", "random", "ceiling"]


@pytest.fixture(scope="module")
def made():
    return tiny.experiment()


@pytest.fixture(scope="module")
def loaded(made) -> Results:
    return records.load("smoke", folder=made.folder)


# ------------------------------------------------------------------------------------------------------ measuring


def test_intervals_are_there_and_hold_their_value(made):
    for system in MAIN:
        for name in ("auc", "colourfulness", "ciede2000"):
            interval = made.results.interval(system, name)
            assert interval.low <= interval.value <= interval.high
            assert interval.images == tiny.LIMIT
    assert made.results.interval("l2", "auc").seeds == 2


def test_differences_are_those_of_the_values(made):
    for a, b in PAIRS:
        effect = made.results.difference(a, b, "colourfulness")
        expected = made.results.value(a, "colourfulness") - made.results.value(b, "colourfulness")
        assert effect.value == pytest.approx(expected, abs=1e-3)
        assert effect.low <= effect.value <= effect.high
        assert effect.seeds == 2


def test_where_reds_and_yellows_go_has_an_interval(made):
    for name in LOST_HUES:
        interval = made.results.interval("l2", name)
        _, true, seen = name.split("_")
        assert interval.value == pytest.approx(made.results.confusion("l2").loc[true, seen], abs=1e-4, nan_ok=True)
        made.results.difference("ce@1", "l2", name)


def test_an_empty_subset_is_nan_and_unknown_names_are_refused(made):
    empty = [name for name in SUBSETS if made.results.summary["strata"][name]["l2"]["pictures"] == 0]
    for name in empty:
        interval = made.results.subset(name, "l2", "skill")
        assert math.isnan(interval.value) and interval.images == 0
    for wrong in (("dim", "l2", "auc"), ("dark", "l3", "auc"), ("dark", "l2", "psnr")):
        with pytest.raises(ValueError, match="there are: .*dark"):
            made.results.subset(*wrong)


def test_contrasts_compare_blue_with_every_other_hue(made):
    found = made.results.contrasts("l2")
    assert len(found) == len(metrics.SECTORS) - 1
    for name, effect in found.items():
        blue, other = (made.results.value("l2", part) for part in name.split(" - "))
        assert effect.value == pytest.approx(blue - other, abs=1e-3, nan_ok=True)


def test_passports_say_where_each_run_comes_from(made):
    passports = made.results.summary["passports"]
    assert len(passports) == 8
    for run, passport in passports.items():
        assert run == passport["run"] and passport["data"] and passport["commit"]
        assert passport["steps"] == 4 and passport["seconds"] > 0 and passport["peak_memory_mb"] > 0
        assert passport["versions"]["torch"] == torch.__version__


def test_an_arm_without_runs_is_left_out(made):
    one = dataclasses.replace(made.config, arms=("l2",), seeds=(1, 7))
    found = records.collect(one, made.store, made.runs, tiny.LIMIT)
    assert found.systems == ["l2", "grey", "mean", "random", "ceiling"]
    assert found.summary["seeds"] == [1]
    assert found.value("grey", "auc") == pytest.approx(made.results.value("grey", "auc"), abs=1e-4)


# ------------------------------------------------------------------------------------------- recorded and read again


def test_what_is_read_is_what_was_recorded(made, loaded):
    assert loaded.summary == json.loads(json.dumps(made.results.summary))
    assert loaded.profile == "smoke" and loaded.summary["seeds"] == [0, 1]
    columns = ["arm", "seed", "step"]
    left, right = (r.history.sort_values(columns).reset_index(drop=True) for r in (loaded, made.results))
    pd.testing.assert_frame_equal(left[right.columns], right, rtol=1e-4)
    assert set(json.loads((made.folder / "env.json").read_text())) == {"versions", "device", "precision", "commit"}
    by_seed = pd.read_csv(made.folder / "runs.csv")
    assert set(by_seed[by_seed.system == "l2"].seed) == {0, 1}


def test_values_of_single_images_are_kept(made):
    kept = records.load_by_image("smoke", made.folder)
    assert set(kept.system) == {*MAIN, "truth"}
    assert (kept.groupby(["system", "seed"]).size() == tiny.LIMIT).all()
    mine = kept[kept.system == "ce@0.38"]
    assert set(mine.seed) == {0, 1}
    assert mine.psnr.mean() == pytest.approx(made.results.value("ce@0.38", "psnr"), rel=1e-4)
    truth, grey = (kept[kept.system == name] for name in ("truth", "grey"))
    assert truth.chroma.to_numpy() == pytest.approx(grey.ab_error.to_numpy(), rel=1e-4)


def test_images_from_elsewhere_are_measured_beside(made, tmp_path):
    one = dataclasses.replace(made.config, seeds=(0,), arms=("l2", "ce"))
    found = records.record(one, made.store, tmp_path, made.runs, 3, log=None, elsewhere=made.store)
    there = records.load("smoke", folder=tmp_path).elsewhere
    assert there.summary["pictures"] == 3 and there.systems == found.main_systems
    assert there.difference("ce@1", "l2", "auc") == found.difference("ce@1", "l2", "auc")
    assert there.value("mean", "ab_error") == found.value("mean", "ab_error")
    assert found.only(["l2"]).elsewhere.systems == ["l2", "grey", "mean", "random", "ceiling"]
    assert there.elsewhere is None and made.results.elsewhere is None


def test_the_first_seeds_have_a_summary_of_their_own(made):
    first = records.load("smoke", (0,), made.folder)
    assert set(first.history.seed) == {0}
    (row,) = first.summary["by_seed"]["l2"]
    assert row == made.results.summary["by_seed"]["l2"][0] and first.value("l2", "auc") == row["auc"]
    assert first.interval("l2", "auc").seeds == 1
    with pytest.raises(ValueError, match=r"seeds=\[1\].*\[\[0\], \[0, 1\]\]"):
        records.load("smoke", (1,), made.folder)


def test_a_recording_replaces_an_earlier_one(made, tmp_path):
    two = dataclasses.replace(made.config, arms=("l2",))
    records.record(two, made.store, tmp_path, made.runs, 2, log=None)
    records.record(dataclasses.replace(two, seeds=(1,)), made.store, tmp_path, made.runs, 2, log=None)
    assert [p.name for p in tmp_path.glob("summary*.json")] == ["summary.json"]
    assert [p.name for p in tmp_path.glob("history/*")] == ["l2-s1.csv"]
    assert not list(tmp_path.rglob("*.tmp"))


def test_only_some_arms(loaded):
    part = loaded.only(("l2", "ce"))
    assert part.main_systems == ["l2", "ce@1", "ce@0.38", "grey", "mean", "random", "ceiling"]
    assert set(part.history.arm) == {"l2", "ce"}
    with pytest.raises(ValueError, match="arm 'l3' was not recorded.*l2"):
        loaded.only(("l2", "l3"))


def test_the_notebooks_read_what_is_recorded_or_what_they_are_given(made, monkeypatch):
    monkeypatch.setattr(records, "BOOK", made.folder.parent)
    (made.folder.parent / "results" / "student").mkdir(exist_ok=True)
    recorded = load_config("student", seeds=[0, 1], arms=["l2"])
    with pytest.raises(FileNotFoundError, match="no recorded results for profile 'student'.*colorize train"):
        records.for_config(recorded)
    for read in (records.for_config, records.data_card):
        with pytest.raises(ValueError, match="profile student as it is; {'width': 0.5} needs data"):
            read(dataclasses.replace(recorded, width=0.5))
    given = records.for_config(dataclasses.replace(made.config, arms=("l2",)), made.runs)
    assert given.systems == ["l2", "grey", "mean", "random", "ceiling"]


def test_names_of_recorded_profiles(made, tmp_path):
    assert records.recorded(tmp_path) == []
    (tmp_path / "laptop").mkdir()
    (tmp_path / "laptop" / "summary.json").write_text("{}")
    assert records.recorded(tmp_path) == ["laptop"]


def test_without_a_book_nothing_is_recorded_beside_the_package(made, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "BOOK", tmp_path / "book")
    monkeypatch.setattr(records, "measure_all", lambda *_: pytest.fail("measured before it was refused"))
    monkeypatch.setattr(records, "train_run", lambda *_: pytest.fail("trained before it was refused"))
    for call, configs in ((records.record, made.config), (records.tune, [made.config])):
        with pytest.raises(ValueError, match="no book to record in at .*book; run this in a clone"):
            call(configs, made.store)
    with pytest.raises(ValueError, match="no book"):
        records.bench_file("here")
    assert not list(tmp_path.iterdir())


def test_results_of_before_the_standard_error_are_read_as_they_are(loaded):
    summary = json.loads(json.dumps(loaded.summary))
    recorded = summary["differences"]["ce@1 - l2"]["auc"]
    new = Results(summary, loaded.history).difference("ce@1", "l2", "auc")
    assert [new.value, new.low, new.high, new.se, new.df] == recorded
    summary["differences"]["ce@1 - l2"]["auc"] = recorded[:3]
    old = Results(summary, loaded.history).difference("ce@1", "l2", "auc")
    assert (old.value, old.low, old.high, old.se, old.df) == (*recorded[:3], None, None)
    assert old.recorded_only and not new.recorded_only


def test_the_recorded_results_of_the_book_are_found():
    assert "laptop" in records.recorded()


def test_unknown_results_are_refused_with_what_there_is(loaded):
    with pytest.raises(ValueError, match="no result l3/auc .*there are: .*ce@1"):
        loaded.interval("l3", "auc")
    with pytest.raises(ValueError, match="no result l2/nll .*there are: .*auc"):
        loaded.interval("l2", "nll")
    with pytest.raises(ValueError, match="l2 - ce@1 of auc was not recorded.*ce@1 - l2"):
        loaded.difference("l2", "ce@1", "auc")


def test_a_table_shows_values_with_intervals(loaded):
    shown = loaded.table(["auc", "nll"], ["l2", "ce@1"])
    assert list(shown.columns) == ["AuC", "cross entropy"]
    assert shown.loc["L2 on ab", "cross entropy"] == ""
    value = loaded.value("ce@1", "auc")
    assert shown.loc["cross entropy, T = 1", "AuC"].startswith(f"{value:.3f} [")


def test_json_has_no_nan_and_no_half_written_file(tmp_path):
    with pytest.raises(ValueError):
        records.save_json({"a": math.nan}, tmp_path / "x.json")
    assert not (tmp_path / "x.json").exists()
    records.save_json({"a": [1, 2], "b": {"c": [[0.5], None]}}, tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": [1, 2], "b": {"c": [[0.5], None]}}
    assert '"a": [ 1, 2 ]' in (tmp_path / "x.json").read_text()


def test_every_arm_gets_the_same_trials_and_they_add_up(made, tmp_path):
    assert not len(records.load_tuning("smoke", tmp_path))
    config = dataclasses.replace(made.config, arms=("l2", "ce"), seeds=(0,))
    slower = dataclasses.replace(config, lr=config.lr / 2)
    records.tune([slower], made.store, made.runs, tmp_path, log=None)
    found = records.tune([config, slower], made.store, made.runs, tmp_path, log=None)
    assert list(zip(found.arm, found.lr / config.lr, strict=True)) == [
        ("ce", 0.5), ("ce", 1), ("l2", 0.5), ("l2", 1)
    ]  # fmt: skip
    assert set(found.init) == {config.init} and set(found.batch) == {config.batch}
    assert records.load_tuning("smoke", tmp_path).val_ab_error.to_list() == pytest.approx(
        found.val_ab_error.to_list(), rel=1e-4
    )
    known = made.results.history.query("arm == 'ce' and seed == 0").val_plain.iloc[-1]
    assert found.val_plain.iloc[1] == pytest.approx(known, rel=1e-4), "the configured rate is the recorded run"


# --------------------------------------------------------------------------------------------------------- curves


def curve(values: list[float], ratios: list[float] | None = None, arm: str = "l2", seed: int = 0) -> pd.DataFrame:
    steps = np.arange(1, len(values) + 1)
    columns = {"step": 10 * steps, "epoch": steps / 2, "val_plain": values, "val_chroma_ratio": ratios or values}
    return pd.DataFrame(columns).assign(arm=arm, seed=seed)


def test_a_straight_curve_does_not_waver_and_noise_does():
    straight = records.curve_facts(curve(list(np.linspace(2, 1, 16)))).loc["l2"]
    assert straight.wavers == pytest.approx(0, abs=1e-12) and straight.epochs == 8
    wavering = [1 + 0.01 * (-1) ** i for i in range(16)]  # its middle half has eight values, and two are fitted
    assert records.curve_facts(curve(wavering)).wavers["l2"] == pytest.approx(0.01 * math.sqrt(8 / 6), rel=0.05)


def test_a_curve_has_settled_where_it_stays_near_its_end():
    found = records.curve_facts(curve([3.0, 1.01, 1.5, 1.01, 1.0, 1.0], [0.2, 0.3, 0.52, 0.48, 0.5, 0.5])).loc["l2"]
    assert (found.settled_loss, found.settled_ratio) == (2.0, 1.5)  # the first dip does not count
    assert math.isnan(found.wavers), "too few validations"


def test_facts_of_curves_are_means_over_seeds():
    both = pd.concat([curve([2.0, 1, 1, 1]), curve([2.0, 2, 2, 1], seed=1), curve([1.0] * 4, arm="ce")])
    assert records.curve_facts(both).settled_loss.to_dict() == {"ce": 0.5, "l2": 1.5}
