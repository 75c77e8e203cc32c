/**
 * SQL text → tokens, for MariaDB and MySQL, in one pass: every character is looked at a bounded number of times.
 *
 * The text may hold any characters, also bytes as characters (latin1). Versioned comments that the server would run
 * (those that begin with `!40101` or `M!100301`) are entered and left without a trace; all other comments are white space.
 */
import { parseError } from "./errors.ts";

export type ServerFlavor = "mysql" | "mariadb";

export interface SqlDialectOptions {
  readonly flavor: ServerFlavor;
  /** Names as in `@@sql_mode`; only those that change how text reads matter. */
  readonly sqlMode?: string;
  /** As in versioned comments: 80400, 90700, 101100. Default: newer than all known. */
  readonly version?: number;
}

export type TokenKind =
  /** An unquoted name or keyword. */
  | "word"
  /** A name in backquotes, or in double quotes under ANSI_QUOTES. */
  | "name"
  | "string"
  /** `12`, `1.5`, `1e10` */
  | "number"
  /** `0x1F`, `x'1F'`, `0b01`, `b'01'` */
  | "bits"
  /** `@user`, `@@global.x` */
  | "variable"
  | "operator"
  | "end";

export interface Token {
  readonly kind: TokenKind;
  /** Word as written, name unquoted, string decoded, bits as `0x…` or `b'…'`, operator as written. */
  readonly text: string;
  /** Words in upper case; operators as they are; empty for the rest, so that quoted names never match a keyword. */
  readonly keyword: string;
  readonly start: number;
  readonly end: number;
  /** Whether white space or a comment stands before it: `count (` is not `count(`. */
  readonly spaced: boolean;
}

export interface Lexer {
  /** At the end of the text: kind `end`, again and again. */
  next(): Token;
}

interface SqlModes {
  readonly ansiQuotes: boolean;
  readonly noBackslashEscapes: boolean;
}

/** Which modes are part of the combined ones (`ANSI`, `ORACLE` …) as the servers unfold them. */
export function sqlModes(sqlMode: string): SqlModes & { readonly realAsFloat: boolean; readonly pipesAsConcat: boolean } {
  const modes = new Set(sqlMode.toUpperCase().split(/[\s,]+/));
  const has = (...names: string[]) => names.some((name) => modes.has(name));
  return {
    ansiQuotes: has("ANSI_QUOTES", "ANSI", "ORACLE", "MSSQL", "POSTGRESQL", "DB2", "MAXDB"),
    noBackslashEscapes: has("NO_BACKSLASH_ESCAPES"),
    realAsFloat: has("REAL_AS_FLOAT", "ANSI"),
    pipesAsConcat: has("PIPES_AS_CONCAT", "ANSI", "ORACLE", "MSSQL", "POSTGRESQL", "DB2", "MAXDB"),
  };
}

// Character classes by code; everything from U+0080 on is part of names, as the servers take it.
const SPACE = 1;
const NAME = 2;
const DIGIT = 4;
const classes = new Uint8Array(128);
for (const character of " \t\n\r\v\f") classes[character.charCodeAt(0)] = SPACE;
for (let code = 48; code <= 57; code += 1) classes[code] = NAME | DIGIT;
for (let code = 65; code <= 90; code += 1) classes[code] = NAME;
for (let code = 97; code <= 122; code += 1) classes[code] = NAME;
classes[95] = NAME;
classes[36] = NAME;

const isNameCode = (code: number) => (code < 128 ? ((classes[code] as number) & NAME) !== 0 : code >= 128);
const isDigitCode = (code: number) => code >= 48 && code <= 57;
/** U+00A0 and such are name characters to the servers, not white space. */
const isSpaceCode = (code: number) => code < 128 && classes[code] === SPACE;

const longOperators = ["<=>", "->>", "||", "&&", "<=", ">=", "<>", "!=", ":=", "<<", ">>", "->"];
const operatorsByStart = Map.groupBy(longOperators, (operator) => operator.charCodeAt(0));
const latestVersion = 999_999;

