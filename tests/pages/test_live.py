"""The live page answers as the library does, and keeps its head whatever its reader does."""

from __future__ import annotations

import base64
import io
import json
from itertools import count

import numpy as np
import pytest
import torch
from built import PAGES, ROOT, SITE
from PIL import Image

from colorize_lib import readout
from colorize_lib.color import lightness, to_unit
from colorize_lib.colorizer import load_colorizer, network_size
from colorize_lib.config import BEST
from colorize_lib.data.images import read_image
from colorize_lib.objectives import AB_SCALE
from colorize_lib.quantize import ab_gamut_centers

PAGE = "book/live.html"
ASK = {"temperature": 0.77, "lambda": 0.75, "gain": 1}
SETTING = json.dumps({"show": "ce", "temperature": 1, "lambda": 1, "kind": "mean", "gain": 1})
VALUE = "document.getElementById('live-{}').value"
BUTTON = "[...document.querySelectorAll('#live-photos button')].find(one => one.value === '{}')"
SIZES = [(256, 384), (384, 256), (256, 272), (100, 100), (1, 1), (24, 1200), (5000, 40), (3000, 4000), (17, 31)]
DIALS = [(1, 1), (0.38, 1), (0.05, 1), (1, 0.5), (1, 0), (0.38, 0), (1.5, 0)]  # temperature, lambda
# When the first colours stood in the right pane, and when the first of the network, in ms after the page was asked for.
FIRST = """window.first = {}; first.watch = setInterval(() => {
    const shown = document.getElementById('live-right-image')?.shown;
    if (shown) first.stored ??= performance.now();
    if (shown && JSON.parse(shown)[2]) { first.computed = performance.now(); clearInterval(first.watch) }
}, 5)"""
# How long the network takes to look at another photograph, in ms.
LOOK = """live.pick('caps').then(() => new Promise(done => {
    const start = performance.now();
    (function look() { live.state.photo.out.ce ? done(performance.now() - start) : setTimeout(look, 1) })();
}))"""
# From now on, count what is sent to the Worker.
COUNT = """(send => {
    window.sent = 0;
    Worker.prototype.postMessage = function (...all) { window.sent++; return send.apply(this, all) };
})(Worker.prototype.postMessage)"""
# Times of redrawing at a kind, a temperature and a lambda, in ms, in order of size; the gain changes every time.
REDRAW = """(async (kind, t, lambda, times) => {
    const set = (name, value) => { document.getElementById(`live-${name}`).value = value }, found = [];
    Object.entries({ kind, t, lambda }).forEach(pair => set(...pair));
    for (let i = 0; i < times; i++) {
        set('gain', 1 + 0.05 * (i % 2));
        const start = performance.now();
        live.redraw();
        found.push(performance.now() - start);
        await new Promise(setTimeout);
    }
    return found.sort((a, b) => a - b);
})"""
# Drop a picture, made here, on the box; whether the page had taken the dragging for its own.
DROP = """new Promise(done => {
    const canvas = document.createElement('canvas'), brush = canvas.getContext('2d'), dataTransfer = new DataTransfer();
    Object.assign(canvas, { width: 120, height: 80 });
    [...'369c'].forEach((grey, i) => {
        brush.fillStyle = `#${grey.repeat(3)}`;
        brush.fillRect(30 * i, 0, 30, 80 - 9 * i);
    });
    const drag = (type) => document.getElementById('live-right-image')
        .dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }));
    canvas.toBlob(blob => {
        dataTransfer.items.add(new File([blob], 'dropped.png', { type: 'image/png' }));
        done([drag('dragover'), drag('drop')].every(untouched => !untouched));
    });
})"""
_times = count()

pytestmark = pytest.mark.skipif(bool(PAGES) and PAGE not in PAGES, reason="this book has no live page")


