import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { PackSummary, PersonaState } from "../src/api/govern";
import { Problem } from "../src/api/problem";
import type { KubeObject } from "../src/api/types";
import { throttled } from "../src/api/useWatched";
import { enableBody, goes, shelf } from "../src/pages/packs/state";
import { marksOf as marksOfFindings } from "../src/pages/policies/check";
import { parseArguments } from "../src/pages/policies/try";
import { inWords } from "../src/pages/policies/words";
import { groupsOf, heaviest, weight } from "../src/pages/skills/rights";
import { marksOf, mismatch, placePath } from "../src/yaml/save";

function persona(name: string, more: Partial<PersonaState> = {}): PersonaState {
  return {
    name,
    displayName: null,
    model: null,
    skills: [],
    policy: null,
    schedule: null,
    instance: null,
    phase: null,
    lastRun: null,
    nextRun: null,
    excluded: false,
    ...more,
  };
}

function pack(name: string, more: Partial<PackSummary> = {}): PackSummary {
  return {
    namespace: "team-a",
    name,
    description: null,
    category: null,
    version: null,
    enabled: false,
    enabledIn: [],
    catalogue: false,
    phase: null,
    personas: [],
    warnings: [],
    ...more,
  };
}

describe("packs", () => {
  it("stand on three shelves, and are found by their personas", () => {
    const packs = [
      pack("z", { enabled: true }),
      pack("a", { enabled: true, personas: [persona("sre", { displayName: "Site Reliability" })] }),
      pack("off"),
      pack("offered", { catalogue: true }),
    ];
    const all = shelf(packs, "");
    expect(all.working.map((one) => one.name)).toEqual(["a", "z"]);
    expect(all.idle.map((one) => one.name)).toEqual(["off"]);
    expect(all.catalogue.map((one) => one.name)).toEqual(["offered"]);
    expect(shelf(packs, "reliab SITE").working.map((one) => one.name)).toEqual(["a"]);
    expect(shelf(packs, "reliab off").working).toEqual([]);
    expect(shelf(packs, "", "team-b").working).toEqual([]);
    expect(shelf(packs, "", "team-b").catalogue.map((one) => one.name)).toEqual(["offered"]);
  });

  it("are enabled with what was filled in, and nothing else", () => {
    const empty = {
      namespace: "n",
      model: " ",
      provider: "",
      baseURL: "",
      secret: "",
      policy: "",
      task: "",
      excluded: [],
    };
    expect(enableBody(empty)).toEqual({ excludePersonas: [] });
    expect(
      enableBody({ ...empty, model: " m ", provider: "openai", secret: "key", excluded: ["x"] }),
    ).toEqual({
      model: "m",
      provider: "openai",
      authRefs: [{ secret: "key", provider: "openai" }],
      excludePersonas: ["x"],
    });
  });

  it("take away what they made", () => {
    const personas = [
      persona("a", { instance: "p-a", schedule: "@hourly" }),
      persona("b", { instance: "p-b" }),
      persona("c"),
    ];
    expect(goes(personas)).toEqual({ instances: ["p-a", "p-b"], schedules: ["p-a-schedule"] });
  });
});

describe("rights", () => {
  const right = (resources: string[], verbs: string[], apiGroups = [""]) => ({
    apiGroups,
    resources,
    verbs,
    cluster: false,
  });
  it.each([
    [["pods"], ["get", "list"], "reads"],
    [["pods"], ["get", "delete"], "writes"],
    [["secrets"], ["get"], "power"],
    [["rolebindings"], ["create"], "power"],
    [["*"], ["get"], "power"],
    [["pods"], ["*"], "power"],
  ])("%j %j weigh %s", (resources, verbs, wanted) => {
    expect(weight(right(resources, verbs))).toBe(wanted);
  });
  it("of many weigh as the heaviest", () => {
    expect(heaviest([])).toBeNull();
    expect(heaviest([right(["pods"], ["get"]), right(["pods"], ["patch"])])).toBe("writes");
    expect(groupsOf(right([], [], ["", "apps"]))).toBe("core, apps");
  });
});

