/** Text of programs: YAML and JSON with a little colour, diffs, everything as text nodes. */
import { useState } from "preact/hooks";
import { CheckIcon, CopyIcon } from "./icons";
import { diffLines, yamlTokens } from "./syntax";

interface CodeProps {
  text: string;
  label: string;
  language?: "yaml" | "diff" | "text";
  wrap?: boolean;
}

export function Code({ text, label, language = "text", wrap = false }: CodeProps) {
  return (
    <section class={`code ${wrap ? "wrap" : ""}`} aria-label={label}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keys */}
      <pre tabIndex={0}>
        {language === "yaml" ? <Yaml text={text} /> : language === "diff" ? <DiffLines text={text} /> : text}
      </pre>
      <CopyButton text={text} />
    </section>
  );
}

/** Beyond this the colours cost more than they help. */
const COLOURED = 200_000;

function Yaml({ text }: { text: string }) {
  if (text.length > COLOURED) return <>{text}</>;
  return (
    <>
      {yamlTokens(text).map(([kind, part], index) =>
        kind ? (
          <span key={index} class={kind}>
            {part}
          </span>
        ) : (
          part
        ),
      )}
    </>
  );
}

export function Diff({ text, label }: { text: string; label: string }) {
  return <Code text={text} label={label} language="diff" wrap />;
}

function DiffLines({ text }: { text: string }) {
  return (
    <>
      {diffLines(text).map((line, index) => (
        <div key={index} class={`diff-line ${line.kind}`}>
          <span>{line.sign}</span>
          <span>{line.text}</span>
        </div>
      ))}
    </>
  );
}

export function CopyButton({ text }: { text: string }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    await navigator.clipboard.writeText(text);
    setDone(true);
    setTimeout(() => setDone(false), 1500);
  };
  if (typeof navigator === "undefined" || !navigator.clipboard) return null;
  return (
    <button
      type="button"
      class="button quiet icon copy"
      aria-label={done ? "Copied" : "Copy"}
      onClick={() => void copy()}
    >
      {done ? <CheckIcon /> : <CopyIcon />}
    </button>
  );
}
