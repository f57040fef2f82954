// Mutation testing: makes one small change at a time, runs the tests that should see it, and keeps what none of them saw.
//
//   node tools/mutate.mjs NAME...            tries all mutants of these contracts and writes mutation/NAME.json
//   node tools/mutate.mjs --check            whether each has a report, about the source as it is, and every survivor is explained
//
// A report keeps, for each mutant that survived, why that is no fault; a new run carries over what was written. It works on a
// copy in out/, so that the checkout is never broken; a run that was interrupted goes on where it was. What survived is tried
// again once the tests have changed; what was killed isn't, so a run that is to count for fewer tests begins without out/mutants/.
//
// What a test deploys it takes from its artifact, so a mutant is compiled here, in one process that has the compiler loaded, and put
// into the artifact: forge sees no change and starts testing at once.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { binary, ROOT } from "./bin.mjs";
import { digest, faultsOf, mutantsOf } from "./mutants.mjs";

/**
 * What is mutated, the contract that it is deployed in (and its file, if another), what its tests need, and the
 * tests that should see it: the quick ones, then those that only who survives them meets.
 */
const TARGETS = {
  Escrow: {
    source: "src/Escrow.sol",
    contract: "Escrow",
    needs: ["src/Escrow.sol", "src/EAIToken.sol", "src/interfaces", "src/libraries", "src/types", "test/escrow", "test/invariant"],
    tests: ["test/escrow/*", "test/invariant/*"],
  },
  EmissionController: {
    source: "src/policy/EmissionController.sol",
    contract: "EmissionController",
    needs: ["src", "test/policy"],
    tests: ["test/policy/{Emission,Attestation}*", "test/policy/{Economics,PolicyInvariant}*"],
  },
  Attestation: {
    source: "src/policy/Attestation.sol",
    contract: "EmissionController",
    file: "src/policy/EmissionController.sol",
    needs: ["src", "test/policy"],
    tests: ["test/policy/{Attestation,Emission}*", "test/policy/{Economics,PolicyInvariant}*"],
  },
};
const TIMEOUT = 300_000;
const solc = createRequire(import.meta.url)("solc");

const reportOf = (name) => join(ROOT, "mutation", `${name}.json`);
const read = (path) => JSON.parse(readFileSync(path, "utf8"));
/** What tells a mutant from all others, whatever line it is on. */
const key = ({ function: within, operator, from, to, nth }) => JSON.stringify([within, operator, from, to, nth]);

/** A copy of what forge needs for the target, and no more, since it reads all there is before each run. */
function copy(name, { needs }) {
  const root = join(ROOT, "out", "mutants", name);
  // Of an earlier run only the compiler's answers stay: one that was interrupted left a mutant there.
  for (const part of ["src", "test", "tools", "foundry.toml", "out/mutate", "cache"]) {
    rmSync(join(root, part), { recursive: true, force: true });
  }
  for (const part of ["tools", "foundry.toml", "test/utils", "test/mocks", ...needs]) {
    cpSync(join(ROOT, part), join(root, part), { recursive: true });
  }
  if (!existsSync(join(root, "node_modules"))) symlinkSync(join(ROOT, "node_modules"), join(root, "node_modules"));
  return root;
}

/** Runs forge in `root`; {status, output}, and whether it `isLate`. */
function forge(root, args) {
  const { status, error, stdout, stderr } = spawnSync(binary("forge"), args, {
    cwd: root,
    encoding: "utf8",
    timeout: TIMEOUT,
    killSignal: "SIGKILL",
    maxBuffer: 1 << 28,
    env: { ...process.env, FOUNDRY_PROFILE: "mutate" },
  });
  return { status, isLate: error?.code === "ETIMEDOUT", output: stdout + stderr };
}

/** Adds to each mutant which of its like it is, from 0, and its line. */
function number(mutants, source) {
  const count = new Map();
  return mutants.map((mutant) => {
    const like = key({ ...mutant, nth: 0 });
    const nth = count.get(like) ?? 0;
    count.set(like, nth + 1);
    const line = source.subarray(0, mutant.at).toString().split("\n").length;
    return { ...mutant, nth, line };
  });
}

/** Compiles the target with `changed` in the place of its source; {code, deployed}, or nothing if it isn't Solidity. */
function compile({ source, contract, file = source }, changed) {
  const contents = (name) => {
    if (name === source) return changed.toString();
    return readFileSync(name.startsWith("@") ? join(ROOT, "node_modules", name) : join(ROOT, name), "utf8");
  };
  const input = {
    language: "Solidity",
    sources: { [file]: { content: contents(file) } },
    settings: {
      optimizer: { enabled: true, runs: 1_000_000 },
      evmVersion: "cancun",
      metadata: { bytecodeHash: "none" },
      outputSelection: { [file]: { [contract]: ["evm.bytecode.object", "evm.deployedBytecode.object"] } },
    },
  };
  input.settings.outputSelection[source] = { ...input.settings.outputSelection[source], "": ["ast"] };
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: (name) => ({ contents: contents(name) }) }));
  if (output.errors?.some(({ severity }) => severity === "error")) return undefined;
  const { evm } = output.contracts[file][contract];
  const { ast } = output.sources[source];
  return { ast, code: `0x${evm.bytecode.object}`, deployed: `0x${evm.deployedBytecode.object}` };
}

