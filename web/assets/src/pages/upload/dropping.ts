/** What was dropped on the page: files and whole folders, with handles where the browser has them. */

import type { ChosenFile } from "../../upload/engine.ts";

/** With a handle the browser finds a file again after the tab was closed. */
interface DroppedItem extends DataTransferItem {
  getAsFileSystemHandle?: () => Promise<FileSystemHandle | null>;
}

/** Return every file of a drop, those in folders with their paths. */
export async function readDropped(transfer: DataTransfer): Promise<ChosenFile[]> {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  // All are asked for at once: after the first wait the browser forgets what was dropped.
  const reads = items.map(readItem);
  return (await Promise.all(reads)).flat();
}

async function readItem(item: DroppedItem): Promise<ChosenFile[]> {
  const [handle, entry, file] = [item.getAsFileSystemHandle?.(), item.webkitGetAsEntry(), item.getAsFile()];
  const found = await handle?.catch(() => null);
  if (found) return readHandle(found, "");
  if (entry) return readEntry(entry);
  return file ? [{ path: file.name, file }] : [];
}

async function readHandle(handle: FileSystemHandle, folder: string): Promise<ChosenFile[]> {
  const path = folder + handle.name;
  if (isFileHandle(handle)) return [{ path, file: await handle.getFile(), handle }];
  const found: ChosenFile[] = [];
  for await (const child of (handle as FileSystemDirectoryHandle).values()) {
    found.push(...(await readHandle(child, `${path}/`)));
  }
  return found;
}

function isFileHandle(handle: FileSystemHandle): handle is FileSystemFileHandle {
  return handle.kind === "file";
}

async function readEntry(entry: FileSystemEntry): Promise<ChosenFile[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ path: entry.fullPath.replace(/^\//, ""), file }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: ChosenFile[] = [];
  // A reader gives some hundred entries at a time, and none at the end.
  for (let batch = await readBatch(reader); batch.length > 0; batch = await readBatch(reader)) {
    for (const child of batch) found.push(...(await readEntry(child)));
  }
  return found;
}

function readBatch(reader: FileSystemDirectoryReader): Promise<FileSystemEntry[]> {
  return new Promise((resolve, reject) => reader.readEntries(resolve, reject));
}
