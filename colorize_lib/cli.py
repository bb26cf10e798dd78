"""The command `colorize`: prepare, train, sweep, evaluate, doctor, photo, run, book, bench, record, tune, export.

Every command only reads its options and calls the library; heavy imports wait until a command needs them.

The settings of an experiment are options too, made from the fields of `Config`, the only place that knows them. Neither
tyro nor jsonargparse (both tried) does this in less: they want to make the `Config` themselves, but what is not given
is the profile's to say and what is impossible `load_config`'s to explain. An error of theirs takes 4 to 30 lines and
does not guess what was meant, neither reads `0,1` and `0 1` alike, and importing them alone takes longer than
`colorize --help` does.

What went wrong is told in one line. An error counts as the user's (status 2) if it was raised by a `raise` of this
package, because such an error names what was given and what is allowed. What the system refuses, and want of memory,
has status 1. Everything else is a mistake of ours and shows its traceback, as `--debug` always does.
"""

from __future__ import annotations

import argparse
import difflib
import itertools
import json
import math
import os
import re
import sys
import traceback
from pathlib import Path

from . import __version__
from .config import ARMS, BEST, CHOICES, FIELDS, PROFILES, Config, load_config

PACKAGE = Path(__file__).resolve().parent
SHIPPED = (BEST, *ARMS)
"""Names of the networks that ship."""
SETTINGS = {
    "profile": "the settings to begin with",
    "data": "store, Parquet files or folder, folder of images, or synthetic",
    "arms": f"what to train and compare: some of {', '.join(ARMS)}",
    "seeds": "each arm is trained once with each of them: whole numbers from 0",
    "side": "pixels along a side of what a network is trained on, a multiple of 8 from 16; of larger images, crops",
    "train_photos": "only the first so many training images; 0 takes all",
    "flip": "mirror half of the images, true or false",
    "architecture": "stages of the network",
    "width": "channels of a layer as a share of the original's, above 0 and at most 4",
    "activation": "after each convolution",
    "affine": "let batch norm learn a scale and a shift, true or false",
    "init": "how the first weights are drawn",
    "init_from": "folder of a finished run, or file of a network, whose weights to start from",
    "init_part": "what of these weights is taken",
    "neighbours": "colours of the 313 among which a pixel's label is shared out, 1 to 313",
    "sigma": "of that sharing, in units of ab, above 0",
    "lambda_": "rebalancing of rare colours, from 0 (most) to 1 (none)",
    "prior": 'shares of the colours: "imagenet", or a .csv or .npy file of 313 numbers, in place of those of the data',
    "temperature": "with which a classifier's distributions are decoded, above 0",
    "batch": "images a step",
    "steps": "of the optimiser; 0 takes --epochs",
    "epochs": "passes over the training images, where --steps is 0",
    "lr": "learning rate, with one_cycle the greatest, above 0",
    "betas": "decay rates of Adam's two averages, from 0 and below 1, as 0.9 0.999",
    "eps": "what Adam adds to its denominator, above 0",
    "weight_decay": "coupled with the gradient, as in Caffe",
    "schedule": "of the learning rate",
    "lr_steps": "with the schedule steps, the steps at which the rate changes",
    "lr_factor": "by which it is multiplied there, above 0",
    "lr_values": "in place of the factor, the rates after each of these steps",
    "reduction": "of the loss over batch and positions; sum divides by the batch only",
    "recipe": "let an arm have the start and rate that its profile's trials chose for it, true or false",
    "test_photos": "only the first so many test images are measured; 0 takes all",
    "device": "to compute on; auto is a CUDA device where there is one",
    "precision": "of the network's numbers",
    "eval_every": "steps between two validations, each with a checkpoint",
    "checkpoint_seconds": "but with none if the one before is younger than so many seconds",
    "channels_last": "lay the channels of a pixel out side by side, true or false",
    "fused": "take the optimiser's step in one pass, true or false",
    "resident": "keep the training images on the CUDA device if they fit, true or false",
    "compile": "mode of torch.compile",
    "deterministic": "repeat every bit on a CUDA device too, and slower, true or false",
}
"""What the settings are, for `--help`; a field of `Config` each."""
BENCH = Path("runs/bench.json")


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status: 2 for a mistake of the user's, 1 for a failure, 130 if interrupted."""
    options, unknown = _parser().parse_known_args(argv)
    if unknown:
        options.parser.error(f"unknown: {' '.join(unknown)}")
    try:
        return options.call(options) or 0
    except KeyboardInterrupt:
        return _tell(options, "interrupted", 130)
    except BrokenPipeError:  # `| head` has seen enough; Python would complain of it once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if options.debug:
            raise
        if said := _explained(error):
            return _tell(options, *said)
        traceback.print_exception(error)
        return _tell(options, "this is a bug in colorize_lib; please report it with the lines above", 1)


