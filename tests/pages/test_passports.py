"""Below every figure and table that was made stands what is behind it, and beside every chapter its files."""

from __future__ import annotations

import html
import json
import re

import pytest
import yaml
from bs4 import BeautifulSoup
from built import PAGES, ROOT, SITE

CHAPTERS = [page for page in PAGES if page.startswith("notebooks/")]
UNTOLD = """[...document.querySelectorAll('.cell_output')].filter(o => o.querySelector('img, table, input[type=range]'))
    .filter(o => !o.closest('.cell').classList.contains('tag_hide-output'))
    .filter(o => !o.closest('.cell').nextElementSibling?.classList.contains('passport')).length"""
CLIPPED = """[...document.querySelectorAll('.cell_input pre')]
    .filter(p => p.offsetParent && p.scrollWidth > p.clientWidth + 1).map(p => p.textContent.slice(0, 60))"""


@pytest.mark.parametrize("page", CHAPTERS)
def test_figures_and_tables_have_a_line_and_code_is_not_clipped(chromium, address, page):
    chromium.resize(1280)
    chromium.open(address + page)
    assert chromium.ask(UNTOLD) == 0, "figures or tables without a line that says what is behind them"
    chromium.ask("document.querySelectorAll('.cell details').forEach(one => { one.open = true })")
    assert not chromium.ask(CLIPPED), "code that a page does not show whole"


@pytest.mark.parametrize("page", CHAPTERS)
def test_folded_cells_that_only_glue_leave_no_toggle_and_the_others_keep_theirs(page):
    toggles = BeautifulSoup((SITE / page).read_text(), "html.parser").select(".tag_hide-input > details.above-input")
    bare = [one for one in toggles if "glue(" in one.text and not one.parent.select(".cell_output")]
    assert not bare, "folded code that shows nothing"
    cells = json.loads((SITE / page).with_suffix(".ipynb").read_text())["cells"]
    folded = [cell["outputs"] for cell in cells if "hide-input" in cell["metadata"].get("tags", [])]
    kinds = [[kind for output in outputs for kind in output.get("data", ["text"])] for outputs in folded]
    kept = [some for some in kinds if not some or any(not kind.startswith("application/papermill") for kind in some)]
    assert len(toggles) == len(kept) >= 2


@pytest.mark.parametrize("page", ["book/intro.html", "book/live.html", "book/your-eyes.html", "book/your-photos.html"])
def test_what_is_drawn_or_taken_from_a_chapter_for_another_page_has_a_line_there(page):
    article = BeautifulSoup((SITE / page).read_text(), "html.parser").article
    shown = article.select("img, table.dataframe, .live, .eyes")
    assert shown
    for one in shown:
        section = one.find_parent("section")
        line = one.find_next(class_="passport")
        assert line and line.find_parent("section") is section, f"nothing says what is behind {one}"


@pytest.mark.parametrize("page", PAGES)
def test_the_runs_behind_figures_are_recorded(page):
    text = (SITE / page).read_text()
    for path in re.findall(r">(book/results/[^<]+)</a></li>", text):
        assert (ROOT / path).exists(), f"{page} names {path}, which is not there"


@pytest.mark.parametrize("page", CHAPTERS)
def test_a_chapter_lies_beside_its_page_as_notebook_and_script(page):
    name = page.removesuffix(".html")
    notebook = json.loads((SITE / f"{name}.ipynb").read_text())
    assert any(cell.get("outputs") for cell in notebook["cells"]), "with its results"
    assert "trace" not in notebook["metadata"] and "papermill" not in notebook["metadata"]
    assert str(ROOT) not in json.dumps(notebook)
    assert (SITE / f"{name}.py").read_bytes() == (ROOT / f"{name}.py").read_bytes()
    assert f'href="{name.partition("/")[2]}.ipynb"' in (SITE / page).read_text()


@pytest.mark.parametrize("page", PAGES)
def test_a_page_describes_itself_and_its_book_and_names_no_address_that_is_not_known(page):
    text = (SITE / page).read_text()
    if "search" in page or "genindex" in page:
        return
    (described,) = re.findall(r'<meta property="og:description" content="([^"]*)"', text)
    assert len(described) > 40
    (site,) = re.findall(r'<meta property="og:site_name" content="([^"]*)"', text)
    assert html.unescape(site) == yaml.safe_load((ROOT / "_config.yml").read_text())["title"]
    for address in re.findall(r'<meta property="og:(?:url|image)" content="([^"]*)"', text):
        assert address.startswith("https://")
