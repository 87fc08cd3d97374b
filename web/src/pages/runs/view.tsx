/** Every run: live, filtered and searched by the server; the filters are the address, so that a view can be sent to somebody. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { RunSummary } from "../../api/types";
import { useKeys } from "../../app/keyboard";
import { useCommands } from "../../app/palette";
import { href, location, namespace, route, setQuery } from "../../app/router";
import { Phase } from "../../ui/badge";
import { Button } from "../../ui/button";
import { count, money, plural } from "../../ui/format";
import { Hit } from "../../ui/hits";
import { CloseIcon, PlusIcon, RunsIcon, SearchIcon } from "../../ui/icons";
import { EmptyState, ErrorBox, Note } from "../../ui/states";
import { type Column, Table } from "../../ui/table";
import { Elapsed, RelativeTime } from "../../ui/time";
import { useRunList } from "./list";
import { NewRun } from "./new-run";
import "./runs.css";

const PHASES = [
  "Running",
  "AwaitingApproval",
  "Queued",
  "Pending",
  "Serving",
  "Succeeded",
  "Failed",
  "Cancelled",
];
const SEARCH_AFTER_MS = 200;

export default function Runs() {
  const { query } = location.value;
  const ns = namespace.value;
  const phases = query.getAll("phase");
  const one = (key: string) => query.get(key) ?? "";
  const sort = one("sort") || "-created";
  const params = useMemo(
    () => ({
      phase: phases,
      instance: one("instance"),
      pack: one("pack"),
      persona: one("persona"),
      schedule: one("schedule"),
      trigger: one("trigger"),
      labels: one("labels"),
      since: one("since"),
      until: one("until"),
      q: one("q"),
      sort,
    }),
    [query.toString()],
  );
  const list = useRunList(params, ns);
  const [creating, setCreating] = useState(one("new") !== "");
  const create = () => setCreating(true);
  useKeys("Runs", [{ keys: "n", does: "new run", run: create }]);
  useCommands([{ title: "New run", hint: "n", run: create }]);

  const facets = list.page?.facets ?? {};
  const filtered = [...query.keys()].some((key) => !["ns", "sort", "new"].includes(key));
  const total = list.page?.total;
  return (
    <div class="page fixed">
      <header class="page-head">
        <h1>Runs</h1>
        <span class="muted" aria-live="polite">
          {total !== undefined && plural(total, "run")}
        </span>
        <div class="actions">
          <SearchField key={one("q") === "" ? "empty" : "text"} />
          <Button icon={PlusIcon} look="primary" keys="n" onClick={create}>
            New run
          </Button>
        </div>
      </header>
      <div class="runs-filters">
        <div class="chips">
          {PHASES.filter((phase) => phases.includes(phase) || facets.phase?.[phase]).map((phase) => (
            <PhaseChip key={phase} phase={phase} chosen={phases} count={facets.phase?.[phase] ?? 0} />
          ))}
        </div>
        <div class="row">
          <Facet label="Instance" name="instance" values={facets.instance} />
          <Facet label="Pack" name="pack" values={facets.pack} />
          {["persona", "schedule", "trigger", "labels", "since", "until"]
            .filter((key) => query.has(key))
            .map((key) => (
              <Button key={key} icon={CloseIcon} onClick={() => setQuery({ [key]: null })}>
                {key} {one(key)}
              </Button>
            ))}
          {filtered && (
            <Button look="quiet" icon={CloseIcon} onClick={() => clear(query)}>
              Clear
            </Button>
          )}
        </div>
      </div>
      {list.problem && <ErrorBox problem={list.problem} retry={list.reload} />}
      {list.page?.partial && (
        <Note>Runs of some namespaces are not shown and not counted: you may list them in others alone.</Note>
      )}
      <Table
        label="Runs"
        columns={columns(ns, sort)}
        rows={list.rows}
        rowKey={(run) => run.uid}
        rowHeight={52}
        total={total}
        loading={list.loading}
        onEnd={list.loadMore}
        empty={
          list.problem ? null : (
            <EmptyState title={filtered ? "No run fits" : "No run yet"} icon={RunsIcon}>
              {filtered ? (
                <Button onClick={() => clear(query)}>Clear the filters</Button>
              ) : (
                <>
                  <p>
                    An agent works in runs: give one a task, or enable a pack whose personas have schedules.
                  </p>
                  <Button look="primary" icon={PlusIcon} onClick={create}>
                    New run
                  </Button>
                </>
              )}
            </EmptyState>
          )
        }
      />
      {creating && <NewRun instance={one("new")} onClose={() => setCreating(false)} />}
    </div>
  );
}

function clear(query: URLSearchParams): void {
  const none: Record<string, null> = {};
  for (const key of query.keys()) if (!["ns", "sort"].includes(key)) none[key] = null;
  setQuery(none);
}

function SearchField() {
  const field = useRef<HTMLInputElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  return (
    <search class="search">
      <SearchIcon />
      <input
        ref={field}
        class="input"
        type="search"
        data-search
        aria-label="Search runs"
        placeholder="Search task, result, error…"
        maxLength={200}
        defaultValue={location.peek().query.get("q") ?? ""}
        onInput={(event) => {
          const text = event.currentTarget.value;
          clearTimeout(timer.current);
          timer.current = setTimeout(() => setQuery({ q: text || null }), SEARCH_AFTER_MS);
        }}
        onKeyDown={(event) => {
          if (event.key === "Escape") event.currentTarget.blur();
        }}
      />
      <span class="key wide-only">/</span>
    </search>
  );
}

function PhaseChip({ phase, chosen, count: number }: { phase: string; chosen: string[]; count: number }) {
  const pressed = chosen.includes(phase);
  const next = pressed ? chosen.filter((one) => one !== phase) : [...chosen, phase];
  return (
    <button type="button" class="chip" aria-pressed={pressed} onClick={() => setQuery({ phase: next })}>
      {phase === "AwaitingApproval" ? "Awaiting approval" : phase}
      <span class="faint">{number.toLocaleString("en")}</span>
    </button>
  );
}

function Facet({
  label,
  name,
  values,
}: {
  label: string;
  name: string;
  values: Record<string, number> | undefined;
}) {
  const chosen = location.value.query.get(name) ?? "";
  const names = Object.keys(values ?? {});
  if (chosen && !names.includes(chosen)) names.push(chosen);
  if (!names.length) return null;
  return (
    <select
      class="select"
      aria-label={label}
      value={chosen}
      onChange={(event) => setQuery({ [name]: event.currentTarget.value || null })}
    >
      <option value="">{`${label}: all`}</option>
      {names.sort().map((value) => (
        <option key={value} value={value}>
          {`${value} (${(values?.[value] ?? 0).toLocaleString("en")})`}
        </option>
      ))}
    </select>
  );
}

function columns(ns: string, sort: string): Column<RunSummary>[] {
  const by = (order: string) => ({
    sorted: sort === order,
    onSort: () => setQuery({ sort: order === "-created" ? null : order }),
  });
  return [
    {
      key: "phase",
      title: "Phase",
      width: "clamp(138px, 15vw, 192px)",
      render: (run) => <Phase phase={run.phase} suspended={run.suspended} reason={run.reason} />,
    },
    {
      key: "run",
      title: "Run",
      render: (run) => (
        <>
          <a class="name" data-row-link href={href(route("/runs", run.namespace, run.name))}>
            {run.name}
          </a>
          <small>
            {run.match?.[0] ? <Hit match={run.match[0]} /> : run.error || run.queue?.reason || run.task}
          </small>
        </>
      ),
    },
    {
      key: "instance",
      title: "Instance",
      width: "clamp(130px, 12vw, 190px)",
      wide: true,
      render: (run) => (
        <>
          {run.displayName || run.instance}
          <small>{ns ? run.pack : [run.namespace, run.pack].filter(Boolean).join(" · ")}</small>
        </>
      ),
    },
    {
      key: "created",
      title: "Created",
      width: "96px",
      wide: true,
      ...by("-created"),
      render: (run) => <RelativeTime at={run.createdAt} />,
    },
    {
      key: "duration",
      title: "Took",
      width: "92px",
      number: true,
      wide: true,
      ...by("-duration"),
      render: (run) => run.startedAt && <Elapsed from={run.startedAt} until={run.completedAt} />,
    },
    {
      key: "calls",
      title: "Steps · calls",
      width: "98px",
      number: true,
      wide: true,
      render: (run) => (run.steps ? `${run.steps} · ${run.toolCalls}` : ""),
    },
    {
      key: "tokens",
      title: "Tokens",
      width: "88px",
      number: true,
      wide: true,
      ...by("-tokens"),
      render: (run) => count(run.inputTokens + run.outputTokens || null),
    },
    {
      key: "cost",
      title: "Cost",
      width: "88px",
      number: true,
      wide: true,
      ...by("-cost"),
      render: (run) => run.cost && money(run.cost.amount, run.cost.currency),
    },
  ];
}
