"""The live page answers as the library does."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from built import PAGES, ROOT
from PIL import Image

from colorize_lib.color import lightness, to_unit
from colorize_lib.colorizer import load_colorizer
from colorize_lib.quantize import ab_gamut_centers
from colorize_lib.readout import KINDS, Readout

ASK = {"temperature": 0.77, "lambda": 0.75, "kind": "mean", "gain": 1}
NEAR = {"mean": 1e-3, "median": 0.03, "mode": 1e-3}  # in ab units; the median is found to 0.01 on both sides


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
