import { describe, expect, it } from "vitest";
import type { ApprovalSummary } from "../src/api/types";
import {
  argumentsOf,
  asWanted,
  keyOf,
  left,
  moved,
  nextWaiting,
  ordered,
} from "../src/pages/approvals/inbox";

const NOW = Date.parse("2026-11-27T12:00:00Z");

function approval(name: string, more: Partial<ApprovalSummary> = {}): ApprovalSummary {
  return {
    namespace: "team-a",
    name,
    run: "r",
    instance: "i",
    tool: "t",
    target: null,
    args: {},
    argsDigest: `sha256:${name}`,
    preview: null,
    reason: null,
    requestedAt: "2026-11-27T11:00:00Z",
    expiresAt: "2026-11-27T13:00:00Z",
    decision: null,
    decidedBy: null,
    decidedAt: null,
    comment: null,
    scope: null,
    mayDecide: true,
    ...more,
  };
}

const names = (items: ApprovalSummary[]) => items.map((one) => one.name);

describe("order", () => {
  it("has what expires first at the top and what is decided at the end", () => {
    const items = [
      approval("decided-old", { decision: "Approved", decidedAt: "2026-11-27T10:00:00Z" }),
      approval("later", { expiresAt: "2026-11-27T14:00:00Z" }),
      approval("decided-new", { decision: "Denied", decidedAt: "2026-11-27T11:00:00Z" }),
      approval("never", { expiresAt: null }),
      approval("soon", { expiresAt: "2026-11-27T12:01:00Z" }),
    ];
    expect(names(ordered(items))).toEqual(["soon", "later", "never", "decided-new", "decided-old"]);
  });
});

describe("moving", () => {
  const items = [approval("a"), approval("b"), approval("c")];
  it("goes by name, and stops at the ends", () => {
    expect(moved(items, null, 1)).toBe("team-a/a");
    expect(moved(items, null, -1)).toBe("team-a/c");
    expect(moved(items, "team-a/a", 1)).toBe("team-a/b");
    expect(moved(items, "team-a/c", 1)).toBe("team-a/c");
    expect(moved([], "team-a/gone", 1)).toBe("team-a/gone");
  });

  it("goes on to the next that this person may decide, round the end", () => {
    const mixed = [
      approval("first"),
      approval("decided", { decision: "Denied" }),
      approval("here"),
      approval("not-mine", { mayDecide: false }),
    ];
    expect(nextWaiting(mixed, "team-a/here")).toBe("team-a/first");
    expect(nextWaiting([approval("here"), approval("not-mine", { mayDecide: false })], "team-a/here")).toBe(
      "team-a/not-mine",
    );
    expect(nextWaiting([approval("here")], "team-a/here")).toBeNull();
  });
});

describe("what is left", () => {
  it.each([
    [null, "no limit", "calm"],
    ["2026-11-27T12:00:00Z", "expired", "over"],
    ["2026-11-27T12:00:09Z", "0m 09s", "soon"],
    ["2026-11-27T12:05:01Z", "5m 01s", "calm"],
    ["2026-11-27T13:04:59Z", "1h 04m", "calm"],
    ["2026-11-29T15:00:00Z", "2d 3h", "calm"],
  ])("%s is %s", (at, text, state) => {
    expect(left(at, NOW)).toEqual({ text, state });
  });
});

it("takes arguments that are no object as one", () => {
  expect(argumentsOf({ a: "x\ny", b: { c: 1 } })).toEqual([
    { name: "a", text: "x\ny" },
    { name: "b", text: '{\n  "c": 1\n}' },
  ]);
  expect(argumentsOf(["x"])).toEqual([{ name: "", text: '[\n  "x"\n]' }]);
});

it("knows the states of its address", () => {
  expect(asWanted("all")).toBe("all");
  expect(asWanted("__proto__")).toBe("waiting");
  expect(keyOf(approval("a"))).toBe("team-a/a");
});
