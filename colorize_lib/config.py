"""What one experiment is made of: arms, profiles and the frozen `Config` that every other module reads.

A profile is a short list of differences from the defaults of `Config`. Parameters arrive as plain values
(from papermill or the command line), pass through `load_config`, and are refused there if they are unknown
or impossible, before anything slow begins.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import math
from dataclasses import dataclass
from itertools import pairwise

ARMS = ("student_mse", "l2", "l2_rebal", "ce", "ce_rebal")
"""The objectives, from the student's to Zhang's full method; `l2_rebal`, which neither paper has, completes the square
of loss and rebalancing."""
BEST = "best"
"""Name under which a `ce` ships that went on for further cycles, for photographs; networks that are named by their arms
were trained alike."""

CHOICES = {
    "architecture": ("eccv16", "eccv16_kernel_minus", "eccv16_kernel_plus", "eccv16_stride", "siggraph17"),
    "activation": ("relu", "leaky_relu"),
    "init": ("default", "data", "he"),
    "init_part": ("whole", "trunk"),
    "schedule": ("constant", "one_cycle", "steps"),
    "reduction": ("mean", "sum"),
    "device": ("auto", "cpu", "cuda"),
    "precision": ("fp64", "fp32", "bf16"),
    "compile": ("off", "default", "reduce-overhead"),
}


@dataclass(frozen=True)
class Config:
    """Every setting of an experiment; `load_config` is the way to make one.

    The first block says what to compare, the others how one network is built, trained and decoded.
    Fields that change a trained network enter the run's identity (`run_id`); the others do not.
    """

    profile: str = "smoke"
    data: str = ""  # store, Parquet file or folder, image folder, or "synthetic"; "" reads recorded results
    arms: tuple[str, ...] = ARMS
    seeds: tuple[int, ...] = (0,)  # without data also (): all that are recorded
    # images
    side: int = 64  # training side in pixels (the crop, where images are larger), a multiple of 8
    train_photos: int = 0  # the first so many training images; 0 takes all
    flip: bool = True  # mirror half of the images
    # network (facts: Zhang et al. 2016, released training net v2)
    architecture: str = "eccv16"
    width: float = 1.0
    activation: str = "relu"
    affine: bool = False
    init: str = "default"
    init_from: str = ""  # folder of a finished run, or file of a network, whose weights a run starts from; "": none
    init_part: str = "whole"  # of these weights; "trunk": the head's are drawn as `init` says
    # targets and decoding
    neighbours: int = 5  # 5 in the paper, 10 in the released Caffe layer
    sigma: float = 5.0
    lambda_: float = 0.5
    prior: str = ""  # of the colours: "" that of the training images, "imagenet", or a .csv or .npy file of 313 numbers
    temperature: float = 0.38
    # optimisation
    batch: int = 64
    steps: int = 0  # 0: take `epochs`
    epochs: float = 0.0
    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0  # coupled L2, as in Caffe and torch.optim.Adam
    schedule: str = "constant"
    lr_steps: tuple[int, ...] = ()  # schedule "steps": multiply lr by `lr_factor` at each of these
    lr_factor: float = 0.316
    lr_values: tuple[float, ...] = ()  # in place of the factor: the learning rates after each of these
    reduction: str = "mean"  # over the batch and positions; "sum" divides by the batch only, as Caffe prints
    # how to run
    recipe: bool = True  # arms have their own start and rate where the profile's trials chose so (`RECIPES`)
    test_photos: int = 0  # the first so many test images are measured; 0 takes all
    device: str = "auto"
    precision: str = "fp32"
    eval_every: int = 200  # steps between two validation passes, each with a checkpoint,
    checkpoint_seconds: float = 0.0  # unless the one before is younger than this
    # switches: what is fast, without a part in what is computed but for rounding
    channels_last: bool = True  # memory layout of the network
    fused: bool = True  # Adam as one kernel
    resident: bool = True  # the training images in the memory of the GPU, if they fit
    compile: str = "off"  # mode of torch.compile; "reduce-overhead" records CUDA graphs
    deterministic: bool = False  # the same bits in every run on CUDA, too, and slower

    def for_arm(self, arm: str) -> Config:
        """The settings with which an arm is trained: its own of `RECIPES`, unless one of these was given."""
        own = RECIPES.get(self.profile, {}).get(arm, {}) if self.recipe else {}
        return dataclasses.replace(self, **own)


FIELDS = {field.name: field.default for field in dataclasses.fields(Config)}
"""Every setting by name, with its default."""
SWITCHES = ("channels_last", "fused", "resident", "compile", "deterministic")
_BY_CONTENT = ("init_from", "init_part", "prior")  # a run is known by what is in these files, see `run_id`
_NOT_IDENTITY = ("profile", "data", "arms", "seeds", "temperature", "recipe", "test_photos", "device", "eval_every",
                 "checkpoint_seconds", *_BY_CONTENT, *SWITCHES)  # fmt: skip

PROFILES: dict[str, dict] = {
    # Everything at toy size: made for tests, continuous integration and one live training in the book.
    "smoke": {
        "data": "synthetic",
        "side": 32,
        "train_photos": 512,
        "width": 0.125,
        "batch": 32,
        "steps": 48,
        "lr": 3e-3,
        "schedule": "one_cycle",
        "precision": "fp64",  # training magnifies rounding: in fp32 no two kinds of processor agree on two digits
        "eval_every": 6,
    },
    # A first real result on two CPU cores, in about half an hour an arm: a sixth of MiniPlaces, a quarter of the width.
    "laptop": {
        "train_photos": 14386,
        "width": 0.25,
        "batch": 32,
        "steps": 4000,
        "lr": 2e-3,
        "schedule": "one_cycle",
        "eval_every": 200,
    },
    # For variants, grids and doses: six minutes a run. Initialisation and rate as the trials of `evening` chose.
    "ablation": {
        "train_photos": 14386,
        "width": 0.125,
        "batch": 32,
        "steps": 4000,
        "lr": 1e-3,
        "schedule": "one_cycle",
        "init": "he",
        "eval_every": 200,
        "test_photos": 1000,
    },
    # The book's main results: all photographs, 512,000 views, one to two hours a run on two cores.
    "evening": {
        "width": 0.25,
        "batch": 32,
        "steps": 16_000,
        "lr": 1e-3,
        "schedule": "one_cycle",
        "init": "he",
        "eval_every": 500,
        "checkpoint_seconds": 120,
    },
    # The student paper's budget: 30 epochs of 256 at 64 px, Adam 1e-3 (.9, .999) 1e-8, no decay mentioned.
    "student": {
        "width": 1.0,
        "batch": 256,
        "epochs": 30,
        "precision": "bf16",
        "eval_every": 500,
        "checkpoint_seconds": 60,
    },
    # The original's: crops of 176, batch 40, the newer of the two stored Caffe schedules.
    "zhang": {
        "side": 176,
        "batch": 40,
        "steps": 450_000,
        "lr": 3.16e-5,
        "betas": (0.9, 0.99),
        "weight_decay": 1e-3,
        "schedule": "steps",
        "lr_steps": (215_000, 430_000),
        "init": "data",
        "neighbours": 10,
        "reduction": "sum",
        "eval_every": 5000,
    },
}
# For 64 px against 128, with `-p side 128`: photographs that are there at both sizes.
PROFILES["ablation-128"] = PROFILES["ablation"] | {"train_photos": 8000}
# The older of the two stored schedules, and the one that the paper states and neither file has.
PROFILES["zhang_older"] = PROFILES["zhang"] | {"lr": 3e-5, "lr_steps": (225_000,), "lr_factor": 0.1}
PROFILES["zhang_paper"] = PROFILES["zhang"] | {"lr": 3e-5, "lr_steps": (200_000, 375_000), "lr_values": (1e-5, 3e-6)}

RECIPES = {name: {"student_mse": {"init": "default", "lr": 2e-3}} for name in ("evening", "ablation", "ablation-128")}
"""What the same trials chose for single arms, where it is not what they chose for the rest."""


def load_config(profile: str = "smoke", **overrides) -> Config:
    """Build the configuration of `profile` with some fields replaced.

    An empty `data` keeps the profile's own. Empty `seeds` mean seed 0 where networks are trained and, without data, all
    seeds that are recorded. Lists become tuples and whole floats become ints where the field
    wants it, because papermill and the command line know no tuples. Raises `ValueError` naming the value and what
    is allowed.
    """
    if not isinstance(profile, str) or profile not in PROFILES:
        raise ValueError(f"profile={profile!r} is unknown; choose one of {', '.join(PROFILES)}")
    if not overrides.get("data", True):
        del overrides["data"]
    for name in overrides:
        if name not in FIELDS:
            close = difflib.get_close_matches(name, FIELDS, 1)
            hint = f"; did you mean {close[0]!r}?" if close else "."
            raise ValueError(f"parameter {name!r} is unknown{hint} Allowed: {', '.join(sorted(FIELDS))}")
    values = {"profile": profile, **PROFILES[profile], **{k: _plain(k, v) for k, v in overrides.items()}}
    values.setdefault("recipe", not any(overrides.keys() & own for own in RECIPES.get(profile, {}).values()))
    if values.get("seeds") == () and values.get("data"):
        del values["seeds"]
    config = Config(**values)
    _check(config)
    return config


def _plain(name: str, value):
    """Bring one value to its field's type, or say why that is impossible."""
    default = FIELDS[name]
    try:
        if isinstance(default, tuple):
            if isinstance(value, str | int | float):
                value = (value,)
            kind = {"arms": str, "betas": float, "lr_values": float}.get(name, int)
            return tuple(_number(kind, item) if kind is not str else str(item) for item in value)
        if isinstance(default, bool):
            if value not in (True, False, "true", "false", "True", "False"):
                raise ValueError
            return value in (True, "true", "True")
        if isinstance(default, str):
            return "off" if value is False else str(value)  # which YAML, as papermill reads it, makes of off
        return _number(type(default), value)
    except (TypeError, ValueError, OverflowError):  # int(inf) overflows
        raise ValueError(f"{name}={value!r} cannot be read; it should look like {default!r}") from None


