// What tools/deploy.mjs and tools/verify.mjs need of a chain and its encodings.
import { createECDH } from "node:crypto";
import sha3 from "js-sha3";

/** Gives up with a sentence for the person who called. */
export function fail(sentence) {
  throw new Error(sentence);
}

/** The environment variable `name`, which must be set. */
export function need(name) {
  return process.env[name] || fail(`${name} is not set`);
}

/** One JSON-RPC call to RPC_URL. */
export async function rpc(method, params = []) {
  const response = await fetch(need("RPC_URL"), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  }).catch((error) => fail(`RPC_URL doesn't answer: ${error.cause?.message ?? error.message}`));
  const { result, error } = await response.json().catch(() => fail("RPC_URL doesn't answer in JSON"));
  if (error) fail(`${method}: ${error.message}`);
  return result;
}

/** The most blocks that are asked for logs at once: providers refuse more. */
const LOG_RANGE = 10_000;

/** All logs of `address` with these topics, from block `from` on, in order. */
export async function logs(address, topics, from) {
  const last = Number(await rpc("eth_blockNumber"));
  const all = [];
  for (let low = from; low <= last; low += LOG_RANGE) {
    const [fromBlock, toBlock] = [low, Math.min(last, low + LOG_RANGE - 1)].map((block) => `0x${block.toString(16)}`);
    all.push(...(await rpc("eth_getLogs", [{ address, topics, fromBlock, toBlock }])));
  }
  return all;
}

export const ZERO = `0x${"0".repeat(40)}`;
export const isAddress = (value) => typeof value === "string" && /^0x[0-9a-fA-F]{40}$/.test(value) && BigInt(value) !== 0n;
export const isDecimal = (value) => typeof value === "string" && /^(0|[1-9][0-9]*)$/.test(value);

const bytes = (hex) => Buffer.from(hex.replace(/^0x/, ""), "hex");
/** Keccak-256 of bytes in hex. */
export const keccak = (hex) => `0x${sha3.keccak256(bytes(hex))}`;
/** Keccak-256 of a text: of a role's name, or an event's signature. */
export const topic = (text) => `0x${sha3.keccak256(text)}`;
/** A number, or an address, as 32 bytes of hex without prefix. */
export const word = (value) => BigInt(value).toString(16).padStart(64, "0");
/** The address in a word. */
export const addressIn = (hex) => `0x${hex.slice(-40).toLowerCase()}`;

/** What the view `signature` of `address` answers to `words`, in hex. */
export function view(address, signature, words = []) {
  const data = topic(signature).slice(0, 10) + words.map(word).join("");
  return rpc("eth_call", [{ to: address, data }, "latest"]);
}

/** Whose key it is. The key goes nowhere. */
export function ownerOf(key) {
  const pair = createECDH("secp256k1");
  try {
    pair.setPrivateKey(bytes(key));
  } catch {
    fail("DEPLOYER_KEY is no key");
  }
  return addressIn(keccak(pair.getPublicKey("hex").slice(2)));
}

/** The address of the contract that `deployer` creates with `nonce`: the hash of the RLP list of the two. */
export function createdAt(deployer, nonce) {
  let number = nonce === 0 ? "" : nonce.toString(16);
  if (number.length % 2) number = `0${number}`;
  const item = number.length === 2 && nonce < 0x80 ? number : (0x80 + number.length / 2).toString(16) + number;
  const list = `94${deployer.slice(2)}${item}`;
  return addressIn(keccak((0xc0 + list.length / 2).toString(16) + list));
}

/** `code` with the places of immutables set to zero. */
export function masked(code, immutables) {
  const all = bytes(code);
  for (const { start, length } of immutables) all.fill(0, start, start + length);
  return all;
}
