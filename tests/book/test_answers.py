"""Answers at one position against sums by hand; the map of the dials against the records it is drawn from."""

from __future__ import annotations

import dataclasses
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import tiny
import torch

from colorize_lib.book import answers, examples, figures
from colorize_lib.colorizer import load_colorizer
from colorize_lib.config import load_config
from colorize_lib.data.scenes import synthetic_scenes
from colorize_lib.evaluation import claims, measuring
from colorize_lib.evaluation.intervals import Interval
from colorize_lib.quantize import ab_gamut_centers, rebalancing_weights
from colorize_lib.readout import Readout

CENTERS = ab_gamut_centers()
RED, BLUE = (int((torch.tensor(c) == CENTERS).all(1).nonzero()) for c in ([60.0, 30.0], [20.0, -50.0]))
SCENE = synthetic_scenes(1, 32, seed=2).pixels[0]


def two_colours(share: float, size=(5, 5)) -> answers.View:
    """Red and blue everywhere, red with a share; the prior has both alike, and the truth is red."""
    p, prior = torch.full((313,), 1e-12), torch.full((313,), 1e-4)
    p[RED], p[BLUE], prior[RED], prior[BLUE] = share, 1 - share, 0.1, 0.8
    logits = p.log()[None, :, None, None].repeat(1, 1, *size)
    true = CENTERS[RED].expand(*size, 2)
    return answers.View(SCENE, torch.full(size, 50.0), true, logits, prior / prior.sum())


def test_answers_to_two_colours_by_hand():
    view = two_colours(0.4)
    found = answers.answers_at(view, (2, 2), samples=8)
    red, blue = CENTERS[RED], CENTERS[BLUE]
    assert torch.allclose(found["mean"][0], 0.4 * red + 0.6 * blue, atol=1e-3)
    assert torch.equal(found["mode"][0], blue)
    assert torch.allclose(found["median"][0], blue, atol=0.01), "of two colours the likelier"
    weights = rebalancing_weights(view.prior, 0.5)
    odds = float(0.4 * weights[RED] / (0.6 * weights[BLUE]))
    assert torch.allclose(found["tilted mean"][0], (odds * red + blue) / (odds + 1), atol=1e-2)
    assert {tuple(ab) for ab in found["sample"].tolist()} == {tuple(red.tolist()), tuple(blue.tolist())}


def test_what_is_certain_has_no_spread_whatever_rounding_does():
    logits = 20 * torch.randn(1, 313, 20, 20, generator=torch.Generator().manual_seed(0))
    view = dataclasses.replace(two_colours(0.5), logits=logits)
    assert torch.isfinite(view.spread).all() and (view.spread >= 0).all()


def test_costs_of_two_colours_by_hand():
    table = answers.cost_table(two_colours(0.4), (1, 1))
    apart = float((CENTERS[RED] - CENTERS[BLUE]).norm())
    assert table["expected RMS"]["mean"] == pytest.approx(apart * math.sqrt(0.24), rel=1e-4)
    assert table["expected distance"]["mode"] == pytest.approx(0.4 * apart, rel=1e-4)
    assert table["distance from the truth"]["mean"] == pytest.approx(0.6 * apart, rel=1e-3)
    assert table["expected RMS"].idxmin() == "mean"


def test_hues_share_all_of_the_probability():
    p = torch.zeros(313)
    p[RED], p[BLUE] = 0.25, 0.25
    p[(CENTERS.norm(dim=1) < 15).nonzero()[:, 0]] += 0.5 / 9
    shares = answers.hue_shares(p)
    assert shares["grey"] == pytest.approx(0.5) and sum(shares.values()) == pytest.approx(1)
    assert [name for name, share in shares.items() if share == pytest.approx(0.25)] == ["red", "blue"]


