/**
 * The one live connection of this tab: `/api/v1/stream`.
 *
 * A browser gives a server six connections for all its tabs, so a tab has one stream whatever its page watches, and a
 * hidden tab has none. Every page says what it wants by `subscribe`; the connection asks for the union. When it
 * breaks it comes back with a growing pause and resumes the run's events after the last one that was seen, so
 * nothing is lost. Of kinds it only tells what changes: `synced` means that from here on nothing is missed, and whoever
 * read something before it reads that again.
 *
 * Read by fetch and not by EventSource: that cannot send Last-Event-ID for a new connection, and says neither why it
 * was refused nor when to come back.
 */
import { signal } from "@preact/signals";
import { createParser } from "eventsource-parser";
import { Problem, send } from "./client";
import { asProblem, type ProblemBody, UNREACHABLE } from "./problem";

export interface LiveEvent {
  /** message, delta, partial, change, reset, synced, dropped, end, bye */
  readonly event: string;
  readonly id: string | null;
  // biome-ignore lint/suspicious/noExplicitAny: each kind of event has its own data; the listener knows which
  readonly data: any;
}

export interface Wanted {
  /** Plural names of kinds whose changes are wanted. */
  readonly watch?: readonly string[];
  readonly namespace?: string;
  /** "namespace/name": that run's events too. */
  readonly run?: string;
  /** The place in the run's stream that the page has already. */
  readonly after?: string | null;
}

export type State = "off" | "connecting" | "open" | "waiting" | "refused";

export interface Transport {
  open(
    params: Record<string, string | readonly string[]>,
    lastEventId: string | null,
    abort: AbortSignal,
  ): Promise<ReadableStream<Uint8Array>>;
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
/** Well above the server's ping of 15 s: a connection that is silent for longer is dead, whatever the network says. */
const SILENCE_MS = 40_000;

const http: Transport = {
  async open(params, lastEventId, abort) {
    const headers: Record<string, string> = { accept: "text/event-stream" };
    if (lastEventId) headers["last-event-id"] = lastEventId;
    const response = await send("GET", "/stream", { params, headers, signal: abort });
    if (!response.body) throw new Problem({ title: "The stream has no body", status: UNREACHABLE });
    return response.body;
  },
};

interface Subscription {
  wanted: Wanted;
  listen: (event: LiveEvent) => void;
}

export class Live {
  readonly state = signal<State>("off");
  readonly problem = signal<Problem | null>(null);
  /** When the connection was lost, for the banner; null while all is well. */
  readonly lostAt = signal<number | null>(null);

  #subscriptions = new Set<Subscription>();
  #abort: AbortController | null = null;
  #asked = "";
  #lastId: string | null = null;
  #run: string | null = null;
  #paused = false;
  /** A namespace that is named is refused when one of the kinds may not be seen there; without names what may be seen comes. */
  #unnamed = false;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #settle: ReturnType<typeof setTimeout> | undefined;
  #transport: Transport;

  constructor(transport: Transport = http) {
    this.#transport = transport;
  }

  /** Returns what ends the subscription. */
  subscribe(wanted: Wanted, listen: (event: LiveEvent) => void): () => void {
    const subscription = { wanted, listen };
    this.#subscriptions.add(subscription);
    this.#soon();
    return () => {
      this.#subscriptions.delete(subscription);
      this.#soon();
    };
  }

