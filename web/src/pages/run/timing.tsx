/** Where the time went: a bar for each part, along the time of the run. */
import { path } from "../../api/client";
import { useFetch } from "../../api/hooks";
import type { Timing as Of, Span } from "../../api/types";
import { now } from "../../ui/clock";
import { duration } from "../../ui/format";
import { ScheduleIcon } from "../../ui/icons";
import { Answer, EmptyState, Note } from "../../ui/states";
import { laidOut } from "./waterfall";

const KINDS: Record<string, string> = {
  queue: "Queue",
  pod: "Pod",
  step: "Step",
  model: "Model",
  tool: "Tool",
  approval: "Approval",
};

/** What needs no word. */
const ORDINARY: ReadonlySet<string> = new Set(["ok", "done", "stop", "tool_calls"]);

export function Timing({ namespace, name, phase }: { namespace: string; name: string; phase: string }) {
  const timing = useFetch<Of>(`${path("namespaces", namespace, "runs", name)}/timing`, {}, phase);
  return (
    <Answer of={timing}>
      {({ spans, note }) => (
        <div class="stack">
          {note && <Note>{note}</Note>}
          {spans.length ? (
            <Waterfall spans={spans} />
          ) : (
            <EmptyState title="Nothing was timed yet" icon={ScheduleIcon} />
          )}
        </div>
      )}
    </Answer>
  );
}

function Waterfall({ spans }: { spans: Span[] }) {
  const { rows, from, until } = laidOut(spans, now.value);
  const whole = Math.max(1, until - from);
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  const used = Object.keys(KINDS).filter((kind) => rows.some((row) => row.span.kind === kind));
  return (
    <div class="card waterfall">
      <header>
        <ul class="legend" aria-label="Colours">
          {used.map((kind) => (
            <li key={kind}>
              <span class={`swatch of-${kind}`} /> {KINDS[kind]}
            </li>
          ))}
        </ul>
      </header>
      <table>
        <thead>
          <tr>
            <th scope="col">Part</th>
            <th scope="col" class="axis">
              {ticks.map((tick) => (
                <span key={tick} style={{ left: `${tick * 100}%` }}>
                  {duration(whole * tick)}
                </span>
              ))}
            </th>
            <th scope="col" class="number">
              Took
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ span, depth, start, end, running }) => (
            <tr key={span.id}>
              <th scope="row" style={{ paddingLeft: `${14 + depth * 14}px` }}>
                <span class="faint">
                  {depth === 0 || span.kind === "step" ? "" : `${KINDS[span.kind] ?? span.kind} `}
                </span>
                {span.name}
              </th>
              <td class="lane">
                <span
                  class={`bar of-${span.kind} ${span.status ?? ""} ${running ? "running" : ""}`}
                  style={{
                    left: `${((start - from) / whole) * 100}%`,
                    width: `${((end - start) / whole) * 100}%`,
                  }}
                />
              </td>
              <td class="number">
                {duration(end - start)}
                {running && "…"}
                {span.status && !ORDINARY.has(span.status) && <span class="faint"> {span.status}</span>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
