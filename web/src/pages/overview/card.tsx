import type { ComponentChildren } from "preact";

/** A box with a heading, a count and perhaps a way to more. */
export function Card({
  title,
  count,
  tone = "calm",
  more,
  children,
}: {
  title: string;
  count?: number;
  tone?: string;
  more?: { to: string; text: string };
  children: ComponentChildren;
}) {
  return (
    <section class="card" aria-label={title}>
      <header>
        <h2>{title}</h2>
        {count ? <span class={`count ${tone}`}>{count}</span> : null}
        {more && (
          <a class="actions" href={more.to}>
            {more.text}
          </a>
        )}
      </header>
      <div class="lines">{children}</div>
    </section>
  );
}
