/** The browser's code as a command, for tests that let it meet the `cadastre` command at a real server.
 *
 * `put SERVER TOKEN PADDING PASSWORD FILE...` prints a link; `get TOKEN PASSWORD LINK INDEX` writes a file, or "zip", to standard output. */

import "fake-indexeddb/auto";
import { readFileSync } from "node:fs";
import process from "node:process";
import { Api } from "../src/core/requests.ts";
import { beginTransfer, fetchLink } from "../src/download/opening.ts";
import { Responder } from "../src/download/responses.ts";
import { UploadControl } from "../src/upload/control.ts";
import { prepareUpload, UploadRun } from "../src/upload/run.ts";
import { UploadStore } from "../src/upload/store.ts";
import type { PaddingRule } from "../src/upload/types.ts";

/** Sign in by a token, where a page has the session's cookie. */
function signIn(token: string): void {
  const send = globalThis.fetch;
  globalThis.fetch = (address, options = {}) => {
    const headers = new Headers(options.headers);
    if (token) headers.set("Authorization", `Bearer ${token}`);
    return send(address, { ...options, headers });
  };
}

async function put(serverUrl: string, token: string, padding: string, password: string, paths: string[]) {
  signIn(token);
  const files = paths.map((path) => ({
    path: path.replace(path.includes("/./") ? /^.*\/\.\// : /^.*\//, ""),
    file: new File([readFileSync(path)], path),
  }));
  const store = await UploadStore.open();
  const request = { files, priceMsat: 0n, padding: padding as PaddingRule, ...(password ? { password } : {}) };
  const { upload, source } = await prepareUpload(store, "interop", request);
  const run = new UploadRun(store, new Api(serverUrl), upload, new UploadControl(), () => undefined);
  process.stdout.write((await run.run(source)).linkUrl);
}

async function get(token: string, password: string, link: string, index: string) {
  signIn(token);
  const api = new Api(new URL(link).origin);
  const opened = await fetchLink(api, link, password || undefined);
  const { keys } = await beginTransfer(api, opened, 0n);
  const address = {
    token: keys.token,
    index: index === "zip" ? "zip" : Number(index),
    disposition: "attachment",
  } as const;
  const { response } = new Responder(api, keys, () => undefined).answer(address, new Headers());
  process.stdout.write(Buffer.from(await response.arrayBuffer()));
}

const [command, ...words] = process.argv.slice(2);
const [one = "", two = "", three = "", four = "", ...rest] = words;
await (command === "put" ? put(one, two, three, four, rest) : get(one, two, three, four));
