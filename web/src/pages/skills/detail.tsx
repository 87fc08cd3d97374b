/** One skill pack: its instructions as the agent reads them, and the rights it asks for. */
import type { Items, Right, SkillSummary } from "../../api/govern";
import { useWatched } from "../../api/useWatched";
import type { PageProps } from "../../app/pages";
import { href, location, route, setQuery } from "../../app/router";
import { Code } from "../../ui/code";
import { Answer, EmptyState, Note } from "../../ui/states";
import { Tabs } from "../../ui/tabs";
import { YamlTab } from "../../yaml/YamlTab";
import { groupsOf, weight } from "./rights";
import "./skills.css";
import { RightsBadge } from "./view";

export default function Skill({ params }: PageProps) {
  const namespace = params.namespace ?? "";
  const name = params.name ?? "";
  const skills = useWatched<Items<SkillSummary>>("/skills", {}, ["skillpacks", "sympoziuminstances"]);
  return (
    <div class="page skills">
      <Answer of={skills}>
        {({ items }) => {
          const one = items.find((each) => each.namespace === namespace && each.name === name);
          if (!one) {
            return (
              <EmptyState title={`There is no skill pack ${name} in ${namespace}`}>
                <p>
                  <a href={href("/skills")}>To the skills</a>
                </p>
              </EmptyState>
            );
          }
          return (
            <>
              <header class="page-head">
                <a class="crumb" href={href("/skills")}>
                  Skills
                </a>
                <h1>{name}</h1>
                <span class="faint">in {namespace}</span>
              </header>
              {one.description && <p class="muted prose">{one.description}</p>}
              <Tabs
                label={`Parts of skill pack ${name}`}
                chosen={location.value.query.get("tab") ?? "text"}
                onChoose={(tab) => setQuery({ tab: tab === "text" ? null : tab })}
                tabs={[
                  {
                    id: "text",
                    title: "Instructions",
                    count: one.skills.length,
                    render: () => <Instructions one={one} />,
                  },
                  {
                    id: "rights",
                    title: "Rights",
                    count: one.rights.length,
                    render: () => <RightsOf one={one} />,
                  },
                  {
                    id: "used",
                    title: "Used by",
                    count: one.usedBy.length,
                    render: () => <UsedBy one={one} />,
                  },
                  {
                    id: "yaml",
                    title: "Edit as YAML",
                    render: () => (
                      <YamlTab place={{ plural: "skillpacks", namespace, name }} kind="SkillPack" />
                    ),
                  },
                ]}
              />
            </>
          );
        }}
      </Answer>
    </div>
  );
}

/** Markdown of people we do not know: shown as the text that the agent gets, not as a page. */
function Instructions({ one }: { one: SkillSummary }) {
  return (
    <div class="stack">
      {one.sidecar && (
        <p class="muted">
          Its commands run in a container of their own: <code>{one.sidecar}</code>
        </p>
      )}
      {one.skills.map((skill) => (
        <section key={skill.name} class="stack lesson">
          <h2>{skill.name}</h2>
          {skill.description && <p class="muted prose">{skill.description}</p>}
          <Code text={skill.content} label={`Instructions ${skill.name}`} wrap />
        </section>
      ))}
    </div>
  );
}

function RightsOf({ one }: { one: SkillSummary }) {
  if (!one.rights.length) return <p class="muted">It asks for no right on the cluster.</p>;
  return (
    <div class="stack">
      <Note>
        This is what the pack asks for. What a run gets is less or the same: the intersection with its
        policy's <code>rbacPolicy</code> and with ClusterRole <code>sympozium-grantable</code>. What was cut
        is a condition <code>RightsCut</code> on the run.
      </Note>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keys */}
      <section class="rights" tabIndex={0} aria-label="Rights">
        <table class="table">
          <caption class="visually-hidden">Rights that {one.name} asks for</caption>
          <thead>
            <tr>
              <th scope="col">Verbs</th>
              <th scope="col">Resources</th>
              <th scope="col">API groups</th>
              <th scope="col">Where</th>
              <th scope="col">Weight</th>
            </tr>
          </thead>
          <tbody>
            {one.rights.map((right) => (
              <Row key={JSON.stringify(right)} of={right} />
            ))}
          </tbody>
        </table>
      </section>
    </div>
  );
}

function Row({ of }: { of: Right }) {
  return (
    <tr>
      <td>{of.verbs.join(", ")}</td>
      <td>{of.resources.join(", ")}</td>
      <td>{groupsOf(of)}</td>
      <td>{of.cluster ? "the whole cluster" : "its namespace"}</td>
      <td>
        <RightsBadge weight={weight(of)} />
      </td>
    </tr>
  );
}

function UsedBy({ one }: { one: SkillSummary }) {
  if (!one.usedBy.length) return <p class="muted">No instance that you may see uses it.</p>;
  return (
    <ul class="stack">
      {one.usedBy.map((user) => {
        const cut = user.indexOf("/");
        const [namespace, name] = cut < 0 ? [one.namespace, user] : [user.slice(0, cut), user.slice(cut + 1)];
        return (
          <li key={user}>
            <a href={href(route("/instances", namespace, name))}>{name}</a>{" "}
            <span class="faint">in {namespace}</span>
          </li>
        );
      })}
    </ul>
  );
}
