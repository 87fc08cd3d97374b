import type { ComponentChildren, FunctionComponent } from "preact";
import {
  AlertIcon,
  ApprovalIcon,
  BanIcon,
  BusyIcon,
  CheckIcon,
  CloseIcon,
  type IconProps,
  PauseIcon,
  PlayIcon,
  QueueIcon,
} from "./icons";

export type Tone = "good" | "bad" | "wait" | "busy" | "hold" | "calm";

interface BadgeProps {
  tone?: Tone;
  icon?: FunctionComponent<IconProps>;
  spin?: boolean;
  title?: string | undefined;
  children: ComponentChildren;
}

/** A state in words; the colour and the icon say the same again. */
export function Badge({ tone = "calm", icon: Icon, spin = false, title, children }: BadgeProps) {
  return (
    <span class={`badge ${tone} ${Icon ? "" : "plain"}`} title={title}>
      {Icon && <Icon size={13} class={spin ? "spin" : ""} />}
      <span class="clip">{children}</span>
    </span>
  );
}

interface Look {
  tone: Tone;
  icon: FunctionComponent<IconProps>;
  text?: string;
  spin?: boolean;
}

const PHASES: Record<string, Look> = {
  Pending: { tone: "calm", icon: QueueIcon },
  Queued: { tone: "calm", icon: QueueIcon },
  Running: { tone: "busy", icon: BusyIcon, spin: true },
  Serving: { tone: "busy", icon: PlayIcon },
  AwaitingApproval: { tone: "wait", icon: ApprovalIcon, text: "Awaiting approval" },
  Succeeded: { tone: "good", icon: CheckIcon },
  Failed: { tone: "bad", icon: CloseIcon },
  Cancelled: { tone: "calm", icon: BanIcon },
  // Of other kinds.
  Ready: { tone: "good", icon: CheckIcon },
  Active: { tone: "good", icon: CheckIcon },
  Approved: { tone: "good", icon: CheckIcon },
  Denied: { tone: "bad", icon: BanIcon },
  Expired: { tone: "calm", icon: QueueIcon },
  Error: { tone: "bad", icon: AlertIcon },
  Suspended: { tone: "hold", icon: PauseIcon },
  Inactive: { tone: "calm", icon: PauseIcon },
};

export const ENDED: ReadonlySet<string> = new Set(["Succeeded", "Failed", "Cancelled"]);

/** The phase of a run or another object. */
export function Phase({
  phase,
  suspended = false,
  reason,
}: {
  phase: string | null | undefined;
  suspended?: boolean;
  reason?: string | null | undefined;
}) {
  const name = phase || "Pending";
  if (suspended && !ENDED.has(name)) {
    return (
      <Badge tone="hold" icon={PauseIcon} title={`${name}, and held`}>
        Suspended
      </Badge>
    );
  }
  const look = PHASES[name] ?? { tone: "calm", icon: AlertIcon };
  return (
    <Badge tone={look.tone} icon={look.icon} spin={look.spin ?? false} title={reason ?? undefined}>
      {look.text ?? name}
    </Badge>
  );
}

const VERDICTS: Record<string, Look> = {
  allow: { tone: "good", icon: CheckIcon, text: "allowed" },
  deny: { tone: "bad", icon: BanIcon, text: "denied" },
  ask: { tone: "wait", icon: ApprovalIcon, text: "asked" },
};

/** What a policy said of a tool call. */
export function Verdict({ action, title }: { action: string; title?: string | undefined }) {
  const look = VERDICTS[action] ?? { tone: "calm", icon: AlertIcon };
  return (
    <Badge tone={look.tone} icon={look.icon} title={title}>
      {look.text ?? action}
    </Badge>
  );
}
