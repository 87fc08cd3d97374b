/** The last question before a decision. Enter decides; what is sent names the arguments that the person saw. */
import { useEffect, useRef, useState } from "preact/hooks";
import { path, post } from "../../api/client";
import { asProblem, type Problem } from "../../api/problem";
import type { ApprovalSummary } from "../../api/types";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { BanIcon, CheckIcon } from "../../ui/icons";
import { ErrorBox } from "../../ui/states";
import { toast } from "../../ui/toast";

interface Props {
  approval: ApprovalSummary;
  what: "approve" | "deny";
  onClose: () => void;
  onDone: () => void;
}

export function Decide({ approval, what, onClose, onDone }: Props) {
  const [comment, setComment] = useState("");
  const [scope, setScope] = useState<"once" | "run">("once");
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const form = useRef<HTMLFormElement>(null);
  const approves = what === "approve";

  useEffect(() => {
    const first = approves ? "button[type=submit]" : "textarea";
    form.current?.querySelector<HTMLElement>(first)?.focus();
  }, []);
  const submit = async () => {
    if (busy) return;
    setBusy(true);
    setProblem(null);
    const body = {
      ...(comment.trim() ? { comment: comment.trim() } : {}),
      ...(approves ? { scope } : {}),
      argsDigest: approval.argsDigest,
    };
    try {
      await post(`${path("namespaces", approval.namespace, "approvals", approval.name)}/${what}`, body);
      toast(`${approval.tool} is ${approves ? "approved" : "denied"}`);
      onDone();
    } catch (error) {
      setProblem(asProblem(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title={approves ? `Approve ${approval.tool}?` : `Deny ${approval.tool}?`} onClose={onClose}>
      <form
        ref={form}
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void submit();
        }}
      >
        <div class="body stack">
          <p class="muted">
            Call of run <strong>{approval.run}</strong>
            {approval.target && ` in ${approval.target}`}.{" "}
            {approves ? "It is done at once." : "The agent is told, and goes on without it."}
          </p>
          <label class="field">
            <span>{approves ? "Comment" : "Why not, or what instead"}</span>
            <textarea
              class="area"
              rows={3}
              maxLength={4096}
              value={comment}
              onInput={(event) => setComment(event.currentTarget.value)}
            />
            <small>The agent reads it, and it stays on the record.</small>
          </label>
          {approves && (
            <label class="row">
              <input
                type="checkbox"
                checked={scope === "run"}
                onChange={(event) => setScope(event.currentTarget.checked ? "run" : "once")}
              />
              Also when this run makes exactly the same call again
            </label>
          )}
          {problem && <ErrorBox problem={problem} />}
        </div>
        <footer>
          <Button onClick={onClose}>Back</Button>
          <Button
            type="submit"
            look={approves ? "primary" : "danger solid"}
            icon={approves ? CheckIcon : BanIcon}
            keys={approves ? "⏎" : "ctrl ⏎"}
            disabled={busy}
          >
            {approves ? "Approve" : "Deny"}
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}
