/** Builds the browser's scripts: `node build.mjs` for the site, `--tests` for Node's test runner, `--bench` for measurements.
 *
 * Every name holds a hash of the content, so a page never meets a worker of another version. manifest.json names each script's
 * file and its subresource hash (sha384). The same sources give the same bytes on every machine. */

import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const ROOT = path.dirname(fileURLToPath(import.meta.url));
const OUTPUT = process.env.ASSETS_OUTPUT ?? path.join(ROOT, "..", "static", "web", "built");
// Below this folder, for Node looks there for the packages.
const TESTS_OUTPUT = process.env.ASSETS_TESTS_OUTPUT ?? "build/tests";
const RECIPIENT = process.env.CADASTRE_REVIEWERS_RECIPIENT ?? "";
const WORKERS = {
  password_worker: "src/download/password_worker.ts",
  service_worker: "src/download/service_worker.ts",
  upload_worker: "src/upload/worker.ts",
};
const HASH_DIGITS = 12;
const SHARED = {
  absWorkingDir: ROOT,
  bundle: true,
  charset: "utf8",
  legalComments: "none",
  logLevel: "warning",
  target: ["es2022"],
};

/** Bundle some entries (name to source), and return each one's file name; `isHashed` puts a hash of the content into it. */
async function bundle(entries, { isHashed = true, outdir = OUTPUT, ...options }) {
  const { outputFiles } = await build({
    ...SHARED,
    entryPoints: Object.entries(entries).map(([out, source]) => ({ in: source, out })),
    minify: true,
    outdir,
    write: false,
    ...options,
  });
  await mkdir(outdir, { recursive: true });
  const files = {};
  for (const { path: target, contents } of outputFiles) {
    const name = path.basename(target, ".js");
    // esbuild's own hash also depends on where the packages lie.
    const digest = createHash("sha256").update(contents).digest("hex").slice(0, HASH_DIGITS);
    files[name] = isHashed ? `${name}-${digest}.js` : `${name}.js`;
    await writeFile(path.join(outdir, files[name]), contents);
  }
  return files;
}

/** Return the pages' entries: every module directly in src/pages; what they share lies in folders below it. */
async function listPages() {
  const names = (await readdir(path.join(ROOT, "src/pages"))).filter((name) => name.endsWith(".ts"));
  return Object.fromEntries(names.sort().map((name) => [name.slice(0, -3), `src/pages/${name}`]));
}

/** Bundle the workers, then scripts that begin them, and return every file's name. */
async function bundleAll(entries, define, options = {}) {
  const workers = await bundle(WORKERS, { format: "iife", define, ...options });
  const pages = await bundle(entries, {
    format: "esm",
    define: {
      ...define,
      PASSWORD_WORKER_FILE: JSON.stringify(workers.password_worker),
      UPLOAD_WORKER_FILE: JSON.stringify(workers.upload_worker),
    },
    ...options,
  });
  return { ...pages, ...workers };
}

async function buildSite() {
  if (!/^(age1[02-9ac-hj-np-z]{58})?$/.test(RECIPIENT)) {
    throw new Error("CADASTRE_REVIEWERS_RECIPIENT must be an age recipient, age1... in lower case.");
  }
  await rm(OUTPUT, { recursive: true, force: true });
  await mkdir(OUTPUT, { recursive: true });
  const define = { REVIEWERS_RECIPIENT: JSON.stringify(RECIPIENT) };
  const files = await bundleAll(await listPages(), define);
  const scripts = {};
  for (const [name, file] of Object.entries(files).sort()) {
    const digest = createHash("sha384").update(await readFile(path.join(OUTPUT, file)));
    scripts[name] = { file, integrity: `sha384-${digest.digest("base64")}` };
  }
  const manifest = { reviewers_recipient: RECIPIENT, scripts, version: 1 };
  await writeFile(path.join(OUTPUT, "manifest.json"), `${JSON.stringify(manifest, null, 1)}\n`);
}

/** Bundle every test on its own, for Node 20 does not read TypeScript. */
async function buildTests() {
  const folder = path.join(ROOT, "tests");
  const isEntry = (name) => name.endsWith(".test.ts") || name === "interop.ts";
  const names = (await readdir(folder, { recursive: true })).filter(isEntry).sort();
  const outdir = path.join(ROOT, TESTS_OUTPUT);
  await rm(outdir, { recursive: true, force: true });
  await build({
    ...SHARED,
    entryPoints: names.map((name) => path.join("tests", name)),
    outdir,
    outbase: path.join(ROOT, "tests"),
    outExtension: { ".js": ".mjs" },
    format: "esm",
    platform: "node",
    packages: "external",
    sourcemap: "inline",
    define: { REVIEWERS_RECIPIENT: '""', PASSWORD_WORKER_FILE: '""', UPLOAD_WORKER_FILE: '""' },
  });
}

/** Bundle what `make bench` measures, under names without a hash. */
async function buildBench() {
  const outdir = path.join(ROOT, "build/bench");
  await rm(outdir, { recursive: true, force: true });
  await bundleAll({ bench: "bench/bench.ts" }, { REVIEWERS_RECIPIENT: '""' }, { outdir, isHashed: false });
}

if (process.argv.includes("--tests")) await buildTests();
else if (process.argv.includes("--bench")) await buildBench();
else await buildSite();
