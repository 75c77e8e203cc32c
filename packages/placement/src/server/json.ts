/** JSON as Go programs write and read it: true 64-bit numbers, escapes of HTML's characters, and the words of its decoder's errors. */
import { HttpRefusal, inputRefusal, refusal } from "./http-routes.ts";

/** Bigints are written as numbers; `undefined` members are left out. Two spaces and a newline at the end, or one line without. */
export function goJson(value: unknown, isCompact = false): string {
  const text = JSON.stringify(
    value,
    (_key, each: unknown) =>
      typeof each === "bigint" ? (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON(each.toString()) : each,
    isCompact ? undefined : 2,
  );
  // Go closes empty lists and objects on the line where they open, as JSON.stringify does.
  const escaped = text.replace(/[<>&\u2028\u2029]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
  return isCompact ? escaped : `${escaped}\n`;
}

/** Indented by four and without a newline, as newer parts of the original answer. */
export function goJsonWide(value: unknown): string {
  return goJson(value).trimEnd().replace(/^( +)/gm, "$1$1");
}

/** As Go's decoder has it. */
const depthMax = 10_000;
/** Numbers that may be beyond 2^53, outside of strings; sometimes something in a string looks so, too. */
const wideNumber = /(?:^|[[:,\s])-?\d{16,}\s*(?:[,\]}]|$)/;
/** Of a body with such numbers: looking at each value takes twenty times as long as reading it does. */
const wideBytesMax = 1024 * 1024;

/** Whole numbers beyond 2^53 come as bigint. Throws a 400 with Go's words. */
export function parseGoJson(body: Uint8Array): unknown {
  const text = new TextDecoder().decode(body);
  if (isTooDeep(text)) throw inputRefusal("exceeded max depth", { Offset: body.length });
  try {
    if (!wideNumber.test(text)) return JSON.parse(text) as unknown;
    if (body.length > wideBytesMax) throw refusal(413, "request body too large");
    return JSON.parse(text, function (this: unknown, _key: string, value: unknown, context?: { readonly source?: string }) {
      const source = context?.source;
      if (typeof value !== "number" || source === undefined || Number.isSafeInteger(value) || !/^-?\d+$/.test(source)) return value;
      return BigInt(source);
    } as (this: unknown, key: string, value: unknown) => unknown);
  } catch (error) {
    if (error instanceof HttpRefusal) throw error;
    const { message, offset } = syntaxError(text);
    throw inputRefusal(message, { Offset: offset });
  }
}

/** Before it is read: what is that deep would overflow the stack of whoever walks it. Brackets in strings count only when there are many. */
function isTooDeep(text: string): boolean {
  let opened = 0;
  for (let at = 0; at < text.length && opened <= depthMax; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x5b || code === 0x7b) opened++;
  }
  if (opened <= depthMax) return false;
  let depth = 0;
  let isInString = false;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (isInString) {
      if (code === 0x5c) at++;
      else if (code === 0x22) isInString = false;
    } else if (code === 0x22) isInString = true;
    else if (code === 0x5b || code === 0x7b) {
      if (++depth > depthMax) return true;
    } else if (code === 0x5d || code === 0x7d) depth--;
  }
  return false;
}

class Stop extends Error {
  readonly offset: number;
  constructor(message: string, offset: number) {
    super(message);
    this.offset = offset;
  }
}

/** Where and how Go's decoder would stop. Offsets count the bytes that it has taken. */
export function syntaxError(text: string): { readonly message: string; readonly offset: number } {
  let at = 0;
  const end = (): never => {
    throw new Stop("unexpected end of JSON input", text.length);
  };
  const bad = (what: string): never => {
    const character = text[at] ?? "";
    const shown = character === "'" ? `'\\''` : character === '"' ? `'"'` : JSON.stringify(character).replace(/^"|"$/g, "'");
    throw new Stop(`invalid character ${shown} ${what}`, at + 1);
  };
  const space = () => {
    while (at < text.length && " \t\r\n".includes(text[at] as string)) at++;
  };
  const literal = (word: string) => {
    for (let i = 0; i < word.length; i++, at++) {
      if (at >= text.length) end();
      if (text[at] !== word[i]) bad(`in literal ${word} (expecting '${word[i]}')`);
    }
  };
  const digits = (what: string) => {
    if (at >= text.length) end();
    if (!/\d/.test(text[at] as string)) bad(what);
    while (at < text.length && /\d/.test(text[at] as string)) at++;
  };
  const string = () => {
    at++;
    for (;;) {
      if (at >= text.length) end();
      const character = text[at] as string;
      if (character === '"') {
        at++;
        return;
      }
      if (character < " ") bad("in string literal");
      if (character === "\\") {
        at++;
        if (at >= text.length) end();
        if (!'bfnrt\\/"u'.includes(text[at] as string)) bad("in string escape code");
        if (text[at] === "u")
          for (let i = 0; i < 4; i++) {
            at++;
            if (at >= text.length) end();
            if (!/[0-9a-fA-F]/.test(text[at] as string)) bad("in \\u hexadecimal character escape");
          }
      }
      at++;
    }
  };
  const value = (what: string, depth: number): void => {
    if (depth > depthMax) throw new Stop("exceeded max depth", at + 1);
    space();
    if (at >= text.length) end();
    const character = text[at] as string;
    if (character === "{") {
      at++;
      space();
      if (text[at] === "}") {
        at++;
        return;
      }
      for (;;) {
        space();
        if (at >= text.length) end();
        if (text[at] !== '"') bad("looking for beginning of object key string");
        string();
        space();
        if (at >= text.length) end();
        if (text[at] !== ":") bad("after object key");
        at++;
        value("looking for beginning of value", depth + 1);
        space();
        if (at >= text.length) end();
        if (text[at] === "}") break;
        if (text[at] !== ",") bad("after object key:value pair");
        at++;
      }
      at++;
    } else if (character === "[") {
      at++;
      space();
      if (text[at] === "]") {
        at++;
        return;
      }
      for (;;) {
        value("looking for beginning of value", depth + 1);
        space();
        if (at >= text.length) end();
        if (text[at] === "]") break;
        if (text[at] !== ",") bad("after array element");
        at++;
      }
      at++;
    } else if (character === '"') string();
    else if (character === "t") literal("true");
    else if (character === "f") literal("false");
    else if (character === "n") literal("null");
    else if (character === "-" || /\d/.test(character)) {
      if (character === "-") at++;
      if (text[at] === "0") at++;
      else digits("in numeric literal");
      if (text[at] === ".") {
        at++;
        digits("after decimal point in numeric literal");
      }
      if (text[at] === "e" || text[at] === "E") {
        at++;
        if (text[at] === "+" || text[at] === "-") at++;
        digits("in exponent of numeric literal");
      }
    } else bad(what);
  };
  try {
    value("looking for beginning of value", 0);
    space();
    if (at < text.length) bad("after top-level value");
    return { message: "invalid JSON", offset: at };
  } catch (error) {
    if (error instanceof Stop) return { message: error.message, offset: error.offset };
    // A stack that is too small for so many brackets.
    return { message: "exceeded max depth", offset: at };
  }
}
