"""Numbers, verdicts and tables in the pages, read from the result files through `evaluation.results`.

The role `{result}` puts one number into a sentence. What follows the profile is a system and a metric, a difference
of two systems and a metric, a kind of pictures with both, or any other place in the profile's summary (`n_seeds`
says how many networks there are an arm); `:format` is Python's, and `:ci.3f` gives value and interval:

    {result}`evening/l2/auc:.3f`   {result}`evening/ce@1 - l2/chroma_ratio:ci+.2f`   {result}`evening/dark/l2/skill:.2f`
    {result}`evening/pictures:,d`  {result}`evening/passports/student_mse-s0/seconds:.0f` (run ids may be shortened)

The role `{verdict}` names the verdict on a claim or prediction: `H5` by version 2 of the rules, `v1/H5` what version 1
said. `{verdict_counts}` counts them: `H` (claims) or `P` (predictions) gives "2 confirmed, 1 refuted, ...", `H/open`
one number, `H/decided` that of those confirmed, refuted or mixed, and `H/all` that of all. `{quiet}` is small text
beneath a number in a cell, `{run}` the name of a run where links to it lead.

The directives draw tables: `{verdicts}` all claims, `{predictions}` ours, `{claim} H5` one of either in full, `{rules}`
when both versions of the rules were fixed, `{passports}` what each run cost, `{runs}` what is to be trained and how
much of it is recorded, `{coverage}` how often intervals cover, `{benches}` what `colorize bench` measured on each
machine, `{costs}` (with `:price:`, dollars an hour) what whole trainings would cost there. `{shown}` is a figure glued
from a notebook, with alternative text, which `{glue}` cannot give across pages. A place that does not exist is a
warning, and the book is built with warnings as errors.
"""

import itertools
import json
import math
import re
import shlex
from functools import lru_cache
from pathlib import Path

import pandas as pd
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from colorize_lib import bench
from colorize_lib.book.passports import anchor_of
from colorize_lib.config import load_config, settings_of
from colorize_lib.evaluation import claims, records, results
from colorize_lib.evaluation.measuring import SUBSETS
from colorize_lib.evaluation.systems import variant_title

logger = logging.getLogger(__name__)
MISSING = (AttributeError, IndexError, KeyError, TypeError, ValueError, FileNotFoundError)
SEEDS = (0, 1, 2)  # of every entry of the run list


@lru_cache
def load(profile: str) -> results.Results:
    """Results of a profile, read once."""
    return results.load(profile)


@lru_cache
def verdict(name: str) -> claims.Verdict:
    """The verdict on `H5` by version 2 of the rules."""
    return claims.decide(name)


@lru_cache
def version1() -> dict[str, dict]:
    """What version 1 of the rules said, claim by claim, as it was recorded: verdict, remark, runs and findings."""
    return json.loads((results.BOOK / "results/version1.json").read_text())["verdicts"]


def word(place: str) -> str:
    """The word of the verdict on `H5`, or of version 1 on `v1/H5`."""
    first, _, name = place.rpartition("/")
    if first not in ("", "v1"):
        raise ValueError(f"{first!r} is no version of the rules; allowed: v1, or nothing for version 2")
    return version1()[name]["verdict"] if first else verdict(name).verdict


def counted_verdicts(place: str) -> str:
    """How many verdicts there are, see `{verdict_counts}` at the top of this file."""
    letter, _, which = place.partition("/")
    found = claims.counts([verdict(h.id) for h in claims.load_hypotheses() if h.id.startswith(letter)])
    total = sum(found.values())
    if not total or which not in ("", "all", "decided", *claims.WORDS):
        raise ValueError(f"{place!r} counts nothing; allowed: H or P, alone or with /all, /decided or /WORD")
    if not which:
        return ", ".join(f"{n} {text}" for text, n in found.items())
    decided = sum(found.get(name, 0) for name in ("confirmed", "refuted", "mixed"))
    return str({"all": total, "decided": decided}.get(which, found.get(which, 0)))


# ---------------------------------------------------------------------------------------------------------- one number


def lookup(place: str):
    """What lies at a place: an interval (system/metric) or a plain value. ValueError if there is nothing."""
    profile, *keys = place.split("/")
    found = load(profile)
    if keys == ["n_seeds"]:
        return found.n_seeds
    if len(keys) == 2 and " - " in keys[0]:
        return found.difference(*keys[0].split(" - "), keys[1])
    if len(keys) == 2 and keys[0] not in found.summary:
        return found.interval(*keys)
    if len(keys) == 3 and keys[0] in SUBSETS:
        return found.subset(*keys)
    value = found.summary
    for key in keys:
        value = _inside(value, key)
    return value


