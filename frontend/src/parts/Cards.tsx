/** Boxes and small displays that several pages share. */

import { Badge, Group, Paper, type PaperProps, Progress, Stack, Table, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { words } from "../words";

export function Card(props: PaperProps & { title?: ReactNode; actions?: ReactNode; children: ReactNode }) {
  const { title, actions, children, ...rest } = props;
  return (
    <Paper withBorder p="md" radius="lg" className="sl-card" {...rest}>
      {(title || actions) && (
        <Group justify="space-between" mb="sm" gap="xs">
          {title && (
            <Title order={2} size="h5">
              {title}
            </Title>
          )}
          {actions && <Group gap="xs">{actions}</Group>}
        </Group>
      )}
      {children}
    </Paper>
  );
}

export function Figure(props: { label: string; value: ReactNode; note?: ReactNode }) {
  return (
    <Paper withBorder p="md" radius="lg" className="sl-card">
      <Text size="sm" c="dimmed">
        {props.label}
      </Text>
      <Text fz={26} fw={680} className="sl-digits" lh={1.25}>
        {props.value}
      </Text>
      {props.note && (
        <Text size="xs" c="dimmed" component="div">
          {props.note}
        </Text>
      )}
    </Paper>
  );
}

const COLOURS: Record<string, string> = {
  queued: "gray",
  running: "brand",
  building: "brand",
  succeeded: "green",
  done: "green",
  ready: "green",
  live: "green",
  accept: "green",
  shadow: "grape",
  candidate: "brand",
  review: "yellow",
  failed: "red",
  cancelled: "yellow",
};

export function StateBadge({ state, label }: { state: string; label?: string }) {
  return (
    <Badge variant="light" color={COLOURS[state] ?? "gray"} tt="none" miw="max-content">
      {label ?? words.common.states[state] ?? state}
    </Badge>
  );
}

/** What a long action tells of itself: its phase, how far it is, how long still. */
export function Doing(props: {
  phase?: string;
  done?: number | null;
  total?: number | null;
  note?: ReactNode;
}) {
  const share = props.total ? Math.min(1, (props.done ?? 0) / props.total) : null;
  return (
    <Stack gap={4}>
      <Group justify="space-between" gap="xs">
        <Text size="sm">{props.phase}</Text>
        <Text size="sm" c="dimmed" className="sl-digits" component="div">
          {props.total
            ? `${(props.done ?? 0).toLocaleString("en")} / ${props.total.toLocaleString("en")}`
            : null}{" "}
          {props.note}
        </Text>
      </Group>
      <Progress
        value={share === null ? 100 : share * 100}
        animated={share === null || share < 1}
        aria-label={props.phase || words.common.loading}
      />
    </Stack>
  );
}

/** Names and values in two columns. */
export function Facts({ rows }: { rows: [string, ReactNode][] }) {
  return (
    <Table withRowBorders={false} verticalSpacing={4} layout="fixed" className="sl-facts">
      <Table.Tbody>
        {rows.map(([name, value]) => (
          <Table.Tr key={name}>
            <Table.Th w="32%" fw={500} c="dimmed" scope="row">
              {name}
            </Table.Th>
            <Table.Td>{value}</Table.Td>
          </Table.Tr>
        ))}
      </Table.Tbody>
    </Table>
  );
}

/** A table that scrolls sideways on a narrow screen, by the keyboard as well. */
export function Rows(props: { head: ReactNode[]; children: ReactNode; label: string; minWidth?: number }) {
  return (
    <Table.ScrollContainer
      minWidth={props.minWidth ?? 560}
      scrollAreaProps={{ viewportProps: { tabIndex: 0, "aria-label": props.label } }}
    >
      <Table verticalSpacing="xs" aria-label={props.label}>
        <Table.Thead>
          <Table.Tr>
            {props.head.map((cell, at) => (
              <Table.Th key={at} scope="col">
                {cell}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>{props.children}</Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}
