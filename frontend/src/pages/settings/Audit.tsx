/** Who changed what, newest first. */

import { Button, Table } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { answer, api } from "../../api/client";
import { Card, Rows } from "../../parts/Cards";
import { moment } from "../../parts/format";
import { Empty, Failed, Loading } from "../../parts/States";
import { words } from "../../words";

const t = words.settings.people;

export function Audit() {
  const audit = useInfiniteQuery({
    queryKey: ["audit"],
    queryFn: ({ pageParam }) =>
      answer(api.GET("/api/v1/audit", { params: { query: { cursor: pageParam } } })),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
  const events = audit.data?.pages.flatMap((page) => page.events) ?? [];
  if (audit.isPending) return <Loading />;
  if (audit.isError && events.length === 0)
    return <Failed error={audit.error} retry={() => audit.refetch()} />;
  if (events.length === 0) return <Empty title={t.noAudit} />;
  return (
    <Card title={t.audit}>
      <Rows
        label={t.audit}
        head={[words.common.when, words.common.who, t.what, t.result, t.where]}
        minWidth={720}
      >
        {events.map((event) => (
          <Table.Tr key={event.id}>
            <Table.Td>{moment(event.at)}</Table.Td>
            <Table.Td>{event.who}</Table.Td>
            <Table.Td>
              <span className="sl-mono">{event.route}</span> {event.target}
            </Table.Td>
            <Table.Td>{event.status}</Table.Td>
            <Table.Td>{event.address ?? "–"}</Table.Td>
          </Table.Tr>
        ))}
      </Rows>
      {audit.hasNextPage && (
        <Button variant="default" onClick={() => audit.fetchNextPage()} loading={audit.isFetchingNextPage}>
          {words.common.more}
        </Button>
      )}
    </Card>
  );
}
