import { describe, expect, test } from "vitest";
import { diffLines, yamlTokens } from "../src/ui/syntax";

const YAML = `apiVersion: v1
# why
spec:
  - name: "a: b"
    "odd key": 12
    url: http://x/#y
    text: |
      <script>alert(1)</script>
  - plain
`;

describe("yaml", () => {
  test("loses no character", () => {
    expect(
      yamlTokens(YAML)
        .map(([, text]) => text)
        .join(""),
    ).toBe(YAML);
  });
  test("knows keys, numbers, strings and comments", () => {
    const found = yamlTokens(YAML).filter(([kind]) => kind);
    expect(found).toContainEqual(["k", "apiVersion:"]);
    expect(found).toContainEqual(["k", '"odd key":']);
    expect(found).toContainEqual(["s", '"a: b"']);
    expect(found).toContainEqual(["n", "12"]);
    expect(found).toContainEqual(["c", "# why"]);
  });
});

test("a diff's lines, with a sign for those who see no colour", () => {
  const text = "--- a\n+++ b\n@@ -1,2 +1,2 @@\n same\n-old\n+new\n--- not a file\n";
  expect(diffLines(text).map(({ kind, sign, text: line }) => [kind, sign, line])).toEqual([
    ["file", "", "--- a"],
    ["file", "", "+++ b"],
    ["hunk", "", "@@ -1,2 +1,2 @@"],
    ["same", "", "same"],
    ["del", "−", "old"],
    ["add", "+", "new"],
    ["del", "−", "-- not a file"],
  ]);
});
