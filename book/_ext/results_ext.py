"""Numbers and verdicts in the pages, read from the result files through `colorize_lib.results`.

`{result}` puts one number into a sentence: {result}`laptop/l2/auc:.3f` formats what lies at that place of
book/results/laptop/summary.json. The directive `{verdicts}` draws the table of claims. A place that does not exist is
a warning, and the book is built with warnings as errors.
"""

from docutils import nodes
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective, SphinxRole

logger = logging.getLogger(__name__)


class Result(SphinxRole):
    """`{result}` followed by profile/key/.../key, optionally with `:format` as in Python's `format`."""

    def run(self) -> tuple[list, list]:
        """Return the formatted number, or a warning that names what is missing."""
        from colorize_lib import results

        place, _, form = self.text.partition(":")
        try:
            text = format(results.lookup(place), form)
        except (KeyError, ValueError, TypeError, FileNotFoundError) as error:
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
