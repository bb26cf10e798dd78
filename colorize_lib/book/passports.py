"""What a page says below each figure and table: the cell that made it, and the runs and images behind it.

`trace` has written down what each statement of the notebook read. Behind a figure stands what was read by the statement
that shows it and by those that it depends on, found by following names backwards through the notebook.
"""

from __future__ import annotations

import ast
import html
from dataclasses import dataclass

from ..evaluation.results import place_of

CHANGES = {"append", "extend", "insert", "add", "update"}
"""Methods that change what they are called on."""


@dataclass(frozen=True)
class Statement:
    """A statement at the top level of a cell: where it stands, the names that it sets and reads, and whether it sets
    them whole, so that what they were before does not matter."""

    cell: int
    first: int
    last: int
    sets: frozenset[str]
    reads: frozenset[str]
    whole: bool

    @classmethod
    def of(cls, node: ast.stmt, cell: int) -> Statement:
        """Of a parsed one."""
        nodes, sets, reads, own = list(ast.walk(node)), set(), set(), set()
        for n in nodes:
            if isinstance(n, ast.Name):
                (reads if isinstance(n.ctx, ast.Load) else sets).add(n.id)
            elif isinstance(n, ast.comprehension):
                own |= {name.id for name in ast.walk(n.target) if isinstance(name, ast.Name)}
            elif isinstance(n, ast.alias):
                sets.add((n.asname or n.name).partition(".")[0])
        if isinstance(node, ast.FunctionDef):
            own |= sets | {a.arg for n in nodes if isinstance(n, ast.arguments) for a in (*n.args, n.vararg) if a}
            sets = {node.name}
        changed = {_base(n) for n in nodes if isinstance(n, ast.Subscript | ast.Attribute) and _changes(n, nodes)}
        changed |= {_base(n.target) for n in nodes if isinstance(n, ast.AugAssign)}
        sets, reads = (sets - own | changed) - {""}, (reads - own | changed) - {""}
        whole = isinstance(node, ast.Assign | ast.Import | ast.ImportFrom | ast.FunctionDef) and not changed
        return cls(cell, node.lineno, node.end_lineno, frozenset(sets), frozenset(reads), whole)


def _changes(node: ast.Subscript | ast.Attribute, nodes: list[ast.AST]) -> bool:
    called = isinstance(node, ast.Attribute) and any(isinstance(n, ast.Call) and n.func is node for n in nodes)
    return isinstance(node.ctx, ast.Store) or (called and node.attr in CHANGES)


def _base(node: ast.expr) -> str:
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def statements(cells: dict[int, str]) -> list[Statement]:
    """Those of a notebook in order. cells: source by the number of execution."""
    return [Statement.of(node, number) for number, source in cells.items() for node in ast.parse(source).body]


def behind(found: list[Statement], cell: int) -> list[Statement]:
    """The last statement of a cell and those before it on which it depends."""
    end = max(i for i, statement in enumerate(found) if statement.cell == cell)
    needed, kept = set(found[end].reads), [found[end]]
    for statement in reversed(found[:end]):
        if hit := statement.sets & needed:
            needed = (needed - hit if statement.whole else needed) | statement.reads
            kept.append(statement)
    return kept[::-1]


def passport(kept: list[Statement], notes: list[dict]) -> dict:
    """What was read by some statements: {"profiles": {profile: {"runs": {run: about}, "test_data": .., "images": ..}},
    "images": [..], "live": [..], "files": [..]}.

    All runs of a profile that was loaded count only where nothing says which runs were used; likewise of images.
    """
    out = {"profiles": {}, "images": [], "live": [], "files": []}
    mine = [[n for n in notes if n["cell"] == s.cell and s.first <= n["line"] <= s.last] for s in kept]
    used = any(n["kind"] == "runs" for part in mine for n in part)
    for part in mine:
        chosen = any(n["kind"] == "shown" for n in part)
        loaded = {n["profile"]: n for n in part if n["kind"] == "profile" and not used}  # the last
        for n in [*(n for n in part if n["kind"] == "runs"), *loaded.values()]:
            about = out["profiles"].setdefault(n["profile"], {"runs": {}, "test_data": "", "images": 0})
            about["runs"] |= n["runs"]
            about |= {key: n[key] for key in ("test_data", "images") if n.get(key)}
        for n in part:
            if n["kind"] == "shown" or (n["kind"] == "images" and not chosen):
                out["images"].append(n["what"])
            elif n["kind"] in ("live", "file"):
                out["live" if n["kind"] == "live" else "files"] += n.get("runs") or [n["what"]]
    return out | {key: list(dict.fromkeys(out[key])) for key in ("images", "live", "files")}


def listed(words: list) -> str:
    """ "a, b and c"."""
    *first, last = map(str, words)
    return f"{', '.join(first)} and {last}" if first else last


def line(about: dict, cell: int, title: str, notebook: str) -> str:
    """HTML of a passport. title: "Figure" or "Table"; notebook: address of the executed notebook."""
    parts = [f'<a href="{html.escape(notebook)}" download>{title} of cell {cell}</a>']
    profiles = sorted(about["profiles"].items())
    with_runs = [(name, p["runs"]) for name, p in profiles if p["runs"]]
    if with_runs:
        parts.append("; ".join(f"{name}: {len(runs)} run{'s' * (len(runs) > 1)}" for name, runs in with_runs))
        seeds = sorted({run["seed"] for _, runs in with_runs for run in runs.values()})
        parts.append(f"seed{'s' * (len(seeds) > 1)} {listed(seeds)}")
    if marks := sorted({run["data"][:8] for _, runs in with_runs for run in runs.values()}):
        parts.append(f"training data {listed(marks)}")
    if tests := sorted({(p["images"], p["test_data"][:8]) for _, p in profiles if p["images"]}):
        parts.append(listed([f"{n:,} test images ({mark})" for n, mark in tests]))
    if about["live"]:
        parts.append(f"{len(about['live'])} runs trained while this page was made")
    if about["images"]:
        parts.append(f"shown: {listed(about['images'])}")
    parts += about["files"]
    if len(parts) == 1:
        parts.append("from formulas and settings; no image, no run")
    entries = [f"{place_of(name, run)}" for name, runs in with_runs for run in sorted(runs)]
    entries += [f"runs/{run}" for run in about["live"]]
    more = "".join(f"<li>{html.escape(entry)}</li>" for entry in entries)
    details = f" · <details><summary>records</summary><ul>{more}</ul></details>" if more else ""
    return f'<div class="passport">{parts[0]} · {html.escape(" · ".join(parts[1:]))}{details}</div>'
