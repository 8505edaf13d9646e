import { expect, test } from "vitest";
import type { Decided, Decision } from "./api";
import { Outbox } from "./outbox";

/** A server that notes what it is asked and answers when told to. */
function slow() {
  const asked: string[] = [];
  const answers: (() => void)[] = [];
  const wait = () => new Promise<void>((resolve) => answers.push(resolve));
  const server = {
    decide: async (decisions: Decision[]): Promise<Decided> => {
      asked.push(`decide ${decisions.map((one) => one.item).join("")}`);
      await wait();
      const decided = decisions.map((one) => ({
        item: one.item,
        decision: `d${one.item}`,
        state: "done" as const,
        label: null,
      }));
      return { decided, refused: [] };
    },
    undo: async (ids: string[]) => {
      asked.push(`undo ${ids.join("")}`);
      await wait();
    },
  };
  const answer = async () => {
    await new Promise((resolve) => setTimeout(resolve));
    answers.shift()?.();
    await new Promise((resolve) => setTimeout(resolve));
  };
  return { server, asked, answer };
}

const label = (item: string): Decision => ({ item, action: "label", class: "Glass" });

test("what is decided meanwhile goes out together, an undo in its place", async () => {
  const { server, asked, answer } = slow();
  const outbox = new Outbox(server);

  const first = outbox.decide([label("a")]);
  const second = outbox.decide([label("b")]);
  void outbox.decide([label("c")]);
  void outbox.undo(second.then((found) => found.decided.map((one) => one.decision)));
  void outbox.decide([label("b")]);
  for (let n = 0; n < 4; n += 1) await answer();

  expect(asked).toEqual(["decide a", "decide bc", "undo db", "decide b"]);
  expect((await first).decided.map((one) => one.item)).toEqual(["a"]);
  expect((await second).decided.map((one) => one.item)).toEqual(["b"]);
});

test("a failure reaches those it concerns, and the next goes out", async () => {
  const asked: string[] = [];
  const server = {
    decide: (decisions: Decision[]) => {
      asked.push(decisions[0]!.item);
      return asked.length === 1
        ? Promise.reject(new Error("down"))
        : Promise.resolve({ decided: [], refused: [] });
    },
    undo: () => Promise.resolve(),
  };
  const outbox = new Outbox(server);
  await expect(outbox.decide([label("a")])).rejects.toThrow("down");
  await expect(outbox.decide([label("b")])).resolves.toEqual({ decided: [], refused: [] });
  expect(asked).toEqual(["a", "b"]);
});
