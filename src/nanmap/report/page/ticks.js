"use strict";
// What stands around the panels: ticks, the names of axes, titles, and the room that they take.

const TICK_FONT = "11px system-ui, sans-serif",
  TITLE_FONT = "600 12px system-ui, sans-serif";
const LEFT = [46, 124]; // least and most room for the labels up the side

/** Room for the labels of the axis up the side. */
function leftOf(axis, across) {
  if (!axis) return 16;
  const context = canvasOf("map").getContext("2d", { alpha: false });
  context.font = TICK_FONT;
  return Math.max(LEFT[0], Math.min(LEFT[1], across / 3, widest(context, axis) + 20));
}

/** Lines that the panels' titles need. */
function titleLines(arrangement, across) {
  const { facets } = arrangement.view;
  if (!facets.length) return 0;
  const context = canvasOf("map").getContext("2d", { alpha: false });
  context.font = TITLE_FONT;
  const widths = facets.map((axis) =>
    Math.max(...axis.labels.map((label) => context.measureText(`${axis.column} = ${labelOf(label)} · `).width)),
  );
  return widths.reduce((sum, each) => sum + each, 0) > across ? facets.length : 1;
}

/** Places and texts of ticks between two pixels of an axis, so many at most. */
function ticksOf(axis, from, to, most) {
  if (!axis) return [];
  const [first, last] = [Math.max(0, Math.ceil(from - 0.5)), Math.min(axis.labels.length - 1, Math.floor(to - 0.5))];
  const shown = last - first + 1,
    label = (place) => labelOf(axis.labels[axis.order[place]], 3);
  if (axis.scale === "linear" && shown > most) return roundTicks(axis, from, to, most);
  if (axis.scale === "log" && shown > most) {
    const decades = decadesOf(axis, from, to);
    if (decades.length > 1) return thinned(decades, most);
  }
  const step = Math.max(1, Math.ceil(shown / Math.max(1, most)));
  return Array.from({ length: Math.ceil(shown / step) }, (_, i) => first + i * step).map((place) => ({
    place: place + 0.5,
    text: label(place),
  }));
}

/** Round numbers on a linear axis: steps of 1, 2 or 5 times a power of ten. */
function roundTicks(axis, from, to, most) {
  const [first, last] = [axis.labels[axis.order[0]], axis.labels[axis.order.at(-1)]];
  const value = (place) => first + ((place - 0.5) / (axis.labels.length - 1)) * (last - first);
  const [low, high] = [value(from), value(to)],
    least = (high - low) / Math.max(1, most),
    power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((part) => part * power).find((each) => each >= 0.75 * least),
    found = [];
  for (let n = Math.ceil(low / step); n <= high / step; n++) {
    const tick = Number((n * step).toPrecision(12)),
      place = placeAlong(axis, tick);
    if (place >= from && place <= to) found.push({ place, text: labelOf(tick) });
  }
  return found;
}

function decadesOf(axis, from, to) {
  const ends = [axis.labels[axis.order[0]], axis.labels[axis.order.at(-1)]],
    sign = Math.sign(ends[0]);
  const [low, high] = ends.map((end) => Math.log10(Math.abs(end))).sort((a, b) => a - b);
  const found = [];
  for (let power = Math.ceil(low - 1e-9); power <= high + 1e-9; power++) {
    const value = sign * Number(`1e${power}`),
      place = placeAlong(axis, value);
    if (place >= from && place <= to) found.push({ place, text: `${sign < 0 ? "−" : ""}${powerOf(power)}` });
  }
  return found;
}

function thinned(ticks, most) {
  const step = Math.ceil(ticks.length / Math.max(1, most));
  return ticks.filter((_, i) => i % step === 0);
}

function drawTicks(context, box, theme) {
  const { x, y } = page.arrangement.view,
    [x0, x1, y0, y1] = page.state.window;
  context.fillStyle = theme.ink;
  context.strokeStyle = theme.muted;
  context.font = TICK_FONT;
  context.lineWidth = 1;
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const { place, text } of ticksOf(x, x0, x1, box.width / widest(context, x))) {
    const [left] = toSheet(box, place, y0);
    line(context, left, box.top + box.height, left, box.top + box.height + 4);
    context.fillText(cut(context, text, 90), left, box.top + box.height + 6);
  }
  context.textAlign = "right";
  context.textBaseline = "middle";
  for (const { place, text } of ticksOf(y, y0, y1, box.height / (y?.scale === "values" ? 16 : 26))) {
    const [, top] = toSheet(box, x0, place);
    line(context, box.left - 4, top, box.left, top);
    context.fillText(cut(context, text, page.sheet.left - 24), box.left - 6, top);
  }
  context.textAlign = "center";
  context.textBaseline = "bottom";
  if (x)
    context.fillText(
      named(context, x, box.width + 40),
      box.left + box.width / 2,
      box.top + box.height + MARGIN.bottom - 4,
    );
  if (!y) return;
  context.save();
  context.translate(box.left - page.sheet.left + 2, box.top + box.height / 2);
  context.rotate(-Math.PI / 2);
  context.textBaseline = "top";
  context.fillText(named(context, y, box.height + 20), 0, 0);
  context.restore();
}

/** The room that a label of an axis takes at most. */
function widest(context, axis) {
  if (!axis) return 60;
  const step = Math.ceil(axis.labels.length / 40);
  const widths = axis.labels
    .filter((_, i) => i % step === 0)
    .map((label) => context.measureText(labelOf(label, 3)).width);
  return Math.min(96, Math.max(...widths)) + 10;
}

/** What an axis is called, by its column where there is no room for more. */
function named(context, axis, room) {
  return context.measureText(axis.label).width <= room ? axis.label : cut(context, axis.column, room);
}

/** A text cut where it has no room. */
function cut(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  let kept = text;
  while (kept.length > 1 && context.measureText(`${kept}…`).width > room) kept = kept.slice(0, -1);
  return `${kept}…`;
}

function line(context, x0, y0, x1, y1) {
  context.beginPath();
  context.moveTo(x0, y0);
  context.lineTo(x1, y1);
  context.stroke();
}

function drawTitle(context, box, panel, theme) {
  const parts = panelName(panel);
  if (!parts.length) return;
  context.fillStyle = theme.ink;
  context.font = TITLE_FONT;
  context.textAlign = "left";
  context.textBaseline = "bottom";
  const lines = context.measureText(parts.join(" · ")).width > box.width ? parts : [parts.join(" · ")];
  lines.forEach((text, i) =>
    context.fillText(cut(context, text, box.width), box.left, box.top - 4 - 15 * (lines.length - 1 - i)),
  );
}

/** What the settings of a panel are, an axis each. @returns {string[]} */
function panelName(panel) {
  const { view } = page.arrangement,
    parts = [];
  let rest = panel;
  for (const axis of [...view.facets].reverse()) {
    parts.unshift(`${axis.column} = ${labelOf(axis.labels[axis.order[rest % axis.labels.length]])}`);
    rest = Math.floor(rest / axis.labels.length);
  }
  return parts;
}
