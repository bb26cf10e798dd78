/* The page around live.js: photographs, dials, the chosen point, and the state in the address. */
"use strict";

(function () {
  const SIDE = 64, LARGEST = 384, $ = (id) => document.getElementById(`live-${id}`);
  const DEFAULT = { photo: "", t: "", lambda: "", kind: "mean", gain: "1", left: "grey", x: "", y: "" };
  const MEAN = { temperature: 1, lambda: 1, kind: "mean", gain: 1 };
  let image, logits, prior, worker, state = {}, asked = 0, waiting = {}, still = {};

  const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const ask = () => ({ temperature: +$("t").value, lambda: +$("lambda").value, kind: $("kind").value, gain: +$("gain").value });
  const say = (text) => ($("status").textContent = text);

  function start() {
    const source = [network, work].map(String).join("\n") + "\nwork(self);";
    worker = new Worker(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
    worker.onmessage = ({ data }) => {
      if (data.passport) {
        prior = data.prior;
        $("about").textContent = `${data.passport.run}, ${data.passport.photos.toLocaleString("en")} photographs, ${data.passport.steps.toLocaleString("en")} steps`;
        return show();
      }
      waiting[data.id]?.(data);
      delete waiting[data.id];
    };
    worker.onerror = (error) => say(`The network could not be started: ${error.message}`);
    const stages = LIVE_DATA.stages, weights = bytesOf(LIVE_DATA.weights);
    worker.postMessage({ weights, stages }, [weights.buffer]);
  }

  /** Logits of lightness {L, h, w}, from the Worker. */
  const run = (input) => new Promise((done) => {
    waiting[++asked] = done;
    worker.postMessage({ id: asked, ...input });
  });

  function load(source, name) {
    const loaded = new Image();
    loaded.onload = async () => {
      const factor = Math.min(1, LARGEST / Math.max(loaded.width, loaded.height));
      const w = Math.max(1, Math.round(loaded.width * factor)), h = Math.max(1, Math.round(loaded.height * factor));
      const canvas = Object.assign(document.createElement("canvas"), { width: w, height: h });
      const brush = canvas.getContext("2d", { willReadFrequently: true });
      brush.drawImage(loaded, 0, 0, w, h);
      const v = brush.getImageData(0, 0, w, h).data, L = new Float32Array(w * h);
      for (let i = 0; i < L.length; i++) [L[i]] = color.lab(v[4 * i], v[4 * i + 1], v[4 * i + 2]);
      image = { h, w, v, L, name };
      say("The network is looking at it …");
      const begun = performance.now();
      logits = await run(seen(image, SIDE));
      still = {};
      say(`${name}: ${logits.h} × ${logits.w} distributions in ${((performance.now() - begun) / 1000).toFixed(2)} s. Choose a point, or turn the dials.`);
      draw();
    };
    loaded.onerror = () => say("This file is no image that the browser can read.");
    loaded.src = source;
  }

  /** Pixels as a read-out asks. */
  const answer = (asking) => recolor(image, readout.ab(logits, asking, prior, LIVE_DATA.centers), logits.h, logits.w);

  /** Pixels to compare with, "grey", "truth" or "mean" (T = 1): made once a photograph, no dial changes them. */
  const compared = (which) => (still[which] ??= {
    truth: () => image.v,
    grey: () => recolor(image, new Float32Array(2), 1, 1),
    mean: () => answer(MEAN),
  }[which]());

  function paint(canvas, pixels) {
    canvas.width = image.w;
    canvas.height = image.h;
    const brush = canvas.getContext("2d");
    brush.putImageData(new ImageData(new Uint8ClampedArray(pixels), image.w, image.h), 0, 0);
    if (state.x === "" || state.x === undefined) return;
    const x = (+state.x + 0.5) * (image.w / logits.w), y = (+state.y + 0.5) * (image.h / logits.h);
    for (const [colour, width] of [["#000", 4], ["#fff", 2]]) {
      Object.assign(brush, { strokeStyle: colour, lineWidth: width });
      brush.strokeRect(x - image.w / logits.w / 2, y - image.h / logits.h / 2, image.w / logits.w, image.h / logits.h);
    }
  }

  function draw() {
    for (const name of ["t", "lambda", "gain"]) $(`${name}-value`).textContent = (+$(name).value).toFixed(2);
    if (!logits) return;
    paint($("left-image"), compared($("left").value));
    paint($("right-image"), answer(ask()));
    posterior();
    remember();
  }

  /** The distribution at the chosen point on the ab plane, with the answers to every question. */
  function posterior() {
    const box = $("posterior"), chosen = state.x !== "" && state.x !== undefined;
    $("point").hidden = !chosen;
    if (!chosen) return;
    const at = +state.y * logits.w + +state.x, asking = ask(), centers = LIVE_DATA.centers, n = 313;
    const [p, plain] = [asking, MEAN].map((one) => readout.distribution(logits, at, one, readout.tilt(prior, one.lambda)));
    const py = Math.min(image.h - 1, Math.floor((+state.y + 0.5) * (image.h / logits.h))), px = Math.min(image.w - 1, Math.floor((+state.x + 0.5) * (image.w / logits.w)));
    const L = Math.min(85, Math.max(35, image.L[py * image.w + px])), most = Math.max(...p);
    let drawn = "";
    for (let q = 0; q < n; q++) {
      const s = Math.max(0.6, 10 * Math.sqrt(p[q] / most)), [a, b] = [centers[2 * q], centers[2 * q + 1]];
      drawn += `<rect x="${a - s / 2}" y="${-b - s / 2}" width="${s}" height="${s}" fill="${color.css(L, a, b)}"/>`;
    }
    const marks = [["mean", readout.mean(plain, centers), "●"], ["median", readout.median(plain, centers), "▲"], ["mode", readout.mode(plain, centers), "■"]];
    const pixel = 4 * (py * image.w + px);
    marks.push(["the truth", color.lab(...image.v.slice(pixel, pixel + 3)).slice(1), "✕"]);
    if (asking.kind !== "sample") marks.push(["what the dials ask", readout[asking.kind](p, centers).map((value) => asking.gain * value), "★"]);
    marks.forEach(([, [a, b], sign]) => (drawn += `<text x="${a}" y="${-b}" class="live-mark">${sign}</text>`));
    box.innerHTML = `<g>${drawn}</g>`;
    box.setAttribute("aria-label", `Distribution over the ab plane at column ${+state.x + 1}, row ${+state.y + 1}`);
    const rows = marks.map(([name, [a, b], sign]) => `<tr><td>${sign} ${name}</td><td>${a.toFixed(1)}, ${b.toFixed(1)}</td><td><span class="live-swatch" style="background:${color.css(L, a, b)}"></span></td></tr>`);
    $("answers").innerHTML = rows.join("");
  }

  // ------------------------------------------------------------------------------------------------ state and events

  /** The state as text, `photo=boat&t=0.38`, without what is usual. */
  function remember() {
    const now = { photo: LIVE_DATA.photos[image.name] ? image.name : "", t: $("t").value, lambda: $("lambda").value, kind: $("kind").value, gain: $("gain").value, left: $("left").value, x: state.x ?? "", y: state.y ?? "" };
    const kept = Object.entries(now).filter(([name, value]) => String(value) !== DEFAULT[name]);
    history.replaceState(null, "", `#${new URLSearchParams(kept)}`);
  }

  /** Go to the state in the address. */
  function show() {
    const wanted = { ...DEFAULT, ...Object.fromEntries(new URLSearchParams(location.hash.slice(1))) };
    const [t, lambda] = LIVE_DATA.readout;
    state = { x: wanted.x, y: wanted.y };
    $("t").value = wanted.t || t;
    $("lambda").value = wanted.lambda || lambda;
    for (const name of ["kind", "gain", "left"]) $(name).value = wanted[name];
    const photo = LIVE_DATA.photos[wanted.photo] ? wanted.photo : Object.keys(LIVE_DATA.photos)[0];
    $("photo").value = photo;
    if (image?.name === photo) draw();
    else load(`data:image/jpeg;base64,${LIVE_DATA.photos[photo]}`, photo);
  }

  function choose(x, y) {
    if (!logits) return;
    state = { x: Math.min(logits.w - 1, Math.max(0, x)), y: Math.min(logits.h - 1, Math.max(0, y)) };
    draw();
  }

  function own(file) {
    if (!file) return;
    state = {};
    load(URL.createObjectURL(file), file.name);
  }

  function listen() {
    for (const name of Object.keys(LIVE_DATA.photos)) $("photo").add(new Option(name, name));
    for (const name of ["t", "lambda", "gain", "kind", "left"]) $(name).addEventListener("input", draw);
    $("photo").addEventListener("change", () => { location.hash = new URLSearchParams({ photo: $("photo").value }); });
    $("reset").addEventListener("click", () => { location.hash = new URLSearchParams({ photo: $("photo").value, reset: Date.now() }); });
    $("file").addEventListener("change", () => own($("file").files[0]));
    $("save").addEventListener("click", () => {
      const link = Object.assign(document.createElement("a"), { href: $("right-image").toDataURL("image/png"), download: "colorized.png" });
      link.click();
    });
    for (const which of ["left-image", "right-image"]) {
      const canvas = $(which);
      canvas.addEventListener("click", (event) => {
        const box = canvas.getBoundingClientRect();
        choose(Math.floor(((event.clientX - box.left) / box.width) * logits.w), Math.floor(((event.clientY - box.top) / box.height) * logits.h));
      });
      canvas.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
        if (!step || !logits) return;
        event.preventDefault();
        const from = state.x === "" || state.x === undefined ? [logits.w >> 1, logits.h >> 1] : [+state.x, +state.y];
        choose(from[0] + step[0], from[1] + step[1]);
      });
    }
    const zone = document.getElementById("live");
    zone.addEventListener("dragover", (event) => event.preventDefault());
    zone.addEventListener("drop", (event) => { event.preventDefault(); own(event.dataTransfer.files[0]); });
    window.addEventListener("hashchange", show);
  }

  document.addEventListener("DOMContentLoaded", () => {
    if (typeof LIVE_DATA === "undefined") return say("The weights of this page are missing.");
    document.getElementById("live").hidden = false;
    say("Reading the weights …");
    listen();
    start();
  });
  window.live = { run, seen, readout, get state() { return { image, logits, prior }; } }; // for the tests
})();
