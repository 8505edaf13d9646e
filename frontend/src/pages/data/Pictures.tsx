/** Every picture of the line, filtered, newest first. */

import { Button, Group, Loader, Stack, Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useMemo, useState } from "react";
import { Link, useSearchParams } from "react-router";
import { Empty, Failed, Loading } from "../../parts/States";
import { useLine, useLinked } from "../../shell/line";
import { words } from "../../words";
import { FilterBar, read } from "./FilterBar";
import { PictureDrawer } from "./PictureDrawer";
import { type Filters, usePictures } from "./queries";
import { Wall } from "./Wall";

const t = words.data;

export function Pictures() {
  const [search, setSearch] = useSearchParams();
  const filters = useMemo(() => read(search), [search]);
  const [settled] = useDebouncedValue(filters, 250);
  return (
    <Stack>
      <FilterBar
        filters={filters}
        change={(changes) =>
          setSearch(
            (now) => {
              for (const [name, value] of Object.entries(changes))
                value ? now.set(name, value) : now.delete(name);
              return now;
            },
            { replace: true },
          )
        }
      />
      <Found filters={settled} />
    </Stack>
  );
}

/** A part of its own, so that a page that arrives draws no filter again. */
function Found({ filters }: { filters: Filters }) {
  const line = useLine();
  const pictures = usePictures(line.name, filters);
  const found = useMemo(() => pictures.data?.pages.flatMap((page) => page.images) ?? [], [pictures.data]);
  const [open, setOpen] = useState<string | null>(null);
  if (pictures.isError && found.length === 0)
    return <Failed error={pictures.error} retry={() => pictures.refetch()} />;
  if (pictures.isPending) return <Loading rows={4} />;
  if (found.length === 0) return <None filtered={Object.keys(filters).length > 0} />;
  return (
    <>
      <Text size="sm" c="dimmed" className="sl-digits" role="status">
        {t.loaded(found.length, pictures.hasNextPage)}
      </Text>
      <Wall
        pictures={found}
        onOpen={setOpen}
        onEnd={() => {
          if (pictures.hasNextPage && !pictures.isFetchingNextPage && !pictures.isFetchNextPageError)
            void pictures.fetchNextPage();
        }}
      />
      {pictures.isFetchingNextPage && (
        <Group justify="center">
          <Loader size="sm" />
        </Group>
      )}
      {pictures.isFetchNextPageError && (
        <Failed error={pictures.error} retry={() => pictures.fetchNextPage()} />
      )}
      {open && <PictureDrawer sha256={open} onClose={() => setOpen(null)} onOpen={setOpen} />}
    </>
  );
}

function None({ filtered }: { filtered: boolean }) {
  const linked = useLinked();
  return (
    <Empty title={filtered ? t.noMatch : t.noPictures} detail={filtered ? undefined : t.noPicturesDetail}>
      {!filtered && (
        <Button component={Link} to={linked("/data/add")}>
          {t.addPictures}
        </Button>
      )}
    </Empty>
  );
}
