"use strict";
// What stands beside the map: what is under the cursor, the best settings, and where all of it comes from.

const MOST_SORTED = 3000; // rows of a pixel among which the middle one is looked for: hovering must not wait

/** The facts under the cursor; all that does not fit a glance unfolds. */
function showFacts() {
  const section = document.getElementById("facts"),
    { cursor } = page.state;
  const head = element("h2", {}, "Under the cursor");
  if (!cursor)
    return void fill(
      section,
      head,
      element(
        "p",
        { className: "muted" },
        "Move over the map, or focus it and use the arrow keys. A click opens the training.",
      ),
    );
  const rows = rowsUnder(cursor),
    positions = positionsOf(page.grid, page.arrangement.view, cursor.panel, cursor.y, cursor.x);
  const row = middleOf(rows);
  const words =
    row === null
      ? [absenceInWords()]
      : rows.length > 1
        ? [`${fateInWords(rows)}. The middle one:`, ...trainingInWords(row)]
        : trainingInWords(row);
  fill(
    section,
    head,
    element("p", {}, element("strong", {}, settingsInWords(positions))),
    ...words.map((text) => element("p", {}, text)),
  );
}

/** What the live region says of a pixel: where, and what became of it. */
function spokenOf(cursor) {
  const rows = rowsUnder(cursor),
    positions = positionsOf(page.grid, page.arrangement.view, cursor.panel, cursor.y, cursor.x);
  const value = page.columns.get(page.state.value),
    row = middleOf(rows);
  const number = value && !value.named && row !== null ? `, ${value.label} ${textAt(value.name, row)}` : "";
  return `${settingsInWords(positions)}: ${fateInWords(rows)}${number}`;
}

/** Of the rows of a pixel the median one of what is coloured: the one that is told and that a click opens. */
function middleOf(rows) {
  if (!rows.length) return null;
  const value = page.columns.get(page.state.value),
    column = value?.stored ? value : page.columns.get("outcome");
  if (rows.length > MOST_SORTED) rows = rows.filter((_, i) => i % Math.ceil(rows.length / MOST_SORTED) === 0);
  const rank = column.named ? (row) => column.code(row) : (row) => rankOf(column, row);
  return [...rows].sort((a, b) => rank(a) - rank(b) || a - b)[Math.floor((rows.length - 1) / 2)];
}

function rankOf(column, row) {
  const kind = column.kind(row),
    value = column.value(row);
  if (kind === MISSING) return column.missing_is_best ? -Infinity : Infinity;
  if (kind === NAN) return Number.MAX_VALUE;
  return Math.max(-Number.MAX_VALUE, Math.min(column.better === "high" ? -value : value, 1e308));
}

function showBest() {
  const section = document.getElementById("best"),
    { works, never } = page.document.best;
  const head = element("h2", {}, "Best settings");
  if (!works.length)
    return void fill(section, head, element("p", {}, page.document.rows ? "Nothing converged." : "No rows yet."));
  const entry = (each) =>
    element(
      "li",
      {},
      element(
        "button",
        { type: "button", className: "text", onclick: () => select(each.cell, true) },
        `${each.sentence[0].toUpperCase()}${each.sentence.slice(1)}`,
      ),
      element("p", { className: "muted" }, robustInWords(each)),
    );
  fill(
    section,
    head,
    element(
      "p",
      { className: "muted" },
      "The settings that converge at the most learning rates; a click opens the training in their middle.",
    ),
    element("ol", {}, ...works.map(entry)),
    ...(never.length ? [element("p", {}, `Never: ${never.join("; ")}.`)] : []),
  );
}

/** How sure a share of starts is, and how far the rates that blow up are. */
function robustInWords({ converged, starts, interval, edge }) {
  const sure = interval
    ? `${converged} of ${starts} starts: with 95 % between ${percent(Math.round(1000 * interval[0]), 1000)} and ${percent(Math.round(1000 * interval[1]), 1000)} of all.`
    : "One start each: nothing is known of other seeds.";
  const far = edge
    ? ` Seen from the middle of these rates, the next that blows up is ${labelOf(edge.rate)}, ${labelOf(edge.times, 3)} times as large.`
    : "";
  return sure + far;
}

function showProvenance() {
  const { document: told } = page,
    notes = notesOf(told);
  fill(
    document.getElementById("provenance"),
    element("h2", {}, "Where this comes from"),
    element(
      "dl",
      {},
      ...told.provenance.flatMap(([heading, text]) => [element("dt", {}, heading), element("dd", {}, text)]),
    ),
    ...(notes.length
      ? [
          element("h3", {}, "What this page leaves out"),
          element("ul", {}, ...notes.map((note) => element("li", {}, note))),
        ]
      : []),
  );
}

/** What is not as exact, or not as complete, as the rows on disk. */
function notesOf(told) {
  const found = [];
  if (told.rounded)
    found.push("Numbers are rounded to 16 bits each, finer than a colour shows; the rows on disk are exact.");
  else if (told.rows) found.push("Numbers have six digits; the rows on disk are exact.");
  if (told.left_out.length) found.push(`Columns that did not fit: ${told.left_out.join(", ")}.`);
  const empty = Object.keys(told.empty);
  if (empty.length) found.push(`Columns without a value in any row: ${empty.join(", ")}.`);
  if (told.history && told.history.every > 1) found.push(`Of the recorded curves one in ${told.history.every}.`);
  return found;
}
