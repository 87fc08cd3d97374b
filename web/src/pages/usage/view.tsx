/** What agents used: money, tokens, runs and time, by day and by whom. */
import { useFetch } from "../../api/hooks";
import type { PageProps } from "../../app/pages";
import { href, location, namespace, setQuery } from "../../app/router";
import { count, duration, money, plural } from "../../ui/format";
import { UsageIcon } from "../../ui/icons";
import { Answer, EmptyState, Note } from "../../ui/states";
import { type Column, Table } from "../../ui/table";
import { Chart } from "./chart";
import {
  type Dimension,
  days,
  dimensions,
  type Measure,
  measureOf,
  measures,
  NOBODY,
  one,
  series,
  spans,
  type Usage,
  type UsageRow,
} from "./figures";
import "./usage.css";

const DAY_MS = 86_400_000;
const MEASURES: Record<Measure, string> = {
  cost: "Cost",
  tokens: "Tokens",
  runs: "Runs",
  time: "Time at work",
};

export default function UsagePage(_: PageProps) {
  const { query } = location.value;
  const dimension = one<Dimension>(dimensions, query.get("by"), "model");
  const span = one<number>(spans, query.get("days"), 30);
  const today = Math.floor(Date.now() / DAY_MS) * DAY_MS;
  const all = days(span, today);
  const params = { since: `${all[0]}T00:00:00Z`, namespace: namespace.value };
  const byDay = useFetch<Usage>("/usage", { ...params, by: ["day", dimension] });
  const whole = useFetch<Usage>("/usage", { ...params, by: [dimension] });
  const measure = one<Measure>(measures, query.get("measure"), whole.data?.currency ? "cost" : "tokens");
  return (
    <div class="page usage">
      <header class="page-head">
        <h1>Usage</h1>
        <div class="actions">
          <Chips
            label="What is shown"
            chosen={measure}
            all={measures}
            title={(each) => MEASURES[each]}
            onChoose={(each) => setQuery({ measure: each })}
          />
          <Chips
            label="How many days"
            chosen={span}
            all={spans}
            title={(each) => `${each} days`}
            onChoose={(each) => setQuery({ days: String(each) })}
          />
        </div>
      </header>
      <Answer of={whole}>
        {(usage) =>
          usage.totals.runs === 0 ? (
            <EmptyState title={`No runs in ${span} days`} icon={UsageIcon}>
              <p>
                <a href={href("/instances")}>Give an instance a task</a>, and it is counted here.
              </p>
            </EmptyState>
          ) : (
            <>
              <Totals of={usage} />
              {usage.currency && usage.unpriced.length > 0 && (
                <Note tone="wait">
                  No price is known for {usage.unpriced.join(", ")}: what they cost is in none of these sums.
                </Note>
              )}
              {!usage.currency && (
                <Note>
                  This installation knows no prices: <code>spec.prices</code> of its SympoziumConfig has them.
                </Note>
              )}
              {usage.note && <Note>{usage.note}</Note>}
              {usage.partial && <p class="faint">Of the namespaces whose runs you may list.</p>}
              <section class="card">
                <header>
                  <h2>{MEASURES[measure]} by day</h2>
                  <label class="row actions">
                    by
                    <select
                      class="select"
                      value={dimension}
                      onChange={(event) => setQuery({ by: event.currentTarget.value })}
                    >
                      {dimensions.map((each) => (
                        <option key={each} value={each}>
                          {each}
                        </option>
                      ))}
                    </select>
                  </label>
                </header>
                <div class="body">
                  <Answer of={byDay}>
                    {({ rows, currency }) => (
                      <Chart
                        days={all}
                        series={series(rows, dimension, measure, all)}
                        measure={measure}
                        currency={currency}
                      />
                    )}
                  </Answer>
                </div>
              </section>
              <Rows usage={usage} dimension={dimension} measure={measure} />
            </>
          )
        }
      </Answer>
    </div>
  );
}

interface ChipsProps<T> {
  label: string;
  all: readonly T[];
  chosen: T;
  title: (each: T) => string;
  onChoose: (each: T) => void;
}

function Chips<T extends string | number>({ label, all, chosen, title, onChoose }: ChipsProps<T>) {
  return (
    <fieldset class="chips">
      <legend class="visually-hidden">{label}</legend>
      {all.map((each) => (
        <button
          key={each}
          type="button"
          class="chip"
          aria-pressed={each === chosen}
          onClick={() => onChoose(each)}
        >
          {title(each)}
        </button>
      ))}
    </fieldset>
  );
}

function Totals({ of: { totals, currency } }: { of: Usage }) {
  const figures: [string, string][] = [
    ["Cost", totals.cost === null ? "not priced" : money(totals.cost, currency ?? "USD")],
    ["Tokens", count(totals.inputTokens + totals.outputTokens)],
    ["Runs", totals.runs.toLocaleString("en")],
    ["Failed", totals.failed.toLocaleString("en")],
    ["Tool calls", totals.toolCalls.toLocaleString("en")],
    ["Time at work", duration(totals.durationMs)],
  ];
  return (
    <dl class="totals">
      {figures.map(([name, text]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{text}</dd>
        </div>
      ))}
    </dl>
  );
}

function Rows({ usage, dimension, measure }: { usage: Usage; dimension: Dimension; measure: Measure }) {
  const rows = [...usage.rows].sort((a, b) => measureOf(b, measure) - measureOf(a, measure));
  const number = (
    key: keyof UsageRow,
    title: string,
    render: (row: UsageRow) => string,
    wide = true,
  ): Column<UsageRow> => ({
    key: String(key),
    title,
    number: true,
    width: "110px",
    wide,
    render,
  });
  const columns: Column<UsageRow>[] = [
    {
      key: "name",
      title: dimension.charAt(0).toUpperCase() + dimension.slice(1),
      render: (row) => row.keys[dimension] || <span class="faint">{NOBODY}</span>,
    },
    number("runs", "Runs", (row) => row.runs.toLocaleString("en"), false),
    number("failed", "Failed", (row) => row.failed.toLocaleString("en")),
    number("inputTokens", "Tokens in", (row) => row.inputTokens.toLocaleString("en")),
    number("outputTokens", "Tokens out", (row) => row.outputTokens.toLocaleString("en")),
    number("toolCalls", "Tool calls", (row) => row.toolCalls.toLocaleString("en")),
    number("durationMs", "Time", (row) => duration(row.durationMs)),
    number(
      "cost",
      "Cost",
      (row) => (row.cost === null ? "not priced" : money(row.cost, usage.currency ?? "USD")),
      false,
    ),
  ];
  return (
    <section class="rows">
      <h2>{plural(rows.length, dimension)}</h2>
      <Table
        label={`Usage by ${dimension}`}
        columns={columns}
        rows={rows}
        rowKey={(row) => row.keys[dimension] ?? ""}
        rowHeight={38}
      />
    </section>
  );
}
