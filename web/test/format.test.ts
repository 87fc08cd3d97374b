import { describe, expect, test } from "vitest";
import { bytes, count, duration, money, plural, relative } from "../src/ui/format";

test.each([
  [null, ""],
  [-5, "0 ms"],
  [820, "820 ms"],
  [4_240, "4.2 s"],
  [9_949, "9.9 s"],
  [9_960, "10 s"],
  [59_400, "59 s"],
  [59_600, "1 m 00 s"],
  [185_000, "3 m 05 s"],
  [3_600_000, "1 h 00 m"],
  [7_800_000, "2 h 10 m"],
  [273_600_000, "3 d 4 h"],
])("duration %s", (ms, text) => {
  expect(duration(ms)).toBe(text);
});

describe("relative", () => {
  const now = 1_800_000_000_000;
  test.each([
    [-3_000, "now"],
    [-40_000, "40 s ago"],
    [-90_000, "1 m ago"],
    [300_000, "in 5 m"],
    [-47 * 3_600_000, "47 h ago"],
    [-72 * 3_600_000, "3 d ago"],
  ])("%s", (by, text) => {
    expect(relative(now + by, now)).toBe(text);
  });
});

test.each([
  [0, "0"],
  [999, "999"],
  [1_000, "1.0 k"],
  [99_960, "100 k"],
  [999_499, "999 k"],
  [999_500, "1.0 M"],
  [3_210_000, "3.2 M"],
])("count %s", (value, text) => {
  expect(count(value)).toBe(text);
});

test.each([
  [0, "$0.00"],
  [0.0042, "$0.0042"],
  [0.00421, "$0.0042"],
  [1.239, "$1.24"],
])("money %s", (amount, text) => {
  expect(money(amount, "USD")).toBe(text);
});

test("a currency that the browser does not know is written as it is", () => {
  expect(money(1.5, "not one")).toBe("1.50 not one");
});

test("sizes and plurals", () => {
  expect([bytes(900), bytes(1536), bytes(20_480), bytes(3 * 1024 ** 2)]).toEqual([
    "900 B",
    "1.5 KiB",
    "20 KiB",
    "3.0 MiB",
  ]);
  expect([plural(1, "run"), plural(2_000, "run"), plural(2, "reply", "replies")]).toEqual([
    "1 run",
    "2,000 runs",
    "2 replies",
  ]);
});
