// Where npm put the Foundry binaries. The packages' own starters end with 0 whatever the binary ended with, and leave it
// behind when they are ended, so nothing here goes through them.
//
//   node tools/bin.mjs forge ARGUMENTS...   runs forge in this folder and ends as it ends
import { spawnSync } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** This folder's parent: contracts/. */
export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** The path of forge, cast or anvil. */
export function binary(name) {
  const arch = { x64: "amd64", arm64: "arm64" }[process.arch];
  const path = join(ROOT, `node_modules/@foundry-rs/${name}-${process.platform}-${arch}/bin/${name}`);
  if (!existsSync(path)) throw new Error(`${name} is not installed; run \`npm ci\` in contracts/`);
  return path;
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [name, ...args] = process.argv.slice(2);
  const { status } = spawnSync(binary(name), args, { cwd: ROOT, stdio: "inherit" });
  process.exit(status ?? 1);
}
