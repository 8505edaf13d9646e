/** A picture as a small square that opens it. */

import { useEffect, useRef } from "react";
import { words } from "../../words";
import type { Picture, Shown } from "./queries";

const t = words.data;

export function PictureTile({ picture, onOpen }: { picture: Shown; onOpen: (sha256: string) => void }) {
  const name = picture.name ?? picture.sha256.slice(0, 12);
  return (
    <button
      type="button"
      className="sl-tile"
      onClick={() => onOpen(picture.sha256)}
      aria-label={`${t.open(name)}, ${picture.class ?? t.noLabel}`}
    >
      <Thumbnail urls={picture.urls} />
      <span className="sl-tile-words">{picture.class ?? t.noLabel}</span>
    </button>
  );
}

export function Thumbnail({ urls, alt = "" }: { urls: Picture["urls"]; alt?: string }) {
  const image = useRef<HTMLImageElement>(null);
  // Whoever scrolls past thousands waits for none of them: one that is gone is fetched no further.
  useEffect(() => {
    const shown = image.current;
    return () => shown?.removeAttribute("src");
  }, []);
  if (!urls) {
    return (
      <span className="sl-thumb" style={{ display: "grid", placeItems: "center" }}>
        {t.erased}
      </span>
    );
  }
  return (
    <img
      ref={image}
      className="sl-thumb"
      src={urls.thumbnails["384"] ?? urls.file}
      alt={alt}
      loading="lazy"
      decoding="async"
    />
  );
}
