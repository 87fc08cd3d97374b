/** Live events for a component, as long as it is shown. */
import { useEffect, useRef } from "preact/hooks";
import { type LiveEvent, live, type Wanted } from "./live";

/** `wanted` null: nothing yet. `listen` may be a new function each time; it is not asked for anew. */
export function useLive(wanted: Wanted | null, listen: (event: LiveEvent) => void): void {
  const latest = useRef(listen);
  latest.current = listen;
  useEffect(() => {
    if (!wanted) return;
    return live.subscribe(wanted, (event) => latest.current(event));
  }, [JSON.stringify(wanted)]);
}
