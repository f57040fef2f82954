// A chain of one's own for the tests of deployment and verification, and what they deploy to it.
import { spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { binary, ROOT } from "./bin.mjs";

// anvil's first account and key: known to everyone
export const ACCOUNT = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
export const KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
export const OTHER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
/** Who passes for the foundation. */
export const FOUNDATION = "0x00000000000000000000000000000000000f0dA0";

/** The figures of a whole policy. */
export const POLICY = {
  foundation: FOUNDATION,
  council: [ACCOUNT, OTHER, "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"],
  councilQuorum: "2",
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
  rewardBps: "100",
  raceLock: "86400",
  raceChallenge: "21600",
  dataBond: "50000000000000000000",
  verificationFee: "10000000000000000000",
  leakClaim: "1209600",
  longestDataLease: "7776000",
  listingBond: "100000000000000000000",
  longestRefund: "604800",
  listingHold: "1209600",
  useNotice: "604800",
};

/** A configuration with it: two fifths of all EAI in the vault. */
export const WHOLE = {
  closingWindow: 259_200,
  genesis: [
    { recipient: "vault", amount: "1000000000000000000000000000" },
    { recipient: OTHER, amount: "1500000000000000000000000000" },
  ],
  policy: POLICY,
};

/** A TCP port that nothing listens on. */
async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** Runs `test` with a chain and a folder, and takes both away afterwards. */
export async function withChain(args, test) {
  const work = mkdtempSync(join(tmpdir(), "eai-deploy-test-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const anvil = spawn(binary("anvil"), ["--port", String(port), "--silent", ...args], { stdio: "ignore" });
  const ended = new Promise((done) => anvil.once("exit", done));

  async function rpc(method, params = []) {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
    });
    const { result, error } = await response.json();
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  /** Writes `content`, JSON unless it is text, into the folder. */
  function file(name, content) {
    const path = join(work, name);
    writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
    return path;
  }

  /** Runs a tool against the chain. */
  function tool(name, environment) {
    const env = { ...process.env, RPC_URL: url, ...environment };
    const run = spawnSync(process.execPath, [join(ROOT, "tools", name)], { env, encoding: "utf8", maxBuffer: 1 << 26 });
    return { status: run.status, said: run.stdout + run.stderr, out: run.stdout, complained: run.stderr };
  }

  try {
    for (let i = 0; ; ++i) {
      try {
        await rpc("eth_chainId");
        break;
      } catch (error) {
        if (i === 100) throw error;
        await sleep(100);
      }
    }
    await test({ rpc, file, tool, work, url });
  } finally {
    anvil.kill("SIGTERM");
    await ended;
    rmSync(work, { recursive: true, force: true });
  }
}
