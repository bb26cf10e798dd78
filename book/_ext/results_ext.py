"""Numbers, verdicts and tables in the pages, read from the result files through `colorize_lib.results`.

The role `{result}` puts one number into a sentence. What follows the profile is a system and a metric, a difference
of two systems and a metric, a kind of pictures with both, or any other place in the profile's summary (`n_seeds`
counts its seeds); `:format` is Python's, and `:ci.3f` gives value and interval:

    {result}`laptop/l2/auc:.3f`   {result}`laptop/ce@1 - l2/chroma_ratio:ci+.2f`   {result}`laptop/dark/l2/skill:.2f`
    {result}`laptop/pictures:,d`  {result}`laptop/passports/l2-s0/seconds:.0f` (run ids may be shortened)

The role `{verdict}` names the verdict on a hypothesis (`H5`, or `student/H5` for another profile than laptop), and the
directives draw tables: `{verdicts}` all hypotheses, `{claim} H5` one in full, `{passports}` what each run cost,
`{runs}` what is to be trained and how much of it is recorded, `{benches}` what `colorize bench` measured on each
machine, `{costs}` (with `:price:`, dollars an hour) what whole trainings would cost there. `{version2}` says when the
rules of version 2 were fixed, and `{predictions}` lists ours. `{shown}` is a figure glued from a notebook, with
alternative text, which `{glue}` cannot give across pages. A place that does not exist is a
warning, and the book is built with warnings as errors.
"""

import itertools
import json
import math
import re
import shlex
from functools import lru_cache

import pandas as pd
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

from colorize_lib import bench
from colorize_lib.config import Config, identity, load_config
from colorize_lib.evaluation import claims, records

logger = logging.getLogger(__name__)
MISSING = (AttributeError, IndexError, KeyError, TypeError, ValueError, FileNotFoundError)
MINUS = "\N{MINUS SIGN}"


@lru_cache
def load(profile: str) -> records.Results:
    """Results of a profile, read once."""
    return records.load(profile)


@lru_cache
def verdict(place: str) -> claims.Verdict:
    """The verdict on `H5`, or on `student/H5`."""
    profile, _, name = place.rpartition("/")
    found = {hypothesis.id: hypothesis for hypothesis in claims.load_hypotheses()}
    if name not in found:
        raise ValueError(f"there is no hypothesis {name!r}; there are: {', '.join(found)}")
    return claims.verdict(found[name], load(profile or "laptop"))


# ---------------------------------------------------------------------------------------------------------- one number


def lookup(place: str):
    """What lies at a place: an interval (system/metric) or a plain value. ValueError if there is nothing."""
    profile, *keys = place.split("/")
    found = load(profile)
    if keys == ["n_seeds"]:
        return len(found.summary["seeds"])
    if len(keys) == 2 and " - " in keys[0]:
        return found.difference(*keys[0].split(" - "), keys[1])
    if len(keys) == 2 and keys[0] not in found.summary:
        return found.interval(*keys)
    if len(keys) == 3 and keys[0] in found.summary["strata"]:
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
        return f"{value} [{low}, {high}]".replace("-", MINUS)
    return text[0] if isinstance(numbers[0], str) else text[0].replace("-", MINUS)


class Result(SphinxRole):
    """`{result}`, see the top of this file."""

    def run(self) -> tuple[list, list]:
        """Return the formatted number, or a warning that names what is missing."""
        place, _, form = self.text.partition(":")
        try:
            text = show(lookup(place), form)
        except MISSING as error:
            logger.warning("result %r: %s", self.text, error, location=self.get_location())
            text = f"[no result {self.text}]"
        return [nodes.inline("", text, classes=["pasted-text"])], []


def mark(word: str) -> nodes.inline:
    """A verdict as a word with a sign before it, see custom.css."""
    return nodes.inline("", word, classes=["verdict", f"verdict-{word}"])


class Verdict(SphinxRole):
    """`{verdict}`, see the top of this file; the words of a verdict stand for themselves."""

    def run(self) -> tuple[list, list]:
        """Return the word, with its class, or a warning."""
        if self.text in ("confirmed", "refuted", "undecided", "mixed", "open"):
            return [mark(self.text)], []
        try:
            return [mark(verdict(self.text).verdict)], []
        except MISSING as error:
            logger.warning("verdict %r: %s", self.text, error, location=self.get_location())
            return [nodes.inline("", f"[no verdict {self.text}]")], []


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
    default = "laptop"

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


