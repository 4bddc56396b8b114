"use strict";
// Pointer and keys on the map: hover, click, drag, wheel; arrows move the cursor, and the live region says where it is.

const CLOSER = 0.7; // by one step of zooming in
const LEAST_WINDOW = 2; // pixels of the map
const NARROW = 900; // a screen on which what a click opens is out of sight, as style.css has it

function listen() {
  const canvas = document.getElementById("cursor");
  canvas.addEventListener("pointermove", hover);
  canvas.addEventListener("pointerleave", () => !page.dragged && moveTo(null));
  canvas.addEventListener("pointerdown", grab);
  canvas.addEventListener("pointerup", letGo);
  canvas.addEventListener("pointercancel", (event) => {
    lift(event);
    page.dragged = null;
  });
  canvas.addEventListener("wheel", turn, { passive: false });
  canvas.addEventListener("keydown", press);
  document.getElementById("closer").addEventListener("click", () => zoom(CLOSER, null));
  document.getElementById("farther").addEventListener("click", () => zoom(1 / CLOSER, null));
  document.getElementById("whole").addEventListener("click", showWhole);
  const lettered = /** @type {HTMLInputElement} */ (document.getElementById("lettered"));
  lettered.addEventListener("change", () => {
    page.state.lettered = lettered.checked;
    update("draw");
  });
  const theme = /** @type {HTMLSelectElement} */ (document.getElementById("theme"));
  theme.addEventListener("change", () => {
    if (theme.value === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme.value;
    recolour();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour);
  document.getElementById("controls").addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", () => {
    page.state = firstState();
    const wrong = readLink(location.hash, page.state);
    say(wrong.length ? `The address names what this run does not have: ${listed(wrong)}.` : "");
    update("arrange", true);
    showTraining();
    showPinned();
  });
  new ResizeObserver(resized).observe(document.getElementById("frame"));
  addEventListener("beforeprint", () => update("draw"));
}

function recolour() {
  update("paint");
  showTraining();
  showPinned();
  showSlices();
}

/** The panels follow the width of the page; what scrolls in and out changes nothing. */
function resized() {
  const width = document.getElementById("frame").clientWidth;
  if (page.width === width) return;
  page.width = width;
  if (page.state) update("draw");
}

