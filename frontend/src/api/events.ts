/** Server-sent events as React state. */

import { useEffect, useRef } from "react";

type Handlers = Record<string, (data: never) => void>;

/** Calls the handler of each event's name with its JSON until `end` comes or the page goes; null listens to nothing. */
export function useEvents(url: string | null, handlers: Handlers): void {
  const latest = useRef(handlers);
  latest.current = handlers;
  useEffect(() => {
    if (!url) return;
    const source = new EventSource(url);
    const names = [...new Set([...Object.keys(latest.current), "end"])];
    for (const name of names) {
      source.addEventListener(name, (event) => {
        latest.current[name]?.(JSON.parse((event as MessageEvent<string>).data) as never);
        if (name === "end") source.close();
      });
    }
    return () => source.close();
  }, [url]);
}
