/** The dashboard's charts. */

import { AreaChart, BarChart } from "@mantine/charts";
import "@mantine/charts/styles.css";
import { Text } from "@mantine/core";
import { useMemo } from "react";
import { Brush } from "recharts";
import type { Schemas } from "../../api/client";
import { Card } from "../../parts/Cards";
import { SERIES } from "../../theme";
import { words } from "../../words";

const t = words.dashboard;
const MOST_SERIES = 9;

export type DashboardData = Schemas["DashboardView"];

export function ClassesOverTime({ found }: { found: DashboardData }) {
  const { rows, names } = useMemo(() => perClass(found), [found]);
  return (
    <Card title={t.perClass}>
      <AreaChart
        h={320}
        data={rows}
        dataKey="at"
        type="stacked"
        withLegend
        legendProps={{ verticalAlign: "top" }}
        series={names.map((name, at) => ({ name, color: SERIES[at % SERIES.length]! }))}
        curveType="monotone"
        withDots={false}
        gridAxis="y"
      >
        <Brush
          dataKey="at"
          height={26}
          stroke="var(--sl-edge)"
          fill="var(--sl-sunken)"
          travellerWidth={10}
          ariaLabel={t.brush}
        />
      </AreaChart>
      <Text size="xs" c="dimmed">
        {t.brush}
      </Text>
    </Card>
  );
}

export function Verdicts({ found }: { found: DashboardData }) {
  const rows = found.counts.map((bucket) => ({
    at: label(bucket.at, found.bucket),
    accepted: bucket.accepted,
    reviewed: bucket.reviewed,
  }));
  return (
    <Card title={t.verdicts}>
      <BarChart
        h={240}
        data={rows}
        dataKey="at"
        type="stacked"
        withLegend
        gridAxis="y"
        series={[
          { name: "accepted", label: t.accepted, color: "green.7" },
          { name: "reviewed", label: t.reviewed, color: "yellow.6" },
        ]}
      />
    </Card>
  );
}

export function Reasons({ found }: { found: DashboardData }) {
  const rows = Object.entries(found.reasons).map(([reason, n]) => ({
    reason: words.review.reasons[reason] ?? reason,
    n,
  }));
  return (
    <Card title={t.reasons}>
      {rows.length === 0 ? (
        <Text c="dimmed">–</Text>
      ) : (
        <BarChart
          h={240}
          data={rows}
          dataKey="reason"
          orientation="vertical"
          yAxisProps={{ width: 90 }}
          series={[{ name: "n", label: t.items, color: "yellow.6" }]}
          gridAxis="x"
        />
      )}
    </Card>
  );
}

/** A row for each bucket with a column for each of the most frequent classes; the rest are one column. */
function perClass(found: DashboardData): { rows: Record<string, string | number>[]; names: string[] } {
  const all = Object.keys(found.classes);
  const names = all.slice(0, MOST_SERIES);
  const rest = all.slice(MOST_SERIES);
  const rows = found.counts.map((bucket) => {
    const row: Record<string, string | number> = { at: label(bucket.at, found.bucket) };
    for (const name of names) row[name] = bucket.classes[name] ?? 0;
    if (rest.length > 0) row[t.other] = rest.reduce((sum, name) => sum + (bucket.classes[name] ?? 0), 0);
    return row;
  });
  return { rows, names: rest.length > 0 ? [...names, t.other] : names };
}

function label(at: string, bucket: "hour" | "day"): string {
  const date = new Date(at);
  return bucket === "day"
    ? date.toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" })
    : date.toLocaleString("en-GB", { weekday: "short", hour: "2-digit", minute: "2-digit" });
}
