"use strict";
// The page: its state, and what follows from a change of it. Everything else is a function of `page`.

const page = {
  document: null,
  grid: null,
  columns: null,
  history: null,
  firstTensors: null,
  sources: null,
  state: null,
  arrangement: null,
  painting: null,
  curves: [],
  kept: null,
  slice: null,
  other: false, // whether the newest rows are of another grid
};
const ORDER = ["arrange", "paint", "draw", "cursor"]; // a change of one asks for all that follow
const POLL = 4000; // milliseconds between two looks at a run that is being trained

async function start() {
  const held = document.getElementById("document");
  const told = JSON.parse(held.textContent);
  held.textContent = "";
  await openRun(told);
  listen();
  if (document.body.dataset.live === "yes") setTimeout(follow, POLL);
}

/** Takes the data of a run, keeping what was looked at if some was there before. */
async function openRun(told, before = null) {
  const anew = before && gridIn(told) !== gridIn(page.document),
    shown = anew ? linkOf({ ...before, fixed: new Map(), window: null, cell: null, pins: [] }) : location.hash;
  const columns = columnsOf(told),
    cells = told.cells ? Uint32Array.from(await unpacked(told.cells)) : null;
  const first = before
    ? [...columns.keys()]
    : ["outcome", "cause", "inferred", "sharpness", ...told.curves.map(({ column }) => column)];
  for (const name of first) await columns.get(name)?.load(); // what the first picture needs; of newer rows all, for nothing may flicker
  Object.assign(page, { document: told, columns, grid: new Grid(told, cells) });
  page.rate = told.config.base.find(([table, name]) => table === "optimizer" && name === "learning_rate")?.[2];
  page.state = anew || !before ? firstState() : before;
  const wrong = anew || !before ? readLink(shown, page.state) : [];
  if (!isValue(page.state.value)) page.state.value = firstState().value;
  if (anew || !page.slice?.value) page.slice = firstSlice();
  if (wrong.length && !anew) say(`The address names what this run does not have: ${listed(wrong)}.`);
  showHead();
  update("arrange", true);
  showBest();
  showProvenance();
  await loadRest();
}

/** All values of all axes: in another grid the numbers of cells mean others. */
function gridIn(told) {
  return JSON.stringify(told.axes.map(({ column, labels }) => [column, labels]));
}

/** Everything else, once the first picture stands. */
async function loadRest() {
  const { document: told } = page;
  for (const column of page.columns.values()) {
    const late = !column.stored;
    await column.load();
    if (late && column.name === page.state.value) update("paint");
  }
  page.sources = told.sources && { run: new Column(told.sources.run), cell: new Column(told.sources.cell) };
  if (page.sources) await Promise.all(Object.values(page.sources).map((column) => column.load()));
  page.history = told.history && (await historyOf(told.history));
  page.firstTensors = told.first_tensors && (await firstTensorsOf(told.first_tensors));
  document.body.dataset.ready = "yes";
  update(page.state.off.size ? "arrange" : "cursor"); // an address may filter by a column that was not there yet
  showTraining();
  showPinned();
  showSlices();
}

/** Recorded curves: columns, and of each cell where its points begin and end. */
async function historyOf(told) {
  const columns = new Map(Object.entries(told.columns).map(([name, packed]) => [name, new Column(packed)])),
    spans = new Map();
  for (const column of columns.values()) await column.load();
  const cells = columns.get("cell");
  for (let start = 0; start < told.rows;) {
    const cell = cells.value(start);
    let stop = start;
    while (stop < told.rows && cells.value(stop) === cell) stop++;
    spans.set(cell, [start, stop]);
    start = stop;
  }
  return { columns, spans };
}

/** First tensors: columns, and of each cell its place in them. */
async function firstTensorsOf(told) {
  const columns = new Map(Object.entries(told.columns).map(([name, packed]) => [name, new Column(packed)])),
    places = new Map();
  for (const column of columns.values()) await column.load();
  for (let place = 0; place < told.rows; place++) places.set(columns.get("cell").value(place), place);
  return { columns, places };
}

function firstState() {
  const { view } = page.document,
    numbers = page.columns.has("outcome") ? "outcome" : "";
  return {
    x: view.x || "",
    y: view.y || "",
    facets: view.facets,
    value: numbers,
    fixed: new Map(),
    off: new Set(),
    hidden: new Set(),
    window: null,
    cursor: null,
    cell: null,
    pins: [],
    lettered: true,
    neighbours: "",
  };
}

