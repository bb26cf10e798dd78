"""The reader's own test, taken by a script: what is answered is what is saved, and nothing leaves the page."""

from __future__ import annotations

import collections
import itertools
import json

import pytest
from built import PAGES, SITE

from colorize_lib.book import eyes
from colorize_lib.evaluation.shares import wilson

PAGE = "book/your-eyes.html"
UNTIL = """new Promise((done, fail) => { const end = performance.now() + 20000; (function look() {
    const found = (() => { try { return %s } catch { return false } })();
    found ? done(found) : performance.now() > end ? fail(new Error('waited for %s')) : setTimeout(look, 5) })() })"""
KEYS = {"left": ("ArrowLeft", 37), "right": ("ArrowRight", 39), "f": ("f", 70), "j": ("j", 74), "enter": ("Enter", 13)}
SAVED = """(async () => { const make = URL.createObjectURL; let file;
    URL.createObjectURL = (blob) => (file = blob, make(blob));
    HTMLAnchorElement.prototype.click = function () { window.savedAs = this.download };
    document.querySelector('#eyes-result [data-eyes=save]').click(); return file.text() })()"""

pytestmark = pytest.mark.skipif(bool(PAGES) and PAGE not in PAGES, reason="this book has no such page")


def until(chromium, condition: str):
    """Wait in the page until something is true."""
    return chromium.ask(UNTIL % (condition, condition.replace("'", "")))


def press(chromium, name: str) -> None:
    """Press a key as a hand would."""
    key, code = KEYS[name]
    about = {"key": key, "windowsVirtualKeyCode": code} | ({"text": "\r"} if name == "enter" else {})
    chromium.call("Input.dispatchKeyEvent", type="keyDown", **about)
    chromium.call("Input.dispatchKeyEvent", type="keyUp", **about)


def visit(chromium, address: str, seed: int, reader: str) -> None:
    """Open the page with a seed; the query makes it another page, that is loaded."""
    chromium.open(f"{address}{PAGE}?{reader}#seed={seed}")
    chromium.ask("Object.assign(eyes.pace, {shown: 40, pause: 0}) && 1")


def take(chromium, answers, keys: dict[str, str]) -> None:
    """Answer every pair by keyboard alone; the practice goes on by Enter."""
    press(chromium, "enter")
    for i, answer in enumerate(answers):
        until(chromium, f"eyes.waiting === 'answer' && eyes.record.pairs.length === {i} && eyes.record.px > 0")
        press(chromium, keys[answer])
        if i < 5:
            until(chromium, "eyes.waiting === 'next'")
            press(chromium, "enter")
    until(chromium, "!document.getElementById('eyes-result').hidden")


@pytest.mark.parametrize(
    "keys", [{"left": "left", "right": "right"}, {"left": "f", "right": "j"}], ids=["arrows", "f-j"]
)
def test_what_is_answered_is_what_is_saved(chromium, address, keys):
    visit(chromium, address, 7, keys["left"])
    plan = chromium.ask("eyes.planPairs(7)")
    wanted = ["left" if i % 3 else "right" for i in range(len(plan))]
    take(chromium, wanted, keys)
    saved = json.loads(chromium.ask(SAVED))
    assert (saved["seed"], saved["round"], saved["timed"]) == (7, 1, True)
    assert [{k: v for k, v in pair.items() if k not in ("answer", "ms")} for pair in saved["pairs"]] == plan
    assert [pair["answer"] for pair in saved["pairs"]] == wanted
    assert chromium.ask("savedAs") == "your-eyes-7-1.json"
    found = eyes.gather({"saved": saved}).pairs
    rows = chromium.ask("""[...document.querySelectorAll('#eyes-table tr[data-system]')].map(row => [row.dataset.system,
        ...[...row.cells].slice(1, 3).map(cell => +cell.textContent), +row.querySelector('small').dataset.low,
        +row.querySelector('small').dataset.high])""")
    assert len(rows) == 6
    for system, pairs, wrong, low, high in rows:
        mine = found[found.system == system] if system else found
        assert (pairs, wrong) == (len(mine), mine.wrong.sum()) and pairs == (4 if system else 20)
        assert (low, high) == pytest.approx(wilson(wrong, pairs), abs=1e-6)
    assert not [url for url in chromium.requests() if not url.startswith((address, "data:", "blob:"))]
    assert not chromium.messages()


def test_a_plan_is_balanced_and_follows_its_seed(chromium, address):
    visit(chromium, address, 1, "plan")
    plans = chromium.ask("[1, 2, 1].map(eyes.planPairs)")
    assert plans[0] == plans[2] != plans[1]
    for plan in plans:
        assert len({pair["photo"] for pair in plan}) == len(plan) == 25
        for practice, times in ((True, {1}), (False, {4})):
            counted = collections.Counter(pair["system"] for pair in plan if pair["practice"] is practice)
            assert set(counted.values()) == times and len(counted) == 5
        assert {pair["side"] for pair in plan} == {"left", "right"}
    for choices in chromium.ask("[1, 2, 3].map(eyes.planChoices)"):
        assert len({frozenset((c["left"], c["right"])) for c in choices}) == 10
        shown = collections.Counter(itertools.chain(*((c["left"], c["right"]) for c in choices)))
        assert len(shown) == 6 and set(shown.values()) <= {3, 4}
    sides = chromium.ask("[...Array(200).keys()].flatMap(s => eyes.planPairs(s)).filter(p => p.side === 'left').length")
    assert 0.47 < sides / 5000 < 0.53


