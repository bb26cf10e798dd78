"""Where a result comes from, and on which machines it can be computed or read."""

import dataclasses
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from trainings import CPU, TINY, same_weights

from colorize_lib import config as settings
from colorize_lib import devices
from colorize_lib.colorizer import WEIGHTS, Colorizer, load_run
from colorize_lib.devices import pick_device
from colorize_lib.training.loop import Run, train_run
from colorize_lib.training.provenance import commit


def test_the_passport_says_where_a_network_comes_from(finished, store):
    about = load_run(finished["ce"]).passport
    assert about["run"] == finished["ce"].name and (about["arm"], about["seed"]) == ("ce", 0)
    assert about["config"] == settings.identity(TINY) | {"side": 16, "temperature": 0.38}
    assert about["data"] == store.fingerprint(store.rows("train", 24)) and about["photos"] == 24
    assert about["steps"] == 6 and about["seconds"] > 0 and 50 < about["peak_memory_mb"] < 1e6
    assert about["versions"]["torch"] == torch.__version__ and about["commit"] and about["device"].startswith("CPU")
    assert about["precision"] == "fp32" and json.loads(json.dumps(about)) == about


def repository(folder: Path) -> Path:
    """A repository with one commit."""
    folder.mkdir()
    git = ["git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    return folder


def test_the_commit_is_that_of_the_repository_that_holds_the_package(tmp_path):
    theirs = repository(tmp_path / "theirs")
    installed = theirs / "site-packages"
    (installed / "colorize_lib").mkdir(parents=True)
    (installed / "pyproject.toml").write_text('name = "colorize-lib"')
    assert commit(installed) == commit(theirs) == commit(tmp_path) == "not under git"
    ours = repository(tmp_path / "ours")
    (ours / "colorize_lib").mkdir()
    (ours / "pyproject.toml").write_text('[project]\nname = "colorize-lib"\n')
    assert len(bytes.fromhex(commit(ours).zfill(8))) >= 4


def test_devices():
    assert pick_device("cpu") == CPU
    with pytest.raises(ValueError, match="device='tpu' is not possible; allowed: auto, cpu, cuda"):
        pick_device("tpu")
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_a_gpu_computes_as_asked_whatever_was_computed_before():
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] in (":4096:8", ":16:8")  # what PyTorch's deterministic mode demands
    assert not torch.backends.cudnn.allow_tf32 and not torch.backends.cuda.matmul.allow_tf32


@pytest.fixture
def units(monkeypatch):
    """Says which instructions for bf16 the processor has."""

    def has(*names: str) -> None:
        for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"):
            monkeypatch.setattr(torch.cpu, name, lambda name=name: name in names, raising=False)

    return has


@pytest.mark.parametrize("unit", ["_is_amx_tile_supported", "_is_avx512_bf16_supported"])
def test_half_precision_is_for_hardware_with_units_for_it(store, tmp_path, units, unit):
    asked = dataclasses.replace(TINY, precision="bf16", steps=1)
    units()
    with pytest.raises(ValueError, match=r"precision='bf16' is not possible on CPU.*; give `-p precision fp32`"):
        train_run(asked, "l2", 0, store, tmp_path, log=None)
    assert not list(tmp_path.iterdir()), "refused before anything is made"
    with pytest.raises(ValueError, match="precision='bf16' is not possible"):
        Run(asked, "l2", 0, store, tmp_path).prepare()

    units(unit)
    run = Run(asked, "l2", 0, store, tmp_path)
    run.prepare()
    assert torch.isfinite(run.take_step()).all() and run.passport["precision"] == "bf16"
    assert all(p.dtype == torch.float32 and p.grad.dtype == torch.float32 for p in run.network.parameters())
    run.folder.mkdir()
    run.finish()
    units()
    assert train_run(asked, "l2", 0, store, tmp_path, log=None) == run.folder, "a finished run can be read anywhere"
    assert load_run(run.folder).passport["precision"] == "bf16"


def test_a_run_of_a_gpu_is_read_on_a_processor(finished, store, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    elsewhere = dataclasses.replace(TINY, device="cuda", resident=True, deterministic=True)
    runs = finished["ce"].parent
    run = Run(elsewhere, "ce", 0, store, runs)
    assert run.state == "finished" and train_run(elsewhere, "ce", 0, store, runs, log=None) == finished["ce"]
    with pytest.raises(ValueError, match="device='cuda' asked for, but PyTorch sees no CUDA device"):
        train_run(elsewhere, "ce", 1, store, tmp_path, log=None)

    trained = load_run(finished["ce"])
    passport = trained.passport | {"device": "NVIDIA H100", "precision": "bf16"}
    passport["config"] = passport["config"] | {"precision": "bf16"}
    (tmp_path / "gpu").mkdir()
    Colorizer(trained.network, trained.objective, passport).save(tmp_path / "gpu" / WEIGHTS)
    assert same_weights(tmp_path / "gpu", finished["ce"])
    assert torch.isfinite(load_run(tmp_path / "gpu").predict(store.pixels[:1])[0]).all()


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux forgets a peak")
def test_the_peak_of_memory_is_that_of_one_run():
    assert np.ones(25_000_000).sum() > 0  # 200 MB, given back at once
    before = devices.peak_memory(CPU)
    devices.reset_peak_memory(CPU)
    assert devices.peak_memory(CPU) < before - 100e6
