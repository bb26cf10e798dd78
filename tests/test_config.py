"""Profiles, parameters and their refusals, and the names of runs."""

import dataclasses
import re

import pytest

from colorize_lib import config
from colorize_lib.config import ARMS, CHOICES, PROFILES, Config, from_identity, identity, load_config, run_id

# ------------------------------------------------------------------------------------------------------- profiles


@pytest.mark.parametrize("profile", PROFILES)
def test_every_profile_loads(profile):
    made = load_config(profile)
    assert made.profile == profile
    assert dataclasses.asdict(made) == dataclasses.asdict(Config()) | PROFILES[profile] | {"profile": profile}


def test_every_profile_names_only_fields():
    names = {field.name for field in dataclasses.fields(Config)}
    assert all(set(values) <= names for values in PROFILES.values())


def test_profiles_keep_what_the_papers_say():
    student, zhang = load_config("student"), load_config("zhang")
    assert (student.batch, student.epochs, student.side, student.lr) == (256, 30, 64, 1e-3)
    assert (student.betas, student.eps, student.weight_decay) == ((0.9, 0.999), 1e-8, 0)
    assert (zhang.batch, zhang.side, zhang.lr, zhang.betas) == (40, 176, 3.16e-5, (0.9, 0.99))
    # the strength of coupled weight decay depends on the reduction, so a profile fixes both
    assert (zhang.weight_decay, zhang.reduction) == (1e-3, "sum")
    for other in map(load_config, ("zhang_older", "zhang_paper")):  # the same but for the schedule
        schedule = {name: getattr(zhang, name) for name in ("profile", "lr", "lr_steps", "lr_factor", "lr_values")}
        assert dataclasses.replace(other, **schedule) == zhang != other


def test_configurations_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_config().batch = 3


def test_unknown_profile():
    with pytest.raises(
        ValueError, match=r"profile='huge' is unknown; choose one of smoke, laptop, ablation, evening, student"
    ):
        load_config("huge")


# ------------------------------------------------------------------------------------------- parameters and types


def test_what_papermill_and_the_command_line_can_say():
    made = load_config("smoke", arms=["l2", "ce"], seeds=[0.0, 1], betas=[0, "0.5"], steps="7", lr="2e-3", flip="false")
    assert made.arms == ("l2", "ce") and made.betas == (0.0, 0.5) and made.lr == 2e-3
    assert made.seeds == (0, 1) and all(type(seed) is int for seed in made.seeds)
    assert (made.steps, type(made.steps), made.flip) == (7, int, False)
    assert load_config(seeds=3).seeds == (3,)
    assert load_config(arms="ce").arms == ("ce",)
    assert hash(made) == hash(dataclasses.replace(made))


def test_no_seeds_are_all_recorded_ones_or_seed_0_for_training():
    assert load_config("laptop", seeds=[]).seeds == ()
    assert load_config("laptop", seeds=[], data="pictures").seeds == load_config("smoke", seeds=[]).seeds == (0,)


@pytest.mark.parametrize("empty", ["", None])
def test_empty_data_keeps_that_of_the_profile(empty):
    assert load_config("smoke", data=empty).data == "synthetic"
    assert load_config("smoke", data="elsewhere").data == "elsewhere"


def test_off_is_read_though_yaml_makes_false_of_it():
    assert load_config(compile=False).compile == "off" and load_config(flip=False).flip is False


def test_unknown_parameter_suggests_the_nearest():
    with pytest.raises(
        ValueError, match=r"parameter 'seed' is unknown; did you mean 'seeds'\? Allowed: .*weight_decay"
    ):
        load_config(seed=1)
    with pytest.raises(ValueError, match=r"parameter 'xyzzy' is unknown\. Allowed: "):
        load_config(xyzzy=1)


