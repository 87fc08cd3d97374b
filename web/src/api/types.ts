/** The shapes of `/api/v1` that pages use, under short names. */

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

export interface Session {
  user: { name: string; groups: string[] } | null;
  method: "token" | "link" | "oidc" | null;
  expiresAt: string | null;
  signIn: { oidc: boolean; link: boolean; token: boolean };
  version: string;
}

export interface Match {
  field: string;
  before: string;
  hit: string;
  after: string;
}

export interface RunSummary {
  namespace: string;
  name: string;
  uid: string;
  instance: string;
  displayName: string | null;
  pack: string | null;
  persona: string | null;
  schedule: string | null;
  parent: string | null;
  trigger: { kind: string; name: string | null; user: string | null } | null;
  phase: string;
  reason: string | null;
  error: string | null;
  task: string;
  result: string | null;
  createdAt: string;
  startedAt: string | null;
  completedAt: string | null;
  durationMs: number | null;
  steps: number;
  toolCalls: number;
  inputTokens: number;
  outputTokens: number;
  cost: { amount: string; currency: string } | null;
  model: string | null;
  policy: { name: string; generation: number } | null;
  waitingApproval: string | null;
  suspended: boolean;
  queue: { position: number; reason: string } | null;
  match?: Match[] | null;
}

export interface RunPage {
  items: RunSummary[];
  cursor: string | null;
  total: number;
  facets: Record<string, Record<string, number>>;
  partial: boolean;
}

export interface RunDetail {
  summary: RunSummary;
  object: KubeObject;
  conditions: Condition[];
  children: number;
}

export interface RunWritten {
  run: RunSummary;
  warnings: string[];
}

export interface RunTree {
  run: RunSummary;
  children: RunTree[];
  hidden: number;
}

export interface Condition {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
}

/** A message of a run, as the bus has it (docs/contracts.md); `seq` is its place in the stream. */
export interface RunEvent {
  seq: number;
  time: string;
  type: string;
  source: string;
  // biome-ignore lint/suspicious/noExplicitAny: by type; sympozium.bus.data has checked it
  data: any;
}

export interface Span {
  id: string;
  kind: string;
  name: string;
  startedAt: string;
  endedAt: string | null;
  status: string | null;
  parent: string | null;
}

export interface Preview {
  kind: string;
  text: string;
  truncated: boolean;
  problem?: string | null;
}

export interface ApprovalSummary {
  namespace: string;
  name: string;
  run: string;
  instance: string | null;
  tool: string;
  target: string | null;
  args: unknown;
  argsDigest: string;
  preview: Preview | null;
  reason: string | null;
  rule: string | null;
  requestedAt: string;
  expiresAt: string | null;
  decision: string | null;
  decidedBy: string | null;
  decidedAt: string | null;
  comment: string | null;
  scope: string | null;
  mayDecide: boolean;
}

export interface Tick {
  namespace: string;
  schedule: string;
  instance: string;
  at: string;
}

export interface Overview {
  phases: Record<string, number>;
  running: RunSummary[];
  waiting: ApprovalSummary[];
  failed: RunSummary[];
  recent: RunSummary[];
  spend: { today: string | null; week: string | null; currency: string } | null;
  tokens: { today: number; week: number };
  next: Tick[];
  stopped: boolean;
}
