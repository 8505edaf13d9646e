/** How people review: second opinions and the share drawn by lot. */

import { Button, Group, NumberInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api, type Schemas } from "../../api/client";
import { useMay } from "../../api/session";
import { Card } from "../../parts/Cards";
import { Loaded } from "../../parts/States";
import { failed, said } from "../../parts/toasts";
import { useLine } from "../../shell/line";
import { words } from "../../words";

const t = words.settings.policy;
type Settings = Schemas["ReviewSettingsView"];

export function ReviewCard() {
  const line = useLine();
  const settings = useQuery({
    queryKey: ["review", "settings", line.name],
    queryFn: () =>
      answer(api.GET("/api/v1/lines/{line}/review/settings", { params: { path: { line: line.name } } })),
  });
  return (
    <Card title={t.review}>
      <Loaded query={settings} rows={2}>
        {(found) => <Fields key={JSON.stringify(found)} found={found} />}
      </Loaded>
    </Card>
  );
}

function Fields({ found }: { found: Settings }) {
  const line = useLine();
  const may = useMay();
  const queries = useQueryClient();
  const [second, setSecond] = useState<string | number>((found.second_opinions ?? 0) * 100);
  const [control, setControl] = useState<string | number>((found.control_share ?? 0) * 100);
  const save = useMutation({
    mutationFn: () =>
      answer(
        api.PUT("/api/v1/lines/{line}/review/settings", {
          params: { path: { line: line.name } },
          body: { second_opinions: Number(second) / 100, control_share: Number(control) / 100 },
        }),
      ),
    onSuccess: () => {
      said(words.common.saved);
      void queries.invalidateQueries({ queryKey: ["review", "settings"] });
    },
    onError: failed,
  });
  return (
    <Group align="flex-end">
      <NumberInput
        label={t.secondOpinions}
        suffix=" %"
        min={0}
        max={100}
        value={second}
        onChange={setSecond}
        disabled={!may("train")}
      />
      <NumberInput
        label={t.controlShare}
        suffix=" %"
        min={0}
        max={100}
        value={control}
        onChange={setControl}
        disabled={!may("train")}
      />
      {may("train") && (
        <Button variant="default" onClick={() => save.mutate()} loading={save.isPending}>
          {words.common.save}
        </Button>
      )}
    </Group>
  );
}