UNREADABLE = [
    ("side", "big"),
    ("side", 64.5),
    ("steps", None),
    ("steps", float("inf")),
    ("batch", float("nan")),
    ("lr", "fast"),
    ("flip", "maybe"),
    ("flip", 2),
    ("seeds", [0, "a"]),
    ("seeds", 1.5),
    ("seeds", None),
    ("betas", ["x", 0.9]),
    ("arms", None),
    ("arms", 5),
]
IMPOSSIBLE = [
    ("arms", [], "student_mse, l2, l2_rebal, ce, ce_rebal"),
    ("arms", ["l3"], "student_mse, l2, l2_rebal, ce, ce_rebal"),
    ("arms", ["l2", "l2"], "each arm once"),
    ("seeds", [-1], "integers from 0, below 2**53"),
    ("seeds", [1, 1], "each seed once"),
    ("side", 60, "a multiple of 8, at least 16"),
    ("side", 8, "a multiple of 8, at least 16"),
    ("train_photos", -1, "0 or more"),
    ("width", 0, "above 0, at most 4"),
    ("width", 5, "above 0, at most 4"),
    ("width", float("nan"), "above 0, at most 4"),
    ("neighbours", 0, "1 to 313"),
    ("neighbours", 314, "1 to 313"),
    ("sigma", 0, "a finite number above 0"),
    ("sigma", float("inf"), "a finite number above 0"),
    ("lambda_", -0.1, "0 to 1"),
    ("lambda_", 1.1, "0 to 1"),
    ("temperature", 0, "a finite number above 0"),
    ("batch", 0, "1 or more"),
    ("steps", -1, "0 or more"),
    ("steps", 0, "above 0 where epochs is 0"),
    ("epochs", -1, "0 or more"),
    ("epochs", float("inf"), "0 or more"),
    ("lr", -1e-3, "a finite number above 0"),
    ("lr", float("nan"), "a finite number above 0"),
    ("betas", [0.9], "two numbers in [0, 1)"),
    ("betas", [0.9, 1.0], "two numbers in [0, 1)"),
    ("betas", 0.9, "two numbers in [0, 1)"),
    ("eps", 0, "a finite number above 0"),
    ("weight_decay", -1e-3, "0 or more"),
    ("weight_decay", float("inf"), "0 or more"),
    ("lr_factor", 0, "a finite number above 0"),
    ("eval_every", 0, "1 or more"),
    ("checkpoint_seconds", -1, "0 or more"),
    ("test_photos", -1, "0 or more"),
    ("init_part", "trunk", "whole where init_from is not given"),
    ("seeds", [2**53], "integers from 0, below 2**53"),
    ("lr_steps", [30, 20], "steps above 0, in order, each once"),
    ("lr_steps", [0, 20], "steps above 0, in order, each once"),
    ("lr_values", [1e-5], "none, or one for each of lr_steps"),
    *((name, "other", ", ".join(choices)) for name, choices in CHOICES.items()),
]


@pytest.mark.parametrize(("name", "value"), UNREADABLE, ids=str)
def test_a_value_of_the_wrong_kind_is_refused_with_an_example(name, value):
    with pytest.raises(ValueError) as refusal:
        load_config(**{name: value})
    text = str(refusal.value)
    assert text.startswith(f"{name}=") and ("it should look like" in text or "allowed: " in text)


@pytest.mark.parametrize(("name", "value", "allowed"), IMPOSSIBLE, ids=str)
def test_an_impossible_value_is_refused_with_what_is_allowed(name, value, allowed):
    with pytest.raises(ValueError, match=rf"^{name}=.* is not possible; allowed: .*{re.escape(allowed)}"):
        load_config(**{name: value})


def test_an_arm_has_its_own_recipe_unless_one_is_given():
    usual = load_config("evening")
    assert usual.for_arm("ce") == usual and usual.for_arm("student_mse").lr == 2 * usual.lr
    assert usual.for_arm("student_mse").init == "default" != usual.init
    given = load_config("evening", lr=usual.lr)
    assert given.for_arm("student_mse") == given, "what was asked for is trained, for trials of rates"
    assert run_id(usual.for_arm("ce"), "ce", 0, "x") == run_id(given, "ce", 0, "x")


