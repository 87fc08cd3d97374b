/** One trigger: what it hears, what it made of it, its YAML. */
import type { KubeObject } from "../../api/types";
import { useWatched } from "../../api/useWatched";
import type { PageProps } from "../../app/pages";
import { href, location, route, setQuery } from "../../app/router";
import { CopyButton } from "../../ui/code";
import { Answer, Note } from "../../ui/states";
import { Tabs } from "../../ui/tabs";
import { RelativeTime } from "../../ui/time";
import { placePath } from "../../yaml/save";
import { YamlTab } from "../../yaml/YamlTab";
import { Actions } from "./actions";
import { Standing } from "./standing";
import { sourceWords, type Trigger, triggerOf } from "./trigger";

export default function TriggerPage({ params }: PageProps) {
  const place = {
    plural: "sympoziumtriggers",
    namespace: params.namespace ?? "",
    name: params.name ?? "",
  };
  const found = useWatched<KubeObject>(placePath(place), {}, [place.plural], place.namespace);
  return (
    <div class="page">
      <Answer of={found}>
        {(object) => {
          const one = triggerOf(object);
          return (
            <>
              <header class="page-head">
                <a class="crumb" href={href("/triggers")}>
                  Triggers
                </a>
                <h1>{one.name}</h1>
                <span class="faint">in {one.namespace}</span>
                <Standing of={one} />
                <div class="actions">
                  <Actions of={one} onDone={found.reload} />
                </div>
              </header>
              <Tabs
                label={`Parts of trigger ${one.name}`}
                chosen={location.value.query.get("tab") ?? "facts"}
                onChoose={(tab) => setQuery({ tab: tab === "facts" ? null : tab })}
                tabs={[
                  { id: "facts", title: "What it does", render: () => <Facts one={one} /> },
                  {
                    id: "yaml",
                    title: "Edit as YAML",
                    render: () => <YamlTab place={place} kind="SympoziumTrigger" />,
                  },
                ]}
              />
            </>
          );
        }}
      </Answer>
    </div>
  );
}

function Facts({ one }: { one: Trigger }) {
  return (
    <div class="stack">
      {one.ready && !one.ready.status && !one.suspended && <Note tone="bad">{one.ready.message}</Note>}
      <dl class="facts">
        <dt>Listens to</dt>
        <dd>{sourceWords(one)}</dd>
        {one.webhook?.path && (
          <>
            <dt>Address</dt>
            <dd class="row tight">
              <code>{window.location.origin + one.webhook.path}</code>
              <CopyButton text={window.location.origin + one.webhook.path} />
            </dd>
            <dt>Token</dt>
            <dd>
              key <code>token</code> of Secret <code>{one.webhook.secret}</code>
            </dd>
          </>
        )}
        <dt>Agent</dt>
        <dd>
          <a href={href(route("/instances", one.namespace, one.instance))}>{one.instance}</a>
        </dd>
        <dt>Task</dt>
        <dd class="prose">{one.task}</dd>
        <dt>One matter</dt>
        <dd>
          {one.dedupeKey ? <code>{one.dedupeKey}</code> : "what the source takes for one"}, a run each{" "}
          {one.cooldown}
        </dd>
        <dt>At most</dt>
        <dd>{one.most} runs an hour</dd>
        <dt>Runs made</dt>
        <dd>
          {one.fired}
          {one.lastFiredAt && one.lastRun && (
            <>
              {", the last "}
              <a href={href(route("/runs", one.namespace, one.lastRun))}>
                <RelativeTime at={one.lastFiredAt} />
              </a>
            </>
          )}
        </dd>
        <dt>Events without a run</dt>
        <dd>
          {one.suppressed}
          {one.lastSuppressed && <span class="muted">, the last: {one.lastSuppressed}</span>}
        </dd>
      </dl>
    </div>
  );
}