def _tell(options, message: str, status: int) -> int:
    print(f"colorize {options.command}: {message}", file=sys.stderr)
    return status


def _explained(error: Exception) -> tuple[str, int] | None:
    """What to say of an error and the exit status; None for one that nobody foresaw."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    ours = Path(last.filename).is_relative_to(PACKAGE) and (last.line or "").startswith("raise ")
    if ours and isinstance(error, ValueError | FileNotFoundError):
        return str(error), 2
    if ours and isinstance(error, FloatingPointError | MemoryError):
        return str(error), 1
    if isinstance(error, MemoryError):
        return "out of memory", 1
    if isinstance(error, OSError):
        return f"{error.strerror}: {error.filename}" if error.filename else str(error), 1
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith(__package__):
        return f"the package {error.name} is needed; pip install 'colorize-lib[book]' brings all that are", 2
    return None


class _Parser(argparse.ArgumentParser):
    """Tells mistakes in one line and, of an unknown option, which one may have been meant."""

    def __init__(self, *args, **options):
        super().__init__(*args, allow_abbrev=False, **options)

    def error(self, message: str):
        known = [name for action in self._actions for name in action.option_strings]
        for word in re.findall(r"--[\w-]+", message.partition("unknown: ")[2]):
            message += "".join(f"; did you mean {name}?" for name in difflib.get_close_matches(word, known, 1))
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


COMMANDS: list[tuple] = []
"""What `command` has listed: function, options, and whether every setting is one, too."""


def command(*arguments: tuple, settings: bool = False):
    """Make a function the command of its name, with these options; the first line of its docstring is the help."""

    def listed(call):
        COMMANDS.append((call, arguments, settings))
        return call

    return listed


def option(*names: str, **options) -> tuple:
    """An option as `command` takes it; one that takes text takes none that is empty."""
    return names, options if {"type", "action"} & options.keys() else options | {"type": _given}


def _given(text: str) -> str:
    """What a file or folder is called. Without this an unset variable of a shell would mean the current folder."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty; is a variable of the shell not set?")
    return text


