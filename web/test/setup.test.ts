import { expect, test } from "vitest";
import type { FoundEndpoint } from "../src/api/setup";
import { foundWords } from "../src/pages/setup/found";

const found = (more: Partial<FoundEndpoint>): FoundEndpoint => ({
  source: "node",
  baseURL: "http://10.0.0.1:11434/v1",
  provider: "ollama",
  models: ["a", "b"],
  keySet: false,
  problem: "",
  node: "",
  ...more,
});

test("what was found is said with its place", () => {
  expect(foundWords(found({ node: "gpu-1" }))).toBe("on node gpu-1, 2 models");
  expect(foundWords(found({ node: "gpu-1", models: [], problem: "it wants a key" }))).toBe(
    "on node gpu-1: it wants a key",
  );
  expect(foundWords(found({ source: "ollama", models: ["a"] }))).toBe(
    "Ollama on the server's machine, 1 model",
  );
  expect(foundWords(found({ source: "env", problem: "nothing answers" }))).toBe("nothing answers");
});
