"""Results of tiny runs: measured, recorded, read again, and refused where something is missing."""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import shutil

import numpy as np
import pandas as pd
import pytest
import tiny
import torch

from colorize_lib.colorizer import read_passport
from colorize_lib.config import ARMS, load_config
from colorize_lib.evaluation import measuring, records, results
from colorize_lib.evaluation.measuring import LOST_HUES, SUBSETS, ImageSet, Record
from colorize_lib.evaluation.records import Results

BASELINES = ["grey", "mean", "weighted", "random", "ceiling"]
MAIN = ["student_mse", "l2", "ce@1", "ce@0.38", "ce_rebal@1", "ce_rebal@0.38", *BASELINES]


@pytest.fixture(scope="module")
def made():
    return tiny.experiment()


@pytest.fixture(scope="module")
def loaded(made) -> Results:
    return results.load("smoke", folder=made.folder, usual=made.config)


# ------------------------------------------------------------------------------------------------------ measuring


def test_intervals_are_there_and_hold_their_value(made):
    for system in MAIN:
        for name in ("auc", "colourfulness", "ciede2000"):
            interval = made.results.interval(system, name)
            assert interval.low <= interval.value <= interval.high
            assert interval.images == tiny.LIMIT
    assert made.results.interval("l2", "auc").seeds == 2


def test_differences_are_those_of_the_values(made):
    for a, b in (("ce@1", "l2"), ("ce@1:median", "ce_rebal@0.38"), ("l2", "grey")):
        effect = made.results.difference(a, b, "colourfulness")
        expected = made.results.value(a, "colourfulness") - made.results.value(b, "colourfulness")
        assert effect.value == pytest.approx(expected, abs=1e-3)
        assert effect.low <= effect.value <= effect.high
        assert effect.seeds == 2


def test_an_effect_is_any_function_of_values(made):
    terms = [("ce@1", "colourfulness"), ("l2", "colourfulness"), ("grey", "colourfulness_true")]
    effect = made.results.effect(lambda a, b, t: (a - b) / (t - b), terms)
    a, b, t = (made.results.value(*term) for term in terms)
    assert effect.value == pytest.approx((a - b) / (t - b)) and effect.seeds == 2
    bright = made.results.effect(lambda x: 2 * x, [("l2", "auc")], subset="all")
    assert bright.value == pytest.approx(2 * made.results.value("l2", "auc"))
    with pytest.raises(ValueError, match="no result l3/auc"):
        made.results.effect(lambda x: x, [("l3", "auc")])


def test_an_effect_may_ask_another_profile(made, monkeypatch):
    monkeypatch.setattr(results, "load", lambda profile: made.results)
    other = made.results.effect(lambda a, b: a - b, [("l2", "auc"), ("evening/l2", "auc")])
    assert (other.value, other.low, other.high) == pytest.approx((0, 0, 0))
    elsewhere = dataclasses.replace(made.results, summary=made.results.summary | {"test_data": "x"})
    monkeypatch.setattr(results, "load", lambda _: elsewhere)
    with pytest.raises(ValueError, match="evening/l2 was not measured on the test images of profile 'smoke'"):
        made.results.effect(lambda a, b: a - b, [("l2", "auc"), ("evening/l2", "auc")])


def test_where_reds_and_yellows_go_has_an_interval(made):
    for name in LOST_HUES:
        interval = made.results.interval("l2", name)
        _, true, seen = name.split("_")
        assert interval.value == pytest.approx(made.results.confusion("l2").loc[true, seen], abs=1e-4, nan_ok=True)
        made.results.difference("ce@1", "l2", name)