def _count(text: str) -> int:
    """A number of images."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not possible; allowed: whole numbers from 0")
    return int(text)


def _name(text: str) -> str:
    """What a file or folder in a place of ours is to be called, so that nothing is written elsewhere."""
    if not re.fullmatch(r"\w[\w.-]*", text):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no name; allowed: letters, digits, '_', and after one also '.', '-'"
        )
    return text


ARM = option(
    "--arm",
    default=BEST,
    choices=SHIPPED,
    help="shipped network to use: best (default), which is the ce that went on, or one of those trained alike",
)
RUN = option("--run", help="folder of a finished run or file of a network, instead of a shipped one")
READOUT = (
    option("--temperature", type=float, help="of a classifier's distributions; below 1 it is bolder"),
    option("--lambda", type=float, dest="lambda_", help="count rare colours more: 0 most, 1 not at all (default: 1)"),
    option("--kind", help="mean, median, mode or sample of the distributions (default: mean)"),
    option("--seed", type=int, help="of a sample; another one gives another image (default: 0)"),
)
GAIN = option("--gain", type=float, default=1.0, help="factor on the colours, whatever the network (default: 1)")
OVERWRITE = option("--overwrite", action="store_true", help="replace the file of --json if it exists")
VARY = option("--vary", "-v", nargs="+", action="append", default=[], metavar=("NAME", "VALUE"),
              help="a setting and the values to try; several give every combination")  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = _Parser("colorize", description="Train, judge and use networks that colorize images.")
    parser.add_argument("--version", action="version", version=f"colorize-lib {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for call, arguments, settings in COMMANDS:
        about = call.__doc__.splitlines()[0]
        sub = commands.add_parser(call.__name__, help=about, description=about)
        for names, options in arguments:
            sub.add_argument(*names, **options)
        sub.add_argument("--debug", action="store_true", help="show the whole traceback of an error")
        if settings:
            _add_settings(sub)
        sub.set_defaults(call=call, parser=sub)
    return parser


def _add_settings(sub: argparse.ArgumentParser) -> None:
    """Give a command an option for every field of `Config` whose name it has not taken, and `-p` for all of them."""
    about = "of the experiment; what is not given is the profile's. A list is written 0 1 or 0,1."
    group, taken = sub.add_argument_group("settings", about), sub._option_string_actions
    group.add_argument(
        *("-p", "--parameter"), nargs=2, action="append", default=[], metavar=("NAME", "VALUE"),
        help="any setting by its name, or a parameter of a notebook",
    )  # fmt: skip
    for name, default in FIELDS.items():
        flags = dict.fromkeys((f"--{name.strip('_').replace('_', '-')}", f"--{name}"))
        if not taken.keys() & flags.keys():
            allowed = PROFILES if name == "profile" else CHOICES.get(name, ())
            about = SETTINGS[name] + (f": {', '.join(allowed)}" if allowed else "")
            many = {"nargs": "+"} if isinstance(default, tuple) else {}
            group.add_argument(*flags, dest=f"set_{name}", metavar=name.strip("_").upper(), help=about, **many)


def parse_value(text: str):
    """Read a parameter as JSON or, failing that, as YAML; "[0,1]", "1e-3", "true" and "ce" all mean what they say."""
    if not text:
        return text  # which YAML takes for null
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        pass
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise ValueError(f"the value {text!r} is neither JSON nor YAML") from None


def _parsed(name: str, text: str):
    """The value of a parameter; of a setting that is text the text itself: YAML takes off for false, 1e3 for 1000."""
    return text if isinstance(FIELDS.get(name), str) else parse_value(text)


def parameters(options) -> dict:
    """The parameters named on the command line: those of `-p` first, then the settings given as options."""
    values = {name: _parsed(name, text) for name, text in options.parameter}
    for name in FIELDS:
        given = getattr(options, f"set_{name}", None)
        if isinstance(given, list):
            items = [item.strip() for text in given for item in text.strip("()[] ").removesuffix(",").split(",")]
            values[name] = items if name == "arms" else [parse_value(item) for item in items]
        elif given is not None:
            values[name] = _parsed(name, given)
    return values


def _config(options) -> Config:
    config = load_config(**parameters(options))
    if not config.data:
        raise ValueError(f"profile {config.profile} needs images: give --data (see `colorize train --help`)")
    return config


def _loading() -> None:
    """Say that PyTorch is being loaded, which takes seconds; once a process, of several together by the first."""
    if "torch" not in sys.modules and os.environ.get("RANK", "0") == "0":
        _warn("loading PyTorch")


def _store(config: Config):
    _loading()
    from .data.prepare import open_data

    return open_data(config.data, config.side)


def _log(line: str, file=None) -> None:
    """Print a line at once, above the bar on a terminal, if there is one."""
    from tqdm import tqdm

    with tqdm.external_write_mode(file=file):
        print(line, file=file, flush=True)


def _warn(line: str) -> None:
    _log(line, sys.stderr)


@command(
    option("source", help="folder of images, Parquet files with commas between them or a folder of them, archive or "
           "folder of MiniPlaces; or miniplaces or places365, which are downloaded, or synthetic, which is generated"),
    option("out", help="folder of the store; one that was made of the same files before is kept as it is"),
    option("--side", type=int, default=64, help="of its images in pixels, a multiple of 8 from 8 (default: 64)"),
)  # fmt: skip
def prepare(options) -> None:
    """Make a store: one memory-mapped array of equally large images, with an index."""
    _loading()
    from .data import prepare as data

    store = data.prepare(options.source, options.out, options.side)
    print(f"{store.path}: {len(store)} images, {store.side} px, fingerprint {store.fingerprint()}")


@command(settings=True)
def train(options) -> None:
    """Train what is missing: every arm with every seed; finished runs are kept, interrupted ones resumed."""
    config = _config(options)
    _loading()
    from .training.distributed import joined
    from .training.loop import train_run

    with joined(config.device) as world:
        store = _store(config)
        for seed in config.seeds:
            for arm in config.arms:
                folder = train_run(config, arm, seed, store)
                if world.first:
                    _log(f"{arm} seed {seed}: {folder}")


@command(
    VARY,
    option("--part", default="1/1", help="only part K of N, as K/N, for N machines or an array of batch jobs"),
    option("--list", action="store_true", help="only list how far each run is"),
    settings=True,
)
def sweep(options) -> None:
    """Train arms by seeds by settings: lists the runs, keeps finished ones, resumes begun ones, trains the rest."""
    varied = _varied(options)
    part, parts = _part(options.part)
    _loading()
    from .data.prepare import open_data
    from .training.distributed import joined
    from .training.loop import train_run

    with joined(varied[0][1].device) as world:
        stores = {place: open_data(*place) for place in dict.fromkeys((c.data, c.side) for _, c in varied)}
        jobs = [(setting, (c, arm, seed, stores[c.data, c.side])) for setting, c in varied
                for seed in c.seeds for arm in c.arms]  # fmt: skip
        if part > len(jobs):
            return _log(f"part {part} of {parts} has nothing to do; the runs are {len(jobs)}")
        jobs = jobs[part - 1 :: parts]
        _log_standing(jobs, world.first)
        if options.list:
            return
        for _, job in jobs:
            train_run(*job)
        _log_standing(jobs, world.first)


def _varied(options) -> list[tuple[dict, Config]]:
    """Every combination of what `--vary` names, with the configuration that it makes."""
    names = [name for name, *_ in options.vary]
    values = [[_parsed(name, text) for text in texts] for name, *texts in options.vary]
    for name, tried in zip(names, values, strict=True):
        if names.count(name) > 1:
            raise ValueError(f"--vary {name} is given {names.count(name)} times; give all its values at once")
        if twice := [value for value in tried if tried.count(value) > 1]:
            raise ValueError(f"--vary {name} names {twice[0]!r} {len(twice)} times; give each value once")
        if not tried:
            raise ValueError(f"--vary {name} has no value; give those to try")
    settings = [dict(zip(names, combination, strict=True)) for combination in itertools.product(*values)]
    varied = [(setting, load_config(**parameters(options) | setting)) for setting in settings]
    if not all(config.data for _, config in varied):
        raise ValueError("give --data")
    return varied


def _log_standing(jobs: list[tuple], shown: bool) -> None:
    """Print the table of a sweep's runs: what is varied, and how far each is. ValueError for an impossible run."""
    import pandas as pd

    from .training.loop import Run

    rows = []
    for setting, (config, arm, seed, store) in jobs:
        run = Run(config, arm, seed, store)
        rows.append({"arm": arm, "seed": seed, **setting, "run": run.folder.name, "state": run.state})
    if shown:
        _log(pd.DataFrame(rows).to_string(index=False))


