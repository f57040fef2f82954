// Where the Foundry binaries are: npm brings them for Linux on amd64; elsewhere they are taken from the PATH. npm's
// starters for them (@foundry-rs/forge and so on) are not used: they end with 0 whatever the binary ended with, and leave it
// behind when they are ended.
//
//   node tools/bin.mjs forge ARGUMENTS...   runs forge in this folder and ends as it ends
import { spawnSync } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";

/** This folder's parent: contracts/. */
export const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** The path of forge, cast or anvil. */
export function binary(name) {
  const installed = join(ROOT, `node_modules/@foundry-rs/${name}-linux-amd64/bin/${name}`);
  const onPath = (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, name));
  const found = [installed, ...onPath].find((path) => existsSync(path));
  if (found) return found;
  throw new Error(`${name} is not installed: run \`npm ci\` in contracts/, or put Foundry 1.7.1 on the PATH`);
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [name, ...args] = process.argv.slice(2);
  const { status } = spawnSync(binary(name), args, { cwd: ROOT, stdio: "inherit" });
  process.exit(status ?? 1);
}
