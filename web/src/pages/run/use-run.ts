/** Everything live about one run: its object, its transcript, the approval that it waits for. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { path } from "../../api/client";
import { type Fetched, useFetch } from "../../api/hooks";
import type { LiveEvent } from "../../api/live";
import type { ApprovalSummary, RunDetail, RunEvent, RunSummary } from "../../api/types";
import { useLive } from "../../api/useLive";
import { ENDED } from "../../ui/badge";
import { Transcript } from "./transcript";

export interface LiveRun {
  detail: Fetched<RunDetail>;
  summary: RunSummary | null;
  transcript: Transcript;
  /** Rises with each change of the transcript. */
  version: number;
  /** Nothing more happens in it. */
  ended: boolean;
  /** The stream has told it to its end. */
  told: boolean;
  approval: ApprovalSummary | null;
  reloadApproval: () => void;
}

export function useRun(namespace: string, name: string): LiveRun {
  const detail = useFetch<RunDetail>(`${path("namespaces", namespace, "runs", name)}`);
  const [newer, setNewer] = useState<RunSummary | null>(null);
  const transcript = useMemo(() => new Transcript(), [namespace, name]);
  const [version, setVersion] = useState(0);
  const [ended, setEnded] = useState(false);
  const frame = useRef(0);

  // A model writes faster than a screen is drawn: one drawing a frame.
  const draw = () => {
    frame.current ||= requestAnimationFrame(() => {
      frame.current = 0;
      setVersion((n) => n + 1);
    });
  };
  useEffect(() => () => cancelAnimationFrame(frame.current), []);

  const fetched = detail.data?.summary ?? null;
  const summary = newer && (!fetched || newer.uid === fetched.uid) ? newer : fetched;
  const approvals = useFetch<{ items: ApprovalSummary[] }>(
    summary?.waitingApproval || transcript.waiting ? "/approvals" : null,
    { namespace, state: "waiting" },
  );

  const take: Record<string, (event: LiveEvent) => void> = {
    message: ({ data }) => {
      if (transcript.apply(data as RunEvent)) draw();
    },
    delta: ({ data }) => {
      transcript.delta(data.step, data.text);
      draw();
    },
    partial: ({ data }) => {
      transcript.partial(data.step, data.text, data.whole ?? true);
      draw();
    },
    change: ({ data }) => {
      if (data.kind === "agentruns" && data.object.name === name && data.object.namespace === namespace) {
        if (data.type === "DELETED") detail.reload();
        else setNewer(data.object as RunSummary);
      } else if (data.kind === "approvalrequests") approvals.reload();
    },
    end: () => {
      setEnded(true);
      detail.reload();
    },
    dropped: ({ data }) => {
      transcript.remark(
        "wait",
        `This browser was too slow and is told again what it missed (${data?.reason ?? ""})`,
      );
      draw();
    },
  };
  // A run that has ended is told to its end; then only its object can change.
  const run = ended ? {} : { run: `${namespace}/${name}` };
  useLive({ ...run, watch: ["agentruns", "approvalrequests"], namespace }, (event) =>
    take[event.event]?.(event),
  );

  const phase = summary?.phase;
  const before = useRef(phase);
  useEffect(() => {
    // The object has more than the summary: conditions, the whole result.
    if (before.current && phase && before.current !== phase) detail.reload();
    before.current = phase;
  }, [phase]);

  return {
    detail,
    summary,
    transcript,
    version,
    told: ended,
    ended: ended || (phase !== undefined && ENDED.has(phase)),
    approval: approvals.data?.items.find((one) => one.run === name && !one.decision) ?? null,
    reloadApproval: approvals.reload,
  };
}
