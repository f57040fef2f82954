// Deploys to a chain of its own with 2-second blocks and checks the address book against the chain; then that every
// mistake in what the caller gives is refused with a sentence and leaves no address book.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ACCOUNT, FOUNDATION, KEY, OTHER, POLICY, WHOLE, withChain } from "./anvil.mjs";
import { createdAt, ownerOf } from "./chain.mjs";
import { deployedWith } from "./deployment.mjs";

assert.equal(ownerOf(KEY), ACCOUNT.toLowerCase());
// as a chain has it: the first contracts of anvil's first account, and nonces of one and two bytes
assert.equal(createdAt(ACCOUNT.toLowerCase(), 0), "0x5fbdb2315678afecb367f032d93f642f64180aa3");
assert.equal(createdAt(ACCOUNT.toLowerCase(), 1), "0xe7f1725e7734ce288f8367e1bb143e90bb3f0512");

await withChain(["--block-time", "2"], async ({ rpc, file, tool, work }) => {
  const good = file("good.json", {
    closingWindow: 300_000,
    genesis: [
      { recipient: ACCOUNT, amount: "2499999999999999999999999999" },
      { recipient: OTHER, amount: "1" },
    ],
  });
  const deploy = (changes) =>
    tool("deploy.mjs", { DEPLOYER_KEY: KEY, CONFIG: good, OUT: join(work, "book.json"), ...changes });

  function refused(what, changes, sentence) {
    const OUT = join(work, "refused.json");
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

  const { status, said } = deploy({});
  assert.equal(status, 0, said);
  const text = readFileSync(join(work, "book.json"), "utf8");
  const book = JSON.parse(text);
  assert.equal(book.chainId, 31337);
  assert.equal(book.deployer.toLowerCase(), ACCOUNT.toLowerCase());
  assert.equal(book.closingWindow, 300_000);
  assert.equal(book.genesis.length, 2);
  assert.equal(book.policy, undefined);
  assert.equal(await balance(book.token, ACCOUNT), 2499999999999999999999999999n);
  assert.equal(await balance(book.token, OTHER), 1n);
  const logs = await rpc("eth_getLogs", [{ address: book.token, fromBlock: "0x0" }]);
  assert.equal(Number(logs[0].blockNumber), book.block, "block is where the token's first event lies");
  for (const name of ["token", "escrow", "hubRegistry"]) {
    const { codeHash } = await rpc("eth_getProof", [book[name], [], "latest"]);
    assert.equal(book.codehashes[name], codeHash, `${name}'s codehash`);
    const { contractAddress } = await rpc("eth_getTransactionReceipt", [book.transactions[name]]);
    assert.equal(contractAddress.toLowerCase(), book[name], `${name}'s transaction`);
  }

  const again = deploy({});
  assert.notEqual(again.status, 0, "OUT exists");
  assert.equal(readFileSync(join(work, "book.json"), "utf8"), text, "OUT is untouched");

  const OUT = join(work, "whole.json");
  const second = deploy({ OUT, CONFIG: file("whole-config.json", WHOLE) });
  assert.equal(second.status, 0, second.said);
  const whole = JSON.parse(readFileSync(OUT, "utf8"));
  assert.equal(await balance(whole.token, whole.policy.emission), BigInt(WHOLE.genesis[0].amount), "the vault is filled");
  assert.equal(whole.genesis[0].recipient, whole.policy.emission);
  assert.equal(whole.policy.foundation, FOUNDATION);
  for (const { name } of deployedWith(whole).filter((entry) => entry.policy)) {
    const { codeHash } = await rpc("eth_getProof", [whole.policy[name], [], "latest"]);
    assert.equal(whole.codehashes[name], codeHash, `${name}'s codehash`);
  }
  const badly = (changes) => ({ CONFIG: file("bad.json", { ...WHOLE, policy: { ...POLICY, ...changes } }) });

  const line = { recipient: ACCOUNT, amount: "2500000000000000000000000000" };
  const written = (genesis, closingWindow = 259_200) => ({ CONFIG: file("bad.json", { closingWindow, genesis }) });
  refused("no key", { DEPLOYER_KEY: "" }, /DEPLOYER_KEY is not set/);
  refused("a key that is none", { DEPLOYER_KEY: `0x${"00".repeat(32)}` }, /DEPLOYER_KEY is no key/);
  refused("no chain", { RPC_URL: "http://127.0.0.1:9" }, /RPC_URL doesn't answer/);
  refused("no config", { CONFIG: join(work, "none.json") }, /CONFIG .*none\.json/);
  refused("not JSON", { CONFIG: file("bad.json", "{") }, /CONFIG .*bad\.json/);
  refused("a short window", written([line], 259_199), /closingWindow must be .* at least 259200/);
  refused("no genesis", written([]), /genesis must be a list/);
  refused("a bad recipient", written([{ ...line, recipient: "0x1" }]), /genesis\[0\]\.recipient/);
  refused("a number for an amount", written([{ ...line, amount: 2.5e27 }]), /genesis\[0\]\.amount/);
  refused("a negative amount", written([{ ...line, amount: "-1" }]), /genesis\[0\]\.amount/);
  refused("a wrong sum", written([line, { recipient: OTHER, amount: "1" }]), /must be 2500000000000000000000000000/);
  refused("a vault without a policy", { CONFIG: file("bad.json", { ...WHOLE, policy: undefined }) }, /there is no policy/);
  refused("a number in the policy", badly({ epoch: 604800 }), /policy\.epoch must be a decimal string/);
  refused("a quick timelock", badly({ timelockDelay: "259199" }), /timelockDelay must be at least 259200/);
  refused("no foundation", badly({ foundation: undefined }), /policy\.foundation must be an address/);
  refused("no council", badly({ council: [] }), /policy\.council must be a list of addresses/);
  refused("a council of one", badly({ council: [OTHER], councilQuorum: "1" }), /not all deployed/);
  refused("no classes", badly({ classMinimums: [] }), /policy\.classMinimums/);
  refused("a figure that nothing takes", badly({ epohc: "604800" }), /policy\.epohc means nothing/);
  refused("figures that don't go together", badly({ unbonding: "1" }), /not all deployed/);
  refused("an empty deployer", { DEPLOYER_KEY: `0x${"01".repeat(32)}` }, /not all deployed/);
  console.log("deployment: as the address book says; with and without a policy; 21 mistakes refused");
});