export function createLexer(text: string, options: SqlDialectOptions): Lexer {
  const modes = sqlModes(options.sqlMode ?? "");
  const version = options.version ?? latestVersion;
  const length = text.length;
  let at = 0;
  /** Start of the versioned comment that we are inside of, or -1. The servers do not nest them. */
  let versionedFrom = -1;
  let previousEndedWithDot = false;

  const code = (offset: number) => (offset < length ? text.charCodeAt(offset) : -1);

  function skipComment(from: number): number {
    const end = text.indexOf("*/", from + 2);
    if (end === -1) throw parseError(text, from, "this comment has no end");
    return end + 2;
  }

  /** At `/*!` or `/*M!`: enters it when the server would, else passes over it. */
  function versionedComment(from: number, digitsFrom: number): void {
    let digitsEnd = digitsFrom;
    while (digitsEnd - digitsFrom < 6 && isDigitCode(code(digitsEnd))) digitsEnd += 1;
    // Five digits, or six when six are there; fewer are not a version, and the text right after `!` runs always.
    const digits = digitsEnd - digitsFrom;
    const wanted = digits >= 5 ? Number(text.slice(digitsFrom, digitsEnd)) : 0;
    const onlyMysql = options.flavor === "mariadb" && text[from + 2] === "!" && wanted >= 50_700 && wanted <= 99_999;
    if (wanted <= version && !onlyMysql) {
      versionedFrom = from;
      at = digits >= 5 ? digitsEnd : digitsFrom;
      return;
    }
    // A comment inside a passed-over one is passed over too.
    let depth = 1;
    let offset = digitsEnd;
    let close = -1;
    let open = text.indexOf("/*", offset);
    while (depth > 0) {
      // Each is looked for again only behind what was found: the text is gone over once.
      if (close < offset) close = text.indexOf("*/", offset);
      if (open !== -1 && open < offset) open = text.indexOf("/*", offset);
      if (close === -1) throw parseError(text, from, "this comment has no end");
      if (open !== -1 && open < close) {
        depth += 1;
        offset = open + 2;
      } else {
        depth -= 1;
        offset = close + 2;
      }
    }
    at = offset;
  }

  /** Moves over white space and comments; tells whether there were any. */
  function skipSpace(): boolean {
    const from = at;
    for (;;) {
      const current = code(at);
      if (isSpaceCode(current)) {
        at += 1;
      } else if (current === 35) {
        skipLine();
      } else if (current === 45 && code(at + 1) === 45 && (at + 2 >= length || isSpaceCode(code(at + 2)) || code(at + 2) < 32)) {
        skipLine();
      } else if (current === 47 && code(at + 1) === 42) {
        const third = code(at + 2);
        if (third === 33 && versionedFrom === -1) versionedComment(at, at + 3);
        else if (third === 77 && code(at + 3) === 33 && options.flavor === "mariadb" && versionedFrom === -1) versionedComment(at, at + 4);
        else at = skipComment(at);
      } else if (current === 42 && versionedFrom !== -1 && code(at + 1) === 47) {
        versionedFrom = -1;
        at += 2;
      } else {
        return at > from;
      }
    }
  }

  function skipLine(): void {
    const end = text.indexOf("\n", at);
    at = end === -1 ? length : end + 1;
  }

  /** `at` stands on the opening quote. */
  function quoted(quote: number, escapes: boolean, what: string): string {
    const from = at;
    let result = "";
    let pieceFrom = at + 1;
    at += 1;
    for (;;) {
      const current = code(at);
      if (current === -1) throw parseError(text, from, `this ${what} has no end`);
      if (current === quote) {
        result += text.slice(pieceFrom, at);
        if (code(at + 1) !== quote) {
          at += 1;
          return result;
        }
        at += 1;
        pieceFrom = at;
        at += 1;
      } else if (current === 92 && escapes) {
        if (at + 1 >= length) throw parseError(text, from, `this ${what} has no end`);
        result += text.slice(pieceFrom, at) + unescape(text[at + 1] as string);
        at += 2;
        pieceFrom = at;
      } else {
        at += 1;
      }
    }
  }

  function token(kind: TokenKind, value: string, keyword: string, start: number, spaced: boolean): Token {
    previousEndedWithDot = kind === "operator" && value === ".";
    return { kind, text: value, keyword, start, end: at, spaced };
  }

  function word(start: number, spaced: boolean): Token {
    while (isNameCode(code(at))) at += 1;
    const value = text.slice(start, at);
    return token("word", value, value.toUpperCase(), start, spaced);
  }

  function number(start: number, spaced: boolean): Token {
    const first = code(start);
    const second = code(start + 1);
    if (first === 48 && (second === 120 || second === 98)) {
      // 0x… and 0b… are literals only as a whole: 0xfg is a name.
      const pattern = second === 120 ? /0x[0-9a-fA-F]+/y : /0b[01]+/y;
      pattern.lastIndex = start;
      const found = pattern.exec(text);
      if (found !== null && !isNameCode(code(start + found[0].length))) {
        at = start + found[0].length;
        return token("bits", second === 120 ? `0x${found[0].slice(2).toUpperCase()}` : `b'${found[0].slice(2)}'`, "", start, spaced);
      }
    }
    while (isDigitCode(code(at))) at += 1;
    if (code(at) === 46) {
      at += 1;
      while (isDigitCode(code(at))) at += 1;
      exponent();
      return token("number", text.slice(start, at), "", start, spaced);
    }
    if (exponent()) return token("number", text.slice(start, at), "", start, spaced);
    if (isNameCode(code(at))) return word(start, spaced);
    return token("number", text.slice(start, at), "", start, spaced);
  }

  function exponent(): boolean {
    if ((code(at) | 32) !== 101) return false;
    let offset = at + 1;
    if (code(offset) === 43 || code(offset) === 45) offset += 1;
    if (!isDigitCode(code(offset))) return false;
    while (isDigitCode(code(offset))) offset += 1;
    // `1e5x` is a name, unless a sign stands in it.
    if (isNameCode(code(offset))) return false;
    at = offset;
    return true;
  }

  function next(): Token {
    const afterDot = previousEndedWithDot;
    const spaced = skipSpace();
    const start = at;
    const current = code(at);
    if (current === -1) {
      if (versionedFrom !== -1) throw parseError(text, versionedFrom, "this comment has no end");
      return token("end", "", "", start, spaced);
    }
    if (isNameCode(current)) {
      // After a dot a name may begin with digits, or be only digits: `db`.1a
      if (afterDot && !spaced) return word(start, spaced);
      if (isDigitCode(current)) return number(start, spaced);
      if (code(at + 1) === 39) {
        const letter = current | 32;
        if (letter === 120 || letter === 98) {
          at += 1;
          const digits = quoted(39, false, "literal");
          const good = letter === 120 ? /^([0-9a-fA-F]{2})*$/.test(digits) : /^[01]*$/.test(digits);
          if (!good) throw parseError(text, start, "not a hexadecimal or bit literal");
          if (letter === 98) return token("bits", `b'${digits}'`, "", start, spaced);
          return token("bits", digits === "" ? "x''" : `0x${digits.toUpperCase()}`, "", start, spaced);
        }
        if (letter === 110) {
          at += 1;
          return token("string", quoted(39, !modes.noBackslashEscapes, "string"), "N", start, spaced);
        }
      }
      return word(start, spaced);
    }
    if (current === 39) return token("string", quoted(39, !modes.noBackslashEscapes, "string"), "", start, spaced);
    if (current === 34) {
      if (modes.ansiQuotes) return token("name", quoted(34, false, "name"), "", start, spaced);
      return token("string", quoted(34, !modes.noBackslashEscapes, "string"), "", start, spaced);
    }
    if (current === 96) return token("name", quoted(96, false, "name"), "", start, spaced);
    if (current === 46 && isDigitCode(code(at + 1)) && !afterName()) return number(start, spaced);
    if (current === 64) {
      at += 1;
      if (code(at) === 64) at += 1;
      const quote = code(at);
      if (quote === 39 || quote === 34 || quote === 96) quoted(quote, quote !== 96, "name");
      else while (isNameCode(code(at)) || code(at) === 46) at += 1;
      return token("variable", text.slice(start, at), "", start, spaced);
    }
    for (const operator of operatorsByStart.get(current) ?? []) {
      if (text.startsWith(operator, at)) {
        at += operator.length;
        return token("operator", operator, operator, start, spaced);
      }
    }
    at += 1;
    const operator = text[start] as string;
    return token("operator", operator, operator, start, spaced);
  }

  /** Whether the character before is the end of a name, so that a dot belongs to it. */
  function afterName(): boolean {
    return at > 0 && (isNameCode(code(at - 1)) || code(at - 1) === 96 || code(at - 1) === 34);
  }

  return { next };
}

