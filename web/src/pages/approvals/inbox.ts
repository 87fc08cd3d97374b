/**
 * The inbox as data: what is shown in which order, and where a decision leads.
 *
 * What is selected is known by its name and never by its place. When others decide or new calls arrive, the list moves,
 * but what `a` and `d` would decide stays what is on the screen.
 */
import type { ApprovalSummary } from "../../api/types";

export type Wanted = "waiting" | "decided" | "all";
export const wantedStates: readonly Wanted[] = ["waiting", "decided", "all"];

export function asWanted(text: string | null): Wanted {
  return wantedStates.find((one) => one === text) ?? "waiting";
}

export const keyOf = (approval: Pick<ApprovalSummary, "namespace" | "name">): string =>
  `${approval.namespace}/${approval.name}`;

/** Waiting first, what expires first before all others; then decided ones, newest first. */
export function ordered(items: readonly ApprovalSummary[]): ApprovalSummary[] {
  const time = (text: string | null) => (text ? Date.parse(text) : Number.POSITIVE_INFINITY);
  return [...items].sort((one, other) => {
    if (!one.decision !== !other.decision) return one.decision ? 1 : -1;
    if (!one.decision)
      return time(one.expiresAt) - time(other.expiresAt) || keyOf(one).localeCompare(keyOf(other));
    return (
      (other.decidedAt ?? "").localeCompare(one.decidedAt ?? "") || keyOf(one).localeCompare(keyOf(other))
    );
  });
}

/** The key `by` places on from the selected one; from nothing, the first or the last. */
export function moved(items: readonly ApprovalSummary[], selected: string | null, by: number): string | null {
  if (!items.length) return selected;
  const at = items.findIndex((one) => keyOf(one) === selected);
  const next = at < 0 ? (by > 0 ? 0 : items.length - 1) : Math.min(items.length - 1, Math.max(0, at + by));
  const found = items[next];
  return found ? keyOf(found) : selected;
}

/** After a decision: the next that waits and that this person may decide, going on from where they are. */
export function nextWaiting(items: readonly ApprovalSummary[], decided: string): string | null {
  const at = items.findIndex((one) => keyOf(one) === decided);
  const around = at < 0 ? items : [...items.slice(at + 1), ...items.slice(0, at)];
  const open = around.filter((one) => !one.decision && keyOf(one) !== decided);
  const found = open.find((one) => one.mayDecide) ?? open[0];
  return found ? keyOf(found) : null;
}

export interface Left {
  readonly text: string;
  readonly state: "calm" | "soon" | "over";
}

const SOON_S = 300;

/** How long a call still waits; a minute's precision is enough until it becomes urgent. */
export function left(expiresAt: string | null, now: number): Left {
  if (!expiresAt) return { text: "no limit", state: "calm" };
  const seconds = Math.floor((Date.parse(expiresAt) - now) / 1000);
  if (seconds <= 0) return { text: "expired", state: "over" };
  const state = seconds <= SOON_S ? "soon" : "calm";
  const two = (number: number) => String(number).padStart(2, "0");
  if (seconds >= 86_400)
    return { text: `${Math.floor(seconds / 86_400)}d ${Math.floor((seconds % 86_400) / 3600)}h`, state };
  if (seconds >= 3600)
    return { text: `${Math.floor(seconds / 3600)}h ${two(Math.floor((seconds % 3600) / 60))}m`, state };
  return { text: `${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`, state };
}

/** An argument as a person reads it: text as it is, everything else as JSON. */
export function argumentText(value: unknown): string {
  return typeof value === "string" ? value : (JSON.stringify(value, null, 2) ?? "");
}

export function argumentsOf(args: unknown): { name: string; text: string }[] {
  if (typeof args !== "object" || args === null || Array.isArray(args))
    return [{ name: "", text: argumentText(args) }];
  return Object.entries(args).map(([name, value]) => ({ name, text: argumentText(value) }));
}

const PREVIEWS: Record<string, string> = {
  diff: "What it would change",
  "dry-run": "What the Kubernetes API says it would change",
  request: "The request as it would be sent",
  command: "The command as it would run",
};

export function previewTitle(kind: string): string {
  return PREVIEWS[kind] ?? "What it would do";
}

/** Kinds whose text is a unified diff. */
export const isDiff = (kind: string): boolean => kind === "diff" || kind === "dry-run";
