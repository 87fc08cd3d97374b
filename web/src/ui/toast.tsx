/** Short words about what was just done, or why not. Problems stay until they are closed. */
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { asProblem } from "../api/problem";
import { AlertIcon, CheckIcon, CloseIcon } from "./icons";

interface Toast {
  id: number;
  tone: "good" | "bad" | "wait";
  text: ComponentChildren;
}

const SHOWN_MS = 6000;
const MOST = 5;
let next = 0;
const toasts = signal<readonly Toast[]>([]);

export function toast(text: ComponentChildren, tone: Toast["tone"] = "good"): void {
  const id = next++;
  toasts.value = [...toasts.value, { id, tone, text }].slice(-MOST);
  if (tone === "good") setTimeout(() => close(id), SHOWN_MS);
}

function close(id: number): void {
  toasts.value = toasts.value.filter((one) => one.id !== id);
}

export function toastProblem(error: unknown): void {
  const problem = asProblem(error);
  toast(
    <>
      <strong>{problem.body.title}</strong>
      {problem.body.detail && <div>{problem.body.detail}</div>}
      {(problem.body.causes ?? []).map((cause) => (
        <div key={`${cause.field}${cause.message}`}>
          {cause.field && <code>{cause.field}</code>} {cause.message}
        </div>
      ))}
    </>,
    "bad",
  );
}

/** Warnings of Kubernetes' admission, which an answer may carry. */
export function toastWarnings(warnings: readonly string[] | null | undefined): void {
  for (const warning of warnings ?? []) toast(warning, "wait");
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map(({ id, tone, text }) => (
        <div key={id} class={`toast ${tone}`}>
          {tone === "good" ? <CheckIcon /> : <AlertIcon />}
          <div class="grow">{text}</div>
          <button
            type="button"
            class="button quiet icon"
            aria-label="Close this message"
            onClick={() => close(id)}
          >
            <CloseIcon />
          </button>
        </div>
      ))}
    </div>
  );
}
