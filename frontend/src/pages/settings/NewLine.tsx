import { Button, Modal, Stack, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { answer, api } from "../../api/client";
import { Failed } from "../../parts/States";
import { said } from "../../parts/toasts";
import { words } from "../../words";

const t = words.settings.lines;

/** Another sorting task. */
export function NewLine({ onClose }: { onClose: () => void }) {
  const queries = useQueryClient();
  const navigate = useNavigate();
  const [name, setName] = useState("");
  const [title, setTitle] = useState("");
  const [bundle, setBundle] = useState("");
  const create = useMutation({
    mutationFn: () =>
      answer(
        api.POST("/api/v1/lines", {
          body: { name, title: title.trim() || null, bundle: bundle.trim() || null },
        }),
      ),
    onSuccess: async (line) => {
      said(t.created(line.title));
      await queries.invalidateQueries({ queryKey: ["lines"] });
      onClose();
      navigate(`/settings/line?line=${encodeURIComponent(line.name)}&tab=classes`);
    },
  });
  return (
    <Modal opened onClose={onClose} title={t.newTitle}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          create.mutate();
        }}
      >
        <Stack>
          <TextInput
            label={t.lineName}
            description={t.lineNameHint}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            pattern="[a-z0-9][a-z0-9\-]{0,62}"
            required
            data-autofocus
          />
          <TextInput
            label={t.lineTitle}
            value={title}
            onChange={(event) => setTitle(event.currentTarget.value)}
          />
          <TextInput
            label={t.bundle}
            placeholder={t.noBundle}
            value={bundle}
            onChange={(event) => setBundle(event.currentTarget.value)}
          />
          {create.isError && <Failed error={create.error} />}
          <Button type="submit" loading={create.isPending}>
            {words.common.create}
          </Button>
        </Stack>
      </form>
    </Modal>
  );
}
