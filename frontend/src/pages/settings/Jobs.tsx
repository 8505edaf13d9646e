/** What the worker does: how far each job is, its log while it runs. */

import { Button, Code, Drawer, Group, Select, Stack, Table, Text } from "@mantine/core";
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api, type Schemas } from "../../api/client";
import { useEvents } from "../../api/events";
import { Card, Doing, Facts, Rows, StateBadge } from "../../parts/Cards";
import { between, duration, moment } from "../../parts/format";
import { Log, type LogLine, withLine } from "../../parts/Log";
import { Screen } from "../../parts/Screen";
import { Empty, Failed, Loading } from "../../parts/States";
import { failed, said } from "../../parts/toasts";
import { words } from "../../words";

const t = words.settings.jobs;
type Job = Schemas["JobView"];
const STATES = ["queued", "running", "succeeded", "failed", "cancelled"] as const;

export function Jobs() {
  const [state, setState] = useState<Job["state"] | null>(null);
  const [open, setOpen] = useState<Job | null>(null);
  const jobs = useInfiniteQuery({
    queryKey: ["jobs", state],
    queryFn: ({ pageParam }) =>
      answer(
        api.GET("/api/v1/jobs", {
          params: { query: { state: state ?? undefined, cursor: pageParam, limit: 40 } },
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    refetchInterval: 3000,
  });
  const found = jobs.data?.pages.flatMap((page) => page.jobs) ?? [];
  return (
    <Screen
      title={t.title}
      lead={t.lead}
      actions={
        <Select
          aria-label={t.state}
          placeholder={t.anyState}
          data={STATES.map((value) => ({ value, label: words.common.states[value]! }))}
          value={state}
          onChange={(value) => setState(value as Job["state"] | null)}
          clearable
          w={160}
        />
      }
    >
      {jobs.isPending && <Loading />}
      {jobs.isError && found.length === 0 && <Failed error={jobs.error} retry={() => jobs.refetch()} />}
      {jobs.isSuccess && found.length === 0 && <Empty title={t.none} detail={t.noneDetail} />}
      {found.length > 0 && (
        <Card>
          <Rows
            label={t.title}
            head={[t.kind, t.state, t.progress, t.started, t.took, words.common.who, ""]}
            minWidth={760}
          >
            {found.map((job) => (
              <Row key={job.id} job={job} onOpen={() => setOpen(job)} />
            ))}
          </Rows>
          {jobs.hasNextPage && (
            <Button variant="default" onClick={() => jobs.fetchNextPage()} loading={jobs.isFetchingNextPage}>
              {words.common.more}
            </Button>
          )}
        </Card>
      )}
      {open && <JobDrawer key={open.id} job={open} onClose={() => setOpen(null)} />}
    </Screen>
  );
}

function isOpen(job: Job): boolean {
  return job.state === "queued" || job.state === "running";
}

function Row({ job, onOpen }: { job: Job; onOpen: () => void }) {
  return (
    <Table.Tr>
      <Table.Td>{job.kind}</Table.Td>
      <Table.Td>
        <StateBadge state={job.state} />
      </Table.Td>
      <Table.Td w={220}>
        {isOpen(job) ? <JobProgress job={job} /> : String(job.progress.phase ?? "–")}
      </Table.Td>
      <Table.Td>{moment(job.created_at)}</Table.Td>
      <Table.Td>{duration(between(job.started_at, job.finished_at))}</Table.Td>
      <Table.Td>{job.who}</Table.Td>
      <Table.Td>
        <Group gap="xs" wrap="nowrap" justify="flex-end">
          {isOpen(job) && <Cancel job={job} />}
          <Button size="compact-xs" variant="default" onClick={onOpen}>
            {t.log}
          </Button>
        </Group>
      </Table.Td>
    </Table.Tr>
  );
}

function JobProgress({ job }: { job: Job }) {
  const { progress } = job;
  return (
    <Doing
      phase={String(progress.phase ?? words.common.states[job.state])}
      done={progress.done as number | undefined}
      total={progress.total as number | undefined}
      note={progress.eta_s ? duration(Number(progress.eta_s)) : null}
    />
  );
}

function Cancel({ job }: { job: Job }) {
  const queries = useQueryClient();
  const cancel = useMutation({
    mutationFn: () =>
      answer(api.POST("/api/v1/jobs/{job_id}/cancel", { params: { path: { job_id: job.id } } })),
    onSuccess: () => {
      said(t.cancelled);
      void queries.invalidateQueries({ queryKey: ["jobs"] });
    },
    onError: failed,
  });
  return (
    <Button
      size="compact-xs"
      variant="default"
      onClick={() => cancel.mutate()}
      loading={cancel.isPending || job.cancelling}
    >
      {t.cancel}
    </Button>
  );
}

function JobDrawer({ job, onClose }: { job: Job; onClose: () => void }) {
  const [now, setNow] = useState(job);
  const [log, setLog] = useState<LogLine[]>([]);
  useEvents(`/api/v1/jobs/${job.id}/events`, {
    job: (changed: Job) => setNow(changed),
    end: (changed: Job) => setNow(changed),
    log: (row: LogLine) => setLog((rows) => withLine(rows, row)),
  });
  return (
    <Drawer opened onClose={onClose} position="right" size="lg" title={t.job(now.kind)}>
      <Stack>
        {isOpen(now) && <JobProgress job={now} />}
        <Facts
          rows={[
            [t.state, <StateBadge key="state" state={now.state} />],
            [t.started, moment(now.started_at)],
            [t.took, duration(between(now.started_at, now.finished_at))],
            [t.worker, now.worker ?? "–"],
            [t.attempt, String(now.attempt)],
            [
              t.args,
              <Code key="args" block tabIndex={0}>
                {JSON.stringify(now.args, null, 1)}
              </Code>,
            ],
            ...(now.error ? [[t.error, now.error] as [string, string]] : []),
          ]}
        />
        <Text fw={600}>{t.log}</Text>
        <Log lines={log} empty={t.noLog} />
      </Stack>
    </Drawer>
  );
}