def _inside(value, key: str):
    """The entry of a list or dictionary; a key may be shortened as long as it stays the only one (run ids)."""
    if isinstance(value, list):
        return value[int(key)]
    fitting = [key] if key in value else [k for k in value if k.startswith(key)]
    if len(fitting) != 1:
        raise ValueError(f"{key!r} fits {len(fitting)} of {', '.join(map(str, value))}")
    return value[fitting[0]]


def show(value, form: str) -> str:
    """Format a value; "ci" before the format shows an interval whole. ValueError where nothing could be measured."""
    numbers = (value.value, value.low, value.high) if hasattr(value, "low") else (value,)
    if any(isinstance(x, float) and not math.isfinite(x) for x in numbers):
        raise ValueError("nothing could be measured")
    text = [format(x, form.removeprefix("ci")) for x in numbers]
    if form.startswith("ci"):
        value, low, high = text  # ValueError for a plain number
        return f"{value} [{low}, {high}]"
    return text[0]


class Result(SphinxRole):
    """`{result}`, see the top of this file."""

    def run(self) -> tuple[list, list]:
        """Return the formatted number, or a warning that names what is missing."""
        place, _, form = self.text.rpartition(":")  # a system may hold one, too
        try:
            text = show(lookup(place), form)
        except MISSING as error:
            logger.warning("result %r: %s", self.text, error, location=self.get_location())
            text = f"[no result {self.text}]"
        return [nodes.inline("", text, classes=["pasted-text"])], []


def mark(word: str) -> nodes.inline:
    """A verdict as a word with a sign before it, see custom.css."""
    return nodes.inline("", word, classes=["verdict", f"verdict-{word.replace(' ', '-')}"])


class Verdict(SphinxRole):
    """`{verdict}`, see the top of this file; the words of a verdict stand for themselves."""

    def run(self) -> tuple[list, list]:
        """Return the word, with its class, or a warning."""
        if self.text in claims.WORDS:
            return [mark(self.text)], []
        try:
            return [mark(word(self.text))], []
        except MISSING as error:
            logger.warning("verdict %r: %s", self.text, error, location=self.get_location())
            return [nodes.inline("", f"[no verdict {self.text}]")], []


class Quiet(SphinxRole):
    """`{quiet}`: text in a cell beneath its number, small and grey."""

    def run(self) -> tuple[list, list]:
        """Return the text."""
        return [nodes.inline("", self.text, classes=["quiet"])], []


class Run(SphinxRole):
    """`{run}`: a recorded run `evening/ce-s0-1a2b3c4d5e`, at the place that the lines below figures link to."""

    def run(self) -> tuple[list, list]:
        """Return its name."""
        profile, _, run = self.text.partition("/")
        return [nodes.literal("", run, ids=[anchor_of(profile, run)])], []


class VerdictCounts(SphinxRole):
    """`{verdict_counts}`, see the top of this file."""

    def run(self) -> tuple[list, list]:
        """Return the count, or a warning."""
        try:
            text = counted_verdicts(self.text)
        except MISSING as error:
            logger.warning("verdict_counts %r: %s", self.text, error, location=self.get_location())
            text = f"[no counts {self.text}]"
        return [nodes.inline("", text, classes=["pasted-text"])], []


# -------------------------------------------------------------------------------------------------------------- tables


def table(columns: dict[str, int], rows: list[list[str]], name: str = "") -> str:
    """MyST source of a table. columns: {title: width}; cells are MyST, on one line each, and never quotes or lists."""
    widths = " ".join(str(width) for width in columns.values())
    lines = ["````{list-table}", ":header-rows: 1", f":widths: {widths}", f":class: {name or 'plain'}", ""]
    for row in [list(columns), *rows]:
        cells = [" ".join(str(cell).split()) or "\N{NO-BREAK SPACE}" for cell in row]
        cells = [re.sub(r"^(?=>|[-+*#]( |$))", r"\\", cell) for cell in cells]
        lines += [f"* - {cells[0]}", *(f"  - {cell}" for cell in cells[1:])]
    return "\n".join([*lines, "````", ""])


def counted(n: int, what: str) -> str:
    """A number of things: "1 run", "3 runs"."""
    return f"{n} {what}{'s' * (n != 1)}"


