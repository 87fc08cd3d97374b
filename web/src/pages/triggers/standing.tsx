/** Whether a trigger listens, as a badge. */
import { Badge } from "../../ui/badge";
import type { Trigger } from "./trigger";

export function Standing({ of }: { of: Trigger }) {
  if (of.suspended) return <Badge tone="wait">Suspended</Badge>;
  if (!of.ready) return <Badge>Not looked at yet</Badge>;
  if (of.ready.status) return <Badge tone="good">Listening</Badge>;
  return (
    <Badge tone="bad" title={of.ready.message}>
      {of.ready.reason}
    </Badge>
  );
}
