#!/usr/bin/env node
// Stands in for solc.mjs where the same is asked again and again: remembers each answer, by all that it depends on. With a filter
// for tests forge asks for the syntax trees of everything before each run, which takes longer than most of the runs.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const SOLC = fileURLToPath(new URL("solc.mjs", import.meta.url));
const FOLDER = fileURLToPath(new URL("../out/answers", import.meta.url));

const args = process.argv.slice(2);
const input = args.includes("--version") ? "" : readFileSync(0);
const hash = createHash("sha256").update(JSON.stringify(args)).update(readFileSync(SOLC)).update(input);
hash.update(readFileSync(createRequire(import.meta.url).resolve("solc/package.json")));
const path = join(FOLDER, hash.digest("hex"));
if (!existsSync(path)) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [SOLC, ...args], { input, maxBuffer: 1 << 30 });
  if (status !== 0) {
    process.stderr.write(stderr);
    process.exit(status ?? 1);
  }
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(`${path}.${process.pid}`, stdout);
  renameSync(`${path}.${process.pid}`, path);
}
const bytes = readFileSync(path);
for (let at = 0; at < bytes.length; ) {
  try {
    at += writeSync(1, bytes, at);
  } catch (error) {
    if (error.code !== "EAGAIN") throw error;
  }
}