class Source(SphinxDirective):
    """A directive that writes MyST source, or warns that a result is missing."""

    optional_arguments = 1
    default = "evening"

    def run(self) -> list:
        """Return the nodes of the source."""
        argument = self.arguments[0] if self.arguments else self.default
        try:
            return self.parse_text_to_nodes(self.source(argument))
        except MISSING as error:
            logger.warning("%s %s: %s", self.name, argument, error, location=self.get_location())
            return []

    def source(self, argument: str) -> str:
        """The MyST source."""
        raise NotImplementedError


def link(name: str) -> str:
    """A link to the place of a claim on its page."""
    return f"[{name}](#claim-{name.lower()})"


class Verdicts(Source):
    """`{verdicts}`: one line a claim, with the verdicts of both versions."""

    optional_arguments = 0

    def source(self, argument: str) -> str:
        """The table."""
        names = [h.id for h in claims.load_hypotheses() if h.id.startswith("H")]
        columns = {"": 6, "Claim": 44, "Chapter": 10, "Verdict": 22, "Version 1": 18}
        return table(columns, [[*summary(name), f"{{verdict}}`v1/{name}`"] for name in names], "claims")


class Predictions(Source):
    """`{predictions}`: one line a prediction of ours, with its verdict."""

    optional_arguments = 0

    def source(self, argument: str) -> str:
        """The table."""
        names = [h.id for h in claims.load_hypotheses() if h.id.startswith("P")]
        columns = {"": 6, "Prediction": 54, "Chapter": 10, "Verdict": 30}
        return table(columns, [summary(name) for name in names], "claims")


def summary(name: str) -> list[str]:
    """Id with link, title, chapter and verdict of version 2 with its parts, as cells."""
    one = verdict(name)
    parts = "; ".join(f"{part}: {text}" for part, text in (one.parts or {}).items())
    word = f"{{verdict}}`{one.verdict}`" + (f" {{quiet}}`{parts}`" if parts else "")
    return [link(name), one.hypothesis.title, chapter(one.hypothesis), word]


def chapter(about: claims.Hypothesis) -> str:
    """A link to the chapter that takes a claim up, by its number."""
    return f"{{doc}}`{about.chapter[:2]} </notebooks/{about.chapter}>`" if about.chapter else ""


class Claim(Source):
    """`{claim} H5`: verdict, claim, rule, what was measured, and folded what version 1 said."""

    required_arguments, optional_arguments = 1, 0

    def source(self, argument: str) -> str:
        """A few paragraphs and tables."""
        one = verdict(argument)
        about, text = one.hypothesis, ""
        if about.experiment:
            place = about.section if about.section == "abstract" else f"section {about.section}"
            where = f" ({place})" if about.section != "-" else ""
            text += f"**Claim**{where}. {about.claim}\n\n"
        text += f"**Rule.** {about.rule}\n\n"
        text += labelled("How its words were read", about.reading)
        if one.findings:
            missing = "**Provisional**, of what is recorded so far, and no verdict:\n\n" if one.missing else ""
            text += missing + findings([finding_cells(finding) for finding in one.findings], one.runs)
        text += first_version(about) if about.id in version1() else ""
        if one.verdict == "open":
            text = folded("The claim, its rule, and what is recorded so far", text, ticks=6)
        return self._verdict(one) + text

    def _verdict(self, one: claims.Verdict) -> str:
        parts = "; ".join(f"{part}: {{verdict}}`{text}`" for part, text in (one.parts or {}).items())
        notes = "; ".join(filter(None, [parts, one.remark]))
        text = f"**Verdict.** {{verdict}}`{one.verdict}`" + (f" ({notes})" if notes else "") + "."
        text += f" Chapter {chapter(one.hypothesis)}.\n\n" if one.hypothesis.chapter else "\n\n"
        if one.verdict == "open":
            waits = [entry["about"] for entry in claims.read()["runs"] if one.hypothesis.id in entry["decides"]]
            missing = f"Missing: {some(one.missing)}. " if one.missing else ""
            runs = f"{'; '.join(waits)} ([run list](#run-list))" if waits else "readers' answers ({doc}`your-eyes`)"
            text += f"{missing}Waits for: {runs}.\n\n"
        return text


def some(texts: tuple[str, ...], most: int = 3) -> str:
    """The first few of several texts, and how many there are beside."""
    more = [f"and {len(texts) - most} more"] if len(texts) > most else []
    return "; ".join([*texts[:most], *more])


