"use strict";
// Slices: a number along one axis, a line per value of another; the median run, and a band from the 10 % to the 90 % of runs.

const MOST_LINES = 7;

/** Shows the choices and the lines. */
function showSlices() {
  const section = document.getElementById("slices"),
    axes = page.grid.axes.filter((axis) => axis.labels.length > 1);
  section.hidden = !axes.length || !page.grid.rows;
  if (section.hidden) return;
  const slice = page.slice;
  const numbers = [...page.columns.values()].filter((column) => !column.named);
  const select = (name, options) => {
    const made = element(
      "select",
      {
        id: `slice-${name}`,
        onchange: () => {
          slice[name] = made.value;
          showSlices();
          document.getElementById(`slice-${name}`).focus();
        },
      },
      ...options,
    );
    return made;
  };
  const lines = [
    option("", "no lines, all together", !slice.lines),
    ...axes
      .filter((axis) => axis.dimension !== page.grid.axis(slice.x).dimension)
      .map((axis) => option(axis.column, axis.label, axis.column === slice.lines)),
  ];
  fill(
    section,
    element("h2", {}, "Slices"),
    element(
      "p",
      { className: "buttons" },
      element(
        "label",
        {},
        "value ",
        select(
          "value",
          numbers.map((each) => option(each.name, each.label, each.name === slice.value)),
        ),
      ),
      element(
        "label",
        {},
        " along ",
        select(
          "x",
          axes.map((axis) => option(axis.column, axis.label, axis.column === slice.x)),
        ),
      ),
      element("label", {}, " a line per ", select("lines", lines)),
    ),
    element("div", { className: "plot" }),
    element("p", { id: "slice-words", className: "muted" }),
  );
  redrawSlices();
}

/** The lines again, of the rows that the map shows now. */
function redrawSlices() {
  const section = document.getElementById("slices");
  if (!section.hidden && section.children.length)
    drawSlices(section.querySelector(".plot"), document.getElementById("slice-words"));
}

/** The slice that the page opens with: the last loss along the map's bottom, a line per value of its side. */
function firstSlice() {
  const { x, y } = page.state,
    axes = page.grid.axes.filter((axis) => axis.labels.length > 1);
  const numbers = [...page.columns.values()].filter((column) => !column.named).map(({ name }) => name);
  return {
    x: axes.some((axis) => axis.column === x) ? x : axes[0]?.column,
    lines: axes.some((axis) => axis.column === y) ? y : "",
    value: numbers.includes("loss_final") ? "loss_final" : numbers[0],
  };
}

function drawSlices(target, told) {
  const { slice, grid } = page,
    column = page.columns.get(slice.value),
    x = grid.axis(slice.x);
  if (!column?.stored) return;
  const lines = slice.lines && grid.axis(slice.lines).dimension !== x.dimension ? grid.axis(slice.lines) : null;
  const inferred = page.columns.get("inferred"),
    trained = inferred?.stored ? trainedOf(inferred, page.kept) : page.kept;
  const arrangement = arrange(grid, { x, y: lines, facets: [], fixed: fixedBut([x, lines]) }, trained);
  const shown = some(lines ? lines.labels.length : 1, MOST_LINES);
  const quantiles = shown.map((line_) =>
    [0.5, 0.1, 0.9].map((share) =>
      Array.from({ length: arrangement.width }, (_, i) => {
        const p = line_ * arrangement.width + i;
        return quantile(column, arrangement.rows, arrangement.start[p], arrangement.start[p + 1], share);
      }),
    ),
  );
  const real = quantiles
    .flat(2)
    .filter(({ kind }) => kind === NUMBER)
    .map(({ value }) => value);
  told.textContent = "";
  if (!real.length)
    return void target.replaceChildren(
      element(
        "p",
        { className: "muted" },
        arrangement.rows.length
          ? "No number of it here: every run is infinite, NaN or has none."
          : "No training here that the legend shows.",
      ),
    );
  const log =
    column.scale !== "share" &&
    column.scale !== "rank" &&
    real.every((value) => value >= 0) &&
    real.some((value) => value > 0);
  const span = spanOf(column, arrangement, shown, quantiles, log);
  drawQuantiles(target, { column, x, lines, shown, quantiles, log, span, none: inferred?.stored ? undefined : null });
  const thin =
    lines && shown.length < lines.labels.length
      ? `${shown.length} of ${lines.labels.length} values of ${lines.column}. `
      : "";
  const refined = inferred?.stored ? "Of the trained cells alone; a line goes on over those that were filled in. " : "";
  told.textContent = `${thin}${refined}${arrangement.most > 1 ? "Line: the median run; band: the 10 % to the 90 % of runs. " : ""}${quantiles.flat(2).some(({ kind }) => kind > NUMBER) ? "A line ends where the run is infinite, NaN or has no value." : ""}`;
}

