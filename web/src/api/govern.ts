/** What the pages under Agents and Govern read of `/api/v1`, under short names. */
import type { components } from "./openapi";
import type { Condition, KubeObject } from "./types";

type Schemas = components["schemas"];

export interface Items<T> {
  items: T[];
}

export type Written = Omit<Schemas["Written"], "object"> & { object: KubeObject };
export type Approvals = Schemas["Approvals"];
export type PersonaState = Schemas["PersonaState"];
export type PackSummary = Schemas["PackSummary"];
export type InstanceSummary = Omit<Schemas["InstanceSummary"], "conditions"> & { conditions: Condition[] };
export type ScheduleSummary = Schemas["ScheduleSummary"];
export type Fired = Schemas["Fired"];
export type Right = Schemas["Right"];
export type SkillSummary = Schemas["SkillSummary"];
export type PolicySummary = Omit<Schemas["PolicySummary"], "object"> & { object: KubeObject };
export type Finding = Schemas["PolicyFinding"];
export type Tried = Schemas["PolicyAnswer"];
export type Backtest = Schemas["BacktestAnswer"];
