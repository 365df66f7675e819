/** What the build puts in: build.mjs defines each of these names. */

/** The reviewers' age recipient, `age1...`, to which reports are sealed; empty where none is pinned. */
declare const REVIEWERS_RECIPIENT: string;

/** The names of the workers' files, which lie beside the page's own script. */
declare const PASSWORD_WORKER_FILE: string;
declare const UPLOAD_WORKER_FILE: string;