describe("saving", () => {
  const place = { plural: "sympoziumpolicies", namespace: "team-a", name: "p" };
  const object = (metadata: Record<string, string>, kind = "SympoziumPolicy") =>
    ({ apiVersion: "v", kind, metadata }) as unknown as KubeObject;

  it("is to one place, encoded", () => {
    expect(placePath({ ...place, name: "a/b" })).toBe("/namespaces/team-a/resources/sympoziumpolicies/a%2Fb");
    expect(placePath({ ...place, name: "" })).toBe("/namespaces/team-a/resources/sympoziumpolicies");
  });

  it.each([
    [{ name: "p" }, "SympoziumPolicy", null],
    [{ name: "p", namespace: "team-a" }, "SympoziumPolicy", null],
    [{ name: "q" }, "SympoziumPolicy", "metadata.name"],
    [{ name: "p", namespace: "other" }, "SympoziumPolicy", "metadata.namespace"],
    [{}, "SympoziumPolicy", "metadata.name"],
    [{ name: "p" }, "PersonaPack", "kind"],
  ])("%j of kind %s: %s", (metadata, kind, path) => {
    expect(mismatch(place, "SympoziumPolicy", object(metadata, kind))?.path ?? null).toBe(path);
  });

  it("shows causes at their lines", () => {
    const problem = new Problem({
      title: "Invalid",
      status: 422,
      causes: [{ field: "spec.a", message: "wrong" }, { field: "", message: "whole" }, { message: "" }],
    });
    expect(marksOf(problem, "kind: K\nspec:\n  a: 1\n").map(({ line, message }) => [line, message])).toEqual([
      [3, "wrong"],
      [1, "whole"],
    ]);
  });
});

it("findings are marks, with their cure", () => {
  const finding = {
    severity: "warning" as const,
    line: 0,
    column: null,
    path: "spec",
    message: "odd",
    hint: "do this",
  };
  expect(marksOfFindings([finding])).toEqual([
    { severity: "warning", line: 1, path: "spec", message: "odd (do this)" },
  ]);
});

it.each([
  ["", { args: {} }],
  ['{"a": 1}', { args: { a: 1 } }],
])("arguments %j", (text, wanted) => {
  expect(parseArguments(text)).toEqual(wanted);
});

it.each(["[1]", "1", "{a: 1}", "null"])("no arguments: %s", (text) => {
  expect(parseArguments(text)).toHaveProperty("mistake");
});

describe("reading again", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("is soon, and not more often than is bearable", () => {
    const run = vi.fn();
    const { ask, end } = throttled(run, 100, 1000);
    ask();
    ask();
    vi.advanceTimersByTime(99);
    expect(run).toHaveBeenCalledTimes(0);
    vi.advanceTimersByTime(1);
    expect(run).toHaveBeenCalledTimes(1);
    ask();
    vi.advanceTimersByTime(999);
    expect(run).toHaveBeenCalledTimes(1);
    vi.advanceTimersByTime(1);
    expect(run).toHaveBeenCalledTimes(2);
    ask();
    end();
    vi.advanceTimersByTime(5000);
    expect(run).toHaveBeenCalledTimes(2);
  });
});

describe("a policy in words", () => {
  it.each([
    [undefined, "allows every tool"],
    [{ toolGating: { defaultAction: "deny" } }, "denies every tool"],
    [
      {
        toolGating: {
          defaultAction: "deny",
          rules: [
            { tool: "read_*", action: "allow" },
            { tool: "execute_command", action: "ask", when: "true", target: "k8s" },
            { tool: "execute_command", action: "ask", when: "false", target: "k8s" },
          ],
        },
      },
      "asks about execute_command in k8s (some); allows read_*; denies the rest",
    ],
    [
      { toolGating: { rules: ["a", "b", "c", "d", "e", "f"].map((tool) => ({ tool, action: "deny" })) } },
      "denies a, b, c, d and 2 more; allows the rest",
    ],
  ])("%j", (spec, words) => {
    expect(inWords(spec)).toBe(words);
  });
});
