/** The upload protocol, tus 1.0 (docs/reference/uploads.md): one method for each request, each sent once. */

import { type Bytes, toBase64 } from "../core/bytes.ts";
import { hashBytes } from "../core/digest.ts";
import { ProtocolError, ServerUnavailableError } from "../core/errors.ts";
import type { Api } from "../core/requests.ts";

const UPLOADS = "/api/v1/uploads";
const TUS = { "Tus-Resumable": "1.0.0" };

export class TusClient {
  private readonly api: Api;

  constructor(api: Api) {
    this.api = api;
  }

  /** Begin an upload of so many bytes and return its path on the server. */
  async create(length: number, signal?: AbortSignal): Promise<string> {
    const headers = { ...TUS, "Upload-Length": String(length) };
    const response = await this.api.send("POST", UPLOADS, { headers, signal });
    const location = (response.headers.get("Location") ?? "").replace(this.api.serverUrl, "");
    if (!location.startsWith(`${UPLOADS}/`)) throw new ProtocolError("The server named no place for the upload.");
    return location;
  }

  /** Return how many bytes of an upload the server holds. */
  async getOffset(path: string, signal?: AbortSignal): Promise<number> {
    return readOffset(await this.api.send("HEAD", path, { headers: TUS, signal }));
  }

  /** Send bytes at exactly this offset, with their SHA-256; return the new offset. */
  async append(path: string, offset: number, data: Bytes, signal?: AbortSignal): Promise<number> {
    const headers = {
      ...TUS,
      "Upload-Offset": String(offset),
      "Upload-Checksum": `sha256 ${toBase64(await hashBytes(data))}`,
      "Content-Type": "application/offset+octet-stream",
    };
    return readOffset(await this.api.send("PATCH", path, { headers, body: data, signal }));
  }

  /** Remove an unfinished upload. */
  async remove(path: string): Promise<void> {
    await this.api.send("DELETE", path, { headers: TUS });
  }
}

function readOffset(response: Response): number {
  const text = response.headers.get("Upload-Offset") ?? "";
  if (!/^[0-9]{1,16}$/.test(text)) throw new ServerUnavailableError("The server's answer has no Upload-Offset.");
  return Number(text);
}
