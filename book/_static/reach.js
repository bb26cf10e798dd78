// What is wider than its box can be reached and scrolled with the keyboard; what fits is no stop on the way.
"use strict";

function makeReachable() {
  for (const box of document.querySelectorAll(".bd-content :is(table, pre, div.math, .cell_output, .output, .pst-scrollable-table-container)")) {
    const scrolls = box.scrollWidth > box.clientWidth && getComputedStyle(box).overflowX !== "visible";
    if (scrolls) box.tabIndex = 0;
    else if (box.tabIndex === 0) box.tabIndex = -1;
  }
}

addEventListener("load", () => (window.MathJax?.startup?.promise ?? Promise.resolve()).then(makeReachable));
addEventListener("resize", makeReachable);
