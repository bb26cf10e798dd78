"""The command line: what it takes, what it refuses before anything starts, and what it says when something fails."""

from __future__ import annotations

import dataclasses
import errno
import json
import subprocess
import sys

import pytest
import tiny
from PIL import Image

from colorize_lib import bench, cli, photos
from colorize_lib.book import build
from colorize_lib.config import PROFILES, Config, load_config
from colorize_lib.data import prepare as data
from colorize_lib.evaluation import records
from colorize_lib.training import loop


@pytest.fixture
def no_kernel(monkeypatch):
    """Fail if a notebook would be executed."""
    monkeypatch.setattr(build, "execute_all", lambda *_: pytest.fail("a kernel was started"))


def loaded(*arguments: str) -> tuple[set[str], subprocess.CompletedProcess]:
    """The packages and own modules that a command has imported at its end."""
    code = "import json, sys; from colorize_lib.cli import main\ntry: main(sys.argv[1:])\n"
    code += "finally: print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    names = json.loads(done.stdout.splitlines()[-1])
    return {name if name.startswith("colorize_lib") else name.split(".")[0] for name in names}, done


HEAVY = {"torch", "numpy", "pandas", "scipy", "PIL", "yaml"}


def test_help_loads_nothing_heavy():
    modules, done = loaded("--help")
    assert not HEAVY & modules
    for name in ("prepare", "train", "evaluate", "photo", "run", "book", "bench", "record", "export", "doctor"):
        assert f"\n    {name} " in done.stdout


def test_help_says_what_every_argument_is():
    parser = cli._parser()
    (commands,) = (action for action in parser._actions if action.dest == "command")
    assert len(commands.choices) == 12
    for name, command in commands.choices.items():
        assert not [action.dest for action in command._actions if not action.help], name
    assert list(cli.SETTINGS) == [field.name for field in dataclasses.fields(Config)]


@pytest.mark.parametrize(
    "arguments",
    [["train", "--help"], ["train", "--seed", "0"], ["train", "--lr", "-1"], ["photo", "x", "-o", "y", "--arm", "l3"],
     ["photo", "x", "-o", "y", "--gain", "-1"], ["sweep", "--part", "3/2", "--profile", "smoke"]],
)  # fmt: skip
def test_bad_options_are_told_before_anything_heavy_is_loaded(arguments):
    modules, done = loaded(*arguments)
    assert not HEAVY & modules, done.stderr


def test_a_photo_that_is_not_there_is_told_before_a_network_is_loaded(tmp_path):
    (tmp_path / "x.png").touch()
    for name, out in (("lost.jpg", "out"), ("x.png", "x.png"), ("x.png", ".")):
        modules, done = loaded("photo", str(tmp_path / name), "-o", str(tmp_path / out))
        assert "torch" not in modules and done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["prepare", "lost", "x"], ["train", "--data", "lost"], ["sweep", "--data", "lost"], ["doctor", "lost"],
     ["evaluate", "--data", "lost", "--json", "lost"], ["record", "--data", "lost"], ["run", "lost"]],
)  # fmt: skip
def test_a_command_that_takes_long_to_begin_says_so(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(cli.PACKAGE.parent))
    _, done = loaded(*arguments)
    assert [line if line == "loading PyTorch" else "lost" in line for line in done.stderr.splitlines()] == [
        "loading PyTorch", True
    ]  # fmt: skip


def test_colorizing_a_photo_loads_nothing_of_training(tmp_path):
    Image.new("RGB", (20, 20), "grey").save(tmp_path / "x.png")
    modules, done = loaded("photo", str(tmp_path / "x.png"), "-o", str(tmp_path / "out"))
    assert (tmp_path / "out/x.png").exists(), done.stderr
    assert not {"pandas", "statsmodels", "pyarrow", "pooch", "matplotlib", "torchvision", "yaml"} & modules
    own = {name for name in modules if name.startswith("colorize_lib.")}
    assert not {name for name in own if name.split(".")[1] in ("training", "evaluation", "book")}, own


