/** Pictures that look alike: which there are, which disagree, which leak between splits, and the mending. */

import { Button, Group, SegmentedControl, Stack, Text } from "@mantine/core";
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api } from "../../api/client";
import { useMay } from "../../api/session";
import { Card } from "../../parts/Cards";
import { confirm } from "../../parts/confirm";
import { Empty, Failed, Loading } from "../../parts/States";
import { failed, said } from "../../parts/toasts";
import { useLine } from "../../shell/line";
import { words } from "../../words";
import { PictureDrawer } from "./PictureDrawer";
import { PictureTile } from "./Tile";

const t = words.data;
type Kind = keyof typeof t.groups;
const DETAIL: Record<Kind, string> = {
  duplicates: t.duplicatesDetail,
  conflicts: t.conflictsDetail,
  leaks: t.leaksDetail,
};

export function Duplicates() {
  const line = useLine();
  const may = useMay();
  const [kind, setKind] = useState<Kind>("duplicates");
  const [open, setOpen] = useState<string | null>(null);
  const groups = useInfiniteQuery({
    queryKey: ["groups", line.name, kind],
    queryFn: ({ pageParam }) =>
      answer(
        api.GET(`/api/v1/lines/{line}/${kind}`, {
          params: { path: { line: line.name }, query: { cursor: pageParam } },
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
  const found = groups.data?.pages.flatMap((page) => page.groups) ?? [];
  return (
    <Stack>
      <Group justify="space-between">
        <SegmentedControl
          data={Object.entries(t.groups).map(([value, label]) => ({ value, label }))}
          value={kind}
          onChange={(value) => setKind(value as Kind)}
          aria-label={t.tabs.duplicates}
        />
        {kind === "leaks" && found.length > 0 && may("train") && <Mend />}
      </Group>
      <Text size="sm" c="dimmed">
        {DETAIL[kind]}
      </Text>
      {groups.isPending && <Loading />}
      {groups.isError && found.length === 0 && <Failed error={groups.error} retry={() => groups.refetch()} />}
      {groups.isSuccess && found.length === 0 && <Empty title={t.noGroups} />}
      {found.map((group) => (
        <Card key={group.id} p="xs">
          <div className="sl-grid">
            {group.images.map((picture) => (
              <div key={picture.sha256}>
                <PictureTile picture={picture} onOpen={setOpen} />
                <Text size="xs" c="dimmed" px={6}>
                  {t.splits[picture.split]}
                </Text>
              </div>
            ))}
          </div>
        </Card>
      ))}
      {groups.hasNextPage && (
        <Button variant="default" onClick={() => groups.fetchNextPage()} loading={groups.isFetchingNextPage}>
          {words.common.more}
        </Button>
      )}
      {open && <PictureDrawer sha256={open} onClose={() => setOpen(null)} onOpen={setOpen} />}
    </Stack>
  );
}

function Mend() {
  const line = useLine();
  const queries = useQueryClient();
  const mend = useMutation({
    mutationFn: (how: "resplit" | "drop") =>
      answer(api.POST("/api/v1/lines/{line}/leaks/{how}", { params: { path: { line: line.name, how } } })),
    onSuccess: ({ mended }) => {
      said(t.mended(mended));
      for (const key of ["groups", "insights", "staged", "pictures"])
        void queries.invalidateQueries({ queryKey: [key] });
    },
    onError: failed,
  });
  const ask = (how: "resplit" | "drop") =>
    confirm({
      title: t.mendTitle,
      detail: t.mendDetail,
      yes: how === "drop" ? t.mendDrop : t.mendResplit,
      go: () => mend.mutate(how),
    });
  return (
    <Group gap="xs">
      <Button size="xs" onClick={() => ask("resplit")} loading={mend.isPending}>
        {t.mendResplit}
      </Button>
      <Button size="xs" variant="default" onClick={() => ask("drop")} disabled={mend.isPending}>
        {t.mendDrop}
      </Button>
    </Group>
  );
}
