/** "Give a task": starts a run of an instance as the signed-in person. */
import { useEffect, useRef, useState } from "preact/hooks";
import { path, post } from "../../api/client";
import type { InstanceSummary } from "../../api/govern";
import { asProblem, type Problem } from "../../api/problem";
import type { RunWritten } from "../../api/types";
import { href, navigate, route } from "../../app/router";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { PlayIcon } from "../../ui/icons";
import { ErrorBox } from "../../ui/states";
import { toastWarnings } from "../../ui/toast";

export function Task({ instance, onClose }: { instance: InstanceSummary; onClose: () => void }) {
  const [task, setTask] = useState("");
  const [timeout, setTimeout] = useState("");
  const [model, setModel] = useState("");
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const area = useRef<HTMLTextAreaElement>(null);
  useEffect(() => area.current?.focus(), []);

  const submit = async () => {
    if (busy || !task.trim()) return;
    setBusy(true);
    const body = {
      instance: instance.name,
      task: task.trim(),
      ...(model.trim() ? { model: model.trim() } : {}),
      ...(timeout.trim() ? { timeout: timeout.trim() } : {}),
    };
    try {
      const { run, warnings } = await post<RunWritten>(path("namespaces", instance.namespace, "runs"), body);
      toastWarnings(warnings);
      navigate(href(route("/runs", run.namespace, run.name)));
    } catch (error) {
      setProblem(asProblem(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title={`A task for ${instance.displayName || instance.name}`} onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
        onKeyDown={(event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) void submit();
        }}
      >
        <div class="body stack">
          <label class="field">
            <span>Task</span>
            <textarea
              ref={area}
              class="area"
              rows={6}
              required
              value={task}
              onInput={(event) => setTask(event.currentTarget.value)}
            />
            <small>
              It runs under{" "}
              {instance.policy ? `policy ${instance.policy}` : "the installation's default policy"}, and you
              are on its record as who started it.
            </small>
          </label>
          <div class="row">
            <label class="field grow">
              <span>Model</span>
              <input
                class="input"
                placeholder={instance.model ?? ""}
                value={model}
                onInput={(event) => setModel(event.currentTarget.value)}
              />
            </label>
            <label class="field grow">
              <span>At most</span>
              <input
                class="input"
                placeholder="10m"
                pattern="([0-9]+(\.[0-9]+)?(ms|s|m|h))+"
                title="A duration such as 90s, 10m or 1h30m"
                value={timeout}
                onInput={(event) => setTimeout(event.currentTarget.value)}
              />
            </label>
          </div>
          {problem && <ErrorBox problem={problem} />}
        </div>
        <footer>
          <Button onClick={onClose}>Back</Button>
          <Button type="submit" look="primary" icon={PlayIcon} keys="ctrl ⏎" disabled={busy || !task.trim()}>
            Start
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}
