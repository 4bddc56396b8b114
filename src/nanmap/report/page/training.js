"use strict";
// The training that was chosen: what became of it, its curve, and the trainings that share its pixel.

/** @type {[string, number][]} */
const MARKS = [
  ["loss_initial", 0],
  ["loss_at_50", 50],
  ["loss_at_80", 80],
  ["loss_at_90", 90],
  ["loss_final", 100],
];

/** Shows the chosen cell below the map, or nothing. */
function showTraining() {
  const section = document.getElementById("training"),
    { cell } = page.state;
  section.hidden = cell === null;
  if (cell === null) return;
  const row = page.grid.row(cell);
  const head = element("h2", {}, `Cell ${cell.toLocaleString("en")}: ${settingsInWords(page.grid.positions(cell))}`);
  if (row < 0) {
    fill(section, head, element("p", {}, absenceInWords()), configPart(cell));
    return;
  }
  const plot = element("div", { className: "plot" });
  fill(
    section,
    head,
    element("p", { id: "siblings", className: "buttons" }),
    ...trainingInWords(row).map((sentence) => element("p", {}, sentence)),
    element("div", { className: "buttons" }, pinButton(cell), linkButton()),
    plot,
    fiveLosses(row),
    neighbourChooser(cell),
    configPart(cell, row),
    allColumns(row),
  );
  drawTraining(plot, cell);
  showSiblings();
}

/** Buttons through the trainings that share the pixel of the one that is open. */
function showSiblings() {
  const { cell } = page.state,
    place = document.getElementById("siblings");
  if (cell === null || !place) return;
  const rows = rowsUnder(pixelOf(page.grid, page.arrangement.view, cell)),
    at = rows.findIndex((row) => page.grid.cell(row) === cell);
  place.hidden = rows.length < 2 || at < 0;
  if (place.hidden) return;
  const go = (step) => () => {
    select(page.grid.cell(rows[(at + step + rows.length) % rows.length]));
    focusOn(`#siblings button:${step > 0 ? "last" : "first"}-child`);
  };
  fill(
    place,
    element("button", { type: "button", onclick: go(-1), ariaLabel: "Previous training of this pixel" }, "‹"),
    ` training ${at + 1} of ${rows.length.toLocaleString("en")} in this pixel `,
    element("button", { type: "button", onclick: go(1), ariaLabel: "Next training of this pixel" }, "›"),
  );
}

/** Rows of a pixel of the map at hand. */
function rowsUnder(pixel) {
  if (!pixel) return [];
  const { width, height, start, rows } = page.arrangement,
    p = (pixel.panel * height + pixel.y) * width + pixel.x;
  return Array.from(rows.subarray(start[p], start[p + 1]));
}

function pinButton(cell) {
  const pinned = page.state.pins.includes(cell);
  const toggle = () => {
    page.state.pins = pinned ? page.state.pins.filter((each) => each !== cell) : [...page.state.pins, cell].slice(-2);
    update("cursor");
    showTraining();
    showPinned();
    focusOn("#pin");
  };
  return element("button", { id: "pin", type: "button", onclick: toggle }, pinned ? "Unpin" : "Pin to compare");
}

