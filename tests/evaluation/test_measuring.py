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

from colorize_lib.color import chroma, rgb_to_lab, to_unit
from colorize_lib.colorizer import Colorizer, load_run
from colorize_lib.config import load_config
from colorize_lib.data.prepare import prepare
from colorize_lib.data.store import Store
from colorize_lib.evaluation import measuring, metrics, records
from colorize_lib.evaluation.measuring import ASKED, SWEEP, ImageSet, Record
from colorize_lib.evaluation.systems import System, arms_of, system_title
from colorize_lib.readout import Readout
from colorize_lib.training.loop import train_run

PRIOR = torch.full((313,), 1 / 313)
MAIN = ["student_mse", "l2", "ce@1", "ce@0.38", "ce_rebal@1", "ce_rebal@0.38"]
BASELINES = ["grey", "mean", "weighted", "random", "ceiling"]


@pytest.fixture(scope="module")
def made():
    return tiny.experiment()


@pytest.fixture(scope="module")
def folders(made):
    return measuring.finished_runs(made.config, made.store, made.runs)


@pytest.fixture(scope="module")
def images(made):
    return ImageSet(made.store, made.store.rows("test", tiny.LIMIT))


def test_every_system_is_measured_and_named(made):
    asked = {f"ce{readout}" for readout in ASKED}
    treated = {"student_mse+L", "l2+gain", "ce@1+gain", "ce@0.38+gain"}
    swept = {f"{arm}{readout}" for arm in ("ce", "ce_rebal") for readout in SWEEP}
    assert set(made.results.systems) == {*MAIN, *BASELINES, *asked, *treated, *swept}
    assert set(made.results.available("ce@0.14")) >= {"auc", "chroma_ratio"} - {"ssim"}
    assert "ssim" not in made.results.available("ce@0.14")
    assert made.results.main_systems == [*MAIN, *BASELINES]
    assert all(system_title(name) for name in made.results.systems)
    assert made.results.summary["pictures"] == tiny.LIMIT
    assert made.results.seeds("ce@1:median") == [0, 1] and made.results.seeds("grey") == []


def test_a_value_is_that_of_the_images_measured_directly(made, folders, images):
    prior = torch.tensor(images.truth(made.runs).about["prior"])
    tables = []
    for seed in made.config.seeds:
        network = load_run(folders["l2", seed])
        found = metrics.measure(measuring.predictor(network, ()), images.images, prior)
        tables.append(found["l2"].table)
    direct = metrics.value(pd.concat(tables), "ab_error")
    assert made.results.value("l2", "ab_error") == pytest.approx(direct, rel=1e-4)


@pytest.mark.parametrize("arm", ["ce", "l2", "student_mse"])
def test_larger_images_are_shown_at_the_size_that_a_network_knows(folders, images, arm):
    network, readouts = load_run(folders[arm, 0]), [Readout(1.0)]
    assert network.passport["image_side"] == images.store.side
    small = torch.from_numpy(images.images[0:2])
    large = small.repeat_interleave(2, 1).repeat_interleave(2, 2)
    name = str(System(arm, readouts[0] if network.is_classifier else None))
    (at_home, _), (away, logits) = (measuring.predictor(network, readouts)(pixels) for pixels in (small, large))
    assert logits is None, "its distributions are not at the positions of the labels"
    mean = torch.nn.functional.avg_pool2d(away[name].lab[:, 1:], 2)
    assert away[name].lab.shape[-2:] == large.shape[1:3]
    assert float((mean - at_home[name].lab[:, 1:]).abs().mean()) < 0.5, "the same colours, enlarged more"
    if arm != "student_mse":
        torch.testing.assert_close(away[name].lab[:, :1], rgb_to_lab(to_unit(large))[:, :1])
    about = {key: value for key, value in network.passport.items() if key != "image_side"}
    unknown = Colorizer(network.network, network.objective, about)
    expected = network.predict(large, readouts[0] if network.is_classifier else None)[0]
    torch.testing.assert_close(measuring.predictor(unknown, readouts)(large)[0][name].lab, expected)


@pytest.mark.parametrize("arm", ["ce", "l2", "student_mse"])
def test_larger_images_may_have_any_side(folders, arm):
    predict = measuring.predictor(load_run(folders[arm, 0]), [Readout(1.0)])
    for side in (64, 72, 104):  # of which only the first is a multiple of what the network has seen
        answers, _ = predict(torch.full((2, side, side, 3), 90, dtype=torch.uint8))
        assert all(answer.lab.shape == (2, 3, side, side) for answer in answers.values())


