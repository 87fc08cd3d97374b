/** What agents note for their later runs. */
import type { components } from "../../api/openapi";
import { useWatched } from "../../api/useWatched";
import type { PageProps } from "../../app/pages";
import { href, namespace, route } from "../../app/router";
import { Badge } from "../../ui/badge";
import { MemoryIcon } from "../../ui/icons";
import { EmptyState, ErrorBox } from "../../ui/states";
import { type Column, Table } from "../../ui/table";
import { RelativeTime } from "../../ui/time";
import { firstLine, share } from "./notes";

type Notes = components["schemas"]["Notes"];

const columns: Column<Notes>[] = [
  {
    key: "agent",
    title: "Agent",
    width: "max(150px, 22vw)",
    render: (one) => (
      <>
        <a class="name" data-row-link href={href(route("/memory", one.namespace, one.instance))}>
          {one.instance}
        </a>
        <small>{one.namespace}</small>
      </>
    ),
  },
  {
    key: "state",
    title: "State",
    width: "130px",
    render: (one) =>
      one.enabled ? (
        <Badge tone="good">Kept</Badge>
      ) : (
        <Badge title="The agent is not told them">Left over</Badge>
      ),
  },
  { key: "text", title: "Begins with", wide: true, render: (one) => firstLine(one.text) },
  { key: "size", title: "Size", width: "130px", number: true, render: (one) => share(one) },
  {
    key: "changed",
    title: "Changed",
    width: "110px",
    render: (one) => (one.changedAt ? <RelativeTime at={one.changedAt} /> : <span class="faint">never</span>),
  },
];

export default function Memory(_: PageProps) {
  // Notes are ConfigMaps, which are not watched: a run that ends, or an instance that changes, has them read again.
  const found = useWatched<{ items: Notes[] }>(
    "/memory",
    { namespace: namespace.value },
    ["sympoziuminstances", "agentruns"],
    namespace.value,
  );
  return (
    <div class="page fixed">
      <header class="page-head">
        <h1>Memory</h1>
      </header>
      {found.problem && <ErrorBox problem={found.problem} retry={found.reload} />}
      <Table
        label="Notes of agents"
        columns={columns}
        rows={found.data?.items ?? []}
        rowKey={(one) => `${one.namespace}/${one.instance}`}
        rowHeight={52}
        loading={found.loading && !found.data}
        empty={
          <EmptyState title="No agent keeps notes" icon={MemoryIcon}>
            <p class="muted">
              With <code>spec.memory.enabled</code> an agent writes notes with the tool <code>remember</code>,
              and its later runs are told them.
            </p>
          </EmptyState>
        }
      />
    </div>
  );
}
