/** Many pictures at once: selected by mouse or keyboard, and labelled together. */

import { Badge } from "@mantine/core";
import { memo, useEffect, useRef } from "react";
import { percent } from "../../parts/format";
import { words } from "../../words";
import type { Item } from "./api";

const t = words.review;

export function Grid(props: {
  items: Item[];
  at: number;
  selected: ReadonlySet<string>;
  onFocus: (at: number) => void;
  onToggle: (at: number, extend: boolean) => void;
}) {
  const grid = useRef<HTMLDivElement>(null);
  // The keyboard's place is the focus, so that it is seen and scrolled to.
  useEffect(() => {
    const tile = grid.current?.children[props.at] as HTMLElement | undefined;
    if (tile && document.activeElement !== tile && !document.activeElement?.matches("input")) tile.focus();
  }, [props.at]);
  return (
    <div className="sl-grid" ref={grid} data-grid>
      {props.items.map((item, at) => (
        <Tile
          key={item.id}
          item={item}
          at={at}
          isCurrent={at === props.at}
          isSelected={props.selected.has(item.id)}
          onFocus={props.onFocus}
          onToggle={props.onToggle}
        />
      ))}
    </div>
  );
}

/** How many tiles stand in a row. */
export function columnsOf(): number {
  const grid = document.querySelector("[data-grid]");
  return grid ? getComputedStyle(grid).gridTemplateColumns.split(" ").length : 1;
}

const Tile = memo(function Tile(props: {
  item: Item;
  at: number;
  isCurrent: boolean;
  isSelected: boolean;
  onFocus: (at: number) => void;
  onToggle: (at: number, extend: boolean) => void;
}) {
  const { item } = props;
  return (
    <button
      type="button"
      className="sl-tile"
      data-tile
      aria-pressed={props.isSelected}
      tabIndex={props.isCurrent ? 0 : -1}
      onFocus={() => props.onFocus(props.at)}
      onClick={(event) => props.onToggle(props.at, event.shiftKey)}
    >
      <img className="sl-thumb" src={item.thumbnail} alt="" loading="lazy" />
      <span className="sl-tile-words">
        {item.class ? `${item.class} ${percent(item.confidence, 0)}` : t.nothing}
      </span>
      <Badge size="xs" color="yellow" variant="light" tt="none">
        {t.reasons[item.reason] ?? item.reason}
      </Badge>
    </button>
  );
});
