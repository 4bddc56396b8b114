"use strict";
// What can be chosen: axes, panels, single values, and what is coloured.

/** An element with properties and children; texts become text, never markup. */
function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name in made && name !== "list") made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Gives the focus to the first element that a selector finds, if there is one. */
function focusOn(selector) {
  /** @type {HTMLElement | null} */ (document.querySelector(selector))?.focus();
}

/** A canvas of the page. @returns {HTMLCanvasElement} */
function canvasOf(id) {
  return /** @type {HTMLCanvasElement} */ (document.getElementById(id));
}

/** Puts parts into an element, in place of those that were there; nothing is no part. */
function fill(target, ...parts) {
  target.replaceChildren(...parts.flat().filter((part) => part !== null && part !== undefined));
}

function option(value, text, chosen) {
  return element("option", { value, selected: chosen }, text);
}

/** Puts the choices into the form, as the state has them. */
function showControls() {
  const form = document.getElementById("controls"),
    focused = document.activeElement?.id;
  const axes = page.grid.axes;
  fill(
    form,
    chooser("value", "colour by", valueOptions()),
    ...(axes.length ? [chooser("x", "along the bottom", axisOptions(page.state.x, false))] : []),
    ...(axes.length > 1 ? [chooser("y", "up the side", axisOptions(page.state.y, true))] : []),
    ...restDimensions().map(restChooser),
  );
  if (focused) focusOn(`#controls #${CSS.escape(focused)}`);
}

function chooser(name, label, options) {
  const select = element("select", { id: `choose-${name}`, onchange: () => choose(name, select.value) }, ...options);
  return element("label", {}, `${label} `, select);
}

function axisOptions(chosen, none) {
  const options = page.grid.axes.map((axis) => option(axis.column, axis.label, axis.column === chosen));
  return none ? [option("", "nothing", !chosen), ...options] : options;
}

function valueOptions() {
  const { state, columns } = page,
    all = [...columns.values()];
  const outcomes = columns.get("outcome");
  const there = outcomes ? outcomes.listed.filter((name) => outcomes.names.includes(name)) : [];
  const group = (label, options) => (options.length ? [element("optgroup", { label }, ...options)] : []);
  return [
    ...group(
      "what became of it",
      all.filter((each) => each.named).map((each) => option(each.name, each.label, each.name === state.value)),
    ),
    ...group(
      "share of the runs",
      there.map((name) => option(name, `share: ${name}`, name === state.value)),
    ),
    ...group(
      "numbers",
      all.filter((each) => !each.named).map((each) => option(each.name, each.label, each.name === state.value)),
    ),
  ];
}

/** Dimensions that neither side of the map shows. */
function restDimensions() {
  const shown = [page.state.x, page.state.y].map((column) => page.grid.axis(column)?.dimension);
  return page.grid.shape
    .map((_, dimension) => dimension)
    .filter((dimension) => !shown.includes(dimension) && page.grid.shape[dimension] > 1);
}

/** One of the others: all its values together in a pixel, panels side by side, or a single value on a slider. */
function restChooser(dimension) {
  const axis = page.grid.along(dimension)[0],
    { state } = page,
    name = axis.column;
  const way = state.facets.includes(name) ? "panels" : state.fixed.has(dimension) ? "one" : "together";
  const select = element(
    "select",
    { id: `choose-${name}`, onchange: () => chooseRest(dimension, select.value) },
    option("together", "all together", way === "together"),
    option("panels", "panels", way === "panels"),
    option("one", "one value", way === "one"),
  );
  const parts = [element("label", {}, `${name} `, select)];
  if (way === "one") parts.push(slider(dimension, axis));
  return element("span", { className: "rest" }, ...parts);
}

function slider(dimension, axis) {
  const said = (place) => labelOf(axis.labels[axis.order[place]]);
  const place = axis.place[page.state.fixed.get(dimension)];
  const told = element("output", {}, said(place));
  const input = element("input", {
    id: `slide-${axis.column}`,
    type: "range",
    min: "0",
    max: String(axis.labels.length - 1),
    step: "1",
    value: String(place),
    "aria-label": `value of ${axis.column}`,
    "aria-valuetext": said(place),
    oninput: () => {
      told.textContent = said(Number(input.value));
      input.setAttribute("aria-valuetext", told.textContent);
      page.state.fixed.set(dimension, axis.order[Number(input.value)]);
      update("arrange");
    },
  });
  return element("span", {}, input, " ", told);
}

/** A choice of an axis or of what is coloured; what no longer fits is let go. */
function choose(name, value) {
  const { state } = page,
    before = state[name];
  state[name] = value;
  if (name !== "value") {
    const [x, y] = [page.grid.axis(state.x), page.grid.axis(state.y)];
    if (x && y && x.dimension === y.dimension)
      state[name === "x" ? "y" : "x"] =
        (page.grid.axis(before)?.dimension === x.dimension ? "" : before) || otherAxis(x.dimension);
    const shown = [page.grid.axis(state.x)?.dimension, page.grid.axis(state.y)?.dimension];
    state.facets = state.facets.filter((column) => !shown.includes(page.grid.axis(column).dimension));
    for (const dimension of shown) state.fixed.delete(dimension);
    state.window = null;
    state.cursor = null;
  }
  say("");
  update(name === "value" ? "paint" : "arrange", true);
}

function otherAxis(dimension) {
  return page.grid.axes.find((axis) => axis.dimension !== dimension)?.column || "";
}

function chooseRest(dimension, way) {
  const { state } = page,
    axis = page.grid.along(dimension)[0];
  const facets = state.facets.filter((column) => column !== axis.column);
  if (way === "panels") {
    const count = [...facets, axis.column].reduce(
      (product, column) => product * page.grid.axis(column).labels.length,
      1,
    );
    if (count > MOST_PANELS) {
      say(
        `${counted(count, "panel")} are too many to read: at most ${MOST_PANELS}. Choose one value of ${axis.column} instead.`,
      );
      return showControls();
    }
    facets.push(axis.column);
  }
  state.facets = facets;
  state.fixed.delete(dimension);
  if (way === "one") state.fixed.set(dimension, axis.order[0]);
  state.cursor = null;
  say("");
  update("arrange", true);
}

/** A sentence for the reader, above the map. */
function say(text) {
  document.getElementById("status").textContent = text;
}
