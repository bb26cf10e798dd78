// What the tests ask of an opened page. Each function returns a list of what is not as it should be.
"use strict";

var look = {
  start: (element) => element.outerHTML.slice(0, 80),

  /** What axe-core finds fault with. Inside of a drawn formula there are only its glyphs. */
  async violations(rules) {
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))); // the page follows its new width
    const found = await axe.run({ exclude: ["mjx-math"] }, { runOnly: rules, resultTypes: ["violations"], preload: false });
    return found.violations.flatMap((v) => v.nodes.map((n) => `${v.id} at ${n.target.join(" ")}: ${n.failureSummary}`));
  },

  /** What moves or would move, for longer than 0.01 s. */
  moving() {
    const long = (times) => times.split(", ").some((time) => parseFloat(time) > 0.01);
    const moves = (e, part) => long(getComputedStyle(e, part).transitionDuration) || long(getComputedStyle(e, part).animationDuration);
    const parts = [null, "::before", "::after"];
    const able = [...document.querySelectorAll("*")].filter((e) => parts.some((part) => moves(e, part)));
    const now = document.getAnimations().filter((a) => a.effect.getComputedTiming().activeDuration > 10);
    const smooth = getComputedStyle(document.documentElement).scrollBehavior === "smooth";
    return [...able.map(look.start), ...now.map((a) => look.start(a.effect.target)), ...(smooth ? ["the page scrolls"] : [])];
  },

  /** Text that is source and was not made into what it stands for: fences, directives and roles. */
  unmade() {
    const texts = document.createTreeWalker(document.querySelector("article") ?? document.body, NodeFilter.SHOW_TEXT), found = [];
    const source = /`{3}|:{3}|\{(glue|result|doc|ref|numref|verdict\w*|cite|dropdown|note|eval-rst)(:\w+)?\}/;
    while (texts.nextNode())
      if (source.test(texts.currentNode.data) && !texts.currentNode.parentElement.closest("code, pre, script, style")) found.push(texts.currentNode.data.slice(0, 80));
    return found;
  },

  /** Controls that show although no script runs. */
  idle: () => [...document.querySelectorAll("article :is(canvas, input, select, button)")].filter((e) => e.checkVisibility()).map(look.start),

  /** Boxes that show nothing. */
  empty: () =>
    [...document.querySelectorAll("article :is(div, figure, section)")]
      .filter((e) => e.checkVisibility() && e.offsetHeight > 30 && !e.innerText.trim() && !e.querySelector("img, svg, hr"))
      .map(look.start),

  /** What should show a figure in place of what needs scripts, and does not. */
  bare: () =>
    [...document.querySelectorAll('article noscript, article :has(> input[type="range"])')]
      .filter((e) => e.tagName === "NOSCRIPT" || e.checkVisibility())
      .filter((e) => ![...e.querySelectorAll("img")].some((i) => i.checkVisibility() && i.naturalWidth && i.alt))
      .map(look.start),
};
