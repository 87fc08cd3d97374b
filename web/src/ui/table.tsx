/**
 * A table for ten thousand rows: a real <table>, of which only the rows in sight are in the document.
 *
 * Rows have one height. The focus is on the link of a row (give it `data-row-link`), so Enter, middle click
 * and a screen reader do what they do everywhere; `j` and `k` move it, `o` opens.
 */
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { useKeys } from "../app/keyboard";
import { DownIcon } from "./icons";
import { useScrolled } from "./scrolled";
import { Loading } from "./states";
import { visible } from "./window";

export interface Column<Row> {
  key: string;
  title: ComponentChildren;
  /** A CSS width; columns without one share what is left. */
  width?: string;
  /** Numbers stand at the right. */
  number?: boolean;
  /** Hidden on a phone. */
  wide?: boolean;
  /** Makes the heading a button; the page sorts. */
  onSort?: () => void;
  sorted?: boolean;
  render: (row: Row) => ComponentChildren;
}

interface TableProps<Row> {
  label: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  rowKey: (row: Row) => string;
  rowHeight?: number;
  /** How many there are in all, when not all are loaded. */
  total?: number | undefined;
  /** Called when the end comes into sight. */
  onEnd?: (() => void) | undefined;
  loading?: boolean;
  empty?: ComponentChildren;
}

export function Table<Row>(props: TableProps<Row>) {
  const { label, columns, rows, rowKey, rowHeight = 40, total, onEnd, loading = false, empty } = props;
  const box = useRef<HTMLElement>(null);
  const [view, look] = useScrolled(box, 800);
  const wantFocus = useRef<number | null>(null);

  const shown = visible(rows.length, rowHeight, view.top, view.height);
  useEffect(() => {
    if (rows.length && shown.end >= rows.length) onEnd?.();
  }, [shown.end, rows.length, onEnd]);

  const focusRow = (index: number) => {
    box.current?.querySelector<HTMLElement>(`tr[data-row="${index}"] [data-row-link]`)?.focus();
  };
  useLayoutEffect(() => {
    if (wantFocus.current === null) return;
    focusRow(wantFocus.current);
    wantFocus.current = null;
  });
  const move = (by: number) => {
    const row = document.activeElement?.closest("tr[data-row]");
    const at = row && box.current?.contains(row) ? Number(row.getAttribute("data-row")) + by : shown.first;
    const index = Math.max(0, Math.min(rows.length - 1, row ? at : Math.ceil(view.top / rowHeight)));
    const element = box.current;
    if (!element || !rows.length) return;
    const head = 34;
    const top = index * rowHeight;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + rowHeight + head > element.scrollTop + element.clientHeight) {
      element.scrollTop = top + rowHeight + head - element.clientHeight;
    }
    wantFocus.current = index;
    look();
    focusRow(index);
  };
  useKeys(label, [
    { keys: "j", does: "next row", run: () => move(1) },
    { keys: "k", does: "row before", run: () => move(-1) },
    {
      keys: "o",
      does: "open the row (as Enter)",
      run: () => (document.activeElement as HTMLElement | null)?.click(),
    },
  ]);

  const cell = (column: Column<Row>) => `${column.number ? "number " : ""}${column.wide ? "wide" : ""}`;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keys
    <section class="table-box" ref={box} tabIndex={0} aria-label={label}>
      <table
        class="table"
        style={{ "--row": `${rowHeight}px` }}
        aria-rowcount={total ?? rows.length}
        aria-busy={loading}
      >
        <colgroup>
          {columns.map((column) => (
            <col
              key={column.key}
              class={column.wide ? "wide" : ""}
              style={column.width ? { width: column.width } : {}}
            />
          ))}
        </colgroup>
        <thead>
          <tr>
            {columns.map((column) => (
              <th
                key={column.key}
                scope="col"
                class={cell(column)}
                {...(column.sorted ? { "aria-sort": "descending" as const } : {})}
              >
                {column.onSort ? (
                  <button type="button" onClick={column.onSort}>
                    {column.title}
                    {column.sorted && <DownIcon size={12} />}
                  </button>
                ) : (
                  column.title
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.before > 0 && <Spacer height={shown.before} span={columns.length} />}
          {rows.slice(shown.first, shown.end).map((row, offset) => {
            const index = shown.first + offset;
            return (
              <tr key={rowKey(row)} data-row={index} aria-rowindex={index + 2}>
                {columns.map((column) => (
                  <td key={column.key} class={cell(column)}>
                    {column.render(row)}
                  </td>
                ))}
              </tr>
            );
          })}
          {shown.after > 0 && <Spacer height={shown.after} span={columns.length} />}
        </tbody>
      </table>
      {!rows.length &&
        (loading ? (
          <div class="empty">
            <Loading lines={6} />
          </div>
        ) : (
          empty
        ))}
    </section>
  );
}

function Spacer({ height, span }: { height: number; span: number }) {
  return (
    // biome-ignore lint/a11y/noAriaHiddenOnFocusable: a row of a table takes no focus; this one is only height
    <tr aria-hidden="true">
      <td class="spacer" colSpan={span} style={{ height: `${height}px` }} />
    </tr>
  );
}
