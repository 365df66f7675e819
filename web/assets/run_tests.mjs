/** Runs the built tests, or those whose paths hold one of the arguments; prints what failed, and one line at the end. */

import { readdir } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { run } from "node:test";
import { inspect } from "node:util";

// Node warns of each experimental algorithm that the tests use.
process.env.NODE_OPTIONS = "--disable-warning=ExperimentalWarning";

const FOLDER = path.resolve(process.env.ASSETS_TESTS_OUTPUT ?? "build/tests");
const wanted = process.argv.slice(2);
const names = (await readdir(FOLDER, { recursive: true })).filter((name) => name.endsWith(".test.mjs")).sort();
const files = names.filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)));
const counts = { passed: 0, failed: 0, skipped: 0 };

for await (const { type, data } of run({ files: files.map((name) => path.join(FOLDER, name)), concurrency: 2 })) {
  if (type === "test:fail") report(data);
  else if (type === "test:stderr" || type === "test:stdout") process.stderr.write(data.message);
  if (!["test:pass", "test:fail"].includes(type) || data.details?.type === "suite") continue;
  counts[data.skip ? "skipped" : type === "test:pass" ? "passed" : "failed"] += 1;
}
const isEmpty = counts.passed === 0;
process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
process.exitCode = counts.failed || isEmpty ? 1 : 0;

function report({ file, name, details }) {
  const cause = details.error?.cause ?? details.error;
  process.stdout.write(`FAILED ${path.relative(FOLDER, file ?? "")}: ${name}\n${inspect(cause)}\n`);
}
