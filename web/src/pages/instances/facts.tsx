/** What an instance is made of, and what its controllers say of it. */
import type { ComponentChildren } from "preact";
import type { InstanceSummary } from "../../api/govern";
import type { Condition } from "../../api/types";
import { href, route } from "../../app/router";
import { Badge } from "../../ui/badge";
import { CopyButton } from "../../ui/code";
import { AlertIcon, CheckIcon } from "../../ui/icons";
import { RelativeTime } from "../../ui/time";

export function Facts({ one }: { one: InstanceSummary }) {
  return (
    <div class="halves">
      <section class="card">
        <header>
          <h2>Set-up</h2>
        </header>
        <dl class="facts body">
          <Fact name="Model">{one.model || "the installation's"}</Fact>
          {one.provider && <Fact name="Provider">{one.provider}</Fact>}
          {one.baseURL && (
            <Fact name="Address">
              <code>{one.baseURL}</code>
            </Fact>
          )}
          <Fact name="Policy">
            {one.policy ? (
              <a href={href("/policies", { policy: one.policy })}>{one.policy}</a>
            ) : (
              "the installation's default"
            )}
          </Fact>
          <Fact name="Skills">
            {one.skills.length
              ? one.skills.map((skill) => (
                  <a key={skill} class="item" href={href("/skills", { skill })}>
                    {skill}
                  </a>
                ))
              : "none"}
          </Fact>
          {one.pack && (
            <Fact name="Pack">
              <a href={href(route("/packs", one.namespace, one.pack))}>{one.pack}</a>
            </Fact>
          )}
          <Fact name="Runs">
            {one.total} in all, {one.active} now
          </Fact>
          <Endpoint of={one} />
        </dl>
      </section>
      <section class="card">
        <header>
          <h2>Conditions</h2>
        </header>
        <div class="body">
          <Conditions conditions={one.conditions} />
        </div>
      </section>
    </div>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </>
  );
}

function Endpoint({ of: { endpoint } }: { of: InstanceSummary }) {
  if (!endpoint) return null;
  return (
    <Fact name="Endpoint">
      <span class="row tight">
        {endpoint.status && (
          <Badge tone={endpoint.status === "Ready" ? "good" : "wait"}>{endpoint.status}</Badge>
        )}
        {endpoint.url && (
          <>
            <code>{endpoint.url}</code>
            <CopyButton text={endpoint.url} />
          </>
        )}
      </span>
      {endpoint.authSecretName && <small class="faint">its key is in Secret {endpoint.authSecretName}</small>}
    </Fact>
  );
}

/** Conditions of Kubernetes: `Ready` and its like are good when true, the others say something to know. */
const GOOD_WHEN_TRUE = /^(Ready|Available|Planned|Reachable|PolicyCurrent|.*Ready)$/;

export function Conditions({ conditions }: { conditions: readonly Condition[] }) {
  if (!conditions.length) return <p class="muted">Nothing is said yet.</p>;
  return (
    <ul class="stack conditions">
      {conditions.map((one) => {
        const well = (one.status === "True") === GOOD_WHEN_TRUE.test(one.type);
        return (
          <li key={one.type}>
            <div class="row tight">
              <Badge tone={well ? "good" : "wait"} icon={well ? CheckIcon : AlertIcon}>
                {one.type}={one.status}
              </Badge>
              {one.reason && <span class="muted">{one.reason}</span>}
              <span class="faint">
                <RelativeTime at={one.lastTransitionTime} />
              </span>
            </div>
            {one.message && <p class="prose muted">{one.message}</p>}
          </li>
        );
      })}
    </ul>
  );
}