def test_places_are_the_widest_of_vivid_ones_and_the_narrowest_inside():
    view = two_colours(0.01)
    view.logits[..., 0, 0] = 0.0  # wider still, but at the border
    view.logits[..., 1, 2] = view.logits[..., 2, 2] = two_colours(0.5).logits[..., 0, 0]
    view.logits[..., 3, 1] = two_colours(1.0).logits[..., 0, 0]
    view.logits[..., 4, 1] = two_colours(1 - 1e-9).logits[..., 0, 0]
    true = view.true.clone()
    true[1, 2] = 5.0  # not vivid
    view = dataclasses.replace(view, true=true)
    assert answers.telling_places(view) == {"open": (2, 2), "certain": (3, 1)}
    grey = dataclasses.replace(view, true=torch.zeros(5, 5, 2))
    assert answers.telling_places(grey)["open"] == (1, 2), "without a vivid one all count"
    assert float(two_colours(0.5).spread[0, 0]) == pytest.approx(float((CENTERS[RED] - CENTERS[BLUE]).norm()) / 2)


@pytest.fixture(scope="module")
def shipped() -> dict:
    return answers.networks(load_config("evening", arms=["l2", "ce", "ce_rebal", "student_mse"]))


def test_networks_that_are_not_there_are_left_out(shipped, monkeypatch):
    assert list(shipped) == ["l2", "ce", "ce_rebal", "student_mse"]
    monkeypatch.setattr(examples, "load_colorizer", lambda arm: load_colorizer(arm if arm == "ce" else "none"))
    assert list(answers.networks(load_config("evening", arms=["l2", "ce"]))) == ["ce"], "no l2 ships there"
    with pytest.raises(ValueError, match="needs a network of l2: name it among arms"):
        answers.networks(load_config("evening", arms=["ce"]), ["ce", "l2"])


def test_a_view_holds_what_the_network_answers(shipped):
    image, network = np.repeat(np.repeat(SCENE, 3, 0), 4, 1), load_colorizer("ce", "cpu")
    view = answers.View.of(image, network)
    lab, logits = network.predict(network.seen(image), Readout(1.0))
    assert view.L.shape == view.true.shape[:2] == logits.shape[2:] == (16, 22)
    assert torch.allclose(view.at((3, 5)), torch.softmax(logits[0, :, 3, 5], 0), atol=1e-6)
    middle = lab[0, 1:, 12:16, 20:24].mean((1, 2))  # bilinear enlargement spreads a position over its block
    assert float((view.read(Readout(1.0))[3, 5] - middle).norm()) < 3
    found = answers.trained_at(image, (3, 5), shipped)
    assert list(found) == ["l2", "ce_rebal", "student_mse"]
    l2 = shipped["l2"].predict(shipped["l2"].seen(image))[0][0, 1:, 12:16, 20:24].mean((1, 2))
    assert float((found["l2"] - l2.cpu()).norm()) < 3
    again, _ = shipped["ce_rebal"].predict(shipped["ce_rebal"].seen(image), Readout(1.0))
    assert float((found["ce_rebal"] - again[0, 1:, 12:16, 20:24].mean((1, 2)).cpu()).norm()) < 3


def test_paintings_show_where_the_places_are(shipped):
    painted = answers.paint(SCENE, shipped["ce"])
    assert list(painted) == ["input", "truth", *answers.ANSWERS]
    assert painted["input"].std(2).max() <= 1 and (painted["truth"] == SCENE).all()
    axes = answers.plot_paintings(painted, {"open": (0, 7)}, (8, 8)).axes
    assert len(axes) == 8 and [len(axis.lines) for axis in axes] == [2, 2, 0, 0, 0, 0, 0, 0]
    assert axes[1].lines[0].get_xydata().tolist() == [[30, 2]] and axes[1].texts[0].get_text() == "open"