  /** A hidden tab gives its connection back. */
  pause(paused: boolean): void {
    if (this.#paused === paused) return;
    this.#paused = paused;
    this.#refresh();
  }

  /** Try at once: the person asked, or the network said that it is back. */
  retry(): void {
    if (this.state.value !== "waiting" && this.state.value !== "refused") return;
    this.#failures = 0;
    this.#asked = "";
    this.#refresh();
  }

  // A change of page ends and begins subscriptions in one go; the connection changes once.
  #soon(): void {
    clearTimeout(this.#settle);
    this.#settle = setTimeout(() => this.#refresh(), 0);
  }

  #union(): Record<string, string | readonly string[]> | null {
    const watch = new Set<string>();
    const params: Record<string, string | readonly string[]> = {};
    const namespaces = new Set<string>();
    for (const { wanted } of this.#subscriptions) {
      for (const kind of wanted.watch ?? []) watch.add(kind);
      if (wanted.watch) namespaces.add(wanted.namespace ?? "");
      if (wanted.run) params.run = wanted.run;
    }
    if (watch.size) {
      params.watch = [...watch].sort();
      params.list = "false";
      if (!namespaces.has("") && !this.#unnamed) params.namespace = [...namespaces].sort();
    }
    return watch.size || params.run ? params : null;
  }

  #refresh(): void {
    const params = this.#paused ? null : this.#union();
    const asked = params ? JSON.stringify(params) : "";
    if (asked === this.#asked && (asked === "" || this.#abort || this.#timer)) return;
    this.#asked = asked;
    this.#close();
    if (!params) {
      // A hidden tab goes on where it was; a page that is left does not.
      if (!this.#paused) this.#run = null;
      this.state.value = "off";
      this.lostAt.value = null;
      return;
    }
    const run = typeof params.run === "string" ? params.run : null;
    if (run !== this.#run) {
      this.#run = run;
      this.#lastId = null;
    }
    if (this.#lastId === null) {
      for (const { wanted } of this.#subscriptions) {
        if (wanted.run === run && wanted.after) this.#lastId = wanted.after;
      }
    }
    void this.#read(params);
  }

  #close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#abort?.abort();
    this.#abort = null;
  }

  async #read(params: Record<string, string | readonly string[]>): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    this.state.value = "connecting";
    let silence: ReturnType<typeof setTimeout> | undefined;
    try {
      const body = await this.#transport.open(params, this.#lastId, abort.signal);
      if (abort.signal.aborted) return;
      this.state.value = "open";
      this.problem.value = null;
      this.lostAt.value = null;
      const parser = createParser({
        onEvent: (event) => {
          this.#failures = 0;
          if (event.id) this.#lastId = event.id;
          this.#hand(event.event ?? "message", event.id ?? null, event.data);
        },
      });
      const text = new TextDecoder();
      const reader = body.getReader();
      for (;;) {
        clearTimeout(silence);
        silence = setTimeout(() => void reader.cancel(), SILENCE_MS);
        const { done, value } = await reader.read();
        if (done || abort.signal.aborted) break;
        parser.feed(text.decode(value, { stream: true }));
      }
      if (!abort.signal.aborted) this.#lost(params, null);
    } catch (error) {
      if (!abort.signal.aborted) this.#lost(params, asProblem(error));
    } finally {
      clearTimeout(silence);
    }
  }

  #hand(event: string, id: string | null, text: string): void {
    let data: unknown = null;
    try {
      data = text ? JSON.parse(text) : null;
    } catch {
      this.problem.value = new Problem({ title: `An event of the stream is no JSON (${event})`, status: -1 });
      return;
    }
    if (event === "problem") {
      // What was allowed is not any more: the server ends the stream with its reason.
      this.#refused(new Problem(data as ProblemBody));
      return;
    }
    for (const subscription of [...this.#subscriptions]) subscription.listen({ event, id, data });
  }

  #refused(problem: Problem): void {
    this.#close();
    this.state.value = "refused";
    this.problem.value = problem;
  }

  #lost(params: Record<string, string | readonly string[]>, problem: Problem | null): void {
    this.#abort = null;
    if (problem?.status === 403 && params.namespace && !this.#unnamed) {
      this.#unnamed = true;
      this.#refresh();
      return;
    }
    // What a person may not see does not become visible by asking again.
    if (problem && [400, 401, 403, 404, 422].includes(problem.status)) {
      this.#refused(problem);
      return;
    }
    // A reading error has no status of the server: the connection broke.
    this.problem.value = problem;
    this.lostAt.value ??= Date.now();
    this.state.value = "waiting";
    const longest = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures);
    this.#failures += 1;
    // A restarted server must not be met by every tab in the same moment.
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined;
        void this.#read(params);
      },
      longest * (0.5 + Math.random() / 2),
    );
  }
}

export const live = new Live();

/** Called once: hidden tabs pause, and a network that is back is tried at once. */
export function startLive(): void {
  const look = () => live.pause(document.visibilityState === "hidden");
  document.addEventListener("visibilitychange", look);
  window.addEventListener("online", () => live.retry());
  look();
}