def _part(text: str) -> tuple[int, int]:
    """Read "2/8" as (2, 8)."""
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError(
            f"--part {text} is not possible; it should look like 2/8, the first number from 1 to the second"
        )
    return int(found[1]), int(found[2])


@command(
    *(ARM, RUN, option("--data", required=True, help="store, Parquet files or folder, folder of images")),
    *(option("--json", required=True, help="file to write"), OVERWRITE),
    option("--split", default="test", help="train, val, test or all of the data (default: test)"),
    option("--limit", type=_count, default=0, help="only the first so many images (default: 0, which takes all)"),
    *(*READOUT, GAIN),
    option("--readouts", nargs="+", metavar="READOUT",
           help="several at once, as the book writes them: @1 @0.38 @1~0.5 @1:median (temperature, lambda, kind)"),
    option("--against", metavar="SYSTEM",
           help="another network, shipped (l2, ce@0.38) or a run's folder or file: how far its images are from these"),
)  # fmt: skip
def evaluate(options) -> None:
    """Measure a trained network on images and write every metric, with intervals, as JSON."""
    path = _new_file(options)
    _check_gain(options.gain)
    _loading()
    from .colorizer import load_colorizer, load_run
    from .data.files import told
    from .data.prepare import open_data
    from .evaluation.measuring import evaluate as measure
    from .evaluation.records import save_json

    colorizer = load_run(options.run) if options.run else load_colorizer(options.arm)
    readouts, against = _readouts(options, colorizer), _other(options.against) if options.against else None
    store = open_data(options.data, colorizer.side)
    measured = measure(colorizer, store, options.split, options.limit, readouts, options.gain, told(), against)
    save_json(measured, path)
    print(f"wrote {path}: {measured['pictures']} images, {', '.join(measured['systems'])}")


def _new_file(options) -> Path:
    """The file that `--json` names. Raises ValueError, before anything is measured, where it cannot be written or, for
    want of `--overwrite`, something would be lost."""
    from .data.files import check_writable

    path = Path(options.json)
    if path.is_dir():
        raise ValueError(f"--json {path} is a folder; give a file")
    if path.exists() and not options.overwrite:
        raise ValueError(f"--json {path} exists; give another file, or --overwrite to replace it")
    check_writable(path.parent)
    return path


