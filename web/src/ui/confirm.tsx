/** `confirm`: a question before what cannot be taken back. */
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { Button } from "./button";
import { Dialog } from "./dialog";

interface Question {
  title: string;
  text: ComponentChildren;
  action: string;
  answer: (yes: boolean) => void;
}

const question = signal<Question | null>(null);

export function confirm(title: string, text: ComponentChildren, action: string): Promise<boolean> {
  return new Promise((resolve) => {
    question.value = {
      title,
      text,
      action,
      answer: (yes) => {
        question.value = null;
        resolve(yes);
      },
    };
  });
}

export function Confirmation() {
  const asked = question.value;
  if (!asked) return null;
  return (
    <Dialog title={asked.title} onClose={() => asked.answer(false)}>
      <div class="body">{asked.text}</div>
      <footer>
        <Button onClick={() => asked.answer(false)}>Back</Button>
        <Button look="danger solid" onClick={() => asked.answer(true)}>
          {asked.action}
        </Button>
      </footer>
    </Dialog>
  );
}
