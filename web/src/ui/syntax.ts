/** Just enough of a reading of YAML and of diffs to colour them. What is not understood stays plain; no character is lost. */

export type Token = readonly ["k" | "s" | "n" | "c" | "", string];

const LINE = /^(\s*(?:- )*)((?:"(?:[^"\\]|\\.)*"|[^\s#"'&*!|>%@`{}[\],][^:#]*?):)?(\s*)(.*)$/;

export function yamlTokens(text: string): Token[] {
  const tokens: Token[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    if (index) tokens.push(["", "\n"]);
    const found = LINE.exec(line);
    if (!found) {
      tokens.push(["", line]);
      continue;
    }
    const [, indent = "", key = "", space = "", rest = ""] = found;
    if (indent) tokens.push(["", indent]);
    if (key) tokens.push(["k", key]);
    if (space) tokens.push(["", space]);
    if (rest) tokens.push([kindOf(rest), rest]);
  }
  return tokens;
}

function kindOf(value: string): Token[0] {
  if (value.startsWith("#")) return "c";
  if (/^(-?\d[\d.eE+-]*|true|false|null|~)$/.test(value)) return "n";
  if (/^["'].*["']$/.test(value)) return "s";
  return "";
}

export interface DiffLine {
  kind: "add" | "del" | "hunk" | "file" | "same";
  sign: string;
  text: string;
}

export function diffLines(text: string): DiffLine[] {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  let inHunk = false;
  return lines.map((line): DiffLine => {
    if (line.startsWith("@@")) {
      inHunk = true;
      return { kind: "hunk", sign: "", text: line };
    }
    if (!inHunk && (line.startsWith("--- ") || line.startsWith("+++ ")))
      return { kind: "file", sign: "", text: line };
    if (line.startsWith("+")) return { kind: "add", sign: "+", text: line.slice(1) };
    if (line.startsWith("-")) return { kind: "del", sign: "−", text: line.slice(1) };
    return { kind: "same", sign: "", text: line.startsWith(" ") ? line.slice(1) : line };
  });
}
