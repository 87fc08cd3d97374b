/** The question that a run waits with: what would happen, why a person is asked, and the two answers. */
import { useState } from "preact/hooks";
import { path, post } from "../api/client";
import type { ApprovalSummary } from "../api/types";
import { useKeys } from "../app/keyboard";
import { Button } from "./button";
import { now } from "./clock";
import { Code } from "./code";
import { relative } from "./format";
import { ApprovalIcon, BanIcon, CheckIcon } from "./icons";
import { Note } from "./states";
import { toast } from "./toast";

interface Props {
  approval: ApprovalSummary;
  onDecided: () => void;
}

/** What was seen is sent along (its digest): a call that has changed meanwhile is not approved by this. */
export async function decide(
  approval: ApprovalSummary,
  yes: boolean,
  comment: string,
  scope?: string,
): Promise<void> {
  const where = `${path("namespaces", approval.namespace, "approvals", approval.name)}/${yes ? "approve" : "deny"}`;
  await post(where, {
    ...(comment ? { comment } : {}),
    ...(yes ? { argsDigest: approval.argsDigest, ...(scope ? { scope } : {}) } : {}),
  });
  toast(yes ? `Approved: ${approval.tool}` : `Denied: ${approval.tool}`);
}

export function ApprovalCard({ approval, onDecided }: Props) {
  const [comment, setComment] = useState("");
  const [all, setAll] = useState(false);
  const answer = async (yes: boolean) => {
    try {
      await decide(approval, yes, comment, all ? "run" : undefined);
    } finally {
      onDecided();
    }
  };
  const focus = (id: string) => {
    const button = document.querySelector<HTMLElement>(`[data-answer="${id}"] button`);
    button?.scrollIntoView({ block: "center" });
    button?.focus();
  };
  useKeys("Approval", [
    { keys: "a", does: "to Approve (Enter presses it)", run: () => focus("approve") },
    { keys: "d", does: "to Deny (Enter presses it)", run: () => focus("deny") },
  ]);
  const { preview } = approval;
  const args = typeof approval.args === "string" ? approval.args : JSON.stringify(approval.args, null, 2);
  return (
    <div class="approval">
      <div class="row approval-head">
        <ApprovalIcon />
        <strong>This call waits for a person</strong>
        {approval.expiresAt && (
          <span class="faint">expires {relative(Date.parse(approval.expiresAt), now.value)}</span>
        )}
      </div>
      {approval.reason && <p class="prose">{approval.reason}</p>}
      {preview && preview.kind !== "none" ? (
        <div>
          <h3>
            {preview.kind === "diff" || preview.kind === "dry-run"
              ? "What it would change"
              : "What it would do"}
          </h3>
          <Code
            text={preview.text}
            label="Preview"
            language={preview.kind === "diff" || preview.kind === "dry-run" ? "diff" : "text"}
            wrap
          />
          {preview.truncated && <p class="faint">The preview is shortened.</p>}
        </div>
      ) : (
        <Note tone="wait">There is no preview of this call.</Note>
      )}
      {preview?.problem && <p class="prose muted">{preview.problem}</p>}
      <details>
        <summary>
          Arguments of {approval.tool}
          {approval.target && ` in ${approval.target}`}
        </summary>
        <Code text={args} label="Arguments" wrap />
      </details>
      {approval.mayDecide ? (
        <>
          <label class="field">
            <span>Comment</span>
            <input
              class="input"
              value={comment}
              placeholder="For the record; a reason for a refusal goes to the model"
              onInput={(event) => setComment(event.currentTarget.value)}
            />
          </label>
          <div class="row">
            <span data-answer="approve">
              <Button look="primary" icon={CheckIcon} keys="a" onClick={() => answer(true)}>
                Approve
              </Button>
            </span>
            <span data-answer="deny">
              <Button look="danger" icon={BanIcon} keys="d" onClick={() => answer(false)}>
                Deny
              </Button>
            </span>
            <label class="row tight muted">
              <input
                type="checkbox"
                checked={all}
                onChange={(event) => setAll(event.currentTarget.checked)}
              />
              approve this same call for the whole run
            </label>
          </div>
        </>
      ) : (
        <Note>You may not decide this: Kubernetes lets you not patch approvalrequests/status here.</Note>
      )}
    </div>
  );
}
