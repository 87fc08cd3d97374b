/** Texts that were begun and not saved, for as long as the page is open: a look at another page loses nothing. */
import type { KubeObject } from "../api/types";

export interface Draft {
  readonly text: string;
  /** What the text was begun from: whether somebody else saved meanwhile is told by its version. */
  readonly base: KubeObject;
}

const drafts = new Map<string, Draft>();

export const draftOf = (key: string): Draft | null => drafts.get(key) ?? null;

export function keepDraft(key: string, draft: Draft | null): void {
  if (draft) drafts.set(key, draft);
  else drafts.delete(key);
}
