/** Every picture of the line, filtered; rows are drawn only where they are seen, so 100,000 scroll like ten. */

import { Button, Checkbox, Group, Loader, Select, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedValue, useElementSize } from "@mantine/hooks";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useMemo, useRef, useState } from "react";
import { Link, useSearchParams } from "react-router";
import { Empty, Failed, Loading } from "../../parts/States";
import { useLine, useLinked } from "../../shell/line";
import { words } from "../../words";
import { PictureDrawer } from "./PictureDrawer";
import { type Filters, type Picture, usePictures, useVersions } from "./queries";

const t = words.data;
const NAMES = ["version", "class", "split", "source", "text", "since", "until", "unlabelled"] as const;
const TILE = 148;
const WORDS = 44;

export function Pictures() {
  const line = useLine();
  const [search, setSearch] = useSearchParams();
  const filters = useMemo(() => read(search), [search]);
  const [settled] = useDebouncedValue(filters, 250);
  const pictures = usePictures(line.name, settled);
  const [open, setOpen] = useState<string | null>(null);
  const linked = useLinked();
  const set = (name: string, value: string | null) =>
    setSearch(
      (now) => {
        value ? now.set(name, value) : now.delete(name);
        return now;
      },
      { replace: true },
    );
  const found = pictures.data?.pages.flatMap((page) => page.images) ?? [];
  const isFiltered = Object.keys(filters).length > 0;
  return (
    <Stack>
      <FilterBar
        filters={filters}
        set={set}
        clear={() =>
          setSearch((now) => {
            for (const name of NAMES) now.delete(name);
            return now;
          })
        }
      />
      {pictures.isError && found.length === 0 ? (
        <Failed error={pictures.error} retry={() => pictures.refetch()} />
      ) : pictures.isPending ? (
        <Loading rows={4} />
      ) : found.length === 0 ? (
        <Empty
          title={isFiltered ? t.noMatch : t.noPictures}
          detail={isFiltered ? undefined : t.noPicturesDetail}
        >
          {!isFiltered && (
            <Button component={Link} to={linked("/data/add")}>
              {t.addPictures}
            </Button>
          )}
        </Empty>
      ) : (
        <>
          <Text size="sm" c="dimmed" className="sl-digits" role="status">
            {t.loaded(found.length, pictures.hasNextPage)}
          </Text>
          <Wall
            pictures={found}
            onOpen={setOpen}
            onEnd={() => {
              if (pictures.hasNextPage && !pictures.isFetchingNextPage) void pictures.fetchNextPage();
            }}
          />
          {pictures.isFetchingNextPage && (
            <Group justify="center">
              <Loader size="sm" />
            </Group>
          )}
        </>
      )}
      {open && <PictureDrawer sha256={open} onClose={() => setOpen(null)} onOpen={setOpen} />}
    </Stack>
  );
}

function read(search: URLSearchParams): Filters {
  const found: Record<string, string | boolean> = {};
  for (const name of NAMES) {
    const value = search.get(name);
    if (value)
      found[name] =
        name === "unlabelled" ? true : name === "since" || name === "until" ? `${value}T00:00:00Z` : value;
  }
  return found as Filters;
}