def test_an_empty_subset_is_nan_and_unknown_names_are_refused(made):
    truth = made.results.tables["grey"][None]
    empty = [name for name, (_, rule) in SUBSETS.items() if not rule(truth).any()]
    assert empty, "no subset of the tiny images is empty"
    for name in empty:
        interval = made.results.subset(name, "l2", "skill")
        assert math.isnan(interval.value) and interval.images == 0
    with pytest.raises(ValueError, match="subset 'dim' is unknown; there are: all, dark"):
        made.results.subset("dim", "l2", "auc")
    with pytest.raises(ValueError, match="no result l3/auc.*there are: .*l2"):
        made.results.subset("dark", "l3", "auc")


def test_values_of_single_images_average_to_that_of_all(made):
    errors = made.results.by_image("l2", "ab_error")
    assert errors.shape == (made.results.summary["pictures"],) and np.ptp(errors) > 0
    assert errors.mean() == pytest.approx(made.results.value("l2", "ab_error"), rel=1e-3)
    with pytest.raises(ValueError, match="no result l3/ab_error"):
        made.results.by_image("l3", "ab_error")


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
    assert found.main_systems == ["l2", *BASELINES]
    assert found.summary["seeds"] == [1]
    assert found.value("grey", "auc") == pytest.approx(made.results.value("grey", "auc"), abs=1e-4)


# ------------------------------------------------------------------------------------------- recorded and read again


def test_what_is_read_is_what_was_recorded(made, loaded):
    assert loaded.profile == "smoke" and loaded.summary["seeds"] == [0, 1]
    assert loaded.systems == made.results.systems
    assert json.dumps(loaded.summary, sort_keys=True) == json.dumps(made.results.summary, sort_keys=True)
    left, right = (
        found.history.sort_values(["arm", "seed", "step"], ignore_index=True) for found in (loaded, made.results)
    )
    pd.testing.assert_frame_equal(left, right)
    for system in MAIN:
        for metric in ("auc", "f1_blue", "ssim"):
            assert str(loaded.interval(system, metric)) == str(made.results.interval(system, metric))
    assert {path.stem for path in (made.folder / "runs").iterdir()} == set(made.results.summary["passports"])


def test_results_are_read_again_only_if_a_file_has_changed(made, tmp_path, monkeypatch):
    folder, read = shutil.copytree(made.folder, tmp_path / "smoke"), []
    monkeypatch.setattr(results, "assemble", lambda *rest: read.append(rest) or made.results)
    assert results.load("smoke", folder=folder) is results.load("smoke", None, folder) and len(read) == 1
    (folder / "truth.parquet").touch()
    results.load("smoke", (0,), folder)
    results.load("smoke", folder=folder)
    assert len(read) == 3
    next(folder.glob("runs/*")).unlink()
    results.load("smoke", folder=folder)
    assert len(read) == 4


def test_a_run_with_other_settings_is_a_variant_of_its_system(made):
    found = results.load("smoke", folder=made.folder)
    assert "l2 batch=8,steps=4,train_photos=32,width=0.0625" in found.systems
    assert not found.main_systems or set(found.main_systems) == set(BASELINES)
    assert not len(found.history), "curves are those of the profile's own settings"


def test_runs_that_began_from_different_networks_have_systems_of_their_own(made):
    truth, run = (Record.read(next(made.folder.glob(name))) for name in ("truth.parquet", "runs/l2-s0-*"))

    def begun_from(sha256: str) -> Record:
        parent = {"arm": "ce", "part": "trunk", "sha256": sha256}
        passport = run.about["passport"] | {"run": f"l2-{sha256}", "parent": parent}
        return Record(run.about | {"passport": passport}, run.tables)

    found = results.assemble("smoke", truth, [begun_from("a" * 64)], made.config)
    assert "l2 from=ce:trunk" in found.systems, "one alone needs no hash"
    found = results.assemble("smoke", truth, [run, *(begun_from(x * 64) for x in "ab")], made.config)
    assert {f"l2 from=ce:trunk,parent={x * 8}" for x in "ab"} | {"l2"} <= set(found.systems)
    assert "l2 from=ce:trunk" not in found.systems


