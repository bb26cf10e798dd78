"""What the tests of the built book share: the site over http and a browser. They skip where either is missing."""

from __future__ import annotations

from pathlib import Path

import axe
import browser
import pytest
from built import PAGES, SITE


def pytest_collection_modifyitems(items):
    """Mark what needs the browser; skip, with the reason, what this machine or this folder cannot show."""
    for item in items:
        if not item.path.is_relative_to(Path(__file__).parent):
            continue
        if not PAGES:
            item.add_marker(pytest.mark.skip(reason="there is no built book in _build/site; run `make book` first"))
        if "chromium" in item.fixturenames:
            item.add_marker(pytest.mark.browser)
            if not browser.find():
                item.add_marker(pytest.mark.skip(reason="there is no Chromium; install it with `make browser`"))


@pytest.fixture(scope="session")
def address():
    """Where the built book is served."""
    with browser.serve(SITE) as where:
        yield where


@pytest.fixture(scope="session")
def chromium():
    """One browser for all pages."""
    page = browser.Browser()
    yield page
    page.close()


@pytest.fixture(scope="session")
def axe_core():
    """The script that looks for what keeps people out; skips only where it cannot be fetched for want of a network."""
    try:
        return axe.script()
    except axe.Unreachable as error:
        pytest.skip(str(error))