function showHead() {
  const { document: told } = page,
    judged = Object.entries(told.judged).map(([name, value]) => `outcome.${name} = ${labelOf(value)}`);
  document.getElementById("title").textContent = told.title || told.name;
  document.getElementById("trained").textContent = `${told.name}: ${told.trained}`;
  const total = page.grid.size,
    part =
      told.complete || !told.rows
        ? ""
        : ` of ${told.where ? "at most " : ""}${total.toLocaleString("en")}, not all trained yet`;
  document.getElementById("budget").textContent = [
    told.budget,
    `${counted(told.rows, told.refined.length ? "cell" : "training")}${part}`,
    ...(judged.length ? [`judged by ${judged.join(", ")}`] : []),
  ].join(" · ");
  showSaid();
}

/** Makes what changed, and what hangs on it. @param {string} from the first of `ORDER` that changed */
function update(from, controls = false) {
  const at = ORDER.indexOf(from),
    { state, grid } = page;
  if (at <= 0) {
    page.kept = keptRows();
    const view = {
      x: grid.axis(state.x),
      y: grid.axis(state.y),
      facets: state.facets.map((column) => grid.axis(column)),
      fixed: state.fixed,
    };
    page.arrangement = arrange(grid, view, page.kept);
    page.curves = curvesOf(page.arrangement);
    const { width, height } = page.arrangement;
    const [x0, x1, y0, y1] = state.window || [-1, -1, -1, -1];
    if (x0 < 0 || y0 < 0 || x1 > width || y1 > height) state.window = [0, width, 0, height];
    if (state.cursor && !fits(state.cursor)) state.cursor = null;
  }
  if (at <= 1) {
    const column = page.columns.get(state.value);
    page.painting =
      !grid.rows || (column && !column.stored) ? blankPainting(page.arrangement) : paint(page.arrangement, state.value);
    showLegend();
  }
  if (at <= 2) drawMap();
  else drawCursor();
  if (controls) showControls();
  if (at <= 0) showBelow();
  describe();
  showFacts();
  keepLink();
}

/** What stands below the map and hangs on the rows that it shows, once nobody moves a slider any more. */
function showBelow() {
  clearTimeout(page.below);
  page.below = setTimeout(() => {
    redrawSlices();
    showSiblings();
  }, 100);
}

function fits({ panel, y, x }) {
  const { panels, width, height } = page.arrangement;
  return panel < panels && y < height && x < width;
}

/** The map in words, for who does not see it. */
function describe() {
  const { x, y } = page.arrangement.view,
    value = page.columns.get(page.state.value)?.label ?? `share: ${page.state.value}`;
  const what = `${value}${x ? ` by ${x.label}` : ""}${y ? ` and ${y.label}` : ""}`;
  document.getElementById("heading").textContent = what;
  document.getElementById("cursor").setAttribute("aria-label", `Map of ${what}`);
}

/** Which rows the legend leaves; null where it leaves all. */
function keptRows() {
  const filters = [...page.state.off]
    .map((key) => {
      const [name, text] = splitLast(key),
        column = page.columns.get(name);
      return { column, test: column.named ? column.listed?.indexOf(text) : Number(text) };
    })
    .filter(({ column }) => column.stored);
  if (!filters.length) return null;
  const kept = new Uint8Array(page.grid.rows).fill(1);
  for (const { column, test } of filters)
    for (let row = 0; row < kept.length; row++)
      if ((column.named ? column.code(row) : column.kind(row)) === test) kept[row] = 0;
  return kept;
}

/** Opens a training below the map. */
function select(cell, move = false) {
  page.state.cell = cell;
  const pixel = pixelOf(page.grid, page.arrangement.view, cell);
  if (pixel) page.state.cursor = pixel;
  update("cursor");
  showTraining();
  if (move) document.getElementById("training").scrollIntoView({ block: "nearest" });
}

/** Asks the address that this page came from for newer rows, until nobody answers. */
async function follow() {
  try {
    const answer = await fetch("data", { cache: "no-cache" });
    const state = answer.headers.get("ETag");
    const newer = answer.ok && state !== page.seen ? await answer.json() : null;
    if (newer) {
      page.other = gridIn(newer) !== gridIn(page.document);
      page.seen = state;
      await openRun(newer, page.state);
    }
    const goesOn = page.document.complete
      ? "The run is complete."
      : `The run goes on: ${counted(page.grid.rows, "training")} so far.`;
    say(page.other ? `It has other cells than before: what was chosen is let go. ${goesOn}` : goesOn);
    setTimeout(follow, POLL);
  } catch {
    say("The command that served this page has ended. What is shown is what was there last.");
  }
}

start();
