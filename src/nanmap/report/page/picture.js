"use strict";
// The map on its canvas: panels with ticks, pixels sampled at the screen's own, curves and letters; the cursor on a canvas above.

const MARGIN = { bottom: 40, right: 10 };
const CORE_LEAST = 6; // screen pixels per side from which a core can be seen
const LETTER_EVERY = 34; // CSS pixels between two letters of a field of one colour
const MOST_PANELS = 36;

/** Panels on a sheet of this width: where each stands, in CSS pixels. */
function layOut(arrangement, width) {
  const { panels } = arrangement,
    most = Math.max(1, Math.floor(width / (panels > 4 ? 240 : 300)));
  const second = arrangement.view.facets[1]?.labels.length ?? 0; // of two axes over panels the second goes across
  const columns = second && second <= most ? second : Math.min(panels, most, panels > 4 ? 4 : 3),
    lines = Math.ceil(panels / columns);
  const left = leftOf(arrangement.view.y, width / columns),
    across = Math.max(80, width / columns - left - MARGIN.right);
  const top = titleLines(arrangement, across) * 15 + 6;
  const share =
    arrangement.height === 1 ? 0.12 : Math.min(0.85, Math.max(0.3, (1.2 * arrangement.height) / arrangement.width));
  const up = Math.max(arrangement.height === 1 ? 48 : 150, Math.min(across * share, 520));
  const boxes = Array.from({ length: panels }, (_, i) => ({
    left: (i % columns) * (width / columns) + left,
    top: Math.floor(i / columns) * (up + top + MARGIN.bottom) + top,
    width: across,
    height: up,
  }));
  return { boxes, left, width, height: lines * (up + top + MARGIN.bottom) };
}

/** Draws the map into its canvas, as large as the page has room for it. */
function drawMap() {
  const canvas = canvasOf("map"),
    above = canvasOf("cursor");
  const width = Math.max(240, document.getElementById("frame").clientWidth),
    dots = Math.max(1, Math.min(3, devicePixelRatio || 1));
  page.sheet = layOut(page.arrangement, width);
  for (const each of [canvas, above]) {
    each.width = Math.round(page.sheet.width * dots);
    each.height = Math.round(page.sheet.height * dots);
    each.style.width = `${page.sheet.width}px`;
    each.style.height = `${page.sheet.height}px`;
  }
  page.dots = dots;
  const context = canvas.getContext("2d", { alpha: false });
  const theme = look();
  context.setTransform(dots, 0, 0, dots, 0, 0);
  context.fillStyle = theme.background;
  context.fillRect(0, 0, page.sheet.width, page.sheet.height);
  page.sheet.boxes.forEach((box, panel) => {
    drawPixels(context, box, panel);
    drawCurves(context, box, panel);
    if (page.state.lettered) drawLetters(context, box, panel);
    drawTicks(context, box, theme);
    drawTitle(context, box, panel, theme);
  });
  drawCursor();
}

/** Which pixel stands at each screen pixel of a side, and how far from its middle, in pixels. */
function samples(from, to, count) {
  const places = new Int32Array(count),
    off = new Float32Array(count);
  for (let i = 0; i < count; i++) {
    const place = from + ((i + 0.5) / count) * (to - from);
    places[i] = Math.floor(place);
    off[i] = Math.abs(place - places[i] - 0.5);
  }
  return { places, off };
}

