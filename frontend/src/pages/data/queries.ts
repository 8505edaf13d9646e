/** What the data pages ask of the server. */

import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { answer, api, type Schemas } from "../../api/client";

export type Picture = Schemas["ImageView"];
/** What a tile shows of a picture; lists that grow long keep no more of each. */
export type Shown = Pick<Picture, "sha256" | "name" | "class" | "urls">;
export type Version = Schemas["VersionView"];

export interface Filters {
  version?: string;
  class?: string;
  split?: Picture["split"];
  source?: string;
  text?: string;
  since?: string;
  until?: string;
  unlabelled?: boolean;
}

const PAGE = 200;

export function usePictures(line: string, filters: Filters) {
  return useInfiniteQuery({
    queryKey: ["pictures", line, filters],
    queryFn: async ({ pageParam, signal }) => {
      const page = await answer(
        api.GET("/api/v1/lines/{line}/images", {
          params: { path: { line }, query: { ...filters, limit: PAGE, cursor: pageParam } },
          signal,
        }),
      );
      return { images: page.images.map(shown), next_cursor: page.next_cursor };
    },
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    // Asking for all pages again would cost as much as there was scrolled; changes are put in by hand.
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: 30_000,
    // Comparing every page with its like whenever one more arrives would take longer the deeper one scrolls.
    structuralSharing: false,
  });
}

export const shown = ({ sha256, name, class: label, urls }: Picture): Shown => ({
  sha256,
  name,
  class: label,
  urls,
});

export function useVersions(line: string) {
  return useQuery({
    queryKey: ["versions", line],
    queryFn: async () =>
      (
        await answer(
          api.GET("/api/v1/lines/{line}/versions", { params: { path: { line }, query: { limit: 200 } } }),
        )
      ).versions,
    // One that is being built is looked at until it is ready.
    refetchInterval: (query) => (query.state.data?.some((one) => one.state === "building") ? 1500 : false),
  });
}
