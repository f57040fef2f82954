// Deploys to a chain of its own and verifies it; then breaks the chain or the book in one way after another, and each time
// the verification must say so, in a sentence, and end with 1.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { ACCOUNT, FOUNDATION, KEY, OTHER, WHOLE, withChain } from "./anvil.mjs";
import { artifactsIn, withFreshBuild } from "./build.mjs";
import { keccak, topic, word } from "./chain.mjs";
import { verify } from "./verify.mjs";

const PLAIN = { closingWindow: 300_000, genesis: [{ recipient: ACCOUNT, amount: "2500000000000000000000000000" }] };

await withFreshBuild((BUILD) =>
  withChain([], async ({ rpc, file, tool, work, url }) => {
    process.env.RPC_URL = url;
    const artifacts = artifactsIn(BUILD);
    function deploy(name, config) {
      const OUT = join(work, name);
      const { status, said } = tool("deploy.mjs", { DEPLOYER_KEY: KEY, CONFIG: file(`config-${name}`, config), OUT });
      assert.equal(status, 0, said);
      return JSON.parse(readFileSync(OUT, "utf8"));
    }
    const run = (book, changes = {}) => tool("verify.mjs", { BUILD, BOOK: file("book-to-verify.json", book), ...changes });

    const book = deploy("whole.json", WHOLE);
    const plain = deploy("plain.json", PLAIN);
    const { escrow, token, policy } = book;

    // ------------------------------------------------------------------------------------------- what holds
    for (const one of [book, plain]) {
      const { status, out, complained } = run(one);
      assert.equal(status, 0, complained);
      assert.equal(complained, "");
      assert.match(out, /escrow +immutables: .*CLOSING_WINDOW/);
      assert.match(out, /token +genesis: /);
      assert.match(out, /verified: \d+ things hold, nothing differs/);
      if (one === book) {
        assert.match(out, new RegExp(`PROPOSER_ROLE: ${FOUNDATION.toLowerCase()} alone`));
        assert.match(out, new RegExp(`DEFAULT_ADMIN_ROLE: ${policy.timelock} alone`));
        assert.match(out, /guardrail +council: 0x/);
      }
    }

    // ------------------------------------------------------------------------------------ what must be seen
    let seen = 0;
    /** Verifies `changed`, which must differ in sentences like these, and undoes what happened to the chain since. */
    async function red(what, changed, ...sentences) {
      const { differences } = await verify(file("book-to-verify.json", changed), artifacts).catch((error) => ({ differences: [error.message] }));
      for (const sentence of sentences) {
        assert.ok(differences.some((one) => sentence.test(one)), `${what}: ${sentence} isn't among\n${differences.join("\n")}`);
      }
      assert.ok(await rpc("evm_revert", [snapshot]));
      snapshot = await rpc("evm_snapshot");
      ++seen;
    }
    let snapshot = await rpc("evm_snapshot");
    const other = (changes) => ({ ...structuredClone(book), ...changes });
    const otherPolicy = (changes) => other({ policy: { ...policy, ...changes } });
    const code = (address) => rpc("eth_getCode", [address, "latest"]);
    const flip = (hex, at) => hex.slice(0, 2 + 2 * at) + (hex[2 + 2 * at] === "0" ? "1" : "0") + hex.slice(3 + 2 * at);

    // bytecode
    await rpc("anvil_setCode", [escrow, flip(await code(escrow), 5)]);
    await red("another byte of code", book, /escrow: the code at 0x\w+ isn't the build's Escrow/, /escrow: the code's hash is/);
    await rpc("anvil_setCode", [policy.guardrail, await code(policy.timelock)]);
    await red("another contract's code", book, /guardrail: the code at 0x\w+ isn't the build's Guardrail/);
    await rpc("anvil_setCode", [token, "0x"]);
    await red("no code", book, /token: there is no contract at/, /token: the supply is 0 wei/);
    const { start } = artifacts("Escrow").immutables.find(({ name }) => name === "CLOSING_WINDOW");
    const patched = flip(await code(escrow), start + 20);
    await rpc("anvil_setCode", [escrow, patched]);
    const hashed = other({ codehashes: { ...book.codehashes, escrow: keccak(patched) } });
    await red("another immutable, and the book's hash with it", hashed, /escrow: CLOSING_WINDOW is \d+, by the book 259200/);
    const separator = artifacts("EAIToken").immutables.find(({ name }) => name === "_cachedDomainSeparator");
    await rpc("anvil_setCode", [token, flip(await code(token), separator.start)]);
    await red("another domain of signatures", book, /token: _cachedDomainSeparator is/);

    // addresses
    await red("a wrong address", otherPolicy({ vendorTokens: OTHER }), /vendorTokens: there is no contract at/);
    await red("another deployment's escrow", other({ escrow: plain.escrow }), /escrow: CLOSING_WINDOW is 300000, by the book 259200/, /emission: its constructor refuses/);
    const swapped = otherPolicy({ registry: policy.disputes, disputes: policy.registry });
    await red("two that are swapped", swapped, /registry: the code at/, /emission: REGISTRY is/);
    await red("another hub registry", other({ hubRegistry: OTHER }), /hubRegistry: there is no contract at/);
    await red("no hub registry", other({ hubRegistry: undefined }), /BOOK: hubRegistry is not an address/);
    await red("no address", otherPolicy({ guardrail: undefined }), /BOOK: policy\.guardrail is not an address/);
    await red("another chain", other({ chainId: 1 }), /chain: it is 31337, by the book 1/);

    // roles: left behind with an event, without one, taken away; and the foundation's that isn't
    const timelockController = JSON.parse(readFileSync(join(BUILD, "TimelockController.sol/TimelockController.json"), "utf8"));
    const proposer = topic("PROPOSER_ROLE");
    async function act(signature, role, account) {
      const genuine = await code(policy.timelock);
      await rpc("anvil_setCode", [policy.timelock, timelockController.deployedBytecode.object]);
      await rpc("anvil_impersonateAccount", [policy.timelock]);
      await rpc("anvil_setBalance", [policy.timelock, "0xde0b6b3a7640000"]);
      const data = topic(signature).slice(0, 10) + role.slice(2) + word(account);
      const hash = await rpc("eth_sendTransaction", [{ from: policy.timelock, to: policy.timelock, data, gas: "0x100000" }]);
      for (let i = 0; i < 100 && !(await rpc("eth_getTransactionReceipt", [hash])); ++i) await sleep(50);
      assert.equal((await rpc("eth_getTransactionReceipt", [hash])).status, "0x1", signature);
      await rpc("anvil_setCode", [policy.timelock, genuine]);
    }
    const stranger = "0x000000000000000000000000000000000000beef";
    await act("grantRole(bytes32,address)", proposer, stranger);
    await red("a leftover role", book, new RegExp(`timelock: ${stranger} has PROPOSER_ROLE, and mustn't`));
    await act("grantRole(bytes32,address)", `0x${"0".repeat(64)}`, ACCOUNT);
    await red("an administrator", book, new RegExp(`timelock: ${ACCOUNT.toLowerCase()} has DEFAULT_ADMIN_ROLE, and mustn't`));
    await act("grantRole(bytes32,address)", topic("A_NEW_ROLE"), stranger);
    await red("a role that nobody knows", book, new RegExp(`timelock: ${stranger} has 0x\\w+, and mustn't`));
    await act("revokeRole(bytes32,address)", topic("CANCELLER_ROLE"), FOUNDATION);
    await red("a role too few", book, new RegExp(`timelock: ${FOUNDATION.toLowerCase()} must have CANCELLER_ROLE, and hasn't`));
    // _roles is the timelock's first slot; a role's holders are the first member of its entry
    const slot = keccak(word(ACCOUNT) + keccak(proposer.slice(2) + word(0)).slice(2));
    await rpc("anvil_setStorageAt", [policy.timelock, slot, `0x${word(1)}`]);
    await red("the deployer's role, without an event", book, new RegExp(`timelock: ${ACCOUNT.toLowerCase()} has PROPOSER_ROLE, and mustn't`));
    await red("another foundation", otherPolicy({ foundation: stranger }), new RegExp(`timelock: foundation is ${FOUNDATION.toLowerCase()}, by the book ${stranger}`));

    // values
    await red("a wrong window", other({ closingWindow: 259_201 }), /escrow: CLOSING_WINDOW is 259200, by the book 259201/);
    await red("a wrong immutable", otherPolicy({ bond: "1" }), /disputes: BOND is 50000000000000000000, by the book 1/);
    await red("a wrong ceiling", otherPolicy({ ceiling: "36000000000000000001" }), /emission: ceiling is 36000000000000000000, by the book/);
    await red("a wrong class", otherPolicy({ classMinimums: ["10000000000000000000"] }), /registry: classMinimums is .* more, by the book/);
    await red("a wrong first rate, which nothing answers", otherPolicy({ initialRate: "1" }), /emission: it was created with another bytecode or other values/);
    await red("a wrong delay", otherPolicy({ timelockDelay: "259201" }), /timelock: getMinDelay is 259200, by the book 259201/);
    await red("another council", otherPolicy({ council: [...policy.council].reverse() }), /guardrail: council is/);
    await red("another quorum", otherPolicy({ councilQuorum: "3" }), /guardrail: quorum is 2, by the book 3/);
    await red("figures that the constructor refuses", otherPolicy({ window: "604800" }), /emission: its constructor refuses the book's values/);

    // where it comes from, and the tokens
    await red("another transaction", other({ transactions: { ...book.transactions, escrow: plain.transactions.escrow } }), /escrow: 0x\w+ created 0x/);
    await red("no transaction", other({ transactions: { ...book.transactions, escrow: undefined } }), /escrow: the chain knows no transaction/);
    await red("another deployer", other({ deployer: OTHER }), /token: it was created by 0x\w+, not by/);
    await red("another block", other({ block: book.block - 1 }), /token: it was created in block/);
    const lines = structuredClone(book.genesis);
    [lines[0].amount, lines[1].amount] = [lines[1].amount, lines[0].amount];
    await red("another genesis", other({ genesis: lines }), /token: line 0 of the genesis gave 1000000000000000000000000000 wei/);
    await red("a line too few", other({ genesis: [book.genesis[0]] }), /token: line 1 of the genesis gave .*, by the book nothing/);
    // OpenZeppelin's ERC-20 keeps its supply in the third slot
    await rpc("anvil_setStorageAt", [token, "0x2", `0x${word(1)}`]);
    await red("another supply", book, /token: the supply is 1 wei/);

    assert.deepEqual((await verify(file("book-to-verify.json", book), artifacts)).differences, [], "as at the beginning");
    const wrong = run(other({ closingWindow: 259_201 }));
    assert.equal(wrong.status, 1, "it ends with 1");
    assert.equal(wrong.complained, "DIFFERS  escrow: CLOSING_WINDOW is 259200, by the book 259201\nDIFFERS  escrow: it was created with another bytecode or other values than the book's\nverify: differences: 2\n");
    assert.match(run({}, { BOOK: join(work, "none.json") }).said, /verify: BOOK .*none\.json/);
    console.log(`verification: two deployments hold; ${seen} differences are seen`);
  }),
);
