"use strict";
// The grid: cells by number, decoded by arithmetic; and which rows share a pixel of the map that is asked for.

class Grid {
  /** @param document_ the page's data @param {Uint32Array|null} cells numbers of the rows; null where row and cell are the same */
  constructor(document_, cells) {
    this.shape = document_.shape;
    this.rows = document_.rows;
    this.cells = cells;
    this.axes = document_.axes;
    this.size = this.shape.reduce((product, length) => product * length, 1);
    this.strides = this.shape.map((_, d) => this.shape.slice(d + 1).reduce((product, length) => product * length, 1));
    for (const axis of this.axes) {
      axis.place = new Int32Array(axis.labels.length); // of a position where it is drawn
      axis.order.forEach((position, place) => (axis.place[position] = place));
    }
  }

  axis(column) {
    return this.axes.find((axis) => axis.column === column) || null;
  }

  /** The axes that are walked together with the first of a dimension. */
  along(dimension) {
    return this.axes.filter((axis) => axis.dimension === dimension);
  }

  cell(row) {
    return this.cells ? this.cells[row] : row;
  }

  /** The row of a cell, −1 without one. */
  row(cell) {
    if (!(cell >= 0 && cell < this.size)) return -1;
    if (!this.cells) return cell < this.rows ? cell : -1;
    let low = 0,
      high = this.rows - 1;
    while (low <= high) {
      const middle = (low + high) >> 1,
        found = this.cells[middle];
      if (found === cell) return middle;
      if (found < cell) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  position(cell, dimension) {
    return Math.floor(cell / this.strides[dimension]) % this.shape[dimension];
  }

  positions(cell) {
    return this.shape.map((_, dimension) => this.position(cell, dimension));
  }

  number(positions) {
    return positions.reduce((sum, position, d) => sum + position * this.strides[d], 0);
  }

  label(cell, axis) {
    return axis.labels[this.position(cell, axis.dimension)];
  }
}

/**
 * Rows by pixel: those of pixel p are rows[start[p]] … rows[start[p + 1] − 1].
 * @param {Grid} grid
 * @param view x, y: axes or null; facets: axes over the panels; fixed: Map of dimension → position
 * @param {Uint8Array|null} kept which rows are shown at all
 */
function arrange(grid, view, kept) {
  const shown = [...view.facets, view.y, view.x];
  const lengths = shown.map((axis) => (axis ? axis.labels.length : 1));
  const pixels = lengths.reduce((product, length) => product * length, 1);
  const place = new Int32Array(grid.rows).fill(-1);
  const start = new Int32Array(pixels + 1);
  const ways = shown
    .map((axis, i) => ({ axis, step: lengths.slice(i + 1).reduce((product, length) => product * length, 1) }))
    .filter(({ axis }) => axis)
    .map(({ axis, step }) => ({
      lookup: axis.place,
      step,
      stride: grid.strides[axis.dimension],
      length: grid.shape[axis.dimension],
    }));
  const fixed = [...view.fixed].map(([dimension, position]) => ({
    position,
    stride: grid.strides[dimension],
    length: grid.shape[dimension],
  }));
  rows: for (let row = 0; row < grid.rows; row++) {
    if (kept && !kept[row]) continue;
    const cell = grid.cells ? grid.cells[row] : row;
    for (const { position, stride, length } of fixed)
      if (Math.floor(cell / stride) % length !== position) continue rows;
    let pixel = 0;
    for (const { lookup, step, stride, length } of ways) pixel += lookup[Math.floor(cell / stride) % length] * step;
    place[row] = pixel;
    start[pixel + 1]++;
  }
  let most = 0;
  for (let p = 0; p < pixels; p++) {
    if (start[p + 1] > most) most = start[p + 1];
    start[p + 1] += start[p];
  }
  const rows = new Int32Array(start[pixels]),
    next = start.slice(0, pixels);
  for (let row = 0; row < grid.rows; row++) if (place[row] >= 0) rows[next[place[row]]++] = row;
  return {
    view,
    width: lengths.at(-1),
    height: lengths.at(-2),
    panels: pixels / (lengths.at(-1) * lengths.at(-2)),
    start,
    rows,
    most,
  };
}

/** Positions along each dimension of the cells of a pixel; null where several share it. */
function positionsOf(grid, view, panel, y, x) {
  const positions = grid.shape.map(() => null);
  for (const [dimension, position] of view.fixed) positions[dimension] = position;
  let rest = panel;
  for (const axis of [...view.facets].reverse()) {
    positions[axis.dimension] = axis.order[rest % axis.labels.length];
    rest = Math.floor(rest / axis.labels.length);
  }
  if (view.y) positions[view.y.dimension] = view.y.order[y];
  if (view.x) positions[view.x.dimension] = view.x.order[x];
  return positions;
}

/** Panel, y and x of a cell on a map; null where the map does not show it. */
function pixelOf(grid, view, cell) {
  for (const [dimension, position] of view.fixed) if (grid.position(cell, dimension) !== position) return null;
  const at = (axis) => (axis ? axis.place[grid.position(cell, axis.dimension)] : 0);
  let panel = 0;
  for (const axis of view.facets) panel = panel * axis.labels.length + at(axis);
  return { panel, y: at(view.y), x: at(view.x) };
}