class Verdicts(Source):
    """`{verdicts} [profile]`: one line a hypothesis."""

    def source(self, argument: str) -> str:
        """The table."""
        found = [verdict(f"{argument}/{hypothesis.id}") for hypothesis in claims.load_hypotheses()]
        columns = {"": 6, "Claim": 40, "Section": 10, "Verdict": 14, "Remark": 30}
        return table(columns, [self._row(one) for one in found], "claims")

    def _row(self, one: claims.Verdict) -> list[str]:
        about = one.hypothesis
        link = f"[{about.id}](#claim-{about.id.lower()})"
        return [link, about.title, about.section, f"{{verdict}}`{one.verdict}`", one.remark]


class Claim(Source):
    """`{claim} H5`: claim, experiment, rule, what was measured, and the runs behind it."""

    required_arguments, optional_arguments = 1, 0

    def source(self, argument: str) -> str:
        """A few paragraphs and a table."""
        one = verdict(argument)
        about = one.hypothesis
        where = f" (section {about.section})" if about.section != "-" else ""
        text = f"**Claim**{where}. {about.claim}\n\n**Experiment.** {about.experiment}\n\n**Rule.** {about.rule}\n\n"
        remark = f" ({one.remark})" if one.remark else ""
        text += f"**Verdict.** {{verdict}}`{one.verdict}`{remark}\n\n"
        if one.findings:
            columns = {"Effect": 46, "Measured, with 95 % interval": 28, "Must be": 12, "Finding": 14}
            text += table(columns, [self._row(finding) for finding in one.findings], "findings")
            text += f"\nRuns: {', '.join(f'`{run}`' for run in one.runs)}\n\n"
        text += folded("Rule, version 2", rule_version2(about.id))
        waits = [entry for entry in claims.read()["runs"] if about.id in entry["decides"]]
        if one.verdict == "open":
            text += f"Waits for: {'; '.join(self._wait(entry) for entry in waits)} ([run list](#run-list))\n"
        return text

    def _row(self, finding: claims.Finding) -> list[str]:
        word = f"{{verdict}}`{finding.verdict}`" if finding.verdict else "reported only"
        signed = [text.replace("-", MINUS) for text in (str(finding), finding.check.rule)]
        return [finding.title, *signed, word]

    def _wait(self, entry: dict) -> str:
        return entry["about"] + (f" (lacking: {entry['lacking']})" if "lacking" in entry else "")


def folded(title: str, text: str) -> str:
    """MyST source of a block that the reader unfolds."""
    return f"`````{{dropdown}} {title}\n{text}`````\n\n"


def rule_version2(name: str) -> str:
    """What it takes by version 2, and what was wrong with version 1."""
    rule = claims.rules_version2()[name]
    parts = {"Confirmed": rule["confirmed"], "Refuted": rule["refuted"], "Wrong with version 1": rule["wrong"]}
    return "".join(f"**{title}**: {text}.\n\n" for title, text in parts.items() if text)


class Version2(Source):
    """`{version2}`: when the rules of version 2 were fixed, what was known then, and what holds for all of them."""

    optional_arguments = 0

    def source(self, argument: str) -> str:
        """A paragraph and a folded one."""
        about = claims.read()["version2"]
        fixed = (
            f"Version 2 of the rules was fixed on {about['date']}, before any network of profile `evening` had been "
            "measured on test photographs. It stands folded under each verdict of version 1."
        )
        return f"{fixed}\n\n" + folded(
            "What was known then, and what holds for every rule of version 2",
            f"{about['known']}\n\n{about['everywhere']}\n\n",
        )


class Predictions(Source):
    """`{predictions}`: the predictions of version 2, which no result has decided yet."""

    optional_arguments = 0

    def source(self, argument: str) -> str:
        """A list, a prediction an item."""
        rules = {name: rule for name, rule in claims.rules_version2().items() if name.startswith("P")}
        return "".join(
            f"- **{name}**: {rule['title']}. Confirmed: {rule['confirmed']}. Refuted: {rule['refuted']}.\n"
            for name, rule in rules.items()
        )


