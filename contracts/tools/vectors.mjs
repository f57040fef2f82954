// Makes test/vectors/eip712.json: messages with their struct hashes, digests and signatures, for every implementation to
// be checked against. Nothing here is taken from the contracts: hashing is by the rules of EIP-712 from the type
// descriptions below, signing by `cast`. Without `--write` the committed file is compared.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sha3 from "js-sha3";
import { binary, ROOT } from "./bin.mjs";

const FILE = join(ROOT, "test/vectors/eip712.json");
// anvil's first account: known to everyone, worth nothing
const KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const SIGNER = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

const TYPES = {
  EIP712Domain: [
    ["string", "name"],
    ["string", "version"],
    ["uint256", "chainId"],
    ["address", "verifyingContract"],
  ],
  Offer: [
    ["address", "provider"],
    ["string", "member"],
    ["string", "class"],
    ["uint256", "rate"],
    ["uint32", "startWithin"],
    ["uint64", "validUntil"],
    ["uint64", "nonce"],
  ],
  Voucher: [
    ["bytes32", "leaseId"],
    ["address", "payer"],
    ["address", "provider"],
    ["uint64", "generation"],
    ["uint64", "attempt"],
    ["uint256", "cumulativeAmount"],
    ["uint256", "cumulativeUsageMs"],
    ["bytes32", "usageRoot"],
    ["bool", "isFinal"],
  ],
  Grant: [
    ["address", "payer"],
    ["address", "hubKey"],
    ["bytes32", "namespaceId"],
    ["uint256", "cap"],
    ["uint256", "maxRate"],
    ["uint64", "expiry"],
    ["uint64", "nonce"],
    ["uint64", "deadline"],
  ],
  Delivery: [
    ["uint256", "listing"],
    ["uint32", "version"],
    ["address", "buyer"],
    ["bytes32", "root"],
  ],
  Readiness: [
    ["address", "provider"],
    ["address", "hubKey"],
    ["bytes32", "namespaceId"],
    ["bytes32", "jobId"],
    ["uint64", "generation"],
    ["uint64", "attempt"],
    ["uint256", "bond"],
    ["uint32", "startWithin"],
    ["uint64", "validUntil"],
    ["uint64", "nonce"],
  ],
};
/** Not signed: a lease's id is the hash of these words alone. */
const LEASE_TERMS = [
  ["address", "payer"],
  ["address", "provider"],
  ["address", "hubKey"],
  ["bytes32", "namespaceId"],
  ["bytes32", "jobId"],
  ["uint64", "generation"],
  ["uint64", "attempt"],
  ["uint256", "rate"],
  ["uint64", "milliUnits"],
];

/** Keccak-256 of bytes given in hex without prefix, as 0x... */
const keccak = (hex) => `0x${sha3.keccak256(Buffer.from(hex, "hex"))}`;
const utf8 = (text) => Buffer.from(text, "utf8").toString("hex");
const word = (number) => BigInt(number).toString(16).padStart(64, "0");

/** One member of a struct as EIP-712's encodeData has it: 32 bytes of hex. */
function encode(type, value) {
  if (type === "string") return keccak(utf8(value)).slice(2);
  if (type === "bool") return word(value ? 1 : 0);
  if (type === "address") return value.slice(2).toLowerCase().padStart(64, "0");
  if (type === "bytes32") return value.slice(2).toLowerCase();
  return word(value);
}

const encodeAll = (members, message) => members.map(([type, name]) => encode(type, message[name])).join("");
const typeHash = (name) => keccak(utf8(`${name}(${TYPES[name].map((member) => member.join(" ")).join(",")})`));
const hashStruct = (name, message) => keccak(typeHash(name).slice(2) + encodeAll(TYPES[name], message));

/** Signs `message` with cast, which hashes it by itself. */
function sign(name, domain, message) {
  const types = Object.fromEntries(
    Object.entries(TYPES).map(([type, members]) => [type, members.map(([kind, label]) => ({ name: label, type: kind }))]),
  );
  const typed = JSON.stringify({ types, primaryType: name, domain, message });
  const run = spawnSync(binary("cast"), ["wallet", "sign", "--private-key", KEY, "--data", typed], {
    encoding: "utf8",
  });
  if (run.status !== 0) throw new Error(`cast wallet sign: ${run.stderr}`);
  return run.stdout.trim();
}

