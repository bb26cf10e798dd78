"""A run that starts from another's weights: what is taken over, what it is called, and what is refused."""

import dataclasses
import shutil

import pytest
import torch
from trainings import TINY, same_run

from colorize_lib.colorizer import WEIGHTS, Colorizer, load_run
from colorize_lib.config import ARMS
from colorize_lib.networks import make_network
from colorize_lib.training.loop import Run, train_run
from colorize_lib.training.parent import REMEMBERED


def child(parent, part="whole", **changes):
    return dataclasses.replace(TINY, init_from=str(parent), init_part=part, **changes)


def prepared(config, arm, store, runs) -> Run:
    run = Run(config, arm, 0, store, runs)
    run.prepare()
    return run


def differing(one: dict, other: dict) -> set[str]:
    assert one.keys() == other.keys()
    return {name for name in one if not torch.equal(one[name], other[name])}


def test_a_whole_network_is_taken_over(finished, store, tmp_path):
    parent = load_run(finished["ce"]).network.state_dict()
    for place in (finished["ce"], finished["ce"] / WEIGHTS):
        run = prepared(child(place), "ce_rebal", store, tmp_path)
        assert not differing(run.network.state_dict(), parent)
    fresh = prepared(TINY, "ce_rebal", store, tmp_path).network.state_dict()
    assert {"trunk.conv1.0.weight", "trunk.conv3.6.running_mean", "head.bias"} <= differing(fresh, parent)


def test_a_trunk_is_taken_over_with_its_statistics_and_the_head_is_fresh(finished, store, tmp_path):
    run = prepared(child(finished["ce"], "trunk", init="he"), "l2", store, tmp_path)
    parent = load_run(finished["ce"]).network
    assert not differing(run.network.trunk.state_dict(), parent.trunk.state_dict())
    fresh = make_network(dataclasses.replace(TINY, init="he"), 2, 0)
    assert not differing(run.network.head.state_dict(), fresh.head.state_dict())


def test_the_name_follows_the_parents_content_and_not_its_place(finished, store, tmp_path):
    moved = shutil.copytree(finished["ce"], tmp_path / "elsewhere")
    exported = load_run(finished["ce"])
    exported.passport |= {"terms": "another word in the file"}
    exported.save(tmp_path / "exported.safetensors")
    places = (finished["ce"], moved, tmp_path / "exported.safetensors")
    same = {Run(child(place), "ce", 0, store).folder.name for place in places}
    others = {Run(child(finished[arm]), "ce", 0, store).folder.name for arm in ("ce_rebal",)}
    others |= {Run(child(moved, "trunk"), "ce", 0, store).folder.name, finished["ce"].name}
    assert len(same) == 1 and len(others) == 3 and not same & others


def test_the_passport_tells_all_ancestors(finished, store, tmp_path):
    first = train_run(child(finished["ce"], steps=2), "ce_rebal", 0, store, tmp_path, log=None)
    second = train_run(child(first, "trunk", steps=2), "l2", 0, store, tmp_path, log=None)
    about = load_run(second).passport
    assert (about["parent"]["run"], about["parent"]["arm"], about["parent"]["seed"]) == (first.name, "ce_rebal", 0)
    assert about["parent"]["part"] == "trunk" and len(about["parent"]["sha256"]) == 64
    grandparent = about["parent"]["passport"]["parent"]
    assert (grandparent["part"], grandparent["run"]) == ("whole", finished["ce"].name)
    assert grandparent["passport"] == load_run(finished["ce"]).passport
    assert str(tmp_path) not in str(about), "where files lay is nobody's business"


def test_a_run_is_resumed_and_read_without_its_parent(finished, store, tmp_path):
    once = train_run(child(finished["ce"]), "ce", 0, store, tmp_path / "once", log=None)
    parent = shutil.copytree(finished["ce"], tmp_path / "parent")
    begun = train_run(child(parent), "ce", 0, store, tmp_path / "runs", log=None, stop_after=2)
    shutil.rmtree(parent)
    assert train_run(child(parent), "ce", 0, store, tmp_path / "runs", log=None) == begun
    assert same_run(once, begun) and load_run(begun).passport["parent"] == load_run(once).passport["parent"]
    assert Run(child(parent), "ce", 0, store, tmp_path / "runs").state == "finished"
    with pytest.raises(FileNotFoundError, match="init_from=.*parent.*holds no finished run"):
        Run(child(parent), "ce", 1, store, tmp_path / "runs")  # another seed was never begun
    assert sorted(path.name for path in begun.iterdir()) == ["history.csv", WEIGHTS, REMEMBERED]


@pytest.mark.parametrize(
    ("changes", "arm", "said"),
    [
        ({"width": 1 / 8}, "ce", "its width is 0.0625, that of this run 0.125; they must agree"),
        ({"activation": "leaky_relu"}, "ce", "its activation is 'relu', that of this run 'leaky_relu'"),
        ({"affine": True}, "ce", "its affine is False, that of this run True"),
        ({}, "l2", r"its head \(ce\) has 313 channels, that of l2 2; init_part='trunk' leaves the head out"),
    ],
    ids=str,
)
def test_a_parent_that_does_not_fit_is_refused(finished, store, changes, arm, said):
    with pytest.raises(ValueError, match=f"init_from='.*': {said}"):
        Run(child(finished["ce"], **changes), arm, 0, store)


def test_what_is_no_network_is_refused_before_anything_is_made(store, tmp_path):
    (tmp_path / "note.safetensors").write_text("not a network")
    for place, kind, said in (("note.safetensors", ValueError, "no network"), ("gone", FileNotFoundError, "holds no")):
        with pytest.raises(kind, match=f"init_from='.*{place}'.*{said}"):
            train_run(child(tmp_path / place), "ce", 0, store, tmp_path / "runs", log=None)
    assert not (tmp_path / "runs").exists()


def test_a_parent_that_changes_between_setting_up_and_beginning_is_noticed(finished, store, tmp_path):
    path = shutil.copytree(finished["ce"], tmp_path / "parent")
    run = Run(child(path), "ce", 0, store, tmp_path)
    network = load_run(path)
    network.network.head.bias.data += 1
    Colorizer(network.network, network.objective, network.passport).save(path / WEIGHTS)
    with pytest.raises(ValueError, match="another network than when this run was set up"):
        run.prepare()


def test_every_arm_can_start_from_every_trunk(finished, store, tmp_path):
    names = {Run(child(finished[old], "trunk"), new, 0, store).folder.name for old in ARMS for new in ARMS}
    assert len(names) == len(ARMS) ** 2


def test_a_trunk_that_ends_elsewhere_is_refused(store, tmp_path):
    config = dataclasses.replace(TINY, architecture="siggraph17", steps=1)
    parent = train_run(config, "ce", 0, store, tmp_path, log=None)
    said = r"its trunk \(ce\) ends with conv8, that of l2 with conv10; they must agree"
    with pytest.raises(ValueError, match=said):
        Run(child(parent, "trunk", architecture="siggraph17"), "l2", 0, store)
    with pytest.raises(ValueError, match="its architecture is 'siggraph17', that of this run 'eccv16'"):
        Run(child(parent), "ce", 0, store)
    taken = prepared(child(parent, architecture="siggraph17"), "ce_rebal", store, tmp_path)
    assert not differing(taken.network.state_dict(), load_run(parent).network.state_dict())
