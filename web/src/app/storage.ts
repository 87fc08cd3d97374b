/** What this browser remembers of a person's choices. A browser without storage forgets, and nothing else. */
export function recall(key: string): string | null {
  try {
    return localStorage.getItem(`sympozium.${key}`);
  } catch {
    return null;
  }
}

export function remember(key: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(`sympozium.${key}`);
    else localStorage.setItem(`sympozium.${key}`, value);
  } catch {
    // Nothing depends on it.
  }
}
