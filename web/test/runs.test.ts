import { describe, expect, test } from "vitest";
import type { RunSummary, Span } from "../src/api/types";
import { headline } from "../src/pages/run/call";
import { laidOut } from "../src/pages/run/waterfall";
import { applyChange, mergeHead } from "../src/pages/runs/list";

const run = (uid: string, more: Partial<RunSummary> = {}): RunSummary => ({
  namespace: "a",
  name: uid,
  uid,
  instance: "i",
  phase: "Running",
  task: "t",
  createdAt: "2026-11-27T10:00:00Z",
  steps: 0,
  toolCalls: 0,
  inputTokens: 0,
  outputTokens: 0,
  suspended: false,
  ...more,
});
const rows = (text: string) => [...text].map((uid) => run(uid));
const uids = (all: readonly RunSummary[]) => all.map((one) => one.uid).join("");

describe("a fresh first page", () => {
  test.each([
    ["new ones come first", "abcdef", "xab", false, "xabcdef"],
    ["what left the page goes", "abcdef", "ac", false, "acdef"],
    ["the whole list is the list", "abcdef", "ax", true, "ax"],
    ["more is new than a page holds: what lies between is not known", "abc", "xyz", false, "xyz"],
    ["nothing was shown yet", "", "ab", false, "ab"],
  ])("%s", (_, shown, head, whole, expected) => {
    expect(uids(mergeHead(rows(shown), rows(head), whole))).toBe(expected);
  });
});

describe("a change", () => {
  test("of a row that is shown replaces it and keeps where it was found", () => {
    const match = [{ field: "task", before: "", hit: "t", after: "" }];
    const shown = [run("a"), run("b", { match })];
    const { rows: after, known } = applyChange(shown, "MODIFIED", run("b", { phase: "Succeeded" }));
    expect(known).toBe(true);
    expect(after[1]).toMatchObject({ phase: "Succeeded", match });
    expect(shown[1]?.phase).toBe("Running");
  });
  test("takes a deleted one out", () => {
    expect(uids(applyChange(rows("abc"), "DELETED", run("b")).rows)).toBe("ac");
  });
  test("of another one is not known here", () => {
    const shown = rows("ab");
    expect(applyChange(shown, "ADDED", run("z"))).toEqual({ rows: shown, known: false });
  });
});

describe("the waterfall", () => {
  const span = (id: string, from: number, until: number | null, parent: string | null = null): Span => ({
    id,
    kind: "tool",
    name: id,
    startedAt: new Date(from).toISOString(),
    endedAt: until === null ? null : new Date(until).toISOString(),
    status: null,
    parent,
  });
  test("is a tree in the order of time; what goes on ends now", () => {
    const {
      rows: all,
      from,
      until,
    } = laidOut(
      [span("s2", 50, null), span("t", 20, 30, "s1"), span("s1", 10, 40), span("lost", 15, 16, "gone")],
      100,
    );
    expect(all.map(({ span: one, depth, running }) => [one.id, depth, running])).toEqual([
      ["s1", 0, false],
      ["t", 1, false],
      ["lost", 0, false],
      ["s2", 0, true],
    ]);
    expect([from, until]).toEqual([10, 100]);
  });
  test("shows spans that are each other's parents, once", () => {
    expect(laidOut([span("a", 1, 2, "b"), span("b", 1, 2, "a")], 9).rows.length).toBe(2);
  });
});

test("a call in a line", () => {
  expect(headline({ command: "ls -l", target: "x" })).toBe("ls -l");
  expect(headline({ anything: "one" })).toBe("one");
  expect(headline({ a: 1, b: 2 })).toBe('{"a":1,"b":2}');
  expect(headline("raw")).toBe("raw");
  expect(headline(null)).toBe("");
});
