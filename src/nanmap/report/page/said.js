"use strict";
// What is said before the map: paragraphs, and parts with a heading, a picture and texts to copy.

function showSaid() {
  const { document: told } = page;
  fill(document.getElementById("said"), ...[...told.refined, ...told.said].map(saidPart));
}

/** @param {string | {title: string, sentences: string[], picture: ?string[], texts: string[][]}} part */
function saidPart(part) {
  if (typeof part === "string") return element("p", {}, part);
  const { title, sentences, picture, texts } = part;
  return element(
    "section",
    {},
    element("h2", {}, title),
    sentences.length ? element("ul", {}, ...sentences.map((text) => element("li", {}, text))) : null,
    picture && element("img", { src: picture[0], alt: picture[1] }),
    ...texts.map(foldedText),
  );
}

function foldedText([title, text]) {
  return element(
    "details",
    {},
    element("summary", {}, title),
    element("pre", { tabIndex: 0 }, text),
    copyButton("Copy", () => text),
  );
}
