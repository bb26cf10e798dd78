"""Cases with one thing wrong: made as they say, found again among results, and named by the doctor."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import tiny
import torch

from colorize_lib import cli, trace
from colorize_lib.book import faults
from colorize_lib.book.faults import CASES
from colorize_lib.colorizer import load_colorizer, load_run
from colorize_lib.config import identity, load_config
from colorize_lib.evaluation import diagnosis, records
from colorize_lib.evaluation.results import load, variant_of


@pytest.fixture(scope="module")
def made():
    return tiny.experiment()


@pytest.fixture(scope="module")
def found(made, tmp_path_factory):
    config = dataclasses.replace(made.config, test_photos=tiny.LIMIT, seeds=(0,))
    return faults.lineup(config, 1.0, tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("kind", faults.BROKEN_PRIORS)
def test_a_broken_prior_is_one_that_the_doctor_knows(kind):
    prior = torch.from_numpy(faults.broken_prior(kind)).float()
    assert float(prior.sum()) == pytest.approx(1, abs=1e-6)
    assert kind.split()[-1] in diagnosis.prior_problem(prior)


def test_an_unknown_prior_is_refused():
    with pytest.raises(ValueError, match="'upside down' is unknown; allowed: b before a"):
        faults.broken_prior("upside down")


def test_a_case_differs_from_its_reference_in_what_it_says_alone():
    usual = load_config("ablation")
    for case in CASES.values():
        own, good = (identity(c.config(usual, 0.15)) for c in (case, CASES[case.than]))
        changed = {name for name in own.keys() | good.keys() if own.get(name) != good.get(name)}
        alone = bool(case.rule and case.trained and not case.prior)
        assert len(changed) == {"decay and sum": 2}.get(case.name, alone), case.name
        assert case.than in CASES and (not case.rule or case.name != case.than)
    assert CASES["too short"].config(usual, 0.15).steps == 250
    assert CASES["rate too high"].config(usual, 0.15).lr == 0.03, "as the run is called"


def test_every_case_is_found_among_the_results_under_the_name_of_its_run(found):
    assert found.variants["healthy"] == found.variants["rebalanced"] == "init=he", "smoke itself has another start"
    assert len(set(found.variants.values())) == sum(case.trained for case in CASES.values()) - 1, "but two references"
    for name, case in CASES.items():
        assert np.isfinite(found.interval(name, "chroma_ratio").value)
        assert len(found.curve(name)) and set(found.curve(name).arm) == {case.arm}
        about = found.diagnoses[name]["facts"]
        assert about["run"] in found.found.summary["passports"] and about["arm"] == case.arm
    assert found.against("healthy", "true_hue_ratio").value == 0


def test_the_decoder_is_the_healthy_network_asked_otherwise(found):
    assert [name for name, case in CASES.items() if not case.trained] == ["decoder"]
    assert found.diagnoses["decoder"] == found.diagnoses["healthy"] and "decoder" not in found.painted
    assert found.system("decoder") == "ce@0.38 init=he" and found.system("healthy") == "ce@1 init=he"
    apart = found.against("decoder", "chroma_ratio").value
    cool, mean = (found.interval("healthy", "chroma_ratio", readout).value for readout in ("@0.38", "@1"))
    assert apart == pytest.approx(cool - mean) and apart != 0
    facts = found.diagnoses["decoder"]["facts"]
    assert found.looks("decoder") == faults.symptom(facts, "@0.38") and found.looks("healthy") == faults.symptom(facts)


def test_the_doctor_names_the_recorded_decoder_and_how_to_do_without():
    kept = faults.lineup(load_config("ablation", seeds=[]), 0.15)
    assert kept.named("decoder") != "not" and "decoder" in f"{kept.said('decoder')}, {kept.also('decoder')}"
    assert kept.remedy("decoder").startswith("Nothing has to be trained")
    assert kept.fact("decoder", "learnt") == kept.fact("healthy", "learnt")


def read(tmp_path, monkeypatch, source: str, names: dict) -> tuple[list[set[str]], list[dict]]:
    """The sets of runs that a statement notes, with all its notes of runs."""
    monkeypatch.setenv(trace.VARIABLE, str(tmp_path / "trace"))
    monkeypatch.setattr(trace, "_noted", set())  # else the same line is written once a process
    exec(source, {"In": ["", "a"], **names})
    notes = [json.loads(line) for line in (tmp_path / "trace").read_text().splitlines()]
    mine = [n for n in notes if n["kind"] == "runs"]
    return [set(n["runs"]) for n in mine], mine


def test_figures_and_the_table_tell_the_runs_and_images_that_they_show(found, tmp_path, monkeypatch):
    run = {name: told["facts"]["run"] for name, told in found.diagnoses.items()}
    about, here = {"faults": faults, "found": found}, iter("abcd")

    def told(source):
        folder = tmp_path / next(here)
        folder.mkdir()
        return read(folder, monkeypatch, source, about)

    runs, notes = told("faults.plot_lineup(found, ['healthy', 'decay'], columns=4)")
    assert runs == [{run["healthy"], run["decay"]}]
    assert not {"images", "validation"} & set(notes[0]), "what is shown was painted, not measured"
    runs, notes = told("faults.plot_curves(found, ['healthy', 'too short'])")
    assert set.union(*runs) == {run["healthy"], run["too short"]}
    assert all(n.get("validation") and "images" not in n for n in notes)
    runs, notes = told("faults.summary(found)")
    assert runs == [set(run.values())] and notes[0]["validation"] and "images" not in notes[0]


def test_the_gain_of_a_mean_is_its_own_runs(tmp_path, monkeypatch):
    network = load_colorizer("ce")
    runs, (note,) = read(tmp_path, monkeypatch, "gain = mean_gain(network)",
                         {"mean_gain": faults.mean_gain, "network": network})  # fmt: skip
    assert runs == [{network.passport["run"]}] and note["validation"]
    ratio = load("evening").values_by_seed("ce@1", "chroma_ratio")[network.passport["seed"]]
    assert faults.mean_gain(network) == pytest.approx(1 / ratio, rel=0.05), "on other images of one kind"


def test_the_names_of_runs_with_broken_priors_need_no_file(made, found):
    for name in ("b before a", "along the list"):
        run = found.found.summary["passports"][found.diagnoses[name]["facts"]["run"]]
        assert variant_of(run, made.config) == found.variants[name] and "prior=" in found.variants[name]


def test_the_doctor_names_what_settings_tell(found):
    named = {name: found.named(name) for name, case in CASES.items() if case.rule}
    assert named["b before a"] == named["along the list"] == "first", "whatever was learnt"
    assert "not" not in (named["no weights"], named["decay"], named["rate too high"], named["few images"])
    sure = faults.Lineup(
        found.found, found.variants, {"decay": {"reason": "little", "causes": ["decay"], "also": []}}, {}
    )
    assert (sure.said("decay"), sure.named("decay")) == ("little: decay", "first")
    other = faults.Lineup(
        found.found, found.variants, {"decay": {"reason": "fine", "causes": ["decay"], "also": []}}, {}
    )
    assert (other.said("decay"), other.named("decay")) == ("fine", "also")


def test_the_table_has_a_row_a_case_and_at_most_five_columns(found):
    table = faults.summary(found)
    assert len(table.reset_index().columns) <= 5
    done = [f"{name} ({case.done})" for name, case in CASES.items()]
    assert list(table.index) == done, "the true cause, whatever the doctor says"
    remedy = dict(zip(CASES, table.remedy, strict=True))
    assert remedy["b before a"].startswith("Train again with the data's own prior")
    assert remedy["default start"] == "Train with init=he.", "though the doctor says only that it is too short"
    assert remedy["decay"] == "Train with weight_decay=0, or with reduction=sum."
    assert remedy["decay and sum"] == "Train with weight_decay=0."
    assert remedy["healthy"] == found.diagnoses["healthy"]["remedy"]


@pytest.mark.parametrize(
    ("chroma", "along", "looks"),
    [(0.1, 0.05, "grey"), (0.5, 0.16, "one tint"), (0.5, 0.25, "dull"), (0.95, 0.5, "vivid"), (0.95, 0.3, "one tint")],
)
def test_a_symptom_is_what_the_measures_say(chroma, along, looks):
    systems = {"ce@1": (chroma, along), "ce@0.38": (1.0, 1.0), "constant": (0.4, 0.13)}
    values = {name: {"chroma_ratio": c, "true_hue_ratio": a} for name, (c, a) in systems.items()}
    assert faults.symptom({"arm": "ce", "systems": values}).startswith(looks)


def test_figures_show_what_was_painted(found):
    photos = faults.squares()
    assert tuple(photos) == faults.OF, "whatever else is in book/photos"
    assert found.painted["healthy"].shape == (faults.PAINTED, faults.PAINTED * len(photos), 3)
    assert set(faults.SHOWN) <= set(photos)
    figure = faults.plot_lineup(found, ["healthy", "decay"], columns=4)
    assert [axis.get_title(loc="center") for axis in figure.axes] == ["input", "truth", "healthy", "decay"]
    image, at = figure.axes[3].images[0].get_array(), list(photos).index(faults.SHOWN[0]) * faults.PAINTED
    assert np.array_equal(image[: faults.PAINTED], found.painted["decay"][:, at : at + faults.PAINTED])
    curves = faults.plot_curves(found, ["healthy", "too short"]).axes[0]
    assert curves.lines[2].get_ydata()[0] == pytest.approx(found.fact("healthy", "prior_entropy"))


def test_what_is_not_recorded_is_named():
    with pytest.raises(ValueError, match=r"case 'healthy' \(steps=1234, seed 0\) is not recorded in 'ablation'"):
        faults.lineup(load_config("ablation", seeds=[]), 1234 / 4000)
    with pytest.raises(ValueError, match="budget=0 is not possible"):
        faults.lineup(load_config("ablation", seeds=[]), 0)


def test_what_the_doctor_knows_is_kept_with_images_and_judged_again(made, tmp_path):
    run = next(made.runs.glob("ce-s0-*"))
    told, painted = faults.diagnosed(run, made.store), faults.paint(load_run(run))
    records.write_facts(told["facts"], painted, tmp_path)
    (name, (again, image)), *rest = records.read_facts("smoke", tmp_path).items()
    assert name == run.name and not rest
    assert diagnosis.diagnose(diagnosis.Facts(again)).sentence == told["sentence"]
    assert again["learnt"] == pytest.approx(told["facts"]["learnt"], rel=1e-5)
    assert image.shape == painted.shape and np.abs(image.astype(int) - painted).mean() < 3
    with pytest.raises(ValueError, match="whose run is known"):
        records.write_facts({"profile": "smoke"}, painted, tmp_path)


def test_a_diagnosis_without_images_is_not_recorded(made, capsys):
    assert cli.main(["doctor", str(next(made.runs.glob("ce-s0-*"))), "--record"]) == 2
    assert "--record keeps what images tell; give --data" in capsys.readouterr().err
