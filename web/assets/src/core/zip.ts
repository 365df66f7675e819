/** A zip archive made while it streams: stored entries, data descriptors, zip64 where it is needed.
 *
 * The sizes are known beforehand and the checksums are not, so the archive's own length is known before its first byte. Source:
 * PKWARE's APPNOTE.TXT 6.3.10. */

import { type Bytes, concatBytes, encodeUtf8, joinBytes } from "./bytes.ts";

export interface ZipEntry {
  name: string;
  size: number;
}

/** Values from here on do not fit the old fields of 32 and 16 bits. */
const LIMIT_32 = 0xffffffff;
const LIMIT_16 = 0xffff;
const VERSION_PLAIN = 20;
const VERSION_ZIP64 = 45;
const MADE_BY_UNIX = 3;
/** A data descriptor follows (bit 3), names are UTF-8 (bit 11). */
const FLAGS = 0x0808;
/** 1 January 1980, the earliest: when the files were changed is not in the manifest. */
const DATE = 0x0021;
/** A regular file that its owner may write and all may read. */
const ATTRIBUTES = 0o100644 * 0x10000;

/** Return the archive's length in bytes. */
export function getZipBytes(entries: readonly ZipEntry[]): number {
  const writer = new ZipWriter(entries);
  let total = 0;
  for (const { size } of entries) {
    total += writer.beginEntry().length + size;
    total += writer.endEntry(0).length;
  }
  return total + writer.finish().length;
}

/** Yields what stands around the entries' bytes: for each entry `beginEntry`, its bytes, `endEntry`; in the end `finish`. */
export class ZipWriter {
  private readonly entries: readonly ZipEntry[];
  private readonly central: Bytes[] = [];
  private offset = 0;
  private start = 0;

  constructor(entries: readonly ZipEntry[]) {
    this.entries = entries;
  }

  /** Return the local header of the next entry. */
  beginEntry(): Bytes {
    const { name, size } = this.current();
    this.start = this.offset;
    const isLarge = size >= LIMIT_32;
    const fields = new Fields(isLarge ? VERSION_ZIP64 : VERSION_PLAIN);
    const sizes = isLarge ? LIMIT_32 : 0;
    const nameBytes = encodeUtf8(name);
    fields.u32(0x04034b50).u16(fields.version).u16(FLAGS).u16(0).u16(0).u16(DATE).u32(0).u32(sizes).u32(sizes);
    fields
      .u16(nameBytes.length)
      .u16(isLarge ? 20 : 0)
      .raw(nameBytes);
    if (isLarge) fields.u16(1).u16(16).u64(0).u64(0);
    return this.count(fields.bytes, size);
  }

  /** Return the data descriptor of the entry, whose bytes have this CRC-32. */
  endEntry(crc32: number): Bytes {
    const { name, size } = this.current();
    this.central.push(makeCentralHeader(encodeUtf8(name), size, crc32, this.start));
    const fields = new Fields(0).u32(0x08074b50).u32(crc32);
    if (size >= LIMIT_32) fields.u64(size).u64(size);
    else fields.u32(size).u32(size);
    return this.count(fields.bytes, 0);
  }

  /** Return the central directory and what ends the archive. */
  finish(): Bytes {
    const directory = joinBytes(this.central);
    const [count, start] = [this.entries.length, this.offset];
    const end = new Fields(0);
    if (count >= LIMIT_16 || start >= LIMIT_32 || directory.length >= LIMIT_32) {
      end.u32(0x06064b50).u64(44).u16(VERSION_ZIP64).u16(VERSION_ZIP64).u32(0).u32(0);
      end.u64(count).u64(count).u64(directory.length).u64(start);
      end
        .u32(0x07064b50)
        .u32(0)
        .u64(start + directory.length)
        .u32(1);
    }
    const counted = Math.min(count, LIMIT_16);
    end.u32(0x06054b50).u16(0).u16(0).u16(counted).u16(counted);
    end.u32(Math.min(directory.length, LIMIT_32)).u32(Math.min(start, LIMIT_32)).u16(0);
    return concatBytes(directory, end.bytes);
  }

  private current(): ZipEntry {
    const entry = this.entries[this.central.length];
    if (!entry) throw new Error("the archive has no further entry");
    return entry;
  }

  private count(bytes: Bytes, following: number): Bytes {
    this.offset += bytes.length + following;
    return bytes;
  }
}

function makeCentralHeader(name: Bytes, size: number, crc32: number, start: number): Bytes {
  const extra = new Fields(0);
  if (size >= LIMIT_32) extra.u64(size).u64(size);
  if (start >= LIMIT_32) extra.u64(start);
  const extraBytes = extra.bytes.length;
  const fields = new Fields(extraBytes ? VERSION_ZIP64 : VERSION_PLAIN);
  fields.u32(0x02014b50).u16(MADE_BY_UNIX * 256 + VERSION_ZIP64);
  fields.u16(fields.version).u16(FLAGS).u16(0).u16(0).u16(DATE).u32(crc32);
  fields.u32(Math.min(size, LIMIT_32)).u32(Math.min(size, LIMIT_32)).u16(name.length);
  fields.u16(extraBytes ? extraBytes + 4 : 0).u16(0);
  fields.u16(0).u16(0).u32(ATTRIBUTES).u32(Math.min(start, LIMIT_32)).raw(name);
  if (extraBytes) fields.u16(1).u16(extraBytes).raw(extra.bytes);
  return fields.bytes;
}

/** Writes little-endian fields one after the other. */
class Fields {
  readonly version: number;
  private readonly parts: Bytes[] = [];

  constructor(version: number) {
    this.version = version;
  }

  get bytes(): Bytes {
    return joinBytes(this.parts);
  }

  u16(value: number): this {
    return this.number(value, 2);
  }

  u32(value: number): this {
    return this.number(value, 4);
  }

  u64(value: number): this {
    return this.number(value, 8);
  }

  raw(bytes: Bytes): this {
    this.parts.push(bytes);
    return this;
  }

  private number(value: number, bytes: number): this {
    const part = new Uint8Array(bytes);
    let left = value;
    for (let place = 0; place < bytes; place += 1) {
      part[place] = left % 256;
      left = Math.floor(left / 256);
    }
    return this.raw(part);
  }
}
