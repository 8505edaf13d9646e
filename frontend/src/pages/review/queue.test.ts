import { expect, test } from "vitest";
import { classKeys, emptyQueue, filled, moved, restored, without } from "./queue";

const items = (...ids: string[]) => ids.map((id) => ({ id }));
const queue = (...ids: string[]) => filled(emptyQueue(), items(...ids));
const ids = (found: { items: { id: string }[] }) => found.items.map((item) => item.id).join("");

test("a decided picture leaves, and the next stands in front", () => {
  const left = without(moved(queue("a", "b", "c"), 1), ["b"]);
  expect(ids(left)).toBe("ac");
  expect(left.items[left.at]?.id).toBe("c");
});

test("deciding the last one leaves the one before in front", () => {
  const left = without(moved(queue("a", "b"), 1), ["b"]);
  expect(left.at).toBe(0);
});

test("a lease that was under way does not bring back what was decided", () => {
  const left = without(queue("a", "b"), ["a"]);
  expect(ids(filled(left, items("a", "b", "c")))).toBe("bc");
});

test("an undone picture stands in front again, and may be decided again", () => {
  const back = restored(without(queue("a", "b", "c"), ["a"]), items("a"));
  expect(ids(back)).toBe("abc");
  expect(back.at).toBe(0);
  expect(back.gone.size).toBe(0);
});

test("several decided at once come back together where the person stands", () => {
  const back = restored(without(moved(queue("a", "b", "c", "d"), 2), ["c", "d"]), items("c", "d"));
  expect(ids(back)).toBe("acdb");
  expect(back.items[back.at]?.id).toBe("c");
});

test("keys are digits, then letters that no command has", () => {
  const keys = classKeys(Array.from({ length: 12 }, (_, n) => `class ${n}`));
  expect([...keys.keys()].join("")).toBe("1234567890qw");
  for (const command of "suxlnag") expect(keys.has(command)).toBe(false);
});
