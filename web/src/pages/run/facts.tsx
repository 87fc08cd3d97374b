/** What is known about a run beside what it says. */
import type { ComponentChildren } from "preact";
import type { Condition, RunSummary } from "../../api/types";
import { href, route } from "../../app/router";
import { Badge } from "../../ui/badge";
import { count, money } from "../../ui/format";
import { Elapsed, RelativeTime } from "../../ui/time";

/** What is well when it is False. */
const TROUBLES = new Set(["AwaitingApproval", "Failed", "Frozen"]);

function bad({ type, status }: Condition): boolean {
  return TROUBLES.has(type) ? status !== "False" : status !== "True";
}

/** A trouble that is not there is not worth a line. */
function over(one: Condition): boolean {
  return TROUBLES.has(one.type) && !bad(one);
}

export function Facts({ run, conditions }: { run: RunSummary; conditions: readonly Condition[] }) {
  const notable = conditions.filter((one) => (bad(one) || one.message) && !over(one));
  return (
    <aside class="run-facts" aria-label="About this run">
      <section>
        <h2>Task</h2>
        <p class="prose task">{run.task}</p>
      </section>
      <dl class="facts">
        <Fact name="Instance">
          <a href={href("/runs", { instance: run.instance })}>{run.displayName || run.instance}</a>
        </Fact>
        <Fact name="Namespace">{run.namespace}</Fact>
        <Fact name="Pack">{run.pack && <a href={href("/runs", { pack: run.pack })}>{run.pack}</a>}</Fact>
        <Fact name="Started by">
          {run.trigger &&
            [run.trigger.kind, run.trigger.name || run.trigger.user].filter(Boolean).join(" · ")}
        </Fact>
        <Fact name="Parent">
          {run.parent && <a href={href(route("/runs", run.namespace, run.parent))}>{run.parent}</a>}
        </Fact>
        <Fact name="Created">
          <RelativeTime at={run.createdAt} />
        </Fact>
        <Fact name="Took">{run.startedAt && <Elapsed from={run.startedAt} until={run.completedAt} />}</Fact>
        <Fact name="Model">{run.model}</Fact>
        <Fact name="Policy">{run.policy && `${run.policy.name} (generation ${run.policy.generation})`}</Fact>
        <Fact name="Steps">{run.steps || null}</Fact>
        <Fact name="Tool calls">{run.toolCalls || null}</Fact>
        <Fact name="Tokens">
          {run.inputTokens + run.outputTokens > 0 &&
            `${count(run.inputTokens)} in · ${count(run.outputTokens)} out`}
        </Fact>
        <Fact name="Cost">{run.cost && money(run.cost.amount, run.cost.currency)}</Fact>
        <Fact name="Queue">{run.queue && `${run.queue.position}: ${run.queue.reason}`}</Fact>
      </dl>
      {notable.length > 0 && (
        <section>
          <h2>Conditions</h2>
          <ul class="stack tight">
            {notable.map((one) => (
              <li key={one.type}>
                <Badge tone={bad(one) ? "wait" : "calm"}>
                  {one.type}: {one.status}
                </Badge>
                <p class="muted prose">{[one.reason, one.message].filter(Boolean).join(": ")}</p>
              </li>
            ))}
          </ul>
        </section>
      )}
    </aside>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  if (children === null || children === undefined || children === "" || children === false) return null;
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}
