/** Who is signed in, and the ways of signing in. */
import { effect, signal } from "@preact/signals";
import { get, post, remove, signedOut } from "../api/client";
import { asProblem, type Problem, UNREACHABLE } from "../api/problem";
import type { Session } from "../api/types";
import { href, location, navigate } from "./router";

export const session = signal<Session | null>(null);
export const sessionProblem = signal<Problem | null>(null);

const RETRY_MS = 2000;

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
  await loadSession();
}

effect(() => {
  if (signedOut.value > 0) void loadSession();
});
