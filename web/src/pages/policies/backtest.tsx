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

const LIMITS = [20, 100, 500];

export function Backtest({ yaml, namespace, name }: { yaml: string; namespace: string; name: string }) {
  const [limit, setLimit] = useState(LIMITS[0] ?? 20);
  const [tested, setTested] = useState<{ of: string; answer: Tested } | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const ask = async () => {
    setProblem(null);
    try {
      const answer = await post<Tested>("/policies/backtest", {
        yaml,
        namespace,
        name: name || undefined,
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
        The calls that past runs in {namespace} made, judged by the text in the editor instead of their
        instance's policy. The installation's floor holds as it did.
      </p>
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
      {tested && <Changes of={tested.answer} namespace={namespace} />}
    </div>
  );
}

function Changes({ of, namespace }: { of: Tested; namespace: string }) {
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
          <li key={`${change.run} ${change.callId}`}>
            <div class="row tight">
              <code>{change.tool}</code>
              <Verdict action={change.before} />
              <span aria-hidden="true">→</span>
              <span class="visually-hidden">would have been</span>
              <Verdict action={change.after} />
            </div>
            <p class="faint">
              <a href={href(route("/runs", namespace, change.run))}>{change.run}</a> ·{" "}
              <code>{change.rule}</code>
            </p>
            {change.reason && <p class="prose muted">{change.reason}</p>}
          </li>
        ))}
      </ul>
      {of.unread.length > 0 && (
        <Note tone="wait">
          {plural(of.unread.length, "run")} could not be judged: {of.unread.join(", ")}
        </Note>
      )}
    </section>
  );
}
