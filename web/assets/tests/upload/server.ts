/** A server for tests: tus 1.0 and links, over real HTTP on loopback, with faults where a test wants them. */

import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export const LINK_ID = "01890a5d-ac96-774b-bcce-b302099a8057";

export interface ReceivedUpload {
  id: string;
  length: number;
  bytes: Buffer;
  isRemoved: boolean;
}

export interface LinkBody {
  upload: string;
  sha256: string;
  root: string;
  length: number;
  manifest: string;
  seal: string;
  price: { amount_msat: number };
  deletion_token_sha256: string;
  expires_at?: string;
  transfers_max?: number;
}

interface Refusal {
  method: string;
  status: number;
  problem?: string;
}

export class TusServer {
  readonly uploads: ReceivedUpload[] = [];
  readonly links: { key: string; body: LinkBody }[] = [];
  readonly requests: string[] = [];
  /** Is asked before each PATCH is read: how many of its bytes arrive before the connection breaks. */
  cut: (size: number) => number | undefined = () => undefined;
  /** Is told of each PATCH's end, before its bytes count. */
  onPatch: (end: number) => Promise<void> | void = () => undefined;
  /** Answers that come instead of the next ones, by method: a status, or a problem's code with it. */
  readonly refusals: Refusal[] = [];
  isLinkAnswerLost = false;
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => {
      this.answer(request, response).catch(() => response.destroy());
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const method = request.method ?? "";
    this.requests.push(method);
    const refusal = this.refusals.findIndex((entry) => entry.method === method);
    if (refusal >= 0) {
      const [{ status, problem } = { status: 500 }] = this.refusals.splice(refusal, 1);
      request.resume();
      response.writeHead(status, { "Content-Type": "application/problem+json" });
      response.end(JSON.stringify({ code: problem ?? "", detail: "no" }));
    } else if (request.url === "/api/v1/links") await this.makeLink(request, response);
    else if (method === "POST") this.create(request, response);
    else await this.change(method, request, response);
  }

  private create(request: IncomingMessage, response: ServerResponse): void {
    request.resume();
    const id = `upload-${this.uploads.length}`;
    this.uploads.push({
      id,
      length: Number(request.headers["upload-length"]),
      bytes: Buffer.alloc(0),
      isRemoved: false,
    });
    response.writeHead(201, { Location: `/api/v1/uploads/${id}` }).end();
  }

  private async change(method: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const upload = this.uploads.find(({ id }) => request.url === `/api/v1/uploads/${id}`);
    if (!upload || upload.isRemoved) {
      request.resume();
      response.writeHead(upload ? 410 : 404).end();
    } else if (method === "HEAD") response.writeHead(200, { "Upload-Offset": upload.bytes.length }).end();
    else if (method === "DELETE") {
      upload.isRemoved = true;
      response.writeHead(204).end();
    } else await this.append(upload, request, response);
  }

  private async append(upload: ReceivedUpload, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const size = Number(request.headers["content-length"]);
    const keep = this.cut(size);
    if (Number(request.headers["upload-offset"]) !== upload.bytes.length) {
      request.resume();
      response.writeHead(409, { "Upload-Offset": upload.bytes.length }).end();
      return;
    }
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = Buffer.concat(parts);
    await this.onPatch(upload.bytes.length + body.length);
    if (keep !== undefined) {
      upload.bytes = Buffer.concat([upload.bytes, body.subarray(0, keep)]);
      response.destroy();
      return;
    }
    const checksum = createHash("sha256").update(body).digest("base64");
    if (request.headers["upload-checksum"] !== `sha256 ${checksum}`) {
      response.writeHead(460).end();
      return;
    }
    upload.bytes = Buffer.concat([upload.bytes, body]);
    response.writeHead(204, { "Upload-Offset": upload.bytes.length }).end();
  }

  private async makeLink(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = JSON.parse(Buffer.concat(parts).toString()) as LinkBody;
    this.links.push({ key: String(request.headers["idempotency-key"]), body });
    if (this.isLinkAnswerLost) {
      response.destroy();
      return;
    }
    const { bytes } = this.uploads.find(({ id }) => id === body.upload) ?? { bytes: Buffer.alloc(0) };
    const isRight = body.sha256 === `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    response.writeHead(isRight ? 201 : 422, { "Content-Type": "application/json" });
    response.end(JSON.stringify({ ...body, id: LINK_ID, record: null }));
  }
}
