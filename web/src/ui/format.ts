/** Numbers, times and sizes as a person reads them. Pure: each takes what it depends on. */
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** 820 ms, 4.2 s, 3 m 05 s, 2 h 10 m, 3 d 4 h */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return "";
  const of = Math.max(0, ms);
  if (of < 1000) return `${Math.round(of)} ms`;
  if (of < 9_950) return `${(of / 1000).toFixed(1)} s`;
  const seconds = Math.round(of / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${String(seconds % 60).padStart(2, "0")} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} m`;
  const hours = Math.floor(minutes / 60);
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** "now", "40 s ago", "in 5 m"; days for what is further away. */
export function relative(at: number, now: number): string {
  const away = Math.abs(at - now);
  if (away < 5_000) return "now";
  let text: string;
  if (away < MINUTE) text = `${Math.floor(away / 1000)} s`;
  else if (away < HOUR) text = `${Math.floor(away / MINUTE)} m`;
  else if (away < 2 * DAY) text = `${Math.floor(away / HOUR)} h`;
  else text = `${Math.floor(away / DAY)} d`;
  return at > now ? `in ${text}` : `${text} ago`;
}

/** 950, 12.4 k, 3.2 M */
export function count(value: number | null | undefined): string {
  if (value === null || value === undefined) return "";
  if (value < 1000) return String(value);
  if (value < 999_500) return `${(value / 1000).toFixed(value < 99_950 ? 1 : 0)} k`;
  return `${(value / 1e6).toFixed(value < 99.95e6 ? 1 : 0)} M`;
}

/** 12 KiB */
export function bytes(value: number): string {
  if (value < 1024) return `${value} B`;
  if (value < 1024 ** 2) return `${(value / 1024).toFixed(value < 10_240 ? 1 : 0)} KiB`;
  return `${(value / 1024 ** 2).toFixed(1)} MiB`;
}

/** Small amounts keep two digits that mean something: $0.0042. */
export function money(value: number | string | null | undefined, currency: string): string {
  if (value === null || value === undefined) return "";
  const amount = Number(value);
  const digits = amount === 0 || amount >= 1 ? 2 : Math.min(6, 1 - Math.floor(Math.log10(amount)));
  try {
    return new Intl.NumberFormat("en", {
      style: "currency",
      currency,
      minimumFractionDigits: 2,
      maximumFractionDigits: Math.max(2, digits),
    }).format(amount);
  } catch {
    return `${amount.toFixed(Math.max(2, digits))} ${currency}`;
  }
}

export function plural(number: number, one: string, many = `${one}s`): string {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}
