/**
 * Requests to `/api/v1`, as the signed-in person.
 *
 * The session is an HttpOnly cookie, so no script ever holds the credential. Unsafe methods carry a header that a form
 * of another site cannot set. A 401 anywhere means that the session ended: the sign-in page is shown, and
 * the person comes back to where they were.
 */
import { signal } from "@preact/signals";
import { Problem, problemOf, unreachable } from "./problem";

/** Below the page's own address: the dashboard may be served beneath a path. */
export const API = "./api/v1";

export type Params = Record<string, string | number | boolean | readonly string[] | null | undefined>;

/** Rises when a request was answered with 401. */
export const signedOut = signal(0);

export function address(path: string, params: Params = {}): string {
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries(params)) {
    if (value === null || value === undefined || value === "") continue;
    if (typeof value === "object") for (const one of value) query.append(key, one);
    else query.set(key, String(value));
  }
  const text = query.toString();
  return `${API}${path}${text ? `?${text}` : ""}`;
}

/** "/namespaces/" and parts of data, encoded. */
export function path(...parts: string[]): string {
  return parts.map((part) => `/${encodeURIComponent(part)}`).join("");
}

export interface Options {
  params?: Params | undefined;
  body?: unknown;
  signal?: AbortSignal | undefined;
  headers?: Record<string, string>;
}

export async function send(method: string, where: string, options: Options = {}): Promise<Response> {
  const headers: Record<string, string> = { accept: "application/json", ...options.headers };
  if (method !== "GET") headers["x-sympozium-request"] = "1";
  const init: RequestInit = {
    method,
    headers,
    credentials: "same-origin",
    cache: "no-store",
    redirect: "error",
  };
  if (options.body !== undefined) {
    headers["content-type"] ??= "application/json";
    init.body = typeof options.body === "string" ? options.body : JSON.stringify(options.body);
  }
  if (options.signal) init.signal = options.signal;
  let response: Response;
  try {
    response = await fetch(address(where, options.params), init);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw unreachable(error);
  }
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (response.status === 401 && !where.startsWith("/session")) signedOut.value += 1;
  throw problem;
}

async function json<T>(method: string, where: string, options?: Options): Promise<T> {
  const response = await send(method, where, options);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

export const get = <T>(where: string, params?: Params, abort?: AbortSignal): Promise<T> =>
  json<T>("GET", where, { params, signal: abort });
export const post = <T>(where: string, body?: unknown, params?: Params): Promise<T> =>
  json<T>("POST", where, { body: body ?? {}, params });
export const put = <T>(where: string, body: unknown, params?: Params): Promise<T> =>
  json<T>("PUT", where, { body, params });
export const patch = <T>(where: string, body: unknown, params?: Params): Promise<T> =>
  json<T>("PATCH", where, { body, params, headers: { "content-type": "application/merge-patch+json" } });
export const remove = <T>(where: string, params?: Params): Promise<T> => json<T>("DELETE", where, { params });

export { Problem };
