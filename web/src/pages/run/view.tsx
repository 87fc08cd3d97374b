/** One run: live while it goes on, the same page when it has ended. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { PageProps } from "../../app/pages";
import { href, location, setQuery } from "../../app/router";
import { Phase } from "../../ui/badge";
import { Button } from "../../ui/button";
import { DownIcon } from "../../ui/icons";
import { ErrorBox, Loading, Note } from "../../ui/states";
import { Tabs } from "../../ui/tabs";
import { Actions, ForkDialog } from "./actions";
import { Facts } from "./facts";
import { Decisions, Events, Family, ObjectYaml } from "./parts";
import { Steps } from "./steps";
import { Timing } from "./timing";
import { type LiveRun, useRun } from "./use-run";
import "./run.css";

export default function Run({ params }: PageProps) {
  const { namespace = "", name = "" } = params;
  const live = useRun(namespace, name);
  const [forkAt, setForkAt] = useState<number | null>(null);
  const { detail, summary } = live;
  const tab = location.value.query.get("tab") ?? "transcript";
  if (!summary) {
    return (
      <div class="page">
        <header class="page-head">
          <h1>{name}</h1>
        </header>
        {detail.problem ? <ErrorBox problem={detail.problem} retry={detail.reload} /> : <Loading lines={8} />}
      </div>
    );
  }
  const of = { namespace, name, phase: summary.phase };
  const object = detail.data?.object;
  const tabs = [
    { id: "transcript", title: "Transcript", render: () => <TranscriptTab live={live} onFork={setForkAt} /> },
    { id: "timing", title: "Timing", render: () => <Timing {...of} /> },
    { id: "tree", title: "Sub-agents", count: detail.data?.children ?? 0, render: () => <Family {...of} /> },
    { id: "decisions", title: "Decisions", render: () => <Decisions transcript={live.transcript} /> },
    { id: "events", title: "Events", render: () => <Events {...of} /> },
    { id: "yaml", title: "YAML", render: () => (object ? <ObjectYaml object={object} /> : <Loading />) },
  ];
  return (
    <div class="page run-page">
      <header class="page-head">
        <h1 class="clip">
          <a class="crumb" href={href("/runs")}>
            Runs
          </a>{" "}
          <span class="crumb">/</span> {name}
        </h1>
        <span role="status" aria-live="polite">
          <Phase phase={summary.phase} suspended={summary.suspended} reason={summary.reason} />
        </span>
        <div class="actions">
          <Actions run={summary} />
        </div>
      </header>
      {detail.problem && <ErrorBox problem={detail.problem} retry={detail.reload} />}
      {summary.queue && (
        <Note tone="wait">
          Waits in the queue, place {summary.queue.position}: {summary.queue.reason}
        </Note>
      )}
      {summary.error && live.transcript.items.length === 0 && <Note tone="bad">{summary.error}</Note>}
      <div class="run-columns">
        <div class="run-main">
          <Tabs
            label="Parts of the run"
            tabs={tabs}
            chosen={tab}
            onChoose={(id) => setQuery({ tab: id === "transcript" ? null : id })}
          />
        </div>
        <Facts run={summary} conditions={detail.data?.conditions ?? []} />
      </div>
      {forkAt !== null && <ForkDialog run={summary} step={forkAt} onClose={() => setForkAt(null)} />}
    </div>
  );
}

const NEAR = 120;

function TranscriptTab({ live, onFork }: { live: LiveRun; onFork: (step: number) => void }) {
  const { transcript, ended, told, summary } = live;
  const following = useRef(!ended);
  const [behind, setBehind] = useState(false);
  const main = () => document.getElementById("main");

  useEffect(() => {
    const box = main();
    if (!box) return;
    const look = () => {
      const near = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR;
      following.current = near;
      setBehind(!near);
    };
    box.addEventListener("scroll", look, { passive: true });
    return () => box.removeEventListener("scroll", look);
  }, []);
  // What is written is followed, unless the person scrolled away from it. Boxes take their size after they are drawn.
  const list = useRef<HTMLDivElement>(null);
  const any = transcript.items.length > 0;
  useEffect(() => {
    if (!list.current) return;
    const follow = () => {
      const box = main();
      if (box && following.current && !ended) box.scrollTop = box.scrollHeight;
    };
    const observer = new ResizeObserver(follow);
    observer.observe(list.current);
    return () => observer.disconnect();
  }, [ended, any]);

  const jump = () => {
    const box = main();
    if (box) box.scrollTop = box.scrollHeight;
  };
  if (!transcript.items.length) {
    return told ? (
      <Note>Nothing of this run is kept on the bus.</Note>
    ) : ended ? (
      <Loading lines={8} />
    ) : (
      <Waiting phase={summary?.phase ?? ""} />
    );
  }
  return (
    <div ref={list}>
      <Steps
        transcript={transcript}
        namespace={summary?.namespace ?? ""}
        live={!ended}
        approval={live.approval}
        onDecided={live.reloadApproval}
        onFork={onFork}
      />
      {behind && !ended && (
        <div class="jump">
          <Button icon={DownIcon} onClick={jump}>
            To the newest
          </Button>
        </div>
      )}
    </div>
  );
}

function Waiting({ phase }: { phase: string }) {
  return (
    <div class="empty" role="status">
      <p>{phase === "Queued" ? "It has not begun: see the queue above." : "Its pod is being started…"}</p>
    </div>
  );
}
