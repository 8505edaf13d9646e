/** How the line does: what came, how it was answered, how fast, what serves. */

import { Alert, Button, Group, SegmentedControl, SimpleGrid, Stack, Text } from "@mantine/core";
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { Link, useSearchParams } from "react-router";
import { answer, api } from "../../api/client";
import { Card, Figure, StateBadge } from "../../parts/Cards";
import { bytes, count, duration, moment, ms, percent, short } from "../../parts/format";
import { Screen } from "../../parts/Screen";
import { Empty, Loaded } from "../../parts/States";
import { useLine, useLinked } from "../../shell/line";
import { words } from "../../words";
import { ClassesOverTime, type DashboardData, Reasons, Verdicts } from "./charts";

const t = words.dashboard;

const SPANS: Record<string, { hours: number; bucket: "hour" | "day" }> = {
  "24h": { hours: 24, bucket: "hour" },
  "7d": { hours: 24 * 7, bucket: "hour" },
  "30d": { hours: 24 * 30, bucket: "day" },
  "90d": { hours: 24 * 90, bucket: "day" },
};
const EVERY_MS = 4000;

export function Dashboard() {
  const line = useLine();
  const linked = useLinked();
  const [search, setSearch] = useSearchParams();
  const name = search.get("span") ?? "24h";
  const span = SPANS[name] ?? SPANS["24h"]!;
  const figures = useQuery({
    queryKey: ["dashboard", line.name, name],
    queryFn: () =>
      answer(
        api.GET("/api/v1/lines/{line}/dashboard", {
          params: {
            path: { line: line.name },
            query: {
              bucket: span.bucket,
              since: new Date(Date.now() - span.hours * 3_600_000).toISOString(),
            },
          },
        }),
      ),
    refetchInterval: EVERY_MS,
    placeholderData: keepPreviousData,
  });
  return (
    <Screen
      title={t.title}
      actions={
        <SegmentedControl
          aria-label={t.span}
          data={Object.entries(t.spans).map(([value, label]) => ({ value, label }))}
          value={name}
          onChange={(value) =>
            setSearch((now) => {
              now.set("span", value);
              return now;
            })
          }
          size="xs"
        />
      }
    >
      <Loaded query={figures} rows={5}>
        {(found) => (
          <Stack>
            {found.drifted && (
              <Alert color="yellow">
                <Group justify="space-between">
                  {t.drifted}
                  <Button size="xs" component={Link} to={linked("/settings/line")}>
                    {t.toPolicy}
                  </Button>
                </Group>
              </Alert>
            )}
            <Numbers found={found} />
            {found.total === 0 ? (
              <Empty title={t.nothing} detail={t.nothingDetail}>
                <Button component={Link} to={linked("/")}>
                  {t.classify}
                </Button>
              </Empty>
            ) : (
              <>
                <ClassesOverTime found={found} />
                <SimpleGrid cols={{ base: 1, lg: 2 }}>
                  <Verdicts found={found} />
                  <Reasons found={found} />
                </SimpleGrid>
              </>
            )}
            <SimpleGrid cols={{ base: 1, lg: 2 }}>
              <Runs runs={found.runs} />
              <Jobs jobs={found.jobs} />
            </SimpleGrid>
          </Stack>
        )}
      </Loaded>
    </Screen>
  );
}

function Numbers({ found }: { found: DashboardData }) {
  const linked = useLinked();
  const { live, server, latency } = found;
  return (
    <SimpleGrid cols={{ base: 2, sm: 3, lg: 5 }}>
      <Figure
        label={t.items}
        value={count(found.total)}
        note={t.perHour(count(Math.round(found.throughput.per_hour)))}
      />
      <Figure
        label={t.reviewRate}
        value={percent(found.review_rate)}
        note={`${t.reviewed}: ${count(found.reviewed)}`}
      />
      <Accuracy accuracy={found.accuracy} />
      <Figure
        label={t.queue}
        value={count(found.queue)}
        note={<Link to={linked("/review")}>{t.toReview}</Link>}
      />
      <Figure
        label={t.model}
        value={
          <Text fz="lg" fw={650} truncate title={live.model?.name}>
            {live.model?.name ?? t.noModel}
          </Text>
        }
        note={
          live.problem ??
          (live.since ? t.since(moment(live.since), live.who ?? "–") : short(live.model?.hash))
        }
      />
      <Figure
        label={t.latency}
        value={ms(latency?.p50)}
        note={latency && t.latencyNote(ms(latency.p95), ms(latency.p99))}
      />
      <Figure label={t.throughput} value={t.perMinute(found.throughput.per_minute)} />
      <Figure label={t.cpu} value={`${server.cpu_percent.toFixed(0)}%`} note={t.ofOneCore} />
      <Figure
        label={t.memory}
        value={bytes(server.memory_bytes)}
        note={t.ofTheMachine(`${server.memory_percent.toFixed(1)}%`)}
      />
      <Figure label={t.uptime} value={duration(server.uptime_seconds)} />
    </SimpleGrid>
  );
}

function Accuracy({ accuracy }: { accuracy: DashboardData["accuracy"] }) {
  return (
    <Figure
      label={t.accuracy}
      value={percent(accuracy?.value)}
      note={
        accuracy ? t.accuracyNote(percent(accuracy.low), percent(accuracy.high), accuracy.n) : t.noAccuracy
      }
    />
  );
}

function Runs({ runs }: { runs: DashboardData["runs"] }) {
  const linked = useLinked();
  return (
    <Card title={t.runs}>
      {runs.length === 0 && <Text c="dimmed">{t.noRuns}</Text>}
      <Stack gap="xs">
        {runs.map((run) => (
          <Group key={run.id} justify="space-between" wrap="nowrap">
            <Link to={linked(`/training/${run.id}`)}>
              {words.training.methods[run.method]} {run.note}
            </Link>
            <Group gap="xs" wrap="nowrap">
              <Text size="xs" c="dimmed">
                {moment(run.created_at)}
              </Text>
              <StateBadge state={run.state} />
            </Group>
          </Group>
        ))}
      </Stack>
    </Card>
  );
}

function Jobs({ jobs }: { jobs: DashboardData["jobs"] }) {
  return (
    <Card title={t.jobs}>
      {jobs.length === 0 && <Text c="dimmed">{t.noJobs}</Text>}
      <Stack gap="xs">
        {jobs.map((job) => (
          <Group key={job.id} justify="space-between" wrap="nowrap">
            <Text size="sm">{job.kind}</Text>
            <Group gap="xs" wrap="nowrap">
              <Text size="xs" c="dimmed">
                {moment(job.created_at)}
              </Text>
              <StateBadge state={job.state} />
            </Group>
          </Group>
        ))}
      </Stack>
    </Card>
  );
}
