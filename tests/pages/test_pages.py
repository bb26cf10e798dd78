"""The built book in a headless browser: offline, light, without errors, on a telephone, for everybody."""

from __future__ import annotations

import functools
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from built import PAGES, ROOT, SITE

WIDE = "document.documentElement.scrollWidth > innerWidth + 1"
TOO_WIDE = """[...document.querySelectorAll('.bd-main *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1)
    .slice(0, 5).map(e => e.tagName + '.' + e.className).join(' ')"""
FILTERED = """[...document.querySelectorAll('.bd-content img')].filter(i => getComputedStyle(i).filter !== 'none')
    .map(i => i.getAttribute('src').slice(0, 80))"""
NAMELESS = """[...document.querySelectorAll('.bd-content img')].map(i => [i.alt, i.getAttribute('src').slice(0, 60)])
    .filter(([alt]) => alt.length < 10 || /\\.(png|svg|jpe?g)$/.test(alt)).map(([alt, src]) => src)"""
UNDRAWN = """[...document.querySelectorAll('.math')].filter(e => !e.querySelector('mjx-container')).length
    + document.querySelectorAll('mjx-merror').length"""
# What a link to the live page may set.
STATE = {"photo", "t", "lambda", "kind", "gain", "show", "left", "pin", "x", "y"}
NO_LABEL = """[...document.querySelectorAll('.bd-content input:not([type=hidden]), .bd-content button')].filter(e =>
    !(e.ariaLabel || e.title || e.textContent.trim() || e.labels?.length || e.dataset.bsOriginalTitle)).length"""


WEIGHT = 3_000_000  # bytes, without what the shipped networks weigh
RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
LOOK = Path(__file__).with_name("look.js")


@pytest.fixture(scope="module", params=PAGES)
def opened(chromium, address, request):
    """A browser at one page of the book, opened once for all tests that look at it, by somebody who wants no motion."""
    chromium.resize(390)
    chromium.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
    chromium.open(address + request.param)
    chromium.run(LOOK)
    yield chromium
    chromium.call("Emulation.setEmulatedMedia", features=[])


def test_pages_ask_nobody_and_complain_of_nothing(opened, address):
    away = [url for url in opened.requests() if not url.startswith((address, "data:", "blob:", "about:"))]
    assert not away, f"requests that leave this machine: {away}"
    assert not opened.messages()


def test_whatever_a_page_writes_into_its_console_is_seen(chromium):
    levels = ["debug", "log", "info", "warn", "error"]
    chromium.open("about:blank")
    chromium.ask(f"{json.dumps(levels)}.forEach(level => console[level](level))")
    chromium.ask("setTimeout(() => { throw new Error('thrown') }), new Promise(done => setTimeout(done, 50))")
    *written, thrown = chromium.messages()
    assert written == levels and thrown.startswith("Error: thrown")


def test_whatever_a_page_and_its_workers_ask_for_is_seen(chromium, address):
    chromium.open(address + "search.html")
    ask = "postMessage(0); onmessage = ({ data }) => fetch(data).then(() => postMessage(1))"
    chromium.ask(f"""new Promise(done => {{
        window.worker = new Worker(URL.createObjectURL(new Blob([{json.dumps(ask)}])));
        worker.onmessage = () => done(1);
    }})""")
    chromium.ask(f"new Promise(done => {{ worker.onmessage = () => done(1); worker.postMessage('{address}gone') }})")
    chromium.ask(f"new Promise(done => {{ new WebSocket('{address.replace('http', 'ws')}').onerror = () => done(1) }})")
    assert chromium.requests()[-2:] == [f"{address}gone", address.replace("http", "ws")]


def test_the_first_screen_shows_colour_and_the_answer(chromium, address):
    bottom = "document.querySelector('{}').getBoundingClientRect().bottom"
    chromium.resize(1280, 800)
    chromium.open(address + "book/intro.html")
    assert max(chromium.ask(bottom.format(part)) for part in (".front", ".front-answer")) <= 800


