"use strict";
// Colours: those of names and kinds in the theme at hand, and of numbers by their place on a scale.

/** 0xAABBGGRR of #rrggbb, as ImageData has it on every machine that browsers run on. */
function packedColour(hex) {
  const number = parseInt(hex.slice(1), 16);
  return (0xff000000 | ((number & 0xff) << 16) | (number & 0xff00) | (number >> 16)) >>> 0;
}

/** Black or white, whichever is read better on a colour. */
function inkOn(colour) {
  const parts = [colour & 0xff, (colour >> 8) & 0xff, (colour >> 16) & 0xff].map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2] > 0.18 ? "#000000" : "#ffffff";
}

function hexOf(colour) {
  return `#${[colour & 0xff, (colour >> 8) & 0xff, (colour >> 16) & 0xff].map((part) => part.toString(16).padStart(2, "0")).join("")}`;
}

/** 256 packed colours of a text of hexadecimal digits. */
function paletteOf(digits, reversed) {
  const colours = Uint32Array.from({ length: digits.length / 6 }, (_, i) =>
    packedColour(`#${digits.slice(6 * i, 6 * i + 6)}`),
  );
  return reversed ? colours.reverse() : colours;
}

function isDark() {
  const asked = document.documentElement.dataset.theme;
  return asked ? asked === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function themeName() {
  return isDark() ? "dark" : "light";
}

function look() {
  return page.document.looks.themes[themeName()];
}

function verdictLook(set, name) {
  const told = page.document.looks.verdicts[set][name];
  return { colour: packedColour(told[themeName()]), letter: told.letter, sentence: told.sentence };
}

/** Colour and letter of what is no number, by its kind. */
function kindLooks() {
  const { inf, nan, missing } = look();
  return {
    [INFINITE]: { colour: packedColour(inf), letter: "I" },
    [NAN]: { colour: packedColour(nan), letter: "N" },
    [MISSING]: { colour: packedColour(missing), letter: "–" },
  };
}

/**
 * The scale of a numeric column: `place` puts a number between 0 and 1, below 0 or above 1 past an end.
 * @param column @param {Float64Array} values of the pixels that are numbers @param {Float64Array} setting of those among them that set the ends
 */
function scaleOf(column, values, setting) {
  if (column.scale === "rank") return rankScale(values);
  if (column.scale === "share") return { low: 0, high: 1, log: false, place: (value) => value };
  if (column.scale === "steps") return stepScale(setting);
  const positive = setting.filter((value) => value > 0).sort();
  if (!positive.length) return { low: 0, high: 1, log: false, place: (value) => value };
  let [low, high] = column.unit === "loss" ? spread(positive) : [positive[0], positive.at(-1)];
  if (!(low < high)) [low, high] = [low / 2, high * 2];
  const least = Math.log(low),
    span = Math.log(high) - least;
  return { low, high, log: true, place: (value) => (value > 0 ? (Math.log(value) - least) / span : -1) };
}

function stepScale(values) {
  const [first, last] = [values.reduce((a, b) => Math.min(a, b), Infinity), values.reduce((a, b) => Math.max(a, b), 2)];
  const low = Number.isFinite(first) ? first : 0,
    bend = (value) => Math.log1p(value);
  return { low, high: last, log: true, place: (value) => (bend(value) - bend(low)) / (bend(last) - bend(low) || 1) };
}

/** Ranks on each side of 0, palest near it where the fate was clear at once, deepest at the edge between both. */
function rankScale(values) {
  const below = values.filter((value) => value < 0).sort(),
    above = values.filter((value) => value >= 0).sort();
  const buffered = (share) => 0.5 * (0.2 + 0.8 * share);
  return {
    low: below[0] ?? 0,
    high: above.at(-1) ?? 0,
    ranked: true,
    place: (value) =>
      value < 0
        ? 0.5 - buffered((below.length - upper(below, value)) / Math.max(below.length - 1, 1))
        : 0.5 + buffered(lower(above, value) / Math.max(above.length - 1, 1)),
  };
}

/** Between which numbers most are: a single 1e300 must not bleach all others, and nothing is cut off for little. */
function spread(sorted) {
  const last = sorted.length - 1,
    [low, high] = [sorted[Math.floor(0.02 * last)], sorted[Math.ceil(0.98 * last)]];
  const [least, most] = [sorted[0], sorted[last]];
  return [Math.max(least > low / 10 ? least : low, 1e-100), Math.min(most / 10 < high ? most : high, 1e100)];
}

/** How many numbers of a sorted array are below a value. */
function lower(sorted, value) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** How many are at or below it. */
function upper(sorted, value) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}