/** What became of the mutant: "killed", "invalid" (doesn't compile), "same" (compiles to the same code) or "survived". */
function attempt(root, target, whole, source, mutant) {
  const { contract, tests } = target;
  const made = compile(target, Buffer.concat([source.subarray(0, mutant.at), Buffer.from(mutant.to), source.subarray(mutant.end)]));
  if (!made) return "invalid";
  if (made.code === whole.code && made.deployed === whole.deployed) return "same";
  const artifact = artifactOf(root, contract);
  artifact.bytecode.object = made.code;
  artifact.deployedBytecode.object = made.deployed;
  writeFileSync(pathOf(root, contract), JSON.stringify(artifact));
  for (const some of tests) {
    const { status, isLate, output } = forge(root, ["test", "--fail-fast", "--match-path", some]);
    if (/Compiling/.test(output)) throw new Error(`forge compiled anew instead of taking the mutant\n${output}`);
    if (status === 0) continue;
    // What ends a run, but for a test that failed or didn't end, says nothing of the mutant.
    if (!isLate && !output.includes("[FAIL")) throw new Error(`no test failed, but the run\n${output}`);
    return "killed";
  }
  return "survived";
}

/** What forge made of a contract, and where it lies. */
const pathOf = (root, name) => join(root, "out", "mutate", `${name}.sol`, `${name}.json`);
const artifactOf = (root, name) => read(pathOf(root, name));

/** What the tests of the copy in `root` are. */
function testsOf(root) {
  const hash = createHash("sha256");
  for (const file of readdirSync(join(root, "test"), { recursive: true }).map(String).sort()) {
    if (file.endsWith(".sol")) hash.update(file).update(readFileSync(join(root, "test", file)));
  }
  return hash.digest("hex");
}

/** The outcomes of an earlier run over the same mutants of the same source, by key; what is added is kept. */
function memory(root, name, source) {
  const path = join(root, "..", `${name}.outcomes.json`);
  const [sha256, tests] = [digest(source.toString()), testsOf(root)];
  const before = existsSync(path) ? read(path) : {};
  const outcomes = before.sha256 === sha256 ? before.outcomes : {};
  const stands = ([, outcome]) => outcome !== "survived" || before.tests === tests;
  const known = new Map(Object.entries(outcomes).filter(stands));
  return {
    get: (mutant) => known.get(key(mutant)),
    set(mutant, outcome) {
      known.set(key(mutant), outcome);
      writeFileSync(path, JSON.stringify({ sha256, tests, outcomes: Object.fromEntries(known) }));
    },
  };
}

/** Tries all mutants of `name` and writes its report. */
function run(name) {
  const target = TARGETS[name];
  const root = copy(name, target);
  const source = readFileSync(join(root, target.source));
  for (const some of target.tests) {
    const { status, output } = forge(root, ["test", "--match-path", some]);
    if (status !== 0) throw new Error(`${name}: its tests fail without any change\n${output}`);
  }
  const good = readFileSync(pathOf(root, target.contract));
  const whole = compile(target, source);
  if (!whole) throw new Error(`${name} doesn't compile`);
  const mutants = number(mutantsOf(whole.ast, source), source);
  const known = new Map((existsSync(reportOf(name)) ? read(reportOf(name)).survivors : []).map((one) => [key(one), one.why]));
  const done = memory(root, name, source);
  const tally = { killed: 0, invalid: 0, same: 0, survived: 0 };
  const survivors = [];
  for (const [i, mutant] of mutants.entries()) {
    const outcome = done.get(mutant) ?? attempt(root, target, whole, source, mutant);
    done.set(mutant, outcome);
    ++tally[outcome];
    if (outcome === "survived") {
      const { line, function: within, operator, from, to, nth } = mutant;
      survivors.push({ line, function: within, operator, from, to, nth, why: known.get(key(mutant)) ?? "" });
      console.log(`survived: ${target.source}:${line} ${within} ${operator}: ${from} -> ${to}`);
    }
    if (i % 25 === 24) console.log(`${name}: ${i + 1} of ${mutants.length}, ${JSON.stringify(tally)}`);
  }
  writeFileSync(pathOf(root, target.contract), good);
  mkdirSync(join(ROOT, "mutation"), { recursive: true });
  const report = { source: target.source, sha256: digest(source.toString()), mutants: mutants.length, ...tally, survivors };
  writeFileSync(reportOf(name), `${JSON.stringify(report, null, 2)}\n`);
  console.log(`${name}: ${JSON.stringify(tally)}; ${survivors.filter(({ why }) => !why).length} to be killed or explained`);
}

/** Prints what is wrong with the report of `name`; returns how much is. */
function check(name) {
  const { source } = TARGETS[name];
  const report = existsSync(reportOf(name)) ? read(reportOf(name)) : undefined;
  const faults = faultsOf(name, source, report, readFileSync(join(ROOT, source), "utf8"));
  for (const fault of faults) console.error(`mutation: ${fault}`);
  return faults.length;
}

const names = process.argv.slice(2);
if (names[0] === "--check") {
  process.exitCode = Object.keys(TARGETS).map(check).some((faults) => faults !== 0) ? 1 : 0;
} else {
  for (const name of names.length === 0 ? Object.keys(TARGETS) : names) run(name);
}
