import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Live, type LiveEvent, type Transport } from "../src/api/live";
import { Problem } from "../src/api/problem";

interface Opened {
  params: Record<string, string | readonly string[]>;
  lastEventId: string | null;
  abort: AbortSignal;
  say: (text: string) => void;
  end: () => void;
}

/** A network whose every connection the test holds; `refuse` makes the next ones fail, with `named` those of a namespace. */
function network() {
  const opened: Opened[] = [];
  const state: { refuse: Problem | null; named: boolean } = { refuse: null, named: false };
  const transport: Transport = {
    async open(params, lastEventId, abort) {
      if (state.refuse && (!state.named || params.namespace)) throw state.refuse;
      let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
      const body = new ReadableStream<Uint8Array>({
        start(given) {
          controller = given;
        },
      });
      const encoder = new TextEncoder();
      opened.push({
        params,
        lastEventId,
        abort,
        say: (text) => controller?.enqueue(encoder.encode(text)),
        end: () => controller?.close(),
      });
      return body;
    },
  };
  return { opened, state, transport };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const settle = () => vi.advanceTimersByTimeAsync(1);
const later = (ms: number) => vi.advanceTimersByTimeAsync(ms);

function last(opened: Opened[]): Opened {
  const one = opened.at(-1);
  if (!one) throw new Error("nothing was opened");
  return one;
}

describe("one connection", () => {
  test("asks for everything that the page's parts want, once", async () => {
    const { opened, transport } = network();
    const live = new Live(transport);
    live.subscribe({ watch: ["agentruns"], namespace: "a" }, () => undefined);
    live.subscribe(
      { watch: ["approvalrequests", "agentruns"], namespace: "b", run: "a/x", after: "7" },
      () => undefined,
    );
    await settle();
    expect(opened.map(({ params, lastEventId }) => ({ params, lastEventId }))).toEqual([
      {
        params: {
          watch: ["agentruns", "approvalrequests"],
          list: "false",
          namespace: ["a", "b"],
          run: "a/x",
        },
        lastEventId: "7",
      },
    ]);
    expect(live.state.value).toBe("open");
  });

  test("is of all namespaces when one part wants all, and when one may not be seen whole", async () => {
    const { opened, state, transport } = network();
    const live = new Live(transport);
    live.subscribe({ watch: ["agentruns"], namespace: "a" }, () => undefined);
    const end = live.subscribe({ watch: ["agentruns"] }, () => undefined);
    await settle();
    expect(last(opened).params).toEqual({ watch: ["agentruns"], list: "false" });
    state.refuse = new Problem({ title: "Forbidden", status: 403 });
    state.named = true;
    live.subscribe({ watch: ["approvalrequests"], namespace: "a" }, () => undefined);
    end();
    await settle();
    expect(last(opened).params).toEqual({ watch: ["agentruns", "approvalrequests"], list: "false" });
    expect(live.state.value).toBe("open");
  });

  test("hands on events, also those that come in pieces of a character", async () => {
    const { opened, transport } = network();
    const live = new Live(transport);
    const seen: LiveEvent[] = [];
    live.subscribe({ run: "a/x" }, (event) => seen.push(event));
    await settle();
    last(opened).say('id: 4\ndata: {"a"');
    last(opened).say(':1}\n\nevent: delta\ndata: {"text":"ü"}\n\n: ping\n\n');
    await settle();
    expect(seen).toEqual([
      { event: "message", id: "4", data: { a: 1 } },
      { event: "delta", id: null, data: { text: "ü" } },
    ]);
  });

  test("is closed when nobody wants it, and changed when the page does", async () => {
    const { opened, transport } = network();
    const live = new Live(transport);
    const end = live.subscribe({ watch: ["agentruns"] }, () => undefined);
    await settle();
    end();
    live.subscribe({ run: "a/x" }, () => undefined);
    await settle();
    expect(opened.length).toBe(2);
    expect(opened[0]?.abort.aborted).toBe(true);
    expect(last(opened).params).toEqual({ run: "a/x" });
  });
});

describe("a connection that breaks", () => {
  test("comes back where it was, with a growing pause, and says so meanwhile", async () => {
    const { opened, state, transport } = network();
    const live = new Live(transport);
    live.subscribe({ run: "a/x" }, () => undefined);
    await settle();
    last(opened).say("id: 41\ndata: {}\n\n");
    await settle();
    state.refuse = new Problem({ title: "away", status: 0 });
    last(opened).end();
    await settle();
    expect(live.state.value).toBe("waiting");
    expect(live.lostAt.value).not.toBeNull();
    await later(60_000);
    expect(opened.length).toBe(1);
    state.refuse = null;
    await later(15_000);
    expect(opened.length).toBe(2);
    expect(last(opened).lastEventId).toBe("41");
    expect(live.state.value).toBe("open");
    expect(live.lostAt.value).toBeNull();
  });

  test("is given up after a silence longer than the server's pings", async () => {
    const { opened, transport } = network();
    const live = new Live(transport);
    live.subscribe({ run: "a/x" }, () => undefined);
    await settle();
    for (let turn = 0; turn < 5; turn += 1) {
      last(opened).say(": ping\n\n");
      await later(30_000);
    }
    expect(opened.length).toBe(1);
    await later(60_000);
    expect(opened.length).toBeGreaterThan(1);
  });

  test("is not tried again when the server refuses, until the person asks", async () => {
    const { opened, state, transport } = network();
    state.refuse = new Problem({ title: "Forbidden", status: 403 });
    const live = new Live(transport);
    live.subscribe({ watch: ["agentruns"] }, () => undefined);
    await settle();
    expect(live.state.value).toBe("refused");
    await later(120_000);
    expect(live.state.value).toBe("refused");
    state.refuse = null;
    live.retry();
    await settle();
    expect(opened.length).toBe(1);
    expect(live.state.value).toBe("open");
  });

  test("ends when a right is withdrawn, with the reason", async () => {
    const { opened, transport } = network();
    const live = new Live(transport);
    live.subscribe({ watch: ["agentruns"] }, () => undefined);
    await settle();
    last(opened).say('event: problem\ndata: {"title":"Forbidden","status":403,"detail":"no more"}\n\n');
    await settle();
    expect(live.state.value).toBe("refused");
    expect(live.problem.value?.message).toBe("no more");
    await later(120_000);
    expect(opened.length).toBe(1);
  });

  test("an overloaded server is asked again", async () => {
    const { opened, state, transport } = network();
    state.refuse = new Problem({ title: "Too many", status: 429 });
    const live = new Live(transport);
    live.subscribe({ watch: ["agentruns"] }, () => undefined);
    await settle();
    expect(live.state.value).toBe("waiting");
    state.refuse = null;
    await later(2_000);
    expect(opened.length).toBe(1);
  });
});

describe("a hidden tab", () => {
  test("has no connection, and goes on where it was when it is seen again", async () => {
    const { opened, transport } = network();
    const live = new Live(transport);
    live.subscribe({ run: "a/x" }, () => undefined);
    await settle();
    last(opened).say("id: 9\ndata: {}\n\n");
    await settle();
    live.pause(true);
    expect(last(opened).abort.aborted).toBe(true);
    expect(live.state.value).toBe("off");
    expect(live.lostAt.value).toBeNull();
    await later(120_000);
    expect(opened.length).toBe(1);
    live.pause(false);
    await settle();
    expect(opened.length).toBe(2);
    expect(last(opened).lastEventId).toBe("9");
  });
});

test("a page that comes back to a run begins at its own place, not at the one of before", async () => {
  const { opened, transport } = network();
  const live = new Live(transport);
  const end = live.subscribe({ run: "a/x", after: "3" }, () => undefined);
  await settle();
  last(opened).say("id: 9\ndata: {}\n\n");
  await settle();
  end();
  await settle();
  live.subscribe({ run: "a/x", after: "5" }, () => undefined);
  await settle();
  expect(last(opened).lastEventId).toBe("5");
});
