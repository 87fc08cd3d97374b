import { describe, expect, it } from "vitest";
import { days, series, ticks, type UsageRow, write } from "../src/pages/usage/figures";

function row(day: string, model: string | null, tokens: number, cost: string | null = null): UsageRow {
  return {
    keys: { day, model },
    runs: 1,
    succeeded: 1,
    failed: 0,
    inputTokens: tokens,
    outputTokens: 0,
    toolCalls: 0,
    durationMs: 0,
    cost,
  };
}

const three = ["2026-11-25", "2026-11-26", "2026-11-27"];

describe("series", () => {
  it("has a value for each day, and names what has no key", () => {
    const rows = [
      row("2026-11-25", "a", 5),
      row("2026-11-27", "a", 7),
      row("2026-11-27", null, 1),
      row("2026-01-01", "a", 99),
    ];
    expect(series(rows, "model", "tokens", three)).toEqual([
      { name: "a", values: [5, 0, 7], total: 12 },
      { name: "(none)", values: [0, 0, 1], total: 1 },
    ]);
  });

  it("puts what is small together and says how much that is", () => {
    const rows = ["a", "b", "c", "d"].map((name, index) => row("2026-11-26", name, 10 - index));
    const found = series(rows, "model", "tokens", three, 2);
    expect(found.map((each) => each.name)).toEqual(["a", "b", "everything else (2)"]);
    expect(found.at(-1)?.values).toEqual([0, 15, 0]);
  });

  it("counts a run without a price as nothing", () => {
    const rows = [row("2026-11-25", "a", 5), row("2026-11-26", "a", 5, "0.25")];
    expect(series(rows, "model", "cost", three)[0]?.values).toEqual([0, 0.25, 0]);
  });
});

it("counts days in UTC, today the last", () => {
  expect(days(3, Date.parse("2026-11-27T23:59:00Z"))).toEqual(three);
  expect(days(2, Date.parse("2026-03-01T00:00:00Z"))).toEqual(["2026-02-28", "2026-03-01"]);
});

it.each([
  [0, [0, 1]],
  [7, [0, 2, 4, 6, 8]],
  [100, [0, 25, 50, 75, 100]],
  [0.003, [0, 0.001, 0.002, 0.003]],
])("an axis up to %d", (greatest, wanted) => {
  expect(ticks(greatest)).toEqual(wanted);
});

it.each([
  [0, "tokens", "0"],
  [12_400, "tokens", "12.4 k"],
  [0, "cost", "$0.00"],
  [61_000, "time", "1 m 01 s"],
] as const)("%d of %s", (value, measure, text) => {
  expect(write(value, measure, null)).toBe(text);
});
