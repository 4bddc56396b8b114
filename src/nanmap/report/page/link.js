"use strict";
// The address holds what is shown, so that a link opens the page at this very pixel.

/** The part of the address after #, as the state is now. */
function linkOf(state) {
  const told = new URLSearchParams();
  told.set("x", state.x || "");
  told.set("y", state.y || "");
  if (state.facets.length) told.set("panels", state.facets.join(","));
  told.set("value", state.value);
  for (const [dimension, position] of state.fixed)
    told.append("one", `${page.grid.along(dimension)[0].column}:${position}`);
  for (const key of state.off) told.append("without", key);
  for (const key of state.hidden) told.append("hide", key);
  if (state.window && !isWhole(state.window))
    told.set("window", state.window.map((end) => Number(end.toFixed(3))).join(","));
  if (state.cell !== null) told.set("cell", String(state.cell));
  if (state.pins.length) told.set("pins", state.pins.join(","));
  return `#${told}`;
}

function isWhole([x0, x1, y0, y1]) {
  const { width, height } = page.arrangement;
  return x0 <= 0 && y0 <= 0 && x1 >= width && y1 >= height;
}

/** Keeps the address up to date; the page is not asked for again. */
function keepLink() {
  clearTimeout(page.linking);
  page.linking = setTimeout(() => history.replaceState(null, "", linkOf(page.state)), 200);
}

/** The state that an address asks for, and what in it this run does not have. @returns {string[]} */
function readLink(hash, state) {
  const told = new URLSearchParams(hash.replace(/^#/, "")),
    wrong = [];
  const axisOf = (name) => page.grid.axis(name) || void wrong.push(`the axis “${name}”`);
  if (told.get("x")) state.x = axisOf(told.get("x"))?.column ?? state.x;
  if (told.has("y")) state.y = told.get("y") ? (axisOf(told.get("y"))?.column ?? state.y) : "";
  if (told.has("x")) state.facets = (told.get("panels") || "").split(",").filter(Boolean).filter(axisOf);
  if (told.get("value")) {
    if (isValue(told.get("value"))) state.value = told.get("value");
    else wrong.push(`the column “${told.get("value")}”`);
  }
  for (const each of told.getAll("one")) {
    const [name, text] = splitLast(each),
      axis = axisOf(name),
      position = whole(text, axis?.labels.length);
    if (axis && position !== null) state.fixed.set(axis.dimension, position);
    else if (axis) wrong.push(`value ${text} of “${name}”`);
  }
  state.off = new Set(told.getAll("without").filter((key) => page.columns.has(splitLast(key)[0])));
  state.hidden = new Set(told.getAll("hide"));
  state.window = windowOf(told.get("window"));
  const cellOf = (text) => whole(text, page.grid.size) ?? void wrong.push(`cell ${text}`);
  if (told.get("cell")) state.cell = cellOf(told.get("cell")) ?? null;
  state.pins = (told.get("pins") || "")
    .split(",")
    .filter(Boolean)
    .map(cellOf)
    .filter((cell) => cell !== undefined)
    .slice(0, 2);
  letGoOfClashes(state);
  return wrong;
}

/** Axes of one dimension cannot stand on both sides, over the panels and on a slider at once: the first keeps it. */
function letGoOfClashes(state) {
  const dimension = (column) => page.grid.axis(column)?.dimension;
  if (state.y && dimension(state.y) === dimension(state.x)) state.y = "";
  const taken = [dimension(state.x), dimension(state.y)];
  state.facets = state.facets.filter((column) => !taken.includes(dimension(column)) && taken.push(dimension(column)));
  if (state.facets.reduce((product, column) => product * page.grid.axis(column).labels.length, 1) > MOST_PANELS)
    state.facets = [];
  for (const each of taken) state.fixed.delete(each);
}

function splitLast(text) {
  const place = text.lastIndexOf(":");
  return [text.slice(0, place), text.slice(place + 1)];
}

function whole(text, below) {
  const number = /^\d{1,12}$/.test(text || "") ? Number(text) : NaN;
  return number < below ? number : null;
}

function windowOf(text) {
  const ends = (text || "").split(",").map(Number);
  return ends.length === 4 && ends.every(Number.isFinite) && ends[0] < ends[1] && ends[2] < ends[3] ? ends : null;
}

function isValue(name) {
  const outcomes = page.columns.get("outcome");
  return page.columns.has(name) || Boolean(outcomes?.listed.includes(name));
}
