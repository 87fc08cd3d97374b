/** One call: what a person needs to know before it. Everything of the model's is text. */
import type { RefObject } from "preact";
import type { ApprovalSummary } from "../../api/types";
import { href, route } from "../../app/router";
import { Phase } from "../../ui/badge";
import { Button } from "../../ui/button";
import { Code, Diff } from "../../ui/code";
import { BanIcon, CheckIcon, ChevronIcon } from "../../ui/icons";
import { Note } from "../../ui/states";
import { RelativeTime } from "../../ui/time";
import { argumentsOf, isDiff, previewTitle } from "./inbox";
import { Countdown } from "./list";

interface Props {
  approval: ApprovalSummary;
  /** It was in the list and is not any more. */
  gone: boolean;
  focus: RefObject<HTMLElement | null>;
  onBack: () => void;
  onDecide: (what: "approve" | "deny") => void;
}

export function Detail({ approval, gone, focus, onBack, onDecide }: Props) {
  const { namespace, tool, target, run, instance, decision } = approval;
  const open = !decision && !gone;
  return (
    <section class="detail" ref={focus} tabIndex={-1} aria-label={`Call of ${tool}`}>
      <header class="row">
        <span class="narrow-only">
          <Button icon={ChevronIcon} label="Back to the list" look="quiet" onClick={onBack} />
        </span>
        <h2 class="clip">
          {tool}
          {target && <span class="faint"> in {target}</span>}
        </h2>
        {open ? <Countdown until={approval.expiresAt} /> : <Phase phase={decision ?? "Decided elsewhere"} />}
      </header>
      {open && (
        <div class="row verdict">
          <Button
            look="primary"
            icon={CheckIcon}
            keys="a"
            disabled={!approval.mayDecide}
            onClick={() => onDecide("approve")}
          >
            Approve…
          </Button>
          <Button
            look="danger"
            icon={BanIcon}
            keys="d"
            disabled={!approval.mayDecide}
            onClick={() => onDecide("deny")}
          >
            Deny…
          </Button>
          {!approval.mayDecide && (
            <span class="muted">
              You may not decide this: it needs the right to patch <code>approvalrequests/status</code> in{" "}
              {namespace}.
            </span>
          )}
        </div>
      )}
      {gone && !decision && <Note>This call no longer waits: somebody decided, or its run ended.</Note>}
      <dl class="facts">
        <dt>Run</dt>
        <dd>
          <a href={href(route("/runs", namespace, run))}>{run}</a> <span class="faint">in {namespace}</span>
        </dd>
        {instance && (
          <>
            <dt>Instance</dt>
            <dd>
              <a href={href(route("/instances", namespace, instance))}>{instance}</a>
            </dd>
          </>
        )}
        {approval.reason && (
          <>
            <dt>Asked because</dt>
            <dd class="prose">{approval.reason}</dd>
          </>
        )}
        <dt>Asked</dt>
        <dd>
          <RelativeTime at={approval.requestedAt} />
        </dd>
        {decision && <Decided approval={approval} />}
      </dl>
      <Preview approval={approval} />
      <Arguments args={approval.args} />
      <p class="faint digest">
        The decision holds for exactly these arguments: <span class="mono">{approval.argsDigest}</span>
      </p>
    </section>
  );
}

function Decided({ approval }: { approval: ApprovalSummary }) {
  const { decision, decidedBy, decidedAt, scope, comment } = approval;
  return (
    <>
      <dt>Decided</dt>
      <dd>
        {decision}
        {decidedBy && ` by ${decidedBy}`} <RelativeTime at={decidedAt} />
        {scope === "run" && ", for this call whenever this run repeats it"}
      </dd>
      {comment && (
        <>
          <dt>Comment</dt>
          <dd class="prose">{comment}</dd>
        </>
      )}
    </>
  );
}

function Preview({ approval: { preview } }: { approval: ApprovalSummary }) {
  if (!preview || (preview.kind === "none" && !preview.text)) {
    return (
      <Note>
        {preview?.problem || "What it would do is not known before it is done: read the arguments."}
      </Note>
    );
  }
  const title = previewTitle(preview.kind);
  return (
    <section class="stack part">
      <h3>{title}</h3>
      {preview.text &&
        (isDiff(preview.kind) ? (
          <Diff text={preview.text} label={title} />
        ) : (
          <Code text={preview.text} label={title} wrap />
        ))}
      {preview.truncated && (
        <Note tone="wait">Only the beginning is shown: the whole is longer than 64 KiB.</Note>
      )}
      {preview.problem && <Note tone="wait">{preview.problem}</Note>}
    </section>
  );
}

/** Long texts have a box of their own, so that no line of a value can pass for another argument. */
function Arguments({ args }: { args: unknown }) {
  const all = argumentsOf(args);
  return (
    <section class="stack part">
      <h3>Arguments</h3>
      {all.length === 0 && <p class="muted">None.</p>}
      {all.map(({ name, text }) => (
        <div key={name}>
          {name && <h4 class="mono">{name}</h4>}
          <Code text={text} label={`Argument ${name}`} wrap />
        </div>
      ))}
    </section>
  );
}
