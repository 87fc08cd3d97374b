import { useState } from "preact/hooks";
import { path, post } from "../../api/client";
import { useFetch } from "../../api/hooks";
import { asProblem, type Problem } from "../../api/problem";
import type { RunWritten } from "../../api/types";
import { href, namespace, navigate, route } from "../../app/router";
import { Button } from "../../ui/button";
import { Dialog } from "../../ui/dialog";
import { ErrorBox, Note } from "../../ui/states";
import { toastWarnings } from "../../ui/toast";

interface Instances {
  items: { namespace: string; name: string; displayName: string | null; model: string | null }[];
}

/** Give an agent a task. `instance` is `namespace/name`, when the person comes from there. */
export function NewRun({ instance, onClose }: { instance?: string; onClose: () => void }) {
  const instances = useFetch<Instances>("/instances", { namespace: namespace.value });
  const [chosen, setChosen] = useState(instance ?? "");
  const [task, setTask] = useState("");
  const [model, setModel] = useState("");
  const [timeout, setTimeout] = useState("");
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const items = instances.data?.items ?? [];
  const value = chosen || (items[0] ? `${items[0].namespace}/${items[0].name}` : "");

  const submit = async (event: Event) => {
    event.preventDefault();
    const [ns = "", name = ""] = value.split("/");
    setBusy(true);
    setProblem(null);
    try {
      const body = { instance: name, task, ...(model ? { model } : {}), ...(timeout ? { timeout } : {}) };
      const { run, warnings } = await post<RunWritten>(`${path("namespaces", ns)}/runs`, body);
      toastWarnings(warnings);
      onClose();
      navigate(href(route("/runs", run.namespace, run.name)));
    } catch (error) {
      setProblem(asProblem(error));
      setBusy(false);
    }
  };
  return (
    <Dialog title="New run" onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <div class="body stack">
          {instances.problem && <ErrorBox problem={instances.problem} retry={instances.reload} />}
          {instances.data && !items.length && (
            <Note>There is no instance here yet. Enable a pack, or create a SympoziumInstance.</Note>
          )}
          <label class="field">
            <span>Agent</span>
            <select
              class="select"
              required
              value={value}
              onChange={(event) => setChosen(event.currentTarget.value)}
            >
              {items.map((one) => (
                <option key={`${one.namespace}/${one.name}`} value={`${one.namespace}/${one.name}`}>
                  {`${one.name}${namespace.value ? "" : ` (${one.namespace})`}`}
                </option>
              ))}
            </select>
          </label>
          <label class="field">
            <span>Task</span>
            <textarea
              class="area"
              rows={6}
              required
              value={task}
              onInput={(event) => setTask(event.currentTarget.value)}
              onKeyDown={(event) => {
                if (event.key === "Enter" && (event.ctrlKey || event.metaKey))
                  event.currentTarget.form?.requestSubmit();
              }}
            />
            <small>What to find out or do. The instance's policy decides what it may do.</small>
          </label>
          <details>
            <summary>More</summary>
            <div class="stack more">
              <label class="field">
                <span>Model</span>
                <input class="input" value={model} onInput={(event) => setModel(event.currentTarget.value)} />
                <small>Empty: the instance's.</small>
              </label>
              <label class="field">
                <span>Time limit</span>
                <input
                  class="input"
                  placeholder="10m"
                  value={timeout}
                  onInput={(event) => setTimeout(event.currentTarget.value)}
                />
              </label>
            </div>
          </details>
          {problem && <ErrorBox problem={problem} />}
        </div>
        <footer>
          <Button onClick={onClose}>Back</Button>
          <Button type="submit" look="primary" disabled={busy || !value || !task.trim()} keys="Ctrl ↵">
            Start
          </Button>
        </footer>
      </form>
    </Dialog>
  );
}
