"""What is behind a figure is found by following names, and told in one line."""

from __future__ import annotations

import json
import re

import pytest

from colorize_lib import trace
from colorize_lib.book import answers, passports
from colorize_lib.config import load_config
from colorize_lib.evaluation import records, results
from colorize_lib.evaluation.effects import Effect

CELLS = {
    1: "from lib import draw, load\nfound = load('evening')",
    2: "other = load('laptop')\ntable = {}\nfor name in ['a', 'b']:\n    table[name] = found.value(name)",
    3: "rows = {name: 1 for name in 'ab'}\ntable |= {'c': 2}",
    4: "draw(table)",
    5: "found = 7\ndraw(found)",
    6: "def share(name):\n    return other.value(name)",
    7: "draw([share(n) for n in 'ab'])",
    8: "pairs = []\npairs.append(other.value('l2'))\ndraw(pairs)",
    9: "draw(name for name in rows)",
    10: "for name in rows:\n    part = {}\n    part['x'] = name\n    draw(part)",
    11: "part = load('student')\nfor name in 'ab':\n    part = part.value(name)",
    12: "draw(sorted(rows, key=lambda part: -part), part)",
    13: "name = rows if part else 1\ndraw(name)",
    14: "draw(sorted(rows, key=lambda part: -part))",
}


def lines(cell: int) -> list[tuple[int, int]]:
    found = passports.behind(passports.statements(CELLS), cell)
    return [(s.cell, s.first) for s in found if "load" in s.reads or s.cell > 1 or s.first > 1]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (4, [(1, 2), (2, 2), (2, 3), (3, 2), (4, 1)]),
        (5, [(5, 1), (5, 2)]),
        (7, [(2, 1), (6, 1), (7, 1)]),
        (8, [(2, 1), (8, 1), (8, 2), (8, 3)]),
        (9, [(3, 1), (9, 1)]),
        (10, [(3, 1), (10, 1)]),
        (12, [(3, 1), (11, 1), (11, 2), (12, 1)]),
        (13, [(3, 1), (11, 1), (11, 2), (13, 1), (13, 2)]),
        (14, [(3, 1), (14, 1)]),
    ],
)
def test_a_figure_depends_on_the_statements_that_its_names_come_from(cell, expected):
    assert lines(cell) == expected


def test_a_table_that_is_glued_amid_a_cell_depends_on_the_statement_that_glues_it():
    cells = {1: "found = load()\nother = load()", 2: "glue('table', found)\nshare = other\nglue('share', share)"}
    kept = passports.statements(cells)
    assert [(s.cell, s.first) for s in passports.behind(kept, 2, "table")] == [(1, 1), (2, 1)]
    assert [(s.cell, s.first) for s in passports.behind(kept, 2)] == [(1, 2), (2, 2), (2, 3)]
    assert passports.behind(kept, 2, "under another name") == passports.behind(kept, 2)


def run_note(kind: str, runs: list[str], cell: int, line: int = 1, profile: str = "evening", **about) -> dict:
    told = {run: {"data": "388a4dcaf3d23290", "photos": 86310, "seed": 0} for run in runs}
    return {"kind": kind, "cell": cell, "line": line, "profile": profile, "runs": told} | about


def test_what_was_used_counts_and_what_was_only_loaded_where_nothing_is_known_of_its_use():
    notes = [run_note("profile", ["l2-s0", "ce-s0"], 1, 2), run_note("runs", ["ce-s0"], 2, 4)]
    kept = passports.behind(passports.statements(CELLS), 4)
    assert list(passports.passport(kept, notes)["profiles"]["evening"]["runs"]) == ["ce-s0"]
    assert list(passports.passport(kept, notes[:1])["profiles"]["evening"]["runs"]) == ["l2-s0", "ce-s0"]
    assert passports.passport(kept, [run_note("runs", ["ce-s0"], 5)])["profiles"] == {}, "of another figure"


def test_of_networks_those_that_answered_count():
    kept = passports.statements({1: "nets = load()", 2: "draw(nets['ce'])"})
    loaded = [run_note("network", [run], 1) for run in ("l2-s0", "ce-s0")]
    told = passports.passport(kept, [*loaded, {"cell": 2, "line": 1, "kind": "asked", "what": "ce-s0"}])
    assert list(told["profiles"]["evening"]["runs"]) == ["ce-s0"]
    assert list(passports.passport(kept, loaded)["profiles"]["evening"]["runs"]) == ["l2-s0", "ce-s0"]


def test_a_table_of_a_verdict_names_the_runs_behind_that_verdict():
    kept = passports.statements({1: "h3, h4 = decide()", 2: "table(h4)"})
    read = [run_note("runs", [run], 1) for run in ("l2-s0", "ce-s0")]
    told = passports.passport(kept, [*read, {"cell": 2, "line": 1, "kind": "judged", "runs": ["ce-s0"]}])
    assert list(told["profiles"]["evening"]["runs"]) == ["ce-s0"]
    other = run_note("runs", ["l2-s1"], 1) | {"profile": "ablation"}
    told = passports.passport(kept, [*read, other, {"cell": 2, "line": 1, "kind": "judged", "runs": ["ce-s0"]}])
    assert list(told["profiles"]) == ["evening"], "nor the images of another profile"
    curves = run_note("runs", ["l2-s2"], 1, validation=True)
    told = passports.passport(kept, [*read, curves, {"cell": 2, "line": 1, "kind": "judged", "runs": ["ce-s0"]}])
    assert not told["profiles"]["evening"]["validation"], "nor those that only others were measured on"