def test_the_planes_hold_every_answer(shipped):
    view = answers.View.of(SCENE, shipped["ce"])
    figure = answers.plot_places(view, {"a": (2, 3), "b": (4, 4)}, shipped)
    assert figure.get_figwidth() <= figures.WIDTH and not plt.get_fignums()
    plane = next(axis for axis in figure.axes if axis.get_title(loc="left") == "a")
    lines = {line.get_label(): line.get_xydata() for line in plane.lines}
    found = answers.answers_at(view, (2, 3))
    assert all(np.allclose(lines[name], ab) for name, ab in found.items()) and len(lines["sample"]) == 5
    assert np.allclose(lines["truth"], view.true[2, 3]) and {"l2", "ce_rebal"} <= set(lines)
    (areas,) = [c.get_sizes() for c in plane.collections if len(c.get_sizes()) == 313]
    assert np.allclose(areas / areas.sum(), view.at((2, 3)), atol=1e-6)


# ---------------------------------------------------------------------------------------------------------- two dials


@pytest.fixture(scope="module")
def found():
    return tiny.experiment().results


def test_validated_means_over_seeds_of_usual_runs_of_arms_that_are_asked(found):
    tried = answers.validated(found)
    assert {"l2", "ce_rebal@1"} <= set(tried.index) and len(answers.dial_table(tried)) == 36
    runs = [run for run, p in found.summary["passports"].items() if p["arm"] == "l2"]
    by_hand = np.mean([found.summary["validation"][run]["l2"]["auc"] for run in runs])
    assert len(runs) == 2 and tried.auc["l2"] == pytest.approx(by_hand)
    assert set(answers.validated(found.only(["l2"])).index) == {"l2", "l2+gain", "grey"}
    passports = {run: p | {"variant": "init=he"} for run, p in found.summary["passports"].items()}
    other = dataclasses.replace(found, summary=found.summary | {"passports": passports})
    assert answers.validated(other).empty


@pytest.fixture(scope="module")
def given(found):
    """The doses of runs of which the rebalanced ones are there with a lambda of a quarter, too."""
    passports, tried = dict(found.summary["passports"]), dict(found.summary["validation"])
    for run, p in found.summary["passports"].items():
        if p["arm"].endswith("_rebal"):
            config = p["config"] | {"lambda_": 0.25}
            passports |= {f"{run}-a": p | {"variant": "lambda_=0.25", "config": config}}
            passports |= {f"{run}-b": p | {"variant": "init=he,lambda_=0.25", "config": config, "seed": 9}}
            tried |= {f"{run}-{x}": {n: dict.fromkeys(v, 0.5) for n, v in tried[run].items()} for x in "ab"}
    return answers.doses(
        dataclasses.replace(found, summary=found.summary | {"passports": passports, "validation": tried})
    )


def test_doses_are_those_of_training_and_of_tilts_with_none_shared(found, given):
    there = {way: sorted(set(given.loc[way].index.get_level_values("lambda_"))) for way in answers.WAYS}
    assert there["ce tilted"] == [0, 0.25, 0.5, 0.75, 0.9, 1] and there["ce_rebal"] == [0.25, 0.5, 1]
    tried = found.summary["validation"]
    run = {(p["arm"], p["seed"]): tried[run] for run, p in found.summary["passports"].items()}
    assert given.auc["ce_rebal", 1, 1] == given.auc["ce tilted", 1, 1] == run["ce", 1]["ce@1"]["auc"]
    assert given.auc["ce tilted", 0.25, 0] == run["ce", 0]["ce@1~0.25"]["auc"]
    assert given.auc["ce_rebal", 0.5, 0] == run["ce_rebal", 0]["ce_rebal@1"]["auc"]
    assert given.auc["ce_rebal", 0.25].tolist() == [0.5, 0.5], "runs that differ in more are left out"
    nothing = dataclasses.replace(found, summary=found.summary | {"validation": {}})
    assert answers.doses(nothing).empty


def test_differences_of_doses_are_paired_by_seed(given):
    apart = [given.auc["ce_rebal", 0.5, seed] - given.auc["ce tilted", 0.5, seed] for seed in (0, 1)]
    effect = answers.dose_difference(given, "ce_rebal", "ce tilted", 0.5, "auc")
    assert effect.value == pytest.approx(np.mean(apart)) and (effect.seeds, effect.df) == (2, 1)
    assert effect.se == pytest.approx(abs(apart[0] - apart[1]) / 2)
    assert math.isnan(answers.dose_difference(given, "ce_rebal", "ce tilted", 0.75, "auc").value)


