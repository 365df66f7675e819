/** The upload page. */

import "../upload/engine.ts";
