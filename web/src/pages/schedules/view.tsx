/** Schedules on one line of time: what fired, how it ended, what comes. */
import type { Items, ScheduleSummary } from "../../api/govern";
import { useWatched } from "../../api/useWatched";
import type { PageProps } from "../../app/pages";
import { href, location, namespace, route, setQuery } from "../../app/router";
import { Phase } from "../../ui/badge";
import { now as clock } from "../../ui/clock";
import { ScheduleIcon } from "../../ui/icons";
import { EmptyState, ErrorBox } from "../../ui/states";
import { type Column, Table } from "../../ui/table";
import { RelativeTime } from "../../ui/time";
import { Actions } from "./actions";
import "./schedules.css";
import { fitting, span, windows } from "./timeline";
import { Scale, Track } from "./track";

/** The lines move once in half a minute: a pixel a second would only be unrest. */
const STEP_MS = 30_000;

export default function Schedules(_: PageProps) {
  const schedules = useWatched<Items<ScheduleSummary>>(
    "/schedules",
    { namespace: namespace.value, past: 50, next: 20 },
    ["sympoziumschedules", "agentruns"],
    namespace.value,
  );
  const now = Math.floor(clock.value / STEP_MS) * STEP_MS;
  const rows = schedules.data?.items ?? [];
  const wanted = Number(location.value.query.get("window"));
  const hours = windows.find((one) => one.hours === wanted)?.hours ?? fitting(rows, now);
  const shown = span(hours, now);
  const columns: Column<ScheduleSummary>[] = [
    {
      key: "name",
      title: "Schedule",
      width: "max(128px, 17vw)",
      render: (one) => (
        <>
          <a class="name" data-row-link href={href(route("/schedules", one.namespace, one.name))}>
            {one.name}
          </a>
          <small>
            {!namespace.value && `${one.namespace} · `}
            {one.schedule}
            {one.timeZone && ` ${one.timeZone}`}
          </small>
        </>
      ),
    },
    {
      key: "state",
      title: "State",
      width: "132px",
      render: (one) => <Phase phase={one.suspended ? "Suspended" : one.phase} />,
    },
    {
      key: "track",
      title: <Scale shown={shown} now={now} />,
      wide: true,
      render: (one) => <Track of={one} shown={shown} now={now} />,
    },
    {
      key: "next",
      title: "Next",
      width: "84px",
      render: (one) => (one.suspended ? <span class="faint">held</span> : <RelativeTime at={one.next[0]} />),
    },
    {
      key: "do",
      title: <span class="visually-hidden">Actions</span>,
      width: "216px",
      wide: true,
      render: (one) => <Actions of={one} onDone={schedules.reload} />,
    },
  ];
  return (
    <div class="page fixed schedules">
      <header class="page-head">
        <h1>Schedules</h1>
        <fieldset class="chips actions">
          <legend class="visually-hidden">How much time is shown</legend>
          {windows.map((one) => (
            <button
              key={one.hours}
              type="button"
              class="chip"
              aria-pressed={one.hours === hours}
              onClick={() => setQuery({ window: String(one.hours) })}
            >
              {one.label}
            </button>
          ))}
        </fieldset>
      </header>
      {schedules.problem && <ErrorBox problem={schedules.problem} retry={schedules.reload} />}
      <Table
        label="Schedules"
        columns={columns}
        rows={rows}
        rowKey={(one) => `${one.namespace}/${one.name}`}
        rowHeight={52}
        loading={schedules.loading && !schedules.data}
        empty={
          schedules.data && (
            <EmptyState title="There are no schedules" icon={ScheduleIcon}>
              <p>
                A persona of a <a href={href("/packs")}>pack</a> may have one, or apply a SympoziumSchedule.
              </p>
            </EmptyState>
          )
        }
      />
      <p class="legend faint wide-only">
        <span class="tick Succeeded" /> succeeded <span class="tick Failed" /> failed to come
      </p>
    </div>
  );
}