def _check_gain(gain: float) -> None:
    if not 0 <= gain < math.inf:
        raise ValueError(f"--gain {gain} is not possible; allowed: a finite number from 0")


def _readouts(options, colorizer) -> list:
    """The read-outs that the options ask a network for, none where all of it is left to the network.

    What is not given is then plain: temperature 1, no tilt, the mean. Raises ValueError for a regression.
    """
    from .readout import Readout

    given = {name: getattr(options, name) for name in ("temperature", "lambda_", "kind", "seed")}
    given = {name: value for name, value in given.items() if value is not None}
    several = getattr(options, "readouts", None) or []
    names = [f"--{name.strip('_')}" for name in given] + ["--readouts"] * bool(several)
    if names and not colorizer.is_classifier:
        raise ValueError(f"{names[0]} is for classifiers (ce, ce_rebal); {colorizer.arm} has one answer")
    if given and several:
        raise ValueError(f"{names[0]} and --readouts cannot both be given")
    return [Readout(**{"temperature": 1.0} | given)] if given else list(map(Readout.parse, several))


def _other(text: str) -> tuple:
    """The network that `--against` names, with its read-out if one is named."""
    from .colorizer import load_colorizer, load_run
    from .readout import Readout

    if Path(text).exists():
        return load_run(text), None
    name, at, asked = text.partition("@")
    if name not in SHIPPED:
        raise ValueError(f"--against {text} is neither a file or folder nor one of {', '.join(SHIPPED)}")
    network = load_colorizer(name)
    if at and not network.is_classifier:
        raise ValueError(f"--against {text} is not possible: {name} has one answer")
    return network, Readout.parse(at + asked) if at else None


@command(
    option("path", metavar="RUN", help="folder of a run, also of an unfinished one, or file of a network"),
    option("--data", help="images to measure on as well: store, Parquet files or folder, folder of images"),
    option(
        "--split", default="val", help="train, val, test or all of the data; the first 512 are taken (default: val)"
    ),
    *(option("--json", help="file to write"), OVERWRITE),
    option("--record", action="store_true", help="keep it among the recorded results, with images, for the book"),
)
def doctor(options) -> None:
    """Say why a network's images are grey or brown: what its run tells and, with --data, what images tell."""
    path = _new_file(options) if options.json else None
    _loading()
    from .data.files import told
    from .data.prepare import open_data
    from .evaluation import diagnosis
    from .evaluation.records import save_json

    if options.record:
        _need_clone("doctor --record")
        if not options.data:
            raise ValueError("--record keeps what images tell; give --data")
    facts, network = diagnosis.examine(options.path)
    if options.data:
        if network is None:
            raise ValueError(f"{options.path} is not finished and cannot be measured yet; leave out --data")
        store = open_data(options.data, network.side)
        store.rows(options.split)  # refuses one that is not there
    _log(diagnosis.describe(facts))
    if options.data:
        more = diagnosis.measure(network, facts, store, options.split, progress=told())
        _log(diagnosis.describe(more, facts))
        facts = more
    found = diagnosis.diagnose(facts)
    print(f"\n{found}")
    if path:
        save_json(found.plain(), path)
    if options.record:
        from .book.faults import paint
        from .evaluation.records import write_facts

        print(f"wrote {write_facts(facts.plain(), paint(network))}")


@command(
    option("files", nargs="+", help="images or folders of images, of any size"),
    option("--out", "-o", required=True, help="folder to write to"),
    option("--overwrite", action="store_true", help="replace what an earlier call wrote (never an input)"),
    *(ARM, RUN, *READOUT, GAIN),
    option("--side-by-side", action="store_true", help="grey input and result in one image"),
)
def photo(options) -> int:
    """Colorize images of any size; only their lightness is looked at."""
    _check_gain(options.gain)
    from .data.files import told
    from .photos import colorize_files, plan

    jobs = plan(options.files, options.out, options.overwrite)
    _warn(f"colorize photo: {len(jobs)} image{'s' * (len(jobs) != 1)} to {options.out}")
    from .colorizer import load_colorizer, load_run

    colorizer = load_run(options.run) if options.run else load_colorizer(options.arm)
    readout = next(iter(_readouts(options, colorizer)), None)
    more = readout, options.gain, options.side_by_side, options.overwrite
    progress = told() if len(jobs) > 1 else None
    failed = colorize_files(colorizer, jobs, *more, log=_log, warn=_warn, progress=progress)
    if failed:
        _warn(f"colorize photo: {failed} of {len(jobs)} images could not be colorized")
    return 1 if failed else 0