/** Which rows the legend leaves, and were trained: one that was filled in has no number, which says nothing of it. */
function trainedOf(inferred, kept) {
  return Uint8Array.from({ length: page.grid.rows }, (_, row) =>
    (kept ? kept[row] : 1) && inferred.value(row) !== 1 ? 1 : 0,
  );
}

/** The ends of the value's axis: at the bad one of losses those of runs that neither diverged nor died, others would be out of all proportion. */
function spanOf(column, arrangement, shown, quantiles, log) {
  const points = quantiles.flatMap((curves, n) =>
    curves[0].map(({ value, kind }, i) => ({ value, kind, p: shown[n] * arrangement.width + i })),
  );
  const real = points.filter(({ value, kind }) => kind === NUMBER && drawn(value, log) !== null);
  const living =
    column.unit === "loss" || column.scale === "share" ? real.filter(({ p }) => isAlive(arrangement, p)) : real;
  if (!real.length) return null;
  const all = real.map(({ value }) => value),
    alive = living.length ? living.map(({ value }) => value) : all;
  const high = column.better === "high",
    [from, to] = [Math.min(...(high ? alive : all)), Math.max(...(high ? all : alive))];
  if (log) return [from / 1.5, to * 2];
  const margin = 0.06 * (to - from) || 0.5;
  return [from - margin, to + margin];
}

/** Sliders of the map hold for the slices, too, but for the axes that these show. */
function fixedBut(axes) {
  const dimensions = axes.map((axis) => axis?.dimension);
  return new Map([...page.state.fixed].filter(([dimension]) => !dimensions.includes(dimension)));
}

/** Of `none`, which stands where nothing was trained, undefined is passed over, and null ends a line. */
function drawQuantiles(target, { column, x, lines, shown, quantiles, log, span, none }) {
  const drawable = ({ value, kind }) => (kind === NUMBER ? drawn(value, log) : kind === EMPTY ? none : null);
  const data = [x.order.map((_, i) => i)],
    series = [],
    bands = [],
    theme = look();
  quantiles.forEach(([middle, low, high], i) => {
    const colour = theme.series[i % theme.series.length];
    const label = lines ? `${lines.column} ${labelOf(lines.labels[lines.order[shown[i]]])}` : column.label;
    const one = { label, stroke: colour, width: 2, dash: DASHES[i % DASHES.length] };
    const edge = { label: "", stroke: "transparent", width: 0, points: { show: false } };
    series.push(one, edge, edge);
    data.push(middle.map(drawable), low.map(drawable), high.map(drawable));
    const last = data.length - 1;
    bands.push({ series: column.better === "high" ? [last - 1, last] : [last, last - 1], fill: `${colour}22` });
  });
  const labels = x.order.map((position) => labelOf(x.labels[position], 3));
  const splits = (_plot, _axis, low, high) =>
    ticksOf(x, low + 0.5, high + 1.5, target.clientWidth / 70).map(({ place }) => place - 0.5);
  const at = (place) => labels[Math.round(place)] ?? "";
  target.replaceChildren();
  draw(target, data, {
    series,
    bands,
    x: {
      label: x.label,
      values: (_, places) => places.map((place) => tickText(x, place)),
      splits,
      value: (_, place) => (place === null ? "" : at(place)),
      range: [-0.5, x.labels.length - 0.5],
    },
    y: { label: column.label, log, range: span },
  });
  hideEdges(target, series);
}

/** The text of a tick: the value there, or between two the power of ten that stands there. */
function tickText(axis, place) {
  const tick = ticksOf(axis, 0, axis.labels.length, 12).find((each) => Math.abs(each.place - 0.5 - place) < 1e-6);
  return tick ? tick.text : labelOf(axis.labels[axis.order[Math.round(place)]], 3);
}

/** The ends of a band have no entry of their own in the legend. */
function hideEdges(target, series) {
  target.querySelectorAll(".u-legend .u-series").forEach((entry, i) => {
    if (i && !series[i - 1].label) entry.hidden = true;
  });
}

/** So many places of a length, evenly. */
function some(length, most) {
  if (length <= most) return Array.from({ length }, (_, i) => i);
  return [...new Set(Array.from({ length: most }, (_, i) => Math.round((i * (length - 1)) / (most - 1))))];
}
