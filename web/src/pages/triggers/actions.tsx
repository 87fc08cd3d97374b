/** What a person can do with a trigger. */
import { patch, path } from "../../api/client";
import { Button } from "../../ui/button";
import { PauseIcon, PlayIcon } from "../../ui/icons";
import { toast } from "../../ui/toast";
import type { Trigger } from "./trigger";

export function Actions({ of, onDone }: { of: Trigger; onDone: () => void }) {
  const turn = async () => {
    const where = path("namespaces", of.namespace, "resources", "sympoziumtriggers", of.name);
    await patch(where, { spec: { suspend: of.suspended ? null : true } });
    toast(of.suspended ? `${of.name} listens again` : `${of.name} is suspended: events pass`);
    onDone();
  };
  return (
    <Button look="quiet" icon={of.suspended ? PlayIcon : PauseIcon} onClick={turn}>
      {of.suspended ? "Resume" : "Suspend"}
      <span class="visually-hidden"> {of.name}</span>
    </Button>
  );
}