def until(chromium, condition: str) -> None:
    """Wait until a JavaScript condition holds in the page."""
    chromium.ask(f"new Promise(done => {{ (function look() {{ ({condition}) ? done(1) : setTimeout(look, 20) }})() }})")


def visit(chromium, address: str, state: str = "", networks: tuple = ("ce",)) -> None:
    """Open the page afresh in a state and wait until these networks have looked at the photograph."""
    chromium.resize(1280)
    chromium.open(f"{address}{PAGE}?{next(_times)}#{state}")  # the query makes it another page, that is loaded
    for name in networks:
        until(chromium, f"live.state.photo?.out.{name}")


def give(chromium, path, networks: tuple = ("ce",)) -> None:
    """Choose a file of one's own."""
    box = chromium.call("Runtime.evaluate", expression="document.getElementById('live-file')")["result"]
    chromium.call("DOM.setFileInputFiles", files=[str(path)], objectId=box["objectId"])
    for name in networks:
        until(chromium, f"live.state.photo?.title === '{path.name}' && live.state.photo.out.{name}")


def numbers(chromium, expression: str) -> torch.Tensor:
    return torch.tensor(chromium.ask(f"Array.from({expression})"), dtype=torch.float32)


def saved(chromium) -> Image.Image:
    """The image that "Save as PNG" would give."""
    coded = chromium.ask("""live.png().then(blob => new Promise(done => {
        const reader = new FileReader(); reader.onload = () => done(reader.result); reader.readAsDataURL(blob) }))""")
    return Image.open(io.BytesIO(base64.b64decode(coded.partition(",")[2])))


def text(chromium, selector: str) -> str:
    return chromium.ask(f"[...document.querySelectorAll('{selector}')].map(one => one.textContent).join('')")


def press(chromium, key: str) -> None:
    for kind in ("keyDown", "keyUp"):
        chromium.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)


@pytest.mark.parametrize("photo", ["lighthouse", "island", "caps"])
def test_the_live_page_answers_as_the_library_does(chromium, address, photo, monkeypatch):
    """Both networks, run in the page on the lightness that it made of a photograph, and every read-out."""
    visit(chromium, address, f"photo={photo}&left=l2", ("ce", "l2"))
    ce, l2 = (load_colorizer(name, "cpu") for name in (BEST, "l2"))
    L = lightness(to_unit(ce.seen(read_image(ROOT / f"book/photos/{photo}.jpg"))))
    found = numbers(chromium, "live.state.photo.seen.L").view(L.shape)
    assert (found - L).abs().max() < 1.5 and (found - L).abs().mean() < 0.05, "a byte may be rounded otherwise"
    with torch.no_grad():
        logits, ab = ce.network(found), AB_SCALE * l2.network(found)
    there = numbers(chromium, "live.state.photo.out.ce.v").view(logits.shape)
    torch.testing.assert_close(there, logits, atol=1e-3, rtol=0)
    torch.testing.assert_close(numbers(chromium, "live.state.photo.out.l2.ab.v").view(ab.shape), ab, atol=1e-3, rtol=0)
    p = readout.distribution(there, ASK["temperature"], ASK["lambda"], ce.objective.prior)[0].double().flatten(0, 1)
    monkeypatch.setattr(readout, "MEDIAN_TOLERANCE", 1e-6)
    centers = ab_gamut_centers().double()
    chances = numbers(chromium, f"((next) => Array.from({{length: {len(p)}}}, next))(readout.chances(1))").double()
    expected = {
        "mean": p @ centers,
        "median": readout.geometric_median(p),
        "mode": centers[p.argmax(1)],
        "sample": centers[torch.searchsorted(p.cumsum(1), chances[:, None])[:, 0]],
    }
    assert set(expected) == set(readout.KINDS)
    for kind, answer in expected.items():
        told = numbers(chromium, f"live.colour({json.dumps(ASK | {'show': 'ce', 'kind': kind})})").view(2, -1).T
        torch.testing.assert_close(told.double(), answer, atol=1e-3, rtol=0, msg=lambda found, kind=kind: kind + found)


