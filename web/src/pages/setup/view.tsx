/** From nothing to a first run: a model that was tried, a team, a task. Each step shows what there is already. */
import { useState } from "preact/hooks";
import { path, post } from "../../api/client";
import type { Items, PackSummary } from "../../api/govern";
import { type Fetched, useFetch } from "../../api/hooks";
import type { SetUp } from "../../api/setup";
import type { PageProps } from "../../app/pages";
import { href, namespace } from "../../app/router";
import { Badge } from "../../ui/badge";
import { Button } from "../../ui/button";
import { CheckIcon, PlayIcon } from "../../ui/icons";
import { Answer, Note } from "../../ui/states";
import { toast, toastWarnings } from "../../ui/toast";
import { NewRun } from "../runs/new-run";
import { Model } from "./model";
import { Step } from "./step";

export default function Setup(_: PageProps) {
  const ns = namespace.value || "default";
  const setup = useFetch<SetUp>("/setup", { namespace: ns });
  return (
    <div class="page setup">
      <header class="page-head">
        <h1>Set up</h1>
        <span class="faint">namespace {ns}; the same in a terminal: sympozium init</span>
      </header>
      <Answer of={setup}>
        {(data) => (
          <div class="stack">
            <Step number={1} title="Model" done={data.model.model !== ""}>
              <Model data={data} namespace={ns} onChosen={setup.reload} />
            </Step>
            <Step number={2} title="Team" done={Boolean(data.packs)}>
              <Team namespace={ns} onEnabled={setup.reload} />
            </Step>
            <Step number={3} title="First run" done={Boolean(data.runs)}>
              <FirstRun setup={setup} />
            </Step>
          </div>
        )}
      </Answer>
    </div>
  );
}

function Team({ namespace: ns, onEnabled }: { namespace: string; onEnabled: () => void }) {
  const packs = useFetch<Items<PackSummary>>("/packs");
  return (
    <Answer of={packs}>
      {({ items }) => {
        const offered = items.filter((one) => one.catalogue || one.namespace === ns);
        if (!offered.length) return <Note>The catalogue is empty: apply a PersonaPack.</Note>;
        const here = new Set(
          items.filter((one) => one.namespace === ns && one.enabled).map((one) => one.name),
        );
        const names = [...new Map(offered.map((one) => [one.name, one])).values()];
        return (
          <ul class="stack plain">
            {names.map((one) => (
              <li key={one.name} class="row spread">
                <div class="grow">
                  <strong>{one.name}</strong>
                  <p class="muted">{one.description}</p>
                  <p class="faint">{one.personas.map((each) => each.displayName || each.name).join(", ")}</p>
                </div>
                {here.has(one.name) ? (
                  <Badge tone="good" icon={CheckIcon}>
                    enabled
                  </Badge>
                ) : (
                  <Button
                    onClick={async () => {
                      const answer = await post<{ warnings?: string[] }>(
                        `${path("namespaces", ns, "packs", one.name)}/enable`,
                      );
                      toastWarnings(answer.warnings);
                      toast(`${one.name} is enabled in ${ns}`);
                      packs.reload();
                      onEnabled();
                    }}
                  >
                    Enable {one.name}
                  </Button>
                )}
              </li>
            ))}
          </ul>
        );
      }}
    </Answer>
  );
}

function FirstRun({ setup }: { setup: Fetched<SetUp> }) {
  const [open, setOpen] = useState(false);
  return (
    <div class="row">
      <Button icon={PlayIcon} look="primary" onClick={() => setOpen(true)}>
        Give an agent a task
      </Button>
      {Boolean(setup.data?.runs) && <a href={href("/runs")}>To the runs</a>}
      {open && <NewRun onClose={() => setOpen(false)} />}
    </div>
  );
}
