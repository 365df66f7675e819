/** The service worker: it answers addresses below /f/<id>/plain/ with plaintext, decrypted as it streams. */

const scope = self as unknown as ServiceWorkerGlobalScope;

scope.addEventListener("activate", (event) => event.waitUntil(scope.clients.claim()));

export {};