@pytest.mark.parametrize(
    ("text", "value"),
    [("[0,1]", [0, 1]), ("1e-3", 1e-3), ("true", True), ("ce", "ce"), ("[l2, ce]", ["l2", "ce"]), ("0.5", 0.5)],
)
def test_parameter_values(text, value):
    assert cli.parse_value(text) == value


def test_an_unreadable_value_is_named():
    with pytest.raises(ValueError, match=r"\[0,"):
        cli.parse_value("[0,")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "01_good", "-p", "seedz", "1"], "01_good has no parameter 'seedz'; allowed: profile, data"),
        (["run", "01_good", "-p", "seeds", "[-1]"], "seeds=(-1,) is not possible"),
        (["run", "01_good", "-p", "arms", "[l3]"], "arms=('l3',) is not possible"),
        (["run", "01_good", "-p", "photos", "many"], "photos='many' is not possible; it should look like 4"),
        (["run", "01_good", "-p", "profile", "huge"], "profile='huge' is unknown"),
        (["run", "01_good", "-p", "profile", "null"], "profile='null' is unknown"),
        (["run", "01_good", "-p", "seeds", "null"], "seeds=None cannot be read"),
        (["run", "01_good", "-p", "settings", "{seeds: [1]}"], "names seeds, which 01_good takes by itself"),
        (["run", "01_good", "-p", "settings", "4"], "settings=4 is not possible; it should look like {}"),
        (["run", "03_lost"], "there is no notebook '03_lost'; allowed: 01_good, 02_bad"),
        (["book", "-p", "seedz", "1"], "no notebook has a parameter 'seedz'"),
        (["book", "--arms", "l3"], "arms=('l3',) is not possible"),
        (["train", "--data", "x", "--lr", "-1"], "lr=-1.0 is not possible; allowed: a finite number above 0"),
        (["train", "--data", "x", "--width", "wide"], "width='wide' cannot be read; it should look like 1.0"),
        (["train", "--data", "x", "--schedule", "cosine"], "allowed: constant, one_cycle, steps"),
        (["train", "--data", "x", "-p", "widthh", "1"], "parameter 'widthh' is unknown; did you mean 'width'?"),
        (["train", "--profile", "laptop"], "give --data"),
        (["train", "--data", "x", "--lr", ""], "lr='' cannot be read; it should look like 0.001"),
        (["train", "--data", "x", "--seeds", ""], "seeds=[''] cannot be read"),
        (["train", "-p", "profile", "[1]"], "profile='[1]' is unknown; choose one of smoke"),
        (["train", "--profile", "smoke", "-p", "learning_rate", "1"], "parameter 'learning_rate' is unknown"),
        (["train", "--data", "nowhere"], "nowhere"),
        (["photo", "nowhere.jpg", "--out", "out"], "no such file or folder: nowhere.jpg"),
        (["sweep", "--profile", "smoke", "--part", "3/2"], "--part 3/2 is not possible; it should look like 2/8"),
        (["sweep", "--profile", "smoke", "--vary", "rate", "1"], "parameter 'rate' is unknown"),
        (["sweep", "--profile", "laptop"], "colorize sweep: give --data"),
        (["sweep", "--vary", "lr"], "--vary lr has no value; give those to try"),
        (["sweep", "-v", "lr", "1", "-v", "lr", "2"], "--vary lr is given 2 times; give all its values at once"),
        (["tune", "-v", "lr", "1e-3", "2", "0.001"], "--vary lr names 0.001 2 times; give each value once"),
        (["export", "--profile", "smoke", "-o", "x.jpg"], "x.jpg is a file; give a folder that can be written to"),
        (["export", "--best", "x", "--lr", "1", "-o", "y"], "into the package; leave out lr, out"),
        (["photo", "x.jpg", "--out", "out", "--temperature", "0"], "temperature=0.0 must be above 0"),
        (["photo", "x.jpg", "--out", "out", "--lambda", "2"], "lambda_=2.0 must lie in 0 to 1"),
        (["photo", "x.jpg", "--out", "out", "--kind", "best"], "kind='best' is unknown; allowed: mean, median"),
        (["photo", "x.jpg", "--out", "out", "--gain", "-1"], "--gain -1.0 is not possible"),
        (
            ["photo", "x.jpg", "--out", "out", "--arm", "l2", "--kind", "mode"],
            "--kind is for classifiers (ce, ce_rebal); l2 has one answer",
        ),
        (["evaluate", "--data", "x", "--json", "y", "--gain", "nan"], "--gain nan is not possible"),
        (["evaluate", "--data", "x", "--json", "y", "--against", "l3"], "--against l3 is neither a file or folder nor"),
        (["evaluate", "--data", "x", "--json", "y", "--against", "l2@1"], "--against l2@1 is not possible: l2 has one"),
        (["evaluate", "--data", "x", "--json", "y", "--readouts", "1"], "should look like @0.38, @1~0.5 or @1:median"),
        (["evaluate", "--data", "x", "--json", "y", "--readouts", "@1", "--kind", "mode"], "cannot both be given"),
    ],
)
def test_mistakes_are_one_line_and_come_before_any_kernel(clone, no_kernel, capsys, arguments, message):
    (clone / "x.jpg").touch()
    assert cli.main(arguments) == 2
    err = capsys.readouterr().err.removeprefix("colorize photo: 1 image to out\n")
    assert message in err and err.count("\n") == 1 and "Traceback" not in err


