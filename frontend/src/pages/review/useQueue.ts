/** The pictures this person holds: leased ahead, decided at once here and then on the server, undone step by step. */

import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { Problem } from "../../api/client";
import { failed } from "../../parts/toasts";
import { words } from "../../words";
import { type Decided, type Decision, type Item, LEASE_S, reviewOf, type Wanted } from "./api";
import { Outbox } from "./outbox";
import { emptyQueue, filled, moved, type Queue, restored, without } from "./queue";

const t = words.review;
// Leased ahead: one by one a person makes one or two a second, and a lease takes some tens of milliseconds.
const AHEAD = 60;
const LOW = 25;
const PREFETCHED = 8;
const LOOK_AGAIN_MS = 5000;

export type Choice = Pick<Decision, "action" | "class" | "new_class" | "until">;

interface Step {
  items: Item[];
  /** The decisions' ids, once the server has them; what was refused has none. */
  made: Promise<string[]>;
}

export function useQueue(line: string, wanted: Wanted) {
  const server = useMemo(() => reviewOf(line), [line]);
  const outbox = useMemo(() => new Outbox(server), [server]);
  const client = useQueryClient();
  const [queue, setQueue] = useState<Queue<Item>>(emptyQueue);
  const [waiting, setWaiting] = useState<number | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [steps, setSteps] = useState(0);
  const done = useRef<Step[]>([]);
  const begun = useRef(Date.now());
  const shownAt = useRef(performance.now());
  const latest = useRef(queue);
  latest.current = queue;

  const filter = JSON.stringify(wanted);
  const fill = useCallback(async () => {
    try {
      const found = await server.lease(AHEAD, JSON.parse(filter) as Wanted);
      setQueue((now) => filled(now, found.items));
      setWaiting(found.waiting);
      setError(null);
    } catch (problem) {
      setError(problem);
    }
  }, [server, filter]);

  useLeases(server, latest, fill, queue.items.length);
  usePrefetched(queue);

  const current = queue.items[queue.at];
  // biome-ignore lint/correctness/useExhaustiveDependencies: the clock starts anew with each picture
  useEffect(() => {
    shownAt.current = performance.now();
  }, [current?.id]);

  const back = useCallback((items: Item[]) => {
    setQueue((now) => restored(now, items));
    setWaiting((now) => (now === null ? now : now + items.length));
  }, []);

  const decide = useCallback(
    (items: Item[], choice: Choice) => {
      if (items.length === 0) return;
      const ms = Math.round((performance.now() - shownAt.current) / items.length);
      const decisions = items.map((item): Decision => ({ item: item.id, ms, key: newKey(), ...choice }));
      setQueue((now) =>
        without(
          now,
          items.map((item) => item.id),
        ),
      );
      setWaiting((now) => (now === null ? now : Math.max(0, now - items.length)));
      const made = outbox.decide(decisions).then(
        (answer) => {
          takeBack(answer, items, back);
          // A server knows a new class within a second.
          if (choice.new_class) setTimeout(() => client.invalidateQueries({ queryKey: ["lines"] }), 1200);
          return answer.decided.map((one) => one.decision);
        },
        (problem: unknown) => {
          back(items);
          failed(problem);
          return [];
        },
      );
      done.current.push({ items, made });
      setSteps(total(done.current));
    },
    [outbox, back, client],
  );

  const undo = useCallback(async (): Promise<boolean> => {
    const last = done.current.pop();
    setSteps(total(done.current));
    if (!last) return false;
    back(last.items);
    try {
      await outbox.undo(last.made);
    } catch (problem) {
      failed(problem);
      setQueue((now) =>
        without(
          now,
          last.items.map((item) => item.id),
        ),
      );
    }
    return true;
  }, [outbox, back]);

  const move = useCallback((by: number) => setQueue((now) => moved(now, by)), []);
  const goTo = useCallback((at: number) => setQueue((now) => ({ ...now, at })), []);
  const hours = (Date.now() - begun.current) / 3_600_000;
  return {
    server,
    items: queue.items,
    at: queue.at,
    current,
    waiting,
    error,
    decided: steps,
    perHour: steps > 2 ? steps / Math.max(hours, 1 / 3600) : null,
    decide,
    undo,
    move,
    goTo,
    retry: fill,
  };
}

function total(steps: Step[]): number {
  return steps.reduce((sum, step) => sum + step.items.length, 0);
}

export type ReviewQueue = ReturnType<typeof useQueue>;

/** Names a decision, so that one sent twice counts once. crypto.randomUUID is there on HTTPS and loopback only. */
function newKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))]
    .map((byte) => byte.toString(16).padStart(2, "0"))
    .join("");
}

function takeBack(answer: Decided, items: Item[], back: (items: Item[]) => void): void {
  if (answer.refused.length === 0) return;
  const refused = new Set(answer.refused.map((one) => one.item));
  back(items.filter((item) => refused.has(item.id)));
  failed(new Problem({ title: t.refused(answer.refused.length), detail: answer.refused[0]!.detail }));
}

/** Leases more when few are left, renews what is held, gives it back when the page goes. */
function useLeases(
  server: ReturnType<typeof reviewOf>,
  latest: React.RefObject<Queue<Item>>,
  fill: () => Promise<void>,
  held: number,
): void {
  const filling = useRef(false);
  const fillOnce = useCallback(async () => {
    if (filling.current) return;
    filling.current = true;
    await fill();
    filling.current = false;
  }, [fill]);
  const isLow = held < LOW;
  useEffect(() => {
    if (!isLow) return;
    void fillOnce();
    const timer = setInterval(fillOnce, LOOK_AGAIN_MS);
    return () => clearInterval(timer);
  }, [isLow, fillOnce]);
  useEffect(() => {
    const ids = () => latest.current.items.map((item) => item.id);
    // A third of the lease, so that one lost renewal does no harm.
    const timer = setInterval(
      () => ids().length > 0 && server.renew(ids()).catch(() => {}),
      (LEASE_S * 1000) / 3,
    );
    return () => {
      clearInterval(timer);
      if (ids().length > 0) void server.release(ids()).catch(() => {});
    };
  }, [server, latest]);
}

const decoded = new Map<string, HTMLImageElement>();

/** The next pictures are loaded and decoded before they are asked for. */
function usePrefetched(queue: Queue<Item>): void {
  useEffect(() => {
    const next = queue.items.slice(queue.at, queue.at + PREFETCHED).map((item) => item.file);
    for (const url of next) {
      if (decoded.has(url)) continue;
      const image = new Image();
      image.src = url;
      image.decode().catch(() => {});
      decoded.set(url, image);
    }
    for (const url of decoded.keys()) {
      if (decoded.size <= 4 * PREFETCHED) break;
      if (!next.includes(url)) decoded.delete(url);
    }
  }, [queue]);
}
