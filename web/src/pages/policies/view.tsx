/** Policies: what agents may do, and how many are bound by each. */
import type { Items, PolicySummary } from "../../api/govern";
import { useWatched } from "../../api/useWatched";
import type { PageProps } from "../../app/pages";
import { href, location, route, setQuery } from "../../app/router";
import { Badge } from "../../ui/badge";
import { PlusIcon, PolicyIcon } from "../../ui/icons";
import { EmptyState, ErrorBox } from "../../ui/states";
import { type Column, Table } from "../../ui/table";
import { inWords } from "./words";

const columns: Column<PolicySummary>[] = [
  {
    key: "name",
    title: "Policy",
    width: "max(130px, 16vw)",
    render: (one) => (
      <>
        <a class="name" data-row-link href={href(route("/policies", one.namespace, one.name))}>
          {one.name}
        </a>
        <small>{one.namespace}</small>
      </>
    ),
  },
  {
    key: "mode",
    title: "Mode",
    width: "130px",
    render: ({ object }) =>
      object.spec?.enforcement === "Audit" ? (
        <Badge tone="wait">only watches</Badge>
      ) : (
        <Badge tone="good">enforced</Badge>
      ),
  },
  {
    key: "rules",
    title: "Rules",
    width: "70px",
    number: true,
    wide: true,
    render: ({ object }) => object.spec?.toolGating?.rules?.length ?? 0,
  },
  {
    key: "words",
    title: "Tools",
    wide: true,
    render: ({ object }) => <span title={inWords(object.spec)}>{inWords(object.spec)}</span>,
  },
  { key: "bound", title: "Instances", width: "90px", number: true, render: (one) => one.boundInstances },
];

export default function Policies(_: PageProps) {
  const only = location.value.query.get("policy");
  const policies = useWatched<Items<PolicySummary>>("/policies", {}, [
    "sympoziumpolicies",
    "sympoziuminstances",
  ]);
  const rows = (policies.data?.items ?? []).filter((one) => !only || one.name === only);
  return (
    <div class="page fixed">
      <header class="page-head">
        <h1>Policies</h1>
        {only && (
          <button type="button" class="chip" aria-pressed="true" onClick={() => setQuery({ policy: null })}>
            {only} ✕<span class="visually-hidden">: show all</span>
          </button>
        )}
        <div class="actions">
          <a class="button" href={href("/policies/new")}>
            <PlusIcon />
            New policy
          </a>
        </div>
      </header>
      {policies.problem && <ErrorBox problem={policies.problem} retry={policies.reload} />}
      <Table
        label="Policies"
        columns={columns}
        rows={rows}
        rowKey={(one) => `${one.namespace}/${one.name}`}
        rowHeight={46}
        loading={policies.loading && !policies.data}
        empty={
          policies.data && (
            <EmptyState title="There are no policies that you may see" icon={PolicyIcon}>
              <p>
                Instances without one of their own have the installation's.{" "}
                <a href={href("/policies/new")}>Write one</a>
              </p>
            </EmptyState>
          )
        }
      />
    </div>
  );
}
