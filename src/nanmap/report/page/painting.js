"use strict";
// Rows by pixel → a colour and a letter for each pixel, the legend and the colour bar. As plot/paint.py does it for pictures.

/** Paints what is asked for: a column of names, the share of an outcome, or a number. */
function paint(arrangement, value) {
  const column = page.columns.get(value);
  const painting = column?.named
    ? paintNames(arrangement, column)
    : column
      ? paintNumbers(arrangement, column)
      : paintShare(arrangement, value);
  painting.inferred = inferredPixels(arrangement);
  return painting;
}

/** Which pixels hold no training that was run: they were filled in. Null where there is none. */
function inferredPixels({ start, rows }) {
  const column = page.columns.get("inferred");
  if (!column?.stored) return null;
  const found = new Uint8Array(start.length - 1);
  for (let p = 0; p < found.length; p++) {
    found[p] = start[p] < start[p + 1] ? 1 : 0;
    for (let i = start[p]; i < start[p + 1] && found[p]; i++) found[p] = column.value(rows[i]) === 1 ? 1 : 0;
  }
  return found.includes(1) ? found : null;
}

function blankPainting(arrangement) {
  const pixels = arrangement.start.length - 1;
  return {
    colours: new Uint32Array(pixels),
    letters: new Uint8Array(pixels),
    letterList: [""],
    second: null,
    inferred: null,
    share: null,
    legend: [],
    bar: null,
    heading: "",
  };
}

/** The place of a letter in a painting's list. */
function letterAt(painting, letter) {
  const place = painting.letterList.indexOf(letter);
  return place >= 0 ? place : painting.letterList.push(letter) - 1;
}

/** The most common name of each pixel, of equal ones the worse; the runner-up as a core of the area of its share. */
function paintNames(arrangement, column) {
  const painting = blankPainting(arrangement),
    { start, rows } = arrangement;
  const looks = column.listed.map((name) => verdictLook(column.set, name));
  const letters = looks.map(({ letter }) => letterAt(painting, letter));
  const counts = new Uint32Array(column.listed.length),
    totals = countsOf(column);
  if (arrangement.most > 1)
    [painting.second, painting.share] = [new Uint32Array(start.length - 1), new Float32Array(start.length - 1)];
  for (let p = 0; p + 1 < start.length; p++) {
    const depth = start[p + 1] - start[p];
    if (!depth) continue;
    counts.fill(0);
    for (let i = start[p]; i < start[p + 1]; i++) counts[column.code(rows[i])]++;
    const winner = worstOfMost(counts, -1);
    painting.colours[p] = looks[winner].colour;
    painting.letters[p] = letters[winner];
    if (counts[winner] === depth) continue;
    const second = worstOfMost(counts, winner);
    painting.second[p] = looks[second].colour;
    painting.share[p] = counts[second] / depth;
  }
  painting.legend = column.listed
    .map((name, code) => ({
      key: `${column.name}:${name}`,
      column,
      code,
      label: name || "none",
      sentence: looks[code].sentence,
      ...looks[code],
      count: totals[code],
    }))
    .filter(({ count }) => count);
  painting.heading =
    arrangement.most > 1 ? `colour: the most common ${column.name}; core: the runner-up, its area its share` : "";
  return painting;
}

function worstOfMost(counts, but) {
  let winner = but === 0 ? 1 : 0;
  for (let code = winner + 1; code < counts.length; code++)
    if (code !== but && counts[code] >= counts[winner]) winner = code;
  return winner;
}

/** Rows of each name in the whole run, whatever the legend hides. */
function countsOf(column) {
  const counts = new Uint32Array(column.listed.length);
  for (let row = 0; row < page.grid.rows; row++) counts[column.code(row)]++;
  return counts;
}

/** The share of the runs of each pixel that ended so. */
function paintShare(arrangement, outcome) {
  const painting = blankPainting(arrangement),
    { start, rows } = arrangement,
    column = page.columns.get("outcome");
  const code = column.listed.indexOf(outcome),
    palette = paletteOf(page.document.looks.sequential, false);
  for (let p = 0; p + 1 < start.length; p++) {
    if (start[p] === start[p + 1]) continue;
    let count = 0;
    for (let i = start[p]; i < start[p + 1]; i++) count += column.code(rows[i]) === code ? 1 : 0;
    painting.colours[p] = palette[Math.round((255 * count) / (start[p + 1] - start[p]))];
  }
  painting.bar = { palette, label: `share of runs: ${outcome}`, low: "0 %", high: "100 %" };
  return painting;
}

/** The median run of each pixel; what is no number has a colour and a letter of its own. */
function paintNumbers(arrangement, column) {
  const painting = blankPainting(arrangement),
    { start, rows } = arrangement,
    pixels = start.length - 1;
  const values = new Float64Array(pixels),
    kinds = new Uint8Array(pixels);
  for (let p = 0; p < pixels; p++) {
    const found = quantile(column, rows, start[p], start[p + 1], 0.5);
    [values[p], kinds[p]] = [found.value, found.kind];
  }
  const real = values.filter((_, p) => kinds[p] === NUMBER);
  const alive = column.unit === "loss" ? values.filter((_, p) => kinds[p] === NUMBER && isAlive(arrangement, p)) : real;
  const scale = scaleOf(column, real, alive.length ? alive : real);
  colourNumbers(painting, column, scale, values, kinds);
  painting.legend = kindsLegend(column);
  painting.heading = arrangement.most > 1 ? "colour: the median run" : "";
  return painting;
}

