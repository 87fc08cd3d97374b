/** The shapes of `/api/v1` that pages use, under short names: the OpenAPI document's, as `scripts/web.py check` makes them. */
import type { components } from "./openapi";

type Schemas = components["schemas"];

export type Session = Schemas["Session"];
export type Match = Schemas["Match"];
/** In a list, with where it has what was searched for. */
export type RunSummary = Schemas["RunSummary"] & { match?: Match[] };
export type RunPage = Schemas["RunPage"];
export type RunDetail = Omit<Schemas["RunDetail"], "object" | "conditions"> & {
  object: KubeObject;
  conditions: Condition[];
};
export type RunWritten = Schemas["RunWritten"];
export type RunTree = Schemas["RunTree"];

// biome-ignore lint/suspicious/noExplicitAny: objects of Kubernetes are open
export type KubeObject = Record<string, any> & {
  apiVersion: string;
  kind: string;
  metadata: {
    name: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    creationTimestamp?: string;
  };
};

export interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

/** A message of a run, as the bus has it (docs/contracts.md); `seq` is its place in the stream. */
export type RunEvent = Omit<Schemas["RunEvent"], "data"> & {
  // biome-ignore lint/suspicious/noExplicitAny: by type; sympozium.bus.data has checked it
  data: any;
};
export type Span = Schemas["Span"];
export type Timing = Schemas["Timing"];
export type Preview = Schemas["Preview"];
export type ApprovalSummary = Schemas["ApprovalSummary"];
export type Tick = Schemas["NextTick"];
export type Overview = Schemas["Overview"];