const fill = (byte) => `0x${byte.repeat(32)}`;
const MAX = (bits) => (2n ** BigInt(bits) - 1n).toString();
const PAYER = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8";
const ZERO = `0x${"0".repeat(40)}`;

const domain = {
  name: "EAI Escrow",
  version: "1",
  chainId: 31337,
  verifyingContract: "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512",
};

const offer = (fields) => ({
  provider: SIGNER,
  member: "home",
  class: "nvidia.com/gpu",
  rate: "3600000000000000000",
  startWithin: "60",
  validUntil: "1800000000",
  nonce: "0",
  ...fields,
});
const offers = [
  offer({}),
  offer({ class: "cpu", rate: "1" }),
  offer({ member: "", class: "" }),
  offer({ member: "家庭集群-α", class: "以太智聯/加速器" }),
  offer({ member: "m".repeat(200), rate: "0", startWithin: "0", validUntil: "0" }),
  offer({ rate: MAX(256), startWithin: MAX(32), validUntil: MAX(64), nonce: MAX(64) }),
  offer({ provider: ZERO, nonce: "7" }),
];

const terms = (fields) => ({
  payer: PAYER,
  provider: SIGNER,
  hubKey: SIGNER,
  namespaceId: fill("4e"),
  jobId: fill("6a"),
  generation: "1",
  attempt: "1",
  rate: "3600000000000000000",
  milliUnits: "1000",
  ...fields,
});
const leases = [
  terms({}),
  terms({ attempt: "2" }),
  terms({ generation: MAX(64), attempt: MAX(64), rate: MAX(256), milliUnits: MAX(64) }),
  terms({ payer: ZERO, provider: ZERO, hubKey: ZERO, namespaceId: fill("00"), jobId: fill("00"), rate: "0", milliUnits: "0" }),
].map((message) => ({ terms: message, leaseId: keccak(encodeAll(LEASE_TERMS, message)) }));

const voucher = (fields) => ({
  leaseId: leases[0].leaseId,
  payer: PAYER,
  provider: SIGNER,
  generation: "1",
  attempt: "1",
  cumulativeAmount: "90000000000000000",
  cumulativeUsageMs: "90000",
  usageRoot: fill("75"),
  isFinal: false,
  ...fields,
});
const vouchers = [
  voucher({}),
  voucher({ isFinal: true }),
  voucher({ cumulativeAmount: "0", cumulativeUsageMs: "0", usageRoot: fill("00"), isFinal: true }),
  voucher({ leaseId: leases[1].leaseId, attempt: "2" }),
  voucher({ generation: MAX(64), attempt: MAX(64), cumulativeAmount: MAX(256), cumulativeUsageMs: MAX(256), usageRoot: fill("ff") }),
  voucher({ leaseId: fill("00"), payer: ZERO, provider: ZERO, generation: "0", attempt: "0" }),
  voucher({ cumulativeAmount: "2500000000000000000000000000", cumulativeUsageMs: "9007199254740993" }),
];

const grant = (fields) => ({
  payer: SIGNER,
  hubKey: PAYER,
  namespaceId: fill("4e"),
  cap: "500000000000000000000",
  maxRate: "3600000000000000000",
  expiry: "1800086400",
  nonce: "0",
  deadline: "1800000600",
  ...fields,
});
const grants = [
  grant({}),
  grant({ nonce: "1", cap: "0", maxRate: "0" }),
  grant({ cap: MAX(256), maxRate: MAX(256), expiry: MAX(64), nonce: MAX(64), deadline: MAX(64), namespaceId: fill("ff") }),
  grant({ payer: ZERO, hubKey: ZERO, namespaceId: fill("00"), expiry: "0", deadline: "0" }),
];

// The other contracts that take signatures, each with a domain of its own.
const catalogDomain = { ...domain, name: "EAI Catalog", verifyingContract: "0x5FC8d32690cc91D4c39d9d3abcBD16989F875707" };
const delivery = (fields) => ({ listing: "1", version: "1", buyer: PAYER, root: fill("72"), ...fields });
const deliveries = [
  delivery({}),
  delivery({ version: "2", root: fill("00") }),
  delivery({ listing: MAX(256), version: MAX(32), root: fill("ff") }),
  delivery({ listing: "0", version: "0", buyer: ZERO }),
];

