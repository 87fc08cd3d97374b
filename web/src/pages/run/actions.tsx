/** What can be done with a run. Kubernetes decides who may; a refusal is shown in its words. */
import { useState } from "preact/hooks";
import { address, path, post } from "../../api/client";
import { asProblem, type Problem } from "../../api/problem";
import type { RunSummary, RunWritten } from "../../api/types";
import { useKeys } from "../../app/keyboard";
import { useCommands } from "../../app/palette";
import { href, navigate, route } from "../../app/router";
import { ENDED } from "../../ui/badge";
import { Button } from "../../ui/button";
import { confirm } from "../../ui/confirm";
import { Dialog } from "../../ui/dialog";
import { DownloadIcon, PauseIcon, PlayIcon, RetryIcon, StopIcon } from "../../ui/icons";
import { ErrorBox } from "../../ui/states";
import { toast, toastProblem, toastWarnings } from "../../ui/toast";

export function Actions({ run }: { run: RunSummary }) {
  const where = path("namespaces", run.namespace, "runs", run.name);
  const ended = ENDED.has(run.phase);
  const act = async (verb: string, said: string) => {
    const { run: after, warnings } = await post<RunWritten>(`${where}/${verb}`);
    toastWarnings(warnings);
    toast(said);
    return after;
  };
  const hold = () => act("suspend", `Told ${run.name} to hold`);
  const go = () => act("resume", `Told ${run.name} to go on`);
  const cancel = async () => {
    const text = "It ends as Cancelled, and its pod is removed. A call that has begun is not taken back.";
    if (await confirm(`Cancel ${run.name}?`, text, "Cancel the run"))
      await act("cancel", `Told ${run.name} to end`);
  };
  const retry = async () => {
    const made = await act("retry", "Started anew");
    navigate(href(route("/runs", made.namespace, made.name)));
  };
  const tell = (does: () => Promise<unknown>) => () => void does().catch(toastProblem);
  const list = ended
    ? [{ keys: "x", does: "retry", title: "Retry this run", run: tell(retry) }]
    : [
        run.suspended
          ? { keys: "s", does: "let it go on", title: "Let this run go on", run: tell(go) }
          : { keys: "s", does: "hold it", title: "Hold this run", run: tell(hold) },
        { keys: "c", does: "cancel", title: "Cancel this run", run: tell(cancel) },
      ];
  useKeys("Run", list);
  useCommands(list.map(({ title, keys, run: does }) => ({ title, hint: keys, run: does })));
  return (
    <>
      {!ended &&
        (run.suspended ? (
          <Button icon={PlayIcon} keys="s" onClick={go}>
            Go on
          </Button>
        ) : (
          <Button icon={PauseIcon} keys="s" onClick={hold} title="No call begins until it is let go on">
            Hold
          </Button>
        ))}
      {!ended && (
        <Button icon={StopIcon} look="danger" keys="c" onClick={cancel}>
          Cancel
        </Button>
      )}
      {ended && (
        <Button icon={RetryIcon} keys="x" onClick={retry}>
          Retry
        </Button>
      )}
      <a
        class="button"
        href={address(`${where}/record`)}
        download={`${run.namespace}-${run.name}.ndjson`}
        title="The audit record"
      >
        <DownloadIcon />
        <span class="wide-only">Record</span>
      </a>
    </>
  );
}

export function ForkDialog({ run, step, onClose }: { run: RunSummary; step: number; onClose: () => void }) {
  const [task, setTask] = useState("");
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      const where = `${path("namespaces", run.namespace, "runs", run.name)}/fork`;
      const { run: made, warnings } = await post<RunWritten>(where, {
        step,
        ...(task.trim() ? { task } : {}),
      });
      toastWarnings(warnings);
      onClose();
      navigate(href(route("/runs", made.namespace, made.name)));
    } catch (error) {
      setProblem(asProblem(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title={`Fork from step ${step}`} onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <div class="body stack">
          <p class="muted">
            A new run begins with everything up to step {step} of {run.name}, under the policy of now. What
            the tools have done is not taken back.
          </p>
          <label class="field">
            <span>Another task</span>
            <textarea
              class="area"
              rows={5}
              value={task}
              onInput={(event) => setTask(event.currentTarget.value)}
            />
            <small>Empty: goes on with the same one.</small>
          </label>
          {problem && <ErrorBox problem={problem} />}
        </div>
        <footer>
          <Button onClick={onClose}>Back</Button>
          <Button type="submit" look="primary" disabled={busy}>
            Fork
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}