def test_runs_are_named_by_all_that_they_descend_from(made):
    first = made.results.summary["passports"][next(made.runs.glob("ce-s0-*")).name]

    def child(of: dict, part: str = "whole") -> dict:
        return first | {"run": of["run"] + "'", "parent": {"arm": of["arm"], "part": part, "passport": of}}

    second = child(first)
    found = {results.variant_of(p, made.config): p for p in (first, second, child(second), child(second, "trunk"))}
    assert list(found) == ["", "from=ce", "from=ce:ce", "from=ce:trunk:ce"]
    assert [p["run"] for p in results.lineage(found["from=ce:ce"])] == [first["run"] + "'" * n for n in (2, 1, 0)]


def test_a_run_that_goes_on_is_asked_all_that_its_arm_is_asked(made, monkeypatch):
    first = made.results.summary["passports"][next(made.runs.glob("ce-s0-*")).name]
    second = first | {"parent": {"arm": "ce", "part": "whole", "passport": first}}
    third = first | {"parent": {"arm": "ce", "part": "whole", "passport": second}}
    other = first | {"parent": {"arm": "ce", "part": "trunk", "passport": second}}
    asked = []
    for passport in (first, second, third, other):
        monkeypatch.setattr(records, "read_passport", lambda _, passport=passport: passport)
        asked.append(len(records.questions(made.runs, made.config)))
    assert asked[0] == asked[1] == asked[2] > asked[3]


def test_some_seeds_are_read_alone(made):
    first = results.load("smoke", (0,), made.folder, made.config)
    assert set(first.history.seed) == {0}
    assert first.values_by_seed("l2", "auc") == {0: first.value("l2", "auc")}
    assert first.value("l2", "auc") == made.results.values_by_seed("l2", "auc")[0]
    assert first.interval("l2", "auc").seeds == 1
    with pytest.raises(ValueError, match=r"seeds=\[7\] of 'smoke' are not recorded; there are: \[0, 1\]"):
        results.load("smoke", (0, 7), made.folder)


def test_recording_adds_runs_and_replaces_the_same_one(made, tmp_path, monkeypatch):
    two = dataclasses.replace(made.config, arms=("l2",))
    measured = functools.partial(records.record, store=made.store, folder=tmp_path, runs=made.runs, limit=2, log=None)
    measured(dataclasses.replace(two, seeds=(0,)))
    before = {path.name: path.read_bytes() for path in tmp_path.glob("runs/*")}
    measured(dataclasses.replace(two, seeds=(1,)))
    measured(dataclasses.replace(two, seeds=(0,)))
    after = {path.name: path.read_bytes() for path in tmp_path.glob("runs/*")}
    assert len(before) == 1 and len(after) == 2 and before.items() <= after.items()
    assert not list(tmp_path.rglob("*.part"))
    monkeypatch.setattr(ImageSet, "truth", lambda *_: pytest.fail("measured before it was refused"))
    with pytest.raises(ValueError, match="measured on other test images or otherwise.*move it away"):
        measured(two, limit=3)


