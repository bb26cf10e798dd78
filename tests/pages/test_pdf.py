"""The book on paper."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pdf
import pytest
import yaml
from bs4 import BeautifulSoup
from built import PAGES, ROOT, SITE

BOOK = ROOT / "_build/book.pdf"
TOC = yaml.safe_load((ROOT / "_toc.yml").read_text())
CHAPTERS = [TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"])]


@pytest.fixture(scope="module")
def paper(chromium):
    """The bytes of the printed book, made if there is none of this build; that fails where something is not drawn."""
    made_of = [SITE / "index.html", *(ROOT / "tools/print").iterdir(), ROOT / "tools/pdf.py"]
    if not BOOK.exists() or BOOK.stat().st_mtime < max(path.stat().st_mtime for path in made_of):
        subprocess.run([sys.executable, pdf.__file__], check=True, env=os.environ | {"PYTHONPATH": str(ROOT / "tests")})
    return BOOK.read_bytes()


def titles(paper: bytes) -> set[str]:
    """The entries of the outline; Chromium writes what is not ASCII in UTF-16."""
    found = set()
    for literal, hexadecimal in re.findall(rb"/Title (?:\(((?:\\.|[^\\)])*)\)|<([0-9A-Fa-f\s]*)>)", paper):
        text = bytes.fromhex(hexadecimal.decode()) if hexadecimal else re.sub(rb"\\(.)", rb"\1", literal)
        found.add(text.decode("utf-16") if text.startswith(b"\xfe\xff") else text.decode("latin-1"))
    return found


def squeezed(text: str) -> str:
    return re.sub(r"\s+", "", text)


def test_the_printed_book_is_whole_and_tagged(paper):
    assert paper.startswith(b"%PDF") and paper.rstrip().endswith(b"%%EOF")
    assert len(pdf.PAGE.findall(paper)) > 30
    assert b"/StructTreeRoot" in paper and re.search(rb"/MarkInfo\s*<<[^>]*/Marked true", paper)
    assert b"/Lang (en)" in paper


def test_the_printed_book_has_an_outline_with_every_chapter(paper):
    assert b"/Outlines" in paper
    there = {squeezed(title) for title in titles(paper)}
    for chapter in CHAPTERS:
        heading = BeautifulSoup((SITE / f"{chapter}.html").read_text(), "html.parser").select_one("article h1")
        heading.select_one(".headerlink").decompose()
        assert squeezed(heading.text) in there, chapter


def test_links_lead_to_the_same_places_on_paper():
    found = pdf.article(SITE, "book/intro", CHAPTERS)
    links = {link["href"] for link in found.select("a[href]") if link["href"].startswith("#")}
    assert {"#book-live", "#book-claims", "#notebooks-09_one_posterior"} <= links, "with a state or without"
    assert not [tag for tag in found.select("[id]") if tag["id"] and not tag["id"].startswith("book-intro")]
    assert not found.select("input, script, .headerlink, .cell_input")
    assert len(PAGES) > len(CHAPTERS), "there is also a page for searching, which is not printed"
