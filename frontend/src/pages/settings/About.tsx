/** A line's own settings. */

import { Button, Group, NumberInput, Stack, Switch, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api, type Schemas } from "../../api/client";
import { useMay } from "../../api/session";
import { Card } from "../../parts/Cards";
import { failed, said } from "../../parts/toasts";
import { useLine } from "../../shell/line";
import { words } from "../../words";
import { EraseSource, Retention } from "./Retention";

const t = words.settings.lines;

export function About() {
  const line = useLine();
  const may = useMay();
  const queries = useQueryClient();
  const change = useMutation({
    mutationFn: (body: Schemas["LineChange"]) =>
      answer(api.PATCH("/api/v1/lines/{line}", { params: { path: { line: line.name } }, body })),
    onSuccess: (_, body) => {
      said(body.default ? t.madeDefault(line.title) : words.common.saved);
      void queries.invalidateQueries({ queryKey: ["lines"] });
    },
    onError: failed,
  });
  const locked = !may("admin") || change.isPending;
  return (
    <Stack>
      <Card title={line.title || line.name}>
        <Stack>
          {!may("admin") && (
            <Text size="sm" c="dimmed">
              {t.only}
            </Text>
          )}
          {line.default ? (
            <Text>{t.isDefault}</Text>
          ) : (
            <Button
              variant="default"
              disabled={locked}
              onClick={() => change.mutate({ default: true })}
              style={{ alignSelf: "flex-start" }}
            >
              {t.makeDefault}
            </Button>
          )}
          <Switch
            label={t.autoPromote}
            checked={line.auto_promote}
            disabled={locked}
            onChange={(event) => change.mutate({ auto_promote: event.currentTarget.checked })}
          />
          <Auto key={String(line.auto_version_labels)} locked={locked} onChange={change.mutate} />
        </Stack>
      </Card>
      <Retention key={JSON.stringify(line.retention)} locked={locked} onChange={change.mutate} />
      {may("admin") && <EraseSource />}
    </Stack>
  );
}

export type Changing = { locked: boolean; onChange: (body: Schemas["LineChange"]) => void };

function Auto({ locked, onChange }: Changing) {
  const line = useLine();
  const [labels, setLabels] = useState<number | string>(line.auto_version_labels ?? "");
  return (
    <Group align="flex-end">
      <NumberInput
        label={t.autoVersion}
        placeholder={t.autoVersionNone}
        min={1}
        max={1_000_000}
        value={labels}
        disabled={locked}
        onChange={setLabels}
      />
      <Button
        variant="default"
        disabled={locked || labels === (line.auto_version_labels ?? "")}
        onClick={() => onChange({ auto_version_labels: labels === "" ? null : Number(labels) })}
      >
        {words.common.save}
      </Button>
      <Switch
        pb={8}
        label={t.autoProbe}
        checked={line.auto_probe}
        disabled={locked}
        onChange={(event) => onChange({ auto_probe: event.currentTarget.checked })}
      />
    </Group>
  );
}
