/** One policy: its editor with a check, a simulator and a backtest; what it comes to in words. */
import type { Items, PolicySummary } from "../../api/govern";
import { useWatched } from "../../api/useWatched";
import type { PageProps } from "../../app/pages";
import { href } from "../../app/router";
import { Badge } from "../../ui/badge";
import { Code } from "../../ui/code";
import { plural } from "../../ui/format";
import { Answer, EmptyState } from "../../ui/states";
import { PolicyEditor } from "./editor";

export default function Policy({ params }: PageProps) {
  const namespace = params.namespace ?? "";
  const name = params.name ?? "";
  const policies = useWatched<Items<PolicySummary>>("/policies", {}, [
    "sympoziumpolicies",
    "sympoziuminstances",
  ]);
  return (
    <div class="page">
      <Answer of={policies}>
        {({ items }) => {
          const one = items.find((each) => each.namespace === namespace && each.name === name);
          if (!one) {
            return (
              <EmptyState title={`There is no policy ${name} in ${namespace}`}>
                <p>
                  <a href={href("/policies")}>To the policies</a>
                </p>
              </EmptyState>
            );
          }
          return (
            <>
              <header class="page-head">
                <a class="crumb" href={href("/policies")}>
                  Policies
                </a>
                <h1>{name}</h1>
                <span class="faint">in {namespace}</span>
                {one.object.spec?.enforcement === "Audit" && <Badge tone="wait">only watches</Badge>}
                <span class="muted">binds {plural(one.boundInstances, "instance")}</span>
              </header>
              {one.effective && (
                <details class="effective">
                  <summary>With every default written out</summary>
                  <Code text={one.effective} label="With every default" language="yaml" />
                </details>
              )}
              <PolicyEditor namespace={namespace} name={name} object={one.object} onSaved={policies.reload} />
            </>
          );
        }}
      </Answer>
    </div>
  );
}
