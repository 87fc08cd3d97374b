/** Every agent of the installation that the person may see. */
import { useState } from "preact/hooks";
import type { InstanceSummary, Items } from "../../api/govern";
import { useWatched } from "../../api/useWatched";
import type { PageProps } from "../../app/pages";
import { href, namespace, route } from "../../app/router";
import { Phase } from "../../ui/badge";
import { AgentIcon } from "../../ui/icons";
import { lastRunColumn } from "../../ui/last-run";
import { SearchBox } from "../../ui/search";
import { EmptyState, ErrorBox } from "../../ui/states";
import { type Column, Table } from "../../ui/table";

const columns: Column<InstanceSummary>[] = [
  {
    key: "name",
    title: "Instance",
    render: (one) => (
      <>
        <a class="name" data-row-link href={href(route("/instances", one.namespace, one.name))}>
          {one.displayName || one.name}
        </a>
        <small>
          {one.namespace}/{one.name}
        </small>
      </>
    ),
  },
  {
    key: "phase",
    title: "State",
    width: "128px",
    render: (one) => <Phase phase={one.phase} reason={notReady(one)} />,
  },
  { key: "model", title: "Model", width: "150px", wide: true, render: (one) => one.model },
  {
    key: "policy",
    title: "Policy",
    width: "150px",
    wide: true,
    render: (one) => one.policy ?? <span class="faint">default</span>,
  },
  { key: "skills", title: "Skills", width: "160px", wide: true, render: (one) => one.skills.join(", ") },
  { key: "active", title: "Active", width: "76px", number: true, render: (one) => one.active },
  { key: "total", title: "Runs", width: "76px", number: true, wide: true, render: (one) => one.total },
  lastRunColumn,
];

function notReady(one: InstanceSummary): string | null {
  return one.conditions.find((each) => each.type === "Ready" && each.status !== "True")?.message ?? null;
}

export default function Instances(_: PageProps) {
  const [text, setText] = useState("");
  const instances = useWatched<Items<InstanceSummary>>(
    "/instances",
    { namespace: namespace.value },
    ["sympoziuminstances", "agentruns"],
    namespace.value,
  );
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = (instances.data?.items ?? []).filter((one) => {
    const all = [
      one.namespace,
      one.name,
      one.displayName,
      one.model,
      one.policy,
      one.pack,
      ...one.skills,
    ].join(" ");
    return words.every((word) => all.toLowerCase().includes(word));
  });
  return (
    <div class="page fixed">
      <header class="page-head">
        <h1>Instances</h1>
        <SearchBox
          label="Search instances"
          placeholder="Name, model, skill, policy"
          value={text}
          onValue={setText}
        />
      </header>
      {instances.problem && <ErrorBox problem={instances.problem} retry={instances.reload} />}
      <Table
        label="Instances"
        columns={columns}
        rows={rows}
        rowKey={(one) => `${one.namespace}/${one.name}`}
        rowHeight={46}
        loading={instances.loading && !instances.data}
        empty={
          instances.data && (
            <EmptyState
              title={text ? "No instance has all of these words" : "There are no instances"}
              icon={AgentIcon}
            >
              {!text && (
                <p>
                  <a href={href("/packs")}>Enable a pack</a>, and each of its personas becomes one.
                </p>
              )}
            </EmptyState>
          )
        }
      />
    </div>
  );
}
