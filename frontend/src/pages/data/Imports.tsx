/** The line's imports: how far each is, what became of its files, what was refused and why. */

import { Anchor, Button, Group, Modal, Select, Stack, Table, Text } from "@mantine/core";
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";
import { answer, api, type Schemas } from "../../api/client";
import { Card, Doing, Rows, StateBadge } from "../../parts/Cards";
import { count, duration, moment } from "../../parts/format";
import { Failed, Loaded, Loading } from "../../parts/States";
import { failed } from "../../parts/toasts";
import { useLine } from "../../shell/line";
import { words } from "../../words";

const t = words.data;
type Import = Schemas["ImportView"];

export function Imports() {
  const line = useLine();
  const queries = useQueryClient();
  const imports = useQuery({
    queryKey: ["imports", line.name],
    queryFn: async () =>
      (
        await answer(
          api.GET("/api/v1/lines/{line}/imports", {
            params: { path: { line: line.name }, query: { limit: 20 } },
          }),
        )
      ).imports,
    refetchInterval: (query) => (query.state.data?.some(isOpen) ? 1000 : false),
  });
  const [report, setReport] = useState<Import | null>(null);
  const open = imports.data?.filter(isOpen).length ?? 0;
  const before = useRef(0);
  // What was imported shows wherever pictures do.
  useEffect(() => {
    if (open < before.current) {
      for (const key of ["pictures", "versions", "classes", "lines", "insights"])
        void queries.invalidateQueries({ queryKey: [key] });
    }
    before.current = open;
  }, [open, queries]);
  return (
    <Card title={t.imports}>
      <Loaded
        query={imports}
        empty={(found) => found.length === 0}
        whenEmpty={<Text c="dimmed">{t.noImports}</Text>}
      >
        {(found) => (
          <Stack>
            {found.map((one) => (
              <Row key={one.id} found={one} onReport={() => setReport(one)} />
            ))}
          </Stack>
        )}
      </Loaded>
      {report && <Report found={report} onClose={() => setReport(null)} />}
    </Card>
  );
}

function isOpen(found: Import): boolean {
  return found.state === "queued" || found.state === "running";
}

function Row({ found, onReport }: { found: Import; onReport: () => void }) {
  const line = useLine();
  const queries = useQueryClient();
  const cancel = useMutation({
    mutationFn: () =>
      answer(
        api.POST("/api/v1/lines/{line}/imports/{import_id}/cancel", {
          params: { path: { line: line.name, import_id: found.id } },
        }),
      ),
    onSettled: () => queries.invalidateQueries({ queryKey: ["imports", line.name] }),
    onError: failed,
  });
  const outcomes = Object.entries(found.outcomes)
    .filter(([, n]) => n > 0)
    .map(([name, n]) => `${count(n)} ${t.outcomes[name] ?? name}`)
    .join(", ");
  const problems = Object.values(found.problems).reduce((sum, n) => sum + n, 0);
  const left = found.total && found.rate ? (found.total - found.done) / found.rate : null;
  return (
    <Stack gap={4} data-import={found.state}>
      <Group justify="space-between" gap="xs">
        <Group gap="xs">
          <StateBadge state={found.state} />
          <Text fw={600} style={{ overflowWrap: "anywhere" }}>
            {found.source}
          </Text>
        </Group>
        <Group gap="xs">
          <Text size="xs" c="dimmed">
            {found.who}, {moment(found.created_at)}
          </Text>
          {problems > 0 && (
            <Button size="compact-xs" variant="default" onClick={onReport}>
              {t.report} ({count(problems)})
            </Button>
          )}
          {isOpen(found) && (
            <Button
              size="compact-xs"
              variant="default"
              onClick={() => cancel.mutate()}
              loading={cancel.isPending}
            >
              {words.common.cancel}
            </Button>
          )}
        </Group>
      </Group>
      {isOpen(found) && (
        <Doing
          phase={t.checking}
          done={found.done}
          total={found.total}
          note={left !== null && duration(left)}
        />
      )}
      {outcomes && (
        <Text size="sm" c="dimmed">
          {outcomes}
        </Text>
      )}
      {found.error && (
        <Text size="sm" c="red">
          {found.error}
        </Text>
      )}
    </Stack>
  );
}

function Report({ found, onClose }: { found: Import; onClose: () => void }) {
  const line = useLine();
  const [code, setCode] = useState<string | null>(null);
  const path = { line: line.name, import_id: found.id };
  const problems = useInfiniteQuery({
    queryKey: ["problems", found.id, code],
    queryFn: async ({ pageParam }) =>
      (await answer(
        api.GET("/api/v1/lines/{line}/imports/{import_id}/problems", {
          params: { path, query: { code: code ?? undefined, cursor: pageParam } },
        }),
      )) as Schemas["ProblemPage"],
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
  const rows = problems.data?.pages.flatMap((page) => page.problems) ?? [];
  return (
    <Modal opened onClose={onClose} title={t.reportTitle} size="xl">
      <Stack>
        <Group justify="space-between">
          <Select
            aria-label={t.anyProblem}
            placeholder={t.anyProblem}
            data={Object.entries(found.problems).map(([value, n]) => ({ value, label: `${value} (${n})` }))}
            value={code}
            onChange={setCode}
            clearable
            size="xs"
          />
          <Anchor
            href={`/api/v1/lines/${line.name}/imports/${found.id}/problems?format=csv`}
            download
            size="sm"
          >
            {t.reportCsv}
          </Anchor>
        </Group>
        {problems.isPending && <Loading />}
        {problems.isError && <Failed error={problems.error} retry={() => problems.refetch()} />}
        {problems.isSuccess && rows.length === 0 && <Text>{t.noProblems}</Text>}
        {rows.length > 0 && (
          <Rows label={t.reportTitle} head={[t.file, t.why]}>
            {rows.map((row) => (
              <Table.Tr key={`${row.position} ${row.code}`}>
                <Table.Td style={{ overflowWrap: "anywhere" }}>{row.file}</Table.Td>
                <Table.Td>{row.detail}</Table.Td>
              </Table.Tr>
            ))}
          </Rows>
        )}
        {problems.hasNextPage && (
          <Button
            variant="default"
            onClick={() => problems.fetchNextPage()}
            loading={problems.isFetchingNextPage}
          >
            {words.common.more}
          </Button>
        )}
      </Stack>
    </Modal>
  );
}