@command(
    option("names", nargs="+", metavar="NAME", help="notebook by name or file, such as 07_vibrancy"), settings=True
)
def run(options) -> int:
    """Execute notebooks with parameters into runs/notebooks/<profile>."""
    _loading()
    from .book import build

    return build.run(options.names, parameters(options))


@command(settings=True)
def book(options) -> int:
    """Execute every notebook and build the book into _build/site; anything missing or warned about makes it fail."""
    _loading()
    from .book import build

    return build.book(parameters(options))


@command(
    option("--epoch", action="store_true", help="train a whole epoch of every arm as well"),
    option("--compile", action="store_true", help="try torch.compile on a processor as well, which takes minutes"),
    *(option("--json", help=f"file to write (without this and --record: {BENCH}, always replaced)"), OVERWRITE),
    option(
        "--record", type=_name, metavar="NAME", help="write it among the recorded results under this name, for the book"
    ),
    settings=True,
)
def bench(options) -> None:
    """Measure what this machine makes of training: steps, their parts, every switch, beside what it can do at best."""
    given, few = parameters(options), {"data": "synthetic", "train_photos": 512}
    config = load_config(**{"profile": "laptop", **({} if "data" in given else few), **given})
    from .data.files import check_writable
    from .evaluation import records

    paths = [_new_file(options)] if options.json else []
    if options.record:
        _need_clone("bench --record")
        paths.append(records.bench_file(options.record))
    paths = paths or [BENCH]
    check_writable(paths[-1].parent)
    store = _store(config)
    from .bench import as_text, measure

    found = measure(config, store, options.epoch, options.compile, log=_log)
    print(as_text(found))
    for path in paths:
        records.save_json(found, path)
        print(f"wrote {path}")


@command(
    option("--run", nargs="+", default=[], metavar="RUN", help="folders of runs or files of weights, instead"),
    option("--curves", action="store_true", help="keep only how they were trained; measure nothing on test images"),
    settings=True,
)
def record(options) -> None:
    """Measure the finished runs of a profile and write book/results/<profile>, from which the book is made."""
    config = _config(options)
    _need_clone("record")
    store = _store(config)
    from .evaluation import records

    found = records.record(config, store, map(Path, options.run), log=_log, curves=options.curves)
    runs = len(found.summary["passports"])
    print(f"profile {config.profile}: {runs} run{'s' * (runs != 1)} recorded, of {len(found.systems)} systems")


@command(VARY, settings=True)
def tune(options) -> None:
    """Give every arm the same trials and record how each ends on validation images (give `--steps`)."""
    configs = [config for _, config in _varied(options)]
    _need_clone("tune")
    store = _store(configs[0])
    from .evaluation import records

    print(records.tune(configs, store).to_string(index=False))


@command(
    option("--out", "-o", help="folder: write one file a run there, of every arm and seed"),
    option("--best", metavar="RUN", help="write this recorded run of ce, of whatever settings, into the package as the "
           "network for photographs, if it is better on validation images than that which is there"),
    settings=True,
)  # fmt: skip
def export(options) -> None:
    """Write finished runs' networks as fp16: of the first seed into the package, or of all to a folder."""
    if options.best:
        return _export_best(options)
    config = _config(options)
    if options.out:
        from .data.files import check_writable

        check_writable(Path(options.out))
    else:
        _need_clone("export without --out")
    store = _store(config)
    from .evaluation import records

    write, out = records.export, PACKAGE / "weights"
    if options.out:
        write, out = records.export_runs, options.out
    for path in write(config, store, Path(out)):
        print(path)


def _export_best(options) -> None:
    if given := sorted(parameters(options)) + ["out"] * bool(options.out):
        raise ValueError(f"--best takes a run as it is, into the package; leave out {', '.join(given)}")
    _need_clone("export --best")
    from .evaluation import records

    print(records.export_best(Path(options.best), PACKAGE / "weights"))


def _need_clone(what: str) -> None:
    """Refuse to write beside an installed package, where nobody would look and the next update deletes."""
    _loading()
    from .book import build

    if not build.is_repository(build.CLONE):
        out = "give --out FOLDER, or " if what.startswith("export") else ""
        raise ValueError(f"{what} writes into a clone of the repository, and this package is installed: {out}use one")
