/** What waits, and who holds it. */

import { Button, Center, Select, Stack, Table, Text } from "@mantine/core";
import { useInfiniteQuery } from "@tanstack/react-query";
import { useState } from "react";
import { Rows, StateBadge } from "../../parts/Cards";
import { moment, percent } from "../../parts/format";
import { Empty, Failed, Loading } from "../../parts/States";
import { useLine } from "../../shell/line";
import { words } from "../../words";
import { reviewOf, type Wanted } from "./api";

const t = words.review;

export function QueueList() {
  const { name } = useLine();
  const [reason, setReason] = useState<string | null>(null);
  const list = useInfiniteQuery({
    queryKey: ["review", "list", name, reason],
    queryFn: ({ pageParam }) =>
      reviewOf(name).list({
        limit: 50,
        reason: (reason as Wanted["reason"]) ?? undefined,
        cursor: pageParam,
      }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next ?? undefined,
  });
  const items = list.data?.pages.flatMap((page) => page.items);
  return (
    <Stack gap="sm">
      <Select
        aria-label={t.reason}
        placeholder={t.anyReason}
        data={Object.entries(t.reasons).map(([value, label]) => ({ value, label }))}
        value={reason}
        onChange={setReason}
        clearable
        size="xs"
        w={150}
      />
      {list.isError && !items && <Failed error={list.error} retry={() => list.refetch()} />}
      {list.isPending && <Loading />}
      {items?.length === 0 && <Empty title={t.empty} detail={t.emptyDetail} />}
      {items && items.length > 0 && (
        <Rows
          label={t.modes.queue}
          head={["", t.taken, t.reason, words.common.state, words.common.when, t.holds]}
        >
          {items.map((item) => (
            <Table.Tr key={item.id}>
              <Table.Td w={64}>
                <img className="sl-thumb" src={item.thumbnail} alt="" loading="lazy" />
              </Table.Td>
              <Table.Td>
                {item.class ?? t.nothing}{" "}
                <Text span c="dimmed" size="sm">
                  {item.class && percent(item.confidence)}
                </Text>
              </Table.Td>
              <Table.Td>{t.reasons[item.reason] ?? item.reason}</Table.Td>
              <Table.Td>
                <StateBadge state={item.state} label={item.label ?? t.states[item.state] ?? item.state} />
              </Table.Td>
              <Table.Td>{moment(item.at)}</Table.Td>
              <Table.Td>
                {item.lease_by ? `${item.lease_by} ${t.until} ${moment(item.lease_until)}` : t.nobody}
              </Table.Td>
            </Table.Tr>
          ))}
        </Rows>
      )}
      {list.hasNextPage && (
        <Center>
          <Button variant="default" onClick={() => list.fetchNextPage()} loading={list.isFetchingNextPage}>
            {words.common.more}
          </Button>
        </Center>
      )}
    </Stack>
  );
}
