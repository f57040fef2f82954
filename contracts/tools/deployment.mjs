// What is deployed. A contract more is a line more of DEPLOYMENT: its constructor's arguments are found by their names, among the
// contracts that are deployed, then in the policy; what the policy must hold follows from that.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { binary, ROOT } from "./bin.mjs";
import { fail, isAddress, isDecimal, ZERO } from "./chain.mjs";

/**
 * In the order in which they are deployed; a constructor may ask those before it.
 *
 * - name: in the address book, and for the constructors of others
 * - contract: its name, which is its file's
 * - policy: whether it is deployed only where the configuration has a policy, and lies in the book's
 * - named: what a constructor's parameter is called here, where that isn't its own name (without underscores behind)
 * - least: the least that a figure may be, for a sentence before the constructor refuses it
 * - makes: immutables that hold contracts which its constructor creates, in that order: {IMPLEMENTATION: "MiningPool"}
 * - reads: views that must answer what the configuration says, beside the immutables, which are all compared
 */
export const DEPLOYMENT = [
  { name: "token", contract: "EAIToken" },
  { name: "escrow", contract: "Escrow", least: { closingWindow: 72 * 3600 } },
  { name: "hubRegistry", contract: "HubRegistry" },
  {
    ...{ name: "timelock", contract: "FoundationTimelock", policy: true },
    named: { delay: "timelockDelay" },
    least: { timelockDelay: 72 * 3600 },
    reads: { "getMinDelay()": "timelockDelay", "foundation()": "foundation", "heir()": "nobody" },
  },
  {
    ...{ name: "registry", contract: "NodeRegistry", policy: true },
    named: { vault: "emission" },
    reads: { "classMinimums(uint256)": "classMinimums" },
  },
  { name: "emission", contract: "EmissionController", policy: true, reads: { "ceiling()": "ceiling" } },
  { name: "disputes", contract: "Disputes", policy: true },
  { name: "pools", contract: "MiningPools", policy: true, makes: { IMPLEMENTATION: "MiningPool" } },
  { name: "raceBonds", contract: "RaceBonds", policy: true, named: { lockTime: "raceLock", challenge: "raceChallenge" } },
  {
    ...{ name: "dataRegistry", contract: "DataRegistry", policy: true },
    named: { bond: "dataBond", fee: "verificationFee", claiming: "leakClaim", maxLease: "longestDataLease" },
  },
  {
    ...{ name: "catalog", contract: "Catalog", policy: true },
    named: { vault: "emission", minBond: "listingBond", maxWindow: "longestRefund", bondHold: "listingHold" },
  },
  { name: "vendorTokens", contract: "VendorTokenFactory", policy: true, named: { eai: "token" } },
  {
    ...{ name: "guardrail", contract: "Guardrail", policy: true },
    named: { quorum: "councilQuorum" },
    reads: { "council()": "council", "quorum()": "councilQuorum" },
  },
];

/** What the configuration holds beside the policy. */
const PLAIN = ["genesis", "closingWindow"];
const isContract = (name) => DEPLOYMENT.some((entry) => entry.name === name);

/** The entries that are deployed with this configuration, or that an address book of this shape lists. */
export const deployedWith = ({ policy }) => DEPLOYMENT.filter((entry) => policy !== undefined || !entry.policy);

/** The artifact of abi/. */
export const committed = (contract) => JSON.parse(readFileSync(`${ROOT}abi/${contract}.json`, "utf8"));

/** The constructor's parameters as a list of {type, key, components}, where `key` is the name of the value here. */
function parameters({ contract, named = {} }, abi) {
  const { inputs = [] } = abi.find(({ type }) => type === "constructor") ?? {};
  const keyed = (input) => {
    const plain = input.name.replace(/_+$/, "");
    return { ...input, key: named[plain] ?? plain };
  };
  // a struct of all parameters is looked through
  return { contract, inputs: inputs.map((input) => (input.type === "tuple" ? { ...input, inner: input.components.map(keyed) } : keyed(input))) };
}

const flat = ({ inputs }) => inputs.flatMap((input) => input.inner ?? [input]);

/** Whether a value of the policy can be what a constructor takes, as [test, what it must be]. */
const KINDS = [
  [/^u?int\d*$/, isDecimal, "a decimal string"],
  [/^address$/, isAddress, "an address"],
  [/^bytes32$/, (value) => /^0x[0-9a-fA-F]{64}$/.test(value ?? ""), "32 bytes in hex"],
  [/^u?int\d*\[\]$/, (value) => Array.isArray(value) && value.length !== 0 && value.every(isDecimal), "a list of decimal strings"],
  [/^address\[\]$/, (value) => Array.isArray(value) && value.length !== 0 && value.every(isAddress), "a list of addresses"],
];

/** Fails with a sentence unless `policy` holds what the constructors take, and nothing else. */
export function checkPolicy(policy) {
  const known = new Set();
  for (const entry of DEPLOYMENT.filter((one) => one.policy)) {
    for (const { key, type } of flat(parameters(entry, committed(entry.contract).abi))) {
      if (isContract(key) || PLAIN.includes(key)) continue;
      const [, fits, what] = KINDS.find(([pattern]) => pattern.test(type)) ?? fail(`no configuration can hold a ${type}: ${key}`);
      if (!fits(policy[key])) fail(`CONFIG: policy.${key} must be ${what}`);
      known.add(key);
    }
    for (const [key, least] of Object.entries(entry.least ?? {})) {
      if (BigInt(policy[key]) < BigInt(least)) fail(`CONFIG: policy.${key} must be at least ${least}`);
    }
  }
  for (const key of Object.keys(policy)) if (!known.has(key)) fail(`CONFIG: policy.${key} means nothing`);
}

/** All values that constructors take, by name: of a configuration with the contracts' addresses, or of an address book. */
export function valuesOf({ genesis, closingWindow, policy }, addresses) {
  const placed = genesis.map(({ recipient, amount }) => ({ recipient: recipient === "vault" ? addresses.emission : recipient, amount }));
  return { ...policy, ...addresses, genesis: placed, closingWindow, nobody: ZERO };
}

/** A value as cast reads it. */
function text(value, { type, components }) {
  if (Array.isArray(value)) return `[${value.map((one) => text(one, { type: type.slice(0, -2), components })).join(",")}]`;
  if (components) return `(${components.map((component) => text(value[component.name], component)).join(",")})`;
  return String(value);
}

const typeOf = ({ type, components }) =>
  components ? `(${components.map(typeOf).join(",")})${type.slice("tuple".length)}` : type;

/** The constructor's arguments for `entry`, ABI-encoded, in hex. */
export function encodeArguments(entry, abi, values) {
  const { inputs } = parameters(entry, abi);
  const find = ({ key }) => values[key] ?? fail(`${entry.contract} needs ${key}, which nothing says`);
  const words = inputs.map((input) =>
    input.inner ? `(${input.inner.map((one) => text(find(one), one)).join(",")})` : text(find(input), input),
  );
  if (inputs.length === 0) return "0x";
  const run = spawnSync(binary("cast"), ["abi-encode", `constructor(${inputs.map(typeOf).join(",")})`, ...words], { encoding: "utf8" });
  if (run.status !== 0) fail(`the arguments of ${entry.contract} can't be encoded: ${run.stderr}`);
  return run.stdout.trim();
}
