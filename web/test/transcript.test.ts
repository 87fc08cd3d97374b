import { beforeEach, expect, test } from "vitest";
import type { RunEvent } from "../src/api/types";
import { type Step, Transcript } from "../src/pages/run/transcript";

let seq = 0;
beforeEach(() => {
  seq = 0;
});

function event(type: string, data: object, source = "agent"): RunEvent {
  seq += 3;
  return { seq, time: `2026-11-27T10:00:${String(seq).padStart(2, "0")}Z`, type, source, data };
}

const usage = { inputTokens: 10, outputTokens: 2 };
const call = (id: string, args = '{"command":"ls"}') => ({ id, name: "execute_command", arguments: args });
const message = (step: number, text: string, calls: object[] = []) =>
  event("model.message", {
    step,
    text,
    toolCalls: calls,
    usage,
    finishReason: calls.length ? "tool_calls" : "stop",
  });
const intent = (callId: string, action = "allow") =>
  event(
    "tool.intent",
    {
      callId,
      tool: "execute_command",
      target: "shell",
      args: { command: "ls" },
      argsDigest: "sha256:1",
      verdict: { action, rule: "p: rules[0]", reason: "why" },
    },
    "tools",
  );
const outcome = (callId: string, more = {}) =>
  event(
    "tool.outcome",
    { callId, ok: true, isError: false, summary: "a", bytes: 1, truncated: false, durationMs: 5, ...more },
    "tools",
  );

function told(...events: RunEvent[]): Transcript {
  const transcript = new Transcript();
  for (const one of events) expect(transcript.apply(one)).toBe(true);
  return transcript;
}

function step(transcript: Transcript, index: number): Step {
  const found = transcript.items.filter((item) => item.kind === "step")[index];
  if (!found) throw new Error(`no step ${index}`);
  return found;
}

test("a step is its text, its calls, what was allowed and what came of it", () => {
  const transcript = told(
    event("run.started", { model: "m", provider: "p", tools: ["execute_command"] }),
    event("step.started", { step: 1 }),
    message(1, "I look.", [call("c1")]),
    intent("c1"),
    outcome("c1"),
  );
  expect(transcript.model).toBe("m");
  const { text, writing, calls } = step(transcript, 0);
  expect({ text, writing }).toEqual({ text: "I look.", writing: false });
  expect(calls[0]).toMatchObject({
    id: "c1",
    tool: "execute_command",
    args: { command: "ls" },
    verdict: { action: "allow", rule: "p: rules[0]" },
    outcome: { ok: true, summary: "a" },
  });
});

test("a message that comes twice, as after a break, counts once", () => {
  const started = event("step.started", { step: 1 });
  const transcript = told(started, message(1, "one"));
  expect(transcript.apply(started)).toBe(false);
  expect(transcript.items.length).toBe(1);
});

test("text is written on, replaced by what is known, and at last by the message", () => {
  const transcript = told(event("step.started", { step: 1 }));
  transcript.delta(1, "Hel");
  transcript.delta(1, "lo");
  expect(step(transcript, 0)).toMatchObject({ text: "Hello", writing: true });
  transcript.partial(1, "lo w", false);
  expect(step(transcript, 0)).toMatchObject({ text: "lo w", partial: true });
  transcript.apply(message(1, "Hello world"));
  expect(step(transcript, 0)).toMatchObject({ text: "Hello world", writing: false, partial: false });
  transcript.delta(1, " late");
  expect(step(transcript, 0).text).toBe("Hello world");
});

test("a piece of a step that nobody announced yet opens it once", () => {
  const transcript = new Transcript();
  transcript.delta(2, "a");
  transcript.apply(event("step.started", { step: 2 }));
  transcript.delta(2, "b");
  expect(transcript.items.length).toBe(1);
  expect(step(transcript, 0).text).toBe("ab");
});

test("a call waits for a person until it is decided", () => {
  const transcript = told(
    event("step.started", { step: 1 }),
    message(1, "", [call("c1")]),
    intent("c1", "ask"),
    event("approval", { callId: "c1", preview: { kind: "diff", text: "+x", truncated: false } }, "tools"),
    event("tool.approval", { callId: "c1", state: "waiting", argsDigest: "sha256:1" }, "tools"),
  );
  expect(transcript.waiting?.id).toBe("c1");
  expect(transcript.waiting?.preview?.text).toBe("+x");
  transcript.apply(
    event("tool.approval", { callId: "c1", state: "Denied", decidedBy: "ada", comment: "no" }, "tools"),
  );
  expect(transcript.waiting).toBeNull();
  expect(step(transcript, 0).calls[0]?.approval).toMatchObject({ state: "Denied", by: "ada", comment: "no" });
});

test("an attempt that ended in the middle is not written on by the next one", () => {
  const transcript = told(
    event("run.started", { model: "m", provider: "p", tools: [] }),
    event("step.started", { step: 1 }),
  );
  transcript.delta(1, "half");
  transcript.apply(event("run.started", { model: "m", provider: "p", tools: [] }));
  transcript.apply(event("step.started", { step: 1 }));
  transcript.delta(1, "whole");
  expect(step(transcript, 0)).toMatchObject({ text: "half", writing: false });
  expect(step(transcript, 1)).toMatchObject({ text: "whole", writing: true });
  expect(transcript.items.some((item) => item.kind === "note" && item.text.includes("attempt 2"))).toBe(true);
});

test("a call whose id was used before belongs to the newest", () => {
  const transcript = told(
    event("step.started", { step: 1 }),
    message(1, "", [call("c")]),
    outcome("c"),
    event("step.started", { step: 2 }),
    message(2, "", [call("c")]),
    intent("c"),
  );
  expect(step(transcript, 0).calls[0]?.verdict).toBeNull();
  expect(step(transcript, 1).calls[0]?.verdict?.action).toBe("allow");
});

test("what the tool server says without the model having said it is shown all the same", () => {
  const transcript = told(intent("forged"), outcome("forged", { ok: false, isError: true, denied: true }));
  expect(step(transcript, 0).calls[0]).toMatchObject({ tool: "execute_command", outcome: { denied: true } });
});

test("arguments that are no JSON are shown as they are", () => {
  const transcript = told(event("step.started", { step: 1 }), message(1, "", [call("c", "{not json")]));
  expect(step(transcript, 0).calls[0]?.args).toBe("{not json");
});

test("a type that is not known is named, not left out", () => {
  const transcript = told(event("future.thing", {}, "tools"));
  expect(transcript.items).toMatchObject([{ kind: "note", text: "tools: future.thing" }]);
});

test("whatever changes is a new object, down to the call, so that it is drawn", () => {
  const transcript = told(event("step.started", { step: 1 }));
  const steps = new Set<unknown>([step(transcript, 0)]);
  const calls = new Set<unknown>();
  transcript.delta(1, "x");
  steps.add(step(transcript, 0));
  for (const one of [message(1, "x", [call("c1")]), intent("c1"), outcome("c1")]) {
    transcript.apply(one);
    steps.add(step(transcript, 0));
    calls.add(step(transcript, 0).calls[0]);
  }
  expect([steps.size, calls.size]).toEqual([5, 3]);
  expect(step(transcript, 0).calls.length).toBe(1);
});
