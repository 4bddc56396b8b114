"use strict";
// Where theory and bisection put the edge: a critical rate for each line of pixels along the learning rate. As plot/curves.py has it:
// where the runs of a line disagree there is no curve, rather than a wrong one.

const NEAR = 0.1; // measured edges of settings that share a line, further apart than this, have no edge together

/** Tolerance within which predictions of a line's runs are one, as exact as the page's numbers are. */
function agreement() {
  return page.document.rounded ? 0.02 : 4e-6;
}

/** The curves of a map: {label, dashes, measured, rates: per panel and line}. */
function curvesOf(arrangement) {
  const { x, y } = arrangement.view,
    along = x?.rate ? "x" : y?.rate ? "y" : null;
  if (!along) return [];
  const found = page.document.curves.map((curve) => ({
    ...curve,
    key: curve.column,
    along,
    rates: predicted(arrangement, along, curve),
  }));
  if (page.document.edges)
    found.push({
      key: "measured",
      label: "measured edge (bisection)",
      measured: true,
      dashes: [],
      along,
      rates: measured(arrangement, along),
    });
  return found.filter(({ rates }) => rates.some(Number.isFinite));
}

function predicted(arrangement, along, curve) {
  const column = page.columns.get(curve.column),
    sharpness = page.columns.get("sharpness");
  const dead = (row) => sharpness?.stored && sharpness.value(row) <= 0; // no curvature there, and no say
  return overLines(arrangement, along, (rows) => {
    const values = [];
    for (const row of rows) if (!dead(row)) values.push(column.value(row));
    return agreed(values, curve.median);
  });
}

/** One rate of those of a line: what all have, or the median of draws; NaN if one has none. */
function agreed(values, median) {
  if (!values.length || values.some((value) => !Number.isFinite(value))) return NaN;
  values.sort((a, b) => a - b);
  const [low, high] = [values[0], values.at(-1)];
  if (!median) return high - low <= agreement() * high && low > 0 ? low : NaN;
  const middle = (values.length - 1) / 2;
  const value = Math.sqrt(values[Math.floor(middle)]) * Math.sqrt(values[Math.ceil(middle)]);
  return value > 0 ? value : NaN;
}

/** Calls a function with the rows of each line along the rate, `[panels × lines]`. */
function overLines({ width, height, panels, start, rows }, along, rateOf_) {
  const lines = along === "x" ? height : width,
    rates = new Float64Array(panels * lines);
  for (let panel = 0; panel < panels; panel++) {
    for (let line = 0; line < lines; line++) {
      const found = [];
      const pixels = along === "x" ? width : height;
      for (let i = 0; i < pixels; i++) {
        const p = panel * width * height + (along === "x" ? line * width + i : i * width + line);
        for (let k = start[p]; k < start[p + 1]; k++) found.push(rows[k]);
      }
      rates[panel * lines + line] = rateOf_(found);
    }
  }
  return rates;
}

/** The measured edge of each line: of draws the median, none where settings that share it have edges further apart. */
function measured({ view, width, height, panels }, along) {
  const lines = along === "x" ? height : width,
    rates = new Float64Array(panels * lines).fill(NaN);
  const groups = Array.from(rates, () => new Map());
  const draws = page.grid.shape.map((_, d) => page.grid.along(d).every((axis) => axis.draws));
  page.document.edges.positions.forEach((positions, number) => {
    for (const [dimension, position] of view.fixed) if (!isRate(dimension) && positions[dimension] !== position) return;
    const at = (axis) => (axis ? axis.place[positions[axis.dimension]] : 0);
    const panel = view.facets.reduce((place, axis) => place * axis.labels.length + at(axis), 0);
    const line = panel * lines + at(along === "x" ? view.y : view.x);
    const settings = positions.filter((_, d) => !draws[d] && !isRate(d)).join();
    const found = groups[line].get(settings) || [];
    found.push(page.document.edges.rates[number] ?? NaN);
    groups[line].set(settings, found);
  });
  groups.forEach((settings, line) => {
    const medians = [...settings.values()].map((values) => agreed(values, true)),
      all = [...settings.values()].flat();
    const apart = Math.max(...medians) > (1 + NEAR) * Math.min(...medians);
    rates[line] = apart ? NaN : agreed(all, true);
  });
  return rates;
}

function isRate(dimension) {
  return page.grid.along(dimension).some((axis) => axis.rate);
}

/** Where a value stands along an axis, in pixels from its first border; NaN outside. */
function placeAlong(axis, value) {
  const labels = axis.order.map((position) => axis.labels[position]),
    last = labels.length - 1;
  if (!Number.isFinite(value) || !labels.every((label) => typeof label === "number")) return NaN;
  if (axis.scale !== "values" && last > 0) {
    const scaled = axis.scale === "log" ? (each) => Math.sign(each) * Math.log(Math.abs(each)) : (each) => each;
    if (axis.scale === "log" && Math.sign(value) !== Math.sign(labels[0])) return NaN;
    const place = (last * (scaled(value) - scaled(labels[0]))) / (scaled(labels[last]) - scaled(labels[0])) + 0.5;
    return place > 0 && place < last + 1 ? place : NaN;
  }
  if (!(value > 0) || !labels.every((label) => label > 0)) return NaN;
  for (let i = 0; i < last; i++) {
    const share = Math.log(value / labels[i]) / Math.log(labels[i + 1] / labels[i]);
    if (share >= 0 && share <= 1) return i + share + 0.5;
  }
  return NaN;
}