def test_evaluate_asks_several_questions_at_once(tmp_path, capsys):
    made = tiny.experiment()
    run = next(made.runs.glob("ce-s0-*"))
    asked = ["--readouts", "@1", "@0.38", "@1~0.5", "@1:median"]
    where = ["--data", str(made.store.path), "--json", str(tmp_path / "found.json"), "--limit", "4"]
    assert cli.main(["evaluate", "--run", str(run), *where, *asked]) == 0
    told = capsys.readouterr()
    assert "0 of 4 images, ? images/s, ? left\n4 of 4 images" in told.err and "wrote" in told.out
    systems = json.loads((tmp_path / "found.json").read_text())["systems"]
    assert list(systems)[:4] == [f"ce{text}" for text in asked[1:]] and "mean" in systems
    assert systems["ce@1"]["auc"] != systems["ce@1~0.5"]["auc"]
    run = next(made.runs.glob("l2-s0-*"))
    assert cli.main(["evaluate", "--run", str(run), *where, "--overwrite", "--gain", "1.5"]) == 0
    systems = json.loads((tmp_path / "found.json").read_text())["systems"]
    assert systems["l2+gain"]["chroma_ratio"][0] == pytest.approx(1.5 * systems["l2"]["chroma_ratio"][0], rel=1e-4)
    assert cli.main(["evaluate", "--run", str(run), *where, "--overwrite", "--temperature", "1"]) == 2
    assert "--temperature is for classifiers (ce, ce_rebal); l2 has one answer" in capsys.readouterr().err


def test_a_sample_is_another_image_with_another_seed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (64, 64), "grey").save("x.png")
    run = str(next(tiny.experiment().runs.glob("ce-s0-*")))
    for seed in "001":
        (tmp_path / "out").mkdir(exist_ok=True)
        asked = ["--run", run, "--kind", "sample", "--seed", seed, "--overwrite"]
        assert cli.main(["photo", "x.png", "-o", "out", *asked]) == 0
        (tmp_path / "out/x.png").rename(tmp_path / f"{seed}{len(list(tmp_path.glob('[01]*.png')))}.png")
    first, again, other = (path.read_bytes() for path in sorted(tmp_path.glob("[01]*.png")))
    assert first == again != other


@pytest.mark.parametrize("command", [["evaluate", "--data", "x"], ["doctor", "x"], ["bench", "--profile", "smoke"]])
def test_a_result_has_a_place_of_its_own_before_it_is_worked_out(tmp_path, capsys, command):
    (tmp_path / "mine.jpg").write_bytes(b"a photograph")
    wrong = {
        "mine.jpg": "mine.jpg exists; give another file, or --overwrite to replace it",
        ".": "is a folder; give a file",
        "mine.jpg/out.json": "mine.jpg is a file; give a folder that can be written to",
    }
    for name, message in wrong.items():
        assert cli.main([*command, "--json", str(tmp_path / name)]) == 2
        out, err = capsys.readouterr()
        assert message in err and err.count("\n") == 1 and not out
    assert (tmp_path / "mine.jpg").read_bytes() == b"a photograph"


