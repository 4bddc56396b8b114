"use strict";
// A cell trained again: its whole config as TOML, and the command.

/** The whole config, the command that trains the cell again, and what both take to be copied. */
function configPart(cell, row = -1) {
  const toml = tomlOf(cell),
    command = commandOf(cell, row);
  const told = command.text
    ? [element("pre", { id: "command", tabIndex: 0 }, command.text), copyButton("Copy the command", () => command.text)]
    : [element("p", { className: "muted" }, `No command trains it again: ${command.why}.`)];
  return element(
    "div",
    {},
    element("h3", {}, "Train it again"),
    ...told,
    element(
      "details",
      {},
      element("summary", {}, "Its whole config (TOML)"),
      element("p", { className: "muted" }, "Settings that are not named have their defaults."),
      element("pre", { id: "toml", tabIndex: 0 }, toml),
      copyButton("Copy the config", () => toml),
    ),
  );
}

/** @returns {{text: string, why: string}} */
function commandOf(cell, row) {
  const { runs } = page.document,
    sources = page.sources;
  const run = sources && row >= 0 ? runs[sources.run.value(row)] : runs[0];
  const number = sources && row >= 0 ? sources.cell.value(row) : cell;
  if (sources && row < 0) return { text: "", why: "no run has it" };
  return run.why_not ? { text: "", why: run.why_not } : { text: `nanmap run --cell ${number} ${run.words}`, why: "" };
}

/** The settings of a cell: those of the config, with those of its place on every axis laid over them. */
function settingsOf(cell) {
  const { base, alternatives } = page.document.config,
    found = new Map();
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
      if (value === null) found.delete(key(table, name));
      else found.set(key(table, name), value);
      for (const [one, other] of alternatives) if (one[0] === table && one[1] === name) found.delete(key(...other));
    }
  }
  return [...found].map(([each, value]) => [
    ...JSON.parse(each),
    Array.isArray(value) ? `[${value.join(", ")}]` : value,
  ]);
}

function tomlOf(cell) {
  const tables = new Map();
  for (const [table, name, value] of settingsOf(cell))
    tables.set(table, [...(tables.get(table) || []), `${name} = ${value}`]);
  return [...tables].map(([table, lines]) => `[${table}]\n${lines.join("\n")}\n`).join("\n");
}
