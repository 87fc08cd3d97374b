/** `useFetch`: one answer of the API for a component, kept while it is read again, aborted when nobody waits for it. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { get, type Params } from "./client";
import { asProblem, type Problem, UNREACHABLE } from "./problem";

export interface Fetched<T> {
  /** The newest answer: also while the next one is on its way, so that nothing jumps. */
  data: T | null;
  problem: Problem | null;
  loading: boolean;
  reload: () => void;
}

const RETRY_MS = 3000;

/** `where` null: nothing is asked yet. Another value of `again` asks again. */
export function useFetch<T>(where: string | null, params: Params = {}, again = ""): Fetched<T> {
  const [state, setState] = useState<{
    key: string;
    data: T | null;
    problem: Problem | null;
    loading: boolean;
  }>({
    key: "",
    data: null,
    problem: null,
    loading: where !== null,
  });
  const [turn, setTurn] = useState(0);
  const key = `${where ?? ""} ${JSON.stringify(params)}`;
  const retry = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);

  useEffect(() => {
    if (where === null) return;
    const abort = new AbortController();
    setState((old) => ({ ...old, loading: true }));
    get<T>(where, params, abort.signal).then(
      (data) => setState({ key, data, problem: null, loading: false }),
      (error: unknown) => {
        if (abort.signal.aborted) return;
        const problem = asProblem(error);
        setState((old) => ({ key, data: old.key === key ? old.data : null, problem, loading: false }));
        // A server that restarts is no reason to press a button.
        if (problem.status === UNREACHABLE) retry.current = setTimeout(() => setTurn((n) => n + 1), RETRY_MS);
      },
    );
    return () => {
      abort.abort();
      clearTimeout(retry.current);
    };
  }, [key, turn, again]);

  const reload = useCallback(() => setTurn((n) => n + 1), []);
  return { data: state.data, problem: state.problem, loading: state.loading, reload };
}
