"use strict";
// Two pinned trainings side by side.

const APART = 2; // losses further apart than this factor have parted

/** Two pinned trainings: what differs in their settings, and where their curves part. */
function showPinned() {
  const section = document.getElementById("pinned"),
    [a, b] = page.state.pins;
  section.hidden = !page.state.pins.length;
  if (section.hidden) return;
  const head = element("h2", {}, "Side by side");
  if (b === undefined) {
    fill(
      section,
      head,
      element("p", {}, `Cell ${a.toLocaleString("en")} is pinned as A. Choose another training and pin it, too.`),
    );
    return;
  }
  const plot = element("div", { className: "plot" });
  fill(section, head, differences(a, b), element("p", {}, partingOf(a, b)), plot);
  const curves = [a, b].map((cell, i) => ({ label: `${"AB"[i]}: cell ${cell}`, ...curveOf(cell), width: 2 }));
  plotCurves(plot, curves, curves[0].recorded && curves[1].recorded ? "update" : "% of the budget", "loss");
}

function differences(a, b) {
  const [one, other] = [a, b].map(
    (cell) => new Map(settingsOf(cell).map(([table, name, value]) => [`${table}.${name}`, value])),
  );
  const names = [...new Set([...one.keys(), ...other.keys()])].filter((name) => one.get(name) !== other.get(name));
  const rows = [a, b].map((cell) => page.grid.row(cell));
  const facts = ["outcome", "cause", "loss_final", "first_inf_step", "first_nan_step"].map((name) => [
    name,
    ...rows.map((row) => (row < 0 ? "not trained" : textAt(name, row))),
  ]);
  const line_ = ([name, left, right]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, name),
      element("td", {}, left ?? "–"),
      element("td", {}, right ?? "–"),
    );
  return element(
    "table",
    { tabIndex: 0 }, // scrolled where a screen is narrow, by keys as well
    element(
      "caption",
      {},
      names.length ? "What differs in the settings, and what became of both" : "The same settings",
    ),
    element(
      "tr",
      {},
      element("td", {}, ""),
      element("th", { scope: "col" }, `A: cell ${a}`),
      element("th", { scope: "col" }, `B: cell ${b}`),
    ),
    ...names.map((name) => line_([name, one.get(name), other.get(name)])),
    ...facts.map(line_),
  );
}

/** Where the losses of two cells part, in words. */
function partingOf(a, b) {
  const [one, other] = [curveOf(a), curveOf(b)];
  if (one.recorded !== other.recorded) return "Only one of them has a recorded curve.";
  const where = (x) => (one.recorded ? `update ${labelOf(x)}` : x ? `${x} % of the budget` : "the start");
  for (let i = 0; i < one.x.length; i++) {
    const j = other.x.indexOf(one.x[i]);
    if (j < 0) continue;
    const [left, right] = [one.y[i], other.y[j]];
    const same =
      Object.is(left, right) || (left > 0 && right > 0 && Math.max(left, right) <= APART * Math.min(left, right));
    if (!same)
      return `Their losses part at ${where(one.x[i])}: ${labelOf(left)} and ${labelOf(right)}, more than a factor ${APART}.`;
  }
  return one.x.length
    ? `Their losses stay within a factor ${APART} of each other.`
    : "Neither has losses on this page.";
}
