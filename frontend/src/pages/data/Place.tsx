/** An import of files that the server itself can reach. */

import { Button, Checkbox, Group, Stack, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { answer, api } from "../../api/client";
import { Card } from "../../parts/Cards";
import { Failed } from "../../parts/States";
import { useLine } from "../../shell/line";
import { words } from "../../words";

const t = words.data;

export function Place() {
  const line = useLine();
  const queries = useQueryClient();
  const [location, setLocation] = useState("");
  const [inPlace, setInPlace] = useState(false);
  const start = useMutation({
    mutationFn: () =>
      answer(
        api.POST("/api/v1/lines/{line}/imports/from-location", {
          params: { path: { line: line.name } },
          body: { location: location.trim(), in_place: inPlace },
        }),
      ),
    onSuccess: () => {
      setLocation("");
      void queries.invalidateQueries({ queryKey: ["imports", line.name] });
    },
  });
  return (
    <Card title={t.fromPlace}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          start.mutate();
        }}
      >
        <Stack gap="sm">
          <Group align="flex-end">
            <TextInput
              label={t.place}
              description={t.placeHint}
              value={location}
              onChange={(event) => setLocation(event.currentTarget.value)}
              style={{ flex: 1, minWidth: 220 }}
              required
            />
            <Button type="submit" loading={start.isPending}>
              {t.startImport}
            </Button>
          </Group>
          <Checkbox
            label={t.inPlace}
            checked={inPlace}
            onChange={(event) => setInPlace(event.currentTarget.checked)}
          />
          {start.isError && <Failed error={start.error} />}
        </Stack>
      </form>
    </Card>
  );
}
