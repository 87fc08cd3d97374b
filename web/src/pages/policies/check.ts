/** The check of a policy's text: by the server, soon after the last letter; an answer to an older text is dropped. */
import { useEffect, useState } from "preact/hooks";
import { post } from "../../api/client";
import type { Finding } from "../../api/govern";
import { asProblem, type Problem } from "../../api/problem";
import type { Mark } from "../../yaml/document";

const AFTER_MS = 300;

export function marksOf(findings: readonly Finding[]): Mark[] {
  return findings.map(({ line, severity, path, message, hint }) => ({
    line: Math.max(1, line),
    severity,
    path,
    message: hint ? `${message} (${hint})` : message,
  }));
}

export interface Checked {
  readonly marks: Mark[];
  /** Whether the marks are of the text as it is. */
  readonly current: boolean;
  readonly problem: Problem | null;
}

export function useCheck(text: string | null): Checked {
  const [found, setFound] = useState<{ of: string | null; marks: Mark[]; problem: Problem | null }>({
    of: null,
    marks: [],
    problem: null,
  });
  useEffect(() => {
    if (text === null) return;
    let wanted = true;
    const timer = setTimeout(() => {
      post<{ findings: Finding[] }>("/policies/check", { yaml: text }).then(
        ({ findings }) => wanted && setFound({ of: text, marks: marksOf(findings), problem: null }),
        (error: unknown) => wanted && setFound({ of: text, marks: [], problem: asProblem(error) }),
      );
    }, AFTER_MS);
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [text]);
  return { marks: found.marks, current: found.of === text, problem: found.problem };
}
