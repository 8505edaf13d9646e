/** Short words in the corner: what was done, with a way back, or what went wrong. */

import { Button, Group, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { words } from "../words";
import { messageOf, titleOf } from "./States";

export function said(message: string): void {
  notifications.show({ message, color: "green", withBorder: true });
}

export function failed(error: unknown): void {
  if (error instanceof DOMException && error.name === "AbortError") return;
  notifications.show({
    title: titleOf(error),
    message: messageOf(error),
    color: "red",
    autoClose: 10_000,
    withBorder: true,
  });
}

/** Says what was done and offers to undo it for some seconds. */
export function undoable(message: string, undo: () => void): void {
  const id = `undo-${Date.now()}-${Math.random()}`;
  notifications.show({
    id,
    autoClose: 9000,
    withBorder: true,
    message: (
      <Group justify="space-between" wrap="nowrap">
        <Text size="sm">{message}</Text>
        <Button
          size="compact-sm"
          variant="default"
          onClick={() => {
            notifications.hide(id);
            undo();
          }}
        >
          {words.common.undo}
        </Button>
      </Group>
    ),
  });
}
