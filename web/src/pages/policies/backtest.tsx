/** What the text in the editor would have decided about the calls of past runs. */
import { useState } from "preact/hooks";
import { post } from "../../api/client";
import type { Backtest as Tested } from "../../api/govern";
import { asProblem, type Problem } from "../../api/problem";
import { href, route } from "../../app/router";
import { Verdict } from "../../ui/badge";
import { Button } from "../../ui/button";
import { plural } from "../../ui/format";
import { CheckIcon } from "../../ui/icons";
import { ErrorBox, Note } from "../../ui/states";
import { InstanceField, type InstanceKey, scopeOf } from "./instances";

const LIMITS = [20, 100, 500];

export function Backtest({ yaml, namespace }: { yaml: string; namespace: string }) {
  const [instance, setInstance] = useState<InstanceKey | null>(null);
  const [limit, setLimit] = useState(LIMITS[0] ?? 20);
  const [tested, setTested] = useState<{ of: string; answer: Tested } | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const ask = async () => {
    setProblem(null);
    try {
      const answer = await post<Tested>("/policies/backtest", {
        yaml,
        namespace: instance?.namespace ?? (scopeOf(namespace) || null),
        instance: instance?.name ?? null,
        limit,
      });
      setTested({ of: yaml, answer });
    } catch (error) {
      setTested(null);
      setProblem(asProblem(error));
    }
  };
  return (
    <div class="stack">
      <p class="muted">
        The calls of past runs, judged by the text in the editor instead of their instance's policy. The
        installation's floor holds as it did.
      </p>
      <InstanceField
        label="Runs of"
        none={scopeOf(namespace) ? `every instance in ${namespace}` : "every instance that you may see"}
        namespace={namespace}
        value={instance}
        onChange={setInstance}
      />
      <div class="row">
        <label class="row tight">
          Newest
          <select
            class="select"
            value={String(limit)}
            onChange={(event) => setLimit(Number(event.currentTarget.value))}
          >
            {LIMITS.map((one) => (
              <option key={one} value={String(one)}>
                {one}
              </option>
            ))}
          </select>
          runs
        </label>
        <Button look="primary" onClick={ask}>
          Judge them
        </Button>
      </div>
      {problem && <ErrorBox problem={problem} />}
      {tested && tested.of !== yaml && <Note tone="wait">The text has changed since: judge them again.</Note>}
      {tested && <Changes of={tested.answer} />}
    </div>
  );
}

function Changes({ of }: { of: Tested }) {
  const judged = `${plural(of.calls, "call")} of ${plural(of.runs, "run")}`;
  return (
    <section class="stack" aria-live="polite" aria-label="What would have been different">
      {of.changes.length === 0 ? (
        <p class="row">
          <CheckIcon /> {judged}: every decision would have been the same.
        </p>
      ) : (
        <p>
          {judged}: <strong>{plural(of.changes.length, "decision")} would have been different.</strong>
        </p>
      )}
      <ul class="changes">
        {of.changes.map((change) => (
          <li key={`${change.namespace} ${change.run} ${change.callId}`}>
            <div class="row tight">
              <code>
                {change.tool}
                {change.target && ` in ${change.target}`}
              </code>
              <Verdict action={change.before} />
              <span aria-hidden="true">→</span>
              <span class="visually-hidden">would have been</span>
              <Verdict action={change.after} />
            </div>
            <p class="mono clip" title={JSON.stringify(change.args)}>
              {JSON.stringify(change.args)}
            </p>
            <p class="faint">
              <a href={href(route("/runs", change.namespace, change.run))}>{change.run}</a> ·{" "}
              <code>{change.rule}</code>
            </p>
            {change.reason && <p class="prose muted">{change.reason}</p>}
          </li>
        ))}
      </ul>
      {of.partial > 0 && (
        <Note tone="wait">
          Of {plural(of.partial, "call")} the record has only a part of the arguments: a rule with a condition
          may decide otherwise on the whole.
        </Note>
      )}
      {of.left > 0 && <p class="faint">{plural(of.left, "older run")} beyond this number were not judged.</p>}
      {of.unread.length > 0 && <Note tone="wait">Could not be judged: {of.unread.join("; ")}</Note>}
    </section>
  );
}
