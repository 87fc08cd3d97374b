/** Spans in the order of a tree, each with its place in time. Pure. */
import type { Span } from "../../api/types";

export interface Row {
  span: Span;
  depth: number;
  start: number;
  end: number;
  running: boolean;
}

export function laidOut(spans: readonly Span[], now: number): { rows: Row[]; from: number; until: number } {
  const known = new Set(spans.map((span) => span.id));
  const children = new Map<string | null, Span[]>();
  for (const span of spans) {
    const parent = span.parent && known.has(span.parent) && span.parent !== span.id ? span.parent : null;
    const among = children.get(parent) ?? [];
    among.push(span);
    children.set(parent, among);
  }
  const rows: Row[] = [];
  const seen = new Set<string>();
  const visit = (parent: string | null, depth: number): void => {
    const among = [...(children.get(parent) ?? [])].sort((one, other) => at(one) - at(other));
    for (const span of among) {
      if (seen.has(span.id)) continue;
      seen.add(span.id);
      const start = at(span);
      const end = span.endedAt ? Math.max(start, Date.parse(span.endedAt)) : Math.max(start, now);
      rows.push({ span, depth, start, end, running: span.endedAt === null });
      visit(span.id, depth + 1);
    }
  };
  visit(null, 0);
  // Spans that are each other's parents: shown all the same.
  for (const span of spans) {
    if (seen.has(span.id)) continue;
    const start = at(span);
    rows.push({
      span,
      depth: 0,
      start,
      end: span.endedAt ? Date.parse(span.endedAt) : now,
      running: !span.endedAt,
    });
    seen.add(span.id);
  }
  const from = Math.min(...rows.map((row) => row.start));
  const until = Math.max(...rows.map((row) => row.end));
  return { rows, from, until };
}

function at(span: Span): number {
  return Date.parse(span.startedAt);
}
