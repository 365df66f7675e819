/** What the build puts in: build.mjs defines each of these names. */

/** The reviewers' age recipient, `age1...`, to which reports are sealed; empty where none is pinned. */
declare const REVIEWERS_RECIPIENT: string;

/** The file's name of the upload's worker, beside the page's own script. */
declare const UPLOAD_WORKER_FILE: string;
