"""The built book in a headless browser: offline, without errors, readable on a telephone, true to the colours."""

from __future__ import annotations

import functools
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from built import PAGES, ROOT, SITE

WIDE = "document.documentElement.scrollWidth > innerWidth + 1"
TOO_WIDE = """[...document.querySelectorAll('.bd-main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)
    .slice(0, 5).map(e => e.tagName + '.' + e.className).join(' ')"""
FILTERED = """(document.documentElement.dataset.theme = 'dark',
    [...document.querySelectorAll('.bd-content img')].filter(i => getComputedStyle(i).filter !== 'none')
    .map(i => i.getAttribute('src').slice(0, 80)))"""
NAMELESS = """[...document.querySelectorAll('.bd-content img')].map(i => [i.alt, i.getAttribute('src').slice(0, 60)])
    .filter(([alt]) => alt.length < 10 || /\\.(png|svg|jpe?g)$/.test(alt)).map(([alt, src]) => src)"""
UNDRAWN = """[...document.querySelectorAll('.math')].filter(e => !e.querySelector('mjx-container')).length
    + document.querySelectorAll('mjx-merror').length"""
# What a link to the live page may set.
STATE = {"photo", "t", "lambda", "kind", "gain", "show", "left", "pin", "x", "y"}
NO_LABEL = """[...document.querySelectorAll('.bd-content input, .bd-content button')].filter(e =>
    !(e.ariaLabel || e.title || e.textContent.trim() || e.labels?.length || e.dataset.bsOriginalTitle)).length"""


@pytest.mark.parametrize("page", PAGES)
def test_page_in_a_browser(chromium, address, page):
    chromium.resize(390)
    chromium.open(address + page)
    away = [url for url in chromium.requests() if not url.startswith((address, "data:", "blob:", "about:"))]
    assert not away, f"requests that leave this machine: {away}"
    assert not chromium.errors()
    assert not chromium.ask(WIDE), f"scrolls sideways at 390 px because of {chromium.ask(TOO_WIDE)}"
    assert not chromium.ask(NAMELESS), "pictures without alternative text (cell option mystnb image alt)"
    assert chromium.ask(UNDRAWN) == 0, "formulas that are not drawn"
    assert chromium.ask(NO_LABEL) == 0, "controls without a label"
    assert not chromium.ask(FILTERED), "pictures whose colours the dark theme changes"


class _Links(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.links, self.ids = [], set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.ids.add(values.get("id"))
        self.links += [values[key] for key in ("href", "src") if values.get(key)]


@functools.cache
def _page(path: Path) -> _Links:
    return _Links(path.read_text())


@pytest.mark.parametrize("page", PAGES)
def test_every_link_inside_the_book_leads_somewhere(page):
    for link in _page(SITE / page).links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc or link in ("#", "#pst-back-to-top"):
            continue
        if (parts.path or page).endswith("live.html") and parts.fragment.startswith("photo="):  # a state of that page
            assert set(parse_qs(parts.fragment)) <= STATE
            continue
        target = (SITE / page).parent / unquote(parts.path) if parts.path else SITE / page
        assert target.exists(), f"{page} links to {link}, which is not there"
        if parts.fragment and target.suffix == ".html" and target.name not in ("genindex.html", "search.html"):
            assert unquote(parts.fragment) in _page(target).ids, f"{page} links to {link}, which has no such place"


@pytest.mark.parametrize("page", PAGES)
def test_pages_show_no_leftovers(page):
    """No path of the machine that built the book, no unresolved markup, no traceback."""
    text = (SITE / page).read_text()
    body = re.sub(r"<script.*?</script>", "", text, flags=re.S)
    assert str(ROOT) not in body
    assert str(Path.home()) + "/" not in body
    assert "Traceback (most recent call last)" not in body
    assert not re.search(r"<td>\s*<(blockquote|ul|ol|h\d)\b", body), "a cell whose first sign was taken for markup"
    assert not re.search(r"\{(glue|result|numref|doc|ref|cite)\b[^}]*\}`", body)
