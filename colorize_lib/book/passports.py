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
COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
BLOCKS = ast.For | ast.While | ast.If | ast.Try
"""Statements whose bodies may not run."""

NOTHING = {"test_data": "", "images": 0, "validation": False}
"""What is known of the images that runs were measured on, before a note tells of any."""


@dataclass(frozen=True)
class Statement:
    """A statement at the top level of a cell: where it stands, the names that it sets or changes, those of them that it
    sets whatever happens, so that what they were before does not matter, the names that it reads as they were, and the
    texts in it."""

    cell: int
    first: int
    last: int
    sets: frozenset[str]
    surely: frozenset[str]
    reads: frozenset[str]
    texts: frozenset[str]

    @classmethod
    def of(cls, node: ast.stmt, cell: int) -> Statement:
        """Of a parsed one."""
        walk = _Walk(set(), set())
        surely: set[str] = set()
        walk.through(node, surely)
        texts = {n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)}
        return cls(cell, node.lineno, node.end_lineno, *map(frozenset, (walk.sets, surely, walk.reads, texts)))


@dataclass
class _Walk:
    """What is read and set, by going through code in the order in which it runs."""

    reads: set[str]
    sets: set[str]

    def through(self, node: ast.AST, known: set[str]) -> None:
        """Go through a node. known: names set before within the statement, which are not read from outside; those that
        the node surely sets are added."""
        if isinstance(node, ast.Name):
            self._name(node, known)
        elif isinstance(node, ast.alias):
            self._set((node.asname or node.name).partition(".")[0], known)
        elif isinstance(node, ast.FunctionDef | ast.Lambda | COMPREHENSIONS):
            inner = _Walk(self.reads, set())  # names set inside are its own
            inner._all(_in_order(node), known | _arguments(node))
            if isinstance(node, ast.FunctionDef):
                self._set(node.name, known)
        elif isinstance(node, BLOCKS):
            first, *bodies = _parts(node)
            self._all(first, known)
            for body in bodies:
                self._all(body, set(known))
        else:
            self._change(node, known)
            self._all(_in_order(node), known)

    def _all(self, nodes: list[ast.AST], known: set[str]) -> None:
        for node in nodes:
            self.through(node, known)

    def _name(self, node: ast.Name, known: set[str]) -> None:
        if isinstance(node.ctx, ast.Store):
            self._set(node.id, known)
        else:
            self.reads |= {node.id} - known

    def _set(self, name: str, known: set[str]) -> None:
        self.sets.add(name)
        known.add(name)

    def _change(self, node: ast.AST, known: set[str]) -> None:
        stored = isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store)
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES
        if isinstance(node, ast.AugAssign):
            self.reads |= {_base(node.target)} - known - {""}
        if stored or called:
            self.sets |= {_base(node.func if called else node)} - {""}


def _in_order(node: ast.AST) -> list[ast.AST]:
    """The parts of a node as they run: values before the names that they go to."""
    if isinstance(node, ast.Assign):
        return [node.value, *node.targets]
    if isinstance(node, ast.comprehension):
        return [node.iter, node.target, *node.ifs]
    if isinstance(node, COMPREHENSIONS):
        results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        return [*node.generators, *results]
    return list(ast.iter_child_nodes(node))


def _parts(node: ast.AST) -> list[list[ast.AST]]:
    """What of a block always runs, and each of the bodies that may not."""
    if isinstance(node, ast.For):
        return [[node.iter], [node.target, *node.body], node.orelse]
    if isinstance(node, ast.Try):
        return [[], node.body + node.orelse, *(handler.body for handler in node.handlers), node.finalbody]
    return [[node.test], node.body, node.orelse]


def _arguments(node: ast.AST) -> set[str]:
    """The names of a function's arguments."""
    return {n.arg for n in ast.walk(node) if isinstance(n, ast.arg)}


