/**
 * Saving an object that a person edited as text: always tried on the server first, so that what is shown before the
 * decision is what admission and defaulting make of it, and saved against the version that the person saw.
 */
import { get, path, post, put } from "../api/client";
import type { Written } from "../api/govern";
import { asProblem, type Problem } from "../api/problem";
import type { KubeObject } from "../api/types";
import { lineOf, type Mark } from "./document";

export interface Place {
  readonly plural: string;
  readonly namespace: string;
  /** Empty: a new object, whose name is in its text. */
  readonly name: string;
}

export const placePath = ({ plural, namespace, name }: Place): string =>
  path("namespaces", namespace, "resources", plural, ...(name ? [name] : []));

export const load = (place: Place): Promise<KubeObject> => get<KubeObject>(placePath(place));

/** Raises Problem: 409 when the object has changed since `version`. */
export async function write(
  place: Place,
  object: KubeObject,
  version: string,
  { dryRun }: { dryRun: boolean },
): Promise<Written> {
  const metadata = { ...object.metadata, namespace: place.namespace };
  const params = dryRun ? { dryRun: true } : {};
  if (!place.name) return post<Written>(placePath(place), { ...object, metadata }, params);
  return put<Written>(
    placePath(place),
    { ...object, metadata: { ...metadata, resourceVersion: version } },
    params,
  );
}

/** What must hold before anything is sent: the text is of the object that is edited. */
export function mismatch(place: Place, kind: string, object: KubeObject): Mark | null {
  const wrong = (line: string, message: string): Mark => ({
    line: 1,
    severity: "error",
    path: line,
    message,
  });
  if (object.kind !== kind) return wrong("kind", `is ${object.kind}, and this page edits ${kind}`);
  if (!object.metadata?.name) return wrong("metadata.name", "is missing");
  if (place.name && object.metadata.name !== place.name) {
    return wrong("metadata.name", `is ${object.metadata.name}: an object cannot be renamed. Make a new one`);
  }
  if (object.metadata.namespace && object.metadata.namespace !== place.namespace) {
    return wrong(
      "metadata.namespace",
      `is ${object.metadata.namespace}, and this page writes to ${place.namespace}`,
    );
  }
  return null;
}

/** What the server found wrong, at the lines of its fields; what names no field is said for the whole. */
export function marksOf(problem: Problem, text: string): Mark[] {
  const causes = (problem.body.causes ?? []).filter((cause) => cause.message);
  if (!causes.length) return [];
  return causes.map((cause) => ({
    line: cause.field ? lineOf(text, cause.field) : 1,
    severity: "error" as const,
    path: cause.field ?? "",
    message: cause.message,
  }));
}

export const isConflict = (error: unknown): boolean => asProblem(error).status === 409;
