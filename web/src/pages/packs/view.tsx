/** Teams of agents: those that work, and the catalogue. */
import { useState } from "preact/hooks";
import type { Items, PackSummary } from "../../api/govern";
import { useWatched } from "../../api/useWatched";
import type { PageProps } from "../../app/pages";
import { href, namespace, navigate, route } from "../../app/router";
import { systemNamespace } from "../../app/session";
import { Badge, Phase } from "../../ui/badge";
import { Button } from "../../ui/button";
import { PackIcon } from "../../ui/icons";
import { SearchBox } from "../../ui/search";
import { Answer, EmptyState, Note } from "../../ui/states";
import { Enable } from "./enable";
import "./packs.css";
import { shelf } from "./state";

export default function Packs(_: PageProps) {
  const [text, setText] = useState("");
  const [enabling, setEnabling] = useState<PackSummary | null>(null);
  const packs = useWatched<Items<PackSummary>>("/packs", {}, ["personapacks", "sympoziuminstances"]);
  return (
    <div class="page packs">
      <header class="page-head">
        <h1>Packs</h1>
        <SearchBox
          label="Search packs"
          placeholder="Search packs and personas"
          value={text}
          onValue={setText}
        />
      </header>
      <Answer of={packs}>
        {({ items }) => {
          const { working, idle, catalogue } = shelf(items, text, namespace.value);
          return (
            <>
              <Shelf title="At work" packs={working} onEnable={setEnabling} />
              <Shelf title="Switched off" packs={idle} onEnable={setEnabling} />
              <Shelf title="Catalogue" packs={catalogue} onEnable={setEnabling} />
              {!working.length && !idle.length && !catalogue.length && <None searched={text !== ""} />}
            </>
          );
        }}
      </Answer>
      {enabling && (
        <Enable
          pack={enabling}
          onClose={() => setEnabling(null)}
          onDone={(where) => {
            setEnabling(null);
            navigate(href(route("/packs", where, enabling.name)));
          }}
        />
      )}
    </div>
  );
}

function None({ searched }: { searched: boolean }) {
  if (searched) return <EmptyState title="No pack has all of these words" icon={PackIcon} />;
  return (
    <EmptyState title="There are no packs" icon={PackIcon}>
      <p>
        The catalogue is in namespace {systemNamespace()}, if you may see it. A PersonaPack of your own is
        applied with <code>sympozium apply -f</code>.
      </p>
    </EmptyState>
  );
}

function Shelf(props: { title: string; packs: PackSummary[]; onEnable: (pack: PackSummary) => void }) {
  if (!props.packs.length) return null;
  return (
    <section class="shelf">
      <h2>
        {props.title} <span class="count">{props.packs.length}</span>
      </h2>
      <ul class="cards">
        {props.packs.map((pack) => (
          <li key={`${pack.namespace}/${pack.name}`}>
            <Card pack={pack} onEnable={() => props.onEnable(pack)} />
          </li>
        ))}
      </ul>
    </section>
  );
}

function Card({ pack, onEnable }: { pack: PackSummary; onEnable: () => void }) {
  const address = href(route("/packs", pack.namespace, pack.name));
  return (
    <article class="card">
      <header>
        <h3 class="clip grow">
          <a href={address}>{pack.name}</a>
        </h3>
        {pack.enabled ? <Phase phase={pack.phase} /> : pack.category && <Badge>{pack.category}</Badge>}
      </header>
      <div class="body stack">
        <p class="muted about">{pack.description || "No description."}</p>
        <ul class="row tight personas">
          {pack.personas.map((persona) => (
            <li key={persona.name} class={persona.excluded ? "out" : ""}>
              <Badge title={persona.excluded ? "left out" : undefined}>
                {persona.displayName || persona.name}
              </Badge>
            </li>
          ))}
        </ul>
        {pack.warnings.map((warning) => (
          <Note key={warning} tone="wait">
            {warning}
          </Note>
        ))}
        <footer class="row spread">
          <span class="faint clip">
            {pack.catalogue && !pack.enabled
              ? pack.enabledIn.length
                ? `at work in ${pack.enabledIn.join(", ")}`
                : `version ${pack.version ?? "unknown"}`
              : `in ${pack.namespace}`}
          </span>
          {pack.enabled ? (
            <a class="button" href={address}>
              Open
            </a>
          ) : (
            <Button look={pack.catalogue && pack.enabledIn.length ? "plain" : "primary"} onClick={onEnable}>
              Enable…
            </Button>
          )}
        </footer>
      </div>
    </article>
  );
}
