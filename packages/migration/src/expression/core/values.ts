/**
 * Values of expressions, with the servers' comparison rules: exact numbers stay exact, text is compared by its collation, dates
 * against text as dates, numbers against text as numbers.
 */
import { type ColumnDefinition, decodeText, type Value } from "@skein/mysql";

/** null is SQL's NULL; bigint is any whole number; number is DOUBLE. */
export type Scalar = null | bigint | number | Decimal | Text;

/** `unscaled` / 10^`scale` */
export class Decimal {
  readonly unscaled: bigint;
  readonly scale: number;
  constructor(unscaled: bigint, scale: number) {
    this.unscaled = unscaled;
    this.scale = scale;
  }
  toString(): string {
    if (this.scale === 0) return String(this.unscaled);
    const digits = String(this.unscaled < 0n ? -this.unscaled : this.unscaled).padStart(this.scale + 1, "0");
    return `${this.unscaled < 0n ? "-" : ""}${digits.slice(0, -this.scale)}.${digits.slice(-this.scale)}`;
  }
}

export type TextKind = "text" | "date" | "time" | "datetime";

export class Text {
  readonly text: string;
  /** Null for literals: they take the collation of what they are compared with. "binary" for byte strings. */
  readonly collation: string | null;
  readonly kind: TextKind;
  /** Position of an ENUM's member, bits of a SET: their value among numbers. */
  readonly ordinal: number | null;
  constructor(text: string, collation: string | null = null, kind: TextKind = "text", ordinal: number | null = null) {
    this.text = text;
    this.collation = collation;
    this.kind = kind;
    this.ordinal = ordinal;
  }
}

export const powerOfTen = (exponent: number): bigint => 10n ** BigInt(exponent);

const decimalPattern = /^\s*([+-]?)(\d*)\.?(\d*)\s*$/;

/** Null when the text is not a plain decimal number. */
export function parseDecimal(text: string): Decimal | null {
  const match = decimalPattern.exec(text);
  if (match === null || (match[2] === "" && match[3] === "")) return null;
  const unscaled = BigInt(`${match[2]}${match[3]}`);
  return new Decimal(match[1] === "-" ? -unscaled : unscaled, (match[3] as string).length);
}

/** How a column's values become scalars; null for types that no operator takes. `localTime` turns UTC into the session's time. */
export function columnReader(column: ColumnDefinition, localTime: (utc: string) => string): ((value: Value) => Scalar) | null {
  const { type } = column;
  const unlessNull = (read: (value: Exclude<Value, null>) => Scalar) => (value: Value) => (value === null ? null : read(value));
  switch (type.name) {
    case "tinyint":
    case "smallint":
    case "mediumint":
    case "int":
    case "bigint":
    case "year":
    case "bit":
      return unlessNull((value) => BigInt(value));
    case "decimal":
      return unlessNull((value) => parseDecimal(String(value)));
    case "float":
      // The row holds the shortest print of the stored value; arithmetic is on the stored value.
      return unlessNull((value) => Math.fround(Number(value)));
    case "double":
      return unlessNull((value) => Number(value));
    case "date":
      return unlessNull((value) => new Text(String(value), null, "date"));
    case "time":
      return unlessNull((value) => new Text(String(value), null, "time"));
    case "datetime":
      return unlessNull((value) => new Text(String(value), null, "datetime"));
    case "timestamp":
      return unlessNull((value) => new Text(localTime(String(value)), null, "datetime"));
    case "char":
    case "varchar":
    case "tinytext":
    case "text":
    case "mediumtext":
    case "longtext": {
      const collation = type.collation ?? `${type.charset ?? "utf8mb4"}_general_ci`;
      return unlessNull((value) => new Text(decodeText(Buffer.from(String(value), "latin1"), type.charset ?? null), collation));
    }
    case "binary":
    case "varbinary":
    case "tinyblob":
    case "blob":
    case "mediumblob":
    case "longblob":
      return unlessNull((value) => new Text(String(value), "binary"));
    case "enum":
      return unlessNull((value) => {
        const members = type.members ?? [];
        if (typeof value === "number") return new Text(members[value - 1] ?? "", type.collation ?? null, "text", value);
        const name = decodeText(Buffer.from(String(value), "latin1"), "utf8mb4");
        return new Text(name, type.collation ?? null, "text", members.indexOf(name) + 1);
      });
    case "set":
      return unlessNull((value) => {
        const members = type.members ?? [];
        if (typeof value !== "string") {
          const names = members.filter((_, index) => (BigInt(value) >> BigInt(index)) & 1n);
          return new Text(names.join(","), type.collation ?? null, "text", Number(value));
        }
        const name = decodeText(Buffer.from(value, "latin1"), "utf8mb4");
        const bits = name === "" ? 0 : name.split(",").reduce((sum, member) => sum + 2 ** members.indexOf(member), 0);
        return new Text(name, type.collation ?? null, "text", bits);
      });
    case "json":
    case "geometry":
    case "point":
    case "linestring":
    case "polygon":
    case "multipoint":
    case "multilinestring":
    case "multipolygon":
    case "geometrycollection":
    case "uuid":
    case "inet4":
    case "inet6":
    case "vector":
    case "xmltype":
      return null;
    default:
      return type.name satisfies never;
  }
}

