/**
 * What waits for a person: watched as long as the dashboard is open, since that is what it is left open for.
 *
 * The number in the navigation is always there, so it is what reads the list; the page shows the same list.
 */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Approvals } from "../../api/govern";
import type { Fetched } from "../../api/hooks";
import { useWatched } from "../../api/useWatched";
import { namespace } from "../../app/router";

export const waiting = signal<Fetched<Approvals>>({
  data: null,
  problem: null,
  loading: true,
  reload: () => {},
});

export function WaitingCount() {
  const fetched = useWatched<Approvals>(
    "/approvals",
    { state: "waiting", namespace: namespace.value },
    ["approvalrequests"],
    namespace.value,
  );
  useEffect(() => {
    waiting.value = fetched;
  }, [fetched.data, fetched.problem, fetched.loading]);
  const count = fetched.data?.items.length ?? 0;
  if (!count) return null;
  return (
    <span class="count wait">
      {count}
      <span class="visually-hidden"> waiting</span>
    </span>
  );
}