def test_a_network_of_smaller_images_is_recorded_on_larger_ones(made, folders, tmp_path):
    """As claim H19 has it: both kinds of network judged on the same images."""
    pictures = made.store.path.parent / "pictures"
    store = prepare(pictures, tmp_path / "store", 64, progress=False)
    large = load_config("ablation-128", data=str(store.path), arms=["ce"], side=64, width=1 / 16, steps=2, batch=8,
                        eval_every=1, train_photos=16)  # fmt: skip
    small = dataclasses.replace(large, side=32)
    trained = [train_run(small, "ce", 0, made.store, tmp_path / "runs", log=None),
               train_run(large, "ce", 0, store, tmp_path / "runs", log=None)]  # fmt: skip
    records.record(small, store, trained, tmp_path / "results", tmp_path / "runs", limit=4, log=None)
    found = records.load("ablation-128", folder=tmp_path / "results", usual=small)
    assert {"ce@1", "ce@1 side=64"} <= set(found.systems)
    assert np.isfinite([found.value(system, "skill_mean") for system in ("ce@1", "ce@1 side=64")]).all()
    assert "nll_excess" in found.available("ce@1 side=64") and "nll_excess" not in found.available("ce@1")


def test_each_answer_is_that_of_its_read_out_alone(folders, images):
    network, pixels = load_run(folders["ce", 0]), torch.from_numpy(images.images[0:2])
    answers, logits = measuring.predictor(network, ASKED, {"ce@1": 2.0})(pixels)
    for readout in ASKED:
        torch.testing.assert_close(answers[f"ce{readout}"].lab, network.predict(pixels, readout)[0])
    torch.testing.assert_close(answers["ce@1+gain"].lab[:, 1:], 2 * answers["ce@1"].lab[:, 1:])
    assert torch.equal(answers["ce@1+gain"].lab[:, 0], answers["ce@1"].lab[:, 0])
    sample = answers["ce@1:sample"].labels
    torch.testing.assert_close(sample, Readout(1, kind="sample")(logits))
    assert {name for name, answer in answers.items() if answer.labels is not None} == {"ce@1:sample"}


def test_the_student_is_also_measured_with_the_true_lightness(made, folders, images):
    pixels = torch.from_numpy(images.images[0:2])
    answers, _ = measuring.predictor(load_run(folders["student_mse", 0]), ())(pixels)
    assert torch.equal(answers["student_mse+L"].lab[:, 1:], answers["student_mse"].lab[:, 1:])
    torch.testing.assert_close(answers["student_mse+L"].lab[:, 0], rgb_to_lab(to_unit(pixels))[:, 0])
    assert made.results.value("student_mse+L", "lightness_error") == pytest.approx(0, abs=1e-3)
    assert made.results.value("student_mse", "lightness_error") > 1


def test_a_gain_gives_the_truths_mean_chroma(folders, images):
    network, pixels = load_run(folders["l2", 0]), torch.from_numpy(images.images[0:8])
    gains = measuring.gain_factors(network, images.images, (), batch=3)
    answers, _ = measuring.predictor(network, (), gains)(pixels)
    shown, true = (chroma(lab[:, 1:]).mean() for lab in (answers["l2+gain"].lab, rgb_to_lab(to_unit(pixels))))
    assert float(shown) == pytest.approx(float(true), rel=1e-4)


def test_all_images_are_a_subset_of_themselves(made):
    for name in ("auc", "colourfulness", "recall_red"):
        whole = made.results.value("l2", name)
        assert made.results.subset("all", "l2", name).value == pytest.approx(whole, nan_ok=True)
    truth = made.results.tables["grey"][None]
    assert measuring.SUBSETS["monochrome"][1](truth).sum() == 1, "a tenth of eight images"


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


def test_a_record_is_read_as_it_was_written(made, folders, images, tmp_path):
    record = images.run(folders["ce", 0], images.truth(made.runs), ASKED)
    record.write(tmp_path / "runs" / "x.parquet")
    again = Record.read(tmp_path / "runs" / "x.parquet")
    assert again.about == json.loads(json.dumps(record.about))
    for name, table in record.tables.items():
        pd.testing.assert_frame_equal(again.tables[name], table, check_dtype=False, rtol=2**-14)
    assert not list(tmp_path.rglob("*.part"))
    (tmp_path / "y.parquet").write_bytes(b"PAR1")
    with pytest.raises(ValueError, match="y.parquet is no record of a run"):
        Record.read(tmp_path / "y.parquet")