export function truth(value: Scalar): boolean | null {
  if (value === null) return null;
  return typeof value === "bigint" ? value !== 0n : toNumber(value) !== 0;
}

export function toNumber(value: Exclude<Scalar, null>): number {
  if (typeof value === "number") return value;
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Decimal) return Number(value.toString());
  if (value.ordinal !== null) return value.ordinal;
  if (value.kind !== "text") return Number(value.text.replace(/[-: ]/g, (mark, at: number) => (mark === "-" && at === 0 ? "-" : "")));
  return Number(/^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?/i.exec(value.text)?.[0] ?? 0);
}

/** Null when only a DOUBLE can say it. */
export function toExact(value: Exclude<Scalar, null>): Decimal | null {
  if (typeof value === "bigint") return new Decimal(value, 0);
  if (value instanceof Decimal) return value;
  if (typeof value === "number") return null;
  if (value.ordinal !== null) return new Decimal(BigInt(value.ordinal), 0);
  if (value.kind === "time") return null;
  return parseDecimal(value.kind === "text" ? value.text : value.text.replace(/[-: ]/g, ""));
}

export function toText(value: Exclude<Scalar, null>): string {
  if (value instanceof Text) return value.text;
  if (typeof value !== "number") return String(value);
  return String(value).replace("e+", "e");
}

function compareExact(a: Decimal, b: Decimal): number {
  const scale = Math.max(a.scale, b.scale);
  const left = a.unscaled * powerOfTen(scale - a.scale);
  const right = b.unscaled * powerOfTen(scale - b.scale);
  return left < right ? -1 : left > right ? 1 : 0;
}

/** -1, 0, 1; null when a side is NULL. */
export function compareScalars(a: Scalar, b: Scalar): number | null {
  if (a === null || b === null) return null;
  if (a instanceof Text && b instanceof Text) return a.kind === "text" && b.kind === "text" ? compareText(a, b) : compareTimes(a, b);
  const [left, right] = [toExact(a), toExact(b)];
  if (left !== null && right !== null) return compareExact(left, right);
  const difference = toNumber(a) - toNumber(b);
  return difference < 0 ? -1 : difference > 0 ? 1 : 0;
}

/** The one that decides: a column's beats a literal's, a binary one beats all. */
export function commonCollation(a: Text, b: Text): string {
  if (a.collation === null) return b.collation ?? "utf8mb4_general_ci";
  if (b.collation === null) return a.collation;
  return /binary$|_bin$/.test(b.collation) ? b.collation : a.collation;
}

const collators = new Map<string, Intl.Collator>();