def test_colours_that_came_with_the_page_are_those_of_the_networks(chromium, address):
    """At the dials that ship, to the unit they are rounded to and what a byte of lightness may differ."""
    visit(chromium, address, "photo=boat&left=l2", ("ce", "l2"))
    shipped = f"{{...{SETTING}, temperature: LIVE_DATA.readout[0], lambda: LIVE_DATA.readout[1]}}"
    for setting in (shipped, SETTING.replace('"ce"', '"l2"')):
        run = numbers(chromium, f"live.colour({setting})")
        stored = numbers(chromium, f"live.stored({setting})")
        assert (run - stored).abs().mean() < 0.35 and (run - stored).abs().max() < 3
        assert stored.abs().mean() > 1, "these are colours"


def test_the_state_in_the_address_is_restored_and_kept(chromium, address):
    state = "photo=boat&t=0.5&lambda=0.25&kind=median&gain=1.5&show=ce&left=pin&pin=ce,0.38,1,mean,2&x=3&y=4"
    visit(chromium, address, state)
    dials = {"t": "0.5", "lambda": "0.25", "kind": "median", "gain": "1.5", "show": "ce", "left": "pin"}
    for _ in range(2):  # as given, and as the page itself has written it
        assert {name: chromium.ask(VALUE.format(name)) for name in dials} == dials
        assert chromium.ask("live.state.photo.title") == "boat"
        assert chromium.ask("live.state.point") == [3, 4]
        assert "T 0.38, gain 2" in chromium.ask("document.getElementById('live-left').selectedOptions[0].text")
        dial = "document.getElementById('live-gain')"
        chromium.ask(f"{dial}.value = 1.55, {dial}.dispatchEvent(new Event('input'))")
        until(chromium, "location.hash.includes('gain=1.55')")
        dials["gain"] = "1.55"
        visit(chromium, address, chromium.ask("location.hash.slice(1)"))


def test_a_sample_is_drawn_again_and_kept(chromium, address):
    visit(chromium, address, "photo=boat&t=1&lambda=1&kind=sample", ("ce",))
    colours = f"live.colour({{...{SETTING}, kind: 'sample', seed: +document.getElementById('live-seed').value}})"
    first = numbers(chromium, colours)
    again = "document.getElementById('live-again')"
    assert not chromium.ask(f"{again}.hidden")
    chromium.ask(f"{again}.click()")
    second = numbers(chromium, colours)
    assert (first != second).float().mean() > 0.2, "another one"
    until(chromium, "location.hash.includes('seed=2')")
    visit(chromium, address, chromium.ask("location.hash.slice(1)"), ("ce",))
    torch.testing.assert_close(numbers(chromium, colours), second, msg="the address holds which")
    kind = "document.getElementById('live-kind')"
    chromium.ask(f"{kind}.value = 'mean', {kind}.dispatchEvent(new Event('input')), live.redraw()")
    assert chromium.ask(f"{again}.hidden"), "there is but one mean"


def test_an_impossible_state_becomes_the_usual_one(chromium, address):
    visit(chromium, address, "photo=nowhere&t=warm&kind=guess&gain=x&left=pin&pin=ce,0,1,mean,1&show=&x=999&y=-5")
    usual = [VALUE.format(name) for name in ("kind", "gain", "left", "show")]
    assert [chromium.ask(value) for value in usual] == ["mean", "1", "grey", "ce"]
    assert float(chromium.ask(VALUE.format("t"))) == chromium.ask("LIVE_DATA.readout[0]")
    grid = chromium.ask("live.state.photo.grid")
    assert chromium.ask("live.state.point") == [grid["w"] - 1, 0]
    assert not chromium.messages()


