/**
 * Text that a person edits and the object that it stands for: no DOM here.
 *
 * Lines are counted from 1, as editors do. `yaml` and `diff` are large for what they do, so nothing that is loaded first may
 * import this module.
 */
import { createTwoFilesPatch } from "diff";
import { isMap, isSeq, LineCounter, parseDocument, stringify } from "yaml";
import type { KubeObject } from "../api/types";

export interface Mark {
  readonly line: number;
  readonly severity: "error" | "warning";
  readonly message: string;
  /** Path of the field, as whoever found it writes it; empty for the text as such. */
  readonly path: string;
}

export type Parsed =
  | { readonly object: KubeObject; readonly marks: [] }
  | { readonly object: null; readonly marks: Mark[] };

/** What a person edits of an object: no status, and nothing that the server keeps for itself. */
export function editable(object: KubeObject): KubeObject {
  const { status: _status, ...rest } = object;
  return { ...rest, metadata: plainMetadata(object.metadata) } as KubeObject;
}

/** The whole object for reading, with its status, without the record of who manages which field. */
export function readable(object: KubeObject): KubeObject {
  const { managedFields: _managed, ...metadata } = object.metadata as Record<string, unknown>;
  return { ...object, metadata } as KubeObject;
}

function plainMetadata(metadata: Record<string, unknown>): Record<string, unknown> {
  const kept: Record<string, unknown> = {};
  for (const key of ["name", "namespace", "labels", "annotations"]) {
    if (metadata[key] !== undefined) kept[key] = metadata[key];
  }
  const annotations = kept.annotations as Record<string, string> | undefined;
  const applied = "kubectl.kubernetes.io/last-applied-configuration";
  if (annotations?.[applied] !== undefined) {
    const { [applied]: _applied, ...others } = annotations;
    kept.annotations = others;
    if (!Object.keys(others).length) delete kept.annotations;
  }
  return kept;
}

const ORDER = ["apiVersion", "kind", "metadata", "spec", "status"];

export function write(object: unknown): string {
  return stringify(ordered(object), { lineWidth: 0, aliasDuplicateObjects: false, version: "1.2" });
}

function ordered(object: unknown): unknown {
  if (typeof object !== "object" || object === null || !("kind" in object)) return object;
  const given = object as Record<string, unknown>;
  const first = ORDER.filter((key) => key in given);
  const others = Object.keys(given).filter((key) => !ORDER.includes(key));
  return Object.fromEntries([...first, ...others].map((key) => [key, given[key]]));
}

/** The object of a text, or what is wrong and where. */
export function read(text: string): Parsed {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, uniqueKeys: true, prettyErrors: false });
  if (document.errors.length) {
    const marks = document.errors.map<Mark>((error) => ({
      line: counter.linePos(error.pos[0]).line,
      severity: "error",
      message: error.message,
      path: "",
    }));
    return { object: null, marks };
  }
  const mark = (message: string): Parsed => ({
    object: null,
    marks: [{ line: 1, severity: "error", message, path: "" }],
  });
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    return mark(error instanceof Error ? error.message : String(error));
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    return mark("expected one object: kind, metadata, spec");
  const object = value as KubeObject;
  for (const key of ["apiVersion", "kind", "metadata"]) {
    if (!(key in object)) return mark(`${key} is missing`);
  }
  return { object, marks: [] };
}

/** "spec.rules[0].when", as Kubernetes and pydantic write paths, in steps: ["spec", "rules", 0, "when"]. */
export function steps(path: string): (string | number)[] {
  const found: (string | number)[] = [];
  for (const part of path.matchAll(/\[(\d+)\]|\["?([^\]"]*)"?\]|([^.[\]]+)/g)) {
    if (part[1] !== undefined) found.push(Number(part[1]));
    else found.push(part[2] ?? part[3] ?? "");
  }
  return found[0] === "body" ? found.slice(1) : found;
}

/** The line of a field, or of the nearest one around it that the text has. */
export function lineOf(text: string, path: string): number {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false });
  let node: unknown = document.contents;
  let offset = 0;
  for (const step of steps(path)) {
    if (isMap(node)) {
      const pair = node.items.find((one) => keyText(one.key) === String(step));
      if (!pair) break;
      offset = rangeOf(pair.key) ?? offset;
      node = pair.value;
    } else if (isSeq(node) && typeof step === "number") {
      const item = node.items[step];
      if (item === undefined) break;
      offset = rangeOf(item) ?? offset;
      node = item;
    } else break;
  }
  return counter.linePos(offset).line || 1;
}

function keyText(key: unknown): string {
  if (typeof key === "object" && key !== null && "value" in key) return String(key.value);
  return String(key);
}

function rangeOf(node: unknown): number | null {
  if (typeof node !== "object" || node === null || !("range" in node)) return null;
  return (node.range as [number, number, number] | null | undefined)?.[0] ?? null;
}

/** A unified diff without its file header; empty when there is no difference. */
export function difference(before: string, after: string, context = 3): string {
  if (before === after) return "";
  const patch = createTwoFilesPatch("", "", before, after, "", "", { context });
  const start = patch.indexOf("@@");
  return start < 0 ? "" : patch.slice(start);
}