function collatorOf(collation: string): Intl.Collator {
  let collator = collators.get(collation);
  if (collator === undefined) {
    const isAccentSensitive = /_as_ci|_as_ci_|latin1_general_ci/.test(collation);
    const isVariant = /_cs\b|_cs_|_as_cs/.test(collation);
    const language = /swedish/.test(collation) ? "sv" : /german/.test(collation) ? "de" : "en";
    collator = new Intl.Collator(language, { sensitivity: isVariant ? "variant" : isAccentSensitive ? "accent" : "base" });
    collators.set(collation, collator);
  }
  return collator;
}

export function isBinaryCollation(collation: string): boolean {
  return collation === "binary" || collation.endsWith("_bin");
}

function compareText(a: Text, b: Text): number {
  const collation = commonCollation(a, b);
  // Trailing spaces count only in byte strings and in collations without padding.
  const pads = collation !== "binary" && !/_0900_|nopad/.test(collation);
  const [left, right] = pads ? [a.text.replace(/ +$/, ""), b.text.replace(/ +$/, "")] : [a.text, b.text];
  if (left === right) return 0;
  // One character at a time: here `ß` is `s`, elsewhere it is `ss`.
  if (collation.endsWith("general_ci") && !collation.startsWith("latin1")) return compareCodePoints(foldGeneral(left), foldGeneral(right));
  if (!isBinaryCollation(collation)) return Math.sign(collatorOf(collation).compare(left, right));
  return compareCodePoints(left, right);
}

function foldGeneral(text: string): string {
  return text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().replaceAll("ß", "s");
}

/** UTF-16 order differs from that of code points only where surrogates meet characters above them. */
function compareCodePoints(a: string, b: string): number {
  const [left, right] = [Array.from(a), Array.from(b)];
  for (let at = 0; at < Math.min(left.length, right.length); at++) {
    const difference = ((left[at] as string).codePointAt(0) as number) - ((right[at] as string).codePointAt(0) as number);
    if (difference !== 0) return Math.sign(difference);
  }
  return Math.sign(left.length - right.length);
}

function compareTimes(a: Text, b: Text): number {
  if (a.kind === "time" || b.kind === "time") {
    const [left, right] = [timeMicros(a.text), timeMicros(b.text)];
    if (left !== null && right !== null) return left < right ? -1 : left > right ? 1 : 0;
  } else {
    const [left, right] = [fullDatetime(a.text), fullDatetime(b.text)];
    if (left !== null && right !== null) return left < right ? -1 : left > right ? 1 : 0;
  }
  return a.text < b.text ? -1 : a.text > b.text ? 1 : 0;
}

/** `2024-1-2` → `2024-01-02 00:00:00.000000`; also `20240102`, `20240102030405`. Null when it is no date. */
export function fullDatetime(text: string): string | null {
  const match =
    /^\s*(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[ T]+(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{0,6})\d*)?)?)?\s*$/.exec(text) ??
    /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)(?:\.(\d{0,6})\d*)?)?$/.exec(text);
  if (match === null) return null;
  const two = (part: string | undefined) => (part ?? "").padStart(2, "0");
  const [, year, month, day, hour, minute, second, fraction] = match;
  return `${year}-${two(month)}-${two(day)} ${two(hour)}:${two(minute)}:${two(second)}.${(fraction ?? "").padEnd(6, "0")}`;
}

function timeMicros(text: string): bigint | null {
  const match = /^\s*(-?)(\d{1,3}):(\d{1,2})(?::(\d{1,2})(?:\.(\d{0,6})\d*)?)?\s*$/.exec(text);
  if (match === null) return null;
  const seconds = Number(match[2]) * 3_600 + Number(match[3]) * 60 + Number(match[4] ?? 0);
  const micros = BigInt(seconds) * 1_000_000n + BigInt((match[5] ?? "").padEnd(6, "0"));
  return match[1] === "-" ? -micros : micros;
}
