// Checks that each test/**/*.tree and the tests beside it name each other: a branch without its test, or a test that is
// on no branch, fails.
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./bin.mjs";

const TESTS = join(ROOT, "test");
const NAME = /\b(?:test|testFuzz|invariant)_\w+|\bafterInvariant\b/g;
let faults = 0;

function fault(sentence) {
  console.error(`trees: ${sentence}`);
  faults = 1;
}

const files = readdirSync(TESTS, { recursive: true }).map(String);
for (const file of files.filter((name) => name.endsWith(".t.sol") && !name.endsWith("Gas.t.sol"))) {
  const tree = file.replace(/\.t\.sol$/, ".tree");
  if (!files.includes(tree)) {
    fault(`${file} has no ${tree}`);
    continue;
  }
  const source = readFileSync(join(TESTS, file), "utf8");
  const tests = new Set([...source.matchAll(/function ((?:test|testFuzz|invariant)_\w+|afterInvariant)\(/g)].map((m) => m[1]));
  const branches = new Set(readFileSync(join(TESTS, tree), "utf8").match(NAME) ?? []);
  for (const name of branches) if (!tests.has(name)) fault(`${tree}: no test is called ${name}`);
  for (const name of tests) if (!branches.has(name)) fault(`${file}: ${name} is on no branch of ${tree}`);
}
for (const tree of files.filter((name) => name.endsWith(".tree"))) {
  if (!files.includes(tree.replace(/\.tree$/, ".t.sol"))) fault(`${tree} has no tests beside it`);
}
process.exit(faults);
