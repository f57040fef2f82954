#!/usr/bin/env node
// Stands in for a native solc: forge asks for `--version`, then sends standard JSON on stdin.
// The compiler is the WebAssembly build from npm, pinned by package-lock.json, so nothing is
// downloaded at build time and every machine gets the same bytecode.
import { createRequire } from "node:module";
import { readFileSync, writeSync } from "node:fs";

const solc = createRequire(import.meta.url)("solc");

/** Writes all of `text`; a pipe may take it in pieces. */
function print(text) {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(1, bytes, at);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

if (process.argv.includes("--version")) {
  // forge parses the native compiler's banner, which names a native target.
  print(`solc, the solidity compiler commandline interface\nVersion: ${solc.version().replace("Emscripten.clang", "Linux.g++")}\n`);
} else {
  print(solc.compile(readFileSync(0, "utf8")));
}
process.exit(0);
