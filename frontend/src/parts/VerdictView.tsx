/** Whether a candidate passed, and every check behind that. */

import { Alert, List, Stack, Text } from "@mantine/core";
import { IconCircleCheck, IconCircleX } from "@tabler/icons-react";
import { words } from "../words";
import type { Verdict } from "./comparison";
import { sentence } from "./format";

const t = words.training;

export function VerdictView({ verdict }: { verdict: Verdict }) {
  return (
    <Stack gap="xs">
      <Alert color={verdict.promote ? "green" : "yellow"} title={verdict.promote ? t.promote : t.keep}>
        {verdict.reasons.map((reason) => (
          <Text size="sm" key={reason}>
            {sentence(reason)}
          </Text>
        ))}
      </Alert>
      <List spacing={4} size="sm" listStyleType="none" aria-label={t.checks}>
        {verdict.checks.map((check) => (
          <List.Item
            key={`${check.name} ${check.detail}`}
            icon={
              check.passed ? (
                <IconCircleCheck size={18} color="var(--sl-accept)" aria-label={t.passed} role="img" />
              ) : (
                <IconCircleX size={18} color="var(--sl-error)" aria-label={t.failed} role="img" />
              )
            }
          >
            <b>{sentence(check.name)}</b>: {check.detail}
          </List.Item>
        ))}
      </List>
    </Stack>
  );
}
