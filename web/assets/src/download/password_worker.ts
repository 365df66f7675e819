/** The password's worker: scrypt takes 128 MiB and a second, in which the page must not stand still. */

import type { Header } from "../core/age/header.ts";
import { unwrapByPassword } from "../core/age/recipients.ts";
import { getErrorCode } from "../core/errors.ts";

const scope = self as unknown as DedicatedWorkerGlobalScope;

scope.addEventListener("message", async ({ data }: MessageEvent<{ header: Header; password: string }>) => {
  try {
    scope.postMessage({ fileKey: await unwrapByPassword(data.header, data.password) });
  } catch (error) {
    scope.postMessage({ code: getErrorCode(error), message: String(error) });
  }
});
