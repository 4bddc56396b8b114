"use strict";
// The legend: what the colours mean, with how many trainings have each; what is unticked is left out.

/** What the colours mean, with how many trainings have each; a click leaves some out. */
function showLegend() {
  const { painting, curves, state } = page;
  const parts = [element("h2", {}, "Legend")];
  if (painting.bar) parts.push(colourBar(painting.bar));
  if (painting.legend.length) parts.push(element("ul", {}, ...painting.legend.map(legendEntry)));
  if (curves.length) parts.push(element("h3", {}, "Lines"), element("ul", {}, ...curves.map(curveEntry)));
  if (painting.inferred) parts.push(element("p", { className: "muted" }, dotsInWords()));
  if (painting.heading) parts.push(element("p", { className: "muted" }, painting.heading));
  if (state.off.size) parts.push(element("button", { type: "button", onclick: () => showAll() }, "Show all again"));
  fill(document.getElementById("legend"), ...parts);
}

/** What the dots say: of what was filled in only the names are known. */
function dotsInWords() {
  const value = page.columns.get(page.state.value);
  return value && !value.named
    ? "dots: not trained; the outcome is filled in from around, numbers are not"
    : "dots: filled in from around, not trained";
}

function showAll() {
  page.state.off.clear();
  update("arrange");
  focusOn("#legend input");
}

function legendEntry(entry) {
  const { state } = page;
  const box = element("input", {
    type: "checkbox",
    checked: !state.off.has(entry.key),
    onchange: () => {
      if (box.checked) state.off.delete(entry.key);
      else state.off.add(entry.key);
      update("arrange");
      focusOn(`#legend input[data-key="${CSS.escape(entry.key)}"]`);
    },
  });
  box.dataset.key = entry.key;
  const text = `${entry.label}  ${entry.count.toLocaleString("en")} · ${percent(entry.count, page.grid.rows)}`;
  return element(
    "li",
    {},
    element("label", { title: entry.sentence || "" }, box, swatch(entry.colour, entry.letter), ` ${text}`),
  );
}

function swatch(colour, letter) {
  const made = element("span", { className: "swatch", ariaHidden: "true" }, letter || "");
  if (colour === null) return made;
  made.style.backgroundColor = hexOf(colour);
  made.style.color = inkOn(colour);
  return made;
}

function curveEntry(curve) {
  const { state } = page;
  const box = element("input", {
    type: "checkbox",
    checked: !state.hidden.has(curve.key),
    onchange: () => {
      if (box.checked) state.hidden.delete(curve.key);
      else state.hidden.add(curve.key);
      update("draw");
    },
  });
  return element("li", {}, element("label", {}, box, curveSample(curve), ` ${curve.label}`));
}

/** A short piece of the line, as the map draws it. */
function curveSample(curve) {
  const canvas = element("canvas", { className: "sample", width: 80, height: 28, ariaHidden: "true" }),
    context = canvas.getContext("2d");
  context.scale(2, 2);
  context.fillStyle = "#777";
  context.fillRect(0, 0, 40, 14);
  if (curve.measured) {
    context.fillStyle = "#000";
    context.strokeStyle = "#fff";
    context.beginPath();
    context.arc(20, 7, 3, 0, 2 * Math.PI);
    context.fill();
    context.stroke();
    return canvas;
  }
  for (const [colour, thick, dashes] of [
    ["#000", 3.2, []],
    ["#fff", 1.6, curve.dashes.map((length) => 1.6 * length)],
  ]) {
    context.strokeStyle = colour;
    context.lineWidth = thick;
    context.setLineDash(dashes);
    line(context, 2, 7, 38, 7);
  }
  return canvas;
}

function colourBar(bar) {
  const canvas = element("canvas", { className: "bar", width: 256, height: 14, ariaHidden: "true" }),
    context = canvas.getContext("2d");
  const image = context.createImageData(256, 14),
    out = new Uint32Array(image.data.buffer);
  for (let i = 0; i < out.length; i++) out[i] = bar.palette[i % 256];
  context.putImageData(image, 0, 0);
  const past = bar.past
    ? [element("span", { className: "past" }, swatch(bar.past.colour, ""), ` ${bar.past.label}`)]
    : [];
  return element(
    "div",
    {},
    element("p", {}, bar.label),
    canvas,
    element("p", { className: "ends" }, element("span", {}, bar.low), element("span", {}, bar.high)),
    ...past,
  );
}
