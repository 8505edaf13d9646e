/** One picture at a time, its classes on keys. */

import { Badge, Button, Group, Stack, Text } from "@mantine/core";
import { memo } from "react";
import { moment, percent } from "../../parts/format";
import { words } from "../../words";
import type { Item } from "./api";

const t = words.review;

export const Stage = memo(function Stage({ item }: { item: Item }) {
  return (
    <Stack gap="xs">
      <div className="sl-stage">
        <img
          src={item.file}
          alt={t.current(
            item.class ?? t.nothing,
            percent(item.confidence),
            t.reasons[item.reason] ?? item.reason,
          )}
          data-item={item.id}
          decoding="sync"
        />
      </div>
      <Group justify="space-between" gap="xs">
        <Group gap="xs">
          <Badge color="yellow" variant="light" tt="none">
            {t.reasons[item.reason] ?? item.reason}
          </Badge>
          {item.class && <Text size="sm">{t.guess(item.class, percent(item.confidence))}</Text>}
        </Group>
        <Text size="xs" c="dimmed">
          {t.from(item.source, moment(item.at))}
          {item.seen > 1 ? ` · ${t.seen(item.seen)}` : ""}
        </Text>
      </Group>
    </Stack>
  );
});

export function Commands(props: {
  onSkip: () => void;
  onUnusable: () => void;
  onDefer: () => void;
  onUndo: () => void;
  onNew: () => void;
  onLike?: () => void;
  canUndo: boolean;
  disabled: boolean;
}) {
  const commands: [string, string, () => void, boolean][] = [
    ["s", t.skip, props.onSkip, props.disabled],
    ["x", t.unusable, props.onUnusable, props.disabled],
    ["l", t.defer, props.onDefer, props.disabled],
    ["n", t.newClass, props.onNew, props.disabled],
    ["u", t.undo, props.onUndo, !props.canUndo],
  ];
  if (props.onLike) commands.push(["a", t.like, props.onLike, props.disabled]);
  return (
    <Group gap="xs">
      {commands.map(([key, label, run, disabled]) => (
        <Button
          key={key}
          variant="default"
          size="xs"
          onClick={run}
          disabled={disabled}
          leftSection={<kbd>{key}</kbd>}
        >
          {label}
        </Button>
      ))}
    </Group>
  );
}
