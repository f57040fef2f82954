// Deploys the token and the escrow, and the policy if it is configured, and writes the address book.
//
//   RPC_URL=http://127.0.0.1:8545 DEPLOYER_KEY=0x... CONFIG=genesis.json OUT=addresses.json node tools/deploy.mjs
//
// CONFIG: {"closingWindow": 259200, "genesis": [{"recipient": "0x...", "amount": "2500000000000000000000000000"}]}
// with the window in seconds and amounts in wei as decimal strings; the amounts must sum to the supply.
// With `policy` in it, timelock, NodeRegistry, EmissionController, Disputes and VendorTokenFactory are deployed too, and `"recipient": "vault"` in
// the genesis is the EmissionController: see POLICY below for the figures, all decimal strings but `council`, `classMinimums`.
// OUT is written last, once the chain holds exactly the bytecode of abi/; a file that is there already is never replaced.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import sha3 from "js-sha3";
import { binary, ROOT } from "./bin.mjs";

/** Stands for the vault until its address is known. */
const VAULT = `0x${"0".repeat(40)}`;
const SUPPLY = 2_500_000_000n * 10n ** 18n;
const MIN_CLOSING_WINDOW = 72 * 3600;
const MIN_DELAY = 72 * 3600;
/** The figures of a policy: seconds, wei, wei per unit-hour or plain numbers, as the contracts' Parameters describe them. */
const POLICY = [
  ...["timelockDelay", "start", "epoch", "window", "vesting", "era", "firstBudget", "initialRate", "ceiling", "drawn"],
  ...["quorum", "stakeBps", "unbonding", "verifierStake", "bond", "voting", "appealing", "limit"],
];
/** What is deployed, in order: its name in the address book and the contract. */
const CONTRACTS = [
  ["token", "EAIToken"],
  ["escrow", "Escrow"],
  ["timelock", "TimelockController"],
  ["registry", "NodeRegistry"],
  ["emission", "EmissionController"],
  ["disputes", "Disputes"],
  ["vendorTokens", "VendorTokenFactory"],
];

/** Gives up with a sentence for the person who called. */
function fail(sentence) {
  throw new Error(sentence);
}

/** The environment variable `name`, which must be set. */
function need(name) {
  return process.env[name] || fail(`${name} is not set`);
}

/** One JSON-RPC call. */
async function rpc(method, params = []) {
  const response = await fetch(need("RPC_URL"), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  }).catch((error) => fail(`RPC_URL doesn't answer: ${error.cause?.message ?? error.message}`));
  const { result, error } = await response.json();
  if (error) fail(`${method}: ${error.message}`);
  return result;
}

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
  return { closingWindow, genesis: genesis.map(({ recipient, amount }) => ({ recipient, amount })), policy };
}

/** Whether `value` is an address that isn't zero. */
const isAddress = (value) => /^0x[0-9a-fA-F]{40}$/.test(value ?? "") && BigInt(value) !== 0n;
const isDecimal = (value) => typeof value === "string" && /^(0|[1-9][0-9]*)$/.test(value);

/** Checks what the contracts' constructors can't say in words; they check how the figures go together. */
function checkPolicy(policy) {
  for (const name of POLICY) {
    if (!isDecimal(policy[name])) fail(`CONFIG: policy.${name} must be a decimal string`);
  }
  if (BigInt(policy.timelockDelay) < MIN_DELAY) fail(`CONFIG: policy.timelockDelay must be at least ${MIN_DELAY}`);
  const { council, classMinimums } = policy;
  if (!Array.isArray(council) || council.length === 0 || !council.every(isAddress)) {
    fail("CONFIG: policy.council must be a list of addresses");
  }
  if (!Array.isArray(classMinimums) || classMinimums.length === 0 || !classMinimums.every(isDecimal)) {
    fail("CONFIG: policy.classMinimums must be a list of wei as decimal strings");
  }
}

/** Runs the forge script; returns what it recorded of the broadcast. The key stays in the environment. */
function broadcast(chainId, { closingWindow, genesis, policy }) {
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
          CLOSING_WINDOW: String(closingWindow),
          GENESIS_RECIPIENTS: genesis.map((line) => (line.recipient === "vault" ? VAULT : line.recipient)).join(","),
          GENESIS_AMOUNTS: genesis.map((line) => line.amount).join(","),
          POLICY: policy === undefined ? "" : JSON.stringify(policy),
        },
      },
    );
    const record = join(records, "Deploy.s.sol", String(chainId), "run-latest.json");
    const { transactions } = existsSync(record) ? JSON.parse(readFileSync(record, "utf8")) : {};
    if (run.status !== 0 || transactions?.length !== (policy === undefined ? 2 : CONTRACTS.length) || transactions.some(({ hash }) => !hash)) {
      fail(`the contracts were not all deployed; has DEPLOYER_KEY's account funds?\n${run.stdout}\n${run.stderr}`);
    }
    return transactions;
  } finally {
    rmSync(records, { recursive: true, force: true });
  }
}

