import { describe, expect, it } from "vitest";
import { fitting, labels, marks, place, span, ticksOf, worst } from "../src/pages/schedules/timeline";

const NOW = Date.parse("2026-11-27T12:00:00Z");
const HOUR = 3_600_000;
const at = (hours: number) => new Date(NOW + hours * HOUR).toISOString();

it("has now at two thirds, and says what is not on the line", () => {
  const shown = span(48, NOW);
  expect(place(NOW, shown)).toBeCloseTo(66.67, 1);
  expect(place(NOW - 33 * HOUR, shown)).toBeNull();
  expect(place(NOW + 17 * HOUR, shown)).toBeNull();
});

describe("marks", () => {
  const ticks = ticksOf({
    past: [
      { at: at(-2), run: "a", phase: "Succeeded" },
      { at: at(-1.99), run: "b", phase: "Failed" },
      { at: at(-40), run: "long ago", phase: "Succeeded" },
      { at: at(-0.01), run: "last", phase: "Succeeded" },
    ],
    next: [at(0.01)],
  });

  it("put together what could not be told apart, and never past and future", () => {
    const found = marks(ticks, span(48, NOW));
    expect(found.map((mark) => mark.ticks.map((tick) => tick.run))).toEqual([["a", "b"], ["last"], [null]]);
    expect(worst(found[0]?.ticks ?? [])).toBe("Failed");
  });
});

it("chooses a window in which something is seen", () => {
  expect(fitting([{ past: [], next: [at(0.2)] }], NOW)).toBe(6);
  expect(fitting([{ past: [{ at: at(-20) }], next: [at(4)] }], NOW)).toBe(48);
  expect(fitting([{ past: [], next: [at(24 * 40)] }], NOW)).toBe(336);
  expect(fitting([], NOW)).toBe(6);
});

it("shows the phase that needs a look", () => {
  const tick = (phase: string | null) => ({ at: 0, run: null, phase, coming: false });
  expect(worst([tick("Succeeded"), tick("Running")])).toBe("Running");
  expect(worst([tick(null), tick("Succeeded")])).toBe("Succeeded");
  expect(worst([tick("Running"), tick("Cancelled"), tick("Failed")])).toBe("Failed");
  expect(worst([tick(null)])).toBeNull();
});

it.each([6, 48, 336])("labels a window of %d hours", (hours) => {
  const found = labels(span(hours, NOW));
  expect(found.length).toBeGreaterThanOrEqual(2);
  expect(found.length).toBeLessThanOrEqual(6);
  for (const label of found) expect(new Date(label.at).getMinutes()).toBe(0);
});