def test_the_answer_of_the_front_page_is_four_sentences_with_numbers(chromium, address):
    """Short enough to be read before anything else."""
    chromium.open(address + "book/intro.html")
    answer = chromium.ask("document.querySelector('.front-answer p').innerText")
    sentences = re.split(r"(?<=[.?!])\s+", answer.strip())
    assert len(sentences) == 4, sentences
    assert all(re.search(r"\d", sentence) for sentence in sentences[1:]), "claims without their numbers"


def test_pages_are_light(opened):
    assert opened.weight(apart="_static/live/weights") < WEIGHT


def test_pages_can_be_read_on_a_telephone(opened):
    opened.resize(390)
    assert not opened.ask(WIDE), f"scrolls sideways at 390 px because of {opened.ask(TOO_WIDE)}"


def test_pictures_and_formulas_are_shown(opened):
    assert not opened.ask(NAMELESS), "pictures without alternative text (cell option mystnb image alt)"
    assert opened.ask(UNDRAWN) == 0, "formulas that are not drawn"
    assert opened.ask(NO_LABEL) == 0, "controls without a label"


def test_the_dark_theme_leaves_pictures_alone(dark):
    assert not dark.ask(FILTERED), "pictures whose colours the dark theme changes"


@pytest.fixture
def dark(opened):
    """The page in the dark theme, for as long as one test takes."""
    opened.ask("document.documentElement.dataset.theme = 'dark'")
    yield opened
    opened.ask("document.documentElement.dataset.theme = 'light'")


def violations(page, axe_core, width: int) -> list[str]:
    """What axe-core finds fault with on an opened page."""
    page.resize(width)
    if not page.ask("window.axe !== undefined"):
        page.run(axe_core)
    return page.ask(f"look.violations({json.dumps(RULES)})")


def test_no_source_of_the_pages_is_left_in_them(opened):
    assert not opened.ask("look.unmade()")


def test_everybody_can_use_the_pages(opened, axe_core):
    assert not violations(opened, axe_core, 1280)


@pytest.mark.parametrize("width", [1280, 390])
def test_everybody_can_use_the_dark_theme(dark, axe_core, width):
    """On a telephone in this theme alone: colours take most of the time, and none depends on the width."""
    assert not violations(dark, axe_core, width)


def test_nothing_moves_for_those_who_ask_for_that(opened):
    """Neither at rest nor under the pointer, nor on the way back to the top."""
    opened.resize(1280)
    opened.ask("scrollTo(0, 1e6)")
    opened.call("Input.dispatchMouseEvent", type="mouseMoved", x=100, y=300)
    opened.ask("document.querySelector('#pst-back-to-top').click()")
    assert not opened.ask("look.moving()")


ACTS = re.compile(r"<(canvas|noscript|select|input)\b")
ACTING = [
    page for page in PAGES if page != "search.html" and ACTS.search((SITE / page).read_text().partition("<article")[2])
]


@pytest.mark.parametrize("page", ACTING)
def test_without_scripts_figures_stand_in(chromium, address, page):
    chromium.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.open(address + page)
        chromium.run(LOOK)
        assert not chromium.ask("look.idle()"), "controls that do nothing"
        assert not chromium.ask("look.empty()"), "boxes with nothing in them"
        assert not chromium.ask("look.bare()"), "no picture in place of what needs scripts"
    finally:
        chromium.call("Emulation.setScriptExecutionDisabled", value=False)


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


CELL = re.compile(r'<t[hd]\b[^>]*?(?:colspan="(\d+)"[^>]*)?>')


def columns(row: str) -> int:
    """How many columns a row of a table takes."""
    return sum(int(span or 1) for span in CELL.findall(row))


def test_columns_are_counted():
    assert columns('<tr class="a"><th scope="row">1</th><td class="b" colspan="2" id="c">2</td><td>3</td></tr>') == 4


@pytest.mark.parametrize("page", PAGES)
def test_tables_have_at_most_five_columns(page):
    """With that of the names of rows, and folded tables, too."""
    body = re.sub(r"<script.*?</script>", "", (SITE / page).read_text(), flags=re.S)
    wide = [row for row in re.findall(r"<tr\b.*?</tr>", body, re.S) if columns(row) > 5]
    assert not wide, re.sub(r"<[^>]*>|\s+", " ", wide[0])
