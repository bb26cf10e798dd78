"""Print the built book as one PDF, tagged and with an outline: `make pdf`, after `make book`.

The articles of all pages are put one after another, in the order of `_toc.yml`, into _build/print/index.html, and
Chromium prints that into _build/book.pdf. Code of notebooks stays there; what needs scripts is shown by the figures
that stand in for it; what is folded is open; links inside the book become links inside the PDF.
"""

from __future__ import annotations

import base64
import datetime
import posixpath
import re
import shutil
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml
from browser import Browser, find, serve
from bs4 import BeautifulSoup, Tag

import colorize_lib
from colorize_lib.data.files import atomic_file

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
PIECES = Path(__file__).with_name("print")
LEFT_OUT = ".headerlink, .cell_input, details.hide > summary, button, input, select, canvas, script, style, [hidden]"
LEFT_OUT += ", .passport details, .only-screen"  # files of runs, and what only links to them lead to
PAGE = re.compile(rb"/Type /Page\b")
REFERS = ("for", "aria-labelledby", "aria-describedby", "aria-controls", "headers")


def main(out: Path = BUILD / "book.pdf") -> int:
    """Make the single page and print it; 1, with the reason, if there is no book or no browser."""
    lack = None if (BUILD / "site/book/intro.html").exists() else "there is no built book; run `make book` first"
    lack = lack or (None if find() else "there is no Chromium; install it with `make browser`")
    if lack:
        print(f"make pdf: {lack}", file=sys.stderr)
        return 1
    folder = BUILD / "print"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(PIECES, folder)
    (folder / "index.html").write_text(whole_book(BUILD / "site", yaml.safe_load((ROOT / "_toc.yml").read_text())))
    print("printing the book", flush=True)
    data = printed(BUILD, "print/index.html")
    with atomic_file(out) as unfinished:
        unfinished.write_bytes(data)
    print(f"The book is in {out.relative_to(ROOT)}, {len(PAGE.findall(data))} pages")
    return 0


def whole_book(site: Path, toc: dict) -> str:
    """The text of a page with title, contents and every chapter of the book; its addresses count from _build/print."""
    parts = [("", [toc["root"]])] + [(p["caption"], [c["file"] for c in p["chapters"]]) for p in toc["parts"]]
    pages = [page for _, chapters in parts for page in chapters]
    first = BeautifulSoup((site / f"{pages[0]}.html").read_text(), "html.parser")
    articles = {page: article(site, page, pages) for page in pages}
    title = re.sub(r"\s+", " ", first.select_one(".logo__title").text).strip()
    values = {
        "HEAD": "\n".join(str(tag) for tag in _styles_and_formulas(first)),
        "TITLE": title,
        "VERSION": colorize_lib.__version__,
        "DATE": f"{datetime.datetime.fromtimestamp((site / 'index.html').stat().st_mtime):%d %B %Y}".lstrip("0"),
        "CONTENTS": "\n".join(_contents(caption, chapters, articles) for caption, chapters in parts),
        "CHAPTERS": "\n".join(map(str, articles.values())),
    }
    return re.sub(r"<!-- ([A-Z]+) -->", lambda found: values[found[1]], (PIECES / "book.html").read_text())


def _styles_and_formulas(page: BeautifulSoup) -> list[Tag]:
    """What draws a page, taken from the head of one in `book/`, for use in a folder beside the site's."""
    kept = page.select('head link[rel="stylesheet"]')
    kept += [tag for tag in page.select("head script") if "MathJax" in tag.text or "mathjax" in tag.get("src", "")]
    for tag in kept:
        for key in {"href", "src"} & set(tag.attrs):
            tag[key] = _in_site(tag[key], "book")
    return kept


def _in_site(address: str, folder: str) -> str:
    """An address that a page in `folder` of the site uses, as one from _build/print."""
    return address if urlsplit(address).scheme else posixpath.normpath(posixpath.join("../site", folder, address))


def _contents(caption: str, chapters: list[str], articles: dict[str, Tag]) -> str:
    lines = [f'<li><a href="#{slug(page)}">{articles[page].h1.get_text()}</a></li>' for page in chapters]
    return (f"<p>{caption}</p>" if caption else "") + f"<ul>{''.join(lines)}</ul>"


def slug(page: str, fragment: str = "") -> str:
    """The id that a page, or a place in it, has in the whole book: those of different pages must not be the same."""
    return page.replace("/", "-") + (f"--{fragment}" if fragment else "")


def article(site: Path, page: str, pages: list[str]) -> Tag:
    """What a page says, without what only works on a screen, and with its ids and links as in the whole book."""
    soup = BeautifulSoup((site / f"{page}.html").read_text(), "html.parser")
    found = soup.select_one("article.bd-article")
    for tag in found.select("noscript"):
        tag.unwrap()
    for tag in found.select(LEFT_OUT):
        tag.decompose()
    for tag in found.select("details.hide"):  # folded in a notebook; of its code nothing is left
        tag.unwrap()
    for tag in found.select("details"):
        tag["open"] = ""
    for tag in found.find_all(True):
        _rename(tag, page, pages)
    found.name, found["id"] = "section", slug(page)
    return found


def _rename(tag: Tag, page: str, pages: list[str]) -> None:
    if tag.get("id"):
        tag["id"] = slug(page, tag["id"])
    for key in set(REFERS) & set(tag.attrs):
        names = tag[key] if isinstance(tag[key], list) else tag[key].split()
        tag[key] = " ".join(slug(page, name) for name in names)
    if tag.get("src"):
        tag["src"] = _in_site(tag["src"], posixpath.dirname(page))
    if tag.name == "a" and tag.get("href"):
        _redirect(tag, page, pages)


def _redirect(link: Tag, page: str, pages: list[str]) -> None:
    """Let a link lead to its place in the whole book; one to a file beside the pages becomes plain text."""
    parts = urlsplit(link["href"])
    if parts.scheme:
        return
    path = posixpath.normpath(posixpath.join(posixpath.dirname(page), unquote(parts.path))) if parts.path else page
    target = path.removesuffix(".html")
    if target not in pages:
        del link["href"]
        return
    state = "=" in parts.fragment  # of the live page
    link["href"] = f"#{slug(target, '' if state else unquote(parts.fragment))}"


def printed(folder: Path, page: str) -> bytes:
    """A page as PDF, A4. Raises RuntimeError if something in it is not drawn or leads nowhere."""
    with serve(folder) as address:
        browser = Browser(600)
        try:
            browser.resize(658)  # the width of the text on A4, so that what is measured is what is printed
            browser.call("Emulation.setEmulatedMedia", media="print")
            browser.open(address + page)
            browser.run(PIECES / "fit.js")
            if faults := browser.ask("faults()"):
                raise RuntimeError(f"the printed book has faults: {faults}")
            browser.ask("fit()")
            options = {"printBackground": True, "preferCSSPageSize": True}
            options |= {"generateTaggedPDF": True, "generateDocumentOutline": True}
            return base64.b64decode(browser.call("Page.printToPDF", **options)["data"])
        finally:
            browser.close()


if __name__ == "__main__":
    sys.exit(main())
