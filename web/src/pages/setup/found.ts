/** Where an endpoint is that was found, in words. */
import type { FoundEndpoint } from "../../api/setup";
import { plural } from "../../ui/format";

const SOURCES: Record<Exclude<FoundEndpoint["source"], "node">, string> = {
  config: "set up now",
  env: "from the server's environment",
  ollama: "Ollama on the server's machine",
  rehearsal: "the rehearsal model: scripted, set up now",
};

function place({ source, node }: FoundEndpoint): string {
  return source === "node" ? `on node ${node}` : SOURCES[source];
}

export function foundWords(one: FoundEndpoint): string {
  if (!one.problem) return `${place(one)}, ${plural(one.models.length, "model")}`;
  return one.node ? `${place(one)}: ${one.problem}` : one.problem;
}
