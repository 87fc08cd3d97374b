/** One schedule: its ticks as a list, its task, its YAML. */
import type { Items, ScheduleSummary } from "../../api/govern";
import { useWatched } from "../../api/useWatched";
import type { PageProps } from "../../app/pages";
import { href, location, route, setQuery } from "../../app/router";
import { Phase } from "../../ui/badge";
import { plural } from "../../ui/format";
import { Answer, EmptyState, Note } from "../../ui/states";
import { Tabs } from "../../ui/tabs";
import { RelativeTime } from "../../ui/time";
import { YamlTab } from "../../yaml/YamlTab";
import { Actions } from "./actions";
import "./schedules.css";

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });

export default function Schedule({ params }: PageProps) {
  const namespace = params.namespace ?? "";
  const name = params.name ?? "";
  const schedules = useWatched<Items<ScheduleSummary>>(
    "/schedules",
    { namespace, past: 50, next: 20 },
    ["sympoziumschedules", "agentruns"],
    namespace,
  );
  return (
    <div class="page schedules">
      <Answer of={schedules}>
        {({ items }) => {
          const one = items.find((each) => each.namespace === namespace && each.name === name);
          if (!one) {
            return (
              <EmptyState title={`There is no schedule ${name} in ${namespace}`}>
                <p>
                  <a href={href("/schedules")}>To the schedules</a>
                </p>
              </EmptyState>
            );
          }
          return (
            <>
              <header class="page-head">
                <a class="crumb" href={href("/schedules")}>
                  Schedules
                </a>
                <h1>{name}</h1>
                <span class="faint">in {namespace}</span>
                <Phase phase={one.suspended ? "Suspended" : one.phase} />
                <div class="actions">
                  <Actions of={one} onDone={schedules.reload} />
                </div>
              </header>
              <Tabs
                label={`Parts of schedule ${name}`}
                chosen={location.value.query.get("tab") ?? "ticks"}
                onChoose={(tab) => setQuery({ tab: tab === "ticks" ? null : tab })}
                tabs={[
                  { id: "ticks", title: "Ticks", render: () => <Ticks one={one} /> },
                  {
                    id: "yaml",
                    title: "Edit as YAML",
                    render: () => (
                      <YamlTab
                        place={{ plural: "sympoziumschedules", namespace, name }}
                        kind="SympoziumSchedule"
                      />
                    ),
                  },
                ]}
              />
            </>
          );
        }}
      </Answer>
    </div>
  );
}

function Ticks({ one }: { one: ScheduleSummary }) {
  return (
    <div class="stack">
      {one.missed !== null && one.missed > 0 && (
        <Note tone="wait">
          {plural(one.missed, "tick")} of the last hour made no run: the run before was still at work, or the
          controller was away.
        </Note>
      )}
      <dl class="facts">
        <dt>When</dt>
        <dd>
          <code>{one.schedule}</code> {one.timeZone ?? "UTC"}
        </dd>
        <dt>Kind</dt>
        <dd>{one.type}</dd>
        <dt>Instance</dt>
        <dd>
          <a href={href(route("/instances", one.namespace, one.instance))}>{one.instance}</a>
        </dd>
        <dt>Task</dt>
        <dd class="prose">{one.task}</dd>
      </dl>
      <div class="ticks">
        <section>
          <h2>To come</h2>
          {!one.next.length && <p class="muted">Nothing.</p>}
          <ol>
            {one.next.slice(0, 10).map((at) => (
              <li key={at} class={one.suspended ? "faint" : ""}>
                {exact.format(Date.parse(at))} <RelativeTime at={at} />
                {one.suspended && ", unless it stays suspended"}
              </li>
            ))}
          </ol>
        </section>
        <section>
          <h2>Past</h2>
          {!one.past.length && <p class="muted">Nothing.</p>}
          <ol>
            {[...one.past].reverse().map((tick) => (
              <li key={tick.at} class="row">
                <span>{exact.format(Date.parse(tick.at))}</span>
                <a href={href(route("/runs", one.namespace, tick.run))}>
                  <Phase phase={tick.phase} />
                </a>
              </li>
            ))}
          </ol>
        </section>
      </div>
    </div>
  );
}