def test_whole_numbers_stay_exact_in_a_record():
    values = np.array([0, 1, 4096, 16384, 0.1, -1234.56])
    kept = measuring._rounded(values)
    assert (kept[:4] == values[:4]).all() and kept == pytest.approx(values, rel=2**-14)


def test_a_record_keeps_what_depends_on_the_truth_once(made, folders, images):
    truth = images.truth(made.runs)
    record = images.run(folders["l2", 0], truth, ())
    assert not set(truth.tables[""]) & set(record.tables["l2"])
    assert set(record.tables["l2"]) <= measuring._NEEDED
    every = set(truth.tables[""]) | set(record.tables["l2"])
    missing = {n for n in metrics.METRICS if not metrics.metric(n).columns <= every}
    assert missing == {"nll", "nll_excess", "energy", "overconfidence", "label_chroma_ratio", "ciede2000_from_mean"}


def test_the_dials_are_tried_on_validation_images(made, folders, images):
    about = images.run(folders["ce", 0], images.truth(made.runs), ASKED).about
    named = set(about["validation"])
    assert len(named) == 36 + 3 and {"grey", "ce@1+gain", "ce@0.38+gain"} < named
    assert set(about["validation"]["ce@1~0.5"]) == set(measuring.DIALED)
    pixels = images.store.read(images.store.rows("val"))
    prior = torch.tensor(images.truth(made.runs).about["prior"])
    found = metrics.measure(measuring.predictor(load_run(folders["ce", 0]), [Readout(0.58, 0.25)]), pixels, prior)
    ((name, expected),) = found.items()
    assert about["validation"][name]["auc"] == pytest.approx(metrics.value(expected.table, "auc"), rel=1e-5)


def test_measurements_are_kept_beside_the_run(made, monkeypatch):
    monkeypatch.setattr(metrics, "measure", lambda *_: pytest.fail("measured twice"))
    again = records.collect(made.config, made.store, made.runs, tiny.LIMIT)
    assert again.interval("l2", "auc") == made.results.interval("l2", "auc")


def test_what_an_older_version_measured_is_measured_anew(made, folders, monkeypatch):
    few = ImageSet(made.store, made.store.rows("test", 2))
    few.run(folders["l2", 0], few.truth(made.runs), ())
    monkeypatch.setattr(ImageSet, "_measured_run", lambda *_: Record({"anew": 1}, {}))
    assert "key" in few.run(folders["l2", 0], few.truth(made.runs), ()).about
    monkeypatch.setattr(metrics, "VERSION", metrics.VERSION + 1)
    assert few.run(folders["l2", 0], few.truth(made.runs), ()).about["anew"] == 1


def test_no_finished_run_is_an_error(made):
    with pytest.raises(ValueError, match="no finished run of profile 'smoke'.*colorize train"):
        records.collect(dataclasses.replace(made.config, seeds=(9,)), made.store, made.runs)


def test_evaluate_gives_plain_values_and_the_passport(made, folders, tmp_path):
    found = measuring.evaluate(load_run(folders["ce", 0]), made.store, limit=4)
    records.save_json(found, tmp_path / "out.json")
    read = json.loads((tmp_path / "out.json").read_text())
    assert read["pictures"] == 4 and read["passport"]["arm"] == "ce"
    assert set(read["systems"]) == {"ce@1", "ce@0.38", "grey", "mean", "weighted", "ceiling"}
    value, low, high = read["systems"]["ce@1"]["auc"]
    assert low < value < high


def test_evaluate_balances_every_arm_with_one_prior(made, folders):
    found = [measuring.evaluate(load_run(folders[arm, 0]), made.store, limit=2) for arm in ("l2", "ce", "ce_rebal")]
    assert {f["prior"] for f in found} == {"MiniPlaces"}
    assert len({str(f["systems"]["grey"]) for f in found}) == 1


def test_distributions_are_judged_with_the_networks_own_encoding(made, folders):
    network = load_run(folders["ce", 0])
    images = made.store.pixels[made.store.rows("test", 2)]
    assert (measuring.measure_systems(network, images, PRIOR, [Readout(1.0)])["ce@1"].table.nll_floor > 0).all()
    network.passport["config"] |= {"neighbours": 1}
    hard = measuring.measure_systems(network, images, PRIOR, [Readout(1.0)])["ce@1"].table
    assert hard.nll_floor.to_numpy() == pytest.approx(0, abs=1e-4), "one neighbour leaves no entropy"


