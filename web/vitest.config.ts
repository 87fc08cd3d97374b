// What is tested here has no DOM: what needs one is tested in a real browser (tests/browser).
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { include: ["test/**/*.test.ts"], environment: "node", isolate: false },
});
