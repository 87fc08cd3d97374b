import type { Match } from "../api/types";

/** Where a text has what was searched for. The pieces are text nodes. */
export function Hit({ match }: { match: Match }) {
  return (
    <>
      <span class="faint">{match.field}: </span>
      {match.before}
      <mark class="mark">{match.hit}</mark>
      {match.after}
    </>
  );
}
