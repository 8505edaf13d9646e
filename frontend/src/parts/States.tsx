/** What stands where content should: while it loads, when it failed, when there is none. */

import { Alert, Button, Group, Skeleton, Stack, Text, Title } from "@mantine/core";
import { IconAlertTriangle } from "@tabler/icons-react";
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Problem } from "../api/client";
import { words } from "../words";

export function Loading({ rows = 3 }: { rows?: number }) {
  return (
    <Stack gap="sm" role="status" aria-label={words.common.loading}>
      {Array.from({ length: rows }, (_, row) => (
        <Skeleton key={row} height={row === 0 ? 28 : 56} width={row === 0 ? "40%" : "100%"} />
      ))}
    </Stack>
  );
}

export function Failed({ error, retry, title }: { error: unknown; retry?: () => void; title?: string }) {
  return (
    <Alert color="red" icon={<IconAlertTriangle aria-hidden />} title={title ?? titleOf(error)} role="alert">
      <Stack gap="sm" align="flex-start">
        <Text size="sm" style={{ overflowWrap: "anywhere" }}>
          {messageOf(error)}
        </Text>
        {retry && (
          <Button size="xs" variant="default" onClick={retry}>
            {words.common.retry}
          </Button>
        )}
      </Stack>
    </Alert>
  );
}

/** `whole`: it stands for the page itself, so its title is the page's. */
export function Empty(props: {
  title: string;
  detail?: ReactNode;
  icon?: ReactNode;
  children?: ReactNode;
  whole?: boolean;
}) {
  return (
    <Stack align="center" gap="xs" py="xl" className="sl-empty">
      {props.icon}
      <Title order={props.whole ? 1 : 2} size="h4" ta="center">
        {props.title}
      </Title>
      {props.detail && (
        <Text c="dimmed" ta="center" maw={520} component="div">
          {props.detail}
        </Text>
      )}
      {props.children && <Group mt="xs">{props.children}</Group>}
    </Stack>
  );
}

/** The query's data through `children`; before that, skeletons or what went wrong with a way to try again. */
export function Loaded<T>(props: {
  query: UseQueryResult<T>;
  rows?: number;
  empty?: (data: T) => boolean;
  whenEmpty?: ReactNode;
  children: (data: T) => ReactNode;
}) {
  const { query } = props;
  if (query.data === undefined) {
    if (query.isError) return <Failed error={query.error} retry={() => query.refetch()} />;
    return <Loading rows={props.rows} />;
  }
  if (props.empty?.(query.data)) return props.whenEmpty;
  return props.children(query.data);
}

export function titleOf(error: unknown): string {
  return error instanceof Problem ? error.title : words.common.failed;
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
