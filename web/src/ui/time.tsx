import { now } from "./clock";
import { duration, relative } from "./format";

const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

/** "4 m ago", with the exact time on hover and for assistive technology. */
export function RelativeTime({ at }: { at: string | null | undefined }) {
  if (!at) return null;
  const time = Date.parse(at);
  if (Number.isNaN(time)) return <span>{at}</span>;
  return (
    <time dateTime={at} title={exact.format(time)}>
      {relative(time, now.value)}
    </time>
  );
}

/** How long something took, or takes: counts on while `until` is absent. */
export function Elapsed({
  from,
  until,
}: {
  from: string | null | undefined;
  until?: string | null | undefined;
}) {
  if (!from) return null;
  const end = until ? Date.parse(until) : Math.max(now.value, Date.parse(from));
  return <span>{duration(end - Date.parse(from))}</span>;
}
