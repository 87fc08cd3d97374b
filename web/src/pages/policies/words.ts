/** What a policy says of tools, in one line. */
interface Rule {
  tool: string;
  action: string;
  when?: string;
  target?: string;
}

interface Spec {
  toolGating?: { defaultAction?: string; rules?: Rule[] };
}

const VERBS: Record<string, string> = { deny: "denies", ask: "asks about", allow: "allows" };
const MOST = 4;

export function inWords(spec: Spec | null | undefined): string {
  const gating = spec?.toolGating;
  const parts = Object.entries(VERBS).flatMap(([action, verb]) => {
    const tools = [...new Set((gating?.rules ?? []).filter((rule) => rule.action === action).map(nameOf))];
    if (!tools.length) return [];
    const more = tools.length > MOST ? ` and ${tools.length - MOST} more` : "";
    return [`${verb} ${tools.slice(0, MOST).join(", ")}${more}`];
  });
  const rest = VERBS[gating?.defaultAction ?? "allow"] ?? gating?.defaultAction;
  return [...parts, `${rest} ${parts.length ? "the rest" : "every tool"}`].join("; ");
}

function nameOf({ tool, target, when }: Rule): string {
  return `${tool}${target ? ` in ${target}` : ""}${when ? " (some)" : ""}`;
}
