/** The photos that were put in, and how far each is: three are sent at a time. */

import { useCallback, useEffect, useMemo, useReducer, useRef } from "react";
import { Problem, type Schemas, sent } from "../../api/client";
import type { Line } from "../../shell/line";

export type Prediction = Schemas["Prediction"];

export interface Photo {
  id: number;
  file: File;
  line: Line;
  state: "waiting" | "working" | "done" | "failed" | "stopped";
  /** Seconds until a busy server is asked again. */
  pause?: number;
  answer?: Prediction;
  problem?: Problem;
}

type Action =
  | { do: "add"; photos: Photo[] }
  | { do: "change"; id: number; to: Partial<Photo> }
  | { do: "remove"; id: number }
  | { do: "clear" };

const AT_ONCE = 3;
const MOST_RETRIES = 4;
let lastId = 0;

export function useClassifying() {
  const [photos, dispatch] = useReducer(reduce, []);
  const queue = useRef<Photo[]>([]);
  const cancels = useRef(new Map<number, AbortController>());
  const running = useRef(0);

  const work = useCallback(async () => {
    if (running.current >= AT_ONCE) return;
    running.current += 1;
    for (let photo = queue.current.shift(); photo; photo = queue.current.shift()) {
      const cancel = cancels.current.get(photo.id);
      if (!cancel || cancel.signal.aborted) continue;
      const { id } = photo;
      dispatch({ do: "change", id, to: { state: "working", pause: undefined } });
      try {
        const wait = (pause: number) => dispatch({ do: "change", id, to: { pause } });
        const answer = await classify(photo.line.name, photo.file, cancel.signal, wait);
        dispatch({ do: "change", id, to: { state: "done", answer, pause: undefined } });
      } catch (error) {
        if (cancel.signal.aborted) continue;
        const problem = error instanceof Problem ? error : new Problem({ title: "", detail: String(error) });
        dispatch({ do: "change", id, to: { state: "failed", problem, pause: undefined } });
      }
    }
    running.current -= 1;
  }, []);

  const queued = useCallback(
    (some: Photo[]) => {
      for (const photo of some) cancels.current.set(photo.id, new AbortController());
      queue.current.push(...some);
      for (let lane = 0; lane < AT_ONCE; lane += 1) void work();
    },
    [work],
  );

  // What is still under way when the page goes is not waited for.
  useEffect(
    () => () => {
      for (const cancel of cancels.current.values()) cancel.abort();
    },
    [],
  );

  const actions = useMemo(
    () => ({
      add(files: File[], line: Line) {
        const added = files.map((file): Photo => ({ id: ++lastId, file, line, state: "waiting" }));
        dispatch({ do: "add", photos: added });
        queued(added);
      },
      retry(photo: Photo) {
        dispatch({ do: "change", id: photo.id, to: { state: "waiting", problem: undefined } });
        queued([photo]);
      },
      remove(id: number) {
        cancels.current.get(id)?.abort();
        cancels.current.delete(id);
        dispatch({ do: "remove", id });
      },
      stop(ids: number[]) {
        for (const id of ids) {
          cancels.current.get(id)?.abort();
          dispatch({ do: "change", id, to: { state: "stopped", pause: undefined } });
        }
      },
      clear() {
        for (const cancel of cancels.current.values()) cancel.abort();
        cancels.current.clear();
        queue.current = [];
        dispatch({ do: "clear" });
      },
    }),
    [queued],
  );
  return { photos, ...actions };
}

function reduce(photos: Photo[], action: Action): Photo[] {
  switch (action.do) {
    case "add":
      return [...action.photos, ...photos]; // the newest batch stands first
    case "change":
      return photos.map((photo) => (photo.id === action.id ? { ...photo, ...action.to } : photo));
    case "remove":
      return photos.filter((photo) => photo.id !== action.id);
    case "clear":
      return [];
  }
}

/** The answer for one picture. While the server is full it waits as told, and gives up after a few times. */
async function classify(
  line: string,
  file: File,
  signal: AbortSignal,
  onWait: (seconds: number) => void,
): Promise<Prediction> {
  const url = `/api/v1/lines/${encodeURIComponent(line)}/classify?explain=true&source=page`;
  for (let retries = 0; ; retries += 1) {
    const body = new FormData();
    body.append("image", file);
    try {
      return (await (await sent(url, { method: "POST", body, signal })).json()) as Prediction;
    } catch (error) {
      const isBusy = error instanceof Problem && (error.status === 503 || error.status === 429);
      if (!isBusy || retries === MOST_RETRIES) throw error;
      onWait(error.retryAfter);
      await sleep(error.retryAfter * 1000, signal);
    }
  }
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