function placeOf(event) {
  const box = document.getElementById("cursor").getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

/** Follows the pointer, once per frame. */
function hover(event) {
  if (slide(event)) return;
  const place = placeOf(event);
  if (page.dragged) return drag(place);
  if (page.asked) return;
  page.asked = requestAnimationFrame(() => {
    page.asked = null;
    moveTo(pixelUnder(...place));
  });
}

/** Moves the cursor to a pixel, or away. */
function moveTo(pixel) {
  const { cursor } = page.state;
  if (
    pixel === cursor ||
    (pixel && cursor && pixel.panel === cursor.panel && pixel.x === cursor.x && pixel.y === cursor.y)
  )
    return;
  page.state.cursor = pixel;
  drawCursor();
  showFacts();
}

function grab(event) {
  if (event.button) return;
  page.dragged = { from: placeOf(event), window: [...page.state.window], moved: false };
  event.target.setPointerCapture(event.pointerId);
  touch(event);
}

function drag(place) {
  const { from, window } = page.dragged,
    [x, y] = [place[0] - from[0], place[1] - from[1]],
    box = page.sheet.boxes[0];
  if (Math.hypot(x, y) < 5 && !page.dragged.moved) return;
  if (isWhole(window)) return;
  page.dragged.moved = true;
  const [across, up] = [(-x / box.width) * (window[1] - window[0]), (y / box.height) * (window[3] - window[2])];
  page.state.window = within([window[0] + across, window[1] + across, window[2] + up, window[3] + up]);
  update("draw");
}

function letGo(event) {
  lift(event);
  const { moved } = page.dragged || { moved: true };
  page.dragged = null;
  if (moved) return;
  const pixel = pixelUnder(...placeOf(event));
  if (pixel) choosePixel(pixel);
}

/** Opens the middle training of a pixel; where it has none, the cell itself if it is a single one. */
function choosePixel(pixel) {
  page.state.cursor = pixel;
  const row = middleOf(rowsUnder(pixel));
  if (row !== null) return select(page.grid.cell(row), innerWidth < NARROW);
  const positions = positionsOf(page.grid, page.arrangement.view, pixel.panel, pixel.y, pixel.x);
  const whole_ = positions.map((position, d) => position ?? (page.grid.shape[d] === 1 ? 0 : null));
  if (whole_.every((position) => position !== null)) select(page.grid.number(whole_));
}

/** The wheel zooms where the map has the focus; elsewhere it scrolls the page. */
function turn(event) {
  if (document.activeElement !== event.target && !event.ctrlKey) return;
  event.preventDefault();
  zoom(event.deltaY < 0 ? CLOSER : 1 / CLOSER, pixelUnder(...placeOf(event)));
}

/** Zooms around a pixel, the cursor's, or the middle. */
function zoom(factor, around) {
  const [x0, x1, y0, y1] = page.state.window,
    at = around || page.state.cursor;
  const [x, y] = at ? [at.x + 0.5, at.y + 0.5] : [(x0 + x1) / 2, (y0 + y1) / 2];
  const [left, right] = [x0, x1].map((end) => x + factor * (end - x)),
    [low, high] = [y0, y1].map((end) => y + factor * (end - y));
  page.state.window = within([left, right, low, high]);
  update("draw");
}

/** A window moved and cut to what there is. */
function within([x0, x1, y0, y1]) {
  return [...side(x0, x1, page.arrangement.width), ...side(y0, y1, page.arrangement.height)];
}

function side(from, to, length) {
  const span = Math.min(length, Math.max(Math.min(LEAST_WINDOW, length), to - from)),
    start = Math.min(length - span, Math.max(0, (from + to - span) / 2));
  return [start, start + span];
}

function showWhole() {
  page.state.window = null;
  const { width, height } = page.arrangement;
  page.state.window = [0, width, 0, height];
  update("draw");
}

const KEYS = {
  ArrowLeft: [-1, 0, 0],
  ArrowRight: [1, 0, 0],
  ArrowUp: [0, 1, 0],
  ArrowDown: [0, -1, 0],
  PageUp: [0, 0, -1],
  PageDown: [0, 0, 1],
};

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step = KEYS[event.key];
  if (step) stepBy(step, event.shiftKey ? 10 : 1);
  else if (event.key === "Enter" || event.key === " ") page.state.cursor && choosePixel(page.state.cursor);
  else if (event.key === "+" || event.key === "=") zoom(CLOSER, null);
  else if (event.key === "-") zoom(1 / CLOSER, null);
  else if (event.key === "0") showWhole();
  else if (event.key === "Escape") moveTo(null);
  else return;
  event.preventDefault();
}

/** Moves the cursor by steps, keeps it in sight, and says where it is. */
function stepBy([x, y, panel], times) {
  const { width, height, panels } = page.arrangement,
    [x0, x1, y0, y1] = page.state.window;
  const at = page.state.cursor || { panel: 0, x: Math.floor((x0 + x1) / 2), y: Math.floor((y0 + y1) / 2) };
  const limit = (value, length) => Math.min(length - 1, Math.max(0, value));
  const next = page.state.cursor
    ? { panel: limit(at.panel + panel, panels), x: limit(at.x + x * times, width), y: limit(at.y + y * times, height) }
    : at;
  keepInSight(next);
  moveTo(next);
  clearTimeout(page.speaking);
  page.speaking = setTimeout(() => (document.getElementById("spoken").textContent = spokenOf(next)), 120);
}

/** Moves the window so that a pixel is in it. */
function keepInSight({ x, y }) {
  const [x0, x1, y0, y1] = page.state.window;
  const push = (place, from, to) => (place < from ? place - from : place + 1 > to ? place + 1 - to : 0);
  const [across, up] = [push(x, x0, x1), push(y, y0, y1)];
  if (!across && !up) return;
  page.state.window = within([x0 + across, x1 + across, y0 + up, y1 + up]);
  update("draw");
}
