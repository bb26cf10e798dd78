"""What other sites show of a page that is linked there: title, description and one image, as Open Graph tags.

sphinxext-opengraph writes the tags. They need the address under which the book is published: the environment variable
SITE_URL, or `baseurl` under `html` in _config.yml. Where neither is given, the tags that would hold an address are left
out; a relative one would be wrong. The image, 1200 x 630, is the front page's photograph in grey and as colorized, with
the title of the page.
"""

import os
import re
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

SIZE = (1200, 630)
CARDS = "_static/cards"
ADDRESSED = re.compile(r'<meta property="og:(?:url|image)[^>]*>\n?')


def _configure(_, config) -> None:
    """Take the address from the environment, and the name of the site from the book's title."""
    address = os.environ.get("SITE_URL") or config.html_baseurl or ""
    config.html_baseurl = config.ogp_site_url = address and address.rstrip("/") + "/"
    config.ogp_site_name = config.html_title  # or it would be `project`, which Jupyter Book leaves unset
    config.ogp_image = f"{CARDS}/card.jpg"  # of which `_finish` makes the page's own
    config.ogp_image_alt = "A photograph in two halves: grey on the left, colorized by a network on the right"
    config.ogp_custom_meta_tags = ['<meta name="twitter:card" content="summary_large_image" />'] * bool(address)


def _file(page: str) -> str:
    return f"{CARDS}/{page.replace('/', '-')}.jpg"


def _finish(app, page, template, context, doctree) -> None:
    """Name the page's own image, or, where the address is not known, take off what would hold it."""
    tags = context.get("metatags", "").replace(app.config.ogp_image, _file(page))
    context["metatags"] = tags if app.config.ogp_site_url else ADDRESSED.sub("", tags)


def card(grey: Image.Image, painted: Image.Image) -> Image.Image:
    """Two versions of one photograph as one image: the left half of the first beside the right half of the second."""
    left, right = (ImageOps.fit(image.convert("RGB"), SIZE, Image.Resampling.LANCZOS) for image in (grey, painted))
    half = SIZE[0] // 2
    left.paste(right.crop((half, 0, *SIZE)), (half, 0))
    left.paste("white", (half - 2, 0, half + 2, SIZE[1]))
    return left


def titled(image: Image.Image, title: str) -> Image.Image:
    """A copy with a title in a dark band at its foot, in letters small enough for one line."""
    copy, height = image.copy(), 110
    draw = ImageDraw.Draw(copy)
    draw.rectangle((0, SIZE[1] - height, *SIZE), fill="#1f2937")
    size = next(s for s in range(56, 8, -2) if draw.textlength(title, ImageFont.load_default(s)) < SIZE[0] - 80)
    middle = SIZE[0] / 2, SIZE[1] - height / 2
    draw.text(middle, title, fill="white", font=ImageFont.load_default(size), anchor="mm")
    return copy


def _write(app, error) -> None:
    """Make the images of what `shipped_ext` has written for the front page."""
    front, folder = Path(app.outdir) / "_static/front", Path(app.outdir) / CARDS
    if error is not None or not app.config.ogp_site_url or not (front / "given.jpg").exists():
        return
    folder.mkdir(exist_ok=True)
    both = card(*(Image.open(front / f"{name}.jpg") for name in ("given", "shown")))
    for page, title in app.env.titles.items():
        titled(both, title.astext()).save(Path(app.outdir) / _file(page), quality=85)


def setup(app) -> dict:
    """Register with Sphinx."""
    app.setup_extension("sphinxext.opengraph")
    app.connect("config-inited", _configure)
    app.connect("html-page-context", _finish, priority=900)
    app.connect("build-finished", _write, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
