/** Packs a folder into a ZIP in the browser: stored, not compressed, for photos are compressed already.
 *
 * The archive refers to the files where they lie, so memory stays flat; each is read once for its checksum.
 */

export interface Packed {
  path: string;
  file: File;
}

// Past these the format needs its 64-bit fields, which this does not write.
export const MOST_FILES = 65_000;
export const MOST_BYTES = 4_000_000_000;
const UTF8_NAMES = 0x0800;

export async function zipOf(
  files: Packed[],
  onProgress: (done: number) => void,
  signal?: AbortSignal,
): Promise<Blob> {
  const parts: BlobPart[] = [];
  const directory: BlobPart[] = [];
  let offset = 0;
  let directoryBytes = 0;
  for (const [at, { path, file }] of files.entries()) {
    signal?.throwIfAborted();
    const data = new Uint8Array(await file.arrayBuffer());
    const name = new TextEncoder().encode(path);
    const header = fields(name, crc32(data), data.length);
    parts.push(record(0x04034b50, header, []), name, file);
    const entry = record(0x02014b50, [20, ...header], [0, 0, 0, 0, 0, offset, offset >>> 16]);
    directory.push(entry, name);
    directoryBytes += entry.byteLength + name.length;
    offset += 30 + name.length + data.length;
    onProgress(at + 1);
  }
  const n = files.length;
  const end = record(
    0x06054b50,
    [0, 0, n, n, directoryBytes, directoryBytes >>> 16, offset, offset >>> 16, 0],
    [],
  );
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

/** What a local header and an entry of the directory have in common, in 16-bit words. */
function fields(name: Uint8Array, crc: number, size: number): number[] {
  const epoch = 0x0021; // 1 January 1980, the format's first day
  return [20, UTF8_NAMES, 0, 0, epoch, crc, crc >>> 16, size, size >>> 16, size, size >>> 16, name.length, 0];
}

/** A signature and little-endian 16-bit words behind it. */
function record(signature: number, words: number[], more: number[]): ArrayBuffer {
  const all = [signature, signature >>> 16, ...words, ...more];
  const view = new DataView(new ArrayBuffer(all.length * 2));
  for (const [at, word] of all.entries()) view.setUint16(at * 2, word & 0xffff, true);
  return view.buffer;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  let value = n;
  for (let bit = 0; bit < 8; bit += 1) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

function crc32(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = TABLE[(crc ^ byte) & 0xff]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
