/**
 * An answer of the API that is read again when objects of some kinds change.
 *
 * The server works these answers out of several objects, and who may see what is decided there: the stream says that
 * something changed, the answer is asked for anew. In a storm of changes that is at most once in `EVERY_MS`.
 */
import { useEffect, useRef } from "preact/hooks";
import type { Params } from "./client";
import { type Fetched, useFetch } from "./hooks";
import { useLive } from "./useLive";

const SOON_MS = 120;
const EVERY_MS = 1500;

/** Calls `run` soon, and not again before `every` has passed; a call in between is made up for at its end. */
export function throttled(
  run: () => void,
  soon = SOON_MS,
  every = EVERY_MS,
): { ask: () => void; end: () => void } {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let last = Number.NEGATIVE_INFINITY;
  return {
    ask: () => {
      if (timer !== undefined) return;
      timer = setTimeout(
        () => {
          timer = undefined;
          last = Date.now();
          run();
        },
        Math.max(soon, last + every - Date.now()),
      );
    },
    end: () => {
      clearTimeout(timer);
      timer = undefined;
    },
  };
}

export function useWatched<T>(
  where: string | null,
  params: Params,
  kinds: readonly string[],
  namespace = "",
): Fetched<T> {
  const fetched = useFetch<T>(where, params);
  const reload = useRef(fetched.reload);
  reload.current = fetched.reload;
  const again = useRef<ReturnType<typeof throttled> | null>(null);
  again.current ??= throttled(() => reload.current());
  useEffect(() => () => again.current?.end(), []);
  useLive(
    where === null ? null : { watch: kinds, ...(namespace ? { namespace } : {}) },
    ({ event, data }) => {
      // `synced`: the stream begins, or is back. What was read before may be older than what it tells from here on.
      if ((event === "change" || event === "synced") && kinds.includes(data?.kind)) again.current?.ask();
    },
  );
  return fetched;
}
