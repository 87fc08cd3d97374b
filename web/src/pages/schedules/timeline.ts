/** Where ticks stand on a line of time that all schedules share, with now in it. */

export interface Tick {
  readonly at: number;
  readonly run: string | null;
  /** Of the run; null when the tick made none, and for ticks to come. */
  readonly phase: string | null;
  readonly coming: boolean;
}

export interface Given {
  past: { at: string; run?: string | null; phase?: string | null }[];
  next: string[];
}

export interface Span {
  readonly from: number;
  readonly until: number;
}

const HOUR_MS = 3_600_000;
export const windows: readonly { readonly label: string; readonly hours: number }[] = [
  { label: "6 hours", hours: 6 },
  { label: "2 days", hours: 48 },
  { label: "2 weeks", hours: 336 },
];

/** Two thirds are past: what has happened is read more than what comes. */
export function span(hours: number, now: number): Span {
  return { from: now - (hours * HOUR_MS * 2) / 3, until: now + (hours * HOUR_MS) / 3 };
}

/** The smallest window that shows a past and a coming tick of most schedules. */
export function fitting(schedules: readonly Given[], now: number): number {
  const reach = schedules
    .map((one) => {
      const last = one.past.at(-1);
      const first = one.next[0];
      return Math.max(
        last ? (now - Date.parse(last.at)) * 1.5 : 0,
        first ? (Date.parse(first) - now) * 3 : 0,
      );
    })
    .sort((a, b) => a - b);
  const usual = reach[Math.floor((reach.length - 1) * 0.8)] ?? 0;
  return windows.find((one) => one.hours * HOUR_MS >= usual)?.hours ?? windows.at(-1)?.hours ?? 48;
}

export function ticksOf(schedule: Given): Tick[] {
  return [
    ...schedule.past.map((one) => ({
      at: Date.parse(one.at),
      run: one.run ?? null,
      phase: one.phase ?? null,
      coming: false,
    })),
    ...schedule.next.map((at) => ({ at: Date.parse(at), run: null, phase: null, coming: true })),
  ].sort((a, b) => a.at - b.at);
}

/** Place of a moment, in percent of the line; null when it is not on it. */
export function place(at: number, { from, until }: Span): number | null {
  const percent = ((at - from) / (until - from)) * 100;
  return percent < 0 || percent > 100 ? null : percent;
}

export interface Mark {
  readonly percent: number;
  readonly ticks: Tick[];
}

const APART = 1.4;

/** Ticks closer together than they can be seen stand as one mark, never past and coming ones together. */
export function marks(ticks: readonly Tick[], shown: Span): Mark[] {
  const found: { percent: number; ticks: Tick[] }[] = [];
  for (const tick of ticks) {
    const percent = place(tick.at, shown);
    if (percent === null) continue;
    const last = found.at(-1);
    if (last && percent - last.percent < APART && last.ticks[0]?.coming === tick.coming)
      last.ticks.push(tick);
    else found.push({ percent, ticks: [tick] });
  }
  return found;
}

const BAD = ["Failed", "Cancelled"];

/** The phase that a mark of several ticks shows: the worst. */
export function worst(ticks: readonly Tick[]): string | null {
  const phases = ticks.map((tick) => tick.phase);
  for (const bad of BAD) if (phases.includes(bad)) return bad;
  return (
    phases.find((phase) => phase !== null && phase !== "Succeeded") ??
    phases.find((phase) => phase !== null) ??
    null
  );
}

export interface Label {
  readonly percent: number;
  readonly at: number;
  /** Whether the date belongs beside the time: the first of a day. */
  readonly day: boolean;
}

const STEPS_H = [1, 2, 3, 6, 12, 24, 48, 72, 168];
const MOST_LABELS = 5;

/** At most five labels on whole hours or days of the reader's own time zone: "12:00 PM" five times fills a narrow line. */
export function labels({ from, until }: Span): Label[] {
  const hours = (until - from) / HOUR_MS;
  const step = STEPS_H.find((each) => hours / each <= MOST_LABELS) ?? 168;
  const first = new Date(from);
  first.setMinutes(0, 0, 0);
  if (step >= 24) first.setHours(0);
  else first.setHours(Math.floor(first.getHours() / step) * step);
  const found: Label[] = [];
  // By the calendar, not by milliseconds: a day in March has 23 hours.
  for (const moment = first; moment.getTime() <= until; ) {
    const percent = place(moment.getTime(), { from, until });
    if (percent !== null)
      found.push({ percent, at: moment.getTime(), day: step >= 24 || moment.getHours() === 0 });
    if (step >= 24) moment.setDate(moment.getDate() + step / 24);
    else moment.setHours(moment.getHours() + step);
  }
  return found;
}
