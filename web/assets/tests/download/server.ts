/** A server for tests: one link with its manifest and content, over real HTTP on loopback, with faults where a test wants them. */

import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { beginForX25519, encryptBytes, getPrefix } from "../../src/core/age/files.ts";
import { getRecipient } from "../../src/core/age/recipients.ts";
import { type Bytes, concatBytes, drawBytes, toHex } from "../../src/core/bytes.ts";
import { BlobDigest, hashBytes } from "../../src/core/digest.ts";
import { formatLink } from "../../src/core/links.ts";
import { encryptManifest, type ManifestFile } from "../../src/core/manifest.ts";
import { computeSeal } from "../../src/core/seals.ts";

export const LINK_ID = "01890a5d-ac96-774b-bcce-b302099a8057";

export interface Shared {
  secret: Bytes;
  blob: Bytes;
  prefixBytes: number;
  manifest: Bytes;
  info: Record<string, unknown>;
}

/** Encrypt files as an upload does, and return what the server has of them. */
export async function share(
  files: readonly { name: string; content: Bytes; mediaType?: string }[],
  padding = 0,
): Promise<Shared> {
  const secret = drawBytes(32);
  const encryption = beginForX25519(getRecipient(secret));
  const payload = concatBytes(...files.map(({ content }) => content), new Uint8Array(padding));
  const blob = await encryptBytes(encryption, payload);
  const digester = await BlobDigest.create();
  await digester.update(blob);
  const { sha256, length, root } = await digester.finish();
  const entries: ManifestFile[] = [];
  for (const { name, content, mediaType } of files) {
    entries.push({
      name,
      mediaType: mediaType ?? "text/plain",
      size: content.length,
      sha256: await hashBytes(content),
    });
  }
  const manifest = await encryptManifest({ files: entries, length, root, padding }, secret);
  const info = {
    id: LINK_ID,
    length,
    sha256: `sha256:${toHex(sha256)}`,
    root: `sha256:${toHex(root)}`,
    seal: toHex(computeSeal(secret, await hashBytes(manifest))),
    price: { amount_msat: 0 },
    record: null,
    payees: [],
  };
  return { secret, blob, prefixBytes: getPrefix(encryption).length, manifest, info };
}

export class LinkServer {
  readonly shared: Shared;
  readonly requests: { path: string; headers: IncomingMessage["headers"] }[] = [];
  url = "";
  priceMsat = 0;
  isCharging = true;
  /** Answers that come instead of the next ones. */
  readonly refusals: { status: number; problem: string }[] = [];
  /** After how many bytes the next answers break off. */
  readonly cuts: number[] = [];
  private readonly server: Server;

  constructor(shared: Shared) {
    this.shared = shared;
    this.server = createServer((request, response) => this.answer(request, response));
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  get link(): string {
    const { secret, manifest } = this.shared;
    const manifestSha256 = new Uint8Array(createHash("sha256").update(manifest).digest());
    return formatLink({ serverUrl: this.url, id: LINK_ID, secret, manifestSha256 });
  }

  get contentRequests(): IncomingMessage["headers"][] {
    return this.requests.filter(({ path }) => path.endsWith("/content")).map(({ headers }) => headers);
  }

  private answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? "";
    this.requests.push({ path, headers: request.headers });
    const refusal =
      path.endsWith("/content") || this.refusals[0]?.problem.startsWith("link") ? this.refusals.shift() : undefined;
    if (refusal) {
      response.writeHead(refusal.status, { "Content-Type": "application/problem+json" });
      response.end(JSON.stringify({ code: refusal.problem }));
    } else if (path.endsWith("/manifest")) response.end(this.shared.manifest);
    else if (path.endsWith("/content")) this.deliver(request, response);
    else {
      response.setHeader("Content-Type", "application/json");
      response.end(JSON.stringify({ ...this.shared.info, price: { amount_msat: this.priceMsat } }));
    }
  }

  private deliver(request: IncomingMessage, response: ServerResponse): void {
    const { blob } = this.shared;
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
    const [start, end] = [Number(first), Number(last) + 1];
    const charged = this.isCharging ? this.priceMsat : 0;
    this.isCharging = false;
    const body = blob.subarray(start, end);
    response.writeHead(206, {
      "Content-Range": `bytes ${start}-${end - 1}/${blob.length}`,
      "Content-Length": end - start,
      "Cadastre-Charged-Msat": charged,
      ...(request.headers["cadastre-pass"] ? {} : { "Cadastre-Pass": "pass" }),
    });
    const cut = this.cuts.shift();
    if (cut === undefined) response.end(body);
    else response.write(body.subarray(0, cut), () => setTimeout(() => response.destroy(), 20));
  }
}
