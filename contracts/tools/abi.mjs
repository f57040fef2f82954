// Compares abi/*.json, which other languages generate their bindings from, with what forge built.
// `--write` brings them up to date.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const CONTRACTS = ["EAIToken", "Escrow"];
const write = process.argv.includes("--write");
let stale = 0;

for (const name of CONTRACTS) {
  const built = JSON.parse(readFileSync(`${root}out/${name}.sol/${name}.json`, "utf8"));
  const { abi, bytecode, deployedBytecode } = built;
  const wanted = `${JSON.stringify(
    { contractName: name, abi, bytecode: bytecode.object, deployedBytecode: deployedBytecode.object, immutableReferences: deployedBytecode.immutableReferences ?? {} },
    null,
    1,
  )}\n`;
  const path = `${root}abi/${name}.json`;
  if (write) {
    writeFileSync(path, wanted);
    continue;
  }
  let committed = "";
  try {
    committed = readFileSync(path, "utf8");
  } catch {
    // reported below, as a difference
  }
  if (committed !== wanted) {
    console.error(`abi/${name}.json differs from the build: run \`npm run abi\` and commit it`);
    stale = 1;
  }
}
process.exit(stale);
