import type { ComponentChildren } from "preact";
import { Badge } from "../../ui/badge";
import { CheckIcon } from "../../ui/icons";

interface StepProps {
  number: number;
  title: string;
  done: boolean;
  children: ComponentChildren;
}

export function Step({ number, title, done, children }: StepProps) {
  const id = `step-${number}`;
  return (
    <section class="card" aria-labelledby={id}>
      <header>
        <h2 id={id}>
          {number}. {title}
        </h2>
        {done && (
          <Badge tone="good" icon={CheckIcon}>
            done
          </Badge>
        )}
      </header>
      <div class="body stack">{children}</div>
    </section>
  );
}
