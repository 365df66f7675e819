/** The few requests that pages make themselves; uploads and deliveries make their own. */

import { Api } from "../../core/requests.ts";
import { getCsrfToken } from "../../core/session.ts";

/** Return a client of the site's own API, which acts for whoever is signed in. */
export function makeApi(): Api {
  return new Api(location.origin, getCsrfToken());
}

/** Send a JSON document and return the answer's. Throws like `Api.send`. */
export function post(path: string, document: unknown, headers: Record<string, string> = {}): Promise<unknown> {
  const body = JSON.stringify(document);
  return makeApi().sendForJson("POST", path, { body, headers: { "Content-Type": "application/json", ...headers } });
}
