/** What makes runs when something happens. */
import type { KubeObject } from "../../api/types";
import { useWatched } from "../../api/useWatched";
import type { PageProps } from "../../app/pages";
import { href, namespace, route } from "../../app/router";
import { TriggerIcon } from "../../ui/icons";
import { EmptyState, ErrorBox } from "../../ui/states";
import { type Column, Table } from "../../ui/table";
import { RelativeTime } from "../../ui/time";
import { Actions } from "./actions";
import { Standing } from "./standing";
import { sourceWords, type Trigger, triggerOf } from "./trigger";

export default function Triggers(_: PageProps) {
  const found = useWatched<{ items: KubeObject[] }>(
    "/resources/sympoziumtriggers",
    { namespace: namespace.value },
    ["sympoziumtriggers"],
    namespace.value,
  );
  const columns: Column<Trigger>[] = [
    {
      key: "name",
      title: "Trigger",
      render: (one) => (
        <>
          <a class="name" data-row-link href={href(route("/triggers", one.namespace, one.name))}>
            {one.name}
          </a>
          <small>
            {!namespace.value && `${one.namespace} · `}
            {one.instance}
          </small>
        </>
      ),
    },
    {
      key: "state",
      title: "State",
      width: "clamp(112px, 12vw, 150px)",
      render: (one) => <Standing of={one} />,
    },
    { key: "source", title: "Listens to", wide: true, render: (one) => sourceWords(one) },
    { key: "fired", title: "Runs", width: "80px", number: true, wide: true, render: (one) => one.fired },
    {
      key: "suppressed",
      title: "Without a run",
      width: "110px",
      number: true,
      wide: true,
      render: (one) => one.suppressed,
    },
    {
      key: "last",
      title: "Last run",
      width: "clamp(92px, 9vw, 110px)",
      render: (one) =>
        one.lastFiredAt && one.lastRun ? (
          <a href={href(route("/runs", one.namespace, one.lastRun))}>
            <RelativeTime at={one.lastFiredAt} />
          </a>
        ) : (
          <span class="faint">never</span>
        ),
    },
    {
      key: "do",
      title: <span class="visually-hidden">Actions</span>,
      width: "120px",
      wide: true,
      render: (one) => <Actions of={one} onDone={found.reload} />,
    },
  ];
  return (
    <div class="page fixed">
      <header class="page-head">
        <h1>Triggers</h1>
      </header>
      {found.problem && <ErrorBox problem={found.problem} retry={found.reload} />}
      <Table
        label="Triggers"
        columns={columns}
        rows={(found.data?.items ?? []).map(triggerOf)}
        rowKey={(one) => `${one.namespace}/${one.name}`}
        rowHeight={52}
        loading={found.loading && !found.data}
        empty={
          <EmptyState title="Nothing is listened to" icon={TriggerIcon}>
            <p class="muted">
              A SympoziumTrigger gives a task to an agent when Kubernetes reports an event, or when a request
              comes from outside.
            </p>
          </EmptyState>
        }
      />
    </div>
  );
}