const raceDomain = { ...domain, name: "EAI RaceBonds", verifyingContract: "0x0165878A594ca255338adfa4d48449f69242Eb8F" };
const pledge = (fields) => ({
  provider: SIGNER,
  hubKey: PAYER,
  namespaceId: fill("4e"),
  jobId: fill("6a"),
  generation: "1",
  attempt: "1",
  bond: "20000000000000000000",
  startWithin: "60",
  validUntil: "1800000600",
  nonce: "0",
  ...fields,
});
const readiness = [
  pledge({}),
  pledge({ attempt: "2", nonce: "1" }),
  pledge({ generation: MAX(64), attempt: MAX(64), bond: MAX(256), startWithin: MAX(32), validUntil: MAX(64), nonce: MAX(64) }),
  pledge({ provider: ZERO, hubKey: ZERO, namespaceId: fill("00"), jobId: fill("ff"), bond: "0", startWithin: "0" }),
];

/** A message with all that can be known of it. */
function vector(name, message, under = domain) {
  const structHash = hashStruct(name, message);
  const digest = keccak(`1901${hashStruct("EIP712Domain", under).slice(2)}${structHash.slice(2)}`);
  const signature = sign(name, under, message);
  const [r, s, v] = [signature.slice(2, 66), BigInt(`0x${signature.slice(66, 130)}`), parseInt(signature.slice(130), 16)];
  const vs = (s | (BigInt(v - 27) << 255n)).toString(16).padStart(64, "0");
  return { message, structHash, digest, signature, r: `0x${r}`, vs: `0x${vs}` };
}

/** ABI encoding of (bytes32, string), hashed. */
function namespaceId(hubId, namespaceUid) {
  const text = utf8(namespaceUid);
  const padded = text.padEnd(Math.ceil(text.length / 64) * 64, "0");
  return keccak(hubId.slice(2) + word(64) + word(text.length / 2) + padded);
}
const namespaces = [
  [fill("4b"), "5d3c5a0e-3f0b-4a53-9b5e-1f2e6a7c8d90"],
  [fill("4b"), "5d3c5a0e-3f0b-4a53-9b5e-1f2e6a7c8d91"],
  [fill("00"), ""],
  [fill("ff"), "命名空間"],
  [fill("01"), "x".repeat(64)],
].map(([hubId, namespaceUid]) => ({ hubId, namespaceUid, namespaceId: namespaceId(hubId, namespaceUid) }));

const wanted = `${JSON.stringify(
  {
    about: "Made by tools/vectors.mjs. The key is anvil's first and worth nothing. Numbers are decimal strings.",
    key: KEY,
    signer: SIGNER,
    domain,
    domainSeparator: hashStruct("EIP712Domain", domain),
    typeHashes: { Offer: typeHash("Offer"), Voucher: typeHash("Voucher"), Grant: typeHash("Grant") },
    offers: offers.map((message) => vector("Offer", message)),
    vouchers: vouchers.map((message) => vector("Voucher", message)),
    grants: grants.map((message) => vector("Grant", message)),
    leases,
    namespaces,
    catalog: {
      domain: catalogDomain,
      domainSeparator: hashStruct("EIP712Domain", catalogDomain),
      typeHashes: { Delivery: typeHash("Delivery") },
      deliveries: deliveries.map((message) => vector("Delivery", message, catalogDomain)),
    },
    raceBonds: {
      domain: raceDomain,
      domainSeparator: hashStruct("EIP712Domain", raceDomain),
      typeHashes: { Readiness: typeHash("Readiness") },
      readiness: readiness.map((message) => vector("Readiness", message, raceDomain)),
    },
  },
  null,
  2,
)}\n`;

if (process.argv.includes("--write")) {
  writeFileSync(FILE, wanted);
} else if (readFileSync(FILE, "utf8") !== wanted) {
  console.error("test/vectors/eip712.json differs from what tools/vectors.mjs makes: run `npm run vectors`");
  process.exit(1);
}
