/** Pictures in rows, drawn only where they are seen, so that 100,000 scroll like ten. */

import { useElementSize } from "@mantine/hooks";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef } from "react";
import type { Shown } from "./queries";
import { PictureTile } from "./Tile";

const TILE = 148;
const WORDS = 44;
// So many pictures before the end more are asked for: some screens, so that who scrolls seldom waits.
const AHEAD = 300;

export function Wall(props: { pictures: Shown[]; onOpen: (sha256: string) => void; onEnd: () => void }) {
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
    if ((rows - 1 - last) * columns < AHEAD) onEnd();
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
