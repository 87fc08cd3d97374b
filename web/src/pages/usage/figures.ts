/** Figures of the usage page: what is asked, how rows become bars, and how numbers are written. */
import type { components } from "../../api/openapi";
import { count, duration, money } from "../../ui/format";

type Schemas = components["schemas"];
export type UsageSums = Schemas["UsageSums"];
export type UsageRow = Schemas["UsageRow"];
export type Usage = Schemas["Usage"];

export const dimensions = ["pack", "persona", "instance", "model", "namespace", "user"] as const;
export type Dimension = (typeof dimensions)[number];
export const measures = ["cost", "tokens", "runs", "time"] as const;
export type Measure = (typeof measures)[number];
export const spans = [7, 30, 90] as const;

export function one<T>(all: readonly T[], text: string | null, otherwise: T): T {
  return all.find((value) => String(value) === text) ?? otherwise;
}

export function measureOf(row: UsageSums, measure: Measure): number {
  if (measure === "cost") return Number(row.cost ?? 0);
  if (measure === "runs") return row.runs;
  return measure === "time" ? row.durationMs : row.inputTokens + row.outputTokens;
}

const DAY_MS = 86_400_000;

/** The days of a span in UTC, as the server counts them, the last of them today. */
export function days(span: number, now: number): string[] {
  return Array.from({ length: span }, (_, index) =>
    new Date(now - (span - 1 - index) * DAY_MS).toISOString().slice(0, 10),
  );
}

export interface Series {
  readonly name: string;
  readonly total: number;
  /** One number a day. */
  readonly values: number[];
}

const REST = "everything else";
export const NOBODY = "(none)";

/** One series for each of the `most` greatest keys, and one for what is left. Days without runs are zero, not absent. */
export function series(
  rows: readonly UsageRow[],
  dimension: string,
  measure: Measure,
  allDays: readonly string[],
  most = 5,
): Series[] {
  const place = new Map(allDays.map((day, index) => [day, index]));
  const found = new Map<string, number[]>();
  for (const row of rows) {
    const at = place.get(row.keys.day ?? "");
    if (at === undefined) continue;
    const name = row.keys[dimension] || NOBODY;
    const values = found.get(name) ?? new Array<number>(allDays.length).fill(0);
    values[at] = (values[at] ?? 0) + measureOf(row, measure);
    found.set(name, values);
  }
  const all = [...found].map(([name, values]) => ({
    name,
    values,
    total: values.reduce((sum, value) => sum + value, 0),
  }));
  all.sort((a, b) => b.total - a.total || a.name.localeCompare(b.name));
  if (all.length <= most + 1) return all;
  const rest = all.slice(most);
  const values = allDays.map((_, index) => rest.reduce((sum, each) => sum + (each.values[index] ?? 0), 0));
  return [
    ...all.slice(0, most),
    { name: `${REST} (${rest.length})`, values, total: rest.reduce((sum, each) => sum + each.total, 0) },
  ];
}

/** Round numbers for an axis from zero, the last at or above the greatest value. */
export function ticks(greatest: number, about = 4): number[] {
  if (!(greatest > 0)) return [0, 1];
  const rough = greatest / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= rough) ?? 10 * power;
  const count = Math.ceil(greatest / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, index) => Number((index * step).toPrecision(12)));
}

export function write(value: number, measure: Measure, currency: string | null): string {
  if (measure === "cost") return money(value, currency || "USD");
  return measure === "time" ? duration(value) : count(value) || "0";
}