def test_weights_of_another_network_are_not_scaled_by_data():
    with pytest.raises(
        ValueError, match="init='data' is not possible; allowed: default or he where init_from is given"
    ):
        load_config(init="data", init_from="a run")


def test_every_field_is_checked():
    free = {"profile", "data", "init_from", "prior"}  # own message, any text, looked at by a run
    free |= {field.name for field in dataclasses.fields(Config) if isinstance(field.default, bool)}  # yes or no
    checked = {name for name, _, _ in IMPOSSIBLE}
    assert checked | free == {field.name for field in dataclasses.fields(Config)}


# ------------------------------------------------------------------------------------------------- names of runs

PLAIN = Config(width=0.25, steps=10)


def test_a_run_keeps_its_name():
    # written down once: a change here orphans every finished run
    assert run_id(PLAIN, "ce", 0, "0123456789abcdef") == "ce-s0-e2686cb70c"
    assert identity(PLAIN) == {"width": 0.25, "steps": 10}
    assert identity(Config()) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [("profile", "zhang"), ("data", "x"), ("arms", ("l2",)), ("seeds", (4,)), ("temperature", 1.0), ("device", "cpu")]
    + [("eval_every", 1), ("init_from", "a folder"), ("prior", "a file")],
)
def test_what_does_not_change_the_network_does_not_change_the_name(name, value):
    other = dataclasses.replace(PLAIN, **{name: value})
    assert run_id(other, "ce", 0, "f") == run_id(PLAIN, "ce", 0, "f")


def test_everything_else_changes_the_name():
    changes = {
        "side": 32, "train_photos": 5, "flip": False, "architecture": "other", "width": 1.0, "affine": True,
        "activation": "leaky_relu", "init": "data", "neighbours": 10, "sigma": 4.0, "lambda_": 0.25, "batch": 8,
        "steps": 11, "epochs": 1.0, "lr": 1e-4, "betas": (0.9, 0.99), "eps": 1e-7, "weight_decay": 1e-3,
        "schedule": "steps", "lr_steps": (3,), "lr_factor": 0.1, "lr_values": (1e-5,), "reduction": "sum",
        "precision": "bf16",
    }  # fmt: skip
    assert set(changes) | set(config._NOT_IDENTITY) == {field.name for field in dataclasses.fields(Config)}
    names = [run_id(dataclasses.replace(PLAIN, **{k: v}), "ce", 0, "f") for k, v in changes.items()]
    names += [run_id(PLAIN, arm, seed, data) for arm in ARMS for seed in (0, 1) for data in "fg"]
    assert len(set(names)) == len(changes) + len(ARMS) * 2 * 2


def test_what_files_hold_changes_the_name():
    names = {run_id(PLAIN, "ce", 0, "f", contents) for contents in (None, {"parent": "a"}, {"parent": "b"})}
    assert len(names) == 3 and run_id(PLAIN, "ce", 0, "f", {}) == run_id(PLAIN, "ce", 0, "f")


def test_a_new_field_does_not_rename_old_runs(monkeypatch):
    wider = dataclasses.make_dataclass("Config", [("dropout", float, 0.0)], bases=(Config,), frozen=True)
    before = run_id(PLAIN, "l2", 1, "f")
    monkeypatch.setattr(config, "Config", wider)
    assert run_id(wider(width=0.25, steps=10), "l2", 1, "f") == before
    assert run_id(wider(width=0.25, steps=10, dropout=0.5), "l2", 1, "f") != before


@pytest.mark.parametrize("profile", PROFILES)
def test_identity_and_back(profile):
    made = load_config(profile)
    back = from_identity(identity(made))
    assert identity(back) | {"steps": made.steps} == identity(made) | {"steps": made.steps}


def test_from_identity_checks_too():
    assert from_identity({"width": 0.25}, side=32, temperature=1.0).side == 32
    with pytest.raises(ValueError, match="side=60"):
        from_identity({"width": 0.25}, side=60)
