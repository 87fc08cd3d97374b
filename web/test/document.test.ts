import { describe, expect, it } from "vitest";
import type { KubeObject } from "../src/api/types";
import { difference, editable, lineOf, read, readable, steps, write } from "../src/yaml/document";

const policy: KubeObject = {
  kind: "SympoziumPolicy",
  status: { boundInstances: 2 },
  metadata: {
    name: "p",
    namespace: "team-a",
    uid: "1",
    resourceVersion: "7",
    managedFields: [{}],
    annotations: { "kubectl.kubernetes.io/last-applied-configuration": "{}" },
  } as KubeObject["metadata"],
  apiVersion: "sympozium.ai/v1alpha1",
  spec: {
    toolGating: {
      rules: [
        { tool: "a*", action: "deny" },
        { tool: "b", action: "ask", when: "args.x == '1:30'" },
      ],
    },
  },
};
const text = `apiVersion: sympozium.ai/v1alpha1
kind: SympoziumPolicy
metadata:
  name: p
  labels:
    sympozium.ai/x: "1"
spec:
  toolGating:
    rules:
      - tool: "a*"
        action: deny
      - tool: b
        action: ask
`;

describe("what is edited", () => {
  it("leaves out what the server keeps", () => {
    expect(editable(policy).metadata).toEqual({ name: "p", namespace: "team-a" });
    expect(editable(policy).status).toBeUndefined();
    expect(readable(policy).metadata).not.toHaveProperty("managedFields");
    expect(readable(policy).status).toEqual({ boundInstances: 2 });
  });

  it("is the same object again, in the order that people expect", () => {
    const written = write(editable(policy));
    expect(written.startsWith("apiVersion: sympozium.ai/v1alpha1\nkind: SympoziumPolicy\nmetadata:")).toBe(
      true,
    );
    expect(read(written).object).toEqual(editable(policy));
  });

  it.each([
    ["a: [1", 1],
    ["apiVersion: v1\nkind: K\nkind: L\nmetadata: {}", 3],
    ["apiVersion: v1\nkind: K", 1],
    ["- 1", 1],
    ["", 1],
  ])("says the line of what is no object: %j", (broken, line) => {
    const found = read(broken);
    expect(found.object).toBeNull();
    expect(found.marks[0]?.line).toBe(line);
  });

  it("does not unfold a bomb of aliases", () => {
    const lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"];
    for (let level = 1; level < 9; level++)
      lines.push(
        `a${level}: &a${level} [${Array(10)
          .fill(`*a${level - 1}`)
          .join(", ")}]`,
      );
    expect(read(lines.join("\n")).object).toBeNull();
  });
});

describe("the line of a field", () => {
  it.each([
    ["spec.toolGating.rules[1].action", 13],
    ["spec.toolGating.rules[0]", 10],
    ["spec.toolGating.rules[1].when", 12],
    ["spec.toolGating.rules[7].when", 9],
    ["metadata.labels[sympozium.ai/x]", 6],
    ["body.spec.toolGating", 8],
    ["", 1],
    ["nowhere", 1],
  ])("%s is at %i", (path, line) => {
    expect(lineOf(text, path)).toBe(line);
  });

  it("takes paths as Kubernetes writes them", () => {
    expect(steps('spec.a[0]["b.c/d"].e')).toEqual(["spec", "a", 0, "b.c/d", "e"]);
  });
});

describe("a difference", () => {
  it("is empty for the same text", () => expect(difference(text, text)).toBe(""));
  it("has the changed lines and no file header", () => {
    const found = difference(text, text.replace("action: deny", "action: allow"));
    expect(found.startsWith("@@")).toBe(true);
    expect(found).toContain("-        action: deny\n+        action: allow\n");
  });
});
