/** What a person on duty asks first: what runs, what waits for me, what failed, what it costs. */
import { useEffect, useRef } from "preact/hooks";
import { post } from "../../api/client";
import { useFetch } from "../../api/hooks";
import type { ApprovalSummary, Overview as Data, RunSummary, Tick } from "../../api/types";
import { useLive } from "../../api/useLive";
import { useCommands } from "../../app/palette";
import { href, namespace, route } from "../../app/router";
import { Phase } from "../../ui/badge";
import { Button } from "../../ui/button";
import { confirm } from "../../ui/confirm";
import { count, money } from "../../ui/format";
import { ApprovalIcon, CheckIcon, PlayIcon, RunsIcon, ScheduleIcon, StopIcon } from "../../ui/icons";
import { Answer, EmptyState, Note } from "../../ui/states";
import { Elapsed, RelativeTime } from "../../ui/time";
import { toast, toastProblem } from "../../ui/toast";
import { SetupHint } from "../setup/hint";
import { Card } from "./card";
import "./overview.css";

const AGAIN_MS = 1000;

export default function Overview() {
  const ns = namespace.value;
  const overview = useFetch<Data>("/overview", { namespace: ns });
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  useLive({ watch: ["agentruns", "approvalrequests"], namespace: ns }, ({ event }) => {
    if (event !== "change" && event !== "synced") return;
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      overview.reload();
    }, AGAIN_MS);
  });

  const stopAll = async () => {
    const text =
      "Nothing starts any more, and every run that goes on is held: no call begins. Nothing is lost.";
    if (!(await confirm("Stop every agent of this installation?", text, "Stop everything"))) return;
    await post("/stop", { all: true });
    toast("Everything is told to hold");
    overview.reload();
  };
  const resumeAll = async () => {
    await post("/resume", { all: true });
    toast("Everything may go on");
    overview.reload();
  };
  useCommands([
    { title: "Stop everything", run: () => void stopAll().catch(toastProblem) },
    { title: "Let everything go on", run: () => void resumeAll().catch(toastProblem) },
  ]);
  const stopped = overview.data?.stopped ?? false;
  return (
    <div class="page overview">
      <header class="page-head">
        <h1>Overview</h1>
        <div class="actions">
          {stopped ? (
            <Button icon={PlayIcon} look="primary" onClick={resumeAll}>
              Let everything go on
            </Button>
          ) : (
            <Button icon={StopIcon} look="danger" onClick={stopAll}>
              Stop everything
            </Button>
          )}
        </div>
      </header>
      {stopped && <Note tone="wait">Everything is stopped: nothing starts, and what goes on is held.</Note>}
      <SetupHint />
      {overview.data?.partial && (
        <Note>Runs of some namespaces are not shown and not counted: you may list them in others alone.</Note>
      )}
      <Answer of={overview}>{(data) => <Content data={data} />}</Answer>
    </div>
  );
}