function unescape(character: string): string {
  switch (character) {
    case "n":
      return "\n";
    case "t":
      return "\t";
    case "r":
      return "\r";
    case "b":
      return "\b";
    case "0":
      return "\0";
    case "Z":
      return "\x1a";
    // These stay escaped: they mean something to LIKE only.
    case "%":
      return "\\%";
    case "_":
      return "\\_";
    default:
      return character;
  }
}

/** A token as text that reads the same under every sql_mode of ours (backslash escapes on, backquotes for names). */
export function tokenSql(token: Token): string {
  switch (token.kind) {
    case "name":
      return `\`${token.text.replaceAll("`", "``")}\``;
    case "string":
      return `${token.keyword}${stringSql(token.text)}`;
    case "word":
    case "number":
    case "bits":
    case "variable":
    case "operator":
    case "end":
      return token.text;
  }
}

/** A string literal. Backslashes are doubled: no session of ours has NO_BACKSLASH_ESCAPES. */
export function stringSql(text: string): string {
  return `'${text.replace(/['\\\0]/g, (character) => (character === "'" ? "''" : character === "\\" ? "\\\\" : "\\0"))}'`;
}

/** Tokens as one line of text; spaces only where there were some, or where two tokens would become one. */
export function tokensSql(tokens: readonly Token[]): string {
  let result = "";
  let previous: Token | undefined;
  for (const token of tokens) {
    if (previous !== undefined && (token.spaced || needsSpace(previous, token))) result += " ";
    result += tokenSql(token);
    previous = token;
  }
  return result;
}

function needsSpace(before: Token, after: Token): boolean {
  if (after.kind === "string") return before.kind === "string" || (before.kind === "word" && !before.text.startsWith("_"));
  return before.kind === "bits" && (after.kind === "word" || after.kind === "number" || after.kind === "bits");
}
