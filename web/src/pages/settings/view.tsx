/** What this installation is, and whether each of its parts is well. */

import type { FunctionComponent } from "preact";
import { stringify } from "yaml";
import { useFetch } from "../../api/hooks";
import type { Check, Checks, Settings as Data } from "../../api/setup";
import type { PageProps } from "../../app/pages";
import { href, namespace } from "../../app/router";
import { Badge, type Tone } from "../../ui/badge";
import { Button } from "../../ui/button";
import { Code } from "../../ui/code";
import { AlertIcon, CheckIcon, type IconProps, InfoIcon, RetryIcon } from "../../ui/icons";
import { Answer, Note } from "../../ui/states";

const LEVELS: Record<Check["level"], { tone: Tone; icon: FunctionComponent<IconProps>; text: string }> = {
  ok: { tone: "good", icon: CheckIcon, text: "well" },
  unknown: { tone: "calm", icon: InfoIcon, text: "not known" },
  failed: { tone: "bad", icon: AlertIcon, text: "failed" },
};

export default function Settings(_: PageProps) {
  const settings = useFetch<Data>("/settings");
  const doctor = useFetch<Checks>("/doctor", { namespace: namespace.value || "default" });
  return (
    <div class="page">
      <header class="page-head">
        <h1>Settings</h1>
      </header>
      <div class="stack">
        <section class="card" aria-labelledby="doctor">
          <header>
            <h2 id="doctor">Doctor</h2>
            <div class="actions">
              <Button icon={RetryIcon} look="quiet" disabled={doctor.loading} onClick={doctor.reload}>
                Look again
              </Button>
            </div>
          </header>
          <div class="body">
            <Answer of={doctor}>{({ checks }) => <Findings checks={checks} />}</Answer>
          </div>
        </section>
        <section class="card" aria-labelledby="installation">
          <header>
            <h2 id="installation">Installation</h2>
            <div class="actions">
              <a href={href("/setup")}>Set up a model</a>
            </div>
          </header>
          <div class="body stack">
            <Answer of={settings}>{(data) => <Facts data={data} />}</Answer>
          </div>
        </section>
      </div>
    </div>
  );
}

function Findings({ checks }: { checks: readonly Check[] }) {
  return (
    <ul class="stack plain">
      {checks.map((check) => {
        const { tone, icon, text } = LEVELS[check.level];
        return (
          <li key={check.name} class="row">
            <Badge tone={tone} icon={icon}>
              {text}
            </Badge>
            <div class="grow">
              <strong>{check.name}</strong>
              <p class="prose">{check.detail}</p>
              {check.cure && check.level !== "ok" && <p class="muted prose">{check.cure}</p>}
            </div>
          </li>
        );
      })}
    </ul>
  );
}

function Facts({ data }: { data: Data }) {
  return (
    <>
      <p>
        Sympozium {data.version}, Kubernetes {data.kubernetes} at <code>{data.server}</code>, bus{" "}
        {data.busConnected ? "connected" : "not connected"}.
      </p>
      {data.unready.length > 0 && <Note tone="wait">The server waits for {data.unready.join(", ")}.</Note>}
      {data.config ? (
        <Code label="SympoziumConfig default" language="yaml" text={stringify(bare(data.config))} />
      ) : (
        <Note>There is no SympoziumConfig, or it is not yours to read: defaults hold.</Note>
      )}
    </>
  );
}

/** Without what no person reads. */
function bare(config: Record<string, unknown>): unknown {
  const { metadata, ...rest } = config as { metadata?: Record<string, unknown> };
  const { managedFields: _, ...shown } = metadata ?? {};
  return { ...rest, metadata: shown };
}
