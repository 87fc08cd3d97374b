/** How an agent's last run stands, as a link to it: a column of tables. */
import type { RunSummary } from "../api/types";
import { href, route } from "../app/router";
import { Phase } from "./badge";
import type { Column } from "./table";
import { RelativeTime } from "./time";

export const lastRunColumn: Column<{ lastRun: RunSummary | null }> = {
  key: "last",
  title: "Last run",
  width: "200px",
  wide: true,
  render: ({ lastRun }) =>
    lastRun && (
      <a class="row tight one-line" href={href(route("/runs", lastRun.namespace, lastRun.name))}>
        <Phase phase={lastRun.phase} /> <RelativeTime at={lastRun.createdAt} />
      </a>
    ),
};
