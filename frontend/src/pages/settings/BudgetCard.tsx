/** Thresholds by what people can do, with what that comes to as one types. */

import { Alert, Button, Group, NumberInput, Select, SimpleGrid, Stack, Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api, type Schemas } from "../../api/client";
import { useMay } from "../../api/session";
import { Card, Figure, StateBadge } from "../../parts/Cards";
import { count, percent } from "../../parts/format";
import { Failed } from "../../parts/States";
import { said, undoable } from "../../parts/toasts";
import { useLine } from "../../shell/line";
import { words } from "../../words";
import { type Budget, type PolicyState, useSetPolicy } from "./policy";

const t = words.settings.policy;
const DETECTORS: NonNullable<Budget["detector"]>[] = [
  "auto",
  "energy",
  "max_softmax",
  "mahalanobis",
  "relative_mahalanobis",
  "knn",
  "vim",
  "gen",
  "react",
];

export function BudgetCard({ state }: { state: PolicyState }) {
  const line = useLine();
  const may = useMay();
  const set = useSetPolicy();
  const [budget, setBudget] = useState<Budget>(state.budget ?? {});
  const [settled] = useDebouncedValue(budget, 350);
  const isAsked = (settled.reviews_per_day ?? null) !== null || (settled.max_error ?? null) !== null;
  const preview = useQuery({
    queryKey: ["preview", line.name, settled],
    queryFn: () =>
      answer(
        api.POST("/api/v1/lines/{line}/policy/preview", {
          params: { path: { line: line.name } },
          body: settled,
        }),
      ),
    enabled: isAsked && !!line.model,
    placeholderData: keepPreviousData,
    retry: false,
  });
  const change = (name: keyof Budget, value: string | number, factor = 1) =>
    setBudget((now) => ({ ...now, [name]: value === "" ? null : Number(value) * factor }));
  if (!line.model) return <Card title={t.budget}>{t.noModel}</Card>;
  return (
    <Card title={t.budget} actions={state.budget && <StateBadge state="live" label={t.inForce} />}>
      <Stack>
        <Text size="sm" c="dimmed">
          {t.budgetDetail}
        </Text>
        {state.drift?.drifted && <Alert color="yellow">{t.drifted}</Alert>}
        <SimpleGrid cols={{ base: 1, sm: 2, lg: 4 }} style={{ alignItems: "end" }}>
          <NumberInput
            label={t.reviewsPerDay}
            min={0}
            value={budget.reviews_per_day ?? ""}
            onChange={(value) => change("reviews_per_day", value)}
          />
          <NumberInput
            label={t.maxError}
            suffix=" %"
            min={0}
            max={99}
            decimalScale={2}
            value={
              budget.max_error === null || budget.max_error === undefined
                ? ""
                : Number((budget.max_error * 100).toFixed(2))
            }
            onChange={(value) => change("max_error", value, 0.01)}
          />
          <NumberInput
            label={t.itemsPerDay}
            placeholder={t.itemsPerDayHint}
            min={1}
            value={budget.items_per_day ?? ""}
            onChange={(value) => change("items_per_day", value)}
          />
          <Select
            label={t.detector}
            placeholder={t.detectorOwn}
            data={DETECTORS}
            value={budget.detector ?? null}
            onChange={(value) => setBudget((now) => ({ ...now, detector: value as Budget["detector"] }))}
            clearable
          />
        </SimpleGrid>
        {preview.isError && <Failed error={preview.error} />}
        {isAsked && preview.data && !preview.isError && <Expected found={preview.data} />}
        {may("train") && (
          <Group>
            <Button
              disabled={!isAsked || preview.isError}
              loading={set.isPending}
              onClick={() => set.mutate({ budget }, { onSuccess: () => said(t.used) })}
            >
              {t.use}
            </Button>
            {state.budget && (
              <Button
                variant="default"
                disabled={set.isPending}
                onClick={() => {
                  const before = state.budget;
                  set.mutate(
                    { budget: null },
                    { onSuccess: () => undoable(t.stopped, () => set.mutate({ budget: before })) },
                  );
                }}
              >
                {t.stop}
              </Button>
            )}
          </Group>
        )}
      </Stack>
    </Card>
  );
}

function Expected({ found }: { found: Schemas["Preview"] }) {
  const { expected, based_on: from } = found;
  const rows: [string, Schemas["EstimateView"] | null, (n: number) => string][] = [
    [t.load, expected.reviews_per_day, (n) => count(Math.round(n))],
    [t.share, expected.review_share, percent],
    [t.acceptedError, expected.accepted_error, percent],
    [t.catchRate, expected.catch_rate, percent],
  ];
  return (
    <Stack gap="xs" aria-live="polite">
      <Text fw={600}>{t.expected}</Text>
      {!found.within && <Alert color="yellow">{t.notWithin}</Alert>}
      <SimpleGrid cols={{ base: 2, lg: 4 }}>
        {rows.map(([label, estimate, show]) => (
          <Figure
            key={label}
            label={label}
            value={estimate ? show(estimate.value) : "–"}
            note={estimate && t.interval(show(estimate.low), show(estimate.high))}
          />
        ))}
      </SimpleGrid>
      <Text size="xs" c="dimmed">
        {t.basedOn(from.validation, from.traffic, from.days)}
      </Text>
    </Stack>
  );
}
