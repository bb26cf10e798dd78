"""Networks made bad on purpose, each found out by the rule that is there for it, and good ones that pass."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tiny
import torch
from PIL import Image
from torch import nn

from colorize_lib import cli
from colorize_lib.color import lab_to_rgb, rgb_to_lab
from colorize_lib.colorizer import Colorizer, load_run
from colorize_lib.config import load_config
from colorize_lib.data import prepare as data
from colorize_lib.data.prior import data_prior, imagenet_prior, load_prior
from colorize_lib.evaluation import diagnosis
from colorize_lib.evaluation.diagnosis import Facts, diagnose, examine
from colorize_lib.objectives import AB_SCALE, make_objective
from colorize_lib.quantize import ab_gamut_centers, densify, rebalancing_weights, soft_encode

GOOD = load_prior(diagnosis.PRIOR)
SHIPPED_CE = Path(diagnosis.__file__).parents[1] / "weights/ce.safetensors"
CENTERS = ab_gamut_centers()


# ------------------------------------------------------------------------------------------------------- rules alone

HEALTHY = Facts(
    run="ce-s0-1", arm="ce", finished=1, steps=16_000, batch=32, views=512_000, photos=86_000, little=0.04, lr=1e-3,
    best_lr=1e-3, init="he", best_init="he", schedule="one_cycle", reduction="mean", weight_decay=0.0, decay=0.0,
    lambda_=0.5, temperature=0.38, dead=0.1, prior_problem="", learnt=0.08, ratio=0.95, mean_ratio=0.9, hue=0.8,
    constant_hue=0.5, shown="0.95 with ce@0.38", rising=0.0, memorises=0, falling=0.002, overconfidence=-0.08,
    step=16_000, rate=1e-9, followed="validation loss",
)  # fmt: skip


def found(**changes) -> diagnosis.Diagnosis:
    return diagnose(Facts(HEALTHY | changes))


def test_a_healthy_network_passes():
    good = found()
    assert (good.reason.name, good.causes, good.also) == ("fine", (), ())


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("dead", {"dead": 0.8, "learnt": 0.0}),
        ("prior", {"arm": "ce_rebal", "prior_problem": "is wrong", "learnt": 0.0}),
        ("nothing", {"learnt": 0.002, "ratio": 0.2}),
        ("weights", {"arm": "ce_rebal", "lambda_": 1.0, "ratio": 0.5}),
        ("weights", {"arm": "ce_rebal", "unweighted": 0.9, "ratio": 0.5}),
        ("unfinished", {"finished": 0, "ratio": 0.5}),
        ("little", {"learnt": 0.03, "ratio": 0.2}),
        ("little", {"arm": "l2", "learnt": 0.08, "little": 0.12, "ratio": 0.4}),
        ("brown", {"arm": "ce_rebal", "ratio": 1.05, "hue": 0.6}),
        ("begun", {"finished": 0, "step": math.nan}),
        ("vivid", {"arm": "l2_rebal", "ratio": 1.05, "hue": math.nan}),
        ("decoder", {"ratio": 0.3, "mean_ratio": 0.55}),
        ("decoder", {"ratio": 0.3, "mean_ratio": 0.85}),
        ("decoder", {"ratio": math.nan, "mean_ratio": 0.55, "hue": math.nan}),
        ("mean", {"temperature": 1.0, "ratio": 0.55, "mean_ratio": 0.55}),
        ("squared error", {"arm": "l2", "ratio": 0.55}),
        ("squared error", {"arm": "student_mse", "ratio": 0.55, "learnt": math.nan}),
        ("dull", {"arm": "ce_rebal", "ratio": 0.6}),
        ("unknown", {"ratio": math.nan, "mean_ratio": math.nan}),
    ],
)
def test_each_reason_is_the_first_where_it_should_be(name, changes):
    bad = found(**changes)
    assert bad.reason.name == name
    assert "nan" not in f"{bad.sentence} {bad.remedy}"
    assert name != "nothing" or "little" not in [rule.name for rule in bad.also]


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("rate too high", {"lr": 0.01}),
        ("unstable", {"rising": 0.1}),
        ("decay", {"weight_decay": 1e-3, "decay": 256.0}),
        ("rate too low", {"lr": 3e-5}),
        ("too short", {"steps": 500, "views": 16_000}),
        ("few images", {"photos": 500}),
        ("memorises", {"rising": 0.1, "memorises": 1}),
        ("start", {"init": "default"}),
        ("still falling", {"falling": 0.05, "schedule": "constant"}),
        ("overconfident", {"overconfidence": 0.2}),
        ("prior of the tilt", {"prior_problem": "is wrong"}),
        ("sum of the prior", {"prior_sum": 1.0003}),
        ("peak of the prior", {"prior_peak": 14}),
    ],
)
def test_each_cause_is_named_with_little_learning_alone(name, changes):
    assert [rule.name for rule in found(**changes).causes] == [name]
    weak, strong = found(**changes, learnt=0.005), found(**changes)
    told = weak.causes[0].finding.format_map(weak.facts)
    assert told in weak.sentence and told not in strong.sentence and told in str(strong)
    assert weak.remedy == weak.causes[0].remedy.format_map(weak.facts) != strong.remedy


def test_what_the_papers_do_is_no_cause():
    zhang, chosen = load_config("zhang"), load_config("evening")
    assert zhang.lr * zhang.steps > chosen.lr * diagnosis.TRIAL_STEPS
    slow = found(lr=zhang.lr, steps=zhang.steps, schedule="steps", weight_decay=1e-3, decay=1.0, reduction="sum")
    assert not slow.causes


def test_nothing_is_concluded_from_what_is_not_known():
    bare = diagnose(Facts(arm="ce"))
    assert (bare.reason.name, bare.causes, bare.also) == ("unknown", (), ())
    assert set(bare.plain()["facts"]) == {"arm"}


# ------------------------------------------------------------------------------------------------------------- priors


def concentrated(*colours: tuple[int, int]) -> torch.Tensor:
    at = [int((torch.tensor(colour) == CENTERS).all(1).nonzero()) for colour in colours]
    return GOOD * 0.2 + torch.zeros(313).index_fill_(0, torch.tensor(at), 0.8 / len(at))


def smoothed_along_the_list() -> torch.Tensor:
    """As in public code: interpolated at 1,000 places, smoothed over 5 of them, read at the 313 again."""
    places, width = np.linspace(0, 312, 1000), np.arange(-50, 51)
    window = np.exp(-0.5 * (width / 5) ** 2)
    fine = np.convolve(np.interp(places, np.arange(313), imagenet_prior(GOOD).numpy()), window / window.sum(), "same")
    prior = np.interp(np.arange(313), places, fine)
    return torch.from_numpy(prior / prior.sum()).float()


def b_before_a() -> torch.Tensor:
    return torch.cat([GOOD[CENTERS[:, 1] == b] for b in CENTERS[:, 1].unique()])


def a_before_b_of_another_list() -> torch.Tensor:
    """The same mistake the other way: the numbers are in our order, and the list of colours is not."""
    order = torch.cat([torch.nonzero(CENTERS[:, 1] == b)[:, 0] for b in CENTERS[:, 1].unique()])
    return torch.zeros(313).index_copy(0, order, GOOD)


def smoothed_over_places(width: float) -> torch.Tensor:
    places = torch.arange(313.0)
    window = torch.exp(-0.5 * ((places[:, None] - places) / width) ** 2)
    return (window / window.sum(0)) @ imagenet_prior(GOOD)


@pytest.mark.parametrize(
    ("prior", "problem"),
    [
        (concentrated((-90, 90), (90, 70)), "has a mean chroma of 10"),
        (torch.full((313,), 1 / 313), "has a mean chroma of 72"),
        (smoothed_along_the_list(), "is smoothed along the list"),
        (smoothed_over_places(4), "is smoothed along the list"),
        (smoothed_over_places(6), "is smoothed along the list"),
        (b_before_a(), "in another order, b before a"),
        (a_before_b_of_another_list(), "in another order, b before a"),
        (GOOD.clone().index_fill_(0, torch.tensor(7), torch.nan), "not finite"),
        (torch.zeros(313), "below 0 or not finite"),
    ],
)
def test_a_wrong_prior_is_recognised(prior, problem):
    assert problem in diagnosis.prior_problem(prior)


def test_a_right_prior_passes(made):
    scenes = data_prior(made.store, made.store.rows("train"), made.config, torch.device("cpu"))
    for prior in (GOOD, imagenet_prior(GOOD), scenes):
        assert diagnosis.prior_problem(prior) == ""
        told = [rule.name for rule in diagnose(Facts(HEALTHY | diagnosis.prior_facts(prior))).causes]
        assert told == (["peak of the prior"] if prior is scenes else []), "scenes have one, and it is told as such"
    added = diagnose(Facts(HEALTHY | diagnosis.prior_facts(GOOD + 1e-6)))
    assert "its prior has the sum 1.0003" in str(added) and added.reason.name == "fine"
    facts = diagnosis.prior_facts(GOOD)
    assert facts["prior_top"][0] == [0, 0, pytest.approx(float(GOOD.max()))]
    assert facts["prior_entropy"] == pytest.approx(3.28, abs=0.01) and facts["prior_distance"] < 1e-9


# -------------------------------------------------------------------------------------------------------- what a file


@pytest.fixture(scope="module")
def made():
    return tiny.experiment()


def rewritten(made, path, arm, change=lambda network: None, **settings):
    """The run of an arm as a file, changed; what is examined of it."""
    network = load_run(next(made.runs.glob(f"{arm}-s0-*")), "cpu")
    network.passport["config"] |= settings
    change(network)
    network.save(path / "x.safetensors")
    return examine(path / "x.safetensors")[0]


def test_a_dead_layer_is_found(made, tmp_path):
    def kill(network):
        layer = [m for m in network.network.modules() if isinstance(m, nn.BatchNorm2d)][2]
        layer.running_var[: len(layer.running_var) * 4 // 5 + 1] = 0

    assert diagnose(rewritten(made, tmp_path, "l2", kill)).reason.name == "dead"
    assert rewritten(made, tmp_path, "l2")["dead"] < 0.5


def test_a_broken_prior_is_a_reason_where_it_weighs_the_loss_only(made, tmp_path):
    def spoil(network):
        network.objective.prior = concentrated((-90, 90), (90, 70))

    assert diagnose(rewritten(made, tmp_path, "ce_rebal", spoil)).reason.name == "prior"
    plain = diagnose(rewritten(made, tmp_path, "ce", spoil))
    assert plain.reason.name != "prior" and "prior of the tilt" in [rule.name for rule in plain.causes]


def test_reduction_and_decay_are_judged_together(made, tmp_path):
    summed = rewritten(made, tmp_path, "ce", weight_decay=1e-3, reduction="sum")
    mean = rewritten(made, tmp_path, "ce", weight_decay=1e-3)
    assert summed["decay"] == 1 and mean["decay"] == 8 * 8, "as many times as there are positions"
    assert "decay" in [r.name for r in diagnose(mean).causes] and "decay" not in [
        r.name for r in diagnose(summed).causes
    ]


def test_the_settings_are_those_of_the_run(made, tmp_path):
    facts = rewritten(made, tmp_path, "ce_rebal", lambda_=1.0, lr=0.1, init="default")
    assert diagnose(facts).reason.name == "weights"
    assert {"rate too high", "too short", "few images", "start"} <= {r.name for r in diagnose(facts).causes}
    assert (facts["views"], facts["photos"]) == (32, 32)
    assert "rebalanced with lambda = 1" in diagnosis.describe(facts)


def history(path, losses, plain=None, ratio=0.5, lr=1e-3):
    """A run that is not finished, of which there is only a history."""
    path.mkdir()
    rows = {"step": range(100, 100 * len(losses) + 1, 100), "lr": lr, "plain": plain or losses, "val_plain": losses}
    pd.DataFrame(rows | {"loss": plain or losses, "val_excess": 1.0, "val_chroma_ratio": ratio}).to_csv(
        path / "history.csv", index=False
    )
    return examine(path)[0]


def test_a_history_alone_says_something(tmp_path):
    facts = history(tmp_path / "ce-s0-1f0c2a9b7d", [3.4, 3.2, 3.1, 3.0])
    assert facts["falling"] == pytest.approx(1 - 3.0 / 3.1) and facts["rising"] == 0
    assert facts["learnt"] == pytest.approx(1 - 3.0 / 3.2806, abs=1e-3), "below the entropy of MiniPlaces' prior"
    assert diagnose(facts).reason.name == "unfinished" and "nan" not in diagnosis.describe(facts)
    blind = history(tmp_path / "ce-s1-1f0c2a9b7d", [3.3, 3.28], ratio=0.3)
    assert diagnose(blind).reason.name == "nothing" and not diagnose(blind).causes
    fast = history(tmp_path / "ce-s2-1f0c2a9b7d", [3.3, 3.28], lr=0.1)
    assert "Most likely because the learning rate 0.1 is far above 0.001" in diagnose(fast).sentence
    with pytest.raises(ValueError, match="does not begin with an arm: student_mse, l2"):
        history(tmp_path / "mine", [3.0])
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="empty holds no finished run"):
        examine(tmp_path / "empty")


def test_more_steps_are_no_remedy_where_few_images_were_seen_often():
    """19,200 views are few, but of 500 images each was seen 38 times."""
    often = found(learnt=0.02, photos=500, views=19_200)
    assert often.remedy == "Train on more images."
    assert found(learnt=0.02, photos=4_000, views=19_200).remedy == "Train for more steps."


def test_what_rises_is_unstable_or_learnt_by_heart(tmp_path):
    wild = history(tmp_path / "l2-s0-1", [0.02, 0.014, 0.016])
    heart = history(tmp_path / "l2-s0-2", [0.02, 0.014, 0.016], plain=[0.02, 0.014, 0.010])
    assert [r.name for r in diagnose(wild).causes] == ["unstable"]
    assert [r.name for r in diagnose(heart).causes] == ["memorises"]


# ------------------------------------------------------------------------------------------------ what images tell

COLOURS = np.array([(48, 48, 48), (20, 45, 110), (75, 40, 0), (250, 200, 120)], np.uint8)
"""Dark grey, blue and brown of the same lightness, and light orange."""
CLEAR, MIXED = (0.5, 0.5, 0.0), (0.5, 0.3, 0.2)
"""How often dark places have each dark colour: a hue or none, or two that nearly cancel."""


class Answers(nn.Module):
    """A network that gives dark positions the first, light ones the second of two answers [2, channels]."""

    def __init__(self, answers: torch.Tensor):
        super().__init__()
        self.head, self.answers = nn.Conv2d(1, 1, 1), answers

    def forward(self, L: torch.Tensor) -> torch.Tensor:
        return self.answers[(L[:, 0, ::4, ::4] > 50).long()].movedim(-1, 1)


def blocks(folder, dark):
    """20 images of 16 blocks, three in four of them dark, with colours just as often as `dark` says, as a store."""
    (folder / "in/val").mkdir(parents=True)
    often = [round(240 * share) for share in dark] + [80]
    colours = np.random.default_rng(0).permutation(COLOURS.repeat(often, 0)).reshape(20, 4, 4, 3)
    for i, image in enumerate(colours.repeat(8, 1).repeat(8, 2)):
        Image.fromarray(image).save(folder / f"in/val/{i:02}.png")
    return data.prepare(folder / "in", folder / "store", 32, progress=False)


@pytest.fixture(scope="module")
def clear(tmp_path_factory):
    return blocks(tmp_path_factory.mktemp("clear"), CLEAR)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    return blocks(tmp_path_factory.mktemp("mixed"), MIXED)


def posterior(dark) -> torch.Tensor:
    """Of the colours at dark and at light places, [2, 313]."""
    lab = rgb_to_lab(torch.from_numpy(COLOURS.T.copy())[:, None] / 255)
    soft = densify(*soft_encode(lab[1:, 0].T))
    return torch.stack([torch.tensor(dark) @ soft[:3], soft[3]])


def diagnosed(store, arm, answers, temperature=0.38, **passport) -> diagnosis.Diagnosis:
    prior = data_prior(store, store.rows("val"), load_config("evening"), torch.device("cpu"))
    config = dataclasses.replace(load_config("evening"), side=32, temperature=temperature)
    about = {"arm": arm, "run": "x", "steps": 16_000, "photos": 86_000, "profile": "evening"} | passport
    about["config"] = {"init": "he", "batch": 32, "schedule": "one_cycle", "side": 32, "temperature": temperature}
    network = Colorizer(Answers(answers(prior)), make_objective(arm, config, prior), about)
    return diagnose(diagnosis.measure(network, diagnosis._file_facts(network), store))


def logits(p: torch.Tensor) -> torch.Tensor:
    return p.clamp_min(1e-9).log()


def test_a_plain_classifier_is_dulled_by_the_decoder(mixed):
    found = diagnosed(mixed, "ce", lambda prior: logits(posterior(MIXED)))
    assert found.reason.name == "decoder" and not found.causes
    ratios = {name: row["chroma_ratio"] for name, row in found.facts["systems"].items()}
    assert ratios["ce@0.38"] < ratios["ce@1"] < ratios["ce@1~0.5"]
    assert "with ce@1~0.5" in found.sentence and "--lambda 0.5" in found.remedy
    assert found.facts["near_grey"] == pytest.approx(found.facts["near_grey_true"], abs=0.05)
    assert diagnosed(mixed, "ce", lambda prior: logits(posterior(MIXED)), temperature=1.0).reason.name == "mean"


def test_a_rebalanced_classifier_that_is_right_passes(clear):
    good = diagnosed(clear, "ce_rebal", lambda prior: logits(posterior(CLEAR) * rebalancing_weights(prior, 0.5)))
    assert good.reason.name == "fine" and not good.also
    assert good.facts["unweighted"] == pytest.approx(0, abs=0.1)


def test_forgotten_weights_are_seen_in_the_answers(clear):
    assert diagnosed(clear, "ce_rebal", lambda prior: logits(posterior(CLEAR))).reason.name == "weights"


def test_the_same_answer_for_everything_is_nothing_learnt(mixed):
    def mean_colour(prior):
        lab = torch.cat([torch.tensor([[20.0], [80.0]]), (prior @ CENTERS).expand(2, -1)], 1)
        return lab_to_rgb(lab.T[:, :, None])[:, :, 0].T - 0.5

    answers = {
        "ce": lambda p: logits(p).expand(2, -1),
        "ce_rebal": lambda p: logits(p * rebalancing_weights(p, 0.5)).expand(2, -1),
        "l2": lambda p: (p @ CENTERS / AB_SCALE).expand(2, -1),
        "l2_rebal": lambda p: (p * rebalancing_weights(p, 0.5) @ CENTERS / AB_SCALE).expand(2, -1),
        "student_mse": mean_colour,
    }
    for arm, answer in answers.items():
        blind = diagnosed(mixed, arm, answer)
        assert blind.reason.name == "nothing", arm
        assert blind.facts["learnt"] == pytest.approx(0, abs=2e-3)


def test_squared_error_gives_the_mean(mixed, clear):
    found = diagnosed(mixed, "l2", lambda prior: posterior(MIXED) @ CENTERS / AB_SCALE)
    assert found.reason.name == "squared error" and found.facts["learnt"] > diagnosis.LITTLE["l2"]
    assert diagnosed(clear, "l2", lambda prior: posterior(CLEAR) @ CENTERS / AB_SCALE).reason.name == "fine"


def test_an_arm_of_which_no_trials_are_known_is_examined_all_the_same(monkeypatch):
    monkeypatch.delitem(diagnosis.LITTLE, "ce")
    assert "little" not in [rule.name for rule in diagnose(Facts(examine(SHIPPED_CE)[0] | {"learnt": 0.02})).also]


def test_images_far_larger_than_a_network_knows_are_refused(made, mixed):
    facts, network = examine(next(made.runs.glob("ce-s0-*")))
    network.passport["image_side"] = 16
    with pytest.raises(ValueError, match="has images of 32 px, and the network has seen such of 16; give a store of"):
        diagnosis.measure(network, facts, mixed)


def test_few_images_say_only_how_vivid_a_network_is(mixed):
    facts, network = examine(SHIPPED_CE)
    for limit, known in ((1, False), (19, False), (20, True)):
        more = diagnosis.measure(network, facts, mixed, limit=limit)
        assert more["images"] == limit and more["ratio"] > 0
        assert ("learnt" in more, "hue" in more) == (known, known)


def test_vivid_and_wrong_is_brown(mixed):
    wrong = torch.tensor([(22.0, 4.0), (8.0, 45.0)]) / AB_SCALE
    found = diagnosed(mixed, "l2", lambda prior: wrong)
    assert "brown" in [rule.name for rule in (found.reason, *found.also)] and found.facts["hue"] < diagnosis.HUE


def test_another_temperature_of_the_run_is_measured(clear):
    found = diagnosed(clear, "ce", lambda prior: logits(posterior(CLEAR)), temperature=0.5)
    assert found.facts["ratio"] == found.facts["systems"]["ce@0.5"]["chroma_ratio"]


def test_the_read_out_that_a_file_names_is_judged_and_not_the_profiles(mixed):
    found = diagnosed(mixed, "ce", lambda prior: logits(posterior(MIXED)), readout="@0.58~0.5")
    assert found.facts["usual"] == "ce@0.58~0.5" and found.facts["ratio"] > found.facts["mean_ratio"]
    assert not {"decoder", "mean"} & {rule.name for rule in (found.reason, *found.also)}, "it is tilted already"
    facts = examine(SHIPPED_CE)[0]
    assert "tilted" in facts and "T = 0.38" not in diagnose(facts).sentence


def test_a_network_with_an_impossible_prior_is_not_measured(made, clear, tmp_path):
    def spoil(network):
        network.objective.prior = torch.full((313,), torch.nan)

    rewritten(made, tmp_path, "ce_rebal", spoil)
    facts, network = examine(tmp_path / "x.safetensors")
    assert diagnose(diagnosis.measure(network, facts, clear)).reason.name == "prior"


# ---------------------------------------------------------------------------------------------------------- command


def test_the_command_tells_and_writes(made, tmp_path, capsys):
    run = next(made.runs.glob("ce-s0-*"))
    command = ["doctor", str(run), "--data", str(made.store.path), "--json", str(tmp_path / "x.json")]
    assert cli.main(command) == 0
    out, told = capsys.readouterr().out, json.loads((tmp_path / "x.json").read_text())
    for text in (run.name, "prior: sum 1.0000", "history: ", "ce@1:median", told["sentence"], told["remedy"]):
        assert text in out
    assert out.count("training: ") == 1, "what the file tells is told once"
    assert told["reason"] in {rule.name for rule in diagnosis.REASONS} and told["facts"]["images"] == tiny.IMAGES["val"]
    assert cli.main(["doctor", str(run)]) == 0 and "distributions" not in capsys.readouterr().out


def test_a_run_that_is_not_finished_cannot_be_measured(made, tmp_path, capsys):
    history(tmp_path / "ce-s0-1", [3.3, 3.2])
    assert cli.main(["doctor", str(tmp_path / "ce-s0-1"), "--data", str(made.store.path)]) == 2
    assert "ce-s0-1 is not finished and cannot be measured yet" in capsys.readouterr().err
    run = next(made.runs.glob("ce-s0-*"))
    assert cli.main(["doctor", str(run), "--data", str(made.store.path), "--split", "tst"]) == 2
    out, err = capsys.readouterr()
    assert "no images in split 'tst'" in err and not out, "before anything is told"


def test_views_are_counted_with_those_of_the_runs_before():
    best, ce = (diagnosis.examine(SHIPPED_CE.with_stem(name))[0] for name in ("best", "ce"))
    assert ce["views"] == ce["batch"] * ce["steps"] and "earlier" not in ce
    cycles, rest = divmod(best["views"], ce["views"])
    assert cycles > 1 and not rest, "each cycle is as long"
    assert best["earlier"].count("ce-s0-") == cycles - 1 and ce["run"] in best["earlier"]
    assert f"it went on from {best['earlier']}" in diagnosis.describe(best)
