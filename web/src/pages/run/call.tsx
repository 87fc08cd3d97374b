/** One tool call: what was asked, what the policy said and why, what came of it. */
import { useState } from "preact/hooks";
import type { ApprovalSummary } from "../../api/types";
import { href, route } from "../../app/router";
import { ApprovalCard } from "../../ui/approval-card";
import { Badge, Verdict } from "../../ui/badge";
import { Code } from "../../ui/code";
import { bytes, duration } from "../../ui/format";
import { AlertIcon, BusyIcon, ChevronIcon, ToolIcon } from "../../ui/icons";
import { Elapsed } from "../../ui/time";
import type { Call } from "./transcript";

const LINE = 140;

/** The one argument that says what the call is, in a line. */
export function headline(args: unknown): string {
  if (typeof args === "string") return args;
  if (args === null || typeof args !== "object") return "";
  const named = args as Record<string, unknown>;
  for (const key of ["command", "path", "url", "task", "name"]) {
    const value = named[key];
    if (typeof value === "string") return value;
  }
  const values = Object.values(named);
  return values.length === 1 && typeof values[0] === "string" ? values[0] : JSON.stringify(args);
}

export function CallView({
  call,
  namespace,
  live,
  approval,
  onDecided,
}: {
  call: Call;
  namespace: string;
  live: boolean;
  approval: ApprovalSummary | null;
  onDecided: () => void;
}) {
  const waits = call.approval?.state === "waiting" && !call.outcome && live;
  const [open, setOpen] = useState(false);
  const line = headline(call.args).replace(/\s+/g, " ");
  return (
    <section
      class={`call ${call.outcome?.denied ? "denied" : ""} ${waits ? "waits" : ""}`}
      aria-label={`Call of ${call.tool}`}
    >
      <button type="button" class="call-head" aria-expanded={open} onClick={() => setOpen(!open)}>
        <ChevronIcon size={13} class={open ? "turned" : ""} />
        <ToolIcon size={14} />
        <span class="call-tool">{call.tool || "unknown tool"}</span>
        {call.target && call.target !== "shell" && <span class="faint call-target">in {call.target}</span>}
        <code class="clip grow">{line.length > LINE ? `${line.slice(0, LINE)}…` : line}</code>
        <CallState call={call} live={live} />
      </button>
      {call.verdict && call.verdict.action !== "allow" && !(waits && approval) && <Why call={call} />}
      {waits && approval && <ApprovalCard approval={approval} onDecided={onDecided} />}
      {waits && !approval && call.preview && (
        <div class="call-body">
          <Code text={call.preview.text} label="Preview" language="diff" wrap />
        </div>
      )}
      {call.asked && (
        <p class="call-body muted prose">
          {call.asked.kind === "run" ? "Starts a run" : "Schedule"}
          {call.asked.instance && ` of ${call.asked.instance}`}: {call.asked.text}
          {call.answer && !call.answer.ok && <span class="error-text"> — {call.answer.text}</span>}
        </p>
      )}
      {open && <Details call={call} namespace={namespace} />}
    </section>
  );
}

function CallState({ call, live }: { call: Call; live: boolean }) {
  const { outcome, verdict } = call;
  if (outcome) {
    return (
      <>
        {outcome.denied ? (
          <Verdict action="deny" title={verdict?.reason} />
        ) : outcome.isError ? (
          <Badge tone="bad" icon={AlertIcon}>
            failed
          </Badge>
        ) : (
          verdict && <Verdict action="allow" title={`${verdict.rule} ${verdict.reason}`} />
        )}
        <span class="faint number took">{duration(outcome.durationMs)}</span>
      </>
    );
  }
  if (!live) return <span class="faint">no outcome</span>;
  if (call.approval?.state === "waiting") return <Verdict action="ask" />;
  if (!call.startedAt) return <span class="faint">not begun</span>;
  return (
    <>
      <BusyIcon size={13} class="spin" />
      <span class="faint number took">
        <Elapsed from={call.startedAt} />
      </span>
    </>
  );
}

function Why({ call }: { call: Call }) {
  const { verdict, approval } = call;
  if (!verdict) return null;
  return (
    <div class="call-why">
      {verdict.reason && <span class="prose">{verdict.reason}</span>}
      <span class="faint">{verdict.rule}</span>
      {verdict.instead && <span class="prose muted">Allowed instead: {verdict.instead}</span>}
      {approval && approval.state !== "waiting" && (
        <span class="prose">
          <strong>{approval.state}</strong>
          {approval.by && ` by ${approval.by}`}
          {approval.comment && `: ${approval.comment}`}
        </span>
      )}
    </div>
  );
}

function Details({ call, namespace }: { call: Call; namespace: string }) {
  const { outcome, verdict } = call;
  const args = typeof call.args === "string" ? call.args : JSON.stringify(call.args, null, 2);
  return (
    <div class="call-body stack">
      <div>
        <h3>Arguments</h3>
        <Code text={args} label="Arguments" wrap />
      </div>
      {verdict && (
        <dl class="facts">
          <dt>Verdict</dt>
          <dd>
            <Verdict action={verdict.action} /> {verdict.reason}
          </dd>
          <dt>Rule</dt>
          <dd>{verdict.rule || "—"}</dd>
          {call.policy && (
            <>
              <dt>Policy</dt>
              <dd>{call.policy}</dd>
            </>
          )}
          {verdict.audited && (
            <>
              <dt>Would be</dt>
              <dd>
                {verdict.audited.action}: {verdict.audited.reason} ({verdict.audited.rule}; this policy only
                watches)
              </dd>
            </>
          )}
        </dl>
      )}
      {call.preview && (
        <div>
          <h3>Preview that was shown</h3>
          <Code text={call.preview.text} label="Preview" language="diff" wrap />
          {call.preview.problem && <p class="faint prose">{call.preview.problem}</p>}
        </div>
      )}
      {outcome && (
        <div>
          <h3>
            Output <span class="faint">{bytes(outcome.bytes)}</span>
            {outcome.truncated && <span class="faint"> · shortened here; the model saw more</span>}
          </h3>
          <Code text={outcome.summary || "(empty)"} label="Output" wrap />
        </div>
      )}
      {call.asked?.kind === "run" && (
        <a
          href={href(route("/runs"), {
            ns: namespace,
            q: call.asked.text.split(/\s+/).slice(0, 6).join(" "),
          })}
        >
          Find the run that it started
        </a>
      )}
    </div>
  );
}