function drawPixels(context, box, panel) {
  const { painting, arrangement, dots } = page,
    [x0, x1, y0, y1] = page.state.window;
  const columns = Math.round(box.width * dots),
    lines = Math.round(box.height * dots);
  const image = context.createImageData(columns, lines),
    out = new Uint32Array(image.data.buffer);
  const across = samples(x0, x1, columns),
    up = samples(y1, y0, lines);
  const cored = hasCores(box),
    dotted = 5 * Math.round(dots); // what was filled in has a dot every so many screen pixels
  const first = panel * arrangement.width * arrangement.height;
  const none = packedColour(page.document.complete ? look().excluded : look().background),
    hatch = packedColour(look().muted);
  for (let line = 0; line < lines; line++) {
    const start = first + up.places[line] * arrangement.width;
    for (let column = 0; column < columns; column++) {
      const p = start + across.places[column];
      let colour = painting.colours[p];
      if (!colour) colour = (column + line) % (8 * Math.round(dots)) ? none : hatch;
      else if (cored && painting.share[p] > 0) {
        const half = Math.sqrt(painting.share[p]) / 2;
        if (across.off[column] < half && up.off[line] < half) colour = painting.second[p];
      }
      if (painting.inferred?.[p] && column % dotted === 0 && line % dotted === 0) colour = packedColour(inkOn(colour));
      out[line * columns + column] = colour;
    }
  }
  context.putImageData(image, Math.round(box.left * dots), Math.round(box.top * dots));
  context.strokeStyle = look().muted;
  context.lineWidth = 0.6;
  context.strokeRect(box.left, box.top, box.width, box.height);
}

/** Whether the runners-up can be seen within their pixels. */
function hasCores(box) {
  const [x0, x1, y0, y1] = page.state.window;
  return (
    page.painting.second !== null && page.dots * Math.min(box.width / (x1 - x0), box.height / (y1 - y0)) >= CORE_LEAST
  );
}

/** From pixels of the map to places on the sheet. @returns {[number, number]} */
function toSheet(box, x, y) {
  const [x0, x1, y0, y1] = page.state.window;
  return [box.left + ((x - x0) / (x1 - x0)) * box.width, box.top + box.height - ((y - y0) / (y1 - y0)) * box.height];
}

function drawCurves(context, box, panel) {
  const { view, width, height } = page.arrangement;
  context.save();
  context.beginPath();
  context.rect(box.left, box.top, box.width, box.height);
  context.clip();
  for (const curve of page.curves) {
    if (page.state.hidden.has(curve.key)) continue;
    const axis = curve.along === "x" ? view.x : view.y,
      lines = curve.along === "x" ? height : width;
    const places = Array.from({ length: lines }, (_, line) => placeAlong(axis, curve.rates[panel * lines + line]));
    if (curve.measured) drawPoints(context, box, curve, places);
    else drawStairs(context, box, curve, places);
  }
  context.restore();
}

/** A step per line of pixels, broken where there is no rate; white edged in black, so that it is seen on every colour. */
function drawStairs(context, box, curve, places) {
  const path = new Path2D();
  let drawing = false;
  places.forEach((place, line) => {
    if (!Number.isFinite(place)) return void (drawing = false);
    const [from, to] = [line, line + 1].map((end) =>
      curve.along === "x" ? toSheet(box, place, end) : toSheet(box, end, place),
    );
    if (drawing) path.lineTo(...from);
    else path.moveTo(...from);
    path.lineTo(...to);
    drawing = true;
  });
  context.setLineDash([]);
  context.strokeStyle = "#000";
  context.lineWidth = 3.2;
  context.stroke(path);
  context.setLineDash(curve.dashes.map((length) => 1.6 * length));
  context.strokeStyle = "#fff";
  context.lineWidth = 1.6;
  context.stroke(path);
  context.setLineDash([]);
}

