/** How long pictures are kept, and how those of a source go. */

import { Button, Group, NumberInput, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api } from "../../api/client";
import { Card } from "../../parts/Cards";
import { confirm } from "../../parts/confirm";
import { failed, said } from "../../parts/toasts";
import { useLine } from "../../shell/line";
import { words } from "../../words";
import type { Changing } from "./About";

const t = words.settings.lines;

export function Retention({ locked, onChange }: Changing) {
  const { retention } = useLine();
  const [share, setShare] = useState<number | string>(retention.accepted_share * 100);
  const [days, setDays] = useState<number | string>(retention.days ?? "");
  return (
    <Card title={t.retention}>
      <Group align="flex-end">
        <NumberInput
          label={t.keepShare}
          description={t.keepShareNote}
          suffix=" %"
          min={0}
          max={100}
          value={share}
          disabled={locked}
          onChange={setShare}
        />
        <NumberInput
          label={t.keepDays}
          placeholder={t.forGood}
          min={1}
          max={36_500}
          value={days}
          disabled={locked}
          onChange={setDays}
        />
        <Button
          variant="default"
          disabled={locked}
          onClick={() =>
            onChange({
              retention: { accepted_share: Number(share) / 100, days: days === "" ? null : Number(days) },
            })
          }
        >
          {words.common.save}
        </Button>
      </Group>
    </Card>
  );
}

export function EraseSource() {
  const line = useLine();
  const queries = useQueryClient();
  const [source, setSource] = useState("");
  const erase = useMutation({
    mutationFn: () =>
      answer(
        api.POST("/api/v1/lines/{line}/images/erase", {
          params: { path: { line: line.name } },
          body: { source: source.trim() },
        }),
      ),
    onSuccess: ({ erased }) => {
      said(t.erased(erased));
      setSource("");
      void queries.invalidateQueries({ queryKey: ["pictures"] });
    },
    onError: failed,
  });
  return (
    <Card title={t.eraseSource}>
      <Group align="flex-end">
        <TextInput
          label={t.source}
          value={source}
          onChange={(event) => setSource(event.currentTarget.value)}
        />
        <Button
          color="red"
          variant="light"
          disabled={!source.trim()}
          loading={erase.isPending}
          onClick={() =>
            confirm({
              title: `${t.eraseSource}: ${source.trim()}`,
              detail: t.eraseSourceDetail,
              yes: t.eraseAll,
              danger: true,
              go: () => erase.mutate(),
            })
          }
        >
          {t.eraseAll}
        </Button>
      </Group>
    </Card>
  );
}
