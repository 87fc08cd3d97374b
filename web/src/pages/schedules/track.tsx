/** The line of time of one schedule. What it draws is in its text too, for who cannot see it. */
import type { ScheduleSummary } from "../../api/govern";
import { href, route } from "../../app/router";
import { labels, marks, place, type Span, type Tick, ticksOf, worst } from "./timeline";

const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

function words(tick: Tick): string {
  if (tick.coming) return `${moment.format(tick.at)}: to come`;
  return `${moment.format(tick.at)}: ${tick.phase ?? "no run"}`;
}

export function Track({ of, shown, now }: { of: ScheduleSummary; shown: Span; now: number }) {
  return (
    <div class="track">
      <span class="line" />
      <span class="now" style={{ left: `${place(now, shown) ?? 0}%` }} />
      {marks(ticksOf(of), shown).map(({ percent, ticks }) => {
        const first = ticks[0];
        if (!first) return null;
        const phase = first.coming ? "coming" : (worst(ticks) ?? "none");
        const text =
          ticks.length > 4
            ? `${ticks.length} ticks, the last ${words(ticks.at(-1) ?? first)}`
            : ticks.map(words).join("\n");
        const look = `tick ${phase} ${of.suspended && first.coming ? "held" : ""}`;
        const last = ticks.findLast((tick) => tick.run !== null);
        const at = { left: `${percent}%` };
        return last?.run ? (
          <a
            key={first.at}
            class={look}
            style={at}
            title={text}
            href={href(route("/runs", of.namespace, last.run))}
          >
            <span class="visually-hidden">{text}</span>
          </a>
        ) : (
          <span key={first.at} class={look} style={at} title={text} role="img" aria-label={text} />
        );
      })}
    </div>
  );
}

/** Times above the tracks. */
export function Scale({ shown, now }: { shown: Span; now: number }) {
  const here = place(now, shown) ?? 0;
  return (
    <div class="track scale">
      <span class="visually-hidden">Ticks</span>
      {labels(shown)
        .filter((label) => Math.abs(label.percent - here) > 13 && label.percent < 96)
        .map((label) => (
          <span key={label.at} style={{ left: `${label.percent}%` }}>
            {label.day ? day.format(label.at) : hour.format(label.at)}
          </span>
        ))}
      <strong style={{ left: `${here}%` }}>now</strong>
    </div>
  );
}
