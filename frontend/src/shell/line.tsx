/** The line that the pages are about. It stands in the address (?line=), so that a link means the same to everyone. */

import { useQuery } from "@tanstack/react-query";
import { createContext, type ReactNode, useContext } from "react";
import { useSearchParams } from "react-router";
import { answer, api, type Schemas } from "../api/client";

export type Line = Schemas["LineView"];

interface Lines {
  lines: Line[];
  line: Line | null;
  choose: (name: string) => void;
}

const Context = createContext<Lines>({ lines: [], line: null, choose: () => {} });

export function useLines() {
  return useQuery({
    queryKey: ["lines"],
    queryFn: async () => (await answer(api.GET("/api/v1/lines"))).lines,
    // A model may be made live by others.
    refetchInterval: 15_000,
  });
}

export function LineProvider({ lines, children }: { lines: Line[]; children: ReactNode }) {
  const [search, setSearch] = useSearchParams();
  const asked = search.get("line");
  const line =
    lines.find((one) => one.name === asked) ?? lines.find((one) => one.default) ?? lines[0] ?? null;
  const choose = (name: string) => {
    const isDefault = lines.find((one) => one.name === name)?.default;
    // Whatever else the address says is about the line before.
    setSearch(isDefault ? {} : { line: name });
  };
  return <Context.Provider value={{ lines, line, choose }}>{children}</Context.Provider>;
}

export function useLineChoice(): Lines {
  return useContext(Context);
}

/** The line at hand; pages are shown only where there is one. */
export function useLine(): Line {
  const { line } = useContext(Context);
  if (!line) throw new Error("There is no line");
  return line;
}

/** Makes links keep the line that is chosen. */
export function useLinked(): (path: string) => string {
  const { line } = useContext(Context);
  return (path) => {
    if (!line || line.default) return path;
    return `${path}${path.includes("?") ? "&" : "?"}line=${encodeURIComponent(line.name)}`;
  };
}
