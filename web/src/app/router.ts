/**
 * Hash routes: `#/runs/team-a/nightly?tab=timing`.
 *
 * In the fragment, since the path belongs to the server (`/api`, `/agents/<namespace>/<instance>`), a fragment is in no
 * log, and the dashboard then works beneath any path. State that a person would want in a link or in the back
 * button (filters, tab, namespace) is in the query; everything else is not.
 *
 * The query's `ns` is the namespace picker: absent means every namespace that the person may see. `href` carries it along.
 */
import { computed, signal } from "@preact/signals";
import { recall, remember } from "./storage";

export interface Location {
  readonly path: string;
  readonly query: URLSearchParams;
}

export function parse(hash: string): Location {
  const text = hash.replace(/^#\/?/, "/");
  const cut = text.indexOf("?");
  const path = cut < 0 ? text : text.slice(0, cut);
  return {
    path: path.replace(/(.)\/+$/, "$1") || "/",
    query: new URLSearchParams(cut < 0 ? "" : text.slice(cut + 1)),
  };
}

/** Parameters of `pattern` (`/runs/:namespace/:name`) in `path`, or null when it is another page's. */
export function match(pattern: string, path: string): Record<string, string> | null {
  const wanted = pattern.split("/");
  const given = path.split("/");
  if (wanted.length !== given.length) return null;
  const found: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const value = given[index] ?? "";
    if (part.startsWith(":")) {
      if (!value) return null;
      found[part.slice(1)] = decode(value);
    } else if (part !== value) return null;
  }
  return found;
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export type Query = Record<string, string | readonly string[] | null | undefined>;

/** A link's address. Parts of `path` that come from data are to be encoded by `route`. Null leaves a key out. */
export function href(path: string, query: Query = {}): string {
  const merged = new URLSearchParams();
  const all: Query = { ns: namespace.peek() || null, ...query };
  for (const [key, value] of Object.entries(all)) {
    if (value === null || value === undefined || value === "") continue;
    for (const one of typeof value === "string" ? [value] : value) merged.append(key, one);
  }
  const text = merged.toString();
  return `#${path}${text ? `?${text}` : ""}`;
}

/** "/runs" and parts of data, encoded: route("/runs", "team-a", "nightly"). */
export function route(start: string, ...parts: string[]): string {
  return [start, ...parts.map(encodeURIComponent)].join("/");
}

const here = typeof window === "undefined" ? "" : window.location.hash;
export const location = signal<Location>(parse(here));
export const namespace = computed(() => location.value.query.get("ns") ?? "");

export function navigate(target: string, { replace = false } = {}): void {
  if (replace) {
    window.history.replaceState(null, "", target);
    location.value = parse(target);
  } else if (window.location.hash === target) location.value = parse(target);
  else window.location.hash = target;
}

/** Change keys of the query of the page that is shown; filters replace, so that Back leaves the page. */
export function setQuery(changes: Query, { replace = true } = {}): void {
  const query: Record<string, string | readonly string[] | null | undefined> = {};
  for (const key of new Set(location.peek().query.keys())) query[key] = location.peek().query.getAll(key);
  navigate(href(location.peek().path, { ns: null, ...query, ...changes }), { replace });
}

export function setNamespace(name: string): void {
  remember("namespace", name || null);
  setQuery({ ns: name || null }, { replace: false });
}

/** Called once: a bare address opens in the namespace that was used last. */
export function startRouter(): void {
  const kept = recall("namespace");
  if (kept && location.peek().path === "/" && !location.peek().query.has("ns")) {
    navigate(href("/", { ns: kept }), { replace: true });
  }
  window.addEventListener("hashchange", () => {
    location.value = parse(window.location.hash);
  });
}
