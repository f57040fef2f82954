// Deploys what tools/deployment.mjs lists, and writes the address book.
//
//   RPC_URL=http://127.0.0.1:8545 DEPLOYER_KEY=0x... CONFIG=genesis.json OUT=addresses.json node tools/deploy.mjs
//
// CONFIG: {"closingWindow": 259200, "genesis": [{"recipient": "0x...", "amount": "2500000000000000000000000000"}]}
// with the window in seconds and amounts in wei as decimal strings; the amounts must sum to the supply.
// With `policy` in it the policy's contracts are deployed too, and `"recipient": "vault"` in the genesis is the EmissionController.
// The policy holds what their constructors take, by name: numbers as decimal strings, addresses, lists of them.
// OUT is written last, once the chain holds exactly the bytecode of abi/; a file that is there already is never replaced.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { binary, ROOT } from "./bin.mjs";
import { createdAt, fail, isAddress, keccak, masked, need, ownerOf, rpc } from "./chain.mjs";
import { checkPolicy, committed, deployedWith, DEPLOYMENT, encodeArguments, valuesOf } from "./deployment.mjs";

const SUPPLY = 2_500_000_000n * 10n ** 18n;
const MIN_CLOSING_WINDOW = DEPLOYMENT.find(({ name }) => name === "escrow").least.closingWindow;

/** Reads and checks CONFIG, so that a mistake costs no gas. */
function readConfig(path) {
  let config;
  try {
    config = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    fail(`CONFIG ${path}: ${error.message}`);
  }
  const { closingWindow, genesis, policy } = config;
  if (!Number.isSafeInteger(closingWindow) || closingWindow < MIN_CLOSING_WINDOW) {
    fail(`CONFIG: closingWindow must be a whole number of seconds, at least ${MIN_CLOSING_WINDOW}`);
  }
  if (!Array.isArray(genesis) || genesis.length === 0) fail("CONFIG: genesis must be a list of {recipient, amount}");
  let sum = 0n;
  genesis.forEach(({ recipient, amount }, i) => {
    if (recipient === "vault" && !policy) fail(`CONFIG: genesis[${i}] is the vault's, and there is no policy`);
    if (recipient !== "vault" && !isAddress(recipient)) fail(`CONFIG: genesis[${i}].recipient is not an address`);
    if (typeof amount !== "string" || !/^[1-9][0-9]*$/.test(amount)) {
      fail(`CONFIG: genesis[${i}].amount must be wei as a decimal string above 0`);
    }
    sum += BigInt(amount);
  });
  if (sum !== SUPPLY) fail(`CONFIG: genesis sums to ${sum} wei, must be ${SUPPLY}`);
  if (policy !== undefined) checkPolicy(policy);
  return { closingWindow, genesis, policy };
}

/** Where everything will be, and what its constructor takes. */
async function plan(config) {
  const deployer = ownerOf(need("DEPLOYER_KEY"));
  const nonce = Number(await rpc("eth_getTransactionCount", [deployer, "latest"]));
  const entries = deployedWith(config);
  const addresses = Object.fromEntries(entries.map(({ name }, i) => [name, createdAt(deployer, nonce + i)]));
  const values = valuesOf(config, addresses);
  const steps = entries.map((entry) => {
    const artifact = committed(entry.contract);
    return { ...entry, artifact, address: addresses[entry.name], arguments_: encodeArguments(entry, artifact.abi, values) };
  });
  return { deployer, steps, values };
}

/** Runs the forge script; returns the transactions' hashes. The key stays in the environment. */
function broadcast(chainId, steps) {
  const records = mkdtempSync(join(tmpdir(), "eai-deploy-"));
  try {
    const run = spawnSync(
      binary("forge"),
      ["script", "script/Deploy.s.sol:Deploy", "--rpc-url", need("RPC_URL"), "--broadcast", "--slow", "--non-interactive"],
      {
        cwd: ROOT,
        encoding: "utf8",
        env: {
          ...process.env,
          FOUNDRY_BROADCAST: records,
          ARTIFACTS: steps.map(({ contract }) => `${contract}.sol:${contract}`).join(","),
          ARGUMENTS: steps.map((step) => step.arguments_).join(","),
          ADDRESSES: steps.map(({ address }) => address).join(","),
        },
      },
    );
    const record = join(records, "Deploy.s.sol", String(chainId), "run-latest.json");
    const { transactions = [] } = existsSync(record) ? JSON.parse(readFileSync(record, "utf8")) : {};
    if (run.status !== 0 || transactions.length !== steps.length || transactions.some(({ hash }) => !hash)) {
      fail(`the contracts were not all deployed; has DEPLOYER_KEY's account funds?\n${run.stdout}\n${run.stderr}`);
    }
    return transactions.map(({ hash }) => hash);
  } finally {
    rmSync(records, { recursive: true, force: true });
  }
}

/** Fails unless the transaction created what was planned; returns its block and the hash of the code. */
async function check({ contract, artifact, address }, hash) {
  const receipt = await rpc("eth_getTransactionReceipt", [hash]);
  if (receipt?.status !== "0x1") fail(`transaction ${hash} failed`);
  if (receipt.contractAddress.toLowerCase() !== address) fail(`${contract} is at ${receipt.contractAddress}, not at ${address}`);
  const code = await rpc("eth_getCode", [address, "latest"]);
  if (!masked(code, artifact.immutables).equals(masked(artifact.deployedBytecode, artifact.immutables))) {
    fail(`the code at ${address} isn't abi/${contract}.json's: is abi/ up to date?`);
  }
  return { block: Number(receipt.blockNumber), codehash: keccak(code) };
}

async function main() {
  const out = resolve(need("OUT"));
  if (existsSync(out)) fail(`OUT ${out} exists; remove it or name another`);
  need("DEPLOYER_KEY");
  const config = readConfig(resolve(need("CONFIG")));
  const chainId = Number(await rpc("eth_chainId"));
  const { deployer, steps, values } = await plan(config);
  const hashes = broadcast(chainId, steps);
  const found = await Promise.all(steps.map((step, i) => check(step, hashes[i])));
  const byName = (pick) => Object.fromEntries(steps.map((step, i) => [step.name, pick(step, i)]));
  const placed = Object.fromEntries(steps.filter((step) => step.policy).map(({ name, address }) => [name, address]));
  const book = {
    chainId,
    token: values.token,
    escrow: values.escrow,
    hubRegistry: values.hubRegistry,
    closingWindow: config.closingWindow,
    deployer,
    block: found[0].block,
    genesis: values.genesis,
    codehashes: byName((_, i) => found[i].codehash),
    transactions: byName((_, i) => hashes[i]),
    ...(config.policy && { policy: { ...placed, ...config.policy } }),
  };
  writeFileSync(out, `${JSON.stringify(book, null, 2)}\n`, { flag: "wx" });
  console.log(`deployed: token ${book.token}, escrow ${book.escrow}, hubRegistry ${book.hubRegistry}; written to ${out}`);
}

main().catch((error) => {
  console.error(`deploy: ${error.message}`);
  process.exitCode = 1;
});
