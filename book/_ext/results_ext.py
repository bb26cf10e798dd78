"""Numbers and verdicts in the pages, read from the result files through `colorize_lib.results`.

The role `{result}` puts one number into a sentence. What follows the profile is a system and a metric, a difference
of two systems and a metric, or any other place in the profile's summary; `:format` is Python's, and `:ci.3f` gives
value and interval:

    {result}`laptop/l2/auc:.3f`   {result}`laptop/ce@1 - l2/chroma_ratio:ci+.2f`   {result}`laptop/pictures:,d`

A place that does not exist is a warning, and the book is built with warnings as errors. The directive `{verdicts}`
draws the table of claims.
"""

from functools import lru_cache

from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

logger = logging.getLogger(__name__)


@lru_cache
def load(profile: str):
    """Results of a profile, read once."""
    from colorize_lib import results

    return results.load(profile)


def lookup(place: str):
    """What lies at a place: an interval (system/metric) or a plain value. ValueError if there is nothing."""
    profile, *keys = place.split("/")
    results = load(profile)
    if len(keys) == 2 and " - " in keys[0]:
        return results.difference(*keys[0].split(" - "), keys[1])
    if len(keys) == 2 and keys[0] not in results.summary:
        return results.interval(*keys)
    value = results.summary
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
    """Format a value; "ci" before the format shows an interval whole."""
    if form.startswith("ci"):
        number, low, high = (format(x, form[2:]) for x in (value.value, value.low, value.high))
        return f"{number} [{low}, {high}]".replace("-", "\N{MINUS SIGN}")
    text = format(getattr(value, "value", value), form)
    return text if isinstance(value, str) else text.replace("-", "\N{MINUS SIGN}")


class Result(SphinxRole):
    """`{result}`, see the top of this file."""

    def run(self) -> tuple[list, list]:
        """Return the formatted number, or a warning that names what is missing."""
        place, _, form = self.text.partition(":")
        try:
            text = show(lookup(place), form)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError, FileNotFoundError) as error:
            logger.warning("result %r: %s", self.text, error, location=self.get_location())
            text = f"[no result {self.text}]"
        return [nodes.inline("", text, classes=["pasted-text"])], []


class Verdict(SphinxRole):
    """A verdict as a word with a mark, see custom.css."""

    def run(self) -> tuple[list, list]:
        """Return the word, with its class."""
        return [nodes.inline("", self.text, classes=["verdict", f"verdict-{self.text}"])], []


COLUMNS = (("id", "", 6), ("claim", "Claim", 34), ("rule", "Rule, fixed beforehand", 30), ("effect", "Measured", 20))


class Verdicts(SphinxDirective):
    """The table of claims: one row each with its rule, the measured effect, the verdict and the runs behind it."""

    optional_arguments = 1  # profile

    def run(self) -> list:
        """Return the table's nodes."""
        from colorize_lib import results

        profile = self.arguments[0] if self.arguments else "laptop"
        try:
            rows = results.verdicts(profile)
        except (KeyError, ValueError, FileNotFoundError) as error:
            logger.warning("verdicts: %s", error, location=self.get_location())
            return []
        return self.parse_text_to_nodes(self._table(rows))

    def _table(self, rows: list[dict]) -> str:
        widths = " ".join(str(width) for *_, width in COLUMNS)
        lines = ["````{list-table}", ":header-rows: 1", f":widths: {widths} 12", ":class: claims", ""]
        lines += ["* - " + COLUMNS[0][1], *(f"  - {title}" for _, title, _ in COLUMNS[1:]), "  - Verdict"]
        for row in rows:
            cells = [" ".join(str(row[key]).split()) for key, *_ in COLUMNS]
            lines += [f"* - {cells[0]}", *(f"  - {cell}" for cell in cells[1:])]
            lines += [f"  - {{verdict}}`{row['verdict']}`"]
        return "\n".join([*lines, "````"])


def setup(app) -> dict:
    """Register with Sphinx."""
    app.add_role("result", Result())
    app.add_role("verdict", Verdict())
    app.add_directive("verdicts", Verdicts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
