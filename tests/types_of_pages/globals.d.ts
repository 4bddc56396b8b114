// What the page's scripts find and do not make themselves: uPlot, what a document says of a column, and a method that not every browser has.

declare const uPlot: any;

interface Uint8ArrayConstructor {
  fromBase64?(text: string): Uint8Array<ArrayBuffer>;
}

/** As report/rows.py tells a column, and report/packing.py packs it. */
interface Column {
  name: string;
  label: string;
  meaning: string;
  unit: string;
  better: "low" | "high" | null;
  scale: "linear" | "log" | "steps" | "rank" | "share";
  why_missing: string;
  missing_is_best: boolean;
  ends: Record<string, number>;
  set: string | null;
  verdicts: string[] | null;
  form: "word" | "level" | "count" | "name";
  width: number;
  data: string;
  names: string[];
  low: number;
  step: number;
  signed: boolean;
}
