/** Numbers and moments as people read them. */

export function percent(share: number | null | undefined, digits = 1): string {
  if (share === null || share === undefined || Number.isNaN(share)) return "–";
  if (digits > 0 && share > 0 && share < 0.001) return "<0.1%";
  if (digits > 0 && share > 0.999 && share < 1) return ">99.9%";
  return `${(share * 100).toFixed(digits)}%`;
}

export function count(n: number | null | undefined): string {
  return n === null || n === undefined ? "–" : n.toLocaleString("en");
}

/** A change with its sign, in points of a hundred. */
export function points(change: number | null | undefined): string {
  if (change === null || change === undefined) return "–";
  const value = change * 100;
  return `${value > 0 ? "+" : value < 0 ? "−" : "±"}${Math.abs(value).toFixed(1)}`;
}

export function ms(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  return `${value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString("en")} ms`;
}

const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  let unit = 0;
  let left = value;
  while (left >= 1000 && unit < UNITS.length - 1) {
    left /= 1000;
    unit += 1;
  }
  return `${unit === 0 || left >= 100 ? Math.round(left) : left.toFixed(1)} ${UNITS[unit]}`;
}

export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 1) return "<1 s";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

export function between(from: string | null | undefined, to: string | null | undefined): number | null {
  if (!from) return null;
  return ((to ? Date.parse(to) : Date.now()) - Date.parse(from)) / 1000;
}

/** Today's times as times, others with their date. */
export function moment(at: string | null | undefined): string {
  if (!at) return "–";
  const date = new Date(at);
  const today = date.toDateString() === new Date().toDateString();
  return today
    ? date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" })
    : date.toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });
}

export function ago(at: string | null | undefined): string {
  const seconds = between(at, null);
  return seconds === null ? "–" : `${duration(Math.max(0, seconds))} ago`;
}

/** As a sentence begins. */
export function sentence(words: string): string {
  return words.slice(0, 1).toUpperCase() + words.slice(1);
}

export function short(hash: string | null | undefined): string {
  return hash ? hash.slice(0, 8) : "–";
}