function FilterBar(props: {
  filters: Filters;
  set: (name: string, value: string | null) => void;
  clear: () => void;
}) {
  const { filters, set } = props;
  const line = useLine();
  const versions = useVersions(line.name);
  return (
    <Group gap="sm" align="flex-end" role="search" aria-label={t.filters}>
      <Select
        label={t.version}
        placeholder={t.now}
        data={(versions.data ?? []).map((one) => ({ value: String(one.number), label: one.name }))}
        value={filters.version ?? null}
        onChange={(value) => set("version", value)}
        clearable
        searchable
        size="xs"
        w={190}
      />
      <Select
        label={t.class}
        placeholder={t.anyClass}
        data={line.classes}
        value={filters.class ?? null}
        onChange={(value) => set("class", value)}
        clearable
        searchable
        size="xs"
        w={170}
        disabled={filters.unlabelled}
      />
      <Select
        label={t.split}
        placeholder={t.anySplit}
        data={Object.entries(t.splits).map(([value, label]) => ({ value, label }))}
        value={filters.split ?? null}
        onChange={(value) => set("split", value)}
        clearable
        size="xs"
        w={120}
      />
      <TextInput
        label={t.text}
        value={filters.text ?? ""}
        onChange={(event) => set("text", event.currentTarget.value)}
        size="xs"
        w={150}
      />
      <TextInput
        label={t.source}
        value={filters.source ?? ""}
        onChange={(event) => set("source", event.currentTarget.value)}
        size="xs"
        w={120}
      />
      <TextInput
        label={t.since}
        type="date"
        value={filters.since?.slice(0, 10) ?? ""}
        onChange={(event) => set("since", event.currentTarget.value)}
        size="xs"
      />
      <TextInput
        label={t.until}
        type="date"
        value={filters.until?.slice(0, 10) ?? ""}
        onChange={(event) => set("until", event.currentTarget.value)}
        size="xs"
      />
      <Checkbox
        label={t.unlabelled}
        checked={filters.unlabelled ?? false}
        disabled={!!filters.class || !!filters.version}
        onChange={(event) => set("unlabelled", event.currentTarget.checked ? "true" : null)}
        size="xs"
        pb={6}
      />
      {Object.keys(filters).length > 0 && (
        <Button size="xs" variant="subtle" onClick={props.clear}>
          {t.clear}
        </Button>
      )}
    </Group>
  );
}

function Wall(props: { pictures: Picture[]; onOpen: (sha256: string) => void; onEnd: () => void }) {
  const { ref, width } = useElementSize();
  const box = useRef<HTMLDivElement>(null);
  const columns = Math.max(2, Math.floor((width || 800) / TILE));
  const rows = Math.ceil(props.pictures.length / columns);
  const height = (width || 800) / columns + WORDS;
  const virtual = useWindowVirtualizer({
    count: rows,
    estimateSize: () => height,
    overscan: 4,
    scrollMargin: box.current?.offsetTop ?? 0,
  });
  // biome-ignore lint/correctness/useExhaustiveDependencies: another height is another measure
  useEffect(() => virtual.measure(), [height]);
  const shown = virtual.getVirtualItems();
  const last = shown.at(-1)?.index ?? 0;
  const { onEnd } = props;
  useEffect(() => {
    if (last >= rows - 3) onEnd();
  });
  return (
    <div ref={box}>
      <div ref={ref} style={{ position: "relative", height: virtual.getTotalSize() }}>
        {shown.map((row) => (
          <div
            key={row.key}
            style={{
              position: "absolute",
              insetInline: 0,
              top: row.start - virtual.options.scrollMargin,
              height,
              display: "grid",
              gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))`,
            }}
          >
            {props.pictures.slice(row.index * columns, (row.index + 1) * columns).map((picture) => (
              <PictureTile key={picture.sha256} picture={picture} onOpen={props.onOpen} />
            ))}
          </div>
        ))}
      </div>
    </div>
  );
}

export function PictureTile({ picture, onOpen }: { picture: Picture; onOpen: (sha256: string) => void }) {
  const name = picture.name ?? picture.sha256.slice(0, 12);
  return (
    <button
      type="button"
      className="sl-tile"
      onClick={() => onOpen(picture.sha256)}
      aria-label={`${t.open(name)}, ${picture.class ?? t.noLabel}`}
    >
      <Thumbnail urls={picture.urls} />
      <span className="sl-tile-words">{picture.class ?? t.noLabel}</span>
    </button>
  );
}

export function Thumbnail({ urls, alt = "" }: { urls: Picture["urls"]; alt?: string }) {
  if (!urls) {
    return (
      <span className="sl-thumb" style={{ display: "grid", placeItems: "center" }}>
        {t.erased}
      </span>
    );
  }
  return (
    <img
      className="sl-thumb"
      src={urls.thumbnails["384"] ?? urls.file}
      alt={alt}
      loading="lazy"
      decoding="async"
    />
  );
}
