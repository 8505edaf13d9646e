/** Labelling what the line would not decide on, wholly by keyboard if one likes. */

import { Button, Group, SegmentedControl, Select } from "@mantine/core";
import { IconKeyboard } from "@tabler/icons-react";
import { useState } from "react";
import { useSearchParams } from "react-router";
import { Screen } from "../../parts/Screen";
import { useLine } from "../../shell/line";
import { words } from "../../words";
import type { Wanted } from "./api";
import { Clusters } from "./Clusters";
import { Figures } from "./Figures";
import { Help } from "./Help";
import { QueueList } from "./QueueList";
import { Work } from "./Work";

const t = words.review;
type Mode = keyof typeof t.modes;

export function Review() {
  const line = useLine();
  const [search, setSearch] = useSearchParams();
  const [help, setHelp] = useState(false);
  const mode = (search.get("mode") as Mode | null) ?? "one";
  const wanted: Wanted = {};
  if (search.get("reason")) wanted.reason = search.get("reason") as Wanted["reason"];
  if (search.get("class")) wanted.class = search.get("class")!;
  if (search.get("cluster")) wanted.cluster = Number(search.get("cluster"));
  const set = (changes: Record<string, string | null>) =>
    setSearch((now) => {
      for (const [name, value] of Object.entries(changes)) value ? now.set(name, value) : now.delete(name);
      return now;
    });
  const working = mode === "one" || mode === "grid";
  return (
    <Screen
      title={t.title}
      actions={
        <>
          <SegmentedControl
            aria-label={t.mode}
            data={Object.entries(t.modes).map(([value, label]) => ({ value, label }))}
            value={mode}
            onChange={(value) => set({ mode: value === "one" ? null : value })}
            size="xs"
          />
          <Button
            variant="default"
            size="xs"
            leftSection={<IconKeyboard size={17} aria-hidden />}
            onClick={() => setHelp(true)}
          >
            {t.help}
          </Button>
        </>
      }
    >
      {working && (
        <>
          <Filters classes={line.classes} wanted={wanted} set={set} />
          <Work
            // Another filter is another queue: what is held goes back.
            key={JSON.stringify(wanted)}
            mode={mode}
            wanted={wanted}
            onMode={(to) => set({ mode: to === "one" ? null : to })}
            onHelp={() => setHelp((now) => !now)}
            onClear={() => set({ reason: null, class: null, cluster: null })}
          />
        </>
      )}
      {mode === "clusters" && (
        <Clusters onLabel={(cluster) => set({ mode: "grid", cluster, reason: null, class: null })} />
      )}
      {mode === "queue" && <QueueList />}
      {mode === "figures" && <Figures />}
      <Help opened={help} onClose={() => setHelp(false)} />
    </Screen>
  );
}

function Filters(props: {
  classes: string[];
  wanted: Wanted;
  set: (changes: Record<string, string | null>) => void;
}) {
  const { wanted, set } = props;
  return (
    <Group gap="sm">
      <Select
        aria-label={t.reason}
        placeholder={t.anyReason}
        data={Object.entries(t.reasons).map(([value, label]) => ({ value, label }))}
        value={wanted.reason ?? null}
        onChange={(reason) => set({ reason })}
        clearable
        size="xs"
        w={150}
      />
      <Select
        aria-label={t.taken}
        placeholder={t.anyClass}
        data={props.classes}
        value={wanted.class ?? null}
        onChange={(name) => set({ class: name })}
        clearable
        searchable
        size="xs"
        w={180}
      />
      {wanted.cluster && (
        <Button size="compact-sm" variant="light" onClick={() => set({ cluster: null })}>
          {t.clusterFilter(String(wanted.cluster))} ×
        </Button>
      )}
    </Group>
  );
}
