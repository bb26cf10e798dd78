"""Where the built book lies, and its pages."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
SITE = ROOT / "_build/site"
PAGES = sorted(
    path.relative_to(SITE).as_posix()
    for path in SITE.rglob("*.html")
    if "_static" not in path.parts and 'http-equiv="Refresh"' not in path.read_text()[:1000]
)
