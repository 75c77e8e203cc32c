/**
 * MySQL's binary JSON as the text that the server prints: `{"a": 1, "b": [1.5, "x"]}`, and the differences of partial updates.
 *
 *   document: type u8 · value
 *   object:   count · size · { key offset · key length u16 } · { type u8 · offset or small value } · keys · values
 *   array:    count · size · { type u8 · offset or small value } · values          (u16 in small, u32 in large ones)
 *
 * Offsets may point anywhere, so a hostile document could describe far more than it holds: depth, nodes and text are limited.
 */
import { decimalBytes, decimalText } from "../../core/numbers.ts";
import { packedTemporal } from "../../core/temporal.ts";
import type { ByteString } from "../../core/value.ts";
import { MalformedBinlogError } from "./malformed.ts";
import { columnType } from "./table-map.ts";

/** The server's own limit is 100. */
const depthMax = 101;

export type JsonNode =
  | { readonly kind: "object"; readonly members: Map<ByteString, JsonNode> }
  | { readonly kind: "array"; readonly items: JsonNode[] }
  /** Printed already. */
  | { readonly kind: "leaf"; readonly text: ByteString };

/** The document in `bytes[start … end)`. An empty one is JSON's null, as the server reads it. */
export function parseJsonDocument(bytes: Buffer, start: number, end: number): JsonNode {
  if (start === end) return { kind: "leaf", text: "null" };
  return new DocumentReader(bytes, end, end - start).node(bytes[start] as number, start + 1, 1);
}

export function jsonText(bytes: Buffer, start: number, end: number): ByteString {
  return printJson(parseJsonDocument(bytes, start, end));
}

export function printJson(node: JsonNode): ByteString {
  switch (node.kind) {
    case "leaf":
      return node.text;
    case "array":
      return `[${node.items.map(printJson).join(", ")}]`;
    case "object": {
      const parts: string[] = [];
      for (const [key, value] of node.members) parts.push(`${quoted(key)}: ${printJson(value)}`);
      return `{${parts.join(", ")}}`;
    }
  }
}

class DocumentReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #nodesLeft: number;
  #textLeft: number;

  constructor(bytes: Buffer, end: number, size: number) {
    this.#bytes = bytes;
    this.#end = end;
    this.#nodesLeft = size + 16; // every node has at least one byte of its own
    this.#textLeft = 32 * size + 1024; // and no byte prints as more than this
  }

  node(type: number, at: number, depth: number): JsonNode {
    if (depth > depthMax) throw new MalformedBinlogError("a JSON document is nested too deep");
    if (--this.#nodesLeft < 0) throw new MalformedBinlogError("a JSON document describes more than it holds");
    if (type <= 1) return this.#object(at, type === 1, depth);
    if (type <= 3) return this.#array(at, type === 3, depth);
    const text = this.#scalar(type, at);
    this.#textLeft -= text.length;
    if (this.#textLeft < 0) throw new MalformedBinlogError("a JSON document describes more than it holds");
    return { kind: "leaf", text };
  }

  #number(at: number, wide: boolean): number {
    this.#need(at, wide ? 4 : 2);
    return wide ? this.#bytes.readUInt32LE(at) : this.#bytes.readUInt16LE(at);
  }

  #need(at: number, count: number): void {
    if (at < 0 || at + count > this.#end) throw new MalformedBinlogError("a JSON document points outside of itself");
  }

  #object(at: number, wide: boolean, depth: number): JsonNode {
    const width = wide ? 4 : 2;
    const count = this.#number(at, wide);
    const keys = at + 2 * width;
    const values = keys + count * (width + 2);
    this.#need(keys, count * (width + 2 + 1 + width));
    const members = new Map<ByteString, JsonNode>();
    for (let index = 0; index < count; index++) {
      const entry = keys + index * (width + 2);
      const keyAt = at + this.#number(entry, wide);
      const keyLength = this.#bytes.readUInt16LE(entry + width);
      this.#need(keyAt, keyLength);
      this.#textLeft -= keyLength;
      if (this.#textLeft < 0) throw new MalformedBinlogError("a JSON document describes more than it holds");
      members.set(this.#bytes.toString("latin1", keyAt, keyAt + keyLength), this.#entry(at, values + index * (1 + width), wide, depth));
    }
    return { kind: "object", members };
  }

  #array(at: number, wide: boolean, depth: number): JsonNode {
    const width = wide ? 4 : 2;
    const count = this.#number(at, wide);
    const values = at + 2 * width;
    this.#need(values, count * (1 + width));
    const items: JsonNode[] = [];
    for (let index = 0; index < count; index++) items.push(this.#entry(at, values + index * (1 + width), wide, depth));
    return { kind: "array", items };
  }

  #entry(base: number, entry: number, wide: boolean, depth: number): JsonNode {
    const type = this.#bytes[entry] as number;
    const isInline = type === 4 || type === 5 || type === 6 || (wide && (type === 7 || type === 8));
    return this.node(type, isInline ? entry + 1 : base + this.#number(entry + 1, wide), depth + 1);
  }

  #scalar(type: number, at: number): ByteString {
    const bytes = this.#bytes;
    switch (type) {
      case 4: {
        this.#need(at, 1);
        const literal = ["null", "true", "false"][bytes[at] as number];
        if (literal === undefined) throw new MalformedBinlogError(`JSON literal number ${bytes[at]}`);
        return literal;
      }
      case 5:
        this.#need(at, 2);
        return `${bytes.readInt16LE(at)}`;
      case 6:
        this.#need(at, 2);
        return `${bytes.readUInt16LE(at)}`;
      case 7:
        this.#need(at, 4);
        return `${bytes.readInt32LE(at)}`;
      case 8:
        this.#need(at, 4);
        return `${bytes.readUInt32LE(at)}`;
      case 9:
        this.#need(at, 8);
        return `${bytes.readBigInt64LE(at)}`;
      case 10:
        this.#need(at, 8);
        return `${bytes.readBigUInt64LE(at)}`;
      case 11:
        this.#need(at, 8);
        return jsonDouble(bytes.readDoubleLE(at));
      case 12: {
        const [from, length] = this.#variable(at);
        return quoted(bytes.toString("latin1", from, from + length));
      }
      case 15: {
        this.#need(at, 1);
        const [from, length] = this.#variable(at + 1);
        return opaqueText(bytes, bytes[at] as number, from, length);
      }
      default:
        throw new MalformedBinlogError(`JSON value of type ${type}`);
    }
  }

  /** A length in groups of seven bits, low first; then that many bytes. */
  #variable(at: number): [from: number, length: number] {
    let length = 0;
    for (let index = 0; index < 5; index++) {
      this.#need(at + index, 1);
      const byte = this.#bytes[at + index] as number;
      length += (byte & 0x7f) * 128 ** index;
      if ((byte & 0x80) === 0) {
        this.#need(at + index + 1, length);
        return [at + index + 1, length];
      }
    }
    throw new MalformedBinlogError("a JSON length without an end");
  }
}

function opaqueText(bytes: Buffer, type: number, from: number, length: number): ByteString {
  if (type === columnType.newdecimal && length >= 2) {
    const precision = bytes[from] as number;
    const scale = bytes[from + 1] as number;
    if (scale > precision || length - 2 < decimalBytes(precision, scale)) throw new MalformedBinlogError("a JSON decimal is too short");
    return decimalText(bytes, from + 2, precision, scale);
  }
  if (length === 8) {
    if (type === columnType.date) return `"${packedTemporal("date", bytes.readBigInt64LE(from))}"`;
    if (type === columnType.time) return `"${packedTemporal("time", bytes.readBigInt64LE(from))}"`;
    if (type === columnType.datetime || type === columnType.timestamp) return `"${packedTemporal("datetime", bytes.readBigInt64LE(from))}"`;
  }
  // The server breaks lines after 76 characters.
  const base64 = bytes.toString("base64", from, from + length).replace(/.{76}(?=.)/g, "$&\n");
  return quoted(`base64:type${type}:${base64}`);
}

/**
 * As the server prints doubles in JSON: the shortest digits that read back, plain where the point stands near them (`10000000000.0`,
 * `0.0000001`), with an exponent elsewhere (`1e15`). The bounds are those of the server's formatter.
 */
export function jsonDouble(value: number): string {
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const [mantissa = "", exponent = ""] = Math.abs(value).toExponential().split("e");
  const sign = value < 0 ? "-" : "";
  const digits = mantissa.replace(".", "");
  const point = Number(exponent) + 1;
  if (point <= 0 && point > -plainPointMax) return `${sign}0.${"0".repeat(-point)}${digits}`;
  if (point > 0 && point < digits.length) return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
  if (point >= digits.length && point <= plainPointMax) return `${sign}${digits.padEnd(point, "0")}.0`;
  return `${sign}${mantissa}e${Number(exponent)}`;
}

/** Digits before the point, or zeros after it, up to which numbers are printed plain. */
const plainPointMax = 15;

