/** The two ways of labelling, one by one and in a grid, over one queue and one set of keys. */

import { Button, Grid as Columns, Group, Stack, Text } from "@mantine/core";
import { IconChecks } from "@tabler/icons-react";
import { useCallback, useMemo, useRef, useState } from "react";
import { Empty, Failed, Loading } from "../../parts/States";
import { said } from "../../parts/toasts";
import { useLine } from "../../shell/line";
import { words } from "../../words";
import type { Item, Wanted } from "./api";
import { ClassKeys } from "./ClassKeys";
import { columnsOf, Grid } from "./Grid";
import { NewClass } from "./NewClass";
import { Commands, Stage } from "./OneByOne";
import { classKeys } from "./queue";
import { Similar } from "./Similar";
import { useKeys } from "./useKeys";
import { type Choice, type ReviewQueue, useQueue } from "./useQueue";

const t = words.review;
const LATER_MS = 3_600_000;

interface Props {
  mode: "one" | "grid";
  wanted: Wanted;
  onMode: (mode: "one" | "grid") => void;
  onHelp: () => void;
  onClear: () => void;
}

export function Work(props: Props) {
  const { mode } = props;
  const line = useLine();
  const queue = useQueue(line.name, props.wanted);
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [asking, setAsking] = useState<"new" | "like" | null>(null);
  const [spoken, say] = useState("");
  const search = useRef<HTMLInputElement>(null);
  const keys = useMemo(() => classKeys(line.classes), [line.classes]);
  const { items, at, current, decide, undo, move, goTo } = queue;
  const chosen = useMemo(() => {
    const some = mode === "grid" ? items.filter((item) => selected.has(item.id)) : [];
    return some.length > 0 ? some : current ? [current] : [];
  }, [mode, items, selected, current]);

  const latest = useRef<Item[]>([]);
  latest.current = chosen;
  const make = useCallback(
    (choice: Choice, words: string) => {
      decide(latest.current, choice);
      setSelected(new Set());
      say(words);
    },
    [decide],
  );
  const label = useCallback(
    (name: string, isNew = false) =>
      make({ action: "label", class: name, new_class: isNew }, t.decided(latest.current.length, name)),
    [make],
  );
  const commands = {
    s: () => make({ action: "skip" }, t.skipped),
    x: () => make({ action: "unusable" }, t.setAside(chosen.length)),
    l: () => make({ action: "defer", until: new Date(Date.now() + LATER_MS).toISOString() }, t.deferred),
    n: () => setAsking("new"),
    a: () => setAsking("like"),
    u: () => void undo().then((did) => say(did ? t.undone : t.nothingToUndo)),
    g: () => props.onMode(mode === "grid" ? "one" : "grid"),
  } as const;

  const select = useCallback(
    (from: number, to: number) => {
      const range = items.slice(Math.min(from, to), Math.max(from, to) + 1).map((item) => item.id);
      setSelected((now) => new Set([...now, ...range]));
    },
    [items],
  );
  const toggle = useCallback(
    (index: number, extend: boolean) => {
      const item = items[index];
      if (!item) return;
      if (extend) select(at, index);
      else
        setSelected((now) => {
          const next = new Set(now);
          if (!next.delete(item.id)) next.add(item.id);
          return next;
        });
      goTo(index);
    },
    [items, at, goTo, select],
  );

  useKeys((key, event) => {
    if (event.ctrlKey) {
      if (key !== "a" || mode !== "grid") return false;
      setSelected(new Set(items.map((item) => item.id)));
      return true;
    }
    const step = stepOf(key, mode);
    if (step) {
      if (event.shiftKey && mode === "grid") {
        select(at, Math.max(0, Math.min(items.length - 1, at + step)));
      }
      move(step);
    } else if (key === "?" || key === "h") props.onHelp();
    else if (key === "/") search.current?.focus();
    else if (key === "Escape") setSelected(new Set());
    else if (key === " " && mode === "grid") toggle(at, false);
    else if (key === "u" || key === "g") commands[key]();
    else if (chosen.length === 0) return false;
    else if (key === "Enter" && current?.class) label(current.class);
    else if (keys.has(key)) label(keys.get(key)!);
    else if (key in commands) commands[key as keyof typeof commands]();
    else return false;
    return true;
  });

  if (queue.error && items.length === 0) return <Failed error={queue.error} retry={queue.retry} />;
  if (queue.waiting === null && items.length === 0) return <Loading rows={4} />;
  return (
    <Stack gap="sm">
      <Standing queue={queue} selected={selected.size} mode={mode} />
      {items.length === 0 ? (
        <Nothing filtered={Object.keys(props.wanted).length > 0} onClear={props.onClear} queue={queue} />
      ) : (
        <Columns gap="md">
          <Columns.Col span={{ base: 12, md: 8 }}>
            {mode === "one" ? (
              current && <Stage item={current} />
            ) : (
              <Grid items={items} at={at} selected={selected} onFocus={goTo} onToggle={toggle} />
            )}
          </Columns.Col>
          <Columns.Col span={{ base: 12, md: 4 }}>
            <Stack gap="sm" style={{ position: "sticky", top: 74 }}>
              <ClassKeys
                classes={line.classes}
                keys={keys}
                guess={mode === "one" ? (current?.class ?? undefined) : undefined}
                search={search}
                onChoose={label}
              />
              <Commands
                onSkip={commands.s}
                onUnusable={commands.x}
                onDefer={commands.l}
                onNew={commands.n}
                onUndo={commands.u}
                onLike={commands.a}
                canUndo={queue.decided > 0}
                disabled={chosen.length === 0}
              />
            </Stack>
          </Columns.Col>
        </Columns>
      )}
      <p className="sl-spoken" aria-live="polite">
        {spoken}
      </p>
      {asking === "new" && (
        <NewClass
          known={line.classes}
          onClose={() => setAsking(null)}
          onChoose={(name) => {
            setAsking(null);
            label(name, !line.classes.includes(name));
          }}
        />
      )}
      {asking === "like" && current && (
        <Similar
          item={current}
          queue={queue}
          classes={line.classes}
          onClose={() => setAsking(null)}
          onLabelled={(n, name) => said(t.decided(n, name))}
        />
      )}
    </Stack>
  );
}

