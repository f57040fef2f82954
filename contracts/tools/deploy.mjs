// Deploys the token and the escrow and writes the address book.
//
//   RPC_URL=http://127.0.0.1:8545 DEPLOYER_KEY=0x... CONFIG=genesis.json OUT=addresses.json node tools/deploy.mjs
//
// CONFIG: {"closingWindow": 259200, "genesis": [{"recipient": "0x...", "amount": "2500000000000000000000000000"}]}
// with the window in seconds and amounts in wei as decimal strings; the amounts must sum to the supply.
// OUT is written last, once the chain holds exactly the bytecode of abi/; a file that is there already is never replaced.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { binary, ROOT } from "./bin.mjs";

const SUPPLY = 2_500_000_000n * 10n ** 18n;
const MIN_CLOSING_WINDOW = 72 * 3600;

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
  const { closingWindow, genesis } = config;
  if (!Number.isSafeInteger(closingWindow) || closingWindow < MIN_CLOSING_WINDOW) {
    fail(`CONFIG: closingWindow must be a whole number of seconds, at least ${MIN_CLOSING_WINDOW}`);
  }
  if (!Array.isArray(genesis) || genesis.length === 0) fail("CONFIG: genesis must be a list of {recipient, amount}");
  let sum = 0n;
  genesis.forEach(({ recipient, amount }, i) => {
    if (!/^0x[0-9a-fA-F]{40}$/.test(recipient ?? "")) fail(`CONFIG: genesis[${i}].recipient is not an address`);
    if (typeof amount !== "string" || !/^[1-9][0-9]*$/.test(amount)) {
      fail(`CONFIG: genesis[${i}].amount must be wei as a decimal string above 0`);
    }
    sum += BigInt(amount);
  });
  if (sum !== SUPPLY) fail(`CONFIG: genesis sums to ${sum} wei, must be ${SUPPLY}`);
  return { closingWindow, genesis: genesis.map(({ recipient, amount }) => ({ recipient, amount })) };
}

/** Runs the forge script; returns what it recorded of the broadcast. The key stays in the environment. */
function broadcast(chainId, { closingWindow, genesis }) {
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
          GENESIS_RECIPIENTS: genesis.map((line) => line.recipient).join(","),
          GENESIS_AMOUNTS: genesis.map((line) => line.amount).join(","),
        },
      },
    );
    const record = join(records, "Deploy.s.sol", String(chainId), "run-latest.json");
    const { transactions, returns } = existsSync(record) ? JSON.parse(readFileSync(record, "utf8")) : {};
    if (run.status !== 0 || transactions?.length !== 2 || transactions.some(({ hash }) => !hash)) {
      fail(`the contracts were not all deployed; has DEPLOYER_KEY's account funds?\n${run.stdout}\n${run.stderr}`);
    }
    return { transactions, returns };
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
  const { transactions, returns } = broadcast(chainId, config);
  const [token, escrow] = await Promise.all(transactions.map(({ hash }) => created(hash)));
  await checkCode("EAIToken", token.address);
  await checkCode("Escrow", escrow.address);
  await checkWord(escrow.address, "the escrow's TOKEN", "0x82bfefc8", BigInt(token.address));
  await checkWord(escrow.address, "the escrow's CLOSING_WINDOW", "0x6ec77d77", BigInt(config.closingWindow));
  const book = {
    chainId,
    token: token.address,
    escrow: escrow.address,
    closingWindow: config.closingWindow,
    deployer: token.from,
    block: token.block,
    genesis: config.genesis,
    codehashes: { token: returns.tokenCodehash.value, escrow: returns.escrowCodehash.value },
  };
  writeFileSync(out, `${JSON.stringify(book, null, 2)}\n`, { flag: "wx" });
  console.log(`deployed: token ${token.address}, escrow ${escrow.address}; written to ${out}`);
}

main().catch((error) => {
  console.error(`deploy: ${error.message}`);
  process.exitCode = 1;
});
