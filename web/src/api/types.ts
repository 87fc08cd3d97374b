/** The shapes of `/api/v1` that pages use, under short names. */

// biome-ignore lint/suspicious/noExplicitAny: objects of Kubernetes are open
export type KubeObject = Record<string, any> & {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; uid?: string; resourceVersion?: string };
};

export interface Session {
  user: { name: string; groups: string[] } | null;
  method: "token" | "link" | "oidc" | null;
  expiresAt: string | null;
  signIn: { oidc: boolean; link: boolean; token: boolean };
  version: string;
  installation: string;
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
  steps: number | null;
  toolCalls: number | null;
  inputTokens: number | null;
  outputTokens: number | null;
  cost: { amount: number; currency: string } | null;
  model: string | null;
  policy: { name: string; generation: number } | null;
  waitingApproval: string | null;
  suspended: boolean;
  queue: { position: number | null; reason: string | null } | null;
  match?: Match[] | null;
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
