/** Kubernetes rights in words, and which of them a person should look at twice. */
import type { Right } from "../../api/govern";

const READS = new Set(["get", "list", "watch"]);
const SECRET = new Set(["secrets", "serviceaccounts/token"]);
const POWER = new Set(["roles", "clusterroles", "rolebindings", "clusterrolebindings", "*"]);

export type Weight = "reads" | "writes" | "power";

/** `power`: whoever has it can become somebody else, or read what they may not. */
export function weight(right: Right): Weight {
  if (right.resources.some((one) => SECRET.has(one) || POWER.has(one)) || right.verbs.includes("*"))
    return "power";
  return right.verbs.every((verb) => READS.has(verb)) ? "reads" : "writes";
}

export function groupsOf(right: Right): string {
  return right.apiGroups.map((group) => group || "core").join(", ");
}

export function heaviest(rights: readonly Right[]): Weight | null {
  const all = rights.map(weight);
  if (all.includes("power")) return "power";
  return all.includes("writes") ? "writes" : all.length ? "reads" : null;
}