// oxlint-disable-next-line no-control-regex -- these are the characters that JSON text must escape
const toEscape = /["\\\u0000-\u001f]/g;
const shortEscapes: Record<string, string> = { '"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t" };

function quoted(text: ByteString): ByteString {
  if (text.search(toEscape) === -1) return `"${text}"`;
  return `"${text.replace(toEscape, (character) => shortEscapes[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`)}"`;
}

/** One step of a path: an object's key, or an array's index. */
export type JsonPathStep = { readonly key: ByteString } | { readonly index: number };

/** Paths of partial updates: `$.name[3]."odd key"`. */
export function parseJsonPath(path: ByteString): JsonPathStep[] {
  const steps: JsonPathStep[] = [];
  if (path[0] !== "$") throw new MalformedBinlogError("a JSON path does not begin with $");
  let at = 1;
  while (at < path.length) {
    if (path[at] === "[") {
      const close = path.indexOf("]", at);
      const index = path.slice(at + 1, close);
      if (close === -1 || !/^\d{1,10}$/.test(index)) throw new MalformedBinlogError("a JSON path has an index of an unknown form");
      steps.push({ index: Number(index) });
      at = close + 1;
    } else if (path[at] === "." && path[at + 1] === '"') {
      let close = at + 2;
      while (close < path.length && path[close] !== '"') close += path[close] === "\\" ? 2 : 1;
      if (close >= path.length) throw new MalformedBinlogError("a JSON path has a key without an end");
      steps.push({ key: unquoted(path.slice(at + 1, close + 1)) });
      at = close + 1;
    } else if (path[at] === ".") {
      let close = at + 1;
      while (close < path.length && path[close] !== "." && path[close] !== "[") close++;
      steps.push({ key: path.slice(at + 1, close) });
      at = close;
    } else throw new MalformedBinlogError("a JSON path of an unknown form");
  }
  return steps;
}

function unquoted(text: ByteString): ByteString {
  try {
    return JSON.parse(text) as string;
  } catch (error) {
    throw new MalformedBinlogError("a JSON path has a key of an unknown form", { cause: error });
  }
}

export type JsonDifference =
  | { readonly operation: "replace" | "insert"; readonly path: readonly JsonPathStep[]; readonly value: JsonNode }
  | { readonly operation: "remove"; readonly path: readonly JsonPathStep[] };

/** Changes the document in place, as the source did; throws where the document has no such place. */
export function applyJsonDifference(document: JsonNode, difference: JsonDifference): JsonNode {
  const last = difference.path.at(-1);
  if (last === undefined) {
    if (difference.operation !== "replace") throw new MalformedBinlogError("a JSON difference that changes the whole document");
    return difference.value;
  }
  let parent = document;
  for (const step of difference.path.slice(0, -1)) parent = childOf(parent, step);
  if ("key" in last) {
    if (parent.kind !== "object") throw new MalformedBinlogError("a JSON difference for a document of another shape");
    if (difference.operation === "insert") insertMember(parent.members, last.key, difference.value);
    else {
      if (!parent.members.has(last.key)) throw new MalformedBinlogError("a JSON difference for a document of another shape");
      if (difference.operation === "remove") parent.members.delete(last.key);
      else parent.members.set(last.key, difference.value);
    }
    return document;
  }
  // A scalar counts as an array of itself in paths.
  if (parent.kind !== "array") throw new MalformedBinlogError("a JSON difference for a document of another shape");
  if (difference.operation === "insert") parent.items.splice(Math.min(last.index, parent.items.length), 0, difference.value);
  else {
    if (last.index >= parent.items.length) throw new MalformedBinlogError("a JSON difference for a document of another shape");
    if (difference.operation === "remove") parent.items.splice(last.index, 1);
    else parent.items[last.index] = difference.value;
  }
  return document;
}

function childOf(parent: JsonNode, step: JsonPathStep): JsonNode {
  const child =
    "key" in step
      ? parent.kind === "object"
        ? parent.members.get(step.key)
        : undefined
      : parent.kind === "array"
        ? parent.items[step.index]
        : undefined;
  if (child === undefined) throw new MalformedBinlogError("a JSON difference for a document of another shape");
  return child;
}

/** Objects print their keys shortest first, then by bytes. */
function insertMember(members: Map<ByteString, JsonNode>, key: ByteString, value: JsonNode): void {
  const all = [...members].filter(([name]) => name !== key);
  all.push([key, value]);
  all.sort(([a], [b]) => a.length - b.length || (a < b ? -1 : 1));
  members.clear();
  for (const [name, node] of all) members.set(name, node);
}