def test_evaluate_never_holds_more_than_a_batch(made, folders, monkeypatch):
    sizes, read = [], Store.read
    monkeypatch.setattr(Store, "read", lambda store, rows: sizes.append(len(rows)) or read(store, rows))
    monkeypatch.setattr(metrics, "measure", functools.partial(metrics.measure, batch=4))
    measuring.evaluate(load_run(folders["l2", 0]), made.store, limit=10)
    assert sizes == [4, 4, 2] * 2, "once for the network and once for all baselines"


def test_evaluate_asks_what_it_is_told_to(made, folders):
    asked = [Readout(1, 0.5), Readout(1, kind="median")]
    found = measuring.evaluate(load_run(folders["ce", 0]), made.store, limit=4, readouts=asked)["systems"]
    assert {name for name in found if name.startswith("ce")} - {"ceiling"} == {"ce@1~0.5", "ce@1:median"}
    assert "nll" in found["ce@1~0.5"], "the distribution is judged with the first"


def test_evaluate_tells_how_far_another_networks_images_are(made, folders):
    ce, l2, asked = load_run(folders["ce", 0]), load_run(folders["l2", 0]), [Readout(0.38)]
    found = measuring.evaluate(ce, made.store, limit=4, readouts=asked, against=(l2, None))
    pixels = made.store.pixels[made.store.rows("test", 4)]
    shown = [metrics.as_shown(network.predict(pixels, *how)[0]) for network, *how in ((ce, Readout(0.38)), (l2,))]
    expected = float(metrics.ciede2000(*shown).double().mean())
    assert found["against"]["system"] == "l2" and found["against"]["passport"]["arm"] == "l2"
    assert found["against"]["ciede2000"]["ce@0.38"][0] == pytest.approx(expected, rel=1e-4)
    assert found["systems"]["against"]["auc"] == measuring.evaluate(l2, made.store, limit=4)["systems"]["l2"]["auc"]
    itself = measuring.evaluate(ce, made.store, limit=2, readouts=asked, against=(ce, Readout(0.38)))["against"]
    assert itself["system"] == "ce@0.38" and itself["ciede2000"]["ce@0.38"][0] == 0
    usual = measuring.evaluate(ce, made.store, limit=2)
    assert "against" not in usual | usual["systems"] and "ciede2000_from_mean" in usual["systems"]["ce@0.38"]


@pytest.mark.parametrize(
    ("name", "system", "title"),
    [
        ("l2", System("l2"), "L2 on ab"),
        ("ce@0.38", System("ce", Readout(0.38)), "cross entropy, T = 0.38"),
        ("ce@1~0.5", System("ce", Readout(1, 0.5)), "cross entropy, T = 1 tilted by 0.5"),
        ("ce_rebal@1:median", System("ce_rebal", Readout(1, kind="median")),
         "cross entropy, rebalanced, T = 1, median"),
        ("l2+gain", System("l2", treatment="gain"), "L2 on ab, with a gain"),
        ("student_mse+L init=he", System("student_mse", None, "L", "init=he"),
         "MSE on RGB (student), with the true L, init=he"),
        ("ce@1 from=l2:trunk,width=0.5", System("ce", Readout(1), "", "from=l2:trunk,width=0.5"),
         "cross entropy, T = 1, from=l2:trunk, width=0.5"),
        ("l2 activation=leaky_relu,lr=0.1", System("l2", variant="activation=leaky_relu,lr=0.1"),
         "L2 on ab, leaky ReLU, lr=0.1"),
        ("weighted", System("weighted"), "weighted mean colour"),
    ],
)  # fmt: skip
def test_a_system_has_one_name_everywhere(name, system, title):
    assert System.parse(name) == system and str(system) == name and system_title(name) == title


def test_arms_of_systems_stand_once_in_their_order():
    assert arms_of(["l2+gain", "ce@1", "ce@1~0.5", "l2 init=he", "ce_rebal@0.38"]) == ("l2", "ce", "ce_rebal")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("l3", "system 'l3' is unknown; allowed: student_mse, l2"),
        ("ce", "ce and ce_rebal have a read-out such as @0.38"),
        ("l2@1", "ce and ce_rebal have a read-out"),
        ("l2+more", "allowed after [+]: gain, L"),
        ("ce@1:best", "kind='best' is unknown"),
        ("ce@x", "system 'ce@x' is unknown"),
    ],
)
def test_an_impossible_system_is_refused(name, message):
    with pytest.raises(ValueError, match=message):
        System.parse(name)