def test_recording_tells_how_far_it_is_and_keeps_what_is_measured(made, tmp_path, monkeypatch):
    paths = records.export_runs(dataclasses.replace(made.config, arms=("l2",)), made.store, tmp_path, made.runs)
    told, done = [], []
    monkeypatch.setattr(measuring, "told", lambda: lambda *count: done.append(count))
    options = {"folder": tmp_path / "results", "runs": tmp_path / "runs", "limit": 2, "log": told.append}
    second, run = [paths[1].stem], ImageSet.run

    def interrupted(images, path, *rest):
        if path.stem in second:
            raise KeyboardInterrupt
        return run(images, path, *rest)

    monkeypatch.setattr(ImageSet, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        records.record(made.config, made.store, paths, **options)
    assert told == ["truth and baselines: 2 images", f"{paths[0].stem}: validation images, then 2 test images"]
    assert done == [(0, 2), (2, 2), (0, 8), (8, 8), (0, 2), (2, 2)], "truth, validation images, test images"
    assert [path.stem for path in tmp_path.glob("results/runs/*")] == [paths[0].stem]
    second.clear()
    assert len(records.record(made.config, made.store, paths, **options).summary["passports"]) == 2


def test_a_run_without_its_history_is_refused_before_it_is_measured(made, tmp_path, monkeypatch):
    folder = shutil.copytree(next(made.runs.glob("l2-s0-*")), tmp_path / "run", ignore=lambda *_: ["history.csv"])
    for kept in folder.glob("measured-*"):
        kept.unlink()
    monkeypatch.setattr(ImageSet, "_measured_run", lambda *_: pytest.fail("measured before it was refused"))
    with pytest.raises(FileNotFoundError, match="history.csv"):
        records.record(made.config, made.store, [folder], tmp_path / "out", made.runs, tiny.LIMIT, log=None)


def test_weights_alone_can_be_recorded(made, tmp_path):
    (path,) = records.export_runs(
        dataclasses.replace(made.config, arms=("l2",), seeds=(0,)), made.store, tmp_path, made.runs
    )
    out = tmp_path / "results"
    records.record(made.config, made.store, [path], out, made.runs, tiny.LIMIT, log=None)
    found = results.load("smoke", folder=out, usual=made.config)
    assert found.value("l2", "auc") == pytest.approx(made.results.values_by_seed("l2", "auc")[0], abs=1e-3)
    with pytest.raises(ValueError, match="l2-s0.* is of profile 'smoke', not 'laptop'"):
        records.record(load_config("laptop"), made.store, [path], out, made.runs, log=None)


def test_a_damaged_record_is_named(made, tmp_path):
    whole = next(made.folder.glob("runs/l2-s0-*")).read_bytes()
    path = tmp_path / "damaged.parquet"
    for damaged in (b"", whole[:-9], whole[:400] + bytes(64) + whole[464:], b"PAR1" + bytes(40) + b"PAR1"):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="damaged.parquet is no record of a run"):
            Record.read(path)
    with pytest.raises(FileNotFoundError):
        Record.read(tmp_path / "nothing.parquet")


def test_curves_alone_are_recorded_without_measuring_and_replace_nothing(made, tmp_path, monkeypatch):
    shutil.copytree(made.runs, tmp_path / "runs")
    first, both = (dataclasses.replace(made.config, arms=("l2",), seeds=seeds) for seeds in ((0,), (0, 1)))
    options = {"folder": tmp_path / "results", "runs": tmp_path / "runs", "limit": tiny.LIMIT, "log": None}
    records.record(first, made.store, **options)
    (full,) = (path.read_bytes() for path in tmp_path.glob("results/runs/*"))
    monkeypatch.setattr(ImageSet, "_measured_run", lambda *_: pytest.fail("measured"))
    records.record(both, made.store, curves=True, **options)
    found = results.load("smoke", folder=tmp_path / "results", usual=made.config)
    assert full in [path.read_bytes() for path in tmp_path.glob("results/runs/*")]
    assert found.seeds("l2") == [0] and {p["seed"] for p in found.summary["passports"].values()} == {0, 1}
    pd.testing.assert_frame_equal(
        found.history[found.history.seed == 1].reset_index(drop=True),
        made.results.history.query("arm == 'l2' and seed == 1").reset_index(drop=True),
    )
    (path,) = records.export_runs(first, made.store, tmp_path, made.runs)
    with pytest.raises(ValueError, match="holds weights without a curve; give the folder of its run"):
        records.record(first, made.store, [path], curves=True, **options)


