// Compares abi/*.json, which other languages generate their bindings from, with what forge built.
// `--write` brings them up to date.
import { readFileSync, writeFileSync } from "node:fs";
import { ROOT } from "./bin.mjs";

const CONTRACTS = [
  ...["EAIToken", "Escrow", "HubRegistry", "NodeRegistry", "EmissionController", "Disputes", "FoundationTimelock", "Guardrail"],
  ...["MiningPools", "MiningPool", "RaceBonds", "VendorTokenFactory", "VendorToken", "Catalog", "DataRegistry"],
];
/** JSON with an entry of a list on each line, so that a difference shows what changed. */
const lines = (value) =>
  Array.isArray(value) ? `[\n${value.map((entry) => ` ${JSON.stringify(entry)}`).join(",\n")}\n]` : JSON.stringify(value);
const write = process.argv.includes("--write");
/** The most bytes of code that a chain takes (EIP-170); forge's tests don't mind more. */
const LARGEST = 24_576;
let stale = 0;

for (const name of CONTRACTS) {
  const built = JSON.parse(readFileSync(`${ROOT}out/${name}.sol/${name}.json`, "utf8"));
  const { abi, bytecode, deployedBytecode } = built;
  const size = (deployedBytecode.object.length - 2) / 2;
  if (size > LARGEST) {
    console.error(`${name}'s code is ${size} bytes, and no chain takes more than ${LARGEST}`);
    stale = 1;
  }
  // Where the constructor fills in immutables. The compiler lists them under numbers that change from build to build.
  const immutables = Object.values(deployedBytecode.immutableReferences ?? {})
    .flat()
    .sort((one, other) => one.start - other.start);
  const fields = { contractName: name, abi, immutables, bytecode: bytecode.object, deployedBytecode: deployedBytecode.object };
  const wanted = `{\n${Object.entries(fields)
    .map(([key, value]) => `"${key}": ${lines(value)}`)
    .join(",\n")}\n}\n`;
  const path = `${ROOT}abi/${name}.json`;
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