def test_a_place_of_the_page_is_no_state(chromium, address):
    visit(chromium, address, "photo=boat&t=0.5")
    chromium.ask("new Promise(done => { onhashchange = () => done(1); location.hash = '#things-to-try' })")
    assert chromium.ask(VALUE.format("t")) == "0.5"
    assert chromium.ask("live.state.photo.title") == "boat"


def test_of_two_photographs_chosen_at_once_the_later_is_shown(chromium, address):
    visit(chromium, address)
    chromium.ask("""(() => {
        const append = document.head.append;
        document.head.append = script => { window.release = () => append.call(document.head, script) }; // the first one
        window.slow = live.pick('motocross');
        document.head.append = append;
        window.fast = live.pick('bust');
    })()""")
    chromium.ask("window.fast.then(() => window.release()).then(() => window.slow)")
    assert chromium.ask("live.state.photo.title") == "bust"
    assert chromium.ask(f"{BUTTON.format('bust')}.ariaPressed") == "true"
    assert chromium.ask(f"{BUTTON.format('motocross')}.ariaPressed") == "false"


def test_a_thin_photograph_is_squeezed_as_the_library_does(chromium, address, tmp_path):
    visit(chromium, address)
    for size in SIZES:
        assert tuple(chromium.ask(f"networkSize({size[0]}, {size[1]}, 64)")) == network_size(*size, 64), size
    image = np.random.default_rng(0).integers(0, 256, (24, 1200, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / "thin.png")
    give(chromium, tmp_path / "thin.png", ())
    until(chromium, "live.state.photo?.title === 'thin.png' && live.state.photo.seen")
    seen = chromium.ask("[live.state.photo.seen.h, live.state.photo.seen.w]")
    assert tuple(seen) == network_size(24, 1200, 64)


def test_a_saved_image_has_all_pixels_and_the_lightness_of_the_photograph(chromium, address, tmp_path):
    photo = Image.open(ROOT / "book/photos/island.jpg").convert("RGB").resize((1501, 1003))
    photo.save(tmp_path / "large.png")
    visit(chromium, address, "t=1&lambda=1")
    give(chromium, tmp_path / "large.png")
    image = saved(chromium)
    assert image.size == photo.size
    L, given = (lightness(to_unit(torch.tensor(np.asarray(one.convert("RGB")))[None])) for one in (image, photo))
    assert (L - given).abs().mean() < 0.5
    assert np.asarray(image.convert("RGB")).std(2).mean() > 1, "it has colours"


def test_a_photograph_can_be_pasted(chromium, address):
    visit(chromium, address)
    chromium.ask("""new Promise(done => {
        const canvas = document.createElement('canvas'), data = new DataTransfer();
        Object.assign(canvas, { width: 80, height: 64 });
        canvas.toBlob(blob => {
            data.items.add(new File([blob], 'pasted.png', { type: 'image/png' }));
            document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data }));
            done(1);
        });
    })""")
    until(chromium, "live.state.photo.title === 'pasted.png' && live.state.photo.out.ce")
    assert chromium.ask("live.state.photo.full") == {"w": 80, "h": 64}


def test_a_photograph_can_be_dropped_and_nothing_leaves_the_page(chromium, address):
    visit(chromium, address, "t=1&lambda=0.5")
    before = len(chromium.requests())
    assert chromium.ask(DROP), "or the browser would open the file in place of the page"
    until(chromium, "live.state.photo.title === 'dropped.png' && live.state.photo.out.ce")
    assert chromium.ask("live.state.photo.full") == {"w": 120, "h": 80}
    assert np.asarray(saved(chromium).convert("RGB")).std(2).mean() > 1, "it has colours"
    chromium.ask("document.getElementById('live-show').value = 'l2', live.redraw()")
    until(chromium, "live.state.photo.out.l2")
    asked = chromium.requests()[before:]
    assert any(url.startswith("blob:") for url in asked), "the photograph itself"
    assert {url for url in asked if not url.startswith("blob:")} == {f"{address}_static/live/weights-l2.js"}


def test_a_point_is_chosen_by_keyboard_and_has_every_answer(chromium, address):
    visit(chromium, address, "photo=caps")
    chromium.ask("document.getElementById('live-right-image').focus()")
    grid = chromium.ask("live.state.photo.grid")
    press(chromium, "ArrowRight")
    press(chromium, "ArrowUp")
    assert chromium.ask("live.state.point") == [grid["w"] // 2 + 1, grid["h"] // 2 - 1]
    until(chromium, "document.querySelectorAll('.live-marks text').length")
    assert text(chromium, "#live-answers .live-sign") == text(chromium, ".live-marks text") == "123456★ABCDE✕"
    press(chromium, "Escape")
    until(chromium, "document.getElementById('live-point').hidden")


def test_weights_are_loaded_when_they_are_needed_and_the_rest_is_small(chromium, address):
    visit(chromium, address)
    asked = [url.removeprefix(address).partition("?")[0] for url in chromium.requests() if url.startswith(address)]
    assert "_static/live/weights-ce.js" in asked and "_static/live/weights-l2.js" not in asked
    assert sum((SITE / path).stat().st_size for path in set(asked) - {"_static/live/weights-ce.js"}) < 3e6
    chromium.ask("document.getElementById('live-left').value = 'l2', live.redraw()")
    until(chromium, "live.state.photo.out.l2")
    assert f"{address}_static/live/weights-l2.js" in chromium.requests()


def test_dials_redraw_what_the_network_has_said_and_do_not_ask_it_again(chromium, address, capsys):
    """How long a redraw takes depends on the machine; that it is a small part of running the network does not."""
    script = chromium.call("Page.addScriptToEvaluateOnNewDocument", source=FIRST)
    visit(chromium, address, "photo=boat")
    chromium.call("Page.removeScriptToEvaluateOnNewDocument", **script)
    until(chromium, "first.computed")
    loaded = chromium.ask("performance.getEntriesByType('navigation')[0].loadEventEnd")
    network = chromium.ask(LOOK)
    assert tuple(chromium.ask("live.state.photo.size")) == (64, 96)
    chromium.ask(COUNT)
    asked = [(kind, *dials) for kind in readout.KINDS for dials in DIALS]
    took = np.array([chromium.ask(f"{REDRAW}({json.dumps(kind)}, {t}, {lambda_}, 9)") for kind, t, lambda_ in asked])
    assert chromium.ask("window.sent") == 0
    medians = np.median(took, axis=1).reshape(len(readout.KINDS), -1).max(1)
    with capsys.disabled():
        print(f"\nlive page, ms: loaded {loaded:.0f}, first colours {chromium.ask('first.stored'):.0f}", end=", ")
        print(f"of the network {chromium.ask('first.computed'):.0f}; running it {network:.0f}; redraws", end=" ")
        print(", ".join(f"{kind} {ms:.1f}" for kind, ms in zip(readout.KINDS, medians, strict=True)))
    assert 10 * took.min(1).max() < network, "at its quickest, because other programs may keep the processor busy"


def test_who_wants_no_motion_gets_none(chromium, address):
    visit(chromium, address)
    chromium.ask("Element.prototype.scrollIntoView = function (how) { window.how = how.behavior }")
    for wanted, expected in (("reduce", "auto"), ("no-preference", "smooth")):
        chromium.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": wanted}])
        chromium.ask(f"location.hash = 'photo=lighthouse&gain=1&{wanted}', 1")
        until(chromium, f"window.how === '{expected}'")
    chromium.call("Emulation.setEmulatedMedia", features=[])


def test_the_page_works_from_a_folder(chromium):
    visit(chromium, f"{SITE.as_uri()}/", "photo=caps&left=l2", ("ce", "l2"))
    assert not [line for line in chromium.messages() if "/vendor/" not in line], "the theme's letters cannot be read so"
    assert saved(chromium).size == (384, 256)
