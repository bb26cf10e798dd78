// What is wider than its box can be reached and scrolled with the keyboard; what fits is no stop on the way.
"use strict";

const reach = new ResizeObserver((entries) => {
  for (const { target: box } of entries) {
    const scrolls = box.scrollWidth > box.clientWidth && getComputedStyle(box).overflowX !== "visible";
    if (scrolls) box.tabIndex = 0;
    else if (box.tabIndex === 0) box.tabIndex = -1;
  }
});

addEventListener("load", async () => {
  await window.MathJax?.startup?.promise; // formulas may be wide
  const boxes = ":is(table, pre, div.math, .cell_output, .output, .pst-scrollable-table-container)";
  for (const box of document.querySelectorAll(`.bd-content ${boxes}`)) reach.observe(box);
});

// A link to a place that is folded away unfolds it; not every browser does so by itself.
function unfold() {
  const place = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const folded = place?.closest("details:not([open])");
  if (!folded) return;
  folded.open = true;
  place.scrollIntoView();
}

addEventListener("hashchange", unfold);
addEventListener("load", unfold);
