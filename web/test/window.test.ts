import { expect, test } from "vitest";
import { visible } from "../src/ui/window";

test("heights add up to the whole, wherever the table is scrolled", () => {
  for (const total of [0, 1, 5, 37, 10_000]) {
    for (const top of [0, 1, 400, 399_999, 1e9]) {
      const { first, end, before, after } = visible(total, 40, top, 800);
      expect(before + (end - first) * 40 + after).toBe(total * 40);
      expect(first).toBeLessThanOrEqual(end);
    }
  }
});

test("what can be seen is in the document, and little more", () => {
  const { first, end } = visible(10_000, 40, 200_000, 800);
  expect(first).toBeLessThanOrEqual(5_000);
  expect(end).toBeGreaterThanOrEqual(5_020);
  expect(end - first).toBeLessThan(60);
});