def test_a_result_replaces_one_that_may_be_replaced(tmp_path, capsys):
    run, path = next(tiny.experiment().runs.glob("l2-s0-*")), tmp_path / "new/why.json"
    assert cli.main(["doctor", str(run), "--json", str(path)]) == 0
    assert cli.main(["doctor", str(run), "--json", str(path)]) == 2
    assert cli.main(["doctor", str(run), "--json", str(path), "--overwrite"]) == 0
    assert [file.name for file in path.parent.iterdir()] == ["why.json"]


def test_a_sweep_lists_trains_and_divides_its_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small = {"side": 32, "width": 1 / 16, "steps": 2, "eval_every": 1, "batch": 8, "train_photos": 32}
    command = ["sweep", "--profile", "smoke", "--data", str(tiny.experiment().store.path), "--arms", "l2,ce"]
    command += [word for name, value in small.items() for word in ("-p", name, str(value))]
    command += ["--vary", "lr", "1e-3", "2e-3", "--vary", "lambda_", "0.5"]

    def states(*more: str) -> list[list[str]]:
        assert cli.main([*command, *more]) == 0
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        return [[line[0], line[2], " ".join(line[5:])] for line in lines if line[0] in ("l2", "ce") and line[1] == "0"]

    every = [[arm, lr, "not begun"] for lr in ("0.001", "0.002") for arm in ("l2", "ce")]
    assert states("--list") == every and not (tmp_path / "runs").exists()
    first = states("--part", "1/2")  # the table before and after
    assert first == [every[0], every[2], ["l2", "0.001", "finished"], ["l2", "0.002", "finished"]]
    assert [state for *_, state in states("--list")] == ["finished", "not begun"] * 2
    assert [state for *_, state in states()[4:]] == ["finished"] * 4
    assert cli.main([*command, "--part", "5/6"]) == 0
    assert capsys.readouterr().out == "part 5 of 6 has nothing to do; the runs are 4\n"


