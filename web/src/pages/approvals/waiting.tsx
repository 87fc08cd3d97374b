/** How many calls wait for a person: watched as long as the dashboard is open, since that is what it is left open for. */
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Items } from "../../api/govern";
import type { ApprovalSummary } from "../../api/types";
import { useWatched } from "../../api/useWatched";
import { namespace } from "../../app/router";

export const waiting = signal<number | null>(null);

export function WaitingCount() {
  const { data } = useWatched<Items<ApprovalSummary>>(
    "/approvals",
    { state: "waiting", namespace: namespace.value },
    ["approvalrequests"],
    namespace.value,
  );
  const count = data?.items.length ?? null;
  useEffect(() => {
    waiting.value = count;
  }, [count]);
  if (!count) return null;
  return (
    <span class="count wait">
      {count}
      <span class="visually-hidden"> waiting</span>
    </span>
  );
}
