import { expect, test } from "vitest";
import { sourceWords, triggerOf } from "../src/pages/triggers/trigger";

const object = (source: unknown, more: object = {}) => ({
  apiVersion: "sympozium.ai/v1alpha1",
  kind: "SympoziumTrigger",
  metadata: { namespace: "team", name: "t" },
  spec: { instanceRef: "sre", task: "look", source, ...more },
});

test("what a trigger listens to is said in a line", () => {
  const words = (source: unknown) => sourceWords(triggerOf(object(source)));
  expect(words({ kubernetesEvent: {} })).toBe("all events in team");
  expect(
    words({
      kubernetesEvent: { types: ["Warning"], reasons: ["BackOff"], kinds: ["Pod"], namespaces: ["shop"] },
    }),
  ).toBe("Warning events BackOff of Pod in shop");
  expect(words({ webhook: { secretRef: "s", format: "alertmanager" } })).toBe(
    "notifications of Alertmanager",
  );
  expect(words({ webhook: { secretRef: "s" } })).toBe("requests with JSON");
});

test("a trigger of which nothing is known yet is one that has made nothing", () => {
  const one = triggerOf(object({ kubernetesEvent: {} }, { suspend: true }));
  expect([one.ready, one.fired, one.suppressed, one.lastRun, one.suspended]).toEqual([
    null,
    0,
    0,
    null,
    true,
  ]);
});
