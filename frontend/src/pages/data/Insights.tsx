/** What a version, or everything, looks like. */

import { AreaChart, BarChart } from "@mantine/charts";
import "@mantine/charts/styles.css";
import { Select, SimpleGrid, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api, type Schemas } from "../../api/client";
import { Card, Figure } from "../../parts/Cards";
import { bytes, count } from "../../parts/format";
import { Empty, Loaded } from "../../parts/States";
import { useLine } from "../../shell/line";
import { words } from "../../words";
import { PictureDrawer } from "./PictureDrawer";
import { useVersions } from "./queries";
import { Thumbnail } from "./Tile";

const t = words.data;
type Found = Schemas["InsightsView"];

export function Insights() {
  const line = useLine();
  const versions = useVersions(line.name);
  const [version, setVersion] = useState<string | null>(null);
  const [open, setOpen] = useState<string | null>(null);
  const insights = useQuery({
    queryKey: ["insights", line.name, version],
    queryFn: () =>
      answer(
        api.GET("/api/v1/lines/{line}/insights", {
          params: { path: { line: line.name }, query: { version: version ?? undefined, samples: 5 } },
        }),
      ),
  });
  return (
    <Stack>
      <Select
        label={t.insightsOf}
        placeholder={t.now}
        data={(versions.data ?? []).map((one) => ({ value: String(one.number), label: one.name }))}
        value={version}
        onChange={setVersion}
        clearable
        size="xs"
        maw={260}
      />
      <Loaded
        query={insights}
        empty={(found) => found.size === 0}
        whenEmpty={<Empty title={t.noPictures} detail={t.noPicturesDetail} />}
      >
        {(found) => <Shown found={found} onOpen={setOpen} />}
      </Loaded>
      {open && <PictureDrawer sha256={open} onClose={() => setOpen(null)} onOpen={setOpen} />}
    </Stack>
  );
}

function Shown({ found, onOpen }: { found: Found; onOpen: (sha256: string) => void }) {
  const classes = found.classes.map((one) => ({ name: one.name, ...one.splits }));
  return (
    <Stack>
      <SimpleGrid cols={{ base: 2, md: 5 }}>
        <Figure label={t.pictures} value={count(found.size)} />
        <Figure label={t.storage} value={bytes(found.bytes)} />
        <Figure label={t.withoutLabel} value={count(found.unlabelled)} />
        <Figure
          label={t.balance}
          value={`${found.balance.ratio.toFixed(1)} : 1`}
          note={t.balanceNote(found.balance.effective)}
        />
        <Figure
          label={t.nearDuplicates}
          value={count(found.duplicates.groups)}
          note={`${t.conflicts(found.duplicates.conflicts)}, ${t.leaksN(found.duplicates.leaks)}`}
        />
      </SimpleGrid>
      <Card title={t.perClass}>
        <BarChart
          h={Math.max(180, classes.length * 30)}
          data={classes}
          dataKey="name"
          orientation="vertical"
          type="stacked"
          yAxisProps={{ width: 120, interval: 0 }}
          withLegend
          series={[
            { name: "train", label: t.splits.train, color: "brand.6" },
            { name: "validation", label: t.splits.validation, color: "yellow.6" },
            { name: "test", label: t.splits.test, color: "green.7" },
            { name: "none", label: t.splits.none, color: "gray.5" },
          ]}
        />
      </Card>
      <SimpleGrid cols={{ base: 1, lg: 2 }}>
        <Card title={t.growth}>
          <AreaChart
            h={220}
            data={found.growth}
            dataKey="day"
            series={[{ name: "total", label: t.total, color: "brand.6" }]}
            curveType="stepAfter"
          />
        </Card>
        <Card title={t.sizes}>
          <BarChart
            h={220}
            data={histogram(found)}
            dataKey="at"
            withLegend
            series={[
              { name: "width", label: t.width, color: "brand.6" },
              { name: "height", label: t.height, color: "yellow.6" },
            ]}
          />
        </Card>
      </SimpleGrid>
      <Card title={t.outliers}>
        <SimpleGrid cols={{ base: 1, sm: 2, lg: 4 }}>
          {(
            [
              [t.darkest, found.brightness.lowest],
              [t.brightest, found.brightness.highest],
              [t.blurriest, found.sharpness.lowest],
              [t.sharpest, found.sharpness.highest],
            ] as const
          ).map(([label, extremes]) => (
            <div key={label}>
              <Text size="sm" c="dimmed" mb={4}>
                {label}
              </Text>
              <SimpleGrid cols={4} spacing={4}>
                {extremes.slice(0, 4).map((one) => (
                  <button
                    key={one.sha256}
                    type="button"
                    className="sl-tile"
                    onClick={() => onOpen(one.sha256)}
                    aria-label={`${label} ${one.value.toFixed(0)}`}
                  >
                    <Thumbnail urls={one.urls} />
                  </button>
                ))}
              </SimpleGrid>
            </div>
          ))}
        </SimpleGrid>
      </Card>
      <Card title={t.samples}>
        <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }}>
          {found.classes
            .filter((one) => one.samples.length > 0)
            .map((one) => (
              <div key={one.name}>
                <Text size="sm" mb={4}>
                  {one.name}{" "}
                  <Text span c="dimmed">
                    {count(one.count)}
                  </Text>
                </Text>
                <SimpleGrid cols={5} spacing={4}>
                  {one.samples.map((sample) => (
                    <button
                      key={sample.sha256}
                      type="button"
                      className="sl-tile"
                      onClick={() => onOpen(sample.sha256)}
                      aria-label={t.open(one.name)}
                    >
                      <Thumbnail urls={sample.urls} />
                    </button>
                  ))}
                </SimpleGrid>
              </div>
            ))}
        </SimpleGrid>
      </Card>
    </Stack>
  );
}

/** Both sides' histograms on one axis, by their bars' lower ends. */
function histogram(found: Found): { at: number; width: number; height: number }[] {
  const rows = new Map<number, { at: number; width: number; height: number }>();
  for (const side of ["width", "height"] as const) {
    for (const bar of found[side].histogram) {
      const at = Math.round(bar.low);
      const row = rows.get(at) ?? { at, width: 0, height: 0 };
      row[side] += bar.count;
      rows.set(at, row);
    }
  }
  return [...rows.values()].sort((a, b) => a.at - b.at);
}
