/** On the overview, until the first things are done: where to begin. */
import { useFetch } from "../../api/hooks";
import type { SetUp } from "../../api/setup";
import { href, namespace } from "../../app/router";
import { Note } from "../../ui/states";

export function SetupHint() {
  const setup = useFetch<SetUp>("/setup", { namespace: namespace.value || "default" });
  if (!setup.data || setup.data.done) return null;
  return (
    <Note>
      Nothing was done here yet. <a href={href("/setup")}>Set up a model, a team and a first run</a>
    </Note>
  );
}
