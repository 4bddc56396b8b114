"use strict";
// Curves by uPlot: colours and dashes of the theme, a logarithm where numbers allow one, and in words what has no place on it.

const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 5], [1, 2], [12, 4], [6, 2, 2, 2]];

/** Draws curves {label, x, y, width, recorded} into an element, in place of those that were there. */
function plotCurves(target, curves, xLabel, yLabel) {
  const shown = curves.filter(({ x }) => x.length);
  if (!shown.length) return void target.replaceChildren(element("p", { className: "muted" }, "No losses of it are on this page."));
  const recorded = shown[0].recorded, log = shown.every(({ y }) => !y.some((value) => value < 0)) && shown.some(({ y }) => y.some((value) => value > 0 && Number.isFinite(value)));
  const drawable = (value) => (Number.isFinite(value) && (!log || value > 0) && Math.abs(value) < 1e300 ? value : null);
  const tables = shown.map(({ x, y }) => [x.map((each) => (recorded ? each + 1 : each)), y.map(drawable)]);
  const series = shown.map(({ label, width }, i) => ({ label, width, stroke: look().series[i % look().series.length], dash: DASHES[i % DASHES.length], points: { show: !recorded }, value: (_, value) => labelOf(value) }));
  const lost = shown.map(({ label, x, y }) => lostInWords(label, x, y, drawable, recorded)).filter(Boolean);
  target.replaceChildren();
  draw(target, uPlot.join(tables), { series, x: { label: recorded ? "step + 1, evenly in the logarithm" : xLabel, log: recorded }, y: { label: yLabel, log } });
  target.append(...lost.map((text) => element("p", { className: "muted" }, text)));
}

/** Which points of a curve are no numbers that can be drawn, in words. */
function lostInWords(label, x, y, drawable, recorded) {
  const first = y.findIndex((value) => drawable(value) === null);
  if (first < 0) return "";
  const where = recorded ? `step ${labelOf(x[first])}` : x[first] ? `${x[first]} % of the budget` : "the start";
  return `${label}: ${labelOf(y[first])} at ${where}, not drawn${first + 1 < y.length ? ", nor what follows without a number" : ""}.`;
}

/** A uPlot in an element, in the colours of the theme. */
function draw(target, data, { series, x, y, bands }) {
  const theme = look(), width = Math.max(220, Math.min(target.clientWidth || 600, 900));
  const axis = (told) => ({ label: told.label, stroke: theme.ink, grid: { stroke: `${theme.muted}40` }, ticks: { stroke: theme.muted }, values: told.values || ((_, ticks) => ticks.map((tick) => (tick === null ? "" : labelOf(tick, 3)))), splits: told.splits, size: told.size || undefined });
  const options = {
    width,
    height: Math.round(Math.max(200, Math.min(320, 0.5 * width))),
    legend: { show: true },
    cursor: { drag: { x: false, y: false } },
    scales: { x: { time: false, distr: x.log ? 3 : 1, range: x.range }, y: { distr: y.log ? 3 : 1 } },
    axes: [{ ...axis(x), size: 46 }, { ...axis(y), size: 70 }],
    series: [{ label: x.label, value: x.value || ((_, value) => labelOf(value)) }, ...series],
    bands,
  };
  target.plot?.destroy();
  target.plot = new uPlot(options, data, target);
  target.plot.root.setAttribute("role", "img");
  target.plot.root.setAttribute("aria-label", `Curves of ${series.map(({ label }) => label).join(", ")} against ${x.label}`);
}
