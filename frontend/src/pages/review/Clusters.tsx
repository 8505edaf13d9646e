/** Groups of waiting pictures that look alike. */

import { Button, Group, SimpleGrid, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Card } from "../../parts/Cards";
import { ago } from "../../parts/format";
import { Empty, Loaded } from "../../parts/States";
import { useLine } from "../../shell/line";
import { words } from "../../words";
import { reviewOf } from "./api";

const t = words.review;

export function Clusters({ onLabel }: { onLabel: (cluster: string) => void }) {
  const { name } = useLine();
  const clusters = useQuery({
    queryKey: ["review", "clusters", name],
    queryFn: async () => (await reviewOf(name).clusters()).clusters,
  });
  return (
    <Stack gap="sm">
      <Text size="sm" c="dimmed">
        {t.clustersDetail}
      </Text>
      <Loaded
        query={clusters}
        empty={(found) => found.length === 0}
        whenEmpty={<Empty title={t.clustersEmpty} />}
      >
        {(found) => (
          <SimpleGrid cols={{ base: 1, sm: 2, lg: 3 }}>
            {found.map((cluster) => (
              <Card
                key={cluster.id}
                title={t.cluster(cluster.size)}
                actions={
                  <Button size="compact-sm" onClick={() => onLabel(String(cluster.id))}>
                    {t.labelCluster}
                  </Button>
                }
              >
                <SimpleGrid cols={4} spacing={6}>
                  {cluster.examples.slice(0, 8).map((item) => (
                    <img
                      key={item.id}
                      className="sl-thumb"
                      src={item.thumbnail}
                      alt={item.class ?? t.nothing}
                      loading="lazy"
                    />
                  ))}
                </SimpleGrid>
                <Group justify="space-between" mt="xs">
                  <Text size="xs" c="dimmed">
                    {t.growing(cluster.growing)}
                  </Text>
                  <Text size="xs" c="dimmed">
                    {ago(cluster.newest)}
                  </Text>
                </Group>
              </Card>
            ))}
          </SimpleGrid>
        )}
      </Loaded>
    </Stack>
  );
}
