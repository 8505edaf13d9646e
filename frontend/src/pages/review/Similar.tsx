/** "All like this": the nearest waiting pictures, labelled with one choice. */

import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { type Chosen, ClassPicker } from "../../parts/ClassPicker";
import { percent } from "../../parts/format";
import { Empty, Loaded } from "../../parts/States";
import { words } from "../../words";
import type { Item } from "./api";
import type { ReviewQueue } from "./useQueue";

const t = words.review;
// Those nearer than this are checked at first; the person sees them all.
const ALIKE = 0.85;

export function Similar(props: {
  item: Item;
  queue: ReviewQueue;
  classes: string[];
  onClose: () => void;
  onLabelled: (n: number, name: string) => void;
}) {
  const { item, queue } = props;
  const [chosen, setChosen] = useState<Chosen | null>(item.class ? { name: item.class, isNew: false } : null);
  const [checked, setChecked] = useState<ReadonlySet<string>>(new Set());
  const similar = useQuery({
    queryKey: ["review", "similar", item.id],
    queryFn: async () => (await queue.server.similar(item.id)).items.filter((one) => one.id !== item.id),
    gcTime: 0,
  });
  useEffect(() => {
    if (similar.data)
      setChecked(new Set(similar.data.filter((one) => (one.similarity ?? 1) >= ALIKE).map((one) => one.id)));
  }, [similar.data]);
  const all = [item, ...(similar.data ?? []).filter((one) => checked.has(one.id))];
  return (
    <Modal opened onClose={props.onClose} title={t.similarTitle} size="xl">
      <Stack>
        <Text size="sm" c="dimmed">
          {t.similarDetail}
        </Text>
        <Loaded
          query={similar}
          empty={(items) => items.length === 0}
          whenEmpty={<Empty title={t.similarEmpty} />}
        >
          {(items) => (
            <div className="sl-grid">
              {items.map((one) => (
                <button
                  type="button"
                  key={one.id}
                  className="sl-tile"
                  aria-pressed={checked.has(one.id)}
                  onClick={() =>
                    setChecked((now) => {
                      const next = new Set(now);
                      if (!next.delete(one.id)) next.add(one.id);
                      return next;
                    })
                  }
                >
                  <img className="sl-thumb" src={one.thumbnail} alt="" />
                  <span className="sl-tile-words">
                    {one.class ?? t.nothing} · {percent(one.similarity, 0)}
                  </span>
                </button>
              ))}
            </div>
          )}
        </Loaded>
        <Group align="flex-end">
          <ClassPicker
            classes={props.classes}
            label={t.classes}
            value={chosen}
            onChange={setChosen}
            offerNew={(typed) => `${t.newClass}: ${typed}`}
          />
          <Button
            disabled={!chosen}
            onClick={() => {
              if (!chosen) return;
              queue.decide(all, { action: "label", class: chosen.name, new_class: chosen.isNew });
              props.onLabelled(all.length, chosen.name);
              props.onClose();
            }}
          >
            {t.labelThese(all.length)}
          </Button>
        </Group>
      </Stack>
    </Modal>
  );
}
