"""What `colorize bench` measures, and the tables made of it."""

import dataclasses
import itertools
import json

import pandas as pd
import pytest
import tiny
import torch

from colorize_lib import bench, cli
from colorize_lib.config import load_config
from colorize_lib.data.prepare import open_data
from colorize_lib.evaluation import records

SMALL = {"side": 32, "train_photos": 64, "width": 0.0625, "batch": 8, "steps": 4, "device": "cpu", "precision": "fp32"}


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLORIZE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(bench, "SECONDS", 0)
        config = load_config("smoke", arms=["l2", "ce"], eval_every=4, **SMALL)
        return bench.measure(config, open_data("synthetic", 32, progress=False), epoch=True)


def test_everything_is_measured(found):
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["setup"] | {"profile": "smoke", "width": 0.0625, "batch": 8, "pictures": 64} == found["setup"]
    assert found["machine"]["torch"] == torch.__version__
    assert found["matrix_rate"]["fp32"] > 0 < found["peak_memory_mb"]
    assert 0 < found["measuring"]["network"] < found["measuring"]["one"] < found["measuring"]["six"]
    assert "each further one" in bench.tables(found)["Measuring a classifier"]
    for arm in ("l2", "ce"):
        row = found["arms"][arm]
        assert row["bare"] > 0 < row["full"]
        parts = {k: v for k, v in found["stages"][arm].items() if not k.startswith("of the loss")}
        assert len(parts) == 6 and all(seconds > 0 for seconds in parts.values())
        assert found["epoch"][arm]["pictures"] == 64
        assert found["epoch"][arm]["setup"] > 0 < found["epoch"][arm]["seconds"]
    assert set(found["stages"]["ce"]) - set(found["stages"]["l2"]) == {"of the loss: encoding"}
    assert found["arms"]["ce"]["flop_per_picture"] > found["arms"]["l2"]["flop_per_picture"]


def test_what_takes_long_is_told_before_it_begins(monkeypatch):
    told = []
    monkeypatch.setattr(bench, "matrix_rate", lambda *_: told.append("begun") or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        bench.measure(load_config("smoke", arms=["l2"], **SMALL), tiny.experiment().store, log=told.append)
    assert told == ["multiplying large matrices", "begun"]


def test_peak_memory_is_that_of_the_arm_that_needs_most(monkeypatch):
    timed, peaks = [], {"ce": 300 << 20, "l2": 200 << 20}
    monkeypatch.setattr(bench, "steps", lambda config, store, arm: timed.append(arm) or ({}, {}))
    monkeypatch.setattr(bench, "peak_memory", lambda device: peaks[timed[-1]])
    for name in ("matrix_rate", "switches", "encoding", "preparing", "measuring"):
        monkeypatch.setattr(bench, name, lambda *_: {})
    config = load_config("smoke", arms=["ce", "l2"], **SMALL)
    assert bench.measure(config, tiny.experiment().store)["peak_memory_mb"] == 300


def test_switches_are_changed_one_at_a_time(found):
    rows = {(row["setting"], row["value"]): row for row in found["switches"]}
    assert {("as configured", ""), ("channels_last", "False"), ("fused", "False"), ("precision", "bf16")} == set(rows)
    for row in rows.values():
        assert row.get("seconds", 0) > 0 or "no instructions" in row["error"]
    assert found["switches"][0]["ratio"] == 1


def test_what_changes_nothing_is_no_switch(monkeypatch):
    monkeypatch.setattr(bench, "SECONDS", 0)
    for ask in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
        monkeypatch.setattr(torch.cpu, ask, lambda: False, raising=False)
    monkeypatch.setitem(bench.SETTINGS, "cpu", (("precision", "fp32"), ("precision", "bf16")))
    config = load_config("smoke", arms=["l2"], **SMALL)
    rows = bench.switches(config, open_data("synthetic", 32, progress=False), "l2")
    assert [row["value"] for row in rows] == ["", "bf16"] and "no instructions" in rows[1]["error"]


def test_a_switch_that_fails_says_why(monkeypatch, found):
    monkeypatch.setattr(bench, "SECONDS", 0)
    monkeypatch.setitem(bench.SETTINGS, "cpu", (("compile", "default"),))
    monkeypatch.setattr(torch, "compile", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("no compiler\nat all")))
    config = load_config("smoke", arms=["l2"], **SMALL)
    usual, failed = bench.switches(config, open_data("synthetic", 32, progress=False), "l2")
    assert failed == {"setting": "compile", "value": "default", "error": "no compiler"}
    text = bench.as_text(found | {"switches": [usual, failed]})
    assert "compile=default" in text and "not possible" in text and "no compiler" in text


def test_three_ways_of_encoding_are_compared(found):
    assert found["encoding"].keys() == {"colours", "neighbours", "table", "matrix", "cdist"}
    assert found["encoding"]["colours"] == 65536


