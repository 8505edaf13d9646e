/** The pictures at hand: pure steps, so that what undo and refusals do can be tested without a page. */

export interface Held {
  id: string;
}

export interface Queue<T extends Held> {
  /** Still to be decided, in order; `at` is the one in front of the person. */
  items: T[];
  at: number;
  /** Ids that were decided here: a lease that was under way meanwhile may bring them again. */
  gone: Set<string>;
}

export function emptyQueue<T extends Held>(): Queue<T> {
  return { items: [], at: 0, gone: new Set() };
}

/** With more items behind, but none twice and none that was decided. */
export function filled<T extends Held>(queue: Queue<T>, more: T[]): Queue<T> {
  const known = new Set(queue.items.map((item) => item.id));
  const fresh = more.filter((item) => !known.has(item.id) && !queue.gone.has(item.id));
  return fresh.length === 0 ? queue : { ...queue, items: [...queue.items, ...fresh] };
}

/** Without these; the one that comes next stands in front. */
export function without<T extends Held>(queue: Queue<T>, ids: string[]): Queue<T> {
  const leaving = new Set(ids);
  const before = queue.items.slice(0, queue.at).filter((item) => !leaving.has(item.id)).length;
  const items = queue.items.filter((item) => !leaving.has(item.id));
  return {
    items,
    at: Math.min(before, Math.max(0, items.length - 1)),
    gone: new Set([...queue.gone, ...ids]),
  };
}

/** With these in front again: undone, or refused by the server. */
export function restored<T extends Held>(queue: Queue<T>, items: T[]): Queue<T> {
  const back = new Set(items.map((item) => item.id));
  const rest = queue.items.filter((item) => !back.has(item.id));
  const before = queue.items.slice(0, queue.at).filter((item) => !back.has(item.id)).length;
  return {
    items: [...rest.slice(0, before), ...items, ...rest.slice(before)],
    at: before,
    gone: new Set([...queue.gone].filter((id) => !back.has(id))),
  };
}

export function moved<T extends Held>(queue: Queue<T>, steps: number): Queue<T> {
  const at = Math.max(0, Math.min(queue.items.length - 1, queue.at + steps));
  return at === queue.at ? queue : { ...queue, at };
}

const SPARE = "qwertyiopdfjkzcvbm";

/** A key for each class in order: digits, then letters that no command has; classes past those have none. */
export function classKeys(classes: string[]): Map<string, string> {
  const keys = [..."1234567890", ...SPARE];
  return new Map(classes.slice(0, keys.length).map((name, at) => [keys[at]!, name]));
}