def finding_cells(finding: claims.Finding) -> list[str]:
    """Effect, measured, must be and finding of a check, as cells."""
    mark_of = f"{{verdict}}`{finding.verdict}`" if finding.verdict else ""
    text = f"{mark_of} {{quiet}}`reported only`" if finding.check.report else mark_of
    return [finding.title, measured(*finding.measured), finding.check.rule, text]


def measured(value: str, *further: str) -> str:
    """One number a cell: the value, and quietly beneath it its interval and what else decides."""
    return " ".join([value, *(f"{{quiet}}`{text}`" for text in further if text)])


def findings(rows: list[list[str]], runs) -> str:
    """MyST source of a table of findings, with the runs behind it."""
    columns = {"Effect": 48, "Measured": 22, "Must be": 14, "Finding": 16}
    return table(columns, rows, "findings") + (f"\nRuns: {', '.join(f'`{run}`' for run in runs)}\n\n" if runs else "\n")


def first_version(about: claims.Hypothesis) -> str:
    """Folded: what version 1 of the rule took, what it said of which findings, and what was wrong with it."""
    rule, said = claims.read()["version1"][about.id], version1()[about.id]
    remark = f" ({said['remark']})" if said["remark"] else ""
    text = f"**Verdict.** {{verdict}}`{said['verdict']}`{remark}\n\n"
    text += f"**Experiment.** {rule['experiment']}\n\n**Rule.** {rule['rule']}\n\n"
    if said["findings"]:
        cells = [[f[key] for key in ("effect", "measured", "must", "finding")] for f in said["findings"]]
        rows = [
            [a, measured(*b.split(" ", 1)), c, f"{{verdict}}`{d}`" if d else "reported only"] for a, b, c, d in cells
        ]
        text += findings(rows, said["runs"])
    return folded("Version 1 of the rule, and what it said", text + labelled("What was wrong with it", about.wrong))


def labelled(label: str, text: str) -> str:
    """A paragraph that a label opens; nothing where there is no text."""
    return f"**{label}.** {text[0].upper()}{text[1:]}.\n\n" if text else ""


def folded(title: str, text: str, ticks: int = 5) -> str:
    """MyST source of a block that the reader unfolds; ticks: more than any block inside has."""
    fence = "`" * ticks
    return f"{fence}{{dropdown}} {title}\n{text}{fence}\n\n"


class Rules(Source):
    """`{rules}`: when the versions of the rules were fixed, what was known then, and what holds for all of them."""

    optional_arguments = 0

    def source(self, argument: str) -> str:
        """A paragraph and a folded one."""
        first, second = (claims.read()[f"version{number}"] for number in (1, 2))
        fixed = (
            f"Rules have versions. Version 1 was written and committed on {first['committed']} as "
            f"`{first['commit']}`, before any result; its verdicts stand as they came out, of networks trained for "
            "less time on fewer photographs, which are gone. Version 2 was written on "
            f"{second['date']} and committed on {second['committed']} as `{second['commit']}`, before any "
            "network of profile `evening` had been measured on test photographs. Version 2 decides. Version 1 is shown "
            "beside it, with what was wrong with it."
        )
        return f"{fixed}\n\n" + folded(
            "What was known when version 2 was fixed, and what holds for every rule of it",
            f"{second['known']}\n\n{second['everywhere']}\n\n",
        )


class Passports(Source):
    """`{passports} [profile]`: each run with its settings where they are not the profile's own, how well it ended, what
    it cost and where it ran; `others`: those of all other profiles."""

    def source(self, argument: str) -> str:
        """A table a profile."""
        if argument != "others":
            return self._table(argument)
        others = [name for name in results.recorded() if name != self.default]
        return "\n".join(f"Profile `{name}`:\n\n{self._table(name)}" for name in others)

    def _table(self, profile: str) -> str:
        columns = {"Run": 32, "Steps": 16, "Validation error": 12, "Minutes": 12, "Device": 28}
        found, rows = load(profile), []
        for run, p in found.summary["passports"].items():
            curves = found.curves(p["variant"], [p["arm"]])
            errors = curves.val_ab_error[curves.seed == p["seed"]]
            rows.append(self._row(profile, run, p, errors.iloc[-1] if len(errors) else None))
        return table(columns, rows)

    def _row(self, profile: str, run: str, p: dict, error: float | None) -> list[str]:
        other = f" {{quiet}}`{variant_title(p['variant'])}`" if p["variant"] else ""
        named = f"{{run}}`{profile}/{run}`{other} {{quiet}}`commit {p['commit']}`"
        steps = f"{p['steps']:,} {{quiet}}`{p['photos']:,} photographs`"
        cost = f"{p['seconds'] / 60:.1f} {{quiet}}`{p['peak_memory_mb'] / 1024:.1f} GB`"
        ended = "" if error is None else f"{error:.2f}"
        return [named, steps, ended, cost, f"{p['device']} {{quiet}}`{p['precision']}`"]


