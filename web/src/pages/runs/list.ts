/**
 * The live list of runs: pages of the server's list, and the changes since.
 *
 * A change of a run that is shown replaces its row at once. A run that is not shown may belong into the list or not (filters,
 * search, order are the server's): so the first page is asked for again, at most once in a while, and its new rows are put in.
 * After a break the server says `synced`, and everything that is shown is read anew.
 */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { get, type Params } from "../../api/client";
import type { LiveEvent } from "../../api/live";
import { asProblem, type Problem } from "../../api/problem";
import type { RunPage, RunSummary } from "../../api/types";
import { useLive } from "../../api/useLive";

const PAGE = 100;
const LARGEST_PAGE = 200;
const AGAIN_MS = 1000;

export interface RunList {
  rows: readonly RunSummary[];
  page: Omit<RunPage, "items" | "cursor"> | null;
  more: boolean;
  loading: boolean;
  problem: Problem | null;
  loadMore: () => void;
  reload: () => void;
}

/** The rows of a fresh first page over those that are shown. Pure. */
export function mergeHead(
  shown: readonly RunSummary[],
  head: readonly RunSummary[],
  whole: boolean,
): RunSummary[] {
  if (whole) return [...head];
  const fresh = new Set(head.map((run) => run.uid));
  const lastShared = shown.findLastIndex((run) => fresh.has(run.uid));
  // Nothing in common: more is new than a page holds, and what lies between is not known.
  if (lastShared < 0) return [...head];
  return [...head, ...shown.slice(lastShared + 1)];
}

/** The row of a changed run replaced; the same array when it is not shown. Pure. */
export function applyChange(
  shown: readonly RunSummary[],
  type: string,
  run: RunSummary,
): { rows: readonly RunSummary[]; known: boolean } {
  const at = shown.findIndex((one) => one.uid === run.uid);
  if (at < 0) return { rows: shown, known: false };
  if (type === "DELETED") return { rows: shown.filter((one) => one.uid !== run.uid), known: true };
  const before = shown[at];
  const rows = [...shown];
  rows[at] = before?.match ? { ...run, match: before.match } : run;
  return { rows, known: true };
}

export function useRunList(params: Params, namespace: string): RunList {
  const key = JSON.stringify([params, namespace]);
  const [state, setState] = useState<{
    rows: readonly RunSummary[];
    page: RunList["page"];
    cursor: string | null;
    loading: boolean;
    problem: Problem | null;
  }>({ rows: [], page: null, cursor: null, loading: true, problem: null });
  const latest = useRef(state);
  latest.current = state;
  const abort = useRef<AbortController | null>(null);
  const pending = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const synced = useRef(false);

  const ask = useCallback(
    (more: Params, signal: AbortSignal) => get<RunPage>("/runs", { ...params, namespace, ...more }, signal),
    [key],
  );

  const fail = (error: unknown, signal: AbortSignal) => {
    if (!signal.aborted) setState((old) => ({ ...old, loading: false, problem: asProblem(error) }));
  };

  /** From the start, as many as there were. */
  const reload = useCallback(async () => {
    abort.current?.abort();
    const mine = new AbortController();
    abort.current = mine;
    const wanted = Math.max(PAGE, latest.current.rows.length);
    setState((old) => ({ ...old, loading: true }));
    try {
      let rows: RunSummary[] = [];
      let page: RunPage;
      let cursor = "";
      do {
        const limit = Math.min(LARGEST_PAGE, wanted - rows.length);
        page = await ask({ limit, cursor }, mine.signal);
        rows = [...rows, ...page.items];
        cursor = page.cursor ?? "";
      } while (cursor && rows.length < wanted);
      setState({ rows, page, cursor: page.cursor, loading: false, problem: null });
    } catch (error) {
      fail(error, mine.signal);
    }
  }, [ask]);

  const refreshHead = useCallback(async () => {
    const signal = abort.current?.signal;
    if (!signal || signal.aborted) return;
    try {
      const page = await ask({ limit: PAGE }, signal);
      setState((old) => {
        const whole = page.cursor === null;
        const rows = mergeHead(old.rows, page.items, whole);
        const kept = rows.length > page.items.length;
        return { ...old, rows, page, cursor: kept ? old.cursor : page.cursor, problem: null };
      });
    } catch (error) {
      fail(error, signal);
    }
  }, [ask]);

  useEffect(() => {
    latest.current = { ...latest.current, rows: [] };
    setState((old) => ({ ...old, rows: [], cursor: null, loading: true }));
    void reload();
    return () => {
      abort.current?.abort();
      clearTimeout(pending.current);
      pending.current = undefined;
    };
  }, [reload]);

  const soon = () => {
    pending.current ??= setTimeout(() => {
      pending.current = undefined;
      void refreshHead();
    }, AGAIN_MS);
  };

  useLive({ watch: ["agentruns"], namespace }, (event: LiveEvent) => {
    if (event.data?.kind !== "agentruns") return;
    if (event.event === "synced") {
      // The first one mostly comes with the page itself, unless the connection was there before.
      if (synced.current) void reload();
      else soon();
      synced.current = true;
    } else if (event.event === "change") {
      const { rows, known } = applyChange(
        latest.current.rows,
        event.data.type,
        event.data.object as RunSummary,
      );
      if (known) {
        latest.current = { ...latest.current, rows };
        setState((old) => ({ ...old, rows: applyChange(old.rows, event.data.type, event.data.object).rows }));
      }
      // Counts of the facets change with every phase; what is new may belong here.
      soon();
    }
  });

  const loadMore = useCallback(() => {
    const { cursor, loading } = latest.current;
    const signal = abort.current?.signal;
    if (!cursor || loading || !signal || signal.aborted) return;
    setState((old) => ({ ...old, loading: true }));
    ask({ limit: PAGE, cursor }, signal).then(
      (page) =>
        setState((old) => {
          const known = new Set(old.rows.map((run) => run.uid));
          const fresh = page.items.filter((run) => !known.has(run.uid));
          return {
            ...old,
            rows: [...old.rows, ...fresh],
            page,
            cursor: page.cursor,
            loading: false,
            problem: null,
          };
        }),
      (error: unknown) => fail(error, signal),
    );
  }, [ask]);

  return { ...state, more: state.cursor !== null, loadMore, reload: () => void reload() };
}
