/** The share page: what is behind a link. */

import "../download/open.ts";
