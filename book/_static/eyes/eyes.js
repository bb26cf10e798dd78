/* The reader's own test: which of two images was painted, seen for a second, and which of two settings looks better.
   Nothing is sent anywhere; the answers are kept in `record`, which the reader may save. */
"use strict";

(function () {
  const PRACTICE = 5, EACH = 4, CHOICES = 10, FOLDER = new URL(".", document.currentScript.src);
  const pace = { shown: 1000, pause: 600 }; // milliseconds an image is shown, and between an answer and the next pair
  const $ = (id) => document.getElementById(`eyes-${id}`);
  const other = { left: "right", right: "left" };
  const calm = matchMedia("(prefers-reduced-motion: reduce)"); // then nothing comes up by itself
  let record, waiting = null;

  // --------------------------------------------------------------------------------------------- chance and arithmetic

  /** A source of numbers from 0 to 1, the same for the same seed: 32 bits, shifted and added up (xorshift). */
  function chance(seed) {
    let x = (Math.imul(seed + 1, 0x9e3779b1) >>> 0) || 1;
    const next = () => {
      x ^= x << 13;
      x ^= x >>> 17;
      x ^= x << 5;
      return (x >>> 0) / 2 ** 32;
    };
    for (let i = 0; i < 16; i++) next();
    return next;
  }

  function shuffled(list, random) {
    const out = [...list];
    for (let i = out.length - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [out[i], out[j]] = [out[j], out[i]];
    }
    return out;
  }

  /** The pairs of a seed: every system once for practice, then each equally often; no photograph twice. */
  function planPairs(seed) {
    const random = chance(seed), names = EYES_DATA.systems.map((system) => system.name);
    const photos = shuffled(EYES_DATA.photos, random);
    const counted = shuffled(names.flatMap((name) => Array(EACH).fill(name)), random);
    const systems = [...shuffled(names, random).slice(0, PRACTICE), ...counted];
    return systems.slice(0, photos.length).map((system, i) => ({
      photo: photos[i], system, side: random() < 0.5 ? "left" : "right", practice: i < systems.length - counted.length,
    }));
  }

  /** The choices of a seed: pairs of settings, so that all are shown about equally often. */
  function planChoices(seed) {
    const random = chance(seed + 1000003), names = EYES_DATA.settings.map((setting) => setting.name);
    const pairs = shuffled(names.flatMap((a, i) => names.slice(i + 1).map((b) => (random() < 0.5 ? [a, b] : [b, a]))), random);
    const used = Object.fromEntries(names.map((name) => [name, 0])), plan = [];
    while (plan.length < CHOICES && pairs.length) {
      const least = Math.min(...pairs.map(([a, b]) => used[a] + used[b]));
      const [[left, right]] = pairs.splice(pairs.findIndex(([a, b]) => used[a] + used[b] === least), 1);
      used[left]++;
      used[right]++;
      plan.push({ left, right });
    }
    return shuffled(plan, random);
  }

  /** Wilson's interval of 95 % for k of n. */
  function wilson(k, n, z = 1.959963984540054) {
    const p = k / n, middle = (p + (z * z) / (2 * n)) / (1 + (z * z) / n);
    const half = (z * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n))) / (1 + (z * z) / n);
    return [Math.max(0, middle - half), Math.min(1, middle + half)];
  }

  // ------------------------------------------------------------------------------------------------------- the stage

  const STAGE = `<div class="eyes-frames">
      <figure><div class="eyes-frame" data-side="left"></div><figcaption>&nbsp;</figcaption></figure>
      <figure><div class="eyes-frame" data-side="right"></div><figcaption>&nbsp;</figcaption></figure></div>
    <div class="eyes-say"><button type="button" data-say="left"></button><button type="button" data-say="right"></button></div>
    <p class="eyes-next"><button type="button" data-next hidden>Next pair (Enter)</button></p>`;

  /** Two images side by side in `box`, with a button under each; words: what the buttons say, {left, right}. */
  function stage(box, words) {
    box.innerHTML = STAGE;
    box.hidden = false;
    const part = (selector) => box.querySelector(selector);
    const say = [...box.querySelectorAll("[data-say]")], next = part("[data-next]");
    for (const button of say) button.textContent = words[button.dataset.say];
    const frame = (side) => part(`[data-side=${side}]`), under = (side) => frame(side).nextElementSibling;
    return {
      width: () => Math.round(frame("left").getBoundingClientRect().width),
      hang: (images) => Object.entries(images).forEach(([side, image]) => frame(side).replaceChildren(image)),
      blank: () => ["left", "right"].forEach((side) => frame(side).replaceChildren()),
      caption: (texts) => ["left", "right"].forEach((side) => (under(side).textContent = texts?.[side] ?? "\u00a0")),
      /** Wait for an answer; resolves to its side. */
      answer: () => until("answer", (done) => say.forEach((button) => (button.onclick = () => done(button.dataset.say)))),
      /** Wait for "next pair". */
      next: () => until("next", (done) => { next.hidden = false; next.onclick = done; }).then(() => { next.hidden = true; }),
      able: (yes) => say.forEach((button) => button.setAttribute("aria-disabled", String(!yes))),
    };
  }

  /** Wait until `done(value)` is called, by what `listen` binds to buttons or by a key. */
  function until(kind, listen) {
    return new Promise((resolve) => {
      const done = (value) => {
        if (waiting?.done !== done) return;
        waiting = null;
        resolve(value);
      };
      waiting = { kind, done };
      listen(done);
    });
  }

  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  const drawn = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));

  async function picture(file, alt) {
    const image = Object.assign(new Image(), { alt, src: new URL(file, FOLDER).href });
    await image.decode();
    return image;
  }

  const letter = (name) => EYES_DATA.systems.find((system) => system.name === name).letter;
  const titleOf = (name) => EYES_DATA.systems.find((system) => system.name === name).title;
  const fileOf = (pair, side) => `${pair.photo}-${side === pair.side ? letter(pair.system) : "t"}.jpg`;

  async function imagesOf(files) {
    const [left, right] = await Promise.all([picture(files.left, "The left image"), picture(files.right, "The right image")]);
    return { left, right };
  }

  // ------------------------------------------------------------------------------------------------------- the pairs

  async function takePairs() {
    $("intro").hidden = true;
    Object.assign(record, { timed: !$("untimed").checked, time: new Date().toISOString() });
    const plan = planPairs(record.seed), counted = plan.filter((pair) => !pair.practice).length;
    const shown = stage($("stage"), { left: "← Left is painted (F)", right: "Right is painted (J) →" });
    const tell = (text) => ($("status").textContent = text);
    tell("The first pair is coming.");
    focus($("stage"));
    let coming = imagesOf({ left: fileOf(plan[0], "left"), right: fileOf(plan[0], "right") });
    for (const [i, pair] of plan.entries()) {
      shown.able(false);
      const images = await coming;
      if (plan[i + 1]) coming = imagesOf({ left: fileOf(plan[i + 1], "left"), right: fileOf(plan[i + 1], "right") });
      const practised = plan.length - counted;
      const where = pair.practice ? `Practice ${i + 1} of ${practised}` : `Pair ${i + 1 - practised} of ${counted}`;
      shown.hang(images);
      shown.able(true);
      tell(`${where}: which one was painted?`);
      await drawn();
      record.px = shown.width();
      const begun = performance.now(), hide = record.timed ? setTimeout(shown.blank, pace.shown) : 0;
      const answer = await shown.answer();
      const ms = Math.round(performance.now() - begun);
      clearTimeout(hide);
      record.pairs.push({ ...pair, answer, ms });
      shown.able(false);
      if (pair.practice) {
        shown.hang(images);
        shown.caption({ [pair.side]: `painted: ${titleOf(pair.system)}`, [other[pair.side]]: "the photograph" });
        tell(`${answer === pair.side ? "Right" : "Wrong"}: the ${pair.side} one is painted.` +
          (i + 1 === practised ? " From the next pair on it counts, and you are not told." : ""));
        await shown.next();
      } else {
        shown.blank();
        if (i + 1 < plan.length && calm.matches) await shown.next();
        else await sleep(pace.pause);
      }
      shown.caption();
      shown.blank();
    }
    $("stage").hidden = true;
    tell("Done. Your result is below.");
    showPairs();
  }

  const percent = (x) => `${Math.round(100 * x)} %`;
  const cells = (list, tag = "td") => list.map((text, i) => (i ? `<${tag}>${text}</${tag}>` : `<th scope="${tag === "th" ? "col" : "row"}">${text}</th>`)).join("");

  function showPairs() {
    const counted = record.pairs.filter((pair) => !pair.practice), rows = [];
    for (const { name, title } of [...EYES_DATA.systems, { name: "", title: "all together" }]) {
      const mine = counted.filter((pair) => !name || pair.system === name);
      const wrong = mine.filter((pair) => pair.answer !== pair.side).length, [low, high] = wilson(wrong, mine.length);
      rows.push(`<tr data-system="${name}">${cells([title, mine.length, wrong, `${percent(wrong / mine.length)} <small data-low="${low}" data-high="${high}">${percent(low)} to ${percent(high)}</small>`])}</tr>`);
    }
    $("table").innerHTML = rows.join("");
    $("review").innerHTML = counted.map((pair, i) => {
      const image = (side) => `<img loading="lazy" src="${new URL(fileOf(pair, side), FOLDER)}" alt="${side === pair.side ? "Painted" : "True"} image of pair ${i + 1}" width="${EYES_DATA.side}" height="${EYES_DATA.side}">`;
      const verdict = pair.answer === pair.side ? "you saw it" : "you took it for true";
      return `<figure><div>${image("left")}${image("right")}</div><figcaption>${i + 1}. The ${pair.side} one: ${titleOf(pair.system)}; ${verdict}.</figcaption></figure>`;
    }).join("");
    $("result").hidden = false;
    focus($("result"));
  }

  // ------------------------------------------------------------------------------------------------------ the sheets

  const settingOf = (name) => EYES_DATA.settings.find((setting) => setting.name === name);
  const sheetOf = (name) => `sheet-${EYES_DATA.settings.indexOf(settingOf(name))}.jpg`;

  async function takeSheets() {
    $("sheets-intro").hidden = true;
    const shown = stage($("sheets-stage"), { left: "← Left is better (F)", right: "Right is better (J) →" });
    $("sheets-status").textContent = "The first sheets are coming.";
    focus($("sheets-stage"));
    const plan = planChoices(record.seed);
    for (const [i, choice] of plan.entries()) {
      const images = await imagesOf({ left: sheetOf(choice.left), right: sheetOf(choice.right) });
      shown.hang(images);
      $("sheets-status").textContent = `Choice ${i + 1} of ${plan.length}: which sheet looks better?`;
      const begun = performance.now(), answer = await shown.answer();
      record.choices.push({ ...choice, answer, ms: Math.round(performance.now() - begun) });
    }
    $("sheets-stage").hidden = true;
    $("sheets-status").textContent = "Done. Your ranking is below.";
    showSheets();
  }

  function showSheets() {
    const rows = EYES_DATA.settings.map((setting) => {
      const mine = record.choices.filter((choice) => [choice.left, choice.right].includes(setting.name));
      return { ...setting, shown: mine.length, chosen: mine.filter((choice) => choice[choice.answer] === setting.name).length };
    }).sort((a, b) => b.chosen / b.shown - a.chosen / a.shown || b.chosen - a.chosen);
    $("ranking").innerHTML = rows.map((row) => `<tr data-setting="${row.name}">${cells([row.temperature, row.lambda, `${row.chosen} of ${row.shown}`, row.auc ? row.auc.toFixed(3) : "not recorded"])}</tr>`).join("");
    $("sheets-result").hidden = false;
    focus($("sheets-result"));
  }

  // ------------------------------------------------------------------------------------------------ keys, saving, start

  function focus(element) {
    element.focus({ preventScroll: true });
    element.scrollIntoView({ block: element.offsetHeight < innerHeight ? "center" : "start" });
  }

  const KEYS = { ArrowLeft: "left", f: "left", ArrowRight: "right", j: "right" };

  /** Keys answer while a test waits for an answer; Enter starts and goes on, unless it belongs to what has the focus. */
  function pressed(event) {
    if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable]")) return;
    const side = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (side && waiting?.kind === "answer") waiting.done(side);
    else if (event.key === "Enter" && !event.target.closest?.("a, button, summary, label, input")) {
      if (waiting?.kind === "next") waiting.done();
      else if (!waiting && !$("intro").hidden) $("start").click();
      else return;
    } else return;
    event.preventDefault();
  }

  function save() {
    const file = new Blob([JSON.stringify(record, null, 1)], { type: "application/json" });
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(file), download: `your-eyes-${record.seed}-${record.round}.json` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  /** Begin anew: the seed of the address the first time, another one each time after. */
  function begin() {
    const asked = new URLSearchParams(location.hash.slice(1)).get("seed"), first = !record;
    const seed = first && /^\d{1,9}$/.test(asked ?? "") ? +asked : Math.floor(Math.random() * 1e9);
    const networks = Object.fromEntries(EYES_DATA.systems.map((system) => [system.name, system.run]));
    record = {
      format: "colorize-lib/your-eyes", version: 1, seed, round: (record?.round ?? 0) + 1, time: new Date().toISOString(),
      timed: !$("untimed").checked, milliseconds: pace.shown, px: 0,
      networks: { ...networks, sheets: EYES_DATA.sheets_run }, pairs: [], choices: [],
    };
    for (const id of ["stage", "result", "sheets-stage", "sheets-result"]) $(id).hidden = true;
    for (const id of ["intro", "sheets-intro"]) $(id).hidden = false;
    for (const id of ["status", "sheets-status"]) $(id).textContent = "";
    if (!first) focus($("start"));
  }

  /** Run one of the tests, one at a time; say so where an image cannot be loaded. */
  async function take(test, status) {
    const buttons = [$("start"), $("sheets-start"), ...document.querySelectorAll("[data-eyes=again]")];
    for (const button of buttons) button.disabled = true;
    try {
      await test();
    } catch (error) {
      status.textContent = `The test cannot go on: ${error.message}`;
    }
    for (const button of buttons) button.disabled = false;
  }

  document.addEventListener("DOMContentLoaded", () => {
    if (typeof EYES_DATA === "undefined") return;
    $("still").hidden = true;
    $("pairs").hidden = $("sheets").hidden = false;
    begin();
    $("start").addEventListener("click", () => take(takePairs, $("status")));
    $("sheets-start").addEventListener("click", () => take(takeSheets, $("sheets-status")));
    for (const button of document.querySelectorAll("[data-eyes=save]")) button.addEventListener("click", save);
    for (const button of document.querySelectorAll("[data-eyes=again]")) button.addEventListener("click", begin);
    document.addEventListener("keydown", pressed);
  });
  window.eyes = { pace, wilson, planPairs, planChoices, get record() { return record; }, get waiting() { return waiting?.kind; } }; // for the tests
})();