def _base(node: ast.expr) -> str:
    while isinstance(node, ast.Subscript | ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def statements(cells: dict[int, str]) -> list[Statement]:
    """Those of a notebook in order. cells: source by the number of execution."""
    return [Statement.of(node, number) for number, source in cells.items() for node in ast.parse(source).body]


def behind(found: list[Statement], cell: int, key: str = "") -> list[Statement]:
    """The last statement of a cell, or the one in which `key` is glued, and those before it on which it depends."""
    end = max((key in statement.texts, i) for i, statement in enumerate(found) if statement.cell == cell)[1]
    needed, kept = set(found[end].reads), [found[end]]
    for statement in reversed(found[:end]):
        if statement.sets & needed:
            needed = (needed - statement.surely) | statement.reads
            kept.append(statement)
    return kept[::-1]


def passport(kept: list[Statement], notes: list[dict]) -> dict:
    """What was read by some statements: {"profiles": {profile: {"runs": {run: about}, "test_data": .., "images": ..,
    "validation": whether of validation images}}, "images": [..], "live": [..], "files": [..]}.

    All runs of a profile that was loaded count only where nothing says which runs were used; likewise of networks and
    images. Where the last statement shows verdicts, their runs count, with the images that these were measured on, and
    not those of others decided along with them.
    """
    out = {"profiles": {}, "images": [], "live": [], "files": []}
    mine = [[n for n in notes if n["cell"] == s.cell and s.first <= n["line"] <= s.last] for s in kept]
    asked = {n["what"] for part in mine for n in part if n["kind"] == "asked"}
    mine = [[n for n in part if n["kind"] != "network" or not asked or asked & set(n["runs"])] for part in mine]
    judged = {run for n in mine[-1] if n["kind"] == "judged" for run in n["runs"]}
    used = any(n["kind"] in ("runs", "network") for part in mine for n in part)
    for part in mine:
        chosen = any(n["kind"] == "shown" for n in part)
        loaded = {n["profile"]: n for n in part if n["kind"] == "profile" and not used}  # the last
        for n in [*(n for n in part if n["kind"] in ("runs", "network")), *loaded.values()]:
            runs = {run: told for run, told in n["runs"].items() if not judged or run in judged}
            if n["runs"] and not runs:
                continue
            about = out["profiles"].setdefault(n["profile"], {"runs": {}, **NOTHING})
            about["runs"] |= runs
            about |= {key: n[key] for key in NOTHING if n.get(key)}
        for n in part:
            if n["kind"] == "shown" or (n["kind"] == "images" and not chosen):
                out["images"].append(n["what"])
            elif n["kind"] in ("live", "file"):
                out["live" if n["kind"] == "live" else "files"] += n.get("runs") or [n["what"]]
    if judged:
        out["profiles"] = {name: about for name, about in out["profiles"].items() if about["runs"]}
    return out | {key: list(dict.fromkeys(out[key])) for key in ("images", "live", "files")}


def anchor_of(profile: str, run: str) -> str:
    """The place of a recorded run on the page `reproduce`, within that page."""
    return f"run-{profile}-{run}"


def listed(words: list) -> str:
    """ "a, b and c"."""
    *first, last = map(str, words)
    return f"{', '.join(first)} and {last}" if first else last


def line(about: dict, origin: str) -> str:
    """HTML of a passport. origin: HTML of what made the figure or table, with which it begins."""
    parts = [origin]
    profiles = sorted(about["profiles"].items())
    with_runs = [(name, p["runs"]) for name, p in profiles if p["runs"]]
    if with_runs:
        parts.append("; ".join(f"{name}: {len(runs)} run{'s' * (len(runs) > 1)}" for name, runs in with_runs))
        seeds = sorted({run["seed"] for _, runs in with_runs for run in runs.values()})
        parts.append(f"seed{'s' * (len(seeds) > 1)} {listed(seeds)}")
    if marks := sorted({run["data"][:8] for _, runs in with_runs for run in runs.values()}):
        parts.append(f"training data {listed(marks)}")
    tests = sorted({(p["images"], p["test_data"][:8]) for _, p in profiles if p["images"]})
    measured = [f"{n:,} test images ({mark})" for n, mark in tests]
    measured += ["validation images"] * any(p["validation"] for _, p in profiles)
    if measured:
        parts.append(listed(measured))
    if about["live"]:
        parts.append(f"{len(about['live'])} runs trained while this page was made")
    if about["images"]:
        parts.append(f"shown: {listed(about['images'])}")
    parts += about["files"]
    if len(parts) == 1:
        parts.append("from formulas and settings; no image, no run")
    entries = [_entry(name, run) for name, runs in with_runs for run in sorted(runs)]
    entries += [html.escape(f"runs/{run}") for run in about["live"]]
    more = "".join(f"<li>{entry}</li>" for entry in entries)
    details = f" · <details><summary>records</summary><ul>{more}</ul></details>" if more else ""
    return f'<div class="passport">{parts[0]} · {html.escape(" · ".join(parts[1:]))}{details}</div>'


def _entry(profile: str, run: str) -> str:
    """Where a run is kept; one that is recorded with a link to what it cost."""
    place = html.escape(place_of(profile, run))
    recorded = place.startswith("book/")
    return f'<a href="../book/reproduce.html#{anchor_of(profile, run)}">{place}</a>' if recorded else place