def test_ratios_are_medians_over_rounds(monkeypatch):
    took = [9, 9, *(t for k in range(bench.ROUNDS) for t in (2, 4 + k))]  # the first round warms up
    clock = itertools.accumulate((0, *(t for pause in took for t in (1, pause)), 1, 1))
    monkeypatch.setattr(bench.time, "perf_counter", lambda: next(clock))
    times = bench._times(torch.device("cpu"), {"one": lambda: None, "two": lambda: None})
    assert list(times["one"]) == [2] * 5 and list(times["two"]) == [4, 5, 6, 7, 8]
    assert bench._ratio(times, "two", "one") == 3


def test_the_overhead_is_the_median_of_whole_over_bare(monkeypatch):
    times = pd.DataFrame({"bare": [1.0, 2.0, 4.0], "full": [2.0, 3.0, 4.4]})
    monkeypatch.setattr(bench, "_times", lambda *_, **__: times)
    config = load_config("smoke", arms=["l2"], **SMALL)
    row, _ = bench.steps(config, open_data("synthetic", 32, progress=False), "l2")
    assert row["overhead"] == pytest.approx(0.5) and (row["bare"], row["full"]) == (1, 2)


def test_preparing_is_held_against_decoding(found):
    assert [row["side"] for row in found["preparing"]] == [32, 128]
    for row in found["preparing"]:
        assert 64 <= row["pictures"] <= 4096
        assert min(row["decode"], row["prepare"], row["share"]) > 0


def test_tables_and_text(found):
    tables = bench.tables(found)
    assert list(tables["Steps"]["arm"]) == list(tables["Pace of the whole steps"]["arm"]) == ["l2", "ce"]
    assert max(len(table.columns) for table in tables.values()) <= 5
    text = bench.as_text(found)
    for word in ("matrix products in fp32", "A whole epoch", "One setting changed at a time", *tables):
        assert word in text
    share = float(tables["Pace of the whole steps"]["of the matrix rate"][0].rstrip("%")) / 100
    row = found["arms"]["l2"]
    assert share == pytest.approx(row["flop_per_picture"] * 8 / row["full"] / found["matrix_rate"]["fp32"], abs=0.006)


def test_costs_follow_from_the_operations(found):
    full = found | {"setup": found["setup"] | {"width": 1.0, "side": 64}}
    full["arms"] = {"ce": {"flop_per_picture": 15.66e9, "full": 1.0}}
    rows = bench.costs(full, "ce", price=2.0).set_index("what")
    student = rows.loc["MiniPlaces, the student's 30 epochs"]
    assert student["rate"] == "measured" and float(student["hours"].replace(",", "")) == pytest.approx(
        86_311 * 30 / 8 / 3600, rel=1e-3
    )
    assert float(student["dollars"].replace(",", "")) == pytest.approx(2 * 86_311 * 30 / 8 / 3600, rel=0.01)
    assert set(rows["rate"][3:]) == {"derived", "measured"} and rows["epochs"].iloc[-1] == "14.0"
    assert set(bench.costs(found, "ce", 1.0)["rate"]) == {"derived"}


def test_the_command_writes_json_and_prints_tables(tmp_path, monkeypatch, capsys, found):
    asked = []
    monkeypatch.setattr(bench, "measure", lambda config, *_, **__: asked.append(config) or found)
    monkeypatch.setenv("COLORIZE_CACHE", str(tmp_path / "cache"))
    small = [word for name, value in SMALL.items() for word in ("-p", name, str(value))]
    assert cli.main(["bench", "--profile", "smoke", *small, "--json", str(tmp_path / "b.json")]) == 0
    assert json.loads((tmp_path / "b.json").read_text()) == found and "above bare" in capsys.readouterr().out
    monkeypatch.setattr(records, "BOOK", tmp_path)
    assert cli.main(["bench", "--profile", "smoke", *small, "--record", "here"]) == 0
    assert records.benches() == {"here": found}
    store = str(tiny.experiment().store.path)
    for more in (["--profile", "laptop"], ["--profile", "laptop", "--data", store]):
        assert cli.main(["bench", *more, "-p", "side", "32", "--json", str(tmp_path / "b.json"), "--overwrite"]) == 0
    assert [(config.data, config.train_photos) for config in asked[2:]] == [("synthetic", 512), (store, 14386)]


def test_energy_is_counted_where_the_machine_tells(tmp_path, monkeypatch):
    counter = tmp_path / "energy_uj"
    monkeypatch.setattr(bench._Energy, "COUNTER", counter)
    with bench._Energy(torch.device("cpu")) as energy:
        pass
    assert energy.joules == 0
    counter.write_text("1000000")
    with bench._Energy(torch.device("cpu")) as energy:
        counter.write_text("3500000")
    assert energy.joules == 2.5


def test_nothing_is_left_behind(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLORIZE_CACHE", str(tmp_path / "cache"))
    config = dataclasses.replace(load_config("smoke", arms=["l2"], **SMALL), eval_every=4)
    bench.whole_epoch(config, open_data("synthetic", 32, progress=False), "l2")
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
