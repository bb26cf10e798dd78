/* The claims page: show the claims of one chapter, or of one verdict, only. Without this script all are shown. */
"use strict";

/** Every claim of the two tables: its row, its section, chapter and verdict. */
function claimsOfPage() {
  return [...document.querySelectorAll("table.claims tbody tr")].map((row) => ({
    row,
    section: document.getElementById(row.querySelector("a").getAttribute("href").slice(1)).closest("section"),
    chapter: row.cells[2].textContent.trim(),
    verdict: row.querySelector(".verdict").textContent,
  }));
}

/** A labelled list of choices; the first shows everything. */
function choice(title, values, changed) {
  const label = document.createElement("label"), select = document.createElement("select");
  select.append(new Option("all", ""), ...values.map((value) => new Option(value, value)));
  select.addEventListener("change", changed);
  label.append(`${title} `, select);
  return { label, select };
}

/** Hide what was not asked for, and headings under which nothing is left; say how many claims are shown. */
function filterClaims(claims, chapter, verdict, status) {
  for (const claim of claims) {
    const hidden = (chapter && claim.chapter !== chapter) || (verdict && claim.verdict !== verdict);
    claim.row.hidden = claim.section.hidden = Boolean(hidden);
  }
  for (const group of new Set(claims.map((claim) => claim.section.parentElement)))
    group.hidden = ![...group.querySelectorAll(":scope > section")].some((section) => !section.hidden);
  const shown = claims.filter((claim) => !claim.row.hidden).length;
  status.textContent = chapter || verdict ? `${shown} of ${claims.length} shown` : "";
}

document.addEventListener("DOMContentLoaded", () => {
  const claims = claimsOfPage(), distinct = (key) => [...new Set(claims.map((claim) => claim[key]))].filter(Boolean).sort();
  const bar = document.createElement("div"), status = document.createElement("span");
  const change = () => filterClaims(claims, byChapter.select.value, byVerdict.select.value, status);
  const byChapter = choice("Chapter", distinct("chapter"), change);
  const byVerdict = choice("Verdict", distinct("verdict"), change);
  status.setAttribute("role", "status");
  bar.className = "claims-bar";
  bar.append(byChapter.label, byVerdict.label, status);
  const table = document.querySelector("table.claims");
  (table.closest(".pst-scrollable-table-container") ?? table).before(bar);
});
