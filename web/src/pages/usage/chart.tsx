/**
 * Bars of each day, stacked by series. A picture for who sees it; the table beneath has every number, so the picture
 * itself is one image with a sentence for assistive technology.
 */
import { useEffect, useRef, useState } from "preact/hooks";
import { type Measure, type Series, ticks, write } from "./figures";

const HEIGHT = 220;
const LEFT = 58;
const BOTTOM = 22;
const TOP = 8;

interface Props {
  days: readonly string[];
  series: readonly Series[];
  measure: Measure;
  currency: string | null;
}

const dayText = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", timeZone: "UTC" });

export function Chart({ days, series, measure, currency }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(720);
  const [day, setDay] = useState<number | null>(null);
  useEffect(() => {
    if (!box.current) return;
    const observer = new ResizeObserver(
      ([entry]) => entry && setWidth(Math.max(280, entry.contentRect.width)),
    );
    observer.observe(box.current);
    return () => observer.disconnect();
  }, []);

  const totals = days.map((_, index) => series.reduce((sum, one) => sum + (one.values[index] ?? 0), 0));
  const axis = ticks(Math.max(...totals, 0));
  const top = axis.at(-1) ?? 1;
  const y = (value: number) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
  const step = (width - LEFT) / days.length;
  const bar = Math.max(2, Math.min(34, step * 0.7));
  const every = Math.ceil(days.length / Math.max(2, Math.floor((width - LEFT) / 62)));
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: hovering only repeats what the table says
    <div class="chart" ref={box} onMouseLeave={() => setDay(null)}>
      <svg
        role="img"
        aria-label={`${measure} by day, ${series.map((one) => `${one.name} ${write(one.total, measure, currency)}`).join(", ")}`}
        width={width}
        height={HEIGHT}
        viewBox={`0 0 ${width} ${HEIGHT}`}
      >
        {axis.map((value) => (
          <g key={value}>
            <line class="grid" x1={LEFT} x2={width} y1={y(value)} y2={y(value)} />
            <text class="label" x={LEFT - 8} y={y(value) + 4} text-anchor="end">
              {write(value, measure, currency)}
            </text>
          </g>
        ))}
        {days.map((name, index) => {
          const x = LEFT + step * index + (step - bar) / 2;
          let sum = 0;
          return (
            <g key={name} class={day === index ? "day on" : "day"}>
              {/* biome-ignore lint/a11y/noStaticElementInteractions: hovering only repeats what the table says */}
              <rect
                class="hit"
                x={LEFT + step * index}
                y={0}
                width={step}
                height={HEIGHT - BOTTOM}
                onMouseEnter={() => setDay(index)}
              />
              {series.map((one, place) => {
                const value = one.values[index] ?? 0;
                if (!value) return null;
                const from = y(sum);
                sum += value;
                return (
                  <rect
                    key={one.name}
                    class={`bar s${place % 6}`}
                    x={x}
                    y={y(sum)}
                    width={bar}
                    height={Math.max(1, from - y(sum))}
                  />
                );
              })}
              {(days.length - 1 - index) % every === 0 && (
                <text
                  class="label"
                  x={index === days.length - 1 ? width : x + bar / 2}
                  y={HEIGHT - 6}
                  text-anchor={index === days.length - 1 ? "end" : "middle"}
                >
                  {dayText.format(Date.parse(name))}
                </text>
              )}
            </g>
          );
        })}
      </svg>
      <Legend
        series={series}
        measure={measure}
        currency={currency}
        day={day}
        name={day === null ? "" : (days[day] ?? "")}
      />
    </div>
  );
}

interface LegendProps {
  series: readonly Series[];
  measure: Measure;
  currency: string | null;
  day: number | null;
  name: string;
}

function Legend({ series, measure, currency, day, name }: LegendProps) {
  return (
    <div class="legend">
      <span class="faint">{day === null ? "in all" : dayText.format(Date.parse(name))}</span>
      {series.map((one, place) => (
        <span key={one.name} class="entry">
          <span class={`swatch s${place % 6}`} />
          <span class="clip">{one.name}</span>
          <strong>{write(day === null ? one.total : (one.values[day] ?? 0), measure, currency)}</strong>
        </span>
      ))}
    </div>
  );
}
