"use strict";
// Columns of a run: unpacked on first use from base64, gzip and byte planes into typed arrays. report/packing.py is the other half.

const EMPTY = 0,
  NUMBER = 1,
  INFINITE = 2,
  NAN = 3,
  MISSING = 4; // what stands in a numeric column, as analysis/pixels.py has it
const MISSING_WORD = 0x7ff80001;
const LEVEL = { zero: 0, minus: 65532, plus: 65533, nan: 65534, missing: 65535 };
const BEND = 1e-3;

const pair = new Float64Array(1);
const halves = new Uint32Array(pair.buffer);
const UPPER = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1 ? 1 : 0; // which half is the upper one on this machine

/** The float64 whose upper half a word is. @param {number} word @returns {number} */
function ofWord(word) {
  halves[UPPER] = word;
  halves[1 - UPPER] = 0;
  return pair[0];
}

/** Bytes of a base64 text. @param {string} text @returns {Uint8Array<ArrayBuffer>} */
function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const letters = atob(text),
    bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes;
}

/** The whole numbers of a packed column. @returns {Promise<Uint8Array|Uint16Array|Uint32Array>} */
async function unpacked(packed) {
  const stream = new Blob([bytesOf(packed.data)]).stream().pipeThrough(new DecompressionStream("gzip"));
  const planes = new Uint8Array(await new Response(stream).arrayBuffer());
  const { width } = packed,
    count = planes.length / width;
  if (width === 1) return planes;
  const numbers = width === 2 ? new Uint16Array(count) : new Uint32Array(count);
  for (let plane = 0; plane < width; plane++) {
    const start = plane * count,
      shift = 8 * plane;
    for (let i = 0; i < count; i++) numbers[i] |= planes[start + i] << shift;
  }
  return numbers;
}

/** One column. Of names `code` says the place among `verdicts`; of numbers `kind` and `value`. */
class Column {
  constructor(told) {
    Object.assign(this, told);
    this.named = told.form === "name";
    this.stored = null;
    this.outcomes = null; // decides what a missing number is in trainings that ended as NaN or infinite
  }

  async load() {
    if (this.stored) return;
    this.stored = await unpacked(this);
    this.data = "";
    this.absent = this.form === "count" ? 2 ** (8 * this.width) - 1 : null;
    if (this.named) {
      const order = this.verdicts || this.names;
      this.listed = order;
      this.places = Int16Array.from(this.names, (name) => order.indexOf(name));
    }
  }

  code(row) {
    return this.places[this.stored[row]];
  }

  text(row) {
    return this.names[this.stored[row]];
  }

  kind(row) {
    const kind = this.stands(row);
    if (kind !== MISSING || !this.outcomes) return kind;
    return this.ends[this.outcomes.text(row)] || MISSING;
  }

  stands(row) {
    const stored = this.stored[row];
    if (this.form === "count") return stored === this.absent ? MISSING : NUMBER;
    if (this.form === "level") {
      if (stored < LEVEL.minus) return NUMBER;
      return stored === LEVEL.missing ? MISSING : stored === LEVEL.nan ? NAN : INFINITE;
    }
    if (stored === MISSING_WORD) return MISSING;
    const exponent = stored & 0x7ff00000;
    return exponent !== 0x7ff00000 ? NUMBER : (stored & 0xfffff) === 0 ? INFINITE : NAN;
  }

  /** The number, infinite ones among them; NaN for NaN and for a missing one. */
  value(row) {
    const stored = this.stored[row];
    if (this.form === "count") return stored === this.absent ? NaN : stored;
    if (this.form === "word") return ofWord(stored);
    if (stored === LEVEL.zero) return 0;
    if (stored >= LEVEL.minus) return stored === LEVEL.plus ? Infinity : stored === LEVEL.minus ? -Infinity : NaN;
    const place = this.low + (stored - 1) * this.step;
    return this.signed ? Math.sign(place) * BEND * Math.expm1(Math.abs(place)) : Math.exp(place);
  }
}

/** All columns of a document by name. @returns {Map<string, Column>} */
function columnsOf(document_) {
  const columns = new Map(document_.columns.map((told) => [told.name, new Column(told)]));
  for (const column of columns.values())
    if (Object.keys(column.ends || {}).length) column.outcomes = columns.get("outcome") || null;
  return columns;
}