def test_a_sweep_opens_the_store_of_each_configuration(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    one, trained = tiny.experiment().store, []
    other = tiny.store_with_room_to_crop(tmp_path)
    monkeypatch.setattr(loop, "train_run", lambda *job: trained.append((job[0].data, job[0].side, job[3].path)))
    command = ["sweep", "--arms", "l2", "--width", "0.125", "--batch", "4", "--train-photos", "0"]
    command += ["--data", str(one.path), "--vary", "data", str(one.path), str(other.path), "--vary", "side", "24", "16"]
    assert cli.main(command) == 0
    assert trained == [(str(store.path), side, store.path) for store in (one, other) for side in (24, 16)]
    table = capsys.readouterr().out.splitlines()
    assert len({line.split()[4] for line in table[1:5]}) == 4, "four different runs"
    trained.clear()
    assert cli.main([*command[:-6], "data", str(one.path), "nowhere"]) == 2
    assert cli.main([*command[:-2], "24", "32"]) == 2, "the second store has 24 px"
    assert not trained, "all are checked before one is trained"


# ---------------------------------------------------------------------------------------------------------- settings


def read(*arguments: str) -> dict:
    return cli.parameters(cli._parser().parse_args(["train", *arguments]))


def test_every_setting_is_an_option():
    given = {"profile": "laptop", "data": "1e3", "arms": ("l2", "ce"), "seeds": (0, 1), "lambda_": 0.25, "flip": False}
    given |= {"weight_decay": 1e-3, "betas": (0.8, 0.9), "schedule": "steps", "lr_steps": (3,), "batch": 7}
    for spelled in (lambda name: name.strip("_").replace("_", "-"), lambda name: name):
        words = []
        for name, value in given.items():
            words += [f"--{spelled(name)}", *map(str, value if isinstance(value, tuple) else [value])]
        assert load_config(**read(*words)) == load_config(**given)
    for field in dataclasses.fields(Config):
        assert set(read(f"--{field.name}", "1")) == {field.name}


def test_lists_and_parameters_may_be_written_as_ever():
    assert read("--seeds", "0,1") == read("--seeds", "0", "1") == read("-p", "seeds", "[0,1]") == {"seeds": [0, 1]}
    assert read("--arms", "l2,ce", "-p", "lr", "1e-4") == {"arms": ["l2", "ce"], "lr": 1e-4}
    assert read("-p", "lr", "1", "--lr", "2") == {"lr": 2}, "the option counts"
    assert read("--seeds", "[0, 1]") == read("--seeds", "(0,1)") == {"seeds": [0, 1]}
    assert read("--seeds", "(0,)", "--betas", "(0.9, 0.999)") == {"seeds": [0], "betas": [0.9, 0.999]}, "as errors say"
    assert load_config(**read("--data", "", "--prior", "")) == load_config()
    for name, text in (("compile", "off"), ("data", "1e3"), ("data", "no"), ("init_from", "[x]")):
        assert read("-p", name, text) == read(f"--{name}", text) == {name: text}, "as it stands"
        assert cli._varied(cli._parser().parse_args(["sweep", "-v", name, text]))[0][0] == {name: text}
    options = cli._parser().parse_args(["bench", "--compile", "--epochs", "3", "-p", "compile", "default"])
    assert options.compile is True and cli.parameters(options) == {"compile": "default", "epochs": 3}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "--seed", "0"], "colorize train: unknown: --seed 0; did you mean --seeds?"),
        (["photo", "x", "-o", "y", "--side-bside"], "unknown: --side-bside; did you mean --side-by-side?"),
        (["train", "--lr"], "argument --lr: expected one argument"),
        (["traim"], "invalid choice: 'traim'"),
        (["photo", "", "-o", "out"], "argument files: it is empty; is a variable of the shell not set?"),
        (["photo", "x.jpg", "-o", ""], "argument --out/-o: it is empty"),
        (["photo", "x.jpg", "-o", "out", "--run", ""], "argument --run: it is empty"),
        (["prepare", "x", ""], "argument out: it is empty"),
        (["evaluate", "--data", "x", "--json", ""], "argument --json: it is empty"),
        (["run", ""], "argument NAME: it is empty"),
        (
            ["evaluate", "--data", "x", "--json", "y", "--limit", "-3"],
            "argument --limit: '-3' is not possible; allowed",
        ),
        (["export", "--profile", "smoke", "--out", ""], "argument --out/-o: it is empty"),
        (["bench", "--record", "a/b"], "argument --record: 'a/b' is no name"),
    ],
)
def test_an_unknown_option_is_one_line(capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        cli.main(arguments)
    err = capsys.readouterr().err
    assert stopped.value.code == 2 and message in err and err.count("\n") == 1


# ------------------------------------------------------------------------------------------------------------ errors


def failing(monkeypatch, error: Exception) -> int:
    """Let a command meet an error somewhere in the library."""

    def fail(*_):
        raise error

    monkeypatch.setattr(data, "prepare", fail)
    return cli.main(["prepare", "a", "b"])


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "x/y"), "No space left on device: x/y"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), "Permission denied: x"),
        (OSError("the line is down"), "the line is down"),
        (MemoryError(), "out of memory"),
    ],
)
def test_what_the_system_refuses_is_one_line(monkeypatch, capsys, error, message):
    assert failing(monkeypatch, error) == 1
    assert capsys.readouterr().err == f"colorize prepare: {message}\n"


def test_a_file_that_may_not_be_written_is_named(tmp_path, capsys):
    (tmp_path / "file").touch()
    Image.new("RGB", (9, 9)).save(tmp_path / "x.png")
    assert cli.main(["prepare", str(tmp_path / "x.png"), str(tmp_path / "file/store")]) in (1, 2)
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "file" in err and "Traceback" not in err


