/** The inbox: what waits for a person, what it would do, and the person's decision. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Approvals } from "../../api/govern";
import type { ApprovalSummary } from "../../api/types";
import { useWatched } from "../../api/useWatched";
import { useKeys } from "../../app/keyboard";
import type { PageProps } from "../../app/pages";
import { location, namespace, setQuery } from "../../app/router";
import { plural } from "../../ui/format";
import { CheckIcon } from "../../ui/icons";
import { EmptyState, ErrorBox, Loading } from "../../ui/states";
import "./approvals.css";
import { Decide } from "./decide";
import { Detail } from "./detail";
import { asWanted, keyOf, moved, nextWaiting, ordered, type Wanted, wantedStates } from "./inbox";
import { ApprovalList } from "./list";
import { waiting } from "./waiting";

const DECIDED = { approve: "Approved", deny: "Denied" } as const;
const TITLES: Record<Wanted, string> = { waiting: "Waiting", decided: "Decided", all: "All" };

export default function Inbox(_: PageProps) {
  const { query } = location.value;
  const wanted = asWanted(query.get("state"));
  const selected = query.get("selected");
  const others = useWatched<Approvals>(
    wanted === "waiting" ? null : "/approvals",
    { state: wanted, namespace: namespace.value },
    ["approvalrequests"],
    namespace.value,
  );
  const fetched = wanted === "waiting" ? waiting.value : others;
  const items = useMemo(() => ordered(fetched.data?.items ?? []), [fetched.data]);
  const [deciding, setDeciding] = useState<"approve" | "deny" | null>(null);
  const detail = useRef<HTMLElement>(null);

  // What was decided (or ran out) leaves the list of those that wait; it stays in sight until the person goes on.
  const last = useRef<ApprovalSummary | null>(null);
  const listed = useMemo(() => items.find((item) => keyOf(item) === selected) ?? null, [items, selected]);
  if (listed) last.current = listed;
  const kept = last.current && keyOf(last.current) === selected ? last.current : null;
  const shown = listed ?? kept;
  const gone = shown !== null && listed === null;

  useEffect(() => {
    // While another state is being read, the list is still the old one.
    if (!selected && !fetched.loading && items[0] && window.matchMedia("(min-width: 761px)").matches)
      select(keyOf(items[0]));
  }, [items.length > 0, fetched.loading, wanted]);
  const select = (key: string | null) => setQuery({ selected: key });
  const move = (by: number) => select(moved(items, selected, by));
  const decide = (what: "approve" | "deny") => {
    if (shown && !gone && !shown.decision && shown.mayDecide) setDeciding(what);
  };
  useKeys("Approvals", [
    { keys: "j", does: "next call", run: () => move(1) },
    { keys: "k", does: "call before", run: () => move(-1) },
    { keys: "Enter", does: "show the call", run: () => detail.current?.focus() },
    { keys: "a", does: "approve (asks once)", run: () => decide("approve") },
    { keys: "d", does: "deny, with a comment", run: () => decide("deny") },
  ]);

  return (
    <div class="page fixed approvals">
      <header class="page-head">
        <h1>Approvals</h1>
        <fieldset class="chips">
          <legend class="visually-hidden">Which approvals</legend>
          {wantedStates.map((state) => (
            <button
              key={state}
              type="button"
              class="chip"
              aria-pressed={state === wanted}
              onClick={() => {
                last.current = null;
                setQuery({ state: state === "waiting" ? null : state, selected: null });
              }}
            >
              {TITLES[state]}
              {state === wanted && fetched.data && <span class="count">{items.length}</span>}
            </button>
          ))}
        </fieldset>
        <p class="faint wide-only">
          <kbd>j</kbd> <kbd>k</kbd> move, <kbd>a</kbd> approve, <kbd>d</kbd> deny
        </p>
      </header>
      {fetched.problem && <ErrorBox problem={fetched.problem} retry={fetched.reload} />}
      {fetched.data && <Unseen of={fetched.data} />}
      {!fetched.data && !fetched.problem && <Loading />}
      {fetched.data && !items.length && !shown && <Empty wanted={wanted} />}
      {fetched.data && (items.length > 0 || shown) && (
        <div class={`panes ${shown ? "one" : ""}`}>
          <ApprovalList items={items} selected={selected} onSelect={select} />
          {shown ? (
            <Detail
              approval={shown}
              gone={gone}
              focus={detail}
              onBack={() => select(null)}
              onDecide={setDeciding}
            />
          ) : (
            <div class="detail wide-only">
              <EmptyState title="No call is chosen">
                <p>Choose one at the left, or press j.</p>
              </EmptyState>
            </div>
          )}
        </div>
      )}
      {shown && deciding && (
        <Decide
          approval={shown}
          what={deciding}
          onClose={() => setDeciding(null)}
          onDone={() => {
            if (deciding) last.current = { ...shown, decision: DECIDED[deciding] };
            setDeciding(null);
            const next = nextWaiting(items, keyOf(shown));
            select(next ?? keyOf(shown));
            fetched.reload();
          }}
        />
      )}
    </div>
  );
}

function Unseen({ of: { partial, left } }: { of: Approvals }) {
  return (
    <>
      {partial && <p class="faint">Of the namespaces in which you may list approvals.</p>}
      {left > 0 && <p class="faint">The newest; {plural(left, "decided call")} before them are not shown.</p>}
    </>
  );
}

function Empty({ wanted }: { wanted: Wanted }) {
  if (wanted !== "waiting") return <EmptyState title="No calls" />;
  return (
    <EmptyState title="Nothing waits for a decision" icon={CheckIcon}>
      <p>
        A call comes here when a policy's rule says <code>ask</code>. This page shows it as it arrives.
      </p>
    </EmptyState>
  );
}
