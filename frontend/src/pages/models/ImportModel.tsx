/** A bundle from elsewhere. */

import { Button, FileButton, Group, Modal, Progress, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useQueryClient } from "@tanstack/react-query";
import { useRef, useState } from "react";
import type { Schemas } from "../../api/client";
import { sendForm } from "../../api/upload";
import { Failed } from "../../parts/States";
import { said } from "../../parts/toasts";
import { useLine } from "../../shell/line";
import { words } from "../../words";

const t = words.models;

export function ImportModel() {
  const line = useLine();
  const queries = useQueryClient();
  const [opened, dialog] = useDisclosure();
  const [share, setShare] = useState<number | null>(null);
  const [error, setError] = useState<unknown>(null);
  const cancel = useRef(() => {});
  async function send(file: File | null) {
    if (!file) return;
    setError(null);
    const form = new FormData();
    form.append("file", file);
    const sending = sendForm<Schemas["ModelDetail"]>(
      `/api/v1/lines/${encodeURIComponent(line.name)}/models`,
      form,
      setShare,
    );
    cancel.current = sending.cancel;
    setShare(0);
    try {
      const model = await sending.done;
      said(t.imported(model.name));
      void queries.invalidateQueries({ queryKey: ["models"] });
      dialog.close();
    } catch (problem) {
      if (!(problem instanceof DOMException && problem.name === "AbortError")) setError(problem);
    } finally {
      setShare(null);
    }
  }
  return (
    <>
      <Button variant="default" onClick={dialog.open}>
        {t.import}
      </Button>
      <Modal opened={opened} onClose={dialog.close} title={t.importTitle}>
        <Stack>
          <Text size="sm" c="dimmed">
            {t.importDetail}
          </Text>
          {!!error && <Failed error={error} />}
          {share === null ? (
            <FileButton onChange={send} accept=".zip,application/zip">
              {(props) => <Button {...props}>{t.chooseBundle}</Button>}
            </FileButton>
          ) : (
            <Group wrap="nowrap">
              <Progress value={share * 100} style={{ flex: 1 }} aria-label={t.importTitle} animated />
              <Button size="xs" variant="default" onClick={() => cancel.current()}>
                {words.common.cancel}
              </Button>
            </Group>
          )}
        </Stack>
      </Modal>
    </>
  );
}