function linkButton() {
  return copyButton("Copy the link to this pixel", () => location.href.replace(/#.*/s, "") + linkOf(page.state));
}

/** A button that copies a text, and says so. */
function copyButton(words, text) {
  const button = element(
    "button",
    {
      type: "button",
      onclick: async () => {
        try {
          await navigator.clipboard.writeText(text());
          button.textContent = "Copied";
        } catch {
          button.textContent = "Could not copy: select the text";
        }
        setTimeout(() => (button.textContent = words), 1500);
      },
    },
    words,
  );
  return button;
}

/** The marks of the budget at which a row has a loss: none where it was filled in. */
function marksOf(row) {
  return MARKS.filter(([mark]) => page.columns.get(mark)?.stored && page.columns.get(mark).stands(row) !== MISSING);
}

function fiveLosses(row) {
  const told = marksOf(row)
    .map(([name, share]) => [share ? `at ${share} %` : "at the start", textAt(name, row)])
    .filter(([, text]) => text !== null);
  if (!told.length) return null;
  return element(
    "table",
    { className: "losses", tabIndex: 0 },
    element("caption", {}, "Loss over all training rows, by share of the budget"),
    element("tr", {}, ...told.map(([when]) => element("th", { scope: "col" }, when))),
    element("tr", {}, ...told.map(([, text]) => element("td", {}, text))),
  );
}

/** Points of a cell's curve: its history where it was recorded, else its five losses. @returns {{x: number[], y: number[], recorded: boolean}} */
function curveOf(cell, name = "loss") {
  const span = page.history?.spans.get(cell),
    column = page.history?.columns.get(name);
  if (span && column) {
    const rows = Array.from({ length: span[1] - span[0] }, (_, i) => span[0] + i);
    return {
      x: rows.map((row) => page.history.columns.get("step").value(row)),
      y: rows.map((row) => column.value(row)),
      recorded: true,
    };
  }
  const row = page.grid.row(cell);
  if (name !== "loss" || row < 0) return { x: [], y: [], recorded: false };
  const known = marksOf(row);
  return {
    x: known.map(([, share]) => share),
    y: known.map(([mark]) => page.columns.get(mark).value(row)),
    recorded: false,
  };
}

function drawTraining(target, cell) {
  const curves = [{ label: "loss", ...curveOf(cell), width: 2.5 }];
  for (const other of neighbours(cell)) curves.push({ label: other.label, ...curveOf(other.cell), width: 1 });
  const recorded = curves[0].recorded;
  if (recorded)
    for (const name of ["gradient_norm", "sharpness"])
      if (page.history.columns.has(name))
        curves.push({ label: name.replace("_", " "), ...curveOf(cell, name), width: 1.2 });
  plotCurves(target, curves, recorded ? "update" : "% of the budget", "loss");
  if (recorded)
    target.append(
      element("p", { className: "muted" }, "Recorded at single updates: the loss of the batch before each of them."),
    );
}

/** Cells on both sides along the axis that is chosen for it. */
function neighbours(cell) {
  const axis = page.grid.axis(page.state.neighbours);
  if (!axis) return [];
  const positions = page.grid.positions(cell),
    place = axis.place[positions[axis.dimension]];
  return [place - 1, place + 1]
    .filter((each) => each >= 0 && each < axis.labels.length)
    .map((each) => {
      const there = [...positions];
      there[axis.dimension] = axis.order[each];
      return { cell: page.grid.number(there), label: `${axis.column} ${labelOf(axis.labels[axis.order[each]])}` };
    });
}

function neighbourChooser(cell) {
  const axes = page.grid.axes.filter((axis) => axis.labels.length > 1);
  if (!axes.length) return null;
  const options = [
    option("", "nobody", !page.state.neighbours),
    ...axes.map((axis) => option(axis.column, axis.column, axis.column === page.state.neighbours)),
  ];
  const chosen = element(
    "select",
    {
      onchange: () => {
        page.state.neighbours = chosen.value;
        drawTraining(document.querySelector("#training .plot"), cell);
      },
    },
    ...options,
  );
  return element("p", {}, element("label", {}, "with its neighbours along ", chosen));
}

function allColumns(row) {
  const { columns, document: told } = page;
  const line_ = (name, text, meaning) =>
    element("tr", { title: meaning }, element("th", { scope: "row" }, name), element("td", {}, text));
  const found = [...columns.values()].map((column) => line_(column.name, textAt(column.name, row), column.meaning));
  const empty = Object.entries(told.empty).map(([name, why]) => line_(name, `– (${why || "missing"})`, ""));
  return element(
    "details",
    { id: "columns" },
    element("summary", {}, "Everything in its row"),
    element("table", { tabIndex: 0 }, ...found, ...empty),
  );
}
