/** How the review goes: what waits, how fast, how well people agree, where the line errs. */

import { BarChart } from "@mantine/charts";
import "@mantine/charts/styles.css";
import { SimpleGrid, Stack, Table, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Card, Figure, Rows } from "../../parts/Cards";
import { ago, count, percent } from "../../parts/format";
import { Loaded } from "../../parts/States";
import { useLine } from "../../shell/line";
import { words } from "../../words";
import { reviewOf, type Stats } from "./api";

const t = words.review;

export function Figures() {
  const { name } = useLine();
  const stats = useQuery({
    queryKey: ["review", "stats", name],
    queryFn: () => reviewOf(name).stats(),
    refetchInterval: 15_000,
  });
  return <Loaded query={stats}>{(found) => <Shown stats={found} />}</Loaded>;
}

function Shown({ stats }: { stats: Stats }) {
  const waiting = Object.values(stats.waiting).reduce((sum, n) => sum + n, 0);
  const reasons = Object.entries(stats.waiting).map(([reason, n]) => `${t.reasons[reason] ?? reason} ${n}`);
  return (
    <Stack>
      <SimpleGrid cols={{ base: 2, md: 3, xl: 6 }}>
        <Figure label={t.waitingNow} value={count(waiting)} note={reasons.join(", ")} />
        <Figure
          label={t.oldest}
          value={stats.oldest ? ago(stats.oldest) : "–"}
          note={`${t.held}: ${count(stats.leased)}`}
        />
        <Figure
          label={t.labelsPerHour}
          value={count(stats.labels_per_hour === null ? null : Math.round(stats.labels_per_hour))}
        />
        <Figure label={t.secondsPerLabel} value={stats.seconds_per_label?.toFixed(1) ?? "–"} />
        <Figure
          label={t.agreement}
          value={stats.agreement ? stats.agreement.kappa.toFixed(2) : "–"}
          note={stats.agreement ? t.agreementNote(stats.agreement.pairs) : t.noAgreement}
        />
        <Figure
          label={t.accuracy}
          value={percent(stats.accuracy?.value)}
          note={
            stats.accuracy
              ? t.accuracyNote(stats.accuracy.n, percent(stats.accuracy.low), percent(stats.accuracy.high))
              : t.noAccuracy
          }
        />
      </SimpleGrid>
      <Card title={t.perDay}>
        {stats.per_day.length === 0 ? (
          <Text c="dimmed">{t.noFigures}</Text>
        ) : (
          <BarChart
            h={240}
            data={stats.per_day}
            dataKey="day"
            withLegend
            series={[
              { name: "arrived", label: t.arrived, color: "yellow.7" },
              { name: "decided", label: t.decidedSeries, color: "brand.6" },
            ]}
          />
        )}
      </Card>
      <SimpleGrid cols={{ base: 1, md: 2 }}>
        <Card title={t.people}>
          {stats.people.length === 0 ? (
            <Text c="dimmed">{t.noFigures}</Text>
          ) : (
            <Rows
              label={t.people}
              head={[words.common.who, t.labels, t.labelsPerHour, t.seconds]}
              minWidth={320}
            >
              {stats.people.map((one) => (
                <Table.Tr key={one.who}>
                  <Table.Td>{one.who}</Table.Td>
                  <Table.Td>{count(one.labels)}</Table.Td>
                  <Table.Td>{count(one.per_hour === null ? null : Math.round(one.per_hour))}</Table.Td>
                  <Table.Td>{one.seconds?.toFixed(1) ?? "–"}</Table.Td>
                </Table.Tr>
              ))}
            </Rows>
          )}
        </Card>
        <Card title={t.confusions}>
          {stats.confusions.length === 0 ? (
            <Text c="dimmed">{t.noFigures}</Text>
          ) : (
            <Rows label={t.confusions} head={[t.predicted, t.label, t.times]} minWidth={280}>
              {stats.confusions.map((one) => (
                <Table.Tr key={`${one.predicted} ${one.label}`}>
                  <Table.Td>{one.predicted}</Table.Td>
                  <Table.Td>{one.label}</Table.Td>
                  <Table.Td>{count(one.n)}</Table.Td>
                </Table.Tr>
              ))}
            </Rows>
          )}
        </Card>
      </SimpleGrid>
    </Stack>
  );
}
