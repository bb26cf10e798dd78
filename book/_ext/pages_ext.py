"""What the theme leaves undone, put right in the finished pages: pages that everyone can use, and that are light.

`reach.js` lets the keyboard scroll what is wider than the screen; the rules for links and motion are in custom.css.
"""

import re
from pathlib import Path

import numpy as np
from PIL import Image

MENDS = [
    # 1.5 MB of script that draws again what the icon font draws, and fonts that are loaded whether needed or not
    (r'<script src="[^"]*/fontawesome/[^"]*"></script>\s*', ""),
    (r'<link rel="preload"[^>]*/fontawesome/[^>]*>\s*', ""),
    # a label that says something else than what is written on the control
    (r'(<button class="btn search-button-field[^>]*?) title="Search" aria-label="Search"', r"\1"),
    (r'<summary aria-label="[^"]*"', "<summary"),
    # the title of the book stood outside of every landmark
    (r'<div class="bd-sidebar-primary bd-sidebar"', r'\g<0> role="region" aria-label="Sidebar"'),
    # a corner of a table that heads nothing is a cell like any other
    (r"<th([^>]*)>\s*(<p></p>)?\s*</th>", r"<td\1></td>"),
    # a role that is no longer one, and that a list may not hold
    (r'role="doc-biblioentry"', 'role="listitem"'),
    # what the search page tells the console, as the scripts of `CHATTY` do
    (r'console\.log\("\[PST\][^"]*"\);', ""),
    # a hyphen before a number, outside of code, formulas, drawings and tags
    (
        r"(?s)<(pre|code|script|style|svg|dt)\b.*?</\1>|<[^>]*>|\\\(.*?\\\)|\\\[.*?\\\]|(?<![\w-])-(?=\.?\d)",
        lambda found: "\N{MINUS SIGN}" if found[0] == "-" else found[0],
    ),
]
ROW = r"<tr[^>]*>((?:(?!</tr>|</thead>).)*)</tr>"
HEADS = re.compile(rf"<thead>\s*{ROW}\s*{ROW}\s*</thead>", re.S)
"""The two rows with which pandas heads a table whose rows have a name."""
SAID = re.compile(r'<strong>(?:(?!</strong>).)*</strong>|<span class="pasted-text">[^<]*</span>', re.S)
"""What is said aloud, or put into a sentence from results."""
INTERVAL = re.compile(r"\[[-+\u2212]?[\d.,]+, [-+\u2212]?[\d.,]+\]")
CHATTY = ("scripts/*.js", "togglebutton.js")
"""Scripts of the theme in `_static` that tell the console what they do. Silent, they leave it to what is amiss."""
TOLD = re.compile(r"(?<![\w.])console\.(?:log|info|debug)(?=\()")
HEAVY = 200_000
"""PNG files above so many bytes hold photographs, for which JPEG is made; it is taken if it halves the file."""
PALETTE_MEAN, PALETTE_MOST = 0.5, 16
"""How far from its own colours, in levels of 255, a figure may be with 256 colours: on average and at its worst. Line
figures stay below, with a third of the bytes; photographs and planes of colour do not."""


def mended(page: str) -> str:
    """The text of a page with what the theme and pandas get wrong put right."""
    page = HEADS.sub(_one_row, page)
    for pattern, replacement in MENDS:
        page = re.sub(pattern, replacement, page)
    return SAID.sub(lambda said: INTERVAL.sub(r'<span class="interval">\g<0></span>', said[0]), page)


def _one_row(heads: re.Match) -> str:
    """One row in place of two, where each column is named in one of them only."""
    above, below = (re.findall(r"<th[^>]*>.*?</th>", row, re.S) for row in heads.groups())
    named = [[bool(re.sub(r"<[^>]*>|\s", "", cell)) for cell in row] for row in (above, below)]
    if len(above) != len(below) or any(map(all, zip(*named, strict=True))):
        return heads.group()
    cells = [low if name else high for high, low, name in zip(above, below, named[1], strict=True)]
    return f"<thead>\n<tr>{''.join(cells)}</tr>\n</thead>"


def lighten(folder: Path) -> dict[str, str]:
    """Turn heavy PNG images of a folder into JPEG, without halving the resolution of colour; new names by old ones.

    Of the others, those without transparency are written more tightly: with a palette where that suits, see `_tight`.
    """
    names = {}
    for path in sorted(folder.glob("*.png")):
        image = Image.open(path).convert("RGBA")
        if path.stat().st_size < HEAVY:
            if image.getextrema()[3] == (255, 255):
                _tight(image.convert("RGB")).save(path, optimize=True)
            continue
        paper = Image.new("RGBA", image.size, "white")
        light = path.with_suffix(".jpg")
        Image.alpha_composite(paper, image).convert("RGB").save(light, quality=90, subsampling=0, optimize=True)
        heavy, light = (path, light) if 2 * light.stat().st_size < path.stat().st_size else (light, path)
        heavy.unlink()
        if light != path:
            names[path.name] = light.name
    return names


def _tight(image: Image.Image) -> Image.Image:
    """An image with at most 256 colours if they hardly differ from its own, else the image itself."""
    few = image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    off = np.abs(np.asarray(few.convert("RGB"), dtype=int) - np.asarray(image))
    return few if off.mean() <= PALETTE_MEAN and off.max() <= PALETTE_MOST else image


def silence(folder: Path) -> None:
    """Let the theme's scripts in a folder `_static` write nothing into the console but warnings and errors."""
    for path in (path for pattern in CHATTY for path in folder.glob(pattern)):
        path.write_text(TOLD.sub("void (() => {})", path.read_text()))


def mend(folder: Path) -> None:
    """Mend every page of a built book."""
    silence(folder / "_static")
    names = lighten(folder / "_images")
    for path in folder.rglob("*.html"):
        if "_static" in path.relative_to(folder).parts:
            continue
        text = mended(path.read_text())
        for old, new in names.items():
            text = text.replace(old, new)
        path.write_text(text)
    for script in folder.glob("_static/vendor/fontawesome/*/js/*.js"):
        script.unlink()


def _finish(app, error) -> None:
    if error is None and app.builder.format == "html":
        mend(Path(app.outdir))


def setup(app) -> dict:
    """Tell Sphinx what this extension brings."""
    app.add_js_file("reach.js", loading_method="defer")
    app.connect("build-finished", _finish, priority=900)  # after all that writes pages
    return {"parallel_read_safe": True, "parallel_write_safe": True}
