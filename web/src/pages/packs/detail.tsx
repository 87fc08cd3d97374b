/** One pack: each persona's state, its YAML, and switching it on and off. */
import { useState } from "preact/hooks";
import { path, post } from "../../api/client";
import type { Items, PackSummary } from "../../api/govern";
import { useWatched } from "../../api/useWatched";
import type { PageProps } from "../../app/pages";
import { href, location, setQuery } from "../../app/router";
import { Badge, Phase } from "../../ui/badge";
import { Button } from "../../ui/button";
import { confirm } from "../../ui/confirm";
import { Answer, EmptyState, Note } from "../../ui/states";
import { Tabs } from "../../ui/tabs";
import { toast } from "../../ui/toast";
import { YamlTab } from "../../yaml/YamlTab";
import { Enable } from "./enable";
import "./packs.css";
import { Personas } from "./personas";
import { goes } from "./state";

export default function Pack({ params }: PageProps) {
  const namespace = params.namespace ?? "";
  const name = params.name ?? "";
  const [enabling, setEnabling] = useState(false);
  const packs = useWatched<Items<PackSummary>>(
    "/packs",
    { namespace },
    ["personapacks", "sympoziuminstances", "sympoziumschedules", "agentruns"],
    namespace,
  );
  return (
    <div class="page packs">
      <Answer of={packs}>
        {({ items }) => {
          const pack = items.find((one) => one.namespace === namespace && one.name === name);
          if (!pack) {
            return (
              <EmptyState title={`There is no pack ${name} in ${namespace}`}>
                <p>
                  <a href={href("/packs")}>To the packs</a>
                </p>
              </EmptyState>
            );
          }
          return (
            <>
              <Head pack={pack} onEnable={() => setEnabling(true)} onDone={packs.reload} />
              {pack.description && <p class="muted lead">{pack.description}</p>}
              {pack.warnings.map((warning) => (
                <Note key={warning} tone="wait">
                  {warning}
                </Note>
              ))}
              <Tabs
                label={`Parts of pack ${name}`}
                chosen={location.value.query.get("tab") ?? "personas"}
                onChoose={(tab) => setQuery({ tab: tab === "personas" ? null : tab })}
                tabs={[
                  {
                    id: "personas",
                    title: "Personas",
                    count: pack.personas.length,
                    render: () => <Personas pack={pack} />,
                  },
                  {
                    id: "yaml",
                    title: "Edit as YAML",
                    render: () => (
                      <YamlTab place={{ plural: "personapacks", namespace, name }} kind="PersonaPack" />
                    ),
                  },
                ]}
              />
              {enabling && (
                <Enable
                  pack={pack}
                  onClose={() => setEnabling(false)}
                  onDone={() => {
                    setEnabling(false);
                    packs.reload();
                  }}
                />
              )}
            </>
          );
        }}
      </Answer>
    </div>
  );
}

function Head({ pack, onEnable, onDone }: { pack: PackSummary; onEnable: () => void; onDone: () => void }) {
  const disable = async () => {
    if (!(await confirm(`Disable ${pack.name}?`, <Consequences pack={pack} />, "Disable"))) return;
    await post(`${path("namespaces", pack.namespace, "packs", pack.name)}/disable`);
    toast(`${pack.name} in ${pack.namespace} is switched off`);
    onDone();
  };
  return (
    <header class="page-head">
      <a class="crumb" href={href("/packs")}>
        Packs
      </a>
      <h1>{pack.name}</h1>
      <span class="faint">in {pack.namespace}</span>
      {pack.enabled ? (
        <Phase phase={pack.phase} />
      ) : (
        <Badge>{pack.catalogue ? "catalogue" : "switched off"}</Badge>
      )}
      <div class="actions">
        {pack.enabled ? (
          <Button look="danger" onClick={disable}>
            Disable…
          </Button>
        ) : (
          <Button look="primary" onClick={onEnable}>
            Enable…
          </Button>
        )}
      </div>
    </header>
  );
}

function Consequences({ pack }: { pack: PackSummary }) {
  const { instances, schedules } = goes(pack.personas);
  const names = (all: string[]) => (all.length ? all.join(", ") : "none");
  return (
    <dl class="facts">
      <dt>Go</dt>
      <dd>
        <ul>
          <li>instances: {names(instances)}</li>
          <li>schedules: {names(schedules)}</li>
        </ul>
      </dd>
      <dt>Stay</dt>
      <dd>
        <ul>
          <li>
            <a href={href("/runs", { ns: pack.namespace, pack: pack.name })}>its runs and their records</a>
          </li>
          <li>Secrets with keys</li>
          <li>what the agents remember</li>
          <li>the pack itself, as it is set up: it can be enabled again</li>
        </ul>
      </dd>
    </dl>
  );
}
