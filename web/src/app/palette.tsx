/** "Go to anything": pages, what the page can do, and runs by any word in them. */
import { signal } from "@preact/signals";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { get } from "../api/client";
import type { RunSummary } from "../api/types";
import { Phase } from "../ui/badge";
import { Dialog } from "../ui/dialog";
import { allPages } from "./pages";
import { href, namespace, navigate, route } from "./router";

export const paletteOpen = signal(false);
export function openPalette(): void {
  paletteOpen.value = true;
}

export interface Command {
  readonly title: string;
  readonly hint?: string;
  readonly run: () => void;
}

/** What the page that is shown can do. */
const commands = signal<readonly Command[]>([]);

export function useCommands(mine: readonly Command[]): void {
  const latest = useRef(mine);
  latest.current = mine;
  useEffect(() => {
    const added = mine.map(({ title, hint }) => ({
      title,
      ...(hint ? { hint } : {}),
      run: () => latest.current.find((one) => one.title === title)?.run(),
    }));
    commands.value = [...commands.value, ...added];
    return () => {
      commands.value = commands.value.filter((one) => !added.includes(one));
    };
  }, [mine.map(({ title }) => title).join("\n")]);
}

const ASK_AFTER_MS = 150;

export function Palette() {
  const [text, setText] = useState("");
  const [at, setAt] = useState(0);
  const [runs, setRuns] = useState<RunSummary[]>([]);
  const list = useId();
  const field = useRef<HTMLInputElement>(null);
  const close = () => {
    paletteOpen.value = false;
  };

  useEffect(() => field.current?.focus(), []);
  useEffect(() => {
    const wanted = text.trim();
    if (wanted.length < 2) {
      setRuns([]);
      return;
    }
    const abort = new AbortController();
    const timer = setTimeout(() => {
      const params = { q: wanted, limit: 8, namespace: namespace.peek() };
      get<{ items: RunSummary[] }>("/runs", params, abort.signal).then(
        (answer) => setRuns(answer.items),
        () => setRuns([]),
      );
    }, ASK_AFTER_MS);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [text]);

  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const fits = (title: string) => words.every((word) => title.toLowerCase().includes(word));
  const entries = [
    ...commands.value
      .filter((one) => fits(one.title))
      .map((one) => ({ ...one, key: `do ${one.title}`, phase: "" })),
    ...allPages
      .filter((page) => page.group && fits(page.title))
      .map((page) => ({
        key: page.path,
        title: page.title,
        hint: page.keys ? `g ${page.keys}` : "",
        phase: "",
        run: () => navigate(href(page.path)),
      })),
    ...runs.map((run) => ({
      key: run.uid,
      title: run.name,
      hint: run.namespace,
      phase: run.phase,
      run: () => navigate(href(route("/runs", run.namespace, run.name))),
    })),
  ];
  const chosen = Math.min(at, entries.length - 1);
  const go = (index: number) => {
    close();
    entries[index]?.run();
  };
  const press = (event: KeyboardEvent) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const by = event.key === "ArrowDown" ? 1 : entries.length - 1;
      if (entries.length) setAt((chosen + by) % entries.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      go(chosen);
    }
  };
  useEffect(() => {
    document.getElementById(`${list}-${chosen}`)?.scrollIntoView({ block: "nearest" });
  }, [chosen]);

  return (
    <Dialog title="Go to anything" header={false} class="palette" onClose={close}>
      <input
        ref={field}
        class="input"
        type="text"
        role="combobox"
        aria-expanded="true"
        aria-controls={list}
        aria-autocomplete="list"
        aria-label="Go to a page, an action or a run"
        aria-activedescendant={entries.length ? `${list}-${chosen}` : undefined}
        placeholder="A page, an action, or words of a run…"
        autocomplete="off"
        spellcheck={false}
        value={text}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setAt(0);
        }}
        onKeyDown={press}
      />
      <div id={list} class="options" role="listbox" aria-label="Found">
        {entries.map((entry, index) => (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the field has the keys, as the pattern asks
          <div
            key={entry.key}
            id={`${list}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === chosen}
            onClick={() => go(index)}
            onMouseMove={() => setAt(index)}
          >
            <span class="clip">{entry.title}</span>
            {entry.phase && <Phase phase={entry.phase} />}
            {entry.hint && <span class="hint">{entry.hint}</span>}
          </div>
        ))}
      </div>
      {!entries.length && <p class="empty">Nothing has all of these words.</p>}
    </Dialog>
  );
}
