/**
 * A run's messages as what a person reads: steps with their text and tool calls, and what happened between.
 *
 * No I/O. `apply` takes the events of the stream in whatever way they come: each message once by its place, pieces of text and
 * `partial` in between, all of it again after a break. What it does not know is shown by its name, never left out.
 *
 * Whatever changes is a new object, down to the call: views draw again what is not the same (signals make every component that
 * uses a hook compare its properties).
 */
import type { Preview, RunEvent } from "../../api/types";

export interface Decision {
  action: string;
  rule: string;
  reason: string;
  instead?: string;
  audited?: { action: string; rule: string; reason: string };
}

export interface Call {
  readonly id: string;
  tool: string;
  target: string;
  /** As the tool server shows them; before that, as the model wrote them. */
  args: unknown;
  startedAt: string | null;
  verdict: Decision | null;
  policy: string | null;
  approval: { state: string; by: string | null; comment: string | null; digest: string | null } | null;
  preview: Preview | null;
  outcome: {
    ok: boolean;
    isError: boolean;
    denied: boolean;
    summary: string;
    bytes: number;
    truncated: boolean;
    durationMs: number;
  } | null;
  /** A run or a schedule that the call asked for, and what it was answered. */
  asked: { kind: string; text: string; instance: string | null } | null;
  answer: { ok: boolean; text: string } | null;
}

interface Base {
  readonly key: string;
  readonly time: string;
}

export interface Step extends Base {
  readonly kind: "step";
  readonly number: number;
  text: string;
  /** Text is being written, as far as it is known; not yet the message itself. */
  writing: boolean;
  /** The beginning of what is being written is missing. */
  partial: boolean;
  calls: Call[];
  usage: { inputTokens: number; outputTokens: number; estimated?: boolean } | null;
  finishReason: string | null;
}

export interface Noted extends Base {
  readonly kind: "note";
  readonly tone: "calm" | "wait" | "bad" | "hold";
  readonly text: string;
}

export interface Result extends Base {
  readonly kind: "result";
  readonly phase: string;
  readonly reason: string;
  readonly text: string;
  readonly error: string | null;
}

export type Item = Step | Noted | Result;

export class Transcript {
  readonly items: Item[] = [];
  /** Place of the newest message. */
  last = 0;
  model: string | null = null;
  provider: string | null = null;
  tools: string[] = [];
  frozen = false;
  #attempt = 0;
  #unknown = 0;

  /** A message of the run. Returns false for one that was there already. */
  apply(event: RunEvent): boolean {
    if (event.seq <= this.last) return false;
    this.last = event.seq;
    const take = this.#takers[event.type];
    if (take) take(event.data, event);
    else this.#note(event, "calm", `${event.source}: ${event.type}`);
    return true;
  }

  /** A piece of the text that is being written. */
  delta(step: number, text: string): void {
    const found = this.#writing(step);
    if (!found) return;
    found.text += text;
  }

  /** All of it as far as it is known; in the place of what there was. */
  partial(step: number, text: string, whole: boolean): void {
    const found = this.#writing(step);
    if (!found) return;
    found.text = text;
    found.partial = !whole;
  }

  /** The newest step that has tool calls which wait for a person. */
  get waiting(): Call | null {
    for (const item of [...this.items].reverse()) {
      if (item.kind !== "step") continue;
      const call = item.calls.find((one) => one.approval?.state === "waiting" && !one.outcome);
      if (call) return call;
    }
    return null;
  }

