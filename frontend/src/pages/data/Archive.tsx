/** A folder, ZIP or COCO export from this computer: packed if need be, sent, taken in by the worker. */

import { Button, Collapse, Group, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { IconFileZip, IconFolderOpen } from "@tabler/icons-react";
import { useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import type { Schemas } from "../../api/client";
import { sendForm } from "../../api/upload";
import { Card, Doing } from "../../parts/Cards";
import { percent } from "../../parts/format";
import { Failed } from "../../parts/States";
import { useLine } from "../../shell/line";
import { words } from "../../words";
import { asked, DEFAULTS, OptionFields, type Options } from "./options";
import { MOST_BYTES, MOST_FILES, type Packed, zipOf } from "./zip";

const t = words.data;

type Step = { phase: string; done: number; total: number; cancel: () => void };

export function Archive() {
  const [options, setOptions] = useState<Options>(DEFAULTS);
  const [opened, more] = useDisclosure();
  const folder = useRef<HTMLInputElement>(null);
  const zip = useRef<HTMLInputElement>(null);
  const { step, error, send } = useSending(options);
  return (
    <Card title={t.archive}>
      <Stack gap="sm">
        <Text size="sm" c="dimmed">
          {t.archiveDetail}
        </Text>
        {step ? (
          <Group align="flex-end" wrap="nowrap">
            <div style={{ flex: 1 }}>
              <Doing
                phase={step.phase}
                done={step.done}
                total={step.total}
                note={percent(step.done / step.total, 0)}
              />
            </div>
            <Button variant="default" size="xs" onClick={step.cancel}>
              {words.common.cancel}
            </Button>
          </Group>
        ) : (
          <Group>
            <Button
              leftSection={<IconFolderOpen size={18} aria-hidden />}
              onClick={() => folder.current?.click()}
            >
              {t.chooseFolder}
            </Button>
            <Button
              variant="default"
              leftSection={<IconFileZip size={18} aria-hidden />}
              onClick={() => zip.current?.click()}
            >
              {t.chooseZip}
            </Button>
            <Button variant="subtle" onClick={more.toggle} aria-expanded={opened}>
              {t.options}
            </Button>
          </Group>
        )}
        <Collapse expanded={opened}>
          <OptionFields value={options} onChange={setOptions} />
        </Collapse>
        {!!error && <Failed error={error} />}
        <input
          ref={folder}
          type="file"
          hidden
          id="folder"
          aria-label={t.chooseFolder}
          // Not yet in React's types; every browser knows it.
          {...({ webkitdirectory: "" } as object)}
          onChange={(event) => {
            void send([...(event.target.files ?? [])], true);
            event.target.value = "";
          }}
        />
        <input
          ref={zip}
          type="file"
          hidden
          id="zip"
          aria-label={t.chooseZip}
          accept=".zip,application/zip"
          onChange={(event) => {
            void send([...(event.target.files ?? [])], false);
            event.target.value = "";
          }}
        />
      </Stack>
    </Card>
  );
}

function useSending(options: Options) {
  const line = useLine();
  const queries = useQueryClient();
  const [step, setStep] = useState<Step | null>(null);
  const [error, setError] = useState<unknown>(null);

  async function send(files: File[], isFolder: boolean) {
    if (files.length === 0) return;
    setError(null);
    try {
      const archive = isFolder ? await packed(files, setStep) : { blob: files[0]!, name: files[0]!.name };
      const form = new FormData();
      for (const [name, value] of Object.entries(asked(options))) {
        // A packed folder arrives as a ZIP of it.
        if (!(name === "kind" && value === "folder")) form.append(name, String(value));
      }
      form.append("file", archive.blob, archive.name);
      const sending = sendForm<Schemas["ImportView"]>(
        `/api/v1/lines/${encodeURIComponent(line.name)}/imports`,
        form,
        (share) =>
          setStep({ phase: t.sending, done: Math.round(share * 100), total: 100, cancel: sending.cancel }),
      );
      setStep({ phase: t.sending, done: 0, total: 100, cancel: sending.cancel });
      await sending.done;
      void queries.invalidateQueries({ queryKey: ["imports", line.name] });
    } catch (problem) {
      if (!(problem instanceof DOMException && problem.name === "AbortError")) setError(problem);
    } finally {
      setStep(null);
    }
  }
  return { step, error, send };
}

async function packed(files: File[], tell: (step: Step) => void): Promise<{ blob: Blob; name: string }> {
  const size = files.reduce((sum, file) => sum + file.size, 0);
  if (files.length > MOST_FILES || size > MOST_BYTES) throw new Error(t.tooLarge);
  const root = (files[0]!.webkitRelativePath || files[0]!.name).split("/")[0]!;
  const inside = files.map(
    (file): Packed => ({ file, path: file.webkitRelativePath.split("/").slice(1).join("/") || file.name }),
  );
  const cancel = new AbortController();
  const step = (done: number) =>
    tell({ phase: t.packing, done, total: files.length, cancel: () => cancel.abort() });
  step(0);
  return { blob: await zipOf(inside, step, cancel.signal), name: `${root}.zip` };
}
