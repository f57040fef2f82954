// Deploys to a chain of its own with 2-second blocks and checks the address book against the chain; then that every
// mistake in what the caller gives is refused with a sentence and leaves no address book.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { binary, ROOT } from "./bin.mjs";

const WORK = mkdtempSync(join(tmpdir(), "eai-deploy-test-"));
// anvil's first account and key: known to everyone
const ACCOUNT = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
const KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const OTHER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";

/** A TCP port that nothing listens on. */
async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

const port = await freePort();
const RPC_URL = `http://127.0.0.1:${port}`;
const anvil = spawn(binary("anvil"), ["--port", String(port), "--block-time", "2", "--silent"], { stdio: "ignore" });
const ended = new Promise((done) => anvil.once("exit", done));

async function rpc(method, params = []) {
  const response = await fetch(RPC_URL, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  return (await response.json()).result;
}

async function started() {
  for (let i = 0; i < 100; ++i) {
    try {
      return await rpc("eth_chainId");
    } catch {
      await sleep(100);
    }
  }
  throw new Error("anvil doesn't answer");
}

function config(name, content) {
  const path = join(WORK, name);
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

const good = config("good.json", {
  closingWindow: 300_000,
  genesis: [
    { recipient: ACCOUNT, amount: "2499999999999999999999999999" },
    { recipient: OTHER, amount: "1" },
  ],
});

function deploy(changes) {
  const env = { ...process.env, RPC_URL, DEPLOYER_KEY: KEY, CONFIG: good, OUT: join(WORK, "book.json"), ...changes };
  const run = spawnSync(process.execPath, [join(ROOT, "tools/deploy.mjs")], { env, encoding: "utf8" });
  return { status: run.status, said: run.stdout + run.stderr };
}

function refused(what, changes, sentence) {
  const OUT = join(WORK, "refused.json");
  const { status, said } = deploy({ OUT, ...changes });
  assert.notEqual(status, 0, what);
  assert.match(said, sentence, what);
  assert.ok(!existsSync(OUT), `${what}: an address book was written`);
  assert.ok(!said.includes(KEY.slice(2)), `${what}: the key was printed`);
}

/** `balanceOf(address)` of the token. */
async function balance(token, account) {
  const data = `0x70a08231${account.slice(2).toLowerCase().padStart(64, "0")}`;
  return BigInt(await rpc("eth_call", [{ to: token, data }, "latest"]));
}

try {
  await started();
  const { status, said } = deploy({});
  assert.equal(status, 0, said);
  const text = readFileSync(join(WORK, "book.json"), "utf8");
  const book = JSON.parse(text);
  assert.equal(book.chainId, 31337);
  assert.equal(book.deployer.toLowerCase(), ACCOUNT.toLowerCase());
  assert.equal(book.closingWindow, 300_000);
  assert.equal(book.genesis.length, 2);
  assert.equal(await balance(book.token, ACCOUNT), 2499999999999999999999999999n);
  assert.equal(await balance(book.token, OTHER), 1n);
  const logs = await rpc("eth_getLogs", [{ address: book.token, fromBlock: "0x0" }]);
  assert.equal(Number(logs[0].blockNumber), book.block, "block is where the token's first event lies");
  for (const name of ["token", "escrow"]) {
    const { codeHash } = await rpc("eth_getProof", [book[name], [], "latest"]);
    assert.equal(book.codehashes[name], codeHash, `${name}'s codehash`);
  }

  const again = deploy({});
  assert.notEqual(again.status, 0, "OUT exists");
  assert.equal(readFileSync(join(WORK, "book.json"), "utf8"), text, "OUT is untouched");

  const policy = {
    council: [ACCOUNT],
    classMinimums: ["10000000000000000000", "100000000000000000000"],
    timelockDelay: "259200",
    start: "1900000000",
    epoch: "604800",
    window: "86400",
    vesting: "2419200",
    era: "208",
    firstBudget: "2000000000000000000000000",
    initialRate: "3600000000000000000",
    ceiling: "36000000000000000000",
    drawn: "5",
    quorum: "3",
    stakeBps: "10000",
    unbonding: "2592000",
    verifierStake: "500000000000000000000",
    bond: "50000000000000000000",
    voting: "259200",
    appealing: "172800",
    limit: "1209600",
  };
  const mined = "1000000000000000000000000000";
  const genesis = [
    { recipient: "vault", amount: mined },
    { recipient: OTHER, amount: "1500000000000000000000000000" },
  ];
  const whole = { closingWindow: 259_200, genesis, policy };
  const OUT = join(WORK, "whole.json");
  const second = deploy({ OUT, CONFIG: config("whole-config.json", whole) });
  assert.equal(second.status, 0, second.said);
  const wholeBook = JSON.parse(readFileSync(OUT, "utf8"));
  assert.equal(await balance(wholeBook.token, wholeBook.policy.emission), BigInt(mined), "the vault is filled");
  assert.equal(wholeBook.genesis[0].recipient, wholeBook.policy.emission);
  for (const name of ["timelock", "registry", "emission", "disputes", "vendorTokens"]) {
    const { codeHash } = await rpc("eth_getProof", [wholeBook.policy[name], [], "latest"]);
    assert.equal(wholeBook.codehashes[name], codeHash, `${name}'s codehash`);
  }
  const badly = (changes) => ({ CONFIG: config("bad.json", { ...whole, policy: { ...policy, ...changes } }) });

  const line = { recipient: ACCOUNT, amount: "2500000000000000000000000000" };
  const written = (genesis, closingWindow = 259_200) => ({ CONFIG: config("bad.json", { closingWindow, genesis }) });
  refused("no key", { DEPLOYER_KEY: "" }, /DEPLOYER_KEY is not set/);
  refused("no chain", { RPC_URL: "http://127.0.0.1:9" }, /RPC_URL doesn't answer/);
  refused("no config", { CONFIG: join(WORK, "none.json") }, /CONFIG .*none\.json/);
  refused("not JSON", { CONFIG: config("bad.json", "{") }, /CONFIG .*bad\.json/);
  refused("a short window", written([line], 259_199), /closingWindow must be .* at least 259200/);
  refused("no genesis", written([]), /genesis must be a list/);
  refused("a bad recipient", written([{ ...line, recipient: "0x1" }]), /genesis\[0\]\.recipient/);
  refused("a number for an amount", written([{ ...line, amount: 2.5e27 }]), /genesis\[0\]\.amount/);
  refused("a negative amount", written([{ ...line, amount: "-1" }]), /genesis\[0\]\.amount/);
  refused("a wrong sum", written([line, { recipient: OTHER, amount: "1" }]), /must be 2500000000000000000000000000/);
  refused("a vault without a policy", { CONFIG: config("bad.json", { ...whole, policy: undefined }) }, /there is no policy/);
  refused("a number in the policy", badly({ epoch: 604800 }), /policy\.epoch must be a decimal string/);
  refused("a quick timelock", badly({ timelockDelay: "259199" }), /timelockDelay must be at least 259200/);
  refused("no council", badly({ council: [] }), /policy\.council/);
  refused("no classes", badly({ classMinimums: [] }), /policy\.classMinimums/);
  refused("figures that don't go together", badly({ unbonding: "1" }), /not all deployed/);
  refused("an empty deployer", { DEPLOYER_KEY: `0x${"01".repeat(32)}` }, /not all deployed/);
  console.log("deployment: as the address book says; with and without a policy; 17 mistakes refused");
} finally {
  anvil.kill("SIGTERM");
  await ended;
  rmSync(WORK, { recursive: true, force: true });
}
