// What one small change can be made of a contract: read off the compiler's syntax tree, so that each is a place in the source
// and what stands there instead. And what is wrong with a report of what became of them.
import { createHash } from "node:crypto";

/** Operators and what each becomes: the nearest wrong one. */
const BINARY = {
  ...{ "<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==" },
  ...{ "+": "-", "-": "+", "*": "/", "/": "*", "%": "*", "&&": "||", "||": "&&" },
  ...{ "&": "|", "|": "&", "^": "&", "<<": ">>", ">>": "<<" },
};
const ASSIGNMENT = { "+=": "-=", "-=": "+=", "*=": "/=", "/=": "*=", "|=": "&=", "&=": "|=" };
const YUL = { add: "sub", sub: "add", mul: "add", lt: "gt", gt: "lt", and: "or", or: "and", xor: "or", shl: "shr", shr: "shl" };
const LIBRARY = { min: "max", max: "min" };

/** Where a node lies in the source, in bytes. */
function place(node) {
  const [start, length] = node.src.split(":").map(Number);
  return { start, end: start + length };
}

/** The mutants of `source` (a Buffer) by its syntax tree: {at, end, operator, function, from, to}, in the source's order. */
export function mutantsOf(ast, source) {
  const found = [];
  const text = (start, end) => source.subarray(start, end).toString();
  const conditions = new Set();
  let within = "";

  const add = (operator, { start, end }, to) => {
    const from = text(start, end);
    if (from !== to) found.push({ at: start, end, operator, function: within, from, to });
  };
  /** Replaces the operator that stands between two nodes. */
  const between = (operator, left, right, from, to) => {
    const gap = { start: place(left).end, end: place(right).start };
    const at = source.indexOf(from, gap.start);
    if (at >= 0 && at < gap.end) add(operator, { start: at, end: at + from.length }, to);
  };

  /** Leaves a statement out, with its semicolon, which the tree doesn't count to it and which can't stand alone. */
  const remove = (node) => {
    const { start, end } = place(node);
    if (text(end, end + 1) === ";") add("statement", { start, end: end + 1 }, "{}");
  };

  const visitors = {
    IfStatement(node) {
      conditions.add(node.condition);
      add("condition", place(node.condition), "true");
      add("condition", place(node.condition), "false");
    },
    Conditional(node) {
      const [yes, no] = [place(node.trueExpression), place(node.falseExpression)];
      add("branch", place(node), text(yes.start, yes.end));
      add("branch", place(node), text(no.start, no.end));
    },
    BinaryOperation(node) {
      // A condition that is always true and one that is always false say what its opposite would.
      if (conditions.has(node) && /^[=!]=$/.test(node.operator)) return;
      const to = BINARY[node.operator];
      if (to) between("operator", node.leftExpression, node.rightExpression, node.operator, to);
    },
    Assignment(node) {
      const to = ASSIGNMENT[node.operator];
      if (to) between("assignment", node.leftHandSide, node.rightHandSide, node.operator, to);
    },
    UnaryOperation(node) {
      const here = place(node);
      const inner = place(node.subExpression);
      if (node.operator === "!") add("not", here, text(inner.start, inner.end));
      const other = { "++": "--", "--": "++" }[node.operator];
      if (other) add("step", here, text(here.start, here.end).replace(node.operator, other));
    },
    ExpressionStatement: (node) => remove(node),
    EmitStatement: (node) => remove(node),
    Literal(node) {
      if (node.kind !== "number") return;
      const here = place(node);
      // The digits alone, so that `72 hours` becomes `73 hours`; of 1e18 and 0x1f the tail.
      const more = (digits) => String(BigInt(digits.replaceAll("_", "")) + 1n);
      add("figure", here, text(here.start, here.end).replace(/^\d[\d_]*(?![\dxe_])/, more));
    },
    FunctionCall(node) {
      const name = node.expression.memberName ?? node.expression.name;
      const { end } = place(node.expression);
      if (LIBRARY[name]) add("library", { start: end - name.length, end }, LIBRARY[name]);
      if (name === "_min" || name === "_over") {
        for (const argument of node.arguments) {
          const one = place(argument);
          add("library", place(node), `(${text(one.start, one.end)})`);
        }
      }
    },
    YulFunctionCall(node) {
      const to = YUL[node.functionName.name];
      if (to) add("assembly", place(node.functionName), to);
    },
  };

  const walk = (node) => {
    if (Array.isArray(node)) return node.forEach(walk);
    if (node === null || typeof node !== "object") return;
    // What a constructor checks is tried as well; what an interface, an event or a pragma says is not code.
    if (["ImportDirective", "PragmaDirective", "EventDefinition", "ErrorDefinition"].includes(node.nodeType)) return;
    const outer = within;
    if (node.nodeType === "FunctionDefinition") within = node.kind === "constructor" ? "constructor" : node.name;
    visitors[node.nodeType]?.(node);
    for (const [key, value] of Object.entries(node)) {
      if (value && typeof value === "object" && key !== "typeDescriptions" && key !== "externalReferences") walk(value);
    }
    within = outer;
  };
  walk(ast);

  const seen = new Set();
  const unique = found.filter(({ at, end, to }) => {
    const key = `${at}:${end}:${to}`;
    return !seen.has(key) && seen.add(key);
  });
  return unique.sort((one, other) => one.at - other.at);
}

/** The source without comments and spacing: what a report is about, so that a better comment doesn't outdate it. */
export function code(source) {
  return source
    .replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|("(?:[^"\\\n]|\\.)*")/g, (_, string) => string ?? " ")
    .replace(/\s+/g, " ")
    .trim();
}

/** What tells whether a report is about the source as it is. */
export const digest = (source) => createHash("sha256").update(code(source)).digest("hex");

/** What is wrong with the `report` (or nothing) of the contract `name`, whose source is `text` and lies in `path`: sentences. */
export function faultsOf(name, path, report, text) {
  const again = `run \`npm run mutate -- ${name}\``;
  if (!report) return [`${path} has no report: ${again}`];
  const faults = [];
  if (report.sha256 !== digest(text)) faults.push(`${path} has changed since its report: ${again}`);
  const { mutants, killed, invalid, same, survived, survivors } = report;
  if (killed + invalid + same + survived !== mutants) faults.push(`${path}: not every mutant was tried: ${again}`);
  if (survivors.length !== survived) faults.push(`${path}: ${survived} survived, and ${survivors.length} are listed`);
  for (const { line, function: within, from, to, why } of survivors) {
    if (!why) faults.push(`${path}:${line} ${within}: ${from} -> ${to} survived and isn't explained`);
  }
  return faults;
}
