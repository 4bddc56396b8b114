"use strict";
// Two fingers on the map zoom and move it: what was under each of them stays there.

const fingers = new Map(); // pointer → its place on the sheet, of all that touch the map

/** A finger more; with the second one a pinch begins, and nothing is dragged or clicked any more. */
function touch(event) {
  if (event.pointerType !== "touch") return;
  fingers.set(event.pointerId, placeOf(event));
  page.pinched = fingers.size === 2 ? { from: pinchOf(), window: [...page.state.window] } : null;
  if (fingers.size > 1) page.dragged = null;
}

/** A finger that moves. @returns {boolean} whether it moves the map together with another one */
function slide(event) {
  if (fingers.has(event.pointerId)) fingers.set(event.pointerId, placeOf(event));
  if (page.pinched) pinch(page.pinched, pinchOf());
  return fingers.size > 1;
}

/** A finger less. */
function lift(event) {
  fingers.delete(event.pointerId);
  page.pinched = null;
}

/** The middle between both fingers, and how far apart they are. */
function pinchOf() {
  const [[x, y], [x_, y_]] = [...fingers.values()];
  return { x: (x + x_) / 2, y: (y + y_) / 2, apart: Math.max(1, Math.hypot(x - x_, y - y_)) };
}

/** The window in which the pixel that was between the fingers is there now, larger as they are further apart. */
function pinch({ from, window }, to) {
  const [x0, x1, y0, y1] = window,
    box = boxAt(from.x, from.y),
    times = from.apart / to.apart;
  const [across, up] = [times * (x1 - x0), times * (y1 - y0)];
  const x = x0 + ((from.x - box.left) / box.width) * (x1 - x0),
    y = y1 - ((from.y - box.top) / box.height) * (y1 - y0);
  const left = x - ((to.x - box.left) / box.width) * across,
    top = y + ((to.y - box.top) / box.height) * up;
  page.state.window = within([left, left + across, top - up, top]);
  update("draw");
}

/** The panel at a place, or the nearest one. */
function boxAt(x, y) {
  const outside = (from, length, place) => Math.max(from - place, 0, place - from - length);
  const far = (box) => Math.hypot(outside(box.left, box.width, x), outside(box.top, box.height, y));
  return page.sheet.boxes.reduce((best, box) => (far(box) < far(best) ? box : best));
}