def _number(kind: type, value):
    number = float(value)
    if kind is int and number != int(number):
        raise ValueError
    return kind(number)


def _check(config: Config) -> None:
    """Refuse impossible values, each with what would be allowed."""

    def need(ok: bool, name: str, allowed: str) -> None:
        if not ok:
            raise ValueError(f"{name}={getattr(config, name)!r} is not possible; allowed: {allowed}")

    need(len(config.arms) > 0 and set(config.arms) <= set(ARMS), "arms", f"some of {', '.join(ARMS)}")
    need(len(set(config.arms)) == len(config.arms), "arms", "each arm once")
    need(all(0 <= seed < 2**53 for seed in config.seeds), "seeds", "integers from 0, below 2**53")
    need(len(set(config.seeds)) == len(config.seeds), "seeds", "each seed once")
    need(config.side >= 16 and config.side % 8 == 0, "side", "a multiple of 8, at least 16")
    need(0 < config.width <= 4, "width", "above 0, at most 4")
    for name, choices in CHOICES.items():
        need(getattr(config, name) in choices, name, ", ".join(choices))
    need(config.init != "data" or not config.init_from, "init", "default or he where init_from is given")
    need(config.init_part == "whole" or config.init_from, "init_part", "whole where init_from is not given")
    need(1 <= config.neighbours <= 313, "neighbours", "1 to 313")
    need(0 <= config.lambda_ <= 1, "lambda_", "0 to 1")
    for name in ("sigma", "temperature", "lr", "eps", "lr_factor"):
        value = getattr(config, name)
        need(math.isfinite(value) and value > 0, name, "a finite number above 0")
    for name in ("train_photos", "test_photos", "steps", "epochs", "weight_decay", "checkpoint_seconds"):
        need(0 <= getattr(config, name) < math.inf, name, "0 or more")
    for name in ("batch", "eval_every"):
        need(getattr(config, name) >= 1, name, "1 or more")
    need(all(a < b for a, b in pairwise((0, *config.lr_steps))), "lr_steps", "steps above 0, in order, each once")
    need(len(config.lr_values) in (0, len(config.lr_steps)), "lr_values", "none, or one for each of lr_steps")
    need(all(0 < value < math.inf for value in config.lr_values), "lr_values", "finite numbers above 0")
    need(len(config.betas) == 2 and all(0 <= b < 1 for b in config.betas), "betas", "two numbers in [0, 1)")
    need(config.steps > 0 or config.epochs > 0, "steps", "above 0 where epochs is 0")


