import { describe, expect, test } from "vitest";
import { href, location, match, namespace, parse, route } from "../src/app/router";

describe("parse", () => {
  test.each([
    ["", "/", ""],
    ["#", "/", ""],
    ["#/", "/", ""],
    ["#/runs", "/runs", ""],
    ["#runs/", "/runs", ""],
    ["#/runs?phase=Failed&phase=Running", "/runs", "phase=Failed&phase=Running"],
    ["#/runs/a/b?", "/runs/a/b", ""],
  ])("%s", (hash, path, query) => {
    const found = parse(hash);
    expect(found.path).toBe(path);
    expect(found.query.toString()).toBe(query);
  });
});

describe("match", () => {
  test("names the parts, decoded", () => {
    expect(match("/runs/:namespace/:name", "/runs/team%2Fa/b")).toEqual({ namespace: "team/a", name: "b" });
  });
  test("what cannot be decoded is taken as it is", () => {
    expect(match("/runs/:namespace/:name", "/runs/%/b")).toEqual({ namespace: "%", name: "b" });
  });
  test.each(["/runs", "/runs/a", "/runs/a/", "/runs/a/b/c", "/packs/a/b"])("not %s", (path) => {
    expect(match("/runs/:namespace/:name", path)).toBeNull();
  });
});

test("what route encodes, match gives back", () => {
  const odd = "a/b?c#d%20 é";
  expect(match("/runs/:namespace/:name", parse(`#${route("/runs", odd, odd)}`).path)).toEqual({
    namespace: odd,
    name: odd,
  });
});

test("links carry the picked namespace, unless they say another or none", () => {
  location.value = parse("#/runs?ns=team-a");
  expect(namespace.value).toBe("team-a");
  expect(href("/packs")).toBe("#/packs?ns=team-a");
  expect(href("/packs", { ns: null, q: ["x", "y"] })).toBe("#/packs?q=x&q=y");
  expect(href("/packs", { ns: "b" })).toBe("#/packs?ns=b");
  location.value = parse("#/");
  expect(href("/packs")).toBe("#/packs");
});
