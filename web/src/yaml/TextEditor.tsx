/**
 * A text field with line numbers, colours, and marks at lines.
 *
 * It is a plain <textarea> over its coloured text: undo, selection, spelling of a screen reader and the phone's keyboard are
 * the browser's. Tab leaves it, as everywhere; Enter keeps the indentation.
 */
import { useEffect, useId, useMemo, useRef } from "preact/hooks";
import { AlertIcon, CloseIcon } from "../ui/icons";
import { yamlTokens } from "../ui/syntax";
import type { Mark } from "./document";
import "./editor.css";

interface Props {
  label: string;
  text: string;
  onText?: (text: string) => void;
  marks?: readonly Mark[];
  /** Ctrl-Enter or Ctrl-S. */
  onSubmit?: () => void;
  readOnly?: boolean;
}

/** Beyond this only the text is shown: colours would make typing slow. */
const COLOURED = 60_000;

export function TextEditor({ label, text, onText, marks = [], onSubmit, readOnly = false }: Props) {
  const area = useRef<HTMLTextAreaElement>(null);
  const described = useId();
  const lines = useMemo(() => text.split("\n").length, [text]);
  const severity = useMemo(() => bySeverity(marks), [marks]);
  const jump = (line: number) => {
    const element = area.current;
    if (!element) return;
    const at = startOf(text, line);
    element.focus({ preventScroll: true });
    element.setSelectionRange(at, at);
    const box = element.closest(".editor");
    if (box) box.scrollTop = Math.max(0, (line - 4) * LINE_PX);
  };
  const press = (event: KeyboardEvent) => {
    if ((event.ctrlKey || event.metaKey) && (event.key === "Enter" || event.key === "s")) {
      event.preventDefault();
      onSubmit?.();
    } else if (
      event.key === "Enter" &&
      !event.shiftKey &&
      !event.altKey &&
      !event.isComposing &&
      area.current
    ) {
      const indent = indentAt(area.current.value, area.current.selectionStart);
      if (!indent) return;
      event.preventDefault();
      insert(area.current, `\n${indent}`);
    }
  };
  return (
    <div>
      <div class="editor">
        <div class="gutter" aria-hidden="true">
          {Array.from({ length: lines }, (_, index) => (
            <div key={index} class={severity.get(index + 1) ?? ""}>
              {index + 1}
            </div>
          ))}
        </div>
        <div class="paper">
          <pre class="paint" aria-hidden="true">
            <Painted text={text} />
            {"\n"}
          </pre>
          <textarea
            ref={area}
            aria-label={label}
            aria-describedby={marks.length ? described : undefined}
            aria-invalid={marks.some((mark) => mark.severity === "error")}
            spellcheck={false}
            autocapitalize="off"
            autocomplete="off"
            wrap="off"
            readOnly={readOnly}
            value={text}
            onInput={(event) => onText?.(event.currentTarget.value)}
            onKeyDown={press}
          />
        </div>
      </div>
      <ul class="findings" id={described} aria-label="Problems" hidden={!marks.length}>
        {marks.map((mark) => (
          <li key={`${mark.line} ${mark.path} ${mark.message}`} class={mark.severity}>
            <button type="button" onClick={() => jump(mark.line)}>
              <span class="faint">line {mark.line}</span>
              {mark.severity === "error" ? <CloseIcon size={14} /> : <AlertIcon size={14} />}
              <span>
                <span class="visually-hidden">{mark.severity}: </span>
                {mark.path && <code>{mark.path} </code>}
                {mark.message}
              </span>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

const LINE_PX = 20;

function Painted({ text }: { text: string }) {
  const tokens = useMemo(() => (text.length > COLOURED ? null : yamlTokens(text)), [text]);
  if (!tokens) return <>{text}</>;
  return (
    <>
      {tokens.map(([kind, part], index) =>
        kind ? (
          <span key={index} class={kind}>
            {part}
          </span>
        ) : (
          part
        ),
      )}
    </>
  );
}

function bySeverity(marks: readonly Mark[]): Map<number, string> {
  const found = new Map<number, string>();
  for (const mark of marks) if (found.get(mark.line) !== "error") found.set(mark.line, mark.severity);
  return found;
}

function startOf(text: string, line: number): number {
  let at = 0;
  for (let count = 1; count < line; count++) {
    const end = text.indexOf("\n", at);
    if (end < 0) return at;
    at = end + 1;
  }
  return at;
}

function indentAt(text: string, at: number): string {
  const line = text.slice(text.lastIndexOf("\n", at - 1) + 1, at);
  return /^ */.exec(line)?.[0] ?? "";
}

/** Through the browser's own editing, so that undo knows it. */
function insert(area: HTMLTextAreaElement, text: string): void {
  if (document.execCommand("insertText", false, text)) return;
  area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

/** Asks before the window closes over unsaved text. */
export function useUnsaved(unsaved: boolean): void {
  useEffect(() => {
    if (!unsaved) return;
    const ask = (event: BeforeUnloadEvent) => event.preventDefault();
    window.addEventListener("beforeunload", ask);
    return () => window.removeEventListener("beforeunload", ask);
  }, [unsaved]);
}
