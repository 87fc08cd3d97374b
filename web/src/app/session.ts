/** Who is signed in, and the ways of signing in. */
import { effect, signal } from "@preact/signals";
import { get, post, remove, signedOut } from "../api/client";
import { asProblem, Problem, UNREACHABLE } from "../api/problem";
import type { Session } from "../api/types";
import { href, location, navigate } from "./router";

export const session = signal<Session | null>(null);
export const sessionProblem = signal<Problem | null>(null);

const RETRY_MS = 2000;

/** Where the catalogue, the policies for everybody and the SympoziumConfig are. */
export function systemNamespace(): string {
  return session.value?.systemNamespace ?? "";
}

export async function loadSession(): Promise<void> {
  try {
    session.value = await get<Session>("/session");
    sessionProblem.value = null;
  } catch (error) {
    sessionProblem.value = asProblem(error);
    if (sessionProblem.value.status === UNREACHABLE) setTimeout(() => void loadSession(), RETRY_MS);
  }
}

/** A one-time link has its ticket in the fragment, where no log sees it; it is taken out of the history at once. */
export function takeTicket(): string | null {
  const { path, query } = location.peek();
  const ticket = path === "/sign-in" ? query.get("ticket") : null;
  if (ticket) navigate(href("/", { ns: null }), { replace: true });
  return ticket;
}

/** The words of `problem=` (docs/api.md): the server leads back with one where signing in at a provider failed. */
const WHY: Record<string, string> = {
  expired: "It took too long, or was begun in another browser: try again.",
  state: "The answer was of another attempt to sign in: try again.",
  refused: "The provider refused.",
  provider: "The provider could not be asked. The log of the API server says more.",
  token: "The provider's answer is not good. The log of the API server says more.",
  name: "The provider gave no name that can be used here.",
  large: "The provider's token is too large for a session: ask for fewer groups.",
  kubernetes:
    "Kubernetes does not accept this sign-in. Whoever set it up finds more in the log of the API server.",
};

export function takeProblem(): Problem | null {
  const { path, query } = location.peek();
  const word = path === "/sign-in" ? query.get("problem") : null;
  if (!word) return null;
  navigate(href("/", { ns: null }), { replace: true });
  return new Problem({
    title: "You are not signed in",
    status: 401,
    detail: WHY[word] ?? word.slice(0, 100),
  });
}

export async function signInWithLink(ticket: string): Promise<void> {
  await post("/session/link", { ticket });
  await loadSession();
}

export async function signInWithToken(token: string): Promise<void> {
  await post("/session/token", { token });
  await loadSession();
}

export async function signOut(): Promise<void> {
  await remove("/session");
  await loadSession();
}

export async function startSession(): Promise<void> {
  const ticket = takeTicket();
  if (ticket) {
    try {
      await signInWithLink(ticket);
      return;
    } catch (error) {
      await loadSession();
      sessionProblem.value = asProblem(error);
      return;
    }
  }
  const failed = takeProblem();
  await loadSession();
  if (failed) sessionProblem.value = failed;
}

effect(() => {
  if (signedOut.value > 0) void loadSession();
});
