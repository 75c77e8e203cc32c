/** Column defaults in the form in which the server prints them: `DEFAULT 007` of an INT is `'7'` in MySQL and `7` in MariaDB. */
import type { ColumnType } from "../../core/table.ts";
import { type ServerFlavor, stringSql } from "./lexer.ts";

const integers = new Set(["tinyint", "smallint", "mediumint", "int", "bigint"]);

/** `sql` as the parser gives it. Expressions come back as they are, up to the names of the current time. */
export function canonicalDefault(sql: string, type: ColumnType, flavor: ServerFlavor): string {
  const now = /^CURRENT_TIMESTAMP(?:\((\d)\))?$/i.exec(sql);
  if (now !== null) {
    if (flavor === "mariadb") return `current_timestamp(${now[1] ?? ""})`;
    return now[1] === undefined ? "CURRENT_TIMESTAMP" : `CURRENT_TIMESTAMP(${now[1]})`;
  }
  const inner = flavor === "mariadb" ? bracketedLiteral(sql) : sql;
  const literal = literalOf(inner);
  if (literal === undefined) return sql;
  if (literal.value === null) return "NULL";
  // MariaDB takes any default of these as an expression.
  if (flavor === "mariadb" && literal.isNumber && /text$|blob$/.test(type.name)) return inner;
  const value = canonicalValue(literal.value, literal.isNumber, type, flavor);
  if (value === undefined) return sql;
  if (type.name === "bit") return `b'${value}'`;
  const bare = flavor === "mariadb" && (integers.has(type.name) || ["decimal", "float", "double", "year"].includes(type.name));
  return bare ? value : stringSql(value);
}

function bracketedLiteral(sql: string): string {
  const found = /^\(\s*([-+]?[0-9.]+|'(?:[^'\\]|''|\\.)*'|NULL)\s*\)$/is.exec(sql);
  return found === null ? sql : (found[1] as string);
}

function literalOf(sql: string): { readonly value: string | null; readonly isNumber: boolean } | undefined {
  if (/^NULL$/i.test(sql)) return { value: null, isNumber: false };
  if (/^TRUE$/i.test(sql)) return { value: "1", isNumber: true };
  if (/^FALSE$/i.test(sql)) return { value: "0", isNumber: true };
  if (/^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?$/i.test(sql)) return { value: sql.replace(/^\+/, ""), isNumber: true };
  const text = /^(N|_([a-z0-9]+)\s*)?('(?:[^'\\]|''|\\.)*')$/is.exec(sql);
  if (text !== null) return { value: unquote(text[3] as string), isNumber: false };
  const bits = /^(?:_[a-z0-9]+\s*)?b'([01]*)'$/i.exec(sql);
  if (bits !== null) return { value: BigInt(`0b${bits[1] || "0"}`).toString(), isNumber: true };
  const hex = /^(?:_[a-z0-9]+\s*)?0x([0-9a-f]+)$/i.exec(sql);
  if (hex !== null) return { value: `0x${hex[1] as string}`, isNumber: true };
  return undefined;
}

/** The text of a literal in the parser's form: single quotes, `''`, `\\` and `\0`. */
function unquote(literal: string): string {
  return literal
    .slice(1, -1)
    .replace(/''|\\(.)/gs, (pair, escaped: string | undefined) => (pair === "''" ? "'" : escaped === "0" ? "\0" : (escaped ?? "")));
}

function canonicalValue(value: string, isNumber: boolean, type: ColumnType, flavor: ServerFlavor): string | undefined {
  const isHex = isNumber && value.startsWith("0x");
  const hexText = () =>
    (
      value
        .slice(2)
        .padStart(value.length - 2 + (value.length % 2), "0")
        .match(/../g) ?? []
    )
      .map((pair) => String.fromCharCode(Number.parseInt(pair, 16)))
      .join("");
  const digits = isHex ? BigInt(value).toString() : value.trim();
  if (integers.has(type.name)) {
    const rounded = decimalText(digits, 0);
    if (rounded === undefined) return undefined;
    return type.zerofill && type.length !== undefined ? rounded.padStart(type.length, "0") : rounded;
  }
  switch (type.name as string) {
    case "decimal": {
      const text = decimalText(digits, type.decimals ?? 0);
      if (text === undefined || !type.zerofill) return text;
      return text.padStart((type.length ?? 10) + (type.decimals ? 1 : 0), "0");
    }
    case "float":
    case "double": {
      const number = Number(digits);
      if (Number.isNaN(number)) return undefined;
      if (type.decimals !== undefined) return number.toFixed(type.decimals);
      // FLOAT shows six digits.
      return plainNumber(type.name === "float" ? Number(number.toPrecision(6)) : number);
    }
    case "bit": {
      if (isNumber) return BigInt(decimalText(digits, 0) ?? 0).toString(2);
      let bits = 0n;
      for (const character of value) bits = bits * 256n + BigInt(character.charCodeAt(0) & 255);
      return bits.toString(2);
    }
    case "year": {
      const year = Number(digits);
      if (Number.isNaN(year)) return undefined;
      if (year === 0 && (isNumber || value.length > 2)) return "0000";
      return String(year >= 100 ? year : year < 70 ? 2000 + year : 1900 + year);
    }
    case "date":
    case "time":
    case "datetime":
    case "timestamp":
      return temporal(value, type, flavor);
    case "enum": {
      if (isNumber) return type.members?.[Number(digits) - 1];
      return type.members?.find((member) => member.toLowerCase() === value.trimEnd().toLowerCase()) ?? value;
    }
    case "set": {
      if (isNumber) return type.members?.filter((_, index) => (BigInt(digits) >> BigInt(index)) & 1n).join(",");
      const wanted = new Set(
        value
          .toLowerCase()
          .split(",")
          .map((member) => member.trimEnd()),
      );
      return type.members?.filter((member) => wanted.has(member.toLowerCase())).join(",");
    }
    default: {
      const text = isHex ? hexText() : value;
      if (type.name === "char") return text.replace(/ +$/, "");
      return type.name === "binary" ? text.padEnd(type.length ?? 1, "\0") : text;
    }
  }
}

