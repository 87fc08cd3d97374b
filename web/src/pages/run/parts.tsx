/** The smaller tabs of a run: its family, what the policy said, what Kubernetes said, the object. */
import { useEffect, useState } from "preact/hooks";
import { path } from "../../api/client";
import { useFetch } from "../../api/hooks";
import type { KubeObject, RunTree } from "../../api/types";
import { toYaml } from "../../api/yaml";
import { href, route } from "../../app/router";
import { Badge, Phase, Verdict } from "../../ui/badge";
import { Code } from "../../ui/code";
import { count } from "../../ui/format";
import { InfoIcon, TreeIcon } from "../../ui/icons";
import { Answer, EmptyState, Loading } from "../../ui/states";
import { Elapsed, RelativeTime } from "../../ui/time";
import type { Call, Transcript } from "./transcript";

interface Of {
  namespace: string;
  name: string;
}

export function Family({ namespace, name, phase }: Of & { phase: string }) {
  const tree = useFetch<RunTree>(`${path("namespaces", namespace, "runs", name)}/tree`, {}, phase);
  return (
    <Answer of={tree}>
      {(root) =>
        root.children.length ? (
          <ul class="card family">
            <Branch tree={root} here={name} />
          </ul>
        ) : (
          <EmptyState title="A run by itself" icon={TreeIcon}>
            <p>It started no other run, and no run started it.</p>
          </EmptyState>
        )
      }
    </Answer>
  );
}

function Branch({ tree, here }: { tree: RunTree; here: string }) {
  const { run, children, hidden } = tree;
  return (
    <li>
      <div class={`branch ${run.name === here ? "here" : ""}`}>
        <Phase phase={run.phase} suspended={run.suspended} reason={run.reason} />
        <a
          href={href(route("/runs", run.namespace, run.name))}
          {...(run.name === here ? { "aria-current": "page" } : {})}
        >
          {run.name}
        </a>
        <span class="muted clip grow">{run.task}</span>
        <span class="faint wide-only">{count(run.inputTokens + run.outputTokens)} tokens</span>
        <span class="faint number">
          {run.startedAt && <Elapsed from={run.startedAt} until={run.completedAt} />}
        </span>
      </div>
      {children.length > 0 && (
        <ul>
          {children.map((child) => (
            <Branch key={child.run.uid} tree={child} here={here} />
          ))}
        </ul>
      )}
      {hidden > 0 && <p class="faint branch">{hidden} more runs further down are not shown</p>}
    </li>
  );
}

export function Decisions({ transcript }: { transcript: Transcript }) {
  const calls: { call: Call; step: number }[] = [];
  for (const item of transcript.items) {
    if (item.kind === "step")
      for (const call of item.calls) if (call.verdict) calls.push({ call, step: item.number });
  }
  if (!calls.length) {
    return (
      <EmptyState title="No call was judged yet" icon={InfoIcon}>
        <p>Each tool call is listed here with what the policy said, and by which rule.</p>
      </EmptyState>
    );
  }
  return (
    <div class="card scroll-x">
      <table class="plain">
        <thead>
          <tr>
            <th scope="col">Step</th>
            <th scope="col">Tool</th>
            <th scope="col">Verdict</th>
            <th scope="col">Reason and rule</th>
            <th scope="col">A person</th>
          </tr>
        </thead>
        <tbody>
          {calls.map(({ call, step }) => (
            <tr key={call.id}>
              <td>{step}</td>
              <td>
                {call.tool}
                {call.target && <small class="faint"> {call.target}</small>}
              </td>
              <td>
                <Verdict action={call.verdict?.action ?? ""} />
              </td>
              <td class="prose because">
                {call.verdict?.reason}
                <small class="faint">{call.verdict?.rule}</small>
              </td>
              <td class="prose">
                {call.approval &&
                  [call.approval.state, call.approval.by, call.approval.comment].filter(Boolean).join(" · ")}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

export function Events({ namespace, name, phase }: Of & { phase: string }) {
  const where = `${path("namespaces", namespace, "resources", "agentruns", name)}/events`;
  const events = useFetch<{ items: KubeObject[] }>(where, {}, phase);
  return (
    <Answer of={events}>
      {({ items }) =>
        items.length ? (
          <div class="card scroll-x">
            <table class="plain">
              <thead>
                <tr>
                  <th scope="col">When</th>
                  <th scope="col">Type</th>
                  <th scope="col">Reason</th>
                  <th scope="col">About</th>
                  <th scope="col">Message</th>
                </tr>
              </thead>
              <tbody>
                {items.map((event) => (
                  <tr key={event.metadata.name}>
                    <td>
                      <RelativeTime
                        at={
                          event.series?.lastObservedTime ??
                          event.lastTimestamp ??
                          event.eventTime ??
                          event.metadata.creationTimestamp
                        }
                      />
                    </td>
                    <td>{event.type === "Warning" ? <Badge tone="wait">Warning</Badge> : event.type}</td>
                    <td>
                      {event.reason}
                      {event.count > 1 && <span class="faint"> ×{event.count}</span>}
                    </td>
                    <td>
                      {event.involvedObject?.kind} <span class="faint">{event.involvedObject?.name}</span>
                    </td>
                    <td class="prose">{event.message}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        ) : (
          <EmptyState title="No event" icon={InfoIcon}>
            <p>Kubernetes keeps events for an hour or so; older ones are gone.</p>
          </EmptyState>
        )
      }
    </Answer>
  );
}

export function ObjectYaml({ object }: { object: KubeObject }) {
  const [text, setText] = useState<string | null>(null);
  useEffect(() => {
    let wanted = true;
    void toYaml(object).then((made) => wanted && setText(made));
    return () => {
      wanted = false;
    };
  }, [object]);
  return text === null ? (
    <Loading lines={8} />
  ) : (
    <Code text={text} label={`${object.kind} as YAML`} language="yaml" />
  );
}