def test_what_ships_carries_what_was_measured_and_its_terms(made, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "load", lambda profile, seeds: results.load(profile, seeds, made.folder))
    assert "terms" not in read_passport(next(made.runs.glob("l2-s0-*")))
    first, told = dataclasses.replace(made.config, arms=("l2", "ce"), seeds=(0,)), []
    paths = records.export(first, made.store, tmp_path, made.runs, told.append)
    l2, ce = map(read_passport, paths)
    assert [path.name for path in paths] == ["l2.safetensors", "ce.safetensors"] and "non-commercial" in l2["terms"]
    assert l2["measured"]["l2"]["auc"] == pytest.approx(made.results.values_by_seed("l2", "auc")[0], rel=1e-5)
    assert "readout" not in l2 and told == [f"ce: {records.choose_readout(validated(made, ce))[1]}"]
    fewer = dataclasses.replace(made.results, summary=made.results.summary | {"passports": {}})
    monkeypatch.setattr(records, "load", lambda profile, seeds: fewer)
    with pytest.raises(ValueError, match="-s0-.* is not recorded yet; run `colorize record` first"):
        records.export(first, made.store, tmp_path, made.runs)


def test_only_a_better_network_ships_for_photographs(made, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "load", lambda profile, seeds: results.load(profile, seeds, made.folder, made.config))
    ends = made.results.history.query("arm == 'ce'").groupby("seed").val_excess.last()
    worse, better = (next(made.runs.glob(f"ce-s{seed}-*")) for seed in (ends.idxmax(), ends.idxmin()))
    told = []
    for run in (worse, better, better):
        path = records.export_best(run, tmp_path, told.append)
        assert path.name == "best.safetensors" and read_passport(path)["run"] == run.name
        assert read_passport(path)["readout"] and read_passport(path)["measured"]["ce@1"]["auc"]
    assert told[1] == (f"cross entropy above its floor on validation images: {ends.min():.4f}, "
                       f"{worse.name} has {ends.max():.4f}")  # fmt: skip
    before = path.read_bytes()
    with pytest.raises(ValueError, match=f"{worse.name} is no better than what ships; .*: {ends.max():.4f}, "):
        records.export_best(worse, tmp_path)
    with pytest.raises(ValueError, match="is of arm 'l2'; what ships as best is a ce"):
        records.export_best(next(made.runs.glob("l2-s0-*")), tmp_path)
    monkeypatch.setattr(records, "load", lambda profile, seeds: dataclasses.replace(
        made.results, summary=made.results.summary | {"passports": {}}))  # fmt: skip
    with pytest.raises(ValueError, match="-s.-.* is not recorded yet; run `colorize record` first"):
        records.export_best(better, tmp_path)
    assert path.read_bytes() == before


def validated(made, passport: dict) -> dict:
    return made.results.summary["validation"][passport["run"]]


def test_only_some_arms(loaded):
    part = loaded.only(("l2", "ce"))
    assert part.main_systems == ["l2", "ce@1", "ce@0.38", *BASELINES]
    assert set(part.history.arm) == {"l2", "ce"}
    with pytest.raises(ValueError, match="arm 'l3' was not recorded.*l2"):
        loaded.only(("l2", "l3"))


def test_the_notebooks_read_what_is_recorded_or_what_they_are_given(made, monkeypatch):
    for module in (records, results):
        monkeypatch.setattr(module, "BOOK", made.folder.parent)
    (made.folder.parent / "results" / "student").mkdir(exist_ok=True)
    recorded = load_config("student", seeds=[0, 1], arms=["l2"])
    with pytest.raises(FileNotFoundError, match="no recorded results for profile 'student'.*colorize train"):
        records.for_config(recorded)
    for read in (records.for_config, records.data_card):
        with pytest.raises(ValueError, match="profile student as it is; {'width': 0.5} needs data"):
            read(dataclasses.replace(recorded, width=0.5))
    given = records.for_config(dataclasses.replace(made.config, arms=("l2",)), made.runs)
    assert given.main_systems == ["l2", *BASELINES]