function Content({ data }: { data: Data }) {
  const { phases, spend, tokens } = data;
  const active = (phases.Running ?? 0) + (phases.Serving ?? 0);
  const queued = (phases.Queued ?? 0) + (phases.Pending ?? 0);
  return (
    <>
      <ul class="tiles">
        <Tile
          label="Running"
          value={active}
          to={href("/runs", { phase: ["Running", "Serving"] })}
          tone="busy"
        />
        <Tile
          label="Wait for a person"
          value={data.waiting.length}
          to={href("/runs", { phase: "AwaitingApproval" })}
          tone="wait"
        />
        <Tile label="Queued" value={queued} to={href("/runs", { phase: ["Queued", "Pending"] })} />
        <Tile
          label="Failed, 24 h"
          value={data.failed.length}
          to={href("/runs", { phase: "Failed" })}
          tone="bad"
        />
        <Tile
          label="Spent today"
          value={spend?.today ? money(spend.today, spend.currency) : "—"}
          note={spend?.week ? `${money(spend.week, spend.currency)} in 7 days` : "no prices are set"}
          to={href("/usage")}
        />
        <Tile
          label="Tokens today"
          value={count(tokens.today)}
          note={`${count(tokens.week)} in 7 days`}
          to={href("/usage")}
        />
      </ul>
      <div class="overview-columns">
        <div class="stack">
          <Card title="Waits for you" count={data.waiting.length} tone="wait">
            {data.waiting.length ? (
              data.waiting.map((one) => <Waiting key={`${one.namespace}/${one.name}`} approval={one} />)
            ) : (
              <Nothing icon={CheckIcon}>Nothing waits for a person.</Nothing>
            )}
          </Card>
          <Card title="Goes on now" count={data.running.length}>
            {data.running.length ? (
              data.running.map((run) => <RunLine key={run.uid} run={run} text={run.task} />)
            ) : (
              <Nothing icon={RunsIcon}>Nothing runs.</Nothing>
            )}
          </Card>
          <Card title="Newest" more={{ to: href("/runs"), text: "All runs" }}>
            {data.recent.length ? (
              data.recent.map((run) => (
                <RunLine key={run.uid} run={run} text={run.result || run.error || run.task} />
              ))
            ) : (
              <EmptyState title="No run yet" icon={RunsIcon}>
                <p>
                  An agent works in runs: give one a task, or enable a pack whose personas have schedules.
                </p>
                <a class="button primary" href={href("/runs", { new: "1" })}>
                  New run
                </a>
              </EmptyState>
            )}
          </Card>
        </div>
        <div class="stack">
          <Card title="Failed in 24 hours" count={data.failed.length} tone="bad">
            {data.failed.length ? (
              data.failed.map((run) => (
                <RunLine key={run.uid} run={run} text={run.error || run.reason || ""} brief />
              ))
            ) : (
              <Nothing icon={CheckIcon}>Nothing failed.</Nothing>
            )}
          </Card>
          <Card title="Next">
            {data.next.length ? (
              data.next.map((tick) => (
                <Next key={`${tick.namespace}/${tick.schedule}/${tick.at}`} tick={tick} />
              ))
            ) : (
              <Nothing icon={ScheduleIcon}>No schedule is active.</Nothing>
            )}
          </Card>
        </div>
      </div>
    </>
  );
}

function Tile({
  label,
  value,
  note,
  to,
  tone = "calm",
}: {
  label: string;
  value: number | string;
  note?: string;
  to: string;
  tone?: string;
}) {
  const quiet = value === 0 || value === "0";
  return (
    <li>
      <a class={`tile ${quiet ? "" : tone}`} href={to}>
        <span class="tile-label">{label}</span>
        <span class="tile-value">{typeof value === "number" ? value.toLocaleString("en") : value}</span>
        {note && <span class="tile-note">{note}</span>}
      </a>
    </li>
  );
}

function Nothing({ icon: Icon, children }: { icon: typeof CheckIcon; children: string }) {
  return (
    <p class="nothing">
      <Icon /> {children}
    </p>
  );
}

function RunLine({ run, text, brief = false }: { run: RunSummary; text: string; brief?: boolean }) {
  return (
    <a class="line" href={href(route("/runs", run.namespace, run.name))}>
      <span class="line-head">
        {!brief && <Phase phase={run.phase} suspended={run.suspended} reason={run.reason} />}
        <strong class="clip">{run.displayName || run.instance}</strong>
        <span class="faint clip grow wide-only">{run.name}</span>
        <span class="faint">
          {run.startedAt && !run.completedAt ? (
            <Elapsed from={run.startedAt} />
          ) : (
            <RelativeTime at={run.completedAt ?? run.createdAt} />
          )}
        </span>
      </span>
      <span class={`clip ${brief ? "two-lines" : ""} muted`}>{text}</span>
    </a>
  );
}

function Waiting({ approval }: { approval: ApprovalSummary }) {
  return (
    <a class="line" href={href(route("/runs", approval.namespace, approval.run))}>
      <span class="line-head">
        <ApprovalIcon class="waits-icon" />
        <strong>{approval.tool}</strong>
        {approval.target && <span class="muted">in {approval.target}</span>}
        <span class="faint clip grow wide-only">{approval.run}</span>
        <span class="faint">
          <RelativeTime at={approval.requestedAt} />
        </span>
      </span>
      <code class="clip muted">{headlineOf(approval.args)}</code>
    </a>
  );
}

function headlineOf(args: unknown): string {
  if (args && typeof args === "object" && "command" in args) return String(args.command);
  return typeof args === "string" ? args : JSON.stringify(args);
}

function Next({ tick }: { tick: Tick }) {
  return (
    <div class="line">
      <span class="line-head">
        <ScheduleIcon />
        <span class="clip grow">{tick.instance}</span>
        <span class="faint">
          <RelativeTime at={tick.at} />
        </span>
      </span>
    </div>
  );
}