# -------------------------------------------------------------------------------------------------------- runs to make


def run_list() -> list[dict]:
    """Every training that a hypothesis needs, with its command and how much of it is recorded.

    Keys: about, decides, command, recorded and wanted (numbers of runs).
    """
    done = [passport for name in results.recorded() for passport in results.load(name).summary["passports"].values()]
    have = {(p["profile"], results.variant_of(p), p["arm"], p["seed"]) for p in done}
    return [_runs_row(entry, have) for entry in claims.read()["runs"]]


def _runs_row(entry: dict, have: set[tuple]) -> dict:
    vary = entry.get("vary", {})
    settings = [dict(zip(vary, values, strict=True)) for values in itertools.product(*vary.values())]
    wanted = {
        (entry["profile"], wanted_variant(entry, setting, arm), arm, seed)
        for setting in settings
        for arm in entry["arms"]
        for seed in SEEDS
    }
    row = {"about": entry["about"], "decides": entry["decides"], "command": _command(entry)}
    return row | {"recorded": len(wanted & have), "wanted": len(wanted)}


def wanted_variant(entry: dict, setting: dict, arm: str) -> str:
    """What `variant_of` calls a run of an entry of the run list."""
    config = load_config(entry["profile"], **setting).for_arm(arm)
    passport = {"arm": arm, "profile": entry["profile"], "config": settings_of(config), "prior": setting.get("prior")}
    return results.variant_of(passport | {"parent": _parent(entry)})


def _parent(entry: dict) -> dict | None:
    """The network that the runs of an entry start from, as in a passport, with the one that this one started from."""
    parent = entry.get("from")
    return parent and parent | {"passport": {"parent": _parent(parent)}}


def _command(entry: dict) -> str:
    """What trains the runs of an entry: a sweep where a setting has several values."""
    vary = entry.get("vary", {})
    kind = "sweep" if any(len(values) > 1 for values in vary.values()) else "train"
    command = ["colorize", kind, "--profile", entry["profile"], "--data", "DATA"]
    command += ["--seeds", ",".join(map(str, SEEDS)), "--arms", ",".join(entry["arms"])]
    for name, values in vary.items():
        texts = [value if isinstance(value, str) else json.dumps(value, separators=(",", ":")) for value in values]
        command += ["--vary" if len(values) > 1 else "-p", name, *texts]
    command += ["-p", "init_from", "RUN", "-p", "init_part", entry["from"]["part"]] if "from" in entry else []
    return shlex.join(command)


class Runs(Source):
    """`{runs}`: the run list."""

    optional_arguments = 0

    def source(self, argument: str) -> str:
        """The table."""
        columns = {"What": 28, "Decides": 14, "Command": 44, "Recorded": 14}
        return table(columns, [self._row(row) for row in run_list()])

    def _row(self, row: dict) -> list[str]:
        links = ", ".join(link(name) for name in row["decides"])
        return [row["about"], links, f"`{row['command']}`", f"{row['recorded']} of {row['wanted']} runs"]


class Coverage(Source):
    """`{coverage}`: how often the 95 % intervals cover, in simulations."""

    optional_arguments = 0

    def source(self, argument: str) -> str:
        """The table."""
        found = records.coverage()
        columns = {"Simulated case": 40} | {counted(seeds, "seed"): 12 for seeds in found if seeds > 1}
        rows = [[case, *(f"{low:.1%} to {high:.1%}" for low, high in row.drop(1))] for case, row in found.iterrows()]
        return table(columns, rows)


# --------------------------------------------------------------------------------------------------------------- speed


def table_of(frame: pd.DataFrame) -> str:
    """MyST source of a data frame of text."""
    widths = {title: max(6, *(len(str(cell)) for cell in frame[title]), len(title)) for title in frame}
    return table(widths, [[str(cell) for cell in row] for row in frame.to_numpy()], "bench")


def machine_of(found: dict) -> str:
    """The machine in a few words."""
    m = found["machine"]
    units = "" if m["matrix_units"] == "none" else f" with {m['matrix_units']}"
    return m.get("card") or f"{m['processor']}{units}, {m['threads']} of {m['cores']} cores"


