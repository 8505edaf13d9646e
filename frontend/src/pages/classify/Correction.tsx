/** "That is wrong": the right class goes to the server with the photo, and waits for the next version. */

import { Alert, Button, Modal, Stack } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { sent } from "../../api/client";
import { useMay } from "../../api/session";
import { type Chosen, ClassPicker } from "../../parts/ClassPicker";
import { Failed } from "../../parts/States";
import { useLine } from "../../shell/line";
import { words } from "../../words";
import type { Photo, Prediction } from "./useClassifying";

const t = words.classify;

export function Correction({ photo, answer }: { photo: Photo; answer: Prediction }) {
  const may = useMay();
  const { classes } = useLine();
  const queries = useQueryClient();
  const [opened, dialog] = useDisclosure();
  const [chosen, setChosen] = useState<Chosen | null>(null);
  const sending = useMutation({
    mutationFn: async (right: Chosen) => {
      await correct(photo, answer, right);
      return right.name;
    },
    onSuccess: () => {
      dialog.close();
      void queries.invalidateQueries({ queryKey: ["staged"] });
      void queries.invalidateQueries({ queryKey: ["lines"] });
    },
  });
  if (!may("review")) return null;
  if (sending.isSuccess) {
    return (
      <Alert color="green" p="xs" role="status" className="corrected">
        {t.corrected(sending.data)}
      </Alert>
    );
  }
  return (
    <>
      <Button size="xs" variant="default" onClick={dialog.open}>
        {t.wrong}
      </Button>
      <Modal opened={opened} onClose={dialog.close} title={t.wrong}>
        <Stack>
          <ClassPicker
            classes={classes.filter((name) => name !== answer.class)}
            label={t.rightClass}
            value={chosen}
            onChange={setChosen}
            offerNew={(typed) => `${typed} · ${t.newClass}`}
            autoFocus
          />
          {sending.isError && <Failed error={sending.error} />}
          <Button
            disabled={!chosen}
            loading={sending.isPending}
            onClick={() => chosen && sending.mutate(chosen)}
          >
            {t.send}
          </Button>
        </Stack>
      </Modal>
    </>
  );
}

/** An accepted picture was forgotten by the server, so the photo goes along. */
async function correct(photo: Photo, answer: Prediction, right: Chosen): Promise<void> {
  const body = new FormData();
  body.append("image", photo.file);
  body.append("class", right.name);
  body.append("new_class", String(right.isNew));
  const line = encodeURIComponent(photo.line.name);
  await sent(`/api/v1/lines/${line}/predictions/${answer.id}/correct`, { method: "POST", body });
}