def test_doses_are_drawn_down_to_the_strongest(given):
    axis = answers.plot_doses(given, ["auc"]).axes[0]
    lines = {line.get_label(): line for line in axis.lines if line.get_marker() == "None"}
    assert list(lines) == list(answers.WAYS)
    assert lines["ce tilted"].get_xdata().tolist() == [0.25, 0.5, 0.75, 0.9, 1.0]
    assert lines["ce_rebal"].get_ydata()[0] == pytest.approx(0.5)


DIALS = pd.DataFrame(
    {"auc": [0.9, 0.8, 0.7], "auc_balanced": [0.5, 0.6, 0.7], "chroma_ratio": [0.5, 1.0, 1.5],
     "true_hue_ratio": [0.1, 0.2, 0.3], "temperature": [1.0, 0.38, 1.0], "lambda_": [1.0, 0.5, 0.5]},
    ["ce@1", "ce@0.38~0.5", "ce@1~0.5"],
)  # fmt: skip


def test_each_purpose_takes_the_best_by_its_criterion():
    chosen = answers.choose(DIALS)
    assert chosen.temperature.tolist() == [1, 1, 0.38] and chosen.lambda_.tolist() == [1, 0.5, 0.5]
    both = answers.choose(DIALS.assign(chroma_ratio=[0.91, 1.0, 1.09])).iloc[-1]
    assert (both.temperature, both.lambda_) == (1, 0.5), "a larger share of it lies along the true hue"
    none = answers.choose(DIALS.assign(chroma_ratio=[0.5, 0.6, 1.5])).iloc[-1]
    assert none.temperature == 0.38, "the nearest"
    assert list(chosen.index) == list(answers.PURPOSES)
    assert answers.choose(pd.DataFrame()).empty


def test_maps_hold_every_number_and_frame_the_best(found):
    dials = answers.dial_table(answers.validated(found))
    balanced, ratio = answers.plot_dials(dials, ["auc_balanced", "true_hue_ratio"]).axes
    texts = {t.get_position(): t.get_text() for t in balanced.texts}
    assert len(texts) == 36 and texts[0, 0] == f"{dials.auc_balanced['ce@1']:.3f}"[1:]
    (frame,) = balanced.patches
    best = dials.loc[dials.auc_balanced.idxmax()]
    at = round(frame.get_x() + 0.47), round(frame.get_y() + 0.45)
    cells = (measuring.DIALS[dial].index(best[dial]) for dial in ("temperature", "lambda_"))
    assert at == tuple(cells)
    assert not ratio.patches, "closest to one is not most"
    assert answers.plot_dials(pd.DataFrame(), ["auc"]).axes[0].texts[0].get_text() == answers.UNKNOWN


def test_the_plane_leads_trained_arms_to_their_settings():
    point = pd.DataFrame({"auc": [0.88], "auc_balanced": [0.55], "true_hue_ratio": [0.1]}, ["l2"])
    values = pd.concat([DIALS, point])
    axis = answers.plot_plane(values, ["l2", "ce_rebal@1", "grey"]).axes[0]
    (dotted,) = [line for line in axis.lines if line.get_linestyle() == ":"]
    assert dotted.get_xydata().tolist() == [[0.88, 0.55], [0.9, 0.5]], "to ce@1"
    assert [line.get_label() for line in axis.lines if line.get_marker() == "o"] == ["L2 on ab"]
    curves = [line.get_xydata().tolist() for line in axis.lines if len(line.get_xdata()) == 2 and line != dotted]
    assert [[0.7, 0.7], [0.8, 0.6]] in curves, "one lambda, from T = 1 on"
    assert answers.plot_plane(pd.DataFrame(), ["l2"]).axes[0].texts[0].get_text() == answers.UNKNOWN


