"use strict";
// Numbers and facts in words. What is said here is text: it is set with textContent, never as markup.

/** A number as a label: 100, 1e−5, 0.3, ∞, NaN. @param {*} value @param {number} digits */
function labelOf(value, digits = 4) {
  if (typeof value === "boolean" || typeof value === "string") return String(value);
  if (value === null || value === undefined) return "–";
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value).replace("-", "−");
  const size = Math.abs(value),
    plain = size >= 1e-4 && size < 1e6;
  const text = plain
    ? String(Number(value.toPrecision(digits)))
    : value
        .toExponential(digits - 1)
        .replace(/\.?0+e/, "e")
        .replace("e+", "e");
  return text.replaceAll("-", "−");
}

/** 1 training, 2 trainings. */
function counted(count, word) {
  return `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
}

/** A share that is never rounded to nothing or to all. */
function percent(part, whole) {
  if (!part || part === whole) return part ? "100 %" : "0 %";
  const share = (100 * part) / whole;
  if (share < 0.1 || share > 99.9) return share < 0.1 ? "< 0.1 %" : "> 99.9 %";
  return `${share < 1 || share > 99 ? share.toFixed(1) : share.toFixed(0)} %`;
}

function listed(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** What a verdict means. */
function sentenceOf(set, name) {
  return page.document.looks.verdicts[set][name].sentence;
}

/** The settings of a pixel or a cell: axis = value, by positions along the dimensions; null where values share it. */
function settingsInWords(positions) {
  const parts = page.grid.axes
    .filter((axis) => positions[axis.dimension] !== null && axis.labels.length > 1)
    .map((axis) => `${axis.column} ${labelOf(axis.labels[positions[axis.dimension]])}`);
  return parts.join(", ") || "all settings together";
}

/** What became of the rows of a pixel: "9 of 12 trainings converged, 3 stalled". */
function fateInWords(rows) {
  const outcomes = page.columns.get("outcome");
  if (!rows.length) return absenceInWords();
  const counts = outcomes.listed.map(() => 0);
  for (const row of rows) counts[outcomes.code(row)]++;
  const found = outcomes.listed.map((name, i) => ({ name, count: counts[i] })).filter(({ count }) => count);
  found.sort((a, b) => b.count - a.count);
  if (rows.length === 1) return found[0].name;
  if (found.length === 1) return `all ${rows.length.toLocaleString("en")} trainings: ${found[0].name}`;
  return `of ${rows.length.toLocaleString("en")} trainings ${found.map(({ name, count }) => `${count.toLocaleString("en")} ${name}`).join(", ")}`;
}

/** Why a pixel has no row. */
function absenceInWords() {
  const { complete, where, rows } = page.document;
  if (page.state.off.size) return "no training here that the legend shows";
  if (!rows) return "not trained yet";
  if (complete) return "no training here: excluded by `where`";
  return where ? "not trained yet, or excluded by `where`" : "not trained yet";
}

/** One training in sentences. @returns {string[]} */
function trainingInWords(row) {
  const told = [fateOf, inferredOf, lossesOf, eventsOf, firstTensorOf, rateOf, sharpnessOf];
  return told.map((each) => each(row)).filter(Boolean);
}

function fateOf(row) {
  const outcome = page.columns.get("outcome").text(row);
  const cause = page.columns.get("cause")?.text(row);
  const why = cause ? ` Cause: ${cause}: ${sentenceOf("Cause", cause)}.` : "";
  return `${outcome}: ${sentenceOf("Outcome", outcome)}.${why}`;
}

function inferredOf(row) {
  return numberAt("inferred", row) === 1
    ? "Not trained but filled in, as all around it ended alike; the command below trains it."
    : "";
}

function lossesOf(row) {
  if (numberAt("inferred", row) === 1) return "";
  const [first, last, constant, floor] = ["loss_initial", "loss_final", "loss_constant", "loss_floor"].map((name) =>
    textAt(name, row),
  );
  if (first === null || last === null) return "";
  const against =
    constant === null
      ? ""
      : `; the best constant answer has ${constant}` + (floor === null ? "" : `, the reference ${floor}`);
  return `The loss went from ${first} to ${last}${against}.`;
}

function eventsOf(row) {
  const [infinite, nan] = [numberAt("first_inf_step", row), numberAt("first_nan_step", row)];
  const parts = [];
  if (infinite !== null) parts.push(`the first infinity came at step ${labelOf(infinite)}`);
  if (nan !== null) parts.push(`the first NaN at step ${labelOf(nan)}`);
  const text = parts.join(", ");
  return text ? `${text[0].toUpperCase()}${text.slice(1)}.` : "";
}

/** The first tensor that is not finite, where the sweep recorded it. */
function firstTensorOf(row) {
  const place = page.firstTensors?.places.get(page.grid.cell(row));
  if (place === undefined) return "";
  const at = (name) => page.firstTensors.columns.get(name),
    tensor = at("first_tensor").text(place);
  if (!tensor) return "";
  const step = labelOf(at("step").value(place)),
    found = `The first tensor that is not finite is ${tensor}: ${at("value").text(place)} in step ${step}`;
  if (!at("largest_in").text(place)) return `${found}; nothing was computed before it.`;
  const largest = labelOf(at("largest_before").value(place), 4);
  return `${found}; the largest number before it was ${largest}, in ${at("largest_in").text(place)}.`;
}

function rateOf(row) {
  const axis = page.grid.axes.find((each) => each.rate);
  const rate = axis ? page.grid.label(page.grid.cell(row), axis) : Number(page.rate);
  for (const { column, label } of page.document.curves) {
    const critical = numberAt(column, row);
    if (critical === null || !(critical > 0) || !Number.isFinite(rate) || rate === 0) continue;
    return `Its rate, ${labelOf(rate)}, is ${labelOf(rate / critical, 3)} × ${labelOf(critical)}, the rate of “${label}”.`;
  }
  return "";
}

/** The curvature at the start and at the end, where it was recorded. */
function sharpnessOf(row) {
  const [first, last] = ["sharpness", "sharpness_final"].map((name) => numberAt(name, row));
  if (first === null) return "";
  return `Sharpness λmax: ${labelOf(first)} at the start${last === null ? "" : `, ${labelOf(last)} at the end`}.`;
}

/** The finite number of a column; null where there is none. */
function numberAt(name, row) {
  const column = page.columns.get(name);
  return column?.stored && column.stands(row) === NUMBER ? column.value(row) : null;
}

/** What stands in a column as text; null where the page has no such column. */
function textAt(name, row) {
  const column = page.columns.get(name);
  if (!column?.stored) return null;
  if (column.named) return column.text(row) || "–";
  if (column.stands(row) === MISSING) return `– (${column.why_missing || "missing"})`;
  return labelOf(column.value(row), 6);
}
