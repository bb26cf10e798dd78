/* The distribution at a chosen point of the live page: a plane of colours with the answers marked, and their table. */
"use strict";

const posterior = (function () {
  const ASKED = [
    ["mean", { temperature: 1, lambda: 1, kind: "mean" }],
    ["median", { temperature: 1, lambda: 1, kind: "median" }],
    ["mode", { temperature: 1, lambda: 1, kind: "mode" }],
    ["annealed, T 0.38", { temperature: 0.38, lambda: 1, kind: "mean" }],
    ["tilted, lambda 0.5", { temperature: 1, lambda: 0.5, kind: "mean" }],
    ["sample", { temperature: 1, lambda: 1, kind: "sample" }],
  ];
  const TRAINED = { l2: "l2", l2_rebal: "l2_rebal", "ce_rebal@1": "ce_rebal, T 1", ce_rebal: "ce_rebal, T 0.38", student_mse: "student_mse" };
  const AXES = [[-0.96, -0.03, "green", "start"], [0.96, -0.03, "red", "end"], [0.03, -0.91, "yellow", "start"], [0.03, 0.96, "blue", "start"]];

  /** Answers {group, name, sign, ab} at the place `at` of a photograph that the classifier has looked at. */
  function answers(photo, at, asking, prior, centers) {
    const logits = photo.out.ce, found = [];
    const add = (group, name, sign, ab) => found.push({ group, name, sign, ab });
    const chance = readout.chanceAt(asking.seed ?? 1, at);
    const read = (ask) => readout[ask.kind](readout.distribution(logits, at, ask, readout.tilt(prior, ask.lambda)), centers, chance);
    ASKED.forEach(([name, ask], i) => add("Asked of ce", name, i + 1, read(ask)));
    if (asking.show === "ce") add("Asked of ce", "what the dials ask", "★", read(asking).map((value) => asking.gain * value));
    Object.entries(TRAINED).forEach(([arm, name], i) => {
      const ab = arm === "l2" && photo.out.l2 ? photo.out.l2.ab : photo.stored[arm];
      if (ab) add("Asked of other networks", name, "ABCDE"[i], [ab.v[at], ab.v[ab.h * ab.w + at]]);
    });
    const [x, y] = [at % logits.w, Math.floor(at / logits.w)], pixel = 4 * pixelAt(photo, x, y);
    add("The photograph", "the true colour", "✕", color.lab(...photo.v.slice(pixel, pixel + 3)).slice(1));
    return found;
  }

  /** Which pixel lies in the middle of a place of the grid. */
  function pixelAt(photo, x, y) {
    const of = (place, cells, pixels) => Math.min(pixels - 1, Math.floor(((place + 0.5) * pixels) / cells));
    return of(y, photo.grid.h, photo.h) * photo.w + of(x, photo.grid.w, photo.w);
  }

  /** Half the side of the plane that is drawn: what is likely and all marks lie within. */
  function reach(p, found, centers) {
    const most = Math.max(...p), likely = [...centers].filter((_, i) => p[i >> 1] > most / 20);
    return Math.min(118, 12 + Math.max(24, ...likely.map(Math.abs), ...found.flatMap(({ ab }) => ab.map(Math.abs))));
  }

  function squares(p, L, centers) {
    const most = Math.max(...p);
    return Array.from(p, (share, q) => {
      const side = Math.max(0.6, 10 * Math.sqrt(share / most)), [a, b] = [centers[2 * q], centers[2 * q + 1]];
      return `<rect x="${a - side / 2}" y="${-b - side / 2}" width="${side}" height="${side}" fill="${color.css(L, a, b)}"/>`;
    }).join("");
  }

  /** The plane from -r to r, in SVG; marks and words have one size whatever r is. */
  function plane(p, L, found, centers, r) {
    const axes = AXES.map(([x, y, text, anchor]) => `<text x="${118 * x}" y="${118 * y}" text-anchor="${anchor}">${text}</text>`).join("");
    const mark = ({ sign, ab: [a, b] }) => `<g transform="translate(${(118 * a) / r} ${(-118 * b) / r})"><circle r="5.2"/><text>${sign}</text></g>`;
    return `<rect class="live-ground" x="-118" y="-118" width="236" height="236"/><path class="live-axes" d="M-118 0H118M0 -118V118"/>
      <g transform="scale(${118 / r})">${squares(p, L, centers)}</g>
      <g class="live-axis">${axes}</g><g class="live-marks">${found.map(mark).join("")}</g>`;
  }

  function row({ name, sign, ab: [a, b] }, L) {
    return `<tr><th scope="row"><span class="live-sign">${sign}</span> ${name}</th><td>${Math.round(a) || 0}, ${Math.round(b) || 0}</td>
      <td><span class="live-swatch" style="background:${color.css(L, a, b)}"></span></td></tr>`;
  }

  function table(found, L) {
    const groups = [...new Set(found.map(({ group }) => group))];
    return groups.map((group) => `<tbody><tr><th scope="rowgroup" colspan="3">${group}</th></tr>
      ${found.filter((one) => one.group === group).map((one) => row(one, L)).join("")}</tbody>`).join("");
  }

  /** Draw plane and table of the point [x, y]; what was found comes back. */
  function draw(svg, body, photo, [x, y], asking, prior, centers) {
    const at = y * photo.grid.w + x, L = Math.min(85, Math.max(35, photo.L[pixelAt(photo, x, y)]));
    const found = answers(photo, at, asking, prior, centers);
    const ask = asking.show === "ce" ? asking : ASKED[0][1];
    const p = readout.distribution(photo.out.ce, at, ask, readout.tilt(prior, ask.lambda));
    svg.innerHTML = plane(p, L, found, centers, reach(p, found, centers));
    body.querySelectorAll("tbody").forEach((part) => part.remove());
    body.insertAdjacentHTML("beforeend", table(found, L));
    return found;
  }
  return { draw };
})();
