/* The page around live.js and posterior.js: photographs, panes, dials, the chosen point, and the state in the address. */
"use strict";

(function () {
  const SMALL = 384; // longer side of what is shown; the file that is saved has all pixels
  const DIALS = ["t", "lambda", "kind", "gain", "seed"], SHOWN = ["grey", "truth", "l2", "ce"];
  const MEAN = { show: "ce", temperature: 1, lambda: 1, kind: "mean", gain: 1 };
  const LEFT = { grey: { show: "grey" }, truth: { show: "truth" }, l2: { ...MEAN, show: "l2" }, mean: MEAN };
  const $ = (id) => document.getElementById(`live-${id}`);
  const photos = {}, loading = {}, networks = {}, waiting = {};
  let current, point, pinned, worker, turn = 0, asked = 0, queue = Promise.resolve(), frame = 0, timer = 0;

  function say(text) {
    if ($("status").textContent !== text) $("status").textContent = text; // or it would be read out again
  }

  // ------------------------------------------------------------------------------------------------------ networks

  function start() {
    const source = [network, work].map(String).join("\n") + "\nwork(self);";
    worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
    worker.onmessage = ({ data }) => { waiting[data.id](data); delete waiting[data.id]; };
    worker.onerror = (error) => say(`The network failed: ${error.message}`);
  }

  /** The Worker's answer to a message. */
  const tell = (message) => new Promise((done) => {
    waiting[++asked] = done;
    worker.postMessage({ id: asked, ...message });
  });

  const script = (file) => new Promise((done, failed) => {
    const element = Object.assign(document.createElement("script"), { src: `../_static/live/${file}`, onload: done });
    element.onerror = () => failed(new Error(`${file} is missing`));
    document.head.append(element);
  });

  /** Have a network in the Worker; its weights are loaded when they are asked for first. Its {passport, prior} is kept. */
  const ready = (name) => (loading[name] ??= load(name));

  async function load(name) {
    await script(`weights-${name}.js`);
    networks[name] = await tell({ name, weights: LIVE_WEIGHTS[name], stages: LIVE_DATA.stages });
    delete LIVE_WEIGHTS[name];
    const about = ([one, { passport }]) => `${one} (run ${passport.run}) after ${LIVE_DATA.seen[one].toLocaleString("en")} images`;
    $("about").textContent = `: ${Object.entries(networks).map(about).join(", ")}`;
  }

  /** Let a network look at a photograph, unless it has, or another photograph was chosen meanwhile. */
  const look = (photo, name) => (photo.looked[name] ??= looking(photo, name).catch((error) => { photo.trouble = error.message; draw(); }));

  async function looking(photo, name) {
    await ready(name);
    photo.seen ??= seen(photo, photo.size);
    const out = await (queue = queue.then(() => photo === current && tell({ name, ...photo.seen })));
    if (!out) return delete photo.looked[name];
    if (name === "l2") out.ab = { ...out, v: out.v.map((value) => LIVE_DATA.scale * value) };
    photo.out[name] = out;
    if (photo === current) draw();
  }

  // --------------------------------------------------------------------------------------------------- photographs

  const decoded = (address) => new Promise((done, failed) => {
    const image = new Image();
    image.onload = () => done(image);
    image.onerror = () => failed(new Error("This file is no image that the browser can read."));
    image.src = address;
  });

  function canvasOf(image, w, h) {
    const brush = Object.assign(document.createElement("canvas"), { width: w, height: h }).getContext("2d", { willReadFrequently: true });
    Object.assign(brush, { fillStyle: "#fff", imageSmoothingQuality: "high" });
    brush.fillRect(0, 0, w, h);
    brush.drawImage(image, 0, 0, w, h);
    return brush;
  }

  /** All that is known of a photograph; `stored`: answers that came with the page, of networks by name. */
  async function photograph(address, title, stored = {}) {
    const image = await decoded(address), full = { w: image.naturalWidth, h: image.naturalHeight };
    const side = LIVE_DATA.side, long = Math.max(full.w, full.h), short = Math.min(full.w, full.h);
    const factor = Math.min(1, Math.max(SMALL / long, side / short), Math.sqrt(2 ** 19 / (long * short)));
    const [w, h] = [full.w, full.h].map((n) => Math.max(1, Math.round(n * factor)));
    const v = canvasOf(image, w, h).getImageData(0, 0, w, h).data, size = networkSize(full.h, full.w, side);
    const grid = { h: size[0] / 4, w: size[1] / 4 };
    return { title, image, full, size, grid, stored, h, w, v, L: color.lightnessOf(v), out: {}, looked: {} };
  }

  /** A photograph of the page with the answers that came with it, ab by network. */
  async function bundled(name) {
    await script(`photo-${name}.js`);
    const { jpeg, h, w, ab } = LIVE_PHOTOS[name], bytes = (text) => Int8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stored = Object.fromEntries(Object.entries(ab).map(([arm, text]) => [arm, { v: bytes(text), h, w }]));
    return photograph(`data:image/jpeg;base64,${jpeg}`, name, stored);
  }

  /** Show what a promise gives, unless something else was chosen before it came. */
  async function choose(name, coming) {
    const mine = ++turn;
    for (const button of $("photos").children) button.setAttribute("aria-pressed", button.value === name);
    try {
      const photo = await coming;
      if (mine !== turn) return;
      current = photo;
      current.name = name;
      point &&= inside(point);
      draw();
      look(photo, "ce");
    } catch (error) {
      if (mine === turn) say(error.message);
    }
  }

  const pick = (name) => choose(name, (photos[name] ??= bundled(name)));

  function own(file) {
    if (!file) return;
    point = undefined;
    choose("", photograph(URL.createObjectURL(file), file.name || "your photograph")).then(remember);
  }

  // -------------------------------------------------------------------------------------------------------- panes

  /** What the dials ask, and what a pane shows: {show, temperature, lambda, kind, gain, seed}; the seed is of a sample. */
  const dials = () => ({ show: $("show").value, temperature: +$("t").value, lambda: +$("lambda").value, kind: $("kind").value, gain: +$("gain").value, seed: +$("seed").value });
  const left = () => (pinned && $("left").value === "pin" ? pinned : LEFT[$("left").value] ?? LEFT.grey);
  const times = (ab, gain) => ({ ...ab, v: Float32Array.from(ab.v, (value) => gain * value) });
  const GREY = { v: [0, 0], h: 1, w: 1 };

  /** The colours ab of a photograph for a pane, on a coarse grid: computed, or stored where no network has looked yet. */
  function colours(photo, asking) {
    if (asking.show === "grey") return GREY;
    const out = photo.out[asking.show];
    if (out && asking.show === "ce") return readout.ab(out, asking, networks.ce.prior, LIVE_DATA.centers);
    return out ? times(out.ab, asking.gain) : stored(photo, asking);
  }

  function stored(photo, asking) {
    const ab = photo.stored[asking.show];
    return ab ? times(ab, asking.gain) : GREY;
  }

  /** Paint a pane, if what it is to show has changed. */
  function paint(side, asking) {
    const canvas = $(`${side}-image`), key = JSON.stringify([turn, asking, !!current.out[asking.show]]);
    if (asking.show === "l2") look(current, "l2");
    if (canvas.shown === key) return;
    const pixels = asking.show === "truth" ? current.v : recolor(current, colours(current, asking));
    Object.assign(canvas, { width: current.w, height: current.h, shown: key });
    canvas.getContext("2d").putImageData(new ImageData(pixels, current.w, current.h), 0, 0);
  }

  function redraw() {
    frame = 0;
    for (const name of ["t", "lambda", "gain"]) $(`${name}-value`).textContent = (+$(name).value).toFixed(2);
    for (const name of ["t", "lambda", "kind"]) $(name).disabled = $("show").value !== "ce";
    $("again").hidden = $("kind").disabled || $("kind").value !== "sample";
    $("gain").disabled = !["ce", "l2"].includes($("show").value);
    if (!current) return;
    paint("left", left());
    paint("right", dials());
    for (const side of ["left", "right"]) here($(`${side}-here`));
    tellPoint();
  }

  const draw = () => (frame ||= requestAnimationFrame(redraw));

  function here(box) {
    box.hidden = !point;
    if (!point) return;
    const { w, h } = current.grid, share = (n, of) => `${(100 * n) / of}%`;
    Object.assign(box.style, { left: share(point[0], w), top: share(point[1], h), width: share(1, w), height: share(1, h) });
  }

  /** The distribution at the chosen point, and the line of text below the dials. */
  function tellPoint() {
    const { title, full, grid, out, looked, stored, trouble } = current, missing = Object.keys(looked).find((name) => !out[name]);
    const words = `${title}, ${full.w} × ${full.h} pixels, ${grid.h} × ${grid.w} distributions`;
    $("point").hidden = !point || !out.ce;
    if (trouble) return say(trouble);
    if (missing) say(`${words}: the network ${missing} is looking at it …${stored[missing] ? " Until then you see stored colours." : ""}`);
    else if (!point) say(`${words}. Choose a point, or turn the dials.`);
    if ($("point").hidden) return;
    const found = posterior.draw($("posterior"), $("answers"), current, point, dials(), networks.ce.prior, LIVE_DATA.centers);
    const [a, b] = found[0].ab.map((value) => Math.round(value) || 0), place = `column ${point[0] + 1}, row ${point[1] + 1}`;
    $("posterior").setAttribute("aria-label", `Distribution over the ab plane at ${place}`);
    if (!missing) say(`${words}. Point in ${place}: mean ${a}, ${b}.`);
  }

  // --------------------------------------------------------------------------------------------- state in the address

  const written = (asking) => [asking.show, asking.temperature, asking.lambda, asking.kind, asking.gain, asking.seed].join();

  function readPin(text) {
    const [show, t, lambda, kind, gain, seed = 1] = text.split(","), numbers = [t, lambda, gain, seed].map(Number);
    if (!SHOWN.includes(show) || !numbers.every(Number.isFinite) || !(numbers[0] > 0) || !readout.KINDS.includes(kind)) return undefined;
    return { show, temperature: numbers[0], lambda: Math.min(1, Math.max(0, numbers[1])), kind, gain: numbers[2], seed: numbers[3] };
  }

  const usual = () => ({ photo: "", t: LIVE_DATA.readout[0], lambda: LIVE_DATA.readout[1], kind: "mean", gain: 1, seed: 1, show: "ce", left: "grey", pin: "", x: "", y: "" });

  /** Write the state into the address, `photo=boat&t=0.38`, without what is usual; not at every step of a dial. */
  function remember() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      const now = { photo: current?.name, pin: pinned ? written(pinned) : "", x: point?.[0] ?? "", y: point?.[1] ?? "" };
      for (const name of [...DIALS, "show", "left"]) now[name] = $(name).value;
      const kept = Object.entries(usual()).filter(([name, value]) => String(now[name]) !== String(value)).map(([name]) => [name, now[name]]);
      history.replaceState(null, "", `#${kept.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join("&")}`);
    }, 200);
  }

  /** Set a control to a value of the address, or to the usual one if it cannot have that. */
  function set(name, value, otherwise) {
    const control = $(name), fits = control.options ? [...control.options].some((one) => one.value === value) : value !== "" && Number.isFinite(+value);
    control.value = fits ? value : otherwise;
  }

  /** Go to the state in the address; a place of the page (`#things-to-try`) is none. */
  function show() {
    if (current && !location.hash.includes("=")) return;
    const asked = new URLSearchParams(location.hash.slice(1)), wanted = { ...usual(), ...Object.fromEntries(asked) };
    pin(readPin(wanted.pin));
    for (const name of [...DIALS, "show", "left"]) set(name, String(wanted[name]), usual()[name]);
    if ($("left").value === "pin" && !pinned) $("left").value = "grey";
    point = asked.has("x") && asked.has("y") ? [+wanted.x || 0, +wanted.y || 0] : undefined;
    const known = LIVE_DATA.photos[wanted.photo] ? wanted.photo : !current && Object.keys(LIVE_DATA.photos)[0];
    if (known) return pick(known);
    point &&= inside(point);
    draw();
  }

  const inside = ([x, y]) => [Math.min(current.grid.w - 1, Math.max(0, Math.floor(x))), Math.min(current.grid.h - 1, Math.max(0, Math.floor(y)))];

  /** A link to a state, perhaps far below the panes, shows them. */
  function follow() {
    if (!location.hash.includes("=")) return;
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    document.getElementById("live").scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
  }

  // ------------------------------------------------------------------------------------------------------- controls

  function pin(setting) {
    pinned = setting;
    const option = $("left").querySelector("[value=pin]");
    option.disabled = !setting;
    option.textContent = setting ? `pinned: ${describe(setting)}` : "a pinned setting";
  }

  function describe({ show, temperature, lambda, kind, gain }) {
    if (!["ce", "l2"].includes(show)) return show;
    const dialled = show === "ce" ? `${kind}, T ${temperature}${lambda < 1 ? `, lambda ${lambda}` : ""}` : "l2";
    return dialled + (gain === 1 ? "" : `, gain ${gain}`);
  }

  /** The right pane as a PNG of all the photograph's pixels, strip by strip. */
  async function png() {
    const { image, full } = current, asking = dials(), brush = canvasOf(image, full.w, full.h), ab = colours(current, asking);
    const rows = Math.max(1, Math.floor(2 ** 20 / full.w));
    for (let top = 0; top < full.h && asking.show !== "truth"; top += rows) {
      const h = Math.min(rows, full.h - top), L = color.lightnessOf(brush.getImageData(0, top, full.w, h).data);
      brush.putImageData(new ImageData(recolor({ h, w: full.w, L }, ab, top, full.h), full.w, h), 0, top);
      await new Promise(setTimeout); // let the page breathe
    }
    return new Promise((done) => brush.canvas.toBlob(done, "image/png"));
  }

  async function save() {
    if (!current) return;
    const blob = await png(), name = `${current.title.replace(/\.\w+$/, "")}-colorized.png`;
    if (!blob) return say("This image is too large for the browser to save.");
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  function move(to) {
    if (!current) return;
    point = to && inside(to);
    draw();
    remember();
  }

  function pointWith(canvas) {
    canvas.addEventListener("click", (event) => {
      const box = canvas.getBoundingClientRect(), { w, h } = current.grid;
      move([((event.clientX - box.left) / box.width) * w, ((event.clientY - box.top) / box.height) * h]);
    });
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!current || (!step && event.key !== "Escape")) return;
      event.preventDefault();
      const [x, y] = point ?? [current.grid.w >> 1, current.grid.h >> 1];
      move(step && [x + step[0], y + step[1]]);
    });
  }

  function thumbnails() {
    for (const [name, jpeg] of Object.entries(LIVE_DATA.photos)) {
      const button = Object.assign(document.createElement("button"), { type: "button", value: name });
      button.innerHTML = `<span class="live-thumb"></span>${name}`;
      button.firstChild.style.backgroundImage = `url(data:image/jpeg;base64,${jpeg})`;
      button.addEventListener("click", () => pick(name).then(remember));
      $("photos").append(button);
    }
  }

  function receive(zone) {
    $("file").addEventListener("change", () => own($("file").files[0]));
    zone.addEventListener("dragover", (event) => event.preventDefault());
    zone.addEventListener("drop", (event) => { event.preventDefault(); own(event.dataTransfer.files[0]); });
    document.addEventListener("paste", (event) => own([...event.clipboardData.files].find((file) => file.type.startsWith("image/"))));
  }

  function listen() {
    for (const name of [...DIALS, "show", "left"]) $(name).addEventListener("input", () => { draw(); remember(); });
    $("reset").addEventListener("click", () => {
      for (const name of [...DIALS, "show"]) $(name).value = usual()[name];
      draw();
      remember();
    });
    $("again").addEventListener("click", () => { $("seed").value = +$("seed").value + 1; draw(); remember(); });
    $("pin").addEventListener("click", () => { pin(dials()); $("left").value = "pin"; draw(); remember(); });
    $("save").addEventListener("click", save);
    for (const side of ["left", "right"]) pointWith($(`${side}-image`));
    receive(document.getElementById("live"));
    window.addEventListener("hashchange", () => { show(); follow(); });
  }

  document.addEventListener("DOMContentLoaded", () => {
    if (typeof LIVE_DATA === "undefined") return;
    document.getElementById("live").hidden = false;
    thumbnails();
    listen();
    start();
    show();
  });
  const tests = { redraw, pick, png, colour: (asking) => colours(current, asking).v, stored: (asking) => stored(current, asking).v };
  window.live = { ...tests, get state() { return { photo: current, point, networks }; } };
})();
