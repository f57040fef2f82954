// What mutants are made of a contract, on one that is small enough to count them.
import { createRequire } from "node:module";
import { strict as assert } from "node:assert";
import { code, digest, faultsOf, mutantsOf } from "./mutants.mjs";

const solc = createRequire(import.meta.url)("solc");

const SOURCE = `// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;
contract Small {
    event Paid(uint256 amount); // "not a string"
    uint256 public constant NOTICE = 15 minutes;
    uint256 public paid;
    error No();

    function pay(uint256 amount, uint256 hold) external {
        if (amount >= hold) revert No();
        paid += amount > 1e18 ? 7 : amount;
        emit Paid(amount);
    }
}
`;

function mutants(source) {
  const input = {
    language: "Solidity",
    sources: { "Small.sol": { content: source } },
    settings: { outputSelection: { "*": { "": ["ast"] } } },
  };
  const { sources } = JSON.parse(solc.compile(JSON.stringify(input)));
  return mutantsOf(sources["Small.sol"].ast, Buffer.from(source));
}

const found = mutants(SOURCE).map(({ function: within, operator, from, to }) => `${within} ${operator}: ${from} -> ${to}`);
assert.deepEqual(found, [
  " figure: 15 minutes -> 16 minutes",
  "pay condition: amount >= hold -> true",
  "pay condition: amount >= hold -> false",
  "pay operator: >= -> >",
  "pay statement: paid += amount > 1e18 ? 7 : amount; -> {}",
  "pay assignment: += -> -=",
  "pay branch: amount > 1e18 ? 7 : amount -> 7",
  "pay branch: amount > 1e18 ? 7 : amount -> amount",
  "pay operator: > -> >=",
  "pay figure: 7 -> 8",
  "pay statement: emit Paid(amount); -> {}",
]);

// Every one of them is a program: a mutant that doesn't compile tells nothing.
for (const { at, end, to } of mutants(SOURCE)) {
  const changed = `${SOURCE.slice(0, at)}${to}${SOURCE.slice(end)}`;
  assert.doesNotThrow(() => mutants(changed), changed);
}

assert.equal(code("a  // b\n/* c */ d"), "a d");
assert.equal(code('string s = "x // y";'), 'string s = "x // y";', "what is in quotes is no comment");
assert.notEqual(code(SOURCE), code(SOURCE.replace("15 minutes", "16 minutes")));

// A report: whole, of this source, and nothing in it left open.
const survivor = { line: 9, function: "pay", operator: "operator", from: ">=", to: ">", nth: 0, why: "the same" };
const whole = { sha256: digest(SOURCE), mutants: 11, killed: 9, invalid: 1, same: 0, survived: 1, survivors: [survivor] };
const faults = (report, source = SOURCE) => faultsOf("Small", "src/Small.sol", report, source).join("; ");
assert.equal(faults(whole), "");
assert.equal(faults(whole, SOURCE.replace("not a string", "another comment")), "", "a comment outdates nothing");
assert.match(faults(undefined), /src\/Small\.sol has no report: run `npm run mutate -- Small`/);
assert.match(faults(whole, SOURCE.replace("15 minutes", "16 minutes")), /has changed since its report/);
assert.match(faults({ ...whole, survivors: [{ ...survivor, why: "" }] }), /Small\.sol:9 pay: >= -> > survived and isn't explained/);
assert.match(faults({ ...whole, survivors: [] }), /1 survived, and 0 are listed/);
assert.match(faults({ ...whole, killed: 8 }), /not every mutant was tried/);
console.log("mutants: as they should be");
