/** What the pages under Agents and Govern read of `/api/v1`, under short names. */
import type { ApprovalSummary, Condition, KubeObject, RunSummary } from "./types";

export interface Items<T> {
  items: T[];
}

export interface Written {
  object: KubeObject;
  warnings: string[];
}

export interface Approvals extends Items<ApprovalSummary> {
  partial: boolean;
  left: number;
}

export interface PersonaState {
  name: string;
  displayName: string | null;
  model: string | null;
  skills: string[];
  policy: string | null;
  schedule: string | null;
  instance: string | null;
  phase: string | null;
  lastRun: RunSummary | null;
  nextRun: string | null;
  excluded: boolean;
}

export interface PackSummary {
  namespace: string;
  name: string;
  description: string | null;
  category: string | null;
  version: string | null;
  enabled: boolean;
  enabledIn: string[];
  catalogue: boolean;
  phase: string | null;
  personas: PersonaState[];
  warnings: string[];
}

export interface InstanceSummary {
  namespace: string;
  name: string;
  displayName: string | null;
  model: string;
  provider: string | null;
  baseURL: string | null;
  policy: string | null;
  skills: string[];
  pack: string | null;
  phase: string | null;
  conditions: Condition[];
  active: number;
  total: number;
  lastRun: RunSummary | null;
  endpoint: { status: string | null; url: string | null; authSecretName: string | null } | null;
}

export interface ScheduleSummary {
  namespace: string;
  name: string;
  instance: string;
  schedule: string;
  timeZone: string | null;
  type: string;
  suspended: boolean;
  phase: string | null;
  task: string;
  past: { at: string; run: string; phase: string }[];
  next: string[];
  missed: number | null;
}

export interface Fired {
  namespace: string;
  name: string;
  warnings: string[];
}

export interface Right {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
  cluster: boolean;
}

export interface SkillSummary {
  namespace: string;
  name: string;
  description: string | null;
  category: string | null;
  version: string | null;
  phase: string | null;
  skills: { name: string; description: string | null; content: string }[];
  sidecar: string | null;
  rights: Right[];
  usedBy: string[];
}

export interface PolicySummary {
  namespace: string;
  name: string;
  object: KubeObject;
  boundInstances: number;
  effective: string;
}

export interface Finding {
  severity: "error" | "warning";
  line: number;
  path: string;
  message: string;
  hint: string | null;
}

export interface Tried {
  action: string;
  rule: string;
  reason: string;
  instead: string;
  layers: {
    policy: string;
    source: string;
    index: number | null;
    rule: string;
    reason: string;
    action: string;
    watches: boolean;
  }[];
  unread: string[];
}

export interface Backtest {
  runs: number;
  calls: number;
  changes: {
    namespace: string;
    run: string;
    callId: string;
    tool: string;
    target: string;
    args: unknown;
    before: string;
    after: string;
    rule: string;
    reason: string;
  }[];
  unread: string[];
  left: number;
  partial: number;
}