def test_which_arms_are_there(made, monkeypatch):
    every = dataclasses.replace(made.config, arms=ARMS)
    assert records.arms_there(every, made.runs) == made.config.arms
    assert records.arms_there(dataclasses.replace(every, seeds=(9,)), made.runs) == ()
    recorded = results.load("smoke", folder=made.folder, usual=made.config)
    variant = dict(recorded.summary["systems"], **{"l2_rebal init=he": {"seeds": [0]}})
    monkeypatch.setattr(records, "load", lambda *_: dataclasses.replace(
        recorded, summary=recorded.summary | {"systems": variant}))  # fmt: skip
    asked = load_config("student", arms=["ce", "l2_rebal", "l2"])
    assert records.arms_there(asked) == ("ce", "l2"), "with other settings it is another network"


def test_how_many_networks_there_are_an_arm(made):
    assert made.results.networks == dict.fromkeys(made.config.arms, 2) and made.results.n_seeds == "2"
    assert made.results.covers == "the choice of test images and of 2 seeds"
    runs = {run: p for run, p in made.results.summary["passports"].items() if not run.startswith("l2-s1")}
    fewer = dataclasses.replace(made.results, summary=made.results.summary | {"passports": runs})
    assert fewer.networks["l2"] == 1 and fewer.n_seeds == "1 to 2"
    one = {run: p for run, p in runs.items() if "-s0-" in run}
    alone = dataclasses.replace(made.results, summary=made.results.summary | {"passports": one})
    assert alone.covers.endswith("each network was trained once")


def test_names_of_recorded_profiles(made, tmp_path):
    assert results.recorded(tmp_path) == []
    (tmp_path / "laptop").mkdir()
    (tmp_path / "evening").mkdir()
    (tmp_path / "evening" / "truth.parquet").touch()
    assert results.recorded(tmp_path) == ["evening"]


def test_without_a_book_nothing_is_recorded_beside_the_package(made, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "BOOK", tmp_path / "book")
    monkeypatch.setattr(ImageSet, "truth", lambda *_: pytest.fail("measured before it was refused"))
    monkeypatch.setattr(records, "train_run", lambda *_: pytest.fail("trained before it was refused"))
    for call, configs in ((records.record, made.config), (records.tune, [made.config])):
        with pytest.raises(ValueError, match="no book to record in at .*book; run this in a clone"):
            call(configs, made.store)
    with pytest.raises(ValueError, match="no book"):
        records.bench_file("here")
    assert not list(tmp_path.iterdir())


def test_the_recorded_results_of_the_book_are_found():
    assert {"evening", "ablation", "student"} <= set(results.recorded())


def test_unknown_results_are_refused_with_what_there_is(loaded):
    with pytest.raises(ValueError, match="no result l3/auc .*there are: .*ce@1"):
        loaded.interval("l3", "auc")
    with pytest.raises(ValueError, match="no result l2/nll .*there are: .*auc"):
        loaded.interval("l2", "nll")


def test_a_table_shows_one_number_a_cell(loaded):
    shown = loaded.table(["auc", "nll"], ["l2", "ce@1", "l2 init=he"])
    assert list(shown.index) == ["L2 on ab", "cross entropy, T = 1"], "a system that is not there is left out"
    assert list(shown.columns) == ["AuC", "cross entropy"]
    assert shown.loc["L2 on ab", "cross entropy"] == ""
    assert shown.loc["cross entropy, T = 1", "AuC"] == f"{loaded.value('ce@1', 'auc'):.3f}"


def test_json_has_no_nan_and_no_half_written_file(tmp_path):
    (tmp_path / "x.tmp").write_text("somebody's")
    with pytest.raises(ValueError):
        records.save_json({"a": math.nan}, tmp_path / "x.json")
    assert not (tmp_path / "x.json").exists()
    records.save_json({"a": [1, 2], "b": {"c": [[0.5], None]}}, tmp_path / "x.json")
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": [1, 2], "b": {"c": [[0.5], None]}}
    assert '"a": [ 1, 2 ]' in (tmp_path / "x.json").read_text()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError):
        records.save_json({}, tmp_path / "folder")
    assert {path.name for path in tmp_path.iterdir()} == {"x.json", "x.tmp", "folder"}, "no other file is touched"
    assert (tmp_path / "x.tmp").read_text() == "somebody's"


