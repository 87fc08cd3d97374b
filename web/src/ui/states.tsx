/** What a page shows when there is nothing to show, or not yet, or not for this person. */
import type { ComponentChildren, FunctionComponent } from "preact";
import type { Fetched } from "../api/hooks";
import { type Problem, UNREACHABLE } from "../api/problem";
import { Button } from "./button";
import { AlertIcon, type IconProps, InfoIcon, RetryIcon } from "./icons";

export function EmptyState({
  title,
  icon: Icon = InfoIcon,
  children,
}: {
  title: string;
  icon?: FunctionComponent<IconProps>;
  children?: ComponentChildren;
}) {
  return (
    <div class="empty">
      <Icon size={26} />
      <h2>{title}</h2>
      {children}
    </div>
  );
}

export function Note({
  tone = "calm",
  children,
}: {
  tone?: "calm" | "bad" | "wait";
  children: ComponentChildren;
}) {
  return (
    <div class={`note ${tone}`} role={tone === "bad" ? "alert" : undefined}>
      {tone === "calm" ? <InfoIcon /> : <AlertIcon />}
      <div class="grow">{children}</div>
    </div>
  );
}

export function ErrorBox({ problem, retry }: { problem: Problem; retry?: () => void }) {
  const { title, detail, reason, causes } = problem.body;
  return (
    <Note tone={problem.status === UNREACHABLE ? "wait" : "bad"}>
      <div class="row spread">
        <strong>
          {title}
          {problem.status > 0 && <span class="faint"> {problem.status}</span>}
        </strong>
        {retry && (
          <Button icon={RetryIcon} look="quiet" onClick={retry}>
            Try again
          </Button>
        )}
      </div>
      {detail && <p class="prose">{detail}</p>}
      {reason && reason !== title && <p class="faint">{reason}</p>}
      {causes && causes.length > 0 && (
        <ul>
          {causes.map((cause) => (
            <li key={`${cause.field} ${cause.message}`}>
              {cause.field && <code>{cause.field}: </code>}
              {cause.message}
            </li>
          ))}
        </ul>
      )}
    </Note>
  );
}

/** Lines in the place of what is being read. Shown late, since most answers are there before the eye is. */
export function Loading({ lines = 4 }: { lines?: number }) {
  return (
    <div class="stack loading" role="status" aria-label="Loading">
      {Array.from({ length: lines }, (_, index) => (
        <div key={index} class="skeleton" style={{ width: `${88 - ((index * 17) % 40)}%` }} />
      ))}
    </div>
  );
}

/** The three states of a fetch; children see the data. */
export function Answer<T>({ of, children }: { of: Fetched<T>; children: (data: T) => ComponentChildren }) {
  return (
    <>
      {of.problem && <ErrorBox problem={of.problem} retry={of.reload} />}
      {of.data !== null ? children(of.data) : !of.problem && <Loading />}
    </>
  );
}
