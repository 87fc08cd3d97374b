/** The personas of a pack as a table. */
import type { PackSummary, PersonaState } from "../../api/govern";
import { href, route } from "../../app/router";
import { Badge, Phase } from "../../ui/badge";
import { lastRunColumn } from "../../ui/last-run";
import { type Column, Table } from "../../ui/table";
import { RelativeTime } from "../../ui/time";

export function Personas({ pack }: { pack: PackSummary }) {
  const columns: Column<PersonaState>[] = [
    {
      key: "name",
      title: "Persona",
      render: (one) => (
        <>
          {one.instance ? (
            <a class="name" data-row-link href={href(route("/instances", pack.namespace, one.instance))}>
              {one.displayName || one.name}
            </a>
          ) : (
            <span class="name">{one.displayName || one.name}</span>
          )}
          <small>{one.name}</small>
        </>
      ),
    },
    { key: "state", title: "State", width: "130px", render: (one) => <State pack={pack} persona={one} /> },
    {
      key: "model",
      title: "Model",
      wide: true,
      render: (one) => one.model ?? <span class="faint">default</span>,
    },
    { key: "skills", title: "Skills", wide: true, render: (one) => one.skills.join(", ") },
    {
      key: "policy",
      title: "Policy",
      wide: true,
      render: (one) => one.policy ?? <span class="faint">default</span>,
    },
    { key: "schedule", title: "Schedule", wide: true, render: (one) => one.schedule },
    lastRunColumn,
    {
      key: "next",
      title: "Next",
      width: "100px",
      wide: true,
      render: (one) => <RelativeTime at={one.nextRun} />,
    },
  ];
  return (
    <Table
      label="Personas"
      columns={columns}
      rows={pack.personas}
      rowKey={(one) => one.name}
      rowHeight={44}
    />
  );
}

function State({ pack, persona }: { pack: PackSummary; persona: PersonaState }) {
  if (persona.excluded) return <Badge>left out</Badge>;
  if (!pack.enabled) return <Badge>not at work</Badge>;
  return <Phase phase={persona.phase} />;
}
