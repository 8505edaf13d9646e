/** What the line wants different from its model's own policy. */

import { Button, Group, MultiSelect, NumberInput, SimpleGrid, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { useMay } from "../../api/session";
import { Card } from "../../parts/Cards";
import { said, undoable } from "../../parts/toasts";
import { useLine } from "../../shell/line";
import { words } from "../../words";
import { type PolicyState, useSetPolicy } from "./policy";

const t = words.settings.policy;
type Own = Record<string, unknown>;

const NUMBERS: [keyof PolicyState["policy"] & string, string, { min: number; max?: number; step: number }][] =
  [
    ["min_confidence", t.minConfidence, { min: 0, max: 1, step: 0.05 }],
    ["ood_threshold", t.oodThreshold, { min: 0, max: 1, step: 0.01 }],
    ["sample_share", t.sampleShare, { min: 0, max: 1, step: 0.01 }],
    ["min_brightness", t.minBrightness, { min: 0, max: 255, step: 1 }],
    ["max_brightness", t.maxBrightness, { min: 0, max: 255, step: 1 }],
    ["min_sharpness", t.minSharpness, { min: 0, step: 1 }],
    ["min_side", t.minSide, { min: 1, step: 1 }],
  ];

export function HandCard({ state }: { state: PolicyState }) {
  const line = useLine();
  const may = useMay();
  const set = useSetPolicy();
  const [own, setOwn] = useState<Own>(state.own);
  const inForce = state.policy as unknown as Own;
  const change = (name: string, value: unknown) =>
    setOwn((now) => {
      const { [name]: _, ...rest } = now;
      return value === "" || value === null ? rest : { ...rest, [name]: value };
    });
  const save = (to: Own) => {
    const before = state.own;
    set.mutate(
      { own: to },
      {
        onSuccess: () =>
          undoable(t.saved, () =>
            set.mutate({ own: before }, { onSuccess: () => said(words.common.undone) }),
          ),
      },
    );
  };
  return (
    <Card title={t.hand}>
      <Stack>
        <Text size="sm" c="dimmed">
          {t.handDetail}
        </Text>
        <SimpleGrid cols={{ base: 1, sm: 2, lg: 4 }} style={{ alignItems: "end" }}>
          {NUMBERS.map(([name, label, limits]) => (
            <NumberInput
              key={name}
              label={label}
              {...limits}
              decimalScale={4}
              value={(own[name] as number | undefined) ?? ""}
              placeholder={`${inForce[name] ?? t.oodNone}`}
              onChange={(value) => change(name, value)}
              disabled={!may("train")}
            />
          ))}
        </SimpleGrid>
        <MultiSelect
          label={t.watched}
          data={line.classes}
          value={(own.watched as string[] | undefined) ?? []}
          onChange={(names) => change("watched", names.length > 0 ? names : null)}
          searchable
          clearable
          disabled={!may("train")}
        />
        {may("train") && (
          <Group>
            <Button
              loading={set.isPending}
              disabled={JSON.stringify(own) === JSON.stringify(state.own)}
              onClick={() => save(own)}
            >
              {words.common.save}
            </Button>
            {Object.keys(state.own).length > 0 && (
              <Button variant="default" disabled={set.isPending} onClick={() => save({})}>
                {t.back}
              </Button>
            )}
          </Group>
        )}
      </Stack>
    </Card>
  );
}
