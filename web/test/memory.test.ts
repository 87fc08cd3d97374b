import { expect, test } from "vitest";
import { firstLine, share } from "../src/pages/memory/notes";

test("sizes say how much room is left", () => {
  expect(share({ bytes: 15, maxBytes: 1024 })).toBe("15 B, 2 %");
  expect(share({ bytes: 2048, maxBytes: 2048 })).toBe("2.0 KiB, 100 %");
  expect(share({ bytes: 15, maxBytes: null })).toBe("15 B");
});

test("the first line that says something stands for the notes", () => {
  expect(firstLine("\n  \n- the pod lies\n- more")).toBe("- the pod lies");
  expect(firstLine("")).toBe("");
});
