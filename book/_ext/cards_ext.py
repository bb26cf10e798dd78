"""What other sites show of a page that is linked there: title, description and one image, as Open Graph tags.

sphinxext-opengraph writes the tags. They need the address under which the book is published: the environment variable
SITE_URL, or `baseurl` under `html` in _config.yml. Where neither is given, the tags that would hold an address are left
out; a relative one would be wrong. The image, 1200 x 630, is the front page's photograph in grey and as colorized.
"""

import os
import re
from pathlib import Path

from PIL import Image, ImageOps

SIZE = (1200, 630)
CARD = "_static/front/card.jpg"
ADDRESSED = re.compile(r'<meta property="og:(?:url|image)[^>]*>\n?')


def _configure(_, config) -> None:
    """Take the address from the environment, and the image of every page."""
    address = os.environ.get("SITE_URL") or config.html_baseurl or ""
    config.html_baseurl = config.ogp_site_url = address and address.rstrip("/") + "/"
    config.ogp_image = CARD
    config.ogp_image_alt = "A photograph in two halves: grey on the left, colorized by a network on the right"
    config.ogp_custom_meta_tags = ['<meta name="twitter:card" content="summary_large_image" />'] * bool(address)


def _leave_out(app, page, template, context, doctree) -> None:
    """Where the address is not known, take off what would hold it."""
    if not app.config.ogp_site_url:
        context["metatags"] = ADDRESSED.sub("", context.get("metatags", ""))


def card(grey: Image.Image, painted: Image.Image) -> Image.Image:
    """Two versions of one photograph as one image: the left half of the first beside the right half of the second."""
    left, right = (ImageOps.fit(image.convert("RGB"), SIZE, Image.Resampling.LANCZOS) for image in (grey, painted))
    half = SIZE[0] // 2
    left.paste(right.crop((half, 0, *SIZE)), (half, 0))
    left.paste("white", (half - 2, 0, half + 2, SIZE[1]))
    return left


def _write(app, error) -> None:
    """Make the image of what `shipped_ext` has written for the front page."""
    folder = (Path(app.outdir) / CARD).parent
    if error is None and (folder / "given.jpg").exists():
        card(*(Image.open(folder / f"{name}.jpg") for name in ("given", "shown"))).save(folder / "card.jpg", quality=88)


def setup(app) -> dict:
    """Register with Sphinx."""
    app.setup_extension("sphinxext.opengraph")
    app.connect("config-inited", _configure)
    app.connect("html-page-context", _leave_out, priority=900)
    app.connect("build-finished", _write, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
