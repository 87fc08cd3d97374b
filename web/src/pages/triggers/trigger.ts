/** A SympoziumTrigger, as the page needs it. */
import type { KubeObject } from "../../api/types";

export interface Trigger {
  namespace: string;
  name: string;
  instance: string;
  task: string;
  suspended: boolean;
  ready: { status: boolean; reason: string; message: string } | null;
  events: { reasons: string[]; types: string[]; kinds: string[]; namespaces: string[] } | null;
  webhook: { format: string; secret: string; path: string | null } | null;
  dedupeKey: string | null;
  cooldown: string;
  most: number;
  fired: number;
  suppressed: number;
  lastSuppressed: string | null;
  lastFiredAt: string | null;
  lastRun: string | null;
}

interface Spec {
  instanceRef: string;
  task: string;
  suspend?: boolean;
  dedupeKey?: string;
  cooldown?: string;
  maxRunsPerHour?: number;
  source: {
    kubernetesEvent?: { reasons?: string[]; types?: string[]; kinds?: string[]; namespaces?: string[] };
    webhook?: { secretRef: string; format?: string };
  };
}

interface Status {
  conditions?: { type: string; status: string; reason?: string; message?: string }[];
  firedCount?: number;
  suppressedCount?: number;
  lastSuppressed?: string;
  lastFiredAt?: string;
  lastRunName?: string;
  webhook?: { path?: string };
}

export function triggerOf(object: KubeObject): Trigger {
  const meta = object.metadata as { namespace: string; name: string };
  const spec = object.spec as unknown as Spec;
  const status = (object.status ?? {}) as Status;
  const ready = status.conditions?.find((one) => one.type === "Ready");
  const { kubernetesEvent: event, webhook } = spec.source;
  return {
    namespace: meta.namespace,
    name: meta.name,
    instance: spec.instanceRef,
    task: spec.task,
    suspended: spec.suspend === true,
    ready: ready
      ? { status: ready.status === "True", reason: ready.reason ?? "", message: ready.message ?? "" }
      : null,
    events: event
      ? {
          reasons: event.reasons ?? [],
          types: event.types ?? [],
          kinds: event.kinds ?? [],
          namespaces: event.namespaces ?? [],
        }
      : null,
    webhook: webhook
      ? {
          format: webhook.format ?? "json",
          secret: webhook.secretRef,
          path: status.webhook?.path ?? null,
        }
      : null,
    dedupeKey: spec.dedupeKey ?? null,
    cooldown: spec.cooldown ?? "5m",
    most: spec.maxRunsPerHour ?? 10,
    fired: status.firedCount ?? 0,
    suppressed: status.suppressedCount ?? 0,
    lastSuppressed: status.lastSuppressed ?? null,
    lastFiredAt: status.lastFiredAt ?? null,
    lastRun: status.lastRunName ?? null,
  };
}

/** What it listens to, in a line. */
export function sourceWords(of: Trigger): string {
  if (of.webhook) {
    return of.webhook.format === "alertmanager" ? "notifications of Alertmanager" : "requests with JSON";
  }
  if (!of.events) return "nothing";
  const { types, reasons, kinds, namespaces } = of.events;
  const what = types.length === 1 ? `${types[0]} events` : "events";
  return [
    reasons.length ? `${what} ${reasons.join(", ")}` : `all ${what}`,
    kinds.length ? `of ${kinds.join(", ")}` : "",
    `in ${namespaces.length ? namespaces.join(", ") : of.namespace}`,
  ]
    .filter(Boolean)
    .join(" ");
}