def test_every_arm_gets_the_same_trials_and_they_add_up(made, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "load_config", lambda profile: made.config)  # which is smaller than its profile
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


def test_trials_differ_in_nothing_that_their_table_does_not_tell(made, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "load_config", lambda profile: made.config)
    monkeypatch.setattr(records, "train_run", lambda *_: pytest.fail("trained before it was refused"))
    for other in ({"data": "elsewhere"}, {"weight_decay": 1e-3}, {"seeds": (1,)}, {"profile": "laptop"}):
        with pytest.raises(ValueError, match=f"trials cannot differ in {next(iter(other))}; they can in init, lr"):
            records.tune([made.config, dataclasses.replace(made.config, **other)], made.store, made.runs, tmp_path)
    monkeypatch.setattr(records, "load_config", load_config)
    with pytest.raises(ValueError, match="photos=32 is not possible in trials of profile 'smoke'; allowed: .* 512"):
        records.tune([made.config], made.store, made.runs, tmp_path)
    two = load_config("smoke", seeds=(0, 1))
    with pytest.raises(ValueError, match=r"seeds=\(0, 1\) is not possible in trials; allowed: one seed"):
        records.tune([two], made.store, made.runs, tmp_path)


def test_curves_of_no_run_are_an_error():
    with pytest.raises(ValueError, match="there is no run to read the history of; train first"):
        records.read_histories({})


def test_to_export_nothing_is_an_error(made, tmp_path):
    with pytest.raises(ValueError, match="no finished run of profile 'smoke' on this data"):
        records.export_runs(dataclasses.replace(made.config, seeds=(9,)), made.store, tmp_path / "out", made.runs)
    assert not (tmp_path / "out").exists()


# --------------------------------------------------------------------------------------------------------- curves


def curve(values: list[float], arm: str = "l2", seed: int = 0) -> pd.DataFrame:
    steps = np.arange(1, len(values) + 1)
    columns = {"step": 10 * steps, "val_plain": values, "val_chroma_ratio": values, "val_ab_error": values}
    columns |= {"excess": 2.0, "val_excess": values}
    return pd.DataFrame(columns).assign(arm=arm, seed=seed)


def test_a_straight_curve_does_not_waver_and_noise_does():
    straight = records.curve_facts(curve(list(np.linspace(2, 1, 16)))).loc["l2"]
    assert straight.wavers == pytest.approx(0, abs=1e-12)
    wavering = [1 + 0.01 * (-1) ** i for i in range(16)]  # its middle half has eight values, and two are fitted
    assert records.curve_facts(curve(wavering)).wavers["l2"] == pytest.approx(math.sqrt(8 / 6), rel=0.05)
    assert math.isnan(records.curve_facts(curve([3.0, 2.0, 1.0])).wavers["l2"]), "too few validations"


def test_facts_of_curves_are_those_of_their_ends_and_means_over_seeds():
    both = pd.concat([curve([9.0, 3.0]), curve([9.0, 1.0], seed=1), curve([9.0, 4.0], arm="ce")])
    facts = records.curve_facts(both)
    assert facts.ab_error.to_dict() == facts.chroma_ratio.to_dict() == {"ce": 4.0, "l2": 2.0}
    assert facts.unseen.to_dict() == {"ce": 2.0, "l2": 1.0}


def test_json_is_written_beside_other_files(tmp_path):
    (tmp_path / "x.tmp").write_text("of somebody else")
    records.save_json({}, tmp_path / "x.json")
    records.save_json({}, tmp_path / "new" / "x.json")
    assert (tmp_path / "x.tmp").read_text() == "of somebody else"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["new", "x.json", "x.json", "x.tmp"]