function stepOf(key: string, mode: "one" | "grid"): number {
  if (key === "ArrowRight") return 1;
  if (key === "ArrowLeft") return -1;
  if (mode !== "grid") return 0;
  if (key === "ArrowDown") return columnsOf();
  if (key === "ArrowUp") return -columnsOf();
  return 0;
}

function Standing({ queue, selected, mode }: { queue: ReviewQueue; selected: number; mode: string }) {
  return (
    <Group gap="lg" className="sl-digits" data-standing>
      <Text size="sm" fw={600}>
        {t.waiting(queue.waiting ?? 0)}
      </Text>
      {queue.decided > 0 && (
        <Text size="sm" c="dimmed">
          {t.decidedHere(queue.decided)}
        </Text>
      )}
      {queue.perHour !== null && (
        <Text size="sm" c="dimmed">
          {t.perHour(queue.perHour)}
        </Text>
      )}
      {mode === "grid" && selected > 0 && (
        <Text size="sm" fw={600}>
          {t.selected(selected)}
        </Text>
      )}
    </Group>
  );
}

function Nothing(props: { filtered: boolean; onClear: () => void; queue: ReviewQueue }) {
  return (
    <Empty
      icon={<IconChecks size={44} stroke={1.4} color="var(--sl-accept)" aria-hidden />}
      title={props.filtered ? t.emptyFiltered : t.empty}
      detail={t.emptyDetail}
    >
      {props.filtered && <Button onClick={props.onClear}>{t.clearFilter}</Button>}
      {props.queue.decided > 0 && (
        <Button variant="default" onClick={() => void props.queue.undo()}>
          {t.undo}
        </Button>
      )}
    </Empty>
  );
}
