"""What other sites show of a page."""

from __future__ import annotations

import io
import re

import pytest
from PIL import Image
from sphinx.application import Sphinx

ADDRESS = "https://example.org/book/"


@pytest.fixture
def pages(tmp_path, monkeypatch):
    """Build two pages, as {name: text}, beside a photograph in two versions."""

    def build(address: str) -> dict[str, str]:
        monkeypatch.setenv("SITE_URL", address)
        source, out = tmp_path / "source", tmp_path / "out"
        (source / "part").mkdir(parents=True)
        (source / "index.rst").write_text("Front\n=====\n\nFirst words.\n\n.. toctree::\n\n   part/one\n")
        (source / "part/one.rst").write_text("A title that is long enough\n" + "=" * 27 + "\n\nOther words.\n")
        (out / "_static/front").mkdir(parents=True)
        for name, color in (("given", "grey"), ("shown", "red")):
            Image.new("RGB", (96, 64), color).save(out / f"_static/front/{name}.jpg")
        settings = {"extensions": ["cards_ext"], "html_theme": "basic", "html_title": "The book"}
        Sphinx(source, None, out, tmp_path / "trees", "html", settings, status=None, warning=io.StringIO()).build()
        return {name: (out / f"{name}.html").read_text() for name in ("index", "part/one")}

    return build


def test_a_page_that_has_an_address_names_an_image_of_its_own(pages, tmp_path):
    for name, text in pages(ADDRESS).items():
        (image,) = re.findall(r'<meta property="og:image" content="([^"]*)"', text)
        assert image == f"{ADDRESS}_static/cards/{name.replace('/', '-')}.jpg"
        assert Image.open(tmp_path / "out" / image.removeprefix(ADDRESS)).size == (1200, 630)
    first, second = (Image.open(path) for path in sorted((tmp_path / "out/_static/cards").iterdir()))
    left, right, foot = (100, 100), (1100, 100), (30, 600)
    assert first.getpixel(left) == second.getpixel(left) == (128, 128, 128)
    assert min(first.getpixel(right)[0], second.getpixel(right)[0]) > 240
    assert max(first.getpixel(foot)) < 70 and first.tobytes() != second.tobytes(), "each has its title"


def test_a_page_without_an_address_names_no_image(pages, tmp_path):
    for text in pages("").values():
        assert '<meta property="og:site_name" content="The book"' in text, (
            "`project` is not what a Jupyter Book is called by"
        )
        assert "og:description" in text and "og:image" not in text and "og:url" not in text
    assert not (tmp_path / "out/_static/cards").exists()
