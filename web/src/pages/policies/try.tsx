/** "Try a call": what the text in the editor would say to a call, and which layer decides. Nothing is executed. */
import { useState } from "preact/hooks";
import { post } from "../../api/client";
import type { Tried } from "../../api/govern";
import { asProblem, type Problem } from "../../api/problem";
import { Badge, Verdict } from "../../ui/badge";
import { Button } from "../../ui/button";
import { ErrorBox, Note } from "../../ui/states";
import { InstanceField, type InstanceKey } from "./instances";

const TOOLS = [
  "execute_command",
  "read_file",
  "write_file",
  "edit_file",
  "list_directory",
  "fetch_url",
  "spawn_agent",
  "schedule_task",
  "send_channel_message",
];
const ARGUMENTS: Record<string, string> = {
  execute_command: '{\n  "command": "kubectl delete pod web-0"\n}',
  read_file: '{\n  "path": "notes.md"\n}',
  write_file: '{\n  "path": "notes.md",\n  "content": ""\n}',
  fetch_url: '{\n  "url": "https://example.com"\n}',
  spawn_agent: '{\n  "task": ""\n}',
};

/** The arguments of a form's text; a mistake says where. */
export function parseArguments(text: string): { args: Record<string, unknown> } | { mistake: string } {
  let value: unknown;
  try {
    value = text.trim() ? JSON.parse(text) : {};
  } catch (error) {
    return { mistake: `Arguments are no JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return { mistake: 'Arguments are one JSON object, such as {"command": "ls"}' };
  }
  return { args: value as Record<string, unknown> };
}

export function TryCall({ yaml, namespace }: { yaml: string; namespace: string }) {
  const [tool, setTool] = useState("execute_command");
  const [target, setTarget] = useState("");
  const [text, setText] = useState(ARGUMENTS.execute_command ?? "{}");
  const [instance, setInstance] = useState<InstanceKey | null>(null);
  const [answer, setAnswer] = useState<Tried | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);

  const choose = (name: string) => {
    setTool(name);
    // What the person wrote stays; an example gives way to the next one.
    if (Object.values(ARGUMENTS).includes(text) && ARGUMENTS[name]) setText(ARGUMENTS[name]);
  };
  const ask = async () => {
    const parsed = parseArguments(text);
    setAnswer(null);
    if ("mistake" in parsed) {
      setProblem(asProblem(new Error(parsed.mistake)));
      return;
    }
    setProblem(null);
    try {
      const call = { tool, args: parsed.args, ...(target ? { target } : {}) };
      const of = instance ? { instance } : {};
      setAnswer(await post<Tried>("/policies/try", { yaml, call, ...of }));
    } catch (error) {
      setProblem(asProblem(error));
    }
  };
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void ask();
      }}
    >
      <div class="form-pair">
        <label class="field">
          <span>Tool</span>
          <input
            class="input mono"
            list="try-tools"
            value={tool}
            onInput={(event) => choose(event.currentTarget.value)}
          />
          <datalist id="try-tools">
            {TOOLS.map((name) => (
              <option key={name} value={name} />
            ))}
          </datalist>
        </label>
        <label class="field">
          <span>Target</span>
          <input
            class="input mono"
            placeholder="shell"
            value={target}
            onInput={(event) => setTarget(event.currentTarget.value)}
          />
        </label>
      </div>
      <label class="field">
        <span>Arguments</span>
        <textarea
          class="area mono"
          rows={4}
          spellcheck={false}
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
        />
      </label>
      <InstanceField
        label="As a run of"
        none="no instance in particular"
        namespace={namespace}
        value={instance}
        onChange={setInstance}
      />
      <div class="row">
        <Button type="submit" look="primary">
          What would it say?
        </Button>
        <span class="faint">Nothing is executed.</span>
      </div>
      {problem && <ErrorBox problem={problem} />}
      {answer && <Answered of={answer} />}
    </form>
  );
}

function Answered({ of }: { of: Tried }) {
  return (
    <section class="stack" aria-live="polite" aria-label="The answer">
      <div class="row">
        <Verdict action={of.action} />
        <code>{of.rule}</code>
      </div>
      {of.reason && <p class="prose">{of.reason}</p>}
      {of.instead && <p class="prose muted">Instead: {of.instead}</p>}
      {of.layers.length > 0 && (
        <table class="layers">
          <caption>Each layer, the strictest of which decides</caption>
          <tbody>
            {of.layers.map((layer, index) => (
              <tr key={`${index} ${layer.policy}`}>
                <th scope="row">
                  <Verdict action={layer.action} />
                </th>
                <td>
                  <strong>{layer.policy}</strong> <span class="faint">{layer.source}</span>{" "}
                  <code>{layer.rule}</code>
                  {layer.watches && <Badge tone="wait">only watches</Badge>}
                  {layer.reason && <p class="prose muted">{layer.reason}</p>}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {of.unread.length > 0 && <Note tone="wait">Not part of this answer: {of.unread.join("; ")}</Note>}
    </section>
  );
}