def setup_of(found: dict) -> str:
    """Two sentences on the machine and on what was trained there."""
    s, version = found["setup"], found["machine"]["torch"]
    rates = ", ".join(f"{rate / 1e12:.2f} TFLOP/s in {kind}" for kind, rate in found["matrix_rate"].items())
    what = f"width {s['width']:g}, {s['side']} px, batches of {s['batch']}, {s['precision']}"
    return (
        f"{machine_of(found)}; PyTorch {version}. Products of large matrices: {rates}. "
        f"Trained: {what}, commit `{s['commit']}`."
    )


class Benches(Source):
    """`{benches}`: every recorded measurement of `colorize bench`, with all its tables."""

    optional_arguments = 0

    def source(self, argument: str) -> str:
        """A paragraph and tables a machine; all but those of the first folded."""
        blocks = []
        for name, found in records.benches().items():
            memory = f"Peak memory of the steps: {found['peak_memory_mb'] / 1024:.1f} GB."
            parts = [f"{setup_of(found)} {memory}\n"]
            parts += [f"{title}:\n\n{table_of(frame)}" for title, frame in bench.tables(found).items()]
            text = "\n".join(parts)
            blocks.append(folded(name, text) if blocks else f"**`{name}`.** {text}")
        if not blocks:
            raise ValueError("nothing is recorded; run colorize bench --record NAME")
        return "\n".join(blocks)


class Costs(Source):
    """`{costs}`: hours and dollars of whole trainings on every machine, by its measurement of the widest network."""

    optional_arguments = 0
    option_spec = {"price": directives.unchanged_required}

    def source(self, argument: str) -> str:
        """A table a machine."""
        widest = {}
        for name, found in sorted(records.benches().items(), key=lambda item: item[1]["setup"]["width"]):
            widest[machine_of(found)] = name, found
        tables = [
            f"On `{name}` ({found['setup']['precision']}), `{arm}`:\n\n"
            + table_of(bench.costs(found, arm, float(self.options["price"])))
            for name, found in widest.values()
            for arm in list(found["arms"])[-1:]
        ]
        return "\n".join(tables)


# ------------------------------------------------------------------------------------------------------------- figures


class Shown(SphinxDirective):
    """`{shown} key` with `:doc:`, `:alt:` and `:name:`: a figure glued in another page; the content is its caption."""

    required_arguments, has_content = 1, True
    option_spec = dict.fromkeys(("doc", "alt", "name"), directives.unchanged_required)

    def run(self) -> list:
        """Return the figure; the picture takes its place after all pages are read."""
        glued = f"```{{glue}} {self.arguments[0]}\n:doc: {self.options['doc']}\n```"
        figure = nodes.figure("", *self.parse_text_to_nodes(glued), alt=self.options["alt"])
        figure += nodes.caption("", "", *self.parse_text_to_nodes("\n".join(self.content))[0].children)
        self.set_source_info(figure)
        self.add_name(figure)
        return [figure, *passport_of(self.env, self.options["doc"], self.arguments[0])]


def passport_of(env, doc: str, key: str) -> list:
    """The line that says what is behind a glued figure, if its notebook knows; `book.build.stage` has written it."""
    file, place = Path(env.srcdir) / "passports.json", Path(doc)
    lines = json.loads(file.read_text()) if file.exists() else {}
    line = lines.get(place.stem, {}).get(key, "").replace('href="', f'href="{place.parent.as_posix()}/')
    return [nodes.raw("", line, format="html")] if line else []


class Describe(SphinxPostTransform):
    """Give the pictures of `{shown}` their alternative text, once the glue is in its place (priority 5)."""

    default_priority = 6

    def run(self, **_) -> None:
        """Write the text to every picture of such a figure."""
        for figure in self.document.findall(nodes.figure):
            for image in figure.findall(nodes.image) if "alt" in figure else ():
                image["alt"] = figure["alt"]


def setup(app) -> dict:
    """Register with Sphinx."""
    app.add_role("result", Result())
    app.add_role("verdict", Verdict())
    app.add_role("quiet", Quiet())
    app.add_role("run", Run())
    app.add_role("verdict_counts", VerdictCounts())
    for directive in (Verdicts, Claim, Rules, Predictions, Coverage, Passports, Runs, Benches, Costs, Shown):
        app.add_directive(directive.__name__.lower(), directive)
    app.add_post_transform(Describe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