function drawPoints(context, box, curve, places) {
  context.fillStyle = "#000";
  context.strokeStyle = "#fff";
  context.lineWidth = 1;
  places.forEach((place, line) => {
    if (!Number.isFinite(place)) return;
    const [x, y] = curve.along === "x" ? toSheet(box, place, line + 0.5) : toSheet(box, line + 0.5, place);
    context.beginPath();
    context.arc(x, y, 3, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
  });
}

/** A letter wherever a field of one colour is large enough: colours need not be told apart by hue. */
function drawLetters(context, box, panel) {
  const { painting, arrangement } = page,
    [x0, x1, y0, y1] = page.state.window;
  if (painting.letterList.length < 2) return;
  const cored = hasCores(box);
  const first = panel * arrangement.width * arrangement.height;
  const at = (x, y) => {
    const [i, j] = [Math.floor(x0 + (x / box.width) * (x1 - x0)), Math.floor(y1 - (y / box.height) * (y1 - y0))];
    return i >= 0 && j >= 0 && i < arrangement.width && j < arrangement.height ? first + j * arrangement.width + i : -1;
  };
  context.font = "600 11px system-ui, sans-serif";
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (let y = LETTER_EVERY / 2; y < box.height; y += LETTER_EVERY) {
    for (let x = LETTER_EVERY / 2; x < box.width; x += LETTER_EVERY) {
      const p = at(x, y),
        around = [at(x - 7, y - 7), at(x + 7, y - 7), at(x - 7, y + 7), at(x + 7, y + 7)];
      if (
        p < 0 ||
        !painting.letters[p] ||
        around.some((other) => other < 0 || painting.letters[other] !== painting.letters[p])
      )
        continue;
      if (cored && painting.share[p] > 0) continue; // two colours: neither field is large
      context.fillStyle = inkOn(painting.colours[p]);
      context.globalAlpha = 0.75;
      context.fillText(painting.letterList[painting.letters[p]], box.left + x, box.top + y);
      context.globalAlpha = 1;
    }
  }
}

/** The cursor, the chosen training and the pinned ones. */
function drawCursor() {
  const canvas = canvasOf("cursor"),
    context = canvas.getContext("2d");
  context.setTransform(page.dots, 0, 0, page.dots, 0, 0);
  context.clearRect(0, 0, page.sheet.width, page.sheet.height);
  page.state.pins.forEach((cell, i) => outline(context, pixelOf(page.grid, page.arrangement.view, cell), "AB"[i]));
  if (page.state.cell !== null) outline(context, pixelOf(page.grid, page.arrangement.view, page.state.cell), "");
  if (page.state.cursor) outline(context, page.state.cursor, null);
}

function outline(context, pixel, name) {
  if (!pixel) return;
  const box = page.sheet.boxes[pixel.panel],
    [left, low] = toSheet(box, pixel.x, pixel.y),
    [right, high] = toSheet(box, pixel.x + 1, pixel.y + 1);
  if (right < box.left || left > box.left + box.width || low < box.top || high > box.top + box.height) return;
  const width = Math.max(7, right - left),
    height = Math.max(7, low - high);
  const [x, y] = [(left + right - width) / 2, (low + high - height) / 2];
  for (const [colour, thick] of [
    ["#000", 4],
    ["#fff", 2],
  ]) {
    context.strokeStyle = colour;
    context.lineWidth = thick;
    context.setLineDash(name === null ? [] : [5, 3]);
    context.strokeRect(x, y, width, height);
  }
  context.setLineDash([]);
  if (!name) return;
  context.font = "700 12px system-ui, sans-serif";
  context.lineWidth = 3;
  context.strokeStyle = "#000";
  const left_ = name === "A"; // so that two neighbours do not cover each other's
  context.textAlign = left_ ? "right" : "left";
  const at = [left_ ? x - 3 : x + width + 3, y + 4];
  context.strokeText(name, ...at);
  context.fillStyle = "#fff";
  context.fillText(name, ...at);
}

/** The pixel under a place on the sheet; null beside the panels. */
function pixelUnder(x, y) {
  const [x0, x1, y0, y1] = page.state.window;
  const panel = page.sheet.boxes.findIndex(
    (box) => x >= box.left && x < box.left + box.width && y >= box.top && y < box.top + box.height,
  );
  if (panel < 0) return null;
  const box = page.sheet.boxes[panel];
  const column = Math.floor(x0 + ((x - box.left) / box.width) * (x1 - x0)),
    line_ = Math.floor(y1 - ((y - box.top) / box.height) * (y1 - y0));
  return column >= 0 && line_ >= 0 && column < page.arrangement.width && line_ < page.arrangement.height
    ? { panel, y: line_, x: column }
    : null;
}
