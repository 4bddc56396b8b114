"use strict";
// Curves by uPlot: colours and dashes of the theme, a logarithm where numbers allow one, and in words what has no place on it.

const DRAWABLE = [1e-100, 1e100]; // as plot/paint_numbers.py has it: ticks are looked for beyond both ends
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 5], [1, 2], [12, 4], [6, 2, 2, 2]];

/** Draws curves {label, x, y, width, recorded} into an element, in place of those that were there. */
function plotCurves(target, curves, xLabel, yLabel) {
  const shown = curves.filter(({ x }) => x.length);
  if (!shown.length)
    return void target.replaceChildren(element("p", { className: "muted" }, "No losses of it are on this page."));
  const recorded = shown[0].recorded,
    log =
      shown.every(({ y }) => !y.some((value) => value < 0)) &&
      shown.some(({ y }) => y.some((value) => value > 0 && Number.isFinite(value)));
  const drawable = (value) => drawn(value, log);
  const tables = shown.map(({ x, y }) => [x.map((each) => (recorded ? each + 1 : each)), y.map(drawable)]);
  const series = shown.map(({ label, width }, i) => ({
    label,
    width,
    stroke: look().series[i % look().series.length],
    dash: DASHES[i % DASHES.length],
    points: { show: !recorded },
  }));
  const lost = shown.map(({ label, x, y }) => lostInWords(label, x, y, drawable, recorded)).filter(Boolean);
  target.replaceChildren();
  draw(target, uPlot.join(tables), {
    series,
    x: { label: recorded ? "step + 1, evenly in the logarithm" : xLabel, log: recorded },
    y: { label: yLabel, log },
  });
  target.append(...lost.map((text) => element("p", { className: "muted" }, text)));
}

/** A number that has a place on an axis; null for all others. */
function drawn(value, log) {
  return Number.isFinite(value) && Math.abs(value) < DRAWABLE[1] && (!log || value > DRAWABLE[0]) ? value : null;
}

/** Which points of a curve are no numbers that can be drawn, in words. */
function lostInWords(label, x, y, drawable, recorded) {
  const first = y.findIndex((value) => drawable(value) === null);
  if (first < 0) return "";
  const where = recorded ? `step ${labelOf(x[first])}` : x[first] ? `${x[first]} % of the budget` : "the start";
  return `${label}: ${labelOf(y[first])} at ${where}, not drawn${first + 1 < y.length ? ", nor what follows without a number" : ""}.`;
}

/**
 * A uPlot in an element, in the colours of the theme. Where an axis is logarithmic the logarithms are drawn: uPlot's own scale
 * never ends looking for ticks of numbers below 1e−16.
 */
function draw(target, data, { series, x, y, bands = [] }) {
  const theme = look(),
    width = Math.max(220, Math.min(target.clientWidth || 600, 900)),
    height = Math.round(Math.max(200, Math.min(320, 0.5 * width)));
  const drawnData = data.map((values, i) =>
    (i ? y : x).log
      ? Array.from(values, (value) => (value === null || value === undefined ? value : Math.log10(value)))
      : values,
  );
  const reading = (told) => (_, value) =>
    value === null || value === undefined ? "–" : labelOf(told.log ? Number((10 ** value).toPrecision(6)) : value);
  const axis = (told, room) => ({
    label: told.label,
    stroke: theme.ink,
    grid: { stroke: `${theme.muted}40` },
    ticks: { stroke: theme.muted },
    splits: told.log ? (_plot, _axis, low, high) => logTicks(low, high, room) : told.splits,
    values: told.values || ((_, ticks) => ticks.map((tick) => (told.log ? powerOf(tick) : labelOf(tick, 3)))),
  });
  const scale = ({ range, log }) => (range ? { range: log ? range.map(Math.log10) : range } : {});
  const options = {
    width,
    height,
    legend: { show: true },
    cursor: { drag: { x: false, y: false } },
    scales: { x: { time: false, ...scale(x) }, y: scale(y) },
    axes: [
      { ...axis(x, width / 70), size: 46 },
      { ...axis(y, height / 30), size: 70 },
    ],
    series: [
      { label: x.label, value: x.value || reading(x) },
      ...series.map((each) => ({ ...each, value: reading(y) })),
    ],
    bands,
  };
  target.plot?.destroy();
  target.plot = new uPlot(options, drawnData, target);
  target.plot.root.setAttribute("role", "img");
  target.plot.root.setAttribute(
    "aria-label",
    `Curves of ${series
      .map(({ label }) => label)
      .filter(Boolean)
      .join(", ")} against ${x.label}`,
  );
}

/** Logarithms of round numbers between two: powers of ten, so many at most, or 1, 2 and 5 where few of those are there. */
function logTicks(low, high, most) {
  const step = Math.max(1, Math.ceil((high - low) / Math.max(1, most))),
    found = [];
  const parts = high - low < 2.5 ? [1, 2, 5] : [1];
  for (let power = Math.floor(low / step) * step; power <= high; power += step)
    for (const part of parts) {
      const tick = power + Math.log10(part);
      if (tick >= low && tick <= high) found.push(tick);
    }
  return found;
}

/** The number of which this is the logarithm, as a label. */
function powerOf(tick) {
  return Number.isInteger(tick) && Math.abs(tick) >= 4
    ? `1e${tick}`.replace("-", "−")
    : labelOf(Number((10 ** tick).toPrecision(6)), 3);
}
