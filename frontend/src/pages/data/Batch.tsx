/** Single photos with a class for each. */

import { ActionIcon, Button, Group, Progress, Stack, Table, Text } from "@mantine/core";
import { IconPhotoPlus, IconX } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { sent } from "../../api/client";
import { Card, Rows, StateBadge } from "../../parts/Cards";
import { type Chosen, ClassPicker } from "../../parts/ClassPicker";
import { messageOf } from "../../parts/States";
import { useLine } from "../../shell/line";
import { words } from "../../words";
import { looksLikePhoto } from "../classify/intake";

const t = words.data;
const AT_ONCE = 3;

interface Entry {
  id: number;
  file: File;
  chosen: Chosen | null;
  state: "new" | "sending" | "done" | "failed";
  say?: string;
}

let lastId = 0;

export function Batch() {
  const line = useLine();
  const queries = useQueryClient();
  const input = useRef<HTMLInputElement>(null);
  const [entries, setEntries] = useState<Entry[]>([]);
  const [busy, setBusy] = useState(false);
  const change = (id: number, to: Partial<Entry>) =>
    setEntries((now) => now.map((one) => (one.id === id ? { ...one, ...to } : one)));
  const ready = entries.filter((one) => one.state !== "done" && one.chosen);
  const done = entries.filter((one) => one.state === "done").length;

  async function send() {
    setBusy(true);
    const queue = [...ready];
    const lane = async () => {
      for (let one = queue.shift(); one; one = queue.shift()) {
        change(one.id, { state: "sending", say: undefined });
        try {
          change(one.id, { state: "done", say: await upload(line.name, one.file, one.chosen!) });
        } catch (problem) {
          change(one.id, { state: "failed", say: messageOf(problem) });
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    setBusy(false);
    for (const key of ["pictures", "staged", "classes", "lines"])
      void queries.invalidateQueries({ queryKey: [key] });
  }

  return (
    <Card title={t.batch}>
      <Stack gap="sm">
        <Text size="sm" c="dimmed">
          {t.batchDetail}
        </Text>
        <Group align="flex-end">
          <Button
            variant="default"
            leftSection={<IconPhotoPlus size={18} aria-hidden />}
            onClick={() => input.current?.click()}
          >
            {t.choosePhotos}
          </Button>
          <input
            ref={input}
            type="file"
            id="batch"
            aria-label={t.choosePhotos}
            multiple
            hidden
            accept="image/*,.heic,.heif,.tif,.tiff"
            onChange={(event) => {
              const files = [...(event.target.files ?? [])].filter(looksLikePhoto);
              setEntries((now) => [
                ...now,
                ...files.map((file): Entry => ({ id: ++lastId, file, chosen: null, state: "new" })),
              ]);
              event.target.value = "";
            }}
          />
          {entries.length > 1 && (
            <ClassPicker
              classes={line.classes}
              label={t.allOfThem}
              value={null}
              onChange={(chosen) =>
                setEntries((now) => now.map((one) => (one.state === "done" ? one : { ...one, chosen })))
              }
              offerNew={t.newClass}
            />
          )}
          {entries.length > 0 && (
            <>
              <Button onClick={send} loading={busy} disabled={ready.length === 0}>
                {t.sendBatch(ready.length)}
              </Button>
              <Button variant="subtle" onClick={() => setEntries([])} disabled={busy}>
                {t.clearDone}
              </Button>
            </>
          )}
        </Group>
        {busy && <Progress value={(100 * done) / entries.length} aria-label={t.sending} />}
        {entries.length > 0 && (
          <Rows label={t.batch} head={["", t.file, t.class, words.common.state, ""]}>
            {entries.map((one) => (
              <Table.Tr key={one.id}>
                <Table.Td w={64}>
                  <Preview file={one.file} />
                </Table.Td>
                <Table.Td>{one.file.name}</Table.Td>
                <Table.Td>
                  <ClassPicker
                    classes={line.classes}
                    label={t.classOf(one.file.name)}
                    hideLabel
                    value={one.chosen}
                    onChange={(chosen) => change(one.id, { chosen })}
                    offerNew={t.newClass}
                  />
                </Table.Td>
                <Table.Td>
                  {one.state === "new" ? null : (
                    <StateBadge state={one.state === "sending" ? "running" : one.state} label={one.say} />
                  )}
                </Table.Td>
                <Table.Td>
                  <ActionIcon
                    variant="subtle"
                    color="gray"
                    disabled={busy}
                    onClick={() => setEntries((now) => now.filter((other) => other.id !== one.id))}
                    aria-label={t.removeOne(one.file.name)}
                  >
                    <IconX size={16} aria-hidden />
                  </ActionIcon>
                </Table.Td>
              </Table.Tr>
            ))}
          </Rows>
        )}
      </Stack>
    </Card>
  );
}

async function upload(line: string, file: File, chosen: Chosen): Promise<string> {
  const body = new FormData();
  body.append("image", file);
  body.append("class", chosen.name);
  body.append("new_class", String(chosen.isNew));
  const response = await sent(`/api/v1/lines/${encodeURIComponent(line)}/images`, { method: "POST", body });
  const { outcome } = (await response.json()) as { outcome: string };
  return t.batchStates[outcome] ?? outcome;
}

function Preview({ file }: { file: File }) {
  const [url, setUrl] = useState<string>();
  useEffect(() => {
    const made = URL.createObjectURL(file);
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [file]);
  return url ? <img className="sl-thumb" src={url} alt="" /> : null;
}
