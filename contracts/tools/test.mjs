// All checks of this folder, cheapest first; the first that fails ends it. Needs `npm ci` and nothing else.
import { spawnSync } from "node:child_process";
import { binary, ROOT } from "./bin.mjs";

const FORGE = binary("forge");
const NODE = process.execPath;

const steps = [
  ["format", FORGE, ["fmt", "--check"]],
  ["build", FORGE, ["build"]],
  ["abi/ is what was built", NODE, ["tools/abi.mjs"]],
  ["shared vectors are what EIP-712 says", NODE, ["tools/vectors.mjs"]],
  ["every branch has its test", NODE, ["tools/trees.mjs"]],
  ["what mutants are", NODE, ["tools/mutants.test.mjs"]],
  ["mutation reports are of these sources", NODE, ["tools/mutate.mjs", "--check"]],
  ["tests, fuzz, invariants, gas snapshot", FORGE, ["test", ...process.argv.slice(2)]],
  ["deployment", NODE, ["tools/deploy.test.mjs"]],
  ["verification of a deployment", NODE, ["tools/verify.test.mjs"]],
];

for (const [what, command, args] of steps) {
  const start = Date.now();
  console.log(`== ${what}`);
  const { status } = spawnSync(command, args, {
    cwd: ROOT,
    stdio: "inherit",
    env: { ...process.env, FORGE_SNAPSHOT_CHECK: "true" },
  });
  if (status !== 0) {
    console.error(`contracts: failed: ${what}`);
    process.exit(1);
  }
  console.log(`   ${((Date.now() - start) / 1000).toFixed(1)} s`);
}