def identity(config: Config) -> dict:
    """The fields that decide what a trained network is and that differ from the defaults of `Config`.

    Leaving the defaults out keeps the names of old runs when a field is added.
    """
    default = dataclasses.asdict(Config())
    return {k: v for k, v in dataclasses.asdict(config).items() if k not in _NOT_IDENTITY and v != default[k]}


def settings_of(config: Config) -> dict:
    """`identity` and the side as a passport holds them: plain values as JSON knows them, lists for tuples."""
    return json.loads(json.dumps({**identity(config), "side": config.side}))


def from_identity(values: dict, **more) -> Config:
    """The configuration that `identity` describes, whatever the profiles are now; for reading old runs."""
    config = dataclasses.replace(Config(), **{"steps": 1} | {k: _plain(k, v) for k, v in {**values, **more}.items()})
    _check(config)
    return config


def run_id(config: Config, arm: str, seed: int, fingerprint: str, contents: dict | None = None) -> str:
    """Name a run by arm, seed and a hash of configuration and data, for example `ce-s0-1f0c2a9b7d`.

    fingerprint: of the training images used (`Store.fingerprint`). contents: hashes of what is in files that the
    configuration names, so that it does not matter where they lie.
    """
    what = json.dumps([identity(config), arm, seed, fingerprint, *([contents] if contents else [])], sort_keys=True)
    return f"{arm}-s{seed}-{hashlib.sha256(what.encode()).hexdigest()[:10]}"
