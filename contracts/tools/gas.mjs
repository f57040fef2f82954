// Measures gas and writes target/bench/gas.json, in gas per item of whole transactions: base fee, calldata and execution.
// The figures are those of snapshots/, which the tests hold to the wei; `at_10` and `at_10000` say how many leases are open
// besides the 50 that are measured.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { binary, ROOT } from "./bin.mjs";

const OUT = join(ROOT, "../target/bench");
const LIMITS = { settle_batch50_per_voucher: 22_000, settle_single: 60_000, open_batch50_per_lease: 75_000 };

const { status } = spawnSync(binary("forge"), ["test", "--match-contract", "^Gas"], { cwd: ROOT, stdio: "inherit" });
if (status !== 0) process.exit(1);

const read = (group) => JSON.parse(readFileSync(join(ROOT, `snapshots/${group}.json`), "utf8"));
const [few, many] = [read("Escrow"), read("EscrowAt10000")];
const figures = {};
for (const name of Object.keys(few)) {
  const at10 = Number(few[name]);
  figures[name] = name in many ? { at_10: at10, at_10000: Number(many[name]) } : at10;
}
// what a node is charged for in an epoch: recording a lease, being weighed, being allotted
figures.accrue_per_node_epoch = Object.values(read("Mining")).reduce((sum, gas) => sum + Number(gas), 0);
let missed = 0;
for (const [name, limit] of Object.entries(LIMITS)) {
  const worst = Math.max(figures[name].at_10, figures[name].at_10000);
  console.log(`${name}: ${worst} gas, at most ${limit}`);
  if (worst > limit) missed = 1;
}
mkdirSync(OUT, { recursive: true });
writeFileSync(join(OUT, "gas.json"), `${JSON.stringify(figures, null, 2)}\n`);
console.log(`written to ${join(OUT, "gas.json")}`);
process.exit(missed);