/** The address that the transaction `hash` created, and its block; fails unless it succeeded. */
async function created(hash) {
  const receipt = await rpc("eth_getTransactionReceipt", [hash]);
  if (receipt?.status !== "0x1") fail(`transaction ${hash} failed`);
  return { address: receipt.contractAddress, block: Number(receipt.blockNumber), from: receipt.from };
}

/** `code` with the places of immutables set to zero. */
function masked(code, immutables) {
  const bytes = Buffer.from(code.slice(2), "hex");
  for (const { start, length } of immutables) bytes.fill(0, start, start + length);
  return bytes;
}

/** The first bytes of a call of `signature`. */
const selector = (signature) => `0x${sha3.keccak256(signature).slice(0, 8)}`;

/** The hash of the code at `address`. */
async function codehash(address) {
  const code = await rpc("eth_getCode", [address, "latest"]);
  return `0x${sha3.keccak256(Buffer.from(code.slice(2), "hex"))}`;
}

/** Fails unless `address` holds the contract `name` of abi/. */
async function checkCode(name, address) {
  const { deployedBytecode, immutables } = JSON.parse(readFileSync(`${ROOT}abi/${name}.json`, "utf8"));
  const code = await rpc("eth_getCode", [address, "latest"]);
  if (!masked(code, immutables).equals(masked(deployedBytecode, immutables))) {
    fail(`the code at ${address} isn't abi/${name}.json's: is abi/ up to date?`);
  }
}

/** Fails unless the view `selector` of `address` answers `wanted`. */
async function checkWord(address, what, selector, wanted) {
  const got = BigInt(await rpc("eth_call", [{ to: address, data: selector }, "latest"]));
  if (got !== wanted) fail(`${what} is ${got}, not ${wanted}`);
}

async function main() {
  const out = resolve(need("OUT"));
  if (existsSync(out)) fail(`OUT ${out} exists; remove it or name another`);
  need("DEPLOYER_KEY");
  const config = readConfig(resolve(need("CONFIG")));
  const chainId = Number(await rpc("eth_chainId"));
  const transactions = broadcast(chainId, config);
  const all = await Promise.all(transactions.map(({ hash }) => created(hash)));
  const codehashes = {};
  for (const [i, { address }] of all.entries()) {
    const [name, contract] = CONTRACTS[i];
    await checkCode(contract, address);
    codehashes[name] = await codehash(address);
  }
  const [token, escrow, timelock, registry, emission, disputes, vendorTokens] = all;
  await checkWord(escrow.address, "the escrow's TOKEN", "0x82bfefc8", BigInt(token.address));
  await checkWord(escrow.address, "the escrow's CLOSING_WINDOW", "0x6ec77d77", BigInt(config.closingWindow));
  const book = {
    chainId,
    token: token.address,
    escrow: escrow.address,
    closingWindow: config.closingWindow,
    deployer: token.from,
    block: token.block,
    genesis: config.genesis.map((line) => (line.recipient === "vault" ? { ...line, recipient: emission.address } : line)),
    codehashes,
  };
  if (config.policy !== undefined) {
    const [court, vault] = [BigInt(disputes.address), BigInt(emission.address)];
    await checkWord(registry.address, "the registry's DISPUTES", selector("DISPUTES()"), court);
    await checkWord(registry.address, "the registry's VAULT", selector("VAULT()"), vault);
    await checkWord(emission.address, "the vault's DISPUTES", selector("DISPUTES()"), court);
    await checkWord(emission.address, "the vault's TIMELOCK", selector("TIMELOCK()"), BigInt(timelock.address));
    await checkWord(disputes.address, "the court's EMISSION", selector("EMISSION()"), vault);
    await checkWord(vendorTokens.address, "the factory's EAI", selector("EAI()"), BigInt(token.address));
    book.policy = {
      timelock: timelock.address,
      registry: registry.address,
      emission: emission.address,
      disputes: disputes.address,
      vendorTokens: vendorTokens.address,
      ...config.policy,
    };
  }
  writeFileSync(out, `${JSON.stringify(book, null, 2)}\n`, { flag: "wx" });
  console.log(`deployed: token ${token.address}, escrow ${escrow.address}; written to ${out}`);
}

main().catch((error) => {
  console.error(`deploy: ${error.message}`);
  process.exitCode = 1;
});
