/** Pictures in: whole sets in the background, or a few photos with a class for each. */

import { Stack } from "@mantine/core";
import { useMay } from "../../api/session";
import { Archive } from "./Archive";
import { Batch } from "./Batch";
import { Imports } from "./Imports";
import { Place } from "./Place";

export function Add() {
  const may = useMay();
  return (
    <Stack>
      {may("train") && <Archive />}
      <Batch />
      {may("admin") && <Place />}
      {may("train") && <Imports />}
    </Stack>
  );
}
