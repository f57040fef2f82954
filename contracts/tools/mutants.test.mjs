// What mutants are made of a contract, on one that is small enough to count them.
import { createRequire } from "node:module";
import { strict as assert } from "node:assert";
import { code, mutantsOf } from "./mutants.mjs";

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
console.log("mutants: as they should be");