  #writing(step: number): Step | null {
    const at = this.#find(step);
    if (at === null) return this.#open(step, `w${this.last}-${step}`, new Date().toISOString());
    const found = this.#fresh(at);
    return found.finishReason === null ? found : null;
  }

  #open(number: number, key: string, time: string): Step {
    const step: Step = {
      kind: "step",
      key,
      time,
      number,
      text: "",
      writing: true,
      partial: false,
      calls: [],
      usage: null,
      finishReason: null,
    };
    this.items.push(step);
    return step;
  }

  /** A copy of the step at that place, in its place. */
  #fresh(at: number): Step {
    const item = this.items[at];
    if (item?.kind !== "step") throw new Error(`no step at ${at}`);
    const copy = { ...item, calls: [...item.calls] };
    this.items[at] = copy;
    return copy;
  }

  /** The place of the newest step of that number in this attempt. */
  #find(number: number): number | null {
    for (let at = this.items.length - 1; at >= 0; at -= 1) {
      const item = this.items[at];
      if (item?.kind === "note" && item.key.startsWith("attempt")) return null;
      if (item?.kind === "step" && item.number === number) return at;
    }
    return null;
  }

  #call(id: string, event: RunEvent): Call {
    let newest: number | null = null;
    for (let at = this.items.length - 1; at >= 0; at -= 1) {
      const item = this.items[at];
      if (item?.kind !== "step") continue;
      newest ??= at;
      const index = item.calls.findIndex((one) => one.id === id);
      const call = item.calls[index];
      if (!call) continue;
      const copy = { ...call };
      this.#fresh(at).calls[index] = copy;
      return copy;
    }
    // The tool server's word without the model's: shown all the same.
    const step = newest === null ? this.#open(0, `s${event.seq}`, event.time) : this.#fresh(newest);
    const call = emptyCall(id);
    step.calls.push(call);
    return call;
  }

  /** Nobody writes on what was being written: the attempt is over. */
  #settle(): void {
    for (const [at, item] of this.items.entries()) {
      if (item.kind !== "step" || !item.writing) continue;
      const step = this.#fresh(at);
      step.writing = false;
      step.finishReason = "";
    }
  }

  #note(event: RunEvent, tone: Noted["tone"], text: string, key = "n"): void {
    this.items.push({ kind: "note", key: `${key}${event.seq}`, time: event.time, tone, text });
  }

  // biome-ignore lint/suspicious/noExplicitAny: sympozium.bus.data has checked what each type carries
  readonly #takers: Record<string, (data: any, event: RunEvent) => void> = {
    "run.started": (data, event) => {
      this.#attempt += 1;
      this.#settle();
      this.model = data.model;
      this.provider = data.provider;
      this.tools = data.tools;
      if (this.#attempt > 1) this.#note(event, "wait", `Started again: attempt ${this.#attempt}`, "attempt");
      if (data.before) this.#note(event, "calm", `Goes on after ${data.before} earlier messages`);
    },
    "step.started": (data, event) => {
      const at = this.#find(data.step);
      const open = at === null ? null : this.items[at];
      if (open?.kind === "step" && open.finishReason === null) return;
      this.#open(data.step, `s${event.seq}`, event.time);
    },
    "model.message": (data, event) => {
      const at = this.#find(data.step);
      const step = at === null ? this.#open(data.step, `s${event.seq}`, event.time) : this.#fresh(at);
      step.text = data.text;
      step.writing = false;
      step.partial = false;
      step.usage = data.usage;
      step.finishReason = data.finishReason || "stop";
      for (const wanted of data.toolCalls) {
        if (step.calls.some((one) => one.id === wanted.id)) continue;
        step.calls.push({ ...emptyCall(wanted.id), tool: wanted.name, args: parsed(wanted.arguments) });
      }
    },
    "tool.intent": (data, event) => {
      const call = this.#call(data.callId, event);
      call.tool = data.tool;
      call.target = data.target;
      call.args = data.args;
      call.verdict = data.verdict;
      call.policy = data.policy ?? null;
      call.startedAt = event.time;
    },
    approval: (data, event) => {
      this.#call(data.callId, event).preview = data.preview ?? null;
    },
    "tool.approval": (data, event) => {
      const call = this.#call(data.callId, event);
      call.approval = {
        state: data.state,
        by: data.decidedBy ?? null,
        comment: data.comment ?? null,
        digest: data.argsDigest ?? call.approval?.digest ?? null,
      };
    },
    // What the tool server makes of it is `tool.approval`.
    "approval.decided": () => undefined,
    "tool.outcome": (data, event) => {
      const { ok, isError, summary, bytes, truncated, durationMs } = data;
      const denied = data.denied ?? false;
      this.#call(data.callId, event).outcome = { ok, isError, denied, summary, bytes, truncated, durationMs };
    },
    "run.result": (data, event) => {
      this.#settle();
      this.items.push({
        kind: "result",
        key: `r${event.seq}`,
        time: event.time,
        phase: data.phase,
        reason: data.reason,
        text: data.result,
        error: data.error ?? null,
      });
    },
    "policy.applied": (data, event) => {
      this.#note(event, "calm", `Policy ${data.name} (generation ${data.generation}) is in force`);
    },
    "policy.changed": (_data, event) =>
      this.#note(event, "wait", "The policy was changed; the tool server was told"),
    "run.freeze": (data, event) => {
      const why = data.reason ? `: ${data.reason}` : "";
      this.#note(event, "hold", data.frozen ? `Told to hold${why}` : `Told to go on${why}`);
    },
    "run.frozen": (data, event) => {
      this.frozen = data.frozen;
      const busy = data.inFlight.map((one: { tool: string }) => one.tool).join(", ");
      const text = data.frozen
        ? `Held: no call begins${busy ? `; still in flight: ${busy}` : ""}`
        : "Goes on";
      this.#note(event, "hold", text);
    },
    "run.cancel": (data, event) =>
      this.#note(event, "bad", `Told to end${data.reason ? `: ${data.reason}` : ""}`),
    spawn: (data, event) => {
      this.#call(data.callId, event).asked = {
        kind: "run",
        text: data.task,
        instance: data.instance ?? null,
      };
    },
    schedule: (data, event) => {
      const text = [data.action, data.name, data.schedule].filter(Boolean).join(" ");
      this.#call(data.callId, event).asked = { kind: "schedule", text, instance: null };
    },
    "request.answered": (data, event) => {
      this.#call(data.callId, event).answer = { ok: data.ok, text: data.text };
    },
    "run.keys": () => undefined,
  };

  /** A note of ours, about the stream itself. */
  remark(tone: Noted["tone"], text: string): void {
    this.#unknown += 1;
    this.items.push({
      kind: "note",
      key: `u${this.#unknown}`,
      time: new Date().toISOString(),
      tone,
      text,
    });
  }
}

function emptyCall(id: string): Call {
  return {
    id,
    tool: "",
    target: "",
    args: null,
    startedAt: null,
    verdict: null,
    policy: null,
    approval: null,
    preview: null,
    outcome: null,
    asked: null,
    answer: null,
  };
}

/** Arguments as the model wrote them: JSON, or whatever it is. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
