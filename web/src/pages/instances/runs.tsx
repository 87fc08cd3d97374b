/** Runs of one instance, newest first; the page of all runs has the rest. */
import type { Fetched } from "../../api/hooks";
import type { RunSummary } from "../../api/types";
import { href, route } from "../../app/router";
import { Phase } from "../../ui/badge";
import { count, money } from "../../ui/format";
import { EmptyState, ErrorBox } from "../../ui/states";
import { type Column, Table } from "../../ui/table";
import { Elapsed, RelativeTime } from "../../ui/time";

const columns: Column<RunSummary>[] = [
  {
    key: "phase",
    title: "State",
    width: "170px",
    render: (run) => <Phase phase={run.phase} suspended={run.suspended} reason={run.reason} />,
  },
  {
    key: "name",
    title: "Run",
    render: (run) => (
      <>
        <a class="name" data-row-link href={href(route("/runs", run.namespace, run.name))}>
          {run.name}
        </a>
        <small>{run.error || run.result || run.task}</small>
      </>
    ),
  },
  { key: "when", title: "Made", width: "96px", render: (run) => <RelativeTime at={run.createdAt} /> },
  {
    key: "took",
    title: "Took",
    width: "96px",
    number: true,
    wide: true,
    render: (run) => <Elapsed from={run.startedAt} until={run.completedAt} />,
  },
  {
    key: "tokens",
    title: "Tokens",
    width: "84px",
    number: true,
    wide: true,
    render: (run) => count((run.inputTokens ?? 0) + (run.outputTokens ?? 0)),
  },
  {
    key: "cost",
    title: "Cost",
    width: "84px",
    number: true,
    wide: true,
    render: (run) => run.cost && money(run.cost.amount, run.cost.currency),
  },
];

interface Props {
  fetched: Fetched<{ items: RunSummary[]; total: number }>;
  namespace: string;
  instance: string;
}

export function RunsOf({ fetched, namespace, instance }: Props) {
  const { data, problem, reload, loading } = fetched;
  return (
    <div class="stack">
      {problem && <ErrorBox problem={problem} retry={reload} />}
      <Table
        label={`Runs of ${instance}`}
        columns={columns}
        rows={data?.items ?? []}
        rowKey={(run) => run.uid}
        rowHeight={46}
        loading={loading && !data}
        empty={data && <EmptyState title="It has not run yet" />}
      />
      {data && data.total > data.items.length && (
        <p>
          <a href={href("/runs", { ns: namespace, instance })}>All {data.total.toLocaleString("en")} runs</a>
        </p>
      )}
    </div>
  );
}
