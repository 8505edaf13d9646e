/** Asks before what cannot be undone. */

import { Text } from "@mantine/core";
import { modals } from "@mantine/modals";
import { words } from "../words";

export function confirm(ask: {
  title: string;
  detail: string;
  yes: string;
  danger?: boolean;
  go: () => void;
}): void {
  modals.openConfirmModal({
    title: ask.title,
    children: <Text size="sm">{ask.detail}</Text>,
    labels: { confirm: ask.yes, cancel: words.common.cancel },
    confirmProps: { color: ask.danger ? "red" : undefined },
    onConfirm: ask.go,
  });
}
