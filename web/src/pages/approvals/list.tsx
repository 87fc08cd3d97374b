/** The calls of the inbox, of which only those in sight are in the document. */
import { useLayoutEffect, useRef } from "preact/hooks";
import type { ApprovalSummary } from "../../api/types";
import { namespace } from "../../app/router";
import { Phase } from "../../ui/badge";
import { now } from "../../ui/clock";
import { useScrolled } from "../../ui/scrolled";
import { RelativeTime } from "../../ui/time";
import { visible } from "../../ui/window";
import { argumentsOf, keyOf, left } from "./inbox";

const ROW_PX = 72;

interface Props {
  items: readonly ApprovalSummary[];
  selected: string | null;
  onSelect: (key: string) => void;
}

export function ApprovalList({ items, selected, onSelect }: Props) {
  const box = useRef<HTMLElement>(null);
  const [view] = useScrolled(box, 900);
  const chosen = items.findIndex((one) => keyOf(one) === selected);

  useLayoutEffect(() => {
    const element = box.current;
    if (!element || chosen < 0) return;
    const top = chosen * ROW_PX;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + ROW_PX > element.scrollTop + element.clientHeight)
      element.scrollTop = top + ROW_PX - element.clientHeight;
  }, [chosen]);

  const shown = visible(items.length, ROW_PX, view.top, view.height);
  return (
    <nav class="calls" aria-label="Calls" ref={box}>
      <ul style={{ paddingTop: `${shown.before}px`, paddingBottom: `${shown.after}px` }}>
        {items.slice(shown.first, shown.end).map((item) => (
          <li key={keyOf(item)}>
            <button
              type="button"
              class="inbox-call"
              aria-current={keyOf(item) === selected ? "true" : undefined}
              onClick={() => onSelect(keyOf(item))}
            >
              <span class="row spread">
                <strong class="clip">
                  {item.tool}
                  {item.target && <span class="faint"> in {item.target}</span>}
                </strong>
                {item.decision ? <Phase phase={item.decision} /> : <Countdown until={item.expiresAt} />}
              </span>
              <span class="clip mono">{headOf(item)}</span>
              <span class="clip faint">
                {item.instance ?? item.run}
                {!namespace.value && ` · ${item.namespace}`} · <RelativeTime at={item.requestedAt} />
              </span>
            </button>
          </li>
        ))}
      </ul>
    </nav>
  );
}

const HEAD = 160;

function headOf(item: ApprovalSummary): string {
  const texts = argumentsOf(item.args).map(({ text }) => text.replace(/\s+/g, " ").trim());
  return texts.filter(Boolean).join("  ").slice(0, HEAD) || "no arguments";
}

export function Countdown({ until }: { until: string | null }) {
  const { text, state } = left(until, now.value);
  return (
    <span
      class={`countdown ${state}`}
      title={until ? `Refused at ${new Date(until).toLocaleString()} if nobody decides` : ""}
    >
      {text}
    </span>
  );
}
