/** The versions as the tree they are, and what changed from one to another. */

import { Badge, Button, Grid, Group, Menu, Paper, Select, SimpleGrid, Stack, Text } from "@mantine/core";
import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useSearchParams } from "react-router";
import { answer, api, type Schemas } from "../../api/client";
import { useMay } from "../../api/session";
import { Card, StateBadge } from "../../parts/Cards";
import { count, moment } from "../../parts/format";
import { Empty, Failed, Loaded, Loading } from "../../parts/States";
import { failed, said, undoable } from "../../parts/toasts";
import { useLine, useLinked } from "../../shell/line";
import { words } from "../../words";
import { useVersions, type Version } from "./queries";
import { Thumbnail } from "./Tile";

const t = words.data;

export function Versions() {
  const line = useLine();
  const versions = useVersions(line.name);
  const linked = useLinked();
  const [search, setSearch] = useSearchParams();
  return (
    <Loaded
      query={versions}
      empty={(found) => found.length === 0}
      whenEmpty={
        <Empty title={t.noVersions} detail={t.noVersionsDetail}>
          <Button component={Link} to={linked("/data/add")}>
            {t.addPictures}
          </Button>
        </Empty>
      }
    >
      {(found) => {
        const chosen =
          found.find((one) => String(one.number) === search.get("v")) ??
          found.find((one) => one.active) ??
          found[0]!;
        const choose = (number: number) =>
          setSearch((now) => {
            now.set("v", String(number));
            return now;
          });
        return (
          <Grid gap="md">
            <Grid.Col span={{ base: 12, md: 5 }}>
              <Tree versions={found} parent={null} chosen={chosen.number} onChoose={choose} />
            </Grid.Col>
            <Grid.Col span={{ base: 12, md: 7 }}>
              <Detail key={chosen.number} version={chosen} all={found} />
            </Grid.Col>
          </Grid>
        );
      }}
    </Loaded>
  );
}

function Tree(props: {
  versions: Version[];
  parent: number | null;
  chosen: number;
  onChoose: (number: number) => void;
}) {
  const known = new Set(props.versions.map((one) => one.number));
  const children = props.versions.filter((one) =>
    // Older ones than are listed leave their children at the root.
    props.parent === null ? one.parent === null || !known.has(one.parent) : one.parent === props.parent,
  );
  if (children.length === 0) return null;
  return (
    <ul className="sl-tree">
      {children.map((version) => (
        <li key={version.number}>
          <button
            type="button"
            className="sl-tile"
            aria-pressed={version.number === props.chosen}
            onClick={() => props.onChoose(version.number)}
          >
            <Paper withBorder p="sm" radius="md" className="sl-card" component="span" display="block">
              <Group justify="space-between" gap="xs" component="span">
                <Text span fw={600}>
                  {version.name}
                </Text>
                {version.active && <StateBadge state="live" label={t.active} />}
                {version.state === "building" && <StateBadge state="building" />}
              </Group>
              <Text span size="xs" c="dimmed" display="block">
                {words.common.pictures(version.size)} · {delta(version)}
              </Text>
              <Text span size="xs" c="dimmed" display="block">
                {t.by(version.author, moment(version.created_at))}
              </Text>
            </Paper>
          </button>
          {/* A long history is one line downwards: only what branches off is set in. */}
          <Tree {...props} parent={version.number} />
        </li>
      ))}
    </ul>
  );
}

function delta(version: Version): string {
  const parts = [`+${count(version.added)}`, `−${count(version.removed)}`];
  if (version.relabelled) parts.push(`~${count(version.relabelled)}`);
  return parts.join(" ");
}