/** Without an exponent down to 1e-15, as the servers write it. */
function plainNumber(number: number): string {
  const text = String(number);
  const found = /^(-?)(\d)(?:\.(\d+))?e-(\d+)$/.exec(text);
  if (found === null) return text;
  const [, sign = "", first = "", rest = "", exponent = ""] = found;
  return Number(exponent) > 15 ? text : `${sign}0.${"0".repeat(Number(exponent) - 1)}${first}${rest}`;
}

/** Rounded half away from zero to so many digits behind the point. */
function decimalText(text: string, decimals: number): string | undefined {
  const found = /^(-?)([0-9]*)\.?([0-9]*)(?:e([-+]?[0-9]+))?$/i.exec(text);
  if (found === null) return undefined;
  const [, sign = "", whole = "", fraction = "", exponentText = "0"] = found;
  const exponent = Number(exponentText);
  if (Math.abs(exponent) > 400) return undefined;
  let point = whole.length + exponent;
  let digits = whole + fraction;
  if (point < 0) {
    digits = "0".repeat(-point) + digits;
    point = 0;
  }
  const kept = point + decimals;
  digits = digits.padEnd(kept + 1, "0");
  let number = BigInt(digits.slice(0, kept) || "0");
  if ((digits[kept] as string) >= "5") number += 1n;
  const result = number.toString().padStart(decimals + 1, "0");
  const minus = sign === "-" && number !== 0n ? "-" : "";
  return decimals === 0 ? minus + result : `${minus}${result.slice(0, -decimals)}.${result.slice(-decimals)}`;
}

function temporal(value: string, type: ColumnType, flavor: ServerFlavor): string {
  const decimals = type.decimals ?? 0;
  // MySQL rounds, MariaDB cuts; a fraction that would carry into the seconds is cut.
  const fraction = (text: string | undefined) => {
    if (decimals === 0) return "";
    const digits = (text ?? "").padEnd(decimals + 1, "0");
    const cut = digits.slice(0, decimals);
    const rounded = String(Number(cut) + 1).padStart(decimals, "0");
    const up = flavor === "mysql" && (digits[decimals] as string) >= "5" && rounded.length === decimals;
    return `.${up ? rounded : cut}`;
  };
  const two = (text: string | undefined) => (text ?? "").padStart(2, "0");
  if (type.name === "time") {
    const found = /^(-?)(\d+):(\d{1,2})(?::(\d{1,2})(?:\.(\d*))?)?$/.exec(value);
    if (found !== null) return `${found[1]}${two(found[2])}:${two(found[3])}:${two(found[4])}${fraction(found[5])}`;
    const compact = /^(-?)(\d{1,6})(?:\.(\d*))?$/.exec(value);
    if (compact === null) return value;
    const text = (compact[2] as string).padStart(6, "0");
    return `${compact[1]}${text.slice(0, 2)}:${text.slice(2, 4)}:${text.slice(4)}${fraction(compact[3])}`;
  }
  const shape = (year: string, month: string | undefined, day: string | undefined, clock: string) => {
    const fullYear = year.length > 2 ? year.padStart(4, "0") : Number(year) < 70 ? `20${two(year)}` : `19${two(year)}`;
    const date = `${fullYear}-${two(month)}-${two(day)}`;
    return type.name === "date" ? date : `${date} ${clock}`;
  };
  if (/^0+$/.test(value)) return shape("0000", "0", "0", `00:00:00${fraction("")}`);
  const found = /^(\d{2,4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[ T]+(\d{1,2})(?::(\d{1,2})(?::(\d{1,2})(?:\.(\d*))?)?)?)?$/.exec(value);
  if (found !== null) {
    return shape(
      found[1] as string,
      found[2],
      found[3],
      `${two(found[4] ?? "0")}:${two(found[5] ?? "0")}:${two(found[6] ?? "0")}${fraction(found[7])}`,
    );
  }
  const compact = /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)(?:\.(\d*))?)?$/.exec(value);
  if (compact === null) return value;
  return shape(
    compact[1] as string,
    compact[2],
    compact[3],
    `${compact[4] ?? "00"}:${compact[5] ?? "00"}:${compact[6] ?? "00"}${fraction(compact[7])}`,
  );
}