def test_of_images_those_that_were_taken_count():
    kept = passports.statements({1: "draw(2)"})
    loaded = {"cell": 1, "line": 1, "kind": "images", "what": "photographs of the book"}
    assert passports.passport(kept, [loaded])["images"] == ["photographs of the book"]
    assert passports.passport(kept, [loaded, loaded | {"kind": "shown", "what": "boat"}])["images"] == ["boat"]


def test_a_line_names_runs_data_and_records():
    kept = passports.statements({1: "draw(2)"})
    (run, *_) = sorted(results.load("evening").summary["passports"])
    note = run_note("runs", [run, "ce-s9"], 1, test_data="1d86e29a9f5338f8", images=4000)
    text = passports.line(passports.passport(kept, [note]), "<a>Figure</a>")
    assert text.startswith('<div class="passport"><a>Figure</a> · evening: 2 runs · ')
    assert "seed 0 · training data 388a4dca · 4,000 test images (1d86e29a)" in text
    link = f'<a href="../book/reproduce.html#run-evening-{run}">book/results/evening/runs/{run}.parquet</a>'
    assert f"<li>{link}</li>" in text and "<li>runs/ce-s9</li>" in text, "only what is recorded has a row there"
    nothing = passports.line(passports.passport(kept, []), "Table")
    assert ">Table · from formulas" in nothing and "no image, no run" in nothing and "<details" not in nothing


def test_a_line_says_on_which_images_runs_were_measured():
    kept = passports.statements({1: "draw(2)"})

    def told(*notes):
        return passports.line(passports.passport(kept, list(notes)), "Figure")

    tested = run_note("runs", ["ce-s0"], 1, test_data="1d86e29a9f5338f8", images=4000)
    validated, painted = run_note("runs", ["ce-s0"], 1, validation=True), run_note("runs", ["ce-s0"], 1)
    assert "4,000 test images (1d86e29a) and validation images" in told(tested, validated)
    assert " · validation images" in told(validated) and "test images" not in told(validated)
    assert "test images" not in told(painted) and "validation" not in told(painted) and "1 run" in told(painted)


def test_a_note_says_which_statement_reads(tmp_path, monkeypatch):
    file = tmp_path / "trace"
    source = compile("def inner():\n    note('images', what='x')\n\nfor _ in range(2):\n    inner()", "cell", "exec")
    exec(source, {"In": ["", "a", "b"], "note": trace.note})
    monkeypatch.setenv(trace.VARIABLE, str(file))
    trace.note("images", what="not in a notebook")
    assert not file.exists()
    exec(source, {"In": ["", "a", "b"], "note": trace.note})
    told = [json.loads(line) for line in file.read_text().splitlines()]
    assert told == [{"cell": 2, "line": 5, "kind": "images", "what": "x"}], "once"


def test_results_tell_which_runs_a_number_is_of(tmp_path, monkeypatch):
    found = results.load("evening")
    monkeypatch.setenv(trace.VARIABLE, str(tmp_path / "trace"))
    exec("found.value('l2', 'auc')\nfound.value('grey', 'auc')", {"In": ["", "a"], "found": found})
    first, second = map(json.loads, (tmp_path / "trace").read_text().splitlines())
    assert first["line"] == 1 and all(re.match(r"l2-s\d-", run) for run in first["runs"]) and first["runs"]
    assert second["runs"] == {} and second["images"] == found.summary["pictures"]


def test_what_is_read_from_curves_tells_its_runs(tmp_path, monkeypatch):
    found = results.load("ablation")
    monkeypatch.setenv(trace.VARIABLE, str(tmp_path / "trace"))
    effect = Effect("val_ab_error(l2 steps=2000) - val_ab_error(ce@1)")
    exec("effect.measure(found)", {"In": ["", "a"], "found": found, "effect": effect})
    told = [json.loads(line)["runs"] for line in (tmp_path / "trace").read_text().splitlines()]
    passports = found.summary["passports"]
    read = {(passports[run]["arm"], passports[run]["variant"]) for runs in told for run in runs}
    assert read == {("l2", "steps=2000"), ("ce", "")} and sum(map(len, told)) == 6


@pytest.mark.parametrize(
    "source",
    [
        "found.curves()", "answers.validated(found)", "answers.doses(found)", "records.training_curves(config)",
    ],
)  # fmt: skip
def test_what_is_read_of_validation_images_says_so(source, tmp_path, monkeypatch):
    found, config = results.load("ablation"), load_config("ablation", seeds=[])
    monkeypatch.setenv(trace.VARIABLE, str(tmp_path / "trace"))
    monkeypatch.setattr(trace, "_noted", set())  # else the same line is written once a process
    exec(source, {"In": ["", "a"], "found": found, "config": config, "answers": answers, "records": records})
    told = [json.loads(line) for line in (tmp_path / "trace").read_text().splitlines()]
    told = [note for note in told if note["kind"] == "runs" and note["runs"]]
    assert told and all(note["validation"] and "images" not in note and "test_data" not in note for note in told)


def test_images_of_an_unknown_kind_are_refused():
    with pytest.raises(ValueError, match="split='train' is unknown; there are: 'test', 'val', ''"):
        results.load("ablation").note_runs([], split="train")
