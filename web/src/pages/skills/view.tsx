/** What agents can be taught: skill packs, with what they bring along. */
import type { Items, SkillSummary } from "../../api/govern";
import { useWatched } from "../../api/useWatched";
import type { PageProps } from "../../app/pages";
import { href, location, namespace, route, setQuery } from "../../app/router";
import { systemNamespace } from "../../app/session";
import { Badge } from "../../ui/badge";
import { SkillIcon } from "../../ui/icons";
import { SearchBox } from "../../ui/search";
import { EmptyState, ErrorBox } from "../../ui/states";
import { type Column, Table } from "../../ui/table";
import { heaviest, type Weight } from "./rights";

const WEIGHTS: Record<Weight, { text: string; tone: "calm" | "wait" | "bad" }> = {
  reads: { text: "reads", tone: "calm" },
  writes: { text: "changes things", tone: "wait" },
  power: { text: "far-reaching", tone: "bad" },
};

export function RightsBadge({ weight }: { weight: Weight | null }) {
  if (!weight) return <span class="faint">none</span>;
  return <Badge tone={WEIGHTS[weight].tone}>{WEIGHTS[weight].text}</Badge>;
}

const columns: Column<SkillSummary>[] = [
  {
    key: "name",
    title: "Skill pack",
    render: (one) => (
      <>
        <a class="name" data-row-link href={href(route("/skills", one.namespace, one.name))}>
          {one.name}
        </a>
        <small>{one.namespace}</small>
      </>
    ),
  },
  {
    key: "teaches",
    title: "Teaches",
    wide: true,
    render: (one) => one.skills.map((each) => each.name).join(", "),
  },
  {
    key: "sidecar",
    title: "Container",
    wide: true,
    render: (one) => (one.sidecar ? <code>{one.sidecar}</code> : <span class="faint">none</span>),
  },
  {
    key: "rights",
    title: "Rights asked",
    width: "150px",
    render: (one) => <RightsBadge weight={heaviest(one.rights)} />,
  },
  { key: "used", title: "Used by", width: "90px", number: true, render: (one) => one.usedBy.length },
];

export default function Skills(_: PageProps) {
  const { query } = location.value;
  const text = query.get("q") ?? "";
  const only = query.get("skill");
  const skills = useWatched<Items<SkillSummary>>("/skills", { namespace: namespace.value }, [
    "skillpacks",
    "sympoziuminstances",
  ]);
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = (skills.data?.items ?? []).filter((one) => {
    if (only) return one.name === only;
    const taught = one.skills.flatMap((each) => [each.name, each.description]);
    const all = [one.namespace, one.name, one.description, one.sidecar, ...taught].join(" ").toLowerCase();
    return words.every((word) => all.includes(word));
  });
  return (
    <div class="page fixed">
      <header class="page-head">
        <h1>Skills</h1>
        {only && (
          <button type="button" class="chip" aria-pressed="true" onClick={() => setQuery({ skill: null })}>
            {only} ✕<span class="visually-hidden">: show all</span>
          </button>
        )}
        <SearchBox
          label="Search skills"
          value={text}
          onValue={(q) => setQuery({ q: q || null, skill: null })}
        />
      </header>
      {skills.problem && <ErrorBox problem={skills.problem} retry={skills.reload} />}
      <Table
        label="Skill packs"
        columns={columns}
        rows={rows}
        rowKey={(one) => `${one.namespace}/${one.name}`}
        rowHeight={46}
        loading={skills.loading && !skills.data}
        empty={
          skills.data && (
            <EmptyState
              title={text || only ? "No skill has all of these words" : "There are no skill packs"}
              icon={SkillIcon}
            >
              <p>A SkillPack is applied as YAML; the built-in ones are in namespace {systemNamespace()}.</p>
            </EmptyState>
          )
        }
      />
    </div>
  );
}
