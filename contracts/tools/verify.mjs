// Says whether a deployment is what the sources and its address book say.
//
//   RPC_URL=http://127.0.0.1:8545 BOOK=addresses.json node tools/verify.mjs
//
// The sources are built afresh (or BUILD names a build of them that is there). For each contract: the code on the chain is the
// build's; every immutable is what the constructor makes of the book's values; the transaction that created it carried this
// bytecode and these values; views answer as the book says. Then the timelock's roles, by all events since the deployment and by
// asking; the token's supply, and the genesis transfers. Prints what holds, and one sentence for each difference; ends with 1 if
// there is one. It believes nothing of the book but where to look.
import { readFileSync, realpathSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { artifactsIn, withFreshBuild } from "./build.mjs";
import { addressIn, createdAt, fail, isAddress, keccak, logs, masked, need, rpc, topic, view, word, ZERO } from "./chain.mjs";
import { DEPLOYMENT, deployedWith, encodeArguments, valuesOf } from "./deployment.mjs";

const SUPPLY = 2_500_000_000n * 10n ** 18n;
const same = (one, other) => String(one).toLowerCase() === String(other).toLowerCase();
/** The number in an answer; 0 in none. */
const number = (hex) => (hex === "0x" ? 0n : BigInt(hex));

/** What was found, in order. */
let held = [];
let differences = [];
const holds = (subject, what) => held.push([subject, what]);
const differs = (sentence) => differences.push(sentence);
/** Notes `what` as held, or the sentence as a difference. */
function expect(good, subject, what, sentence) {
  if (good) holds(subject, what);
  else differs(sentence);
  return good;
}

function readBook(path) {
  let book;
  try {
    book = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    fail(`BOOK ${path}: ${error.message}`);
  }
  const addresses = {};
  for (const { name, policy } of deployedWith(book)) {
    const address = (policy ? book.policy : book)[name];
    if (!isAddress(address)) fail(`BOOK: ${policy ? "policy." : ""}${name} is not an address`);
    addresses[name] = address.toLowerCase();
  }
  for (const field of ["genesis", "codehashes", "transactions"]) {
    if (typeof book[field] !== "object" || book[field] === null) fail(`BOOK: there is no ${field}`);
  }
  if (!Number.isSafeInteger(book.block)) fail("BOOK: block is not a number");
  if (!isAddress(book.deployer)) fail("BOOK: deployer is not an address");
  return { ...book, addresses, values: valuesOf(book, addresses) };
}

// ----------------------------------------------------------------------------------------------- each contract

/** A word of an immutable as its type is read. */
function shown(bytes, type = "") {
  const hex = bytes.toString("hex");
  if (type.startsWith("address") || type.startsWith("contract")) return addressIn(hex);
  return type.startsWith("uint") ? BigInt(`0x${hex}`).toString() : `0x${hex}`;
}

const EIP712_DOMAIN = topic("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");

/** Sets in `wanted` what OpenZeppelin's EIP712 keeps of the contract's own address, which a simulated creation hasn't. */
function placeDomain(wanted, immutables, address) {
  const named = (name) => immutables.filter((one) => one.name === name);
  const read = (name) => {
    const [{ start, length }] = named(name);
    return wanted.subarray(start, start + length).toString("hex");
  };
  if (named("_cachedDomainSeparator").length === 0) return;
  const domain = [EIP712_DOMAIN.slice(2), read("_hashedName"), read("_hashedVersion"), read("_cachedChainId"), word(address)];
  const separator = keccak(domain.join("")).slice(2);
  for (const { start } of named("_cachedThis")) wanted.write(word(address), start, "hex");
  for (const { start } of named("_cachedDomainSeparator")) wanted.write(separator, start, "hex");
}

/** Sets in `wanted` where the contracts lie that the constructor itself creates. */
function placeMade(wanted, immutables, makes, address) {
  Object.keys(makes).forEach((name, i) => {
    for (const { start } of immutables.filter((one) => one.name === name)) wanted.write(word(createdAt(address, i + 1)), start, "hex");
  });
}

/** The immutables: simulates the creation with the book's values and compares what it leaves, place by place. */
async function checkImmutables({ name, makes = {} }, artifact, address, creation, code, deployer) {
  const { immutables } = artifact;
  if (immutables.length === 0) return;
  let wanted;
  try {
    wanted = Buffer.from((await rpc("eth_call", [{ from: deployer, data: creation }, "latest"])).slice(2), "hex");
  } catch (error) {
    differs(`${name}: its constructor refuses the book's values: ${error.message}`);
    return;
  }
  placeDomain(wanted, immutables, address);
  placeMade(wanted, immutables, makes, address);
  const wrong = new Map();
  for (const { name: immutable, type, start, length } of immutables) {
    const [got, want] = [code, wanted].map((all) => all.subarray(start, start + length));
    if (!got.equals(want)) wrong.set(immutable, `${name}: ${immutable} is ${shown(got, type)}, by the book ${shown(want, type)}`);
  }
  for (const sentence of wrong.values()) differs(sentence);
  const good = [...new Set(immutables.map((one) => one.name))].filter((immutable) => !wrong.has(immutable));
  if (good.length !== 0) holds(name, `immutables: ${good.join(" ")}`);
}

/** The transaction: it created this address, by the deployer, with this bytecode and the book's values. */
async function checkCreation({ name }, address, creation, { transactions, deployer }) {
  const hash = transactions[name];
  const [transaction, receipt] = /^0x[0-9a-fA-F]{64}$/.test(hash ?? "")
    ? await Promise.all(["eth_getTransactionByHash", "eth_getTransactionReceipt"].map((method) => rpc(method, [hash])))
    : [];
  if (!transaction || !receipt) return void differs(`${name}: the chain knows no transaction ${hash}`);
  if (!same(receipt.contractAddress, address)) return void differs(`${name}: ${hash} created ${receipt.contractAddress}, not ${address}`);
  expect(same(transaction.from, deployer), name, "created by the deployer", `${name}: it was created by ${transaction.from}, not by ${deployer}`);
  expect(
    same(transaction.input, creation),
    name,
    "created with the build's bytecode and the book's values",
    `${name}: it was created with another bytecode or other values than the book's`,
  );
  return Number(receipt.blockNumber);
}

/** The views of the table, a list by its entries or whole. */
async function checkReads({ name, reads = {} }, address, values) {
  for (const [signature, key] of Object.entries(reads)) {
    const value = values[key];
    const what = signature.replace(/\(.*/, "");
    const items = Array.isArray(value) ? value : [value];
    let got;
    if (signature.endsWith("(uint256)")) {
      const one = (i) => view(address, signature, [i]).catch(() => "nothing");
      got = await Promise.all(items.map((_, i) => one(i)));
      if ((await one(items.length)) !== "nothing") got.push("more");
    } else {
      const answer = await view(address, signature).catch(() => "0x");
      got = (answer.slice(2).match(/.{64}/g) ?? []).map((hex) => `0x${hex}`);
      if (Array.isArray(value)) got = got.slice(2);
    }
    const show = (hex) => (hex.length === 66 ? (isAddress(items[0]) || items[0] === ZERO ? addressIn(hex) : BigInt(hex).toString()) : hex);
    const good = got.length === items.length && got.every((hex, i) => hex.length === 66 && BigInt(hex) === BigInt(items[i]));
    expect(good, name, `${what}: ${items.join(" ")}`, `${name}: ${what} is ${got.map(show).join(" ")}, by the book ${items.join(" ")}`);
  }
}

/** The code at `address`, which `creator` created, and its immutables; returns the creation as it should have been. */
async function checkCode(entry, artifact, address, creator, book) {
  const { name, contract } = entry;
  const creation = artifact.bytecode + encodeArguments(entry, artifact.abi, book.values).slice(2);
  const code = await rpc("eth_getCode", [address, "latest"]);
  if (code === "0x") return void differs(`${name}: there is no contract at ${address}`);
  const [got, want] = [code, artifact.deployedBytecode].map((all) => masked(all, artifact.immutables));
  const isBuilt = expect(
    got.equals(want),
    name,
    `${address}: the build's code, ${want.length} bytes`,
    `${name}: the code at ${address} isn't the build's ${contract}`,
  );
  if (isBuilt) await checkImmutables(entry, artifact, address, creation, Buffer.from(code.slice(2), "hex"), creator);
  return { creation, hash: keccak(code), isBuilt };
}

/** All of one contract, and of those that it made; returns the block that created it. */
async function checkContract(entry, artifacts, book) {
  const { name, makes = {} } = entry;
  const address = book.addresses[name];
  const found = await checkCode(entry, artifacts(entry.contract), address, book.deployer, book);
  if (!found) return;
  const wanted = book.codehashes[name];
  expect(same(found.hash, wanted), name, "the book's code hash", `${name}: the code's hash is ${found.hash}, by the book ${wanted}`);
  if (found.isBuilt) await checkReads(entry, address, book.values);
  for (const [i, [immutable, contract]] of Object.entries(makes).entries()) {
    const made = { name: `${name} ${immutable}`, contract, named: entry.named };
    await checkCode(made, artifacts(contract), createdAt(address, i + 1), address, book);
  }
  return checkCreation(entry, address, found.creation, book);
}

// ------------------------------------------------------------------------------------------- roles, the token

const ADMIN = `0x${"0".repeat(64)}`;
const ROLES = { DEFAULT_ADMIN_ROLE: ADMIN };
for (const role of ["PROPOSER_ROLE", "CANCELLER_ROLE", "EXECUTOR_ROLE"]) ROLES[role] = topic(role);
const roleName = (hash) => Object.keys(ROLES).find((name) => ROLES[name] === hash) ?? hash;

/** The timelock's roles: the foundation's, the timelock's own, anyone's to execute, and not one more. */
async function checkRoles({ addresses, policy, deployer, block }) {
  const { timelock } = addresses;
  const foundation = policy.foundation.toLowerCase();
  const wanted = {
    [ROLES.DEFAULT_ADMIN_ROLE]: timelock,
    [ROLES.PROPOSER_ROLE]: foundation,
    [ROLES.CANCELLER_ROLE]: foundation,
    [ROLES.EXECUTOR_ROLE]: ZERO,
  };
  const [granted, revoked, changed] = ["RoleGranted(bytes32,address,address)", "RoleRevoked(bytes32,address,address)", "RoleAdminChanged(bytes32,bytes32,bytes32)"].map(topic);
  const byEvents = new Map();
  const people = new Set([deployer, foundation, timelock, ZERO, ...policy.council, ...Object.values(addresses)].map((one) => one.toLowerCase()));
  for (const { topics } of await logs(timelock, [[granted, revoked, changed]], block)) {
    const account = addressIn(topics[2]);
    if (topics[0] === changed) {
      differs(`timelock: another role than DEFAULT_ADMIN_ROLE was made to rule ${roleName(topics[1])}`);
      continue;
    }
    people.add(account);
    byEvents.set(`${topics[1]} ${account}`, topics[0] === granted);
  }
  const roles = new Set([...Object.values(ROLES), ...[...byEvents.keys()].map((key) => key.split(" ")[0])]);
  for (const role of roles) {
    let good = true;
    for (const account of people) {
      const should = wanted[role] === account;
      const answer = await view(timelock, "hasRole(bytes32,address)", [role, account]).catch(() => "0x");
      const [told, has] = [byEvents.get(`${role} ${account}`) ?? false, number(answer) === 1n];
      if (has && !should) differs(`timelock: ${account} has ${roleName(role)}, and mustn't`);
      else if (!has && should) differs(`timelock: ${account} must have ${roleName(role)}, and hasn't`);
      else if (told !== has) differs(`timelock: by its events ${account} ${told ? "has" : "hasn't"} ${roleName(role)}, and it answers otherwise`);
      else continue;
      good = false;
    }
    if (good && wanted[role]) holds("timelock", `${roleName(role)}: ${wanted[role]} alone, of ${people.size} asked`);
  }
}

/** The supply, and the transfers that made it. */
async function checkToken({ addresses: { token }, values: { genesis }, block }) {
  const supply = number(await view(token, "totalSupply()").catch(() => "0x"));
  expect(supply === SUPPLY, "token", `supply: ${SUPPLY} wei`, `token: the supply is ${supply} wei, not ${SUPPLY}`);
  const mints = await logs(token, [topic("Transfer(address,address,uint256)"), `0x${"0".repeat(64)}`], block);
  const text = ({ recipient, amount }) => `${amount} wei to ${recipient.toLowerCase()}`;
  const got = mints.map(({ topics, data }) => text({ recipient: addressIn(topics[2]), amount: BigInt(data) }));
  const wanted = genesis.map(text);
  for (let i = 0; i < Math.max(got.length, wanted.length); ++i) {
    expect(got[i] === wanted[i], "token", `genesis: ${got[i]}`, `token: line ${i} of the genesis gave ${got[i] ?? "nothing"}, by the book ${wanted[i] ?? "nothing"}`);
  }
}

/** Compares the chain with the book and the build; {held: [subject, what] each, differences: sentences}. */
export async function verify(path, artifacts) {
  (held = []), (differences = []);
  const book = readBook(path);
  const chainId = Number(await rpc("eth_chainId"));
  if (expect(chainId === book.chainId, "chain", String(chainId), `chain: it is ${chainId}, by the book ${book.chainId}`)) {
    await checkAll(book, artifacts);
  }
  return { held, differences };
}

async function checkAll(book, artifacts) {
  for (const entry of deployedWith(book)) {
    const block = await checkContract(entry, artifacts, book);
    if (entry.name === "token" && block !== undefined) {
      expect(block === book.block, "token", `created in block ${block}`, `token: it was created in block ${block}, by the book ${book.block}`);
    }
  }
  await checkToken(book);
  if (book.policy) await checkRoles(book);
  else holds("policy", "the book has none");
}

async function main() {
  const path = resolve(need("BOOK"));
  need("RPC_URL");
  // a book that can't be read needn't wait for a build
  readBook(path);
  const compare = (out) => verify(path, artifactsIn(out));
  const found = process.env.BUILD ? await compare(resolve(process.env.BUILD)) : await withFreshBuild(compare);
  const width = Math.max(...DEPLOYMENT.map(({ name }) => name.length));
  for (const [subject, what] of found.held) console.log(`holds  ${subject.padEnd(width)}  ${what}`);
  for (const sentence of found.differences) console.error(`DIFFERS  ${sentence}`);
  if (found.differences.length !== 0) fail(`differences: ${found.differences.length}`);
  console.log(`verified: ${found.held.length} things hold, nothing differs`);
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main().catch((error) => {
    console.error(`verify: ${error.message}`);
    process.exitCode = 1;
  });
}
