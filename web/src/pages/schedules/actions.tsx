/** What a person can do with a schedule. */
import { path, post } from "../../api/client";
import type { Fired, ScheduleSummary } from "../../api/govern";
import { href, navigate, route } from "../../app/router";
import { Button } from "../../ui/button";
import { PauseIcon, PlayIcon } from "../../ui/icons";
import { toast, toastWarnings } from "../../ui/toast";

export function Actions({ of, onDone }: { of: ScheduleSummary; onDone: () => void }) {
  const where = path("namespaces", of.namespace, "schedules", of.name);
  const fire = async () => {
    const { name, warnings } = await post<Fired>(`${where}/fire`);
    toastWarnings(warnings);
    toast(
      <>
        Started{" "}
        <button type="button" class="link" onClick={() => navigate(href(route("/runs", of.namespace, name)))}>
          {name}
        </button>
      </>,
    );
    onDone();
  };
  const turn = async () => {
    await post(`${where}/${of.suspended ? "resume" : "suspend"}`);
    toast(`${of.name} ${of.suspended ? "goes on" : "is suspended"}`);
    onDone();
  };
  return (
    <span class="row tight one-line">
      <Button look="quiet" onClick={fire}>
        Fire now
        <Named name={of.name} />
      </Button>
      <Button look="quiet" icon={of.suspended ? PlayIcon : PauseIcon} onClick={turn}>
        {of.suspended ? "Resume" : "Suspend"}
        <Named name={of.name} />
      </Button>
    </span>
  );
}

/** Which one, for who hears the buttons of many rows. */
function Named({ name }: { name: string }) {
  return <span class="visually-hidden"> {name}</span>;
}
