"use strict";
// The training that was chosen: what became of it, its curve, its settings, the command that trains it again; and two side by side.

const MARKS = [["loss_initial", 0], ["loss_at_50", 50], ["loss_at_80", 80], ["loss_at_90", 90], ["loss_final", 100]];
const APART = 2; // losses further apart than this factor have parted

/** Shows the chosen cell below the map, or nothing. */
function showTraining() {
  const section = document.getElementById("training"), { cell } = page.state;
  section.hidden = cell === null;
  if (cell === null) return;
  const row = page.grid.row(cell);
  const head = element("h2", {}, `Cell ${cell.toLocaleString("en")}: ${settingsInWords(page.grid.positions(cell))}`);
  if (row < 0) {
    section.replaceChildren(head, element("p", {}, absenceInWords()), configPart(cell));
    return;
  }
  const plot = element("div", { className: "plot" });
  section.replaceChildren(
    head,
    siblings(cell),
    ...trainingInWords(row).map((sentence) => element("p", {}, sentence)),
    element("div", { className: "buttons" }, pinButton(cell), linkButton()),
    plot,
    fiveLosses(row),
    neighbourChooser(cell),
    configPart(cell, row),
    allColumns(row),
  );
  drawTraining(plot, cell);
}

/** Buttons through the trainings that share the pixel. */
function siblings(cell) {
  const rows = rowsUnder(pixelOf(page.grid, page.arrangement.view, cell)), at = rows.findIndex((row) => page.grid.cell(row) === cell);
  if (rows.length < 2 || at < 0) return null;
  const go = (step) => () => select(page.grid.cell(rows[(at + step + rows.length) % rows.length]));
  return element(
    "p", { className: "buttons" },
    element("button", { type: "button", onclick: go(-1), ariaLabel: "Previous training of this pixel" }, "‹"),
    ` training ${at + 1} of ${rows.length.toLocaleString("en")} in this pixel `,
    element("button", { type: "button", onclick: go(1), ariaLabel: "Next training of this pixel" }, "›"),
  );
}

/** Rows of a pixel of the map at hand. */
function rowsUnder(pixel) {
  if (!pixel) return [];
  const { width, height, start, rows } = page.arrangement, p = (pixel.panel * height + pixel.y) * width + pixel.x;
  return Array.from(rows.subarray(start[p], start[p + 1]));
}

function pinButton(cell) {
  const pinned = page.state.pins.includes(cell);
  const toggle = () => {
    page.state.pins = pinned ? page.state.pins.filter((each) => each !== cell) : [...page.state.pins, cell].slice(-2);
    update("cursor");
    showTraining();
    showPinned();
    document.querySelector("#training .buttons button")?.focus();
  };
  return element("button", { type: "button", onclick: toggle }, pinned ? "Unpin" : "Pin to compare");
}