function Detail({ version, all }: { version: Version; all: Version[] }) {
  const line = useLine();
  const linked = useLinked();
  const may = useMay();
  const queries = useQueryClient();
  const path = { line: line.name, version: String(version.number) };
  const again = () => queries.invalidateQueries({ queryKey: ["versions", line.name] });
  const activate = useMutation({
    mutationFn: (number: number) =>
      answer(
        api.POST("/api/v1/lines/{line}/versions/{version}/activate", {
          params: { path: { line: line.name, version: String(number) } },
        }),
      ),
    onSuccess: (now) => {
      void again();
      const before = all.find((one) => one.active);
      if (before && before.number !== now.number)
        undoable(t.activated(now.name), () => activate.mutate(before.number));
    },
    onError: failed,
  });
  const make = useMutation({
    mutationFn: (from: "restore" | "merge") =>
      answer(
        api.POST("/api/v1/lines/{line}/versions", {
          params: { path: { line: line.name } },
          body: {
            from,
            version: String(version.number),
            ...(from === "merge" && { prefer: "ours" as const }),
          },
        }),
      ),
    onSuccess: (made) => {
      void again();
      said(t.restored(made.name));
    },
    onError: failed,
  });
  const ready = version.state === "ready";
  return (
    <Card
      title={
        <Group gap="xs">
          {version.name}
          {version.active && <StateBadge state="live" label={t.active} />}
        </Group>
      }
      actions={
        <>
          <Button size="xs" variant="default" component={Link} to={linked(`/data?version=${version.number}`)}>
            {t.browse}
          </Button>
          <Menu>
            <Menu.Target>
              <Button size="xs" variant="default" disabled={!ready}>
                {t.export}
              </Button>
            </Menu.Target>
            <Menu.Dropdown>
              {Object.entries(t.formats).map(([format, label]) => (
                <Menu.Item
                  key={format}
                  component="a"
                  href={`/api/v1/lines/${path.line}/versions/${path.version}/export?format=${format}`}
                  download
                >
                  {label}
                </Menu.Item>
              ))}
            </Menu.Dropdown>
          </Menu>
          {may("train") && !version.active && (
            <>
              <Button
                size="xs"
                onClick={() => activate.mutate(version.number)}
                loading={activate.isPending}
                disabled={!ready}
              >
                {t.activate}
              </Button>
              <Menu>
                <Menu.Target>
                  <Button size="xs" variant="default" disabled={!ready} loading={make.isPending}>
                    {words.common.more}
                  </Button>
                </Menu.Target>
                <Menu.Dropdown>
                  <Menu.Item onClick={() => make.mutate("restore")}>{t.restore}</Menu.Item>
                  <Menu.Item onClick={() => make.mutate("merge")}>{t.mergeInto}</Menu.Item>
                </Menu.Dropdown>
              </Menu>
            </>
          )}
        </>
      }
    >
      <Stack>
        {version.notes && <Text size="sm">{version.notes}</Text>}
        {ready ? <Diff version={version} all={all} /> : <Text>{t.building}</Text>}
      </Stack>
    </Card>
  );
}

function Diff({ version, all }: { version: Version; all: Version[] }) {
  const line = useLine();
  const [against, setAgainst] = useState<string | null>(null);
  const diff = useInfiniteQuery({
    queryKey: ["diff", line.name, version.number, against],
    queryFn: ({ pageParam }) =>
      answer(
        api.GET("/api/v1/lines/{line}/versions/{version}/diff", {
          params: {
            path: { line: line.name, version: String(version.number) },
            query: { limit: 60, cursor: pageParam, against: against ?? undefined },
          },
        }),
      ),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
  });
  const first = diff.data?.pages[0];
  const changes = diff.data?.pages.flatMap((page) => page.changes) ?? [];
  return (
    <Stack gap="sm">
      <Select
        label={t.against}
        placeholder={t.parent}
        data={all
          .filter((one) => one.number !== version.number && one.state === "ready")
          .map((one) => ({ value: String(one.number), label: one.name }))}
        value={against}
        onChange={setAgainst}
        clearable
        searchable
        size="xs"
        maw={260}
      />
      {diff.isPending && <Loading />}
      {diff.isError && !first && <Failed error={diff.error} retry={() => diff.refetch()} />}
      {first && (
        <>
          <Text fw={600}>{t.diffTitle(first.version, first.against)}</Text>
          <Group gap="xs">
            {Object.entries(first.counts).map(([kind, n]) => (
              <Badge key={kind} variant="light" color="gray" tt="none">
                {t.kinds[kind] ?? kind} {count(n)}
              </Badge>
            ))}
          </Group>
          {changes.length === 0 && Object.values(first.counts).every((n) => n === 0) && (
            <Text c="dimmed">{t.nothingChanged}</Text>
          )}
          <SimpleGrid cols={{ base: 3, sm: 4, lg: 6 }} spacing="xs">
            {changes.map((change) => (
              <Change key={change.image.sha256} change={change} />
            ))}
          </SimpleGrid>
          {diff.hasNextPage && (
            <Button variant="default" onClick={() => diff.fetchNextPage()} loading={diff.isFetchingNextPage}>
              {words.common.more}
            </Button>
          )}
        </>
      )}
    </Stack>
  );
}

function Change({ change }: { change: Schemas["ChangeView"] }) {
  const before = change.before?.class ?? "–";
  const after = change.after?.class ?? "–";
  const say =
    change.kind === "resplit"
      ? `${t.splits[change.before?.split ?? "none"]} → ${t.splits[change.after?.split ?? "none"]}`
      : change.kind === "relabelled"
        ? `${before} → ${after}`
        : change.kind === "added"
          ? after
          : before;
  return (
    <div>
      <Thumbnail urls={change.image.urls} alt={change.image.name ?? ""} />
      <span className="sl-tile-words" title={say}>
        {change.kind === "added" ? "+ " : change.kind === "removed" ? "− " : ""}
        {say}
      </span>
    </div>
  );
}
