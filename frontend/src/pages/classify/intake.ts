/** Photos out of a drop or a paste, folders walked to the end. */

/** The files of a DataTransfer, those in folders included; what is no picture by name or type is left out of folders. */
export async function photosOf(transfer: DataTransfer): Promise<File[]> {
  // Entries must be taken before the first await: the browser empties the transfer after the event.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => !!entry);
  const plain = [...transfer.files];
  if (!entries.some((entry) => entry.isDirectory)) return plain;
  return (await Promise.all(entries.map((entry) => filesIn(entry, looksLikePhoto)))).flat();
}

/** The files of an entry, a folder's at every depth. */
async function filesIn(entry: FileSystemEntry, wanted: (file: File) => boolean): Promise<File[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    return wanted(file) ? [file] : [];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: File[] = [];
  for (;;) {
    // A reader gives a hundred at a time.
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (some.length === 0) return found;
    for (const child of some) found.push(...(await filesIn(child, wanted)));
  }
}

export function looksLikePhoto(file: File): boolean {
  return file.type.startsWith("image/") || /\.(heic|heif|tiff?)$/i.test(file.name);
}
