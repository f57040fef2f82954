// A build of the sources, as verification compares chains with: bytecode, and which immutable lies where.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { binary, ROOT } from "./bin.mjs";
import { fail } from "./chain.mjs";

/** Builds src/ into a folder of its own and hands it to `use`; the folder is gone afterwards. */
export async function withFreshBuild(use) {
  const folder = mkdtempSync(join(tmpdir(), "eai-verify-"));
  try {
    const args = ["build", "src", "--force", "--out", join(folder, "out"), "--cache-path", join(folder, "cache")];
    const run = spawnSync(binary("forge"), args, { cwd: ROOT, encoding: "utf8", maxBuffer: 1 << 26 });
    if (run.status !== 0) fail(`the sources don't build\n${run.stdout}\n${run.stderr}`);
    return await use(join(folder, "out"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The variables of a syntax tree, by their numbers. */
function variables(tree, found) {
  if (Array.isArray(tree)) for (const one of tree) variables(one, found);
  else if (tree && typeof tree === "object") {
    if (tree.nodeType === "VariableDeclaration") found.set(String(tree.id), { name: tree.name, type: tree.typeDescriptions.typeString });
    for (const one of Object.values(tree)) if (one && typeof one === "object") variables(one, found);
  }
  return found;
}

/** Reads a build's artifacts: call it with a contract's name. Numbers of variables hold for one run of the compiler only. */
export function artifactsIn(out) {
  const runs = readdirSync(join(out, "build-info")).map((file) => JSON.parse(readFileSync(join(out, "build-info", file), "utf8")).output);
  const names = new Map();
  return (contract) => {
    const artifact = JSON.parse(readFileSync(join(out, `${contract}.sol`, `${contract}.json`), "utf8"));
    const { object, immutableReferences = {} } = artifact.deployedBytecode;
    const [[path]] = Object.entries(artifact.metadata.settings.compilationTarget);
    const ids = (references) => Object.keys(references ?? {}).sort().join(" ");
    const run = runs.find(({ contracts }) => {
      const code = contracts[path]?.[contract]?.evm.deployedBytecode;
      return code && `0x${code.object}` === object && ids(code.immutableReferences) === ids(immutableReferences);
    });
    if (!run) fail(`the build of ${contract} doesn't say where its immutables lie`);
    if (!names.has(run)) names.set(run, variables(Object.values(run.sources), new Map()));
    const immutables = Object.entries(immutableReferences).flatMap(([id, places]) =>
      places.map((place) => ({ ...place, ...names.get(run).get(id) })),
    );
    return { abi: artifact.abi, bytecode: artifact.bytecode.object, deployedBytecode: object, immutables };
  };
}