class Passports(Source):
    """`{passports} [profile]`: each run with what it cost and where it ran."""

    def source(self, argument: str) -> str:
        """The table."""
        columns = {"Run": 24, "Pictures": 10, "Steps": 9, "Minutes": 10, "Peak memory": 12, "Device": 20, "Commit": 15}
        passports = load(argument).summary["passports"]
        return table(columns, [self._row(run, passport) for run, passport in passports.items()])

    def _row(self, run: str, p: dict) -> list[str]:
        memory = f"{p['peak_memory_mb'] / 1024:.1f} GB"
        cost = [f"{p['photos']:,}", f"{p['steps']:,}", f"{p['seconds'] / 60:.1f}", memory]
        return [f"`{run}`", *cost, f"{p['device']}, {p['precision']}", f"`{p['commit']}`"]


# -------------------------------------------------------------------------------------------------------- runs to make


def run_list() -> list[dict]:
    """Every training that a hypothesis needs, with its command and how much of it is recorded.

    Keys: about, decides, command, recorded and wanted (numbers of runs), state (done, part, open), lacking.
    """
    done = [passport for name in records.recorded() for passport in records.load(name).summary["passports"].values()]
    rows = []
    for entry in claims.read()["runs"]:
        vary = entry.get("vary", {})
        rows += [_run_row(entry, dict(zip(vary, v, strict=True)), done) for v in itertools.product(*vary.values())]
    return rows


def _run_row(entry: dict, parameters: dict, done: list[dict]) -> dict:
    arms, seeds = entry.get("arms", Config.arms), entry.get("seeds", [0, 1, 2])
    config = load_config(entry["profile"], arms=arms, seeds=seeds, **parameters)
    wanted = json.loads(json.dumps({**identity(config), "side": config.side}))
    same = [p for p in done if {k: v for k, v in p["config"].items() if k != "temperature"} == wanted]
    have = {(p["arm"], p["seed"]) for p in same} & set(itertools.product(arms, seeds))
    have = set() if "lacking" in entry else have
    command = [
        "colorize",
        "train",
        "--profile",
        entry["profile"],
        "--data",
        "DATA",
        "--seeds",
        ",".join(map(str, seeds)),
    ]
    command += ["--arms", ",".join(arms)] if "arms" in entry else []
    for name, value in parameters.items():
        command += ["-p", name, value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))]
    state = "done" if len(have) == len(arms) * len(seeds) else "part" if have else "open"
    row = {"about": entry["about"], "decides": entry["decides"], "command": shlex.join(command), "state": state}
    return row | {"recorded": len(have), "wanted": len(arms) * len(seeds), "lacking": entry.get("lacking", "")}


class Runs(Source):
    """`{runs}`: the run list."""

    optional_arguments = 0

    def source(self, argument: str) -> str:
        """The table."""
        columns = {"What": 26, "Decides": 14, "Command": 44, "State": 16}
        return table(columns, [self._row(row) for row in run_list()])

    def _row(self, row: dict) -> list[str]:
        state = {"part": f"{row['recorded']} of {row['wanted']} runs recorded", "done": "done", "open": "open"}
        command = f"lacking: {row['lacking']}" if row["lacking"] else f"`{row['command']}`"
        links = [f"[{name}](#claim-{name.lower()})" for name in row["decides"]]
        wanted = f" ({counted(row['wanted'], 'run')})" if row["state"] != "part" else ""
        return [row["about"], ", ".join(links), command, state[row["state"]] + wanted]


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
        """A paragraph and tables a machine."""
        parts = []
        for name, found in records.benches().items():
            memory = f"Peak memory of the steps: {found['peak_memory_mb'] / 1024:.1f} GB."
            parts.append(f"**`{name}`.** {setup_of(found)} {memory}\n")
            parts += [f"{title}:\n\n{table_of(frame)}" for title, frame in bench.tables(found).items()]
        if not parts:
            raise ValueError("nothing is recorded; run colorize bench --record NAME")
        return "\n".join(parts)


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
        return [figure]


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
    for directive in (Verdicts, Claim, Version2, Predictions, Passports, Runs, Benches, Costs, Shown):
        app.add_directive(directive.__name__.lower(), directive)
    app.add_post_transform(Describe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
