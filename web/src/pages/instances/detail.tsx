/** One agent: how it is set up, whether it is well, what it did, and a task for it. */
import { useState } from "preact/hooks";
import type { InstanceSummary, Items } from "../../api/govern";
import type { RunSummary } from "../../api/types";
import { useWatched } from "../../api/useWatched";
import type { PageProps } from "../../app/pages";
import { href, location, setQuery } from "../../app/router";
import { Phase } from "../../ui/badge";
import { Button } from "../../ui/button";
import { PlayIcon } from "../../ui/icons";
import { Answer, EmptyState } from "../../ui/states";
import { Tabs } from "../../ui/tabs";
import { YamlTab } from "../../yaml/YamlTab";
import { Facts } from "./facts";
import "./instances.css";
import { RunsOf } from "./runs";
import { Task } from "./task";

export default function Instance({ params }: PageProps) {
  const namespace = params.namespace ?? "";
  const name = params.name ?? "";
  const instances = useWatched<Items<InstanceSummary>>(
    "/instances",
    { namespace },
    ["sympoziuminstances"],
    namespace,
  );
  const [asking, setAsking] = useState(false);
  return (
    <div class="page">
      <Answer of={instances}>
        {({ items }) => {
          const one = items.find((each) => each.name === name && each.namespace === namespace);
          if (!one) {
            return (
              <EmptyState title={`There is no instance ${name} in ${namespace}`}>
                <p>
                  <a href={href("/instances")}>To the instances</a>
                </p>
              </EmptyState>
            );
          }
          return (
            <>
              <header class="page-head">
                <a class="crumb" href={href("/instances")}>
                  Instances
                </a>
                <h1>{one.displayName || name}</h1>
                <span class="faint">
                  {one.displayName && `${name} `}in {namespace}
                </span>
                <Phase phase={one.phase} />
                <div class="actions">
                  <Button look="primary" icon={PlayIcon} onClick={() => setAsking(true)}>
                    Give a task…
                  </Button>
                </div>
              </header>
              <Parts one={one} />
              {asking && <Task instance={one} onClose={() => setAsking(false)} />}
            </>
          );
        }}
      </Answer>
    </div>
  );
}

function Parts({ one }: { one: InstanceSummary }) {
  const { namespace, name } = one;
  const runs = useWatched<{ items: RunSummary[]; total: number }>(
    "/runs",
    { namespace, instance: name, limit: 50 },
    ["agentruns"],
    namespace,
  );
  return (
    <Tabs
      label={`Parts of instance ${name}`}
      chosen={location.value.query.get("tab") ?? "about"}
      onChoose={(tab) => setQuery({ tab: tab === "about" ? null : tab })}
      tabs={[
        { id: "about", title: "About", render: () => <Facts one={one} /> },
        {
          id: "runs",
          title: "Runs",
          count: runs.data?.total ?? null,
          render: () => <RunsOf fetched={runs} namespace={namespace} instance={name} />,
        },
        {
          id: "yaml",
          title: "Edit as YAML",
          render: () => (
            <YamlTab place={{ plural: "sympoziuminstances", namespace, name }} kind="SympoziumInstance" />
          ),
        },
      ]}
    />
  );
}
