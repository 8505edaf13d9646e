/** Labels that wait for a version to take them up. */

import { Button, Checkbox, Stack, Text, Textarea, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useNavigate } from "react-router";
import { answer, api } from "../../api/client";
import { useMay } from "../../api/session";
import { Card } from "../../parts/Cards";
import { Empty, Failed, Loaded } from "../../parts/States";
import { said } from "../../parts/toasts";
import { useLine, useLinked } from "../../shell/line";
import { words } from "../../words";
import { PictureDrawer } from "./PictureDrawer";
import { PictureTile } from "./Tile";

const t = words.data;

export function Staged() {
  const line = useLine();
  const [open, setOpen] = useState<string | null>(null);
  const staged = useQuery({
    queryKey: ["staged", line.name],
    queryFn: () => answer(api.GET("/api/v1/lines/{line}/staged", { params: { path: { line: line.name } } })),
    refetchInterval: 10_000,
  });
  return (
    <Loaded
      query={staged}
      empty={(found) => found.total === 0}
      whenEmpty={<Empty title={t.nothingStaged} detail={t.nothingStagedDetail} />}
    >
      {(found) => (
        <Stack>
          <MakeVersion />
          <Card title={`${t.stagedCount}: ${words.common.pictures(found.total)}`}>
            <div className="sl-grid">
              {found.images.map((picture) => (
                <PictureTile key={picture.sha256} picture={picture} onOpen={setOpen} />
              ))}
            </div>
          </Card>
          {open && <PictureDrawer sha256={open} onClose={() => setOpen(null)} onOpen={setOpen} />}
        </Stack>
      )}
    </Loaded>
  );
}

function MakeVersion() {
  const line = useLine();
  const may = useMay();
  const linked = useLinked();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const [name, setName] = useState("");
  const [notes, setNotes] = useState("");
  const [activate, setActivate] = useState(true);
  const make = useMutation({
    mutationFn: () =>
      answer(
        api.POST("/api/v1/lines/{line}/versions", {
          params: { path: { line: line.name } },
          body: { from: "staged", name: name.trim() || null, notes, activate },
        }),
      ),
    onSuccess: (made) => {
      said(t.made(made.name));
      for (const key of ["versions", "staged", "pictures"])
        void queries.invalidateQueries({ queryKey: [key] });
      navigate(linked(`/data/versions?v=${made.number}`));
    },
  });
  return (
    <Card title={t.makeNew} maw={640}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          make.mutate();
        }}
      >
        <Stack>
          <Text size="sm" c="dimmed">
            {t.stagedDetail}
          </Text>
          <TextInput
            label={t.versionName}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
          />
          <Textarea
            label={t.notes}
            value={notes}
            onChange={(event) => setNotes(event.currentTarget.value)}
            autosize
            minRows={2}
          />
          <Checkbox
            label={t.makeActive}
            checked={activate}
            onChange={(event) => setActivate(event.currentTarget.checked)}
          />
          {make.isError && <Failed error={make.error} />}
          <Button
            type="submit"
            loading={make.isPending}
            disabled={!may("train")}
            style={{ alignSelf: "flex-start" }}
          >
            {t.makeNew}
          </Button>
        </Stack>
      </form>
    </Card>
  );
}
