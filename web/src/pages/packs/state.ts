/** Packs as data: which belong together, what can be done with one, and what a form asks the server for. */
import type { PackSummary, PersonaState } from "../../api/govern";

export interface Shelf {
  readonly working: PackSummary[];
  readonly idle: PackSummary[];
  readonly catalogue: PackSummary[];
}

const byName = (one: PackSummary, other: PackSummary) =>
  one.name.localeCompare(other.name) || one.namespace.localeCompare(other.namespace);

/** What works, what was switched off, and what can be taken from the catalogue, which is for every namespace. */
export function shelf(packs: readonly PackSummary[], text: string, namespace = ""): Shelf {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = packs.filter((pack) => {
    if (namespace && !pack.catalogue && pack.namespace !== namespace) return false;
    const personas = pack.personas.flatMap((one) => [one.name, one.displayName]);
    const all = [pack.name, pack.description, pack.category, pack.namespace, ...personas]
      .join(" ")
      .toLowerCase();
    return words.every((word) => all.includes(word));
  });
  return {
    working: fits.filter((pack) => pack.enabled).sort(byName),
    idle: fits.filter((pack) => !pack.enabled && !pack.catalogue).sort(byName),
    catalogue: fits.filter((pack) => !pack.enabled && pack.catalogue).sort(byName),
  };
}

export interface EnableForm {
  readonly namespace: string;
  readonly model: string;
  readonly provider: string;
  readonly baseURL: string;
  readonly secret: string;
  readonly policy: string;
  readonly task: string;
  readonly excluded: readonly string[];
}

export interface EnableBody {
  model?: string;
  provider?: string;
  baseURL?: string;
  authRefs?: { secret: string; provider?: string }[];
  policyRef?: string;
  excludePersonas: string[];
  taskOverride?: string;
}

/** Who is left out, and what the person filled in: everything else stays the pack's, or the installation's default. */
export function enableBody(form: EnableForm): EnableBody {
  const body: EnableBody = { excludePersonas: [...form.excluded] };
  const model = form.model.trim();
  const provider = form.provider.trim();
  const secret = form.secret.trim();
  if (model) body.model = model;
  if (provider) body.provider = provider;
  if (form.baseURL.trim()) body.baseURL = form.baseURL.trim();
  if (secret) body.authRefs = [{ secret, ...(provider ? { provider } : {}) }];
  if (form.policy) body.policyRef = form.policy;
  if (form.task.trim()) body.taskOverride = form.task.trim();
  return body;
}

export interface Goes {
  readonly instances: string[];
  readonly schedules: string[];
}

/** What disabling a pack takes away. */
export function goes(personas: readonly PersonaState[]): Goes {
  return {
    instances: personas.flatMap((one) => (one.instance ? [one.instance] : [])),
    schedules: personas.flatMap((one) => (one.schedule && one.instance ? [`${one.instance}-schedule`] : [])),
  };
}