def test_an_image_is_there_for_its_time_unless_the_reader_wants_more(chromium, address):
    hung = "document.querySelectorAll('#eyes-stage .eyes-frame img').length"
    visit(chromium, address, 3, "timed")
    press(chromium, "enter")
    until(chromium, "eyes.record.px > 0")
    until(chromium, f"{hung} === 0")
    assert chromium.ask("eyes.waiting") == "answer", "there is no limit to the answer"
    assert chromium.ask("document.getElementById('eyes-status').getAttribute('aria-live')") == "polite"
    visit(chromium, address, 3, "untimed")
    chromium.ask("document.getElementById('eyes-untimed').click()")
    chromium.ask("eyes.pace.shown = 0")
    press(chromium, "enter")
    until(chromium, "eyes.record.px > 0")
    assert chromium.ask(f"new Promise(done => setTimeout(() => done({hung}), 50))") == 2
    assert chromium.ask("eyes.record.timed") is False


def test_where_motion_is_unwanted_no_pair_comes_by_itself(chromium, address):
    visit(chromium, address, 4, "calm")
    chromium.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-reduced-motion", "value": "reduce"}])
    try:
        press(chromium, "enter")
        for i in range(6):
            until(chromium, f"eyes.waiting === 'answer' && eyes.record.pairs.length === {i}")
            press(chromium, "left")
            until(chromium, "eyes.waiting === 'next'")
            press(chromium, "enter")
    finally:
        chromium.call("Emulation.setEmulatedMedia", features=[])


def test_settings_are_ranked_as_they_were_chosen_and_a_new_start_is_a_later_round(chromium, address):
    visit(chromium, address, 5, "sheets")
    plan = chromium.ask("eyes.planChoices(5)")
    chromium.ask("document.getElementById('eyes-sheets-start').click()")
    for i, choice in enumerate(plan):
        until(chromium, f"eyes.waiting === 'answer' && eyes.record.choices.length === {i}")
        press(chromium, "left" if choice["left"] < choice["right"] else "right")  # as a name comes first
    until(chromium, "!document.getElementById('eyes-sheets-result').hidden")
    record = chromium.ask("eyes.record")
    found = eyes.gather({"saved": record}).choices
    assert (found.chosen == found[["left", "right"]].min(axis=1)).all() and len(found) == 10
    rows = chromium.ask("""[...document.querySelectorAll('#eyes-ranking tr')].map(row => [row.dataset.setting,
        ...row.cells[2].textContent.split(' of ').map(Number), row.cells[3].textContent])""")
    auc = {name: f"{value:.3f}" for name, value in eyes.recorded_auc(record["networks"]["sheets"]).items()}
    for setting, chosen, shown, measured in rows:
        assert chosen == (found.chosen == setting).sum()
        assert shown == ((found.left == setting) | (found.right == setting)).sum()
        assert measured == auc[setting]
    assert [c / s for _, c, s, _ in rows] == sorted((c / s for _, c, s, _ in rows), reverse=True)
    chromium.ask("document.querySelector('#eyes-sheets-result [data-eyes=again]').click()")
    again = chromium.ask("eyes.record")
    assert again["round"] == 2 and not again["choices"] and again["seed"] != 5
    assert chromium.ask("document.activeElement.id") == "eyes-start"


def test_it_works_from_a_folder_of_files_and_weighs_little(chromium):
    chromium.open(f"{(SITE / PAGE).as_uri()}#seed=6")
    press(chromium, "enter")
    until(chromium, "document.querySelectorAll('#eyes-stage .eyes-frame img').length === 2")
    assert not [line for line in chromium.messages() if "woff2" not in line], "fonts of the theme may be refused"
    assert sum(path.stat().st_size for path in (SITE / "_static/eyes").iterdir()) < 3_000_000


def test_without_a_script_three_pairs_stand_there_with_their_solution(chromium, address):
    chromium.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        chromium.open(f"{address}{PAGE}?still")
        chromium.call("Emulation.setScriptExecutionDisabled", value=False)
        shown = "[...document.querySelectorAll('.eyes')].filter(e => e.offsetHeight).map(e => e.id)"
        assert chromium.ask(shown) == ["eyes-still"]
        assert chromium.ask("[...document.querySelectorAll('#eyes-still img')].every(i => i.naturalWidth === 192)")
        assert "Solution" in chromium.ask("document.getElementById('eyes-still').innerText")
    finally:
        chromium.call("Emulation.setScriptExecutionDisabled", value=False)
