"""The built book in a headless browser: offline, without errors, readable on a telephone, true to the colours."""

from __future__ import annotations

import functools
import http.server
import json
import re
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import browser
import numpy as np
import pytest
import torch
from PIL import Image

from colorize_lib.color import lightness, to_unit
from colorize_lib.colorizer import load_colorizer
from colorize_lib.quantize import ab_gamut_centers
from colorize_lib.readout import KINDS, Readout

ROOT = Path(__file__).parent.parent.parent
SITE = ROOT / "_build/site"
PAGES = sorted(
    path.relative_to(SITE).as_posix()
    for path in SITE.rglob("*.html")
    if "_static" not in path.parts and 'http-equiv="Refresh"' not in path.read_text()[:1000]
)

pytestmark = pytest.mark.skipif(not PAGES, reason="there is no built book in _build/site; run `make book` first")
needs_browser = pytest.mark.skipif(not browser.find(), reason="there is no Chromium; install it with `make browser`")


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address():
    handler = functools.partial(_Quiet, directory=SITE)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.fixture(scope="module")
def chromium():
    page = browser.Browser()
    yield page
    page.close()


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
NO_LABEL = """[...document.querySelectorAll('.bd-content input, .bd-content button')].filter(e =>
    !(e.ariaLabel || e.title || e.textContent.trim() || e.labels?.length || e.dataset.bsOriginalTitle)).length"""


@needs_browser
@pytest.mark.browser
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


ASK = {"temperature": 0.77, "lambda": 0.75, "kind": "mean", "gain": 1}
NEAR = {"mean": 1e-3, "median": 0.03, "mode": 1e-3}  # in ab units; the median is found to 0.01 on both sides


@needs_browser
@pytest.mark.browser
@pytest.mark.parametrize("photo", ["lighthouse", "island", "caps"])
def test_the_live_page_answers_as_the_library_does(chromium, address, photo):
    """Its network, run in the page on the lightness that it made of a photograph, and every read-out of it."""
    if "book/live.html" not in PAGES:
        pytest.skip("this book has no live page")
    chromium.open(f"{address}book/live.html?{photo}#photo={photo}")  # the query makes it another page, that is loaded
    chromium.ask("new Promise(done => { (function look() { live.state.logits ? done(1) : setTimeout(look, 50) })() })")
    colorizer = load_colorizer("ce", "cpu")
    image = np.asarray(Image.open(ROOT / f"book/photos/{photo}.jpg").convert("RGB"))
    shown = chromium.ask("live.seen(live.state.image, 64)")
    L = lightness(to_unit(colorizer.seen(image)))
    found = torch.tensor(list(shown["L"].values())).view(1, 1, shown["h"], shown["w"])
    assert (found - L).abs().max() < 1.5 and (found - L).abs().mean() < 0.05, "a byte may be rounded otherwise"
    with torch.no_grad():
        logits = colorizer.network(found)
    there = torch.tensor(chromium.ask("Array.from(live.state.logits.v)")).view(logits.shape)
    torch.testing.assert_close(there, logits, atol=1e-3, rtol=0)
    centers = {tuple(c) for c in ab_gamut_centers().tolist()}
    for kind in KINDS:
        asked = json.dumps(ASK | {"kind": kind})
        told = chromium.ask(
            f"Array.from(live.readout.ab(live.state.logits, {asked}, live.state.prior, LIVE_DATA.centers))"
        )
        ab = torch.tensor(told).view(1, 2, *logits.shape[2:])
        if kind == "sample":
            assert {tuple(c) for c in ab[0].flatten(1).T.tolist()} <= centers
        else:
            expected = Readout(ASK["temperature"], ASK["lambda"], kind)(there, colorizer.objective.prior)
            assert (ab - expected).abs().max() < NEAR[kind], kind


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
            assert set(parse_qs(parts.fragment)) <= {"photo", "t", "lambda", "kind", "gain", "left", "x", "y"}
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