@pytest.mark.parametrize("error", [ValueError("shapes (3,) (4,)"), KeyError("side"), RuntimeError("mat1")])
def test_our_own_mistakes_show_where_they_are(monkeypatch, capsys, error):
    assert failing(monkeypatch, error) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err and "in fail" in err and "this is a bug in colorize_lib" in err


def test_a_value_error_of_another_package_is_no_mistake_of_the_users(monkeypatch, capsys):
    monkeypatch.setattr(cli, "_part", lambda text: int("many"))
    assert cli.main(["sweep", "--profile", "smoke"]) == 1
    assert "this is a bug" in capsys.readouterr().err


def test_a_package_that_is_missing_is_named(monkeypatch, capsys):
    assert failing(monkeypatch, ModuleNotFoundError("No module named 'papermill'", name="papermill")) == 2
    assert "papermill is needed" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_is_not_told(tmp_path):
    code = "import sys; from colorize_lib import cli\ndef talk(options):\n  while True: print('x' * 999)\n"
    code += "cli.prepare.__code__ = talk.__code__\nsys.exit(cli.main(['prepare', 'a', 'b']))"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        program.stdout.readline()
        program.stdout.close()
        assert program.stderr.read() == b""
    assert program.returncode == 1


def test_debug_shows_the_traceback(clone, no_kernel):
    with pytest.raises(ValueError, match="03_lost"):
        cli.main(["run", "03_lost", "--debug"])


def test_photo_tells_what_it_wrote_and_whether_any_failed(tmp_path, monkeypatch, capsys):
    (tmp_path / "in/deep").mkdir(parents=True)
    for name in ("in/a.png", "in/deep/a.png"):
        Image.new("RGB", (20, 30), "orange").save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["photo", "in", "-o", "out", "--arm", "l2"]) == 0
    out, err = capsys.readouterr()
    assert out == "in/a.png -> out/a.png\nin/deep/a.png -> out/deep/a.png\n"
    assert [line.split(",")[0] for line in err.splitlines()] == [
        "colorize photo: 2 images to out", "0 of 2 images", "2 of 2 images"
    ]  # fmt: skip
    assert cli.main(["photo", "in", "--out", "out"]) == 2
    assert "out/a.png exists" in capsys.readouterr().err
    (tmp_path / "in/broken.jpg").write_bytes(b"no image")
    assert cli.main(["photo", "in", "--out", "out", "--arm", "l2", "--overwrite"]) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2 and "skipped in/broken.jpg: " in err and "1 of 3 images could not be" in err


def test_photo_takes_a_network_of_ones_own(tmp_path, monkeypatch, capsys):
    seen = []
    monkeypatch.setattr(photos, "colorize_files", lambda colorizer, *_, **__: seen.append(colorizer.passport) or 0)
    Image.new("RGB", (9, 9)).save(tmp_path / "x.png")
    run = next(tiny.experiment().runs.glob("l2-s1-*"))
    assert cli.main(["photo", str(tmp_path / "x.png"), "-o", str(tmp_path / "out"), "--run", str(run)]) == 0
    assert seen[0]["run"] == run.name


def test_a_benchmark_is_written_wherever_it_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench, "measure", lambda *_, **__: {"steps": 1})
    monkeypatch.setattr(bench, "as_text", str)
    monkeypatch.setattr(records, "bench_file", lambda name: tmp_path / "recorded" / f"{name}.json")
    for files in ([], ["--json", "mine.json"], ["--json", "both.json", "--record", "cpu"]):
        assert cli.main(["bench", *files]) == 0
    written = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.json")}
    assert written == {"runs/bench.json", "mine.json", "both.json", "recorded/cpu.json"}


@pytest.mark.parametrize("command", [["record"], ["tune"], ["export"], ["bench", "--record", "x"]])
def test_an_installed_package_is_not_written_to(tmp_path, monkeypatch, capsys, command):
    monkeypatch.setattr(build, "CLONE", tmp_path / "site-packages")
    assert cli.main([*command, "--profile", "smoke"]) == 2
    assert "into a clone of the repository, and this package is installed" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_every_profile_has_a_name_that_the_help_lists(capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    out = " ".join(capsys.readouterr().out.split())
    assert all(name in out for name in PROFILES)