def test_full_tilts_do_not_stretch_the_plane():
    far = DIALS.iloc[[0]].assign(auc=0.1, auc_balanced=0.1).set_axis(["ce@1~0"])
    axis = answers.plot_plane(pd.concat([DIALS, far]), []).axes[0]
    assert axis.get_xlim()[0] > 0.6 and axis.get_ylim()[0] > 0.4


# ------------------------------------------------------------------------------------------------- what is not there


def test_what_was_not_measured_is_said(found):
    assert answers.difference(found, "l2", "ce@1", "auc") == found.difference("l2", "ce@1", "auc")
    missing = answers.difference(found, "l2_rebal", "ce@1", "auc")
    shown = answers.panels(found, {"one": ("l2", "ce@1"), "other": ("l2_rebal", "ce@1")}, ["auc"])["AuC"]
    assert shown["one"] == found.difference("l2", "ce@1", "auc") and math.isnan(shown["other"].value)
    assert answers.said(missing, "+.2f") == answers.UNKNOWN
    assert answers.said(Interval(1, 0.5, 1.5, 1, 10), "+.1f") == "higher (+1.0 [+0.5, +1.5])"
    up, down = Interval(1, 0.5, 1.5, 1, 10), Interval(-1, -1.5, -0.5, 1, 10)
    assert answers.sorted_out({"red": up, "blue": down, "green": missing}) == ("red", "blue")
    assert answers.sorted_out({"red": up}) == ("red", "none")
    assert answers.sorted_out({"red": missing}) == (answers.UNKNOWN, answers.UNKNOWN)
    table = answers.measured(found, ["l2", "l2_rebal", "ce@1:sample"], ["auc", "label_chroma_ratio"])
    assert list(table.index) == ["l2", "ce@1:sample"] and table.label_chroma_ratio.isna().tolist() == [True, False]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("AuC\na minus b", 'AuC<span class="quiet">a minus b</span>'),
        ("-1\n[-2, 0]\np < 0.001", '-1<span class="quiet">[-2, 0]</span><span class="quiet">p &lt; 0.001</span>'),
        ("< 1", "&lt; 1"),
        ("open\n", "open"),
    ],
)
def test_intervals_stand_quietly_beneath_their_values(cell, expected):
    assert f"<td>{expected}</td>" in answers.Quiet({"measured": [cell]})._repr_html_()


def test_a_table_shows_intervals_quietly_beneath_values(found):
    table = answers.with_intervals(found, ["grey", "ce@1", "l2 lr=7"], {"auc": ".3f", "nll": ".2f"})
    assert list(table.index) == ["grey baseline", "cross entropy, T = 1"], "what is not recorded is left out"
    value, interval = table.loc["cross entropy, T = 1", "AuC"].split("\n")
    assert value == f"{found.value('ce@1', 'auc'):.3f}" and interval.startswith("[")
    assert table.iloc[0, 1] == "", "plain grey has no distribution"
    assert '<span class="quiet">[' in table._repr_html_()


def test_verdicts_say_what_they_wait_for(found):
    verdicts = {name: claims.decide(name, found) for name in ("P3", "P6")}
    assert answers.standing(verdicts["P3"]).startswith("open (findings so far: none; missing: smoke/l2_rebal")
    table = answers.findings_table(verdicts)
    assert list(table.index) == ["P3", "P6"] and table.measure["P3"].strip() == answers.UNKNOWN
    assert "sample" in table.measure["P6"] and table.shape[1] == 4, "with the name of the claim five columns"
    decided = dataclasses.replace(verdicts["P6"], verdict="confirmed")
    assert answers.standing(decided) == "confirmed"
    assert answers.in_parts(decided) == "its parts are not judged yet"
    parts = {"alike": "undecided", "shown as blue": "refuted"}
    mixed = dataclasses.replace(decided, verdict="mixed", parts=parts)
    assert answers.in_parts(mixed) == "alike: undecided; shown as blue: refuted"
