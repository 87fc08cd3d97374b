import { expect, test } from "vitest";
import { type Press, resolve } from "../src/app/keyboard";

const does = (keys: string) => ({ keys, does: keys, run: () => undefined });
const groups = [
  { title: "Everywhere", bindings: [does("?"), does("g r"), does("ctrl+k"), does("j")] },
  { title: "Page", bindings: [{ ...does("j"), does: "the page's" }] },
];
const press = (key: string, more: Partial<Press> = {}): Press => ({
  key,
  ctrlKey: false,
  metaKey: false,
  altKey: false,
  ...more,
});

test("one key", () => {
  expect(resolve(press("?"), "", groups).binding?.keys).toBe("?");
});

test("a pair: the first half waits, the second does it", () => {
  const first = resolve(press("g"), "", groups);
  expect(first).toEqual({ binding: null, prefix: "g" });
  expect(resolve(press("r"), first.prefix, groups).binding?.keys).toBe("g r");
});

test("a wrong second half does nothing and waits no more", () => {
  expect(resolve(press("x"), "g", groups)).toEqual({ binding: null, prefix: "" });
  expect(resolve(press("j"), "g", groups).binding).toBeNull();
});

test("the page's meaning of a key wins", () => {
  expect(resolve(press("j"), "", groups).binding?.does).toBe("the page's");
});

test("Control and Command are the same; Alt belongs to the browser", () => {
  expect(resolve(press("k", { ctrlKey: true }), "", groups).binding?.keys).toBe("ctrl+k");
  expect(resolve(press("K", { metaKey: true }), "", groups).binding?.keys).toBe("ctrl+k");
  expect(resolve(press("k"), "", groups).binding).toBeNull();
  expect(resolve(press("j", { ctrlKey: true }), "", groups).binding).toBeNull();
  expect(resolve(press("j", { altKey: true }), "", groups).binding).toBeNull();
});
