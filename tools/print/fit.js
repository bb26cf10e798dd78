// What `make pdf` does in the page before it is printed.
"use strict";

/** What would be wrong on paper: formulas that are not drawn, images that are not there, links that lead nowhere. */
function faults() {
  const text = document.body.innerText;
  const undrawn = [...document.querySelectorAll(".math")].filter((e) => !e.querySelector("mjx-container"));
  const raw = text.match(/.{0,30}(\\\(|\\\[|\$\$).{0,30}/g) ?? [];
  const missing = [...document.images].filter((i) => !i.complete || !i.naturalWidth);
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id).filter((id) => id);
  const known = new Set(ids);
  const lost = [...document.querySelectorAll('a[href^="#"]')].filter((a) => !known.has(decodeURIComponent(a.hash.slice(1))));
  return [
    ...[...undrawn, ...document.querySelectorAll("mjx-merror")].map((e) => `formula ${e.textContent}`),
    ...raw.map((line) => `raw formula ${line}`),
    ...missing.map((i) => `image ${i.src}`),
    ...lost.map((a) => `link ${a.hash}`),
    ...(known.size < ids.length ? [`twice: ${ids.filter((id, n) => ids.indexOf(id) < n).slice(0, 5)}`] : []),
  ];
}

/** Make smaller what is wider than the paper. Everything is measured before anything changes: that is one layout. */
function fit() {
  const boxes = [...document.querySelectorAll(".bd-content :is(table, mjx-container[display])")];
  const sizes = boxes.map((box) => [
    box.parentElement.getBoundingClientRect().width,
    Math.max(box.getBoundingClientRect().width, box.scrollWidth),
  ]);
  sizes.forEach(([room, wide], n) => {
    if (wide > room + 1) boxes[n].style.zoom = Math.max(0.4, room / wide);
  });
}
