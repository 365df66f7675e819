/** The service worker: it answers addresses below /f/<id>/plain/ with plaintext, decrypted as it streams.
 *
 * Keys are in its memory alone. The browser may end it whenever it is idle, so whoever finds no keys asks the pages for them. */

import { Api } from "../core/requests.ts";
import { type DeliveryKeys, type PlainAddress, parsePlainPath } from "./keys.ts";
import type { PageMessage, ServiceWorkerMessage } from "./messages.ts";
import { type Answer, Responder, refuse } from "./responses.ts";

/** For how long a page may take to hand over keys that were lost. */
const KEYS_TIMEOUT_MS = 5_000;

const scope = self as unknown as ServiceWorkerGlobalScope;
const api = new Api(scope.location.origin);
const deliveries = new Map<string, DeliveryKeys>();
const waiting = new Map<string, Set<() => void>>();

// A new version takes over at once: pages hand their keys over again.
scope.addEventListener("install", () => void scope.skipWaiting());
scope.addEventListener("activate", (event) => event.waitUntil(scope.clients.claim()));

scope.addEventListener("message", (event) => {
  const message = event.data as PageMessage;
  if (message.type === "forget") deliveries.delete(message.token);
  else if (message.type === "claim") event.waitUntil(scope.clients.claim());
  else if (message.type === "take-keys") takeKeys(message.keys, event.ports[0]);
  else if (!deliveries.has(message.token)) event.source?.postMessage({ type: "need-keys", token: message.token });
});

scope.addEventListener("fetch", (event) => {
  const { origin, pathname } = new URL(event.request.url);
  const address = origin === scope.location.origin ? parsePlainPath(pathname) : undefined;
  if (!address || event.request.method !== "GET") return;
  const answering = answer(address, event.request.headers);
  event.respondWith(answering.then(({ response }) => response));
  event.waitUntil(answering.then(({ finished }) => finished));
});

function takeKeys(keys: DeliveryKeys, port: MessagePort | undefined): void {
  deliveries.set(keys.token, keys);
  port?.postMessage(true);
  for (const wake of waiting.get(keys.token) ?? []) wake();
  waiting.delete(keys.token);
}

async function answer(address: PlainAddress, headers: Headers): Promise<Answer> {
  const keys = deliveries.get(address.token) ?? (await askForKeys(address.token));
  if (!keys) return refuse(410);
  const responder = new Responder(api, keys, (progress) => {
    const { token, priceLeftMsat, pass } = keys;
    void tellPages({ type: "progress", token, progress, priceLeftMsat, pass });
  });
  return responder.answer(address, headers);
}

async function askForKeys(token: string): Promise<DeliveryKeys | undefined> {
  const taken = new Promise<void>((resolve) => {
    const sleepers = waiting.get(token) ?? new Set();
    waiting.set(token, sleepers.add(resolve));
    setTimeout(resolve, KEYS_TIMEOUT_MS);
  });
  await tellPages({ type: "need-keys", token });
  await taken;
  return deliveries.get(token);
}

async function tellPages(message: ServiceWorkerMessage): Promise<void> {
  for (const page of await scope.clients.matchAll({ type: "window", includeUncontrolled: true })) {
    page.postMessage(message);
  }
}
