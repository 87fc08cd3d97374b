/** The transcript: what the model said, what it did, what was allowed. Everything that it wrote is a text node. */
import { Component, type ComponentChildren } from "preact";
import type { ApprovalSummary } from "../../api/types";
import { Badge, Phase } from "../../ui/badge";
import { Button } from "../../ui/button";
import { count } from "../../ui/format";
import { AlertIcon, ForkIcon, InfoIcon, PauseIcon } from "../../ui/icons";
import { RelativeTime } from "../../ui/time";
import { CallView } from "./call";
import type { Call, Item, Noted, Result, Step, Transcript } from "./transcript";

interface StepsProps {
  transcript: Transcript;
  namespace: string;
  live: boolean;
  approval: ApprovalSummary | null;
  onDecided: () => void;
  onFork: (step: number) => void;
}

export function Steps({ transcript, namespace, live, approval, onDecided, onFork }: StepsProps) {
  const waiting = transcript.waiting;
  return (
    <ol class="steps" aria-label="Transcript">
      {transcript.items.map((item) => (
        <Held key={item.key} item={item} live={live} approval={approval} waiting={waiting}>
          {() => (
            <li class={`item item-${item.kind}`}>
              {item.kind === "step" && (
                <StepView
                  step={item}
                  namespace={namespace}
                  live={live}
                  approval={waiting && item.calls.includes(waiting) ? approval : null}
                  onDecided={onDecided}
                  onFork={onFork}
                />
              )}
              {item.kind === "note" && <NoteView note={item} />}
              {item.kind === "result" && <ResultView result={item} />}
            </li>
          )}
        </Held>
      ))}
    </ol>
  );
}

interface HeldProps {
  item: Item;
  live: boolean;
  approval: ApprovalSummary | null;
  waiting: Call | null;
  children: () => ComponentChildren;
}

/** Draws again only what has changed: a long run has thousands of items, and one of them is being written. */
class Held extends Component<HeldProps> {
  override shouldComponentUpdate(next: HeldProps): boolean {
    const { item, live, approval, waiting } = this.props;
    return next.item !== item || next.live !== live || next.approval !== approval || next.waiting !== waiting;
  }

  render() {
    return this.props.children();
  }
}

function StepView({
  step,
  namespace,
  live,
  approval,
  onDecided,
  onFork,
}: {
  step: Step;
  namespace: string;
  live: boolean;
  approval: ApprovalSummary | null;
  onDecided: () => void;
  onFork: (step: number) => void;
}) {
  const writing = step.writing && live;
  return (
    <article aria-label={step.number ? `Step ${step.number}` : "Before the first step"}>
      <header class="step-head">
        <h2>{step.number ? `Step ${step.number}` : "Tool calls"}</h2>
        <span class="faint">
          <RelativeTime at={step.time} />
        </span>
        {step.usage && (
          <span class="faint" title="Tokens in and out of this call of the model">
            {count(step.usage.inputTokens)} in · {count(step.usage.outputTokens)} out
            {step.usage.estimated && " (estimated)"}
          </span>
        )}
        {step.finishReason === "length" && <Badge tone="wait">cut at the token limit</Badge>}
        {step.number > 0 && !step.writing && (
          <span class="step-tools">
            <Button
              look="quiet"
              icon={ForkIcon}
              label={`Fork from step ${step.number}`}
              onClick={() => onFork(step.number)}
            />
          </span>
        )}
      </header>
      {step.partial && (
        <p class="faint">The beginning of this text was not seen; it comes with the message.</p>
      )}
      {step.text && (
        <p class="prose said">
          {step.text}
          {writing && <span class="caret" aria-hidden="true" />}
        </p>
      )}
      {writing && !step.text && (
        <p class="faint thinking">
          Waiting for the model
          <span class="caret" aria-hidden="true" />
        </p>
      )}
      {step.calls.map((call) => (
        <CallView
          key={call.id}
          call={call}
          namespace={namespace}
          live={live}
          approval={call.approval?.state === "waiting" ? approval : null}
          onDecided={onDecided}
        />
      ))}
    </article>
  );
}

const NOTE_ICONS = { calm: InfoIcon, wait: AlertIcon, bad: AlertIcon, hold: PauseIcon };

function NoteView({ note }: { note: Noted }) {
  const Icon = NOTE_ICONS[note.tone];
  return (
    <div class={`remark ${note.tone}`}>
      <Icon size={13} />
      <span class="prose">{note.text}</span>
      <span class="faint">
        <RelativeTime at={note.time} />
      </span>
    </div>
  );
}

function ResultView({ result }: { result: Result }) {
  return (
    <section class={`result ${result.phase === "Succeeded" ? "good" : "bad"}`} aria-label="Result">
      <header class="row">
        <Phase phase={result.phase} />
        {result.reason && result.reason !== "Completed" && <span class="muted">{result.reason}</span>}
        <span class="faint">
          <RelativeTime at={result.time} />
        </span>
      </header>
      {result.error && <p class="prose error-text">{result.error}</p>}
      {result.text && <p class="prose said">{result.text}</p>}
    </section>
  );
}
