/**
 * Keys. A page says what its keys do with `useKeys`, and the help (`?`) is made of what is in force.
 *
 * A key is one character as `KeyboardEvent.key` has it, two with a space between (`g r`), or with `ctrl+` (Command on a Mac).
 * Letters do nothing while a person types, and nothing while a dialog is open.
 */
import { signal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";

export interface Binding {
  readonly keys: string;
  readonly does: string;
  readonly run: () => void;
}

interface Group {
  title: string;
  bindings: readonly Binding[];
}

export const groups = signal<readonly Group[]>([]);
/** The first half of a pair such as `g r`, while the second is awaited. */
export const prefix = signal<string>("");
const PAIR_MS = 1500;
let timer: ReturnType<typeof setTimeout> | undefined;

export function bind(title: string, bindings: readonly Binding[]): () => void {
  const group = { title, bindings };
  groups.value = [...groups.value, group];
  return () => {
    groups.value = groups.value.filter((one) => one !== group);
  };
}

/** Bindings for as long as the component is shown. What they do may close over fresh state. */
export function useKeys(title: string, bindings: readonly Binding[]): void {
  const latest = useRef(bindings);
  latest.current = bindings;
  // Before the page can be seen, so that no key is lost.
  useLayoutEffect(
    () =>
      bind(
        title,
        bindings.map(({ keys, does }) => ({
          keys,
          does,
          run: () => latest.current.find((one) => one.keys === keys)?.run(),
        })),
      ),
    [title, bindings.map(({ keys }) => keys).join()],
  );
}

export interface Press {
  readonly key: string;
  readonly ctrlKey: boolean;
  readonly metaKey: boolean;
  readonly altKey: boolean;
}

/** What a press means: the binding, a prefix to wait on, or nothing. Later groups win: a page's over the layout's. */
export function resolve(
  press: Press,
  before: string,
  all: readonly Group[],
): { binding: Binding | null; prefix: string } {
  if (press.altKey) return { binding: null, prefix: "" };
  const held = press.ctrlKey || press.metaKey;
  const pressed = held ? `ctrl+${press.key.toLowerCase()}` : press.key;
  const wanted = before && !held ? `${before} ${pressed}` : pressed;
  const bindings = all.flatMap((group) => group.bindings).reverse();
  const binding = bindings.find((one) => one.keys === wanted) ?? null;
  if (binding) return { binding, prefix: "" };
  const opens = !before && bindings.some((one) => one.keys.startsWith(`${pressed} `));
  return { binding: null, prefix: opens ? pressed : "" };
}

function typing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return (
    target.isContentEditable || target.matches("input:not([type=checkbox], [type=radio]), textarea, select")
  );
}

export function startKeyboard(): void {
  document.addEventListener("keydown", (event) => {
    const held = event.ctrlKey || event.metaKey;
    if (event.defaultPrevented || (typing(event.target) && !held)) return;
    if (document.querySelector("dialog[open]") && !held) return;
    const { binding, prefix: next } = resolve(event, prefix.value, groups.value);
    clearTimeout(timer);
    prefix.value = next;
    if (next) {
      timer = setTimeout(() => {
        prefix.value = "";
      }, PAIR_MS);
    }
    if (!binding) return;
    event.preventDefault();
    binding.run();
  });
}
