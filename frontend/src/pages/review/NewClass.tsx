import { Button, Modal, Stack, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { words } from "../../words";

const t = words.review;

/** A class that the line does not know yet; one that it knows is simply taken. */
export function NewClass(props: { known: string[]; onClose: () => void; onChoose: (name: string) => void }) {
  const [name, setName] = useState("");
  const known = props.known.find((one) => one.toLowerCase() === name.trim().toLowerCase());
  return (
    <Modal opened onClose={props.onClose} title={t.newClass}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (name.trim()) props.onChoose(known ?? name.trim());
        }}
      >
        <Stack>
          <Text size="sm" c="dimmed">
            {t.newClassDetail}
          </Text>
          <TextInput
            label={t.newClassName}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            maxLength={100}
            data-autofocus
            required
          />
          <Button type="submit" disabled={!name.trim()}>
            {known ? words.common.save : words.common.create}
          </Button>
        </Stack>
      </form>
    </Modal>
  );
}