function colourNumbers(painting, column, scale, values, kinds) {
  const { looks } = page.document,
    theme = look(),
    high = column.better === "high";
  const palette = scale.ranked ? paletteOf(looks.diverging, false) : paletteOf(looks.sequential, !high);
  const past = packedColour(high ? theme.past_low : theme.past_high);
  const others = kindLooks(); // once: who asks for the theme at each of a million pixels waits for seconds
  let beyond = 0;
  for (let p = 0; p < values.length; p++) {
    if (kinds[p] === EMPTY) continue;
    if (kinds[p] !== NUMBER) {
      const { colour, letter } = others[kinds[p]];
      painting.colours[p] = colour;
      painting.letters[p] = letterAt(painting, letter);
      continue;
    }
    const place = scale.place(values[p]);
    const bad = (high && place < 0) || (column.better === "low" && place > 1);
    beyond += bad ? 1 : 0;
    painting.colours[p] = bad ? past : palette[Math.round(255 * Math.min(1, Math.max(0, place)))];
  }
  painting.bar = {
    palette,
    label: `${column.label} (${column.name})${scale.log ? ", evenly in the logarithm" : scale.ranked ? "" : ""}`,
    low: labelOf(scale.low, 3),
    high: labelOf(scale.high, 3),
    past: beyond
      ? { colour: past, label: `${high ? "below" : "above"} ${labelOf(high ? scale.low : scale.high, 3)}` }
      : null,
  };
}

/** How many rows hold no number, of the kinds that there are. */
function kindsLegend(column) {
  const counts = [0, 0, 0, 0, 0],
    inferred = page.columns.get("inferred");
  let filledIn = 0;
  for (let row = 0; row < page.grid.rows; row++) {
    counts[column.kind(row)]++;
    filledIn += inferred?.stored && inferred.value(row) === 1 ? 1 : 0;
  }
  const looks = kindLooks(),
    untrained = filledIn ? ["not trained"] : [],
    missing = counts[MISSING] > filledIn ? [column.why_missing || "missing"] : [];
  const words = {
    [NUMBER]: "a number",
    [INFINITE]: "infinite",
    [NAN]: "NaN",
    [MISSING]: [...missing, ...untrained].join(", or "),
  };
  return [NUMBER, INFINITE, NAN, MISSING]
    .filter((kind) => counts[kind] && (kind !== NUMBER || counts[NUMBER] < page.grid.rows))
    .map((kind) => ({
      key: `${column.name}:${kind}`,
      column,
      code: kind,
      label: words[kind],
      count: counts[kind],
      ...(kind === NUMBER ? { colour: null, letter: "" } : looks[kind]),
    }));
}

/** Whether at least half of a pixel's runs neither diverged nor died. */
function isAlive({ start, rows }, p) {
  const outcomes = page.columns.get("outcome"),
    { Outcome } = page.document.looks.verdicts;
  let alive = 0;
  for (let i = start[p]; i < start[p + 1]; i++) {
    const name = outcomes.text(rows[i]);
    alive += Outcome[name].unstable || name === "dead" ? 0 : 1;
  }
  return 2 * alive >= start[p + 1] - start[p];
}

/** A number; what is infinite though it is not stored, such as a skill of an infinite loss, stands at the bad end. */
function orLast(value) {
  return Number.isNaN(value) ? Infinity : value;
}

/**
 * The run that has a share of the others before it, from best to worst: numbers, infinity, NaN, and a missing value last, or
 * first where it says that something never happened; cells that were filled in have no say. Between two runs the value is interpolated, or is the worse one.
 */
function quantile(column, rows, from, to, share) {
  const count = to - from;
  if (!count) return { value: NaN, kind: EMPTY };
  if (count === 1) return { value: column.value(rows[from]), kind: column.kind(rows[from]) };
  const inferred = page.columns.get("inferred"),
    trained = inferred?.stored ? rows.subarray(from, to).filter((row) => inferred.value(row) !== 1) : null;
  if (trained && trained.length < count)
    return trained.length ? quantile(column, trained, 0, trained.length, share) : { value: NaN, kind: MISSING };
  const sign = column.better === "high" ? -1 : 1,
    real = [];
  let [nans, missing] = [0, 0];
  for (let i = from; i < to; i++) {
    const kind = column.kind(rows[i]);
    if (kind === NAN) nans++;
    else if (kind === MISSING) missing++;
    else real.push(orLast(sign * column.value(rows[i])));
  }
  real.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const place = share * (count - 1),
    before = column.missing_is_best ? missing : 0;
  const [low, high] = [Math.floor(place) - before, Math.ceil(place) - before];
  if (high < 0 || high >= real.length + nans) return { value: NaN, kind: MISSING };
  if (high >= real.length) return { value: NaN, kind: NAN };
  const first = real[low < 0 ? high : low],
    weight = place - Math.floor(place);
  const value = sign * (weight ? first * (1 - weight) + real[high] * weight : first);
  return { value, kind: Number.isFinite(value) ? NUMBER : INFINITE };
}
