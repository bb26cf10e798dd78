"""The command `colorize`: prepare, train, sweep, evaluate, photo, run, book, bench, record, tune, export.

Every command only reads its options and calls the library; heavy imports wait until a command needs them. What the
user got wrong (ValueError, FileNotFoundError) becomes one line on stderr and exit status 2.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import shutil
import sys
from pathlib import Path

from .book import build
from .config import ARMS, PROFILES, Config, load_config


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status (2 for a mistake of the user's, 1 for a failure)."""
    options = _parser().parse_args(argv)
    try:
        return options.call(options) or 0
    except (ValueError, FileNotFoundError) as error:
        if options.debug:
            raise
        print(f"colorize {options.command}: {error}", file=sys.stderr)
        return 2
    except (FloatingPointError, MemoryError) as error:
        print(f"colorize {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"colorize {options.command}: interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("colorize", description="Train, judge and use networks that colorize pictures.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(call, *arguments):
        about = call.__doc__.splitlines()[0]
        sub = commands.add_parser(call.__name__, help=about, description=about)
        for names, options in arguments:
            sub.add_argument(*names, **options)
        sub.add_argument("--debug", action="store_true", help="show the whole traceback of an error")
        sub.set_defaults(call=call)

    def option(*names, **options):
        return names, options

    profile = option("--profile", choices=sorted(PROFILES), help="size of the experiment")
    data = option("--data", help='store, Parquet files or folder, folder of pictures, or "synthetic"')
    need_data = option("--data", required=True, help=data[1]["help"])
    arms = option("--arms", help=f"comma-separated, of {', '.join(ARMS)}")
    seeds = option("--seeds", help="comma-separated integers")
    more = option(
        *("-p", "--parameter"), nargs=2, action="append", default=[], metavar=("NAME", "VALUE"), help="set a parameter"
    )
    arm = option("--arm", default="ce_rebal", help="shipped weights to use (default: ce_rebal)")
    experiment = (profile, data, arms, seeds, more)
    command(prepare, option("source"), option("out"), option("--side", type=int, default=64, help="in pixels"))
    command(train, *experiment)
    command(
        sweep,
        *experiment,
        option(
            *("--vary", "-v"),
            nargs="+",
            action="append",
            default=[],
            metavar=("NAME", "VALUE"),
            help="a parameter and the values to try; several give every combination",
        ),
        option("--part", default="1/1", help="only part K of N, as K/N, for N machines or an array of batch jobs"),
        option("--list", action="store_true", help="only say what stands"),
    )
    command(
        evaluate,
        *(arm, option("--run", help="folder of a finished run, instead of shipped weights"), need_data),
        option("--json", required=True, help="file to write"),
        option("--split", default="test", help="split of the data (default: test)"),
        option("--limit", type=int, default=0, help="only the first so many pictures"),
    )
    command(
        photo,
        option("files", nargs="+", help="pictures or folders of pictures, of any size"),
        option("--out", required=True, help="folder to write to"),
        *(arm, option("--temperature", type=float, help="of the annealed mean: near 0 vivid, 1 cautious")),
        option("--side-by-side", action="store_true", help="grey input and result in one picture"),
    )
    command(run, option("names", nargs="+", metavar="NAME"), *experiment)
    command(book, *experiment)
    command(
        bench,
        *experiment,
        option("--epoch", action="store_true", help="train a whole epoch of every arm as well"),
        option("--compile", action="store_true", help="try torch.compile on a processor as well, which takes minutes"),
        option("--json", default="runs/bench.json", help="file to write (default: runs/bench.json)"),
        option("--record", metavar="NAME", help="write it among the recorded results under this name, for the book"),
    )
    elsewhere = option("--elsewhere", help="pictures of another kind to measure on as well; their test split is taken")
    command(record, *experiment, elsewhere)
    command(tune, *experiment)
    command(export, *experiment, option("--out", help="folder: write one file a run there, of every arm and seed"))
    return parser


def parse_value(text: str):
    """Read a parameter as JSON or, failing that, as YAML; "[0,1]", "1e-3", "true" and "ce" all mean what they say."""
    import yaml

    try:
        return json.loads(text)
    except json.JSONDecodeError:
        pass
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise ValueError(f"the value {text!r} is neither JSON nor YAML") from None


def parameters(options) -> dict:
    """The parameters named on the command line, from `-p`, `--profile`, `--data`, `--arms` and `--seeds`."""
    values = {name: parse_value(text) for name, text in options.parameter}
    for name in ("profile", "data"):
        if getattr(options, name):
            values[name] = getattr(options, name)
    if options.arms:
        values["arms"] = options.arms.split(",")
    if options.seeds:
        values["seeds"] = [parse_value(seed) for seed in options.seeds.split(",")]
    return values


def _config(options, need_data: bool = True) -> Config:
    config = load_config(**parameters(options))
    if need_data and not config.data:
        raise ValueError(f"profile {config.profile} needs pictures: give --data (see `colorize train --help`)")
    return config


def _store(config: Config):
    from .data.prepare import open_data

    return open_data(config.data, config.side)


def prepare(options) -> None:
    """Make a store: one memory-mapped array of equally large pictures, with an index."""
    from .data import prepare as data

    store = data.prepare(options.source, options.out, options.side)
    print(f"{store.path}: {len(store)} pictures, {store.side} px, fingerprint {store.fingerprint()}")


def train(options) -> None:
    """Train what is missing: every arm with every seed; finished runs are kept, interrupted ones resumed."""
    config = _config(options)
    from .training.distributed import joined
    from .training.loop import train_run

    with joined(config.device) as world:
        store = _store(config)
        for seed in config.seeds:
            for arm in config.arms:
                folder = train_run(config, arm, seed, store)
                if world.first:
                    print(f"{arm} seed {seed}: {folder}", flush=True)


def sweep(options) -> None:
    """Train arms by seeds by settings: lists the runs, keeps finished ones, resumes begun ones, trains the rest."""
    from .training.distributed import joined
    from .training.loop import train_run

    names = [name for name, *_ in options.vary]
    values = [[parse_value(text) for text in texts] for _, *texts in options.vary]
    settings = [dict(zip(names, combination, strict=True)) for combination in itertools.product(*values)]
    configs = [load_config(**parameters(options) | setting) for setting in settings]
    if not configs or not configs[0].data:
        raise ValueError("a sweep needs --data and a value for every --vary")
    part, parts = _part(options.part)
    jobs = [(c, setting, arm, seed) for c, setting in zip(configs, settings, strict=True)
            for seed in c.seeds for arm in c.arms][part - 1 :: parts]  # fmt: skip
    with joined(configs[0].device) as world:
        store = _store(configs[0])
        if world.first:
            print(_standing(jobs, store), flush=True)
        if options.list:
            return
        for config, _, arm, seed in jobs:
            train_run(config, arm, seed, store)
        if world.first:
            print(_standing(jobs, store), flush=True)


def _standing(jobs: list[tuple], store) -> str:
    """The table of a sweep's runs: what is varied, and how far each is."""
    import pandas as pd

    from .training.loop import Run

    rows = [{"arm": arm, "seed": seed, **setting, "run": (run := Run(c, arm, seed, store)).folder.name,
             "state": run.state} for c, setting, arm, seed in jobs]  # fmt: skip
    return pd.DataFrame(rows).to_string(index=False)


def _part(text: str) -> tuple[int, int]:
    """Read "2/8" as (2, 8)."""
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    if not found or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError(
            f"--part {text} is not possible; it should look like 2/8, the first number from 1 to the second"
        )
    return int(found[1]), int(found[2])


def evaluate(options) -> None:
    """Measure a trained network on pictures and write every metric, with intervals, as JSON."""
    from .colorizer import load_colorizer, load_run
    from .data.prepare import open_data
    from .evaluation.measuring import evaluate as measure
    from .evaluation.records import save_json

    colorizer = load_run(options.run) if options.run else load_colorizer(options.arm)
    store = open_data(options.data, colorizer.side)
    measured = measure(colorizer, store, options.split, options.limit, log=_show)
    save_json(measured, Path(options.json))
    print(f"wrote {options.json}: {measured['pictures']} pictures, {', '.join(measured['systems'])}")


def photo(options) -> None:
    """Colorize pictures of any size; only their lightness is looked at."""
    import numpy as np
    import torch
    from PIL import Image

    from .color import lab_to_rgb, rgb_to_lab, to_uint8, to_unit
    from .colorizer import load_colorizer
    from .data.images import list_images, read_image

    if options.temperature is not None and not options.temperature > 0:
        raise ValueError(f"--temperature {options.temperature} is not possible; allowed: above 0")
    paths = list_images(options.files)
    colorizer, out, written = load_colorizer(options.arm), Path(options.out), set()
    out.mkdir(parents=True, exist_ok=True)
    for path in paths:
        try:
            picture = read_image(path)
        except ValueError as error:
            print(f"skipped {path}: {error}", file=sys.stderr)
            continue
        result = colorizer.photo(picture, options.temperature)
        if options.side_by_side:
            lab = rgb_to_lab(to_unit(torch.from_numpy(picture.copy())[None]))
            lab[:, 1:] = 0
            result = np.concatenate([to_uint8(lab_to_rgb(lab))[0].numpy(), result], axis=1)
        name = path.stem if path.stem not in written else f"{path.stem}-{len(written)}"  # same name, other folder
        written.add(name)
        Image.fromarray(result).save(out / f"{name}.tmp", "png")
        print((out / f"{name}.tmp").rename(out / f"{name}.png"))
    if not written:
        raise ValueError("none of the pictures could be read")


def bench(options) -> None:
    """Measure what this machine makes of training: steps, their parts, every switch, beside what it can do at best."""
    given, few = parameters(options), {"data": "synthetic", "train_photos": 512}
    config = load_config(**{"profile": "laptop", **({} if "data" in given else few), **given})
    store = _store(config)
    from .bench import as_text, measure
    from .evaluation import records

    found = measure(config, store, options.epoch, options.compile, say=lambda line: print(line, flush=True))
    print(as_text(found))
    path = records.bench_file(options.record) if options.record else Path(options.json)
    path.parent.mkdir(parents=True, exist_ok=True)
    records.save_json(found, path)
    print(f"wrote {path}")


def record(options) -> None:
    """Measure the finished runs of a profile and write book/results/<profile>, from which the book is made."""
    config = _config(options)
    store = _store(config)
    from .data.prepare import open_data
    from .evaluation import records

    elsewhere = open_data(options.elsewhere, config.side) if options.elsewhere else None
    found = records.record(config, store, elsewhere=elsewhere, log=lambda line: print(line, flush=True))
    print(f"recorded {', '.join(found.systems)} of profile {config.profile}")


def tune(options) -> None:
    """Train every arm at several learning rates and record how each ends on validation pictures (give `-p steps`)."""
    config = _config(options)
    store = _store(config)
    from .evaluation import records

    print(records.tune(config, store).to_string(index=False))


def export(options) -> None:
    """Write finished runs' networks as fp16: of the first seed into the package, or of all to a folder."""
    from .evaluation import records

    config = _config(options)
    store = _store(config)
    out = Path(options.out or build.HERE / "weights")
    for path in records.export_runs(config, store, out) if options.out else records.export(config, store, out):
        print(path)


def _show(line: str) -> None:
    """Progress on one line of the terminal; silent where nobody watches."""
    if sys.stderr.isatty():
        print(f"\r{line:<79}", end="", file=sys.stderr, flush=True)


def run(options) -> int:
    """Execute notebooks with parameters into runs/notebooks/<profile>."""
    root, values, jobs = build.repository(), parameters(options), []
    for name in (Path(name).stem for name in options.names):
        defaults = build.defaults_of(root / f"notebooks/{name}.py")
        jobs.append((name, build.check_parameters(name, defaults, values)))
    folder = root / "runs/notebooks" / str(values.get("profile", defaults.get("profile")))
    failures = build._execute_all(root, jobs, folder)
    print(f"executed notebooks are in {folder.relative_to(root)}")
    return 1 if failures else 0


def book(options) -> int:
    """Execute every notebook and build the book into _build/site; anything missing or warned about makes it fail."""
    root, values, jobs, taken = build.repository(), parameters(options), [], set()
    for name in build.notebooks_of(root):
        known = build.defaults_of(root / f"notebooks/{name}.py")
        given = {k: v for k, v in values.items() if k in build._taken(known)}
        jobs.append((name, build.check_parameters(name, known, given)))
        taken |= build._taken(known)
    if unknown := set(values) - taken:
        raise ValueError(f"no notebook has a parameter {', '.join(map(repr, unknown))}")
    executed = root / "_build/run"
    shutil.rmtree(executed, ignore_errors=True)
    if build._execute_all(root, jobs, executed):
        return 1
    build.stage(root, executed, root / "_build/stage", values.get("profile") or known["profile"])
    return build.build(root)
