/** The page of the address: loaded when first shown, with its failure contained. */
import { Component, type ComponentChildren, type ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { asProblem, type Problem } from "../api/problem";
import { EmptyState, ErrorBox } from "../ui/states";
import { allPages, type Page, type PageProps } from "./pages";
import { href, location, match } from "./router";

const loaded = new Map<Page, ComponentType<PageProps>>();

function find(path: string): { page: Page; params: Record<string, string> } | null {
  for (const page of allPages) {
    const params = match(page.path, path);
    if (params) return { page, params };
  }
  return null;
}

export function Outlet() {
  const { path } = location.value;
  const found = find(path);
  const page = found?.page ?? null;
  const [, redraw] = useState(0);
  const [problem, setProblem] = useState<Problem | null>(null);

  useEffect(() => {
    document.title = `${found ? [...Object.values(found.params).slice(-1), page?.title].join(" · ") : "Not found"} · Sympozium`;
  }, [path, page]);
  useEffect(() => {
    setProblem(null);
    if (!page || loaded.has(page)) return;
    let wanted = true;
    page.load().then(
      (module) => {
        loaded.set(page, module.default);
        if (wanted) redraw((n) => n + 1);
      },
      // A part of a version that the server no longer has: the new one comes with a reload.
      (error: unknown) => wanted && setProblem(asProblem(error)),
    );
    return () => {
      wanted = false;
    };
  }, [page]);

  if (!found || !page) {
    return (
      <div class="page">
        <header class="page-head">
          <h1>Not found</h1>
        </header>
        <EmptyState title="There is no such page">
          <p>
            Nothing is at <code>{path}</code>. <a href={href("/")}>To the overview</a>
          </p>
        </EmptyState>
      </div>
    );
  }
  if (problem) {
    return (
      <div class="page">
        <header class="page-head">
          <h1>{page.title}</h1>
        </header>
        <ErrorBox problem={problem} retry={() => window.location.reload()} />
      </div>
    );
  }
  const View = loaded.get(page);
  if (!View) return <div class="page" aria-busy="true" />;
  return (
    <Contained key={path}>
      <View params={found.params} />
    </Contained>
  );
}

/** A page that fails shows that it did, and leaves the rest alone. */
class Contained extends Component<{ children: ComponentChildren }, { problem: Problem | null }> {
  override state: { problem: Problem | null } = { problem: null };

  static override getDerivedStateFromError(error: unknown) {
    return { problem: asProblem(error) };
  }

  render() {
    const { problem } = this.state;
    if (!problem) return this.props.children;
    return (
      <div class="page">
        <ErrorBox problem={problem} retry={() => this.setState({ problem: null })} />
      </div>
    );
  }
}