function linkButton() {
  return copyButton("Copy the link to this pixel", () => location.href.replace(/#.*/s, "") + linkOf(page.state));
}

/** A button that copies a text, and says so. */
function copyButton(words, text) {
  const button = element("button", { type: "button", onclick: async () => {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Could not copy: select the text";
    }
    setTimeout(() => (button.textContent = words), 1500);
  } }, words);
  return button;
}

function fiveLosses(row) {
  const told = MARKS.map(([name, share]) => [share ? `at ${share} %` : "at the start", textAt(name, row)]).filter(([, text]) => text !== null);
  if (!told.length) return null;
  return element("table", { className: "losses" },
    element("caption", {}, "Loss over all training rows, by share of the budget"),
    element("tr", {}, ...told.map(([when]) => element("th", { scope: "col" }, when))),
    element("tr", {}, ...told.map(([, text]) => element("td", {}, text))));
}

/** Points of a cell's curve: its history where it was recorded, else its five losses. @returns {{x: number[], y: number[], recorded: boolean}} */
function curveOf(cell, name = "loss") {
  const span = page.history?.spans.get(cell), column = page.history?.columns.get(name);
  if (span && column) {
    const rows = Array.from({ length: span[1] - span[0] }, (_, i) => span[0] + i);
    return { x: rows.map((row) => page.history.columns.get("step").value(row)), y: rows.map((row) => column.value(row)), recorded: true };
  }
  const row = page.grid.row(cell);
  if (name !== "loss" || row < 0) return { x: [], y: [], recorded: false };
  const known = MARKS.filter(([mark]) => page.columns.get(mark)?.stored);
  return { x: known.map(([, share]) => share), y: known.map(([mark]) => page.columns.get(mark).value(row)), recorded: false };
}

function drawTraining(target, cell) {
  const curves = [{ label: "loss", ...curveOf(cell), width: 2.5 }];
  for (const other of neighbours(cell)) curves.push({ label: other.label, ...curveOf(other.cell), width: 1 });
  const recorded = curves[0].recorded;
  if (recorded) for (const name of ["gradient_norm", "sharpness"]) if (page.history.columns.has(name)) curves.push({ label: name.replace("_", " "), ...curveOf(cell, name), width: 1.2 });
  plotCurves(target, curves, recorded ? "update" : "% of the budget", "loss");
}

/** Cells on both sides along the axis that is chosen for it. */
function neighbours(cell) {
  const axis = page.grid.axis(page.state.neighbours);
  if (!axis) return [];
  const positions = page.grid.positions(cell), place = axis.place[positions[axis.dimension]];
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
  const options = [option("", "nobody", !page.state.neighbours), ...axes.map((axis) => option(axis.column, axis.column, axis.column === page.state.neighbours))];
  const chosen = element("select", { onchange: () => {
    page.state.neighbours = chosen.value;
    drawTraining(document.querySelector("#training .plot"), cell);
  } }, ...options);
  return element("p", {}, element("label", {}, "with its neighbours along ", chosen));
}

/** The whole config, the command that trains the cell again, and what both take to be copied. */
function configPart(cell, row = -1) {
  const toml = tomlOf(cell), command = commandOf(cell, row);
  const told = command.text
    ? [element("pre", { id: "command", tabIndex: 0 }, command.text), copyButton("Copy the command", () => command.text)]
    : [element("p", { className: "muted" }, `No command trains it again: ${command.why}.`)];
  return element("div", {},
    element("h3", {}, "Train it again"), ...told,
    element("details", {}, element("summary", {}, "Its whole config (TOML)"),
      element("p", { className: "muted" }, "Settings that are not named have their defaults."),
      element("pre", { id: "toml", tabIndex: 0 }, toml), copyButton("Copy the config", () => toml)));
}

/** @returns {{text: string, why: string}} */
function commandOf(cell, row) {
  const { runs } = page.document, sources = page.sources;
  const run = sources && row >= 0 ? runs[sources.run.value(row)] : runs[0];
  const number = sources && row >= 0 ? sources.cell.value(row) : cell;
  if (sources && row < 0) return { text: "", why: "no run has it" };
  return run.why_not ? { text: "", why: run.why_not } : { text: `nanmap run --cell ${number} ${run.words}`, why: "" };
}

/** The settings of a cell: those of the config, with those of its place on every axis laid over them. */
function settingsOf(cell) {
  const { base, alternatives } = page.document.config, found = new Map();
  const key = (table, name) => JSON.stringify([table, name]);
  for (const [table, name, value] of base) found.set(key(table, name), Array.isArray(value) ? [...value] : value);
  for (const axis of page.grid.axes) {
    for (const [table, name, place, value] of axis.settings[page.grid.position(cell, axis.dimension)]) {
      if (place >= 0) {
        const list = found.get(key(table, name)) || [];
        list[place] = value;
        found.set(key(table, name), list);
        continue;
      }
      found.set(key(table, name), value);
      for (const [one, other] of alternatives) if (one[0] === table && one[1] === name) found.delete(key(...other));
    }
  }
  return [...found].map(([each, value]) => [...JSON.parse(each), Array.isArray(value) ? `[${value.join(", ")}]` : value]);
}

function tomlOf(cell) {
  const tables = new Map();
  for (const [table, name, value] of settingsOf(cell)) tables.set(table, [...(tables.get(table) || []), `${name} = ${value}`]);
  return [...tables].map(([table, lines]) => `[${table}]\n${lines.join("\n")}\n`).join("\n");
}

function allColumns(row) {
  const { columns, document: told } = page;
  const line_ = (name, text, meaning) => element("tr", { title: meaning }, element("th", { scope: "row" }, name), element("td", {}, text));
  const found = [...columns.values()].map((column) => line_(column.name, textAt(column.name, row), column.meaning));
  const empty = Object.entries(told.empty).map(([name, why]) => line_(name, `– (${why || "missing"})`, ""));
  return element("details", { id: "columns" }, element("summary", {}, "Everything in its row"), element("table", {}, ...found, ...empty));
}

/** Two pinned trainings: what differs in their settings, and where their curves part. */
function showPinned() {
  const section = document.getElementById("pinned"), [a, b] = page.state.pins;
  section.hidden = !page.state.pins.length;
  if (section.hidden) return;
  const head = element("h2", {}, "Side by side");
  if (b === undefined) {
    section.replaceChildren(head, element("p", {}, `Cell ${a.toLocaleString("en")} is pinned as A. Choose another training and pin it, too.`));
    return;
  }
  const plot = element("div", { className: "plot" });
  section.replaceChildren(head, differences(a, b), element("p", {}, partingOf(a, b)), plot);
  const curves = [a, b].map((cell, i) => ({ label: `${"AB"[i]}: cell ${cell}`, ...curveOf(cell), width: 2 }));
  plotCurves(plot, curves, curves[0].recorded && curves[1].recorded ? "update" : "% of the budget", "loss");
}

function differences(a, b) {
  const [one, other] = [a, b].map((cell) => new Map(settingsOf(cell).map(([table, name, value]) => [`${table}.${name}`, value])));
  const names = [...new Set([...one.keys(), ...other.keys()])].filter((name) => one.get(name) !== other.get(name));
  const rows = [a, b].map((cell) => page.grid.row(cell));
  const facts = ["outcome", "cause", "loss_final", "first_inf_step", "first_nan_step"].map((name) => [name, ...rows.map((row) => (row < 0 ? "not trained" : textAt(name, row)))]);
  const line_ = ([name, left, right]) => element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, left ?? "–"), element("td", {}, right ?? "–"));
  return element("table", {},
    element("caption", {}, names.length ? "What differs in the settings, and what became of both" : "The same settings"),
    element("tr", {}, element("td", {}, ""), element("th", { scope: "col" }, `A: cell ${a}`), element("th", { scope: "col" }, `B: cell ${b}`)),
    ...names.map((name) => line_([name, one.get(name), other.get(name)])),
    ...facts.map(line_));
}

/** Where the losses of two cells part, in words. */
function partingOf(a, b) {
  const [one, other] = [curveOf(a), curveOf(b)];
  if (one.recorded !== other.recorded) return "Only one of them has a recorded curve.";
  const where = (x) => (one.recorded ? `update ${labelOf(x)}` : x ? `${x} % of the budget` : "the start");
  for (let i = 0; i < one.x.length; i++) {
    const j = other.x.indexOf(one.x[i]);
    if (j < 0) continue;
    const [left, right] = [one.y[i], other.y[j]];
    const same = Object.is(left, right) || (left > 0 && right > 0 && Math.max(left, right) <= APART * Math.min(left, right));
    if (!same) return `Their losses part at ${where(one.x[i])}: ${labelOf(left)} and ${labelOf(right)}, more than a factor ${APART}.`;
  }
  return one.x.length ? `Their losses stay within a factor ${APART} of each other.` : "Neither has losses on this page.";
}
