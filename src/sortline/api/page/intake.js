/** Photos out of a drop or a paste, folders walked to the end. */

/** The files of a DataTransfer, those in folders included; what is not a picture by name or type is left out of folders. */
export async function photosOf(transfer) {
  // Entries must be taken before the first await: the browser empties the transfer after the event.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const plain = [...transfer.files];
  if (!entries.some((entry) => entry.isDirectory)) return plain;
  const found = await Promise.all(entries.map(filesIn));
  return found.flat();
}

async function filesIn(entry) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    return looksLikePhoto(file) ? [file] : [];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return found;
    for (const child of some) found.push(...(await filesIn(child)));
  }
}

function looksLikePhoto(file) {
  return file.type.startsWith("image/") || /\.(heic|heif|tiff?)$/i.test(file.name);
}
