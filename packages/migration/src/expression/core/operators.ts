/** Arithmetic and pattern operators. Every function takes and gives scalars; NULL in is NULL out unless it says otherwise. */
import {
  commonCollation,
  Decimal,
  isBinaryCollation,
  parseDecimal,
  powerOfTen,
  type Scalar,
  Text,
  toExact,
  toNumber,
  toText,
} from "./values.ts";

/** Decimal digits that a division adds, as `div_precision_increment` is by default. */
const divisionDigits = 4;
const mask64 = (1n << 64n) - 1n;

/** Text counts as DOUBLE in arithmetic, dates as numbers of their digits. */
function exactOperand(value: Exclude<Scalar, null>): Decimal | null {
  return value instanceof Text && value.kind === "text" && value.ordinal === null ? null : toExact(value);
}

function trimmed(value: Decimal): bigint | Decimal {
  return value.scale === 0 ? value.unscaled : value;
}

export function arithmetic(operator: "+" | "-" | "*" | "/" | "DIV" | "%", a: Scalar, b: Scalar): Scalar {
  if (a === null || b === null) return null;
  const [left, right] = [exactOperand(a), exactOperand(b)];
  if (left === null || right === null) {
    const [x, y] = [toNumber(a), toNumber(b)];
    if (operator === "+") return x + y;
    if (operator === "-") return x - y;
    if (operator === "*") return x * y;
    if (y === 0) return null;
    return operator === "/" ? x / y : operator === "%" ? x % y : BigInt(Math.trunc(x / y));
  }
  if (operator === "*") return trimmed(new Decimal(left.unscaled * right.unscaled, left.scale + right.scale));
  if (operator === "/") {
    if (right.unscaled === 0n) return null;
    const scale = left.scale + divisionDigits;
    return new Decimal(divideRounded(left.unscaled * powerOfTen(divisionDigits + right.scale), right.unscaled), scale);
  }
  const scale = Math.max(left.scale, right.scale);
  const x = left.unscaled * powerOfTen(scale - left.scale);
  const y = right.unscaled * powerOfTen(scale - right.scale);
  if (operator === "+") return trimmed(new Decimal(x + y, scale));
  if (operator === "-") return trimmed(new Decimal(x - y, scale));
  if (y === 0n) return null;
  return operator === "%" ? trimmed(new Decimal(x % y, scale)) : x / y;
}

function divideRounded(dividend: bigint, divisor: bigint): bigint {
  const isNegative = dividend < 0n !== divisor < 0n;
  const [x, y] = [dividend < 0n ? -dividend : dividend, divisor < 0n ? -divisor : divisor];
  const quotient = (2n * x + y) / (2n * y);
  return isNegative ? -quotient : quotient;
}

export function negate(value: Scalar): Scalar {
  return arithmetic("-", 0n, value);
}

/** To `digits` after the point, halves away from zero (`truncate`: towards zero). */
export function roundTo(value: Scalar, digits: number, truncate = false): Scalar {
  if (value === null) return null;
  const exact = exactOperand(value);
  if (exact === null) {
    const factor = 10 ** digits;
    const scaled = toNumber(value) * factor;
    return (truncate ? Math.trunc(scaled) : Math.sign(scaled) * Math.round(Math.abs(scaled))) / factor;
  }
  if (exact.scale <= digits) return trimmed(exact);
  const divisor = powerOfTen(exact.scale - digits);
  const whole = truncate ? exact.unscaled / divisor : divideRounded(exact.unscaled, divisor);
  return digits > 0 ? new Decimal(whole, digits) : whole * powerOfTen(-digits);
}

export function roundWhole(value: Scalar, direction: "floor" | "ceiling"): Scalar {
  if (value === null) return null;
  const exact = exactOperand(value);
  if (exact === null) return direction === "floor" ? Math.floor(toNumber(value)) : Math.ceil(toNumber(value));
  const divisor = powerOfTen(exact.scale);
  const whole = exact.unscaled / divisor;
  const rest = exact.unscaled % divisor;
  if (direction === "floor") return rest < 0n ? whole - 1n : whole;
  return rest > 0n ? whole + 1n : whole;
}

/** To a whole number, as CAST does. */
export function toWhole(value: Exclude<Scalar, null>): bigint {
  if (value instanceof Text && value.kind === "text" && value.ordinal === null) {
    return BigInt(/^\s*([+-]?\d+)/.exec(value.text)?.[1] ?? 0);
  }
  const rounded = roundTo(value, 0);
  return typeof rounded === "bigint" ? rounded : BigInt(Math.round(rounded as number));
}

/** Bits are those of unsigned 64-bit numbers. */
export function bitwise(operator: "|" | "&" | "^" | "<<" | ">>", a: Scalar, b: Scalar): Scalar {
  if (a === null || b === null) return null;
  const [x, y] = [toWhole(a) & mask64, toWhole(b) & mask64];
  switch (operator) {
    case "|":
      return x | y;
    case "&":
      return x & y;
    case "^":
      return x ^ y;
    case "<<":
      return y > 63n ? 0n : (x << y) & mask64;
    case ">>":
      return y > 63n ? 0n : x >> y;
    default:
      return operator satisfies never;
  }
}

export function invert(value: Scalar): Scalar {
  return value === null ? null : ~toWhole(value) & mask64;
}

export function toDecimal(value: Exclude<Scalar, null>, digits: number): Scalar {
  const exact = toExact(value) ?? parseDecimal(toNumber(value).toFixed(Math.min(100, digits + 1))) ?? new Decimal(0n, 0);
  const rounded = roundTo(exact, digits);
  if (typeof rounded === "bigint") return digits === 0 ? rounded : new Decimal(rounded * powerOfTen(digits), digits);
  return rounded;
}

/** `%` any characters, `_` one; `escape` makes the next one plain. Linear in pattern × text. */
export function like(value: Scalar, pattern: Scalar, escape: string): boolean | null {
  if (value === null || pattern === null) return null;
  const asText = (scalar: Exclude<Scalar, null>) => (scalar instanceof Text ? scalar : new Text(toText(scalar)));
  const collation = commonCollation(asText(value), asText(pattern));
  const fold = isBinaryCollation(collation)
    ? (character: string) => character
    : /_as_cs|_cs\b/.test(collation)
      ? (character: string) => character.normalize("NFC")
      : (character: string) => character.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
  const text = Array.from(toText(value), fold);
  const parts: (string | 0 | 1)[] = [];
  const characters = Array.from(toText(pattern));
  for (let at = 0; at < characters.length; at++) {
    const character = characters[at] as string;
    if (character === escape && escape !== "" && at + 1 < characters.length) parts.push(fold(characters[++at] as string));
    else parts.push(character === "%" ? 0 : character === "_" ? 1 : fold(character));
  }
  let [at, part, starAt, starPart] = [0, 0, -1, -1];
  while (at < text.length) {
    if (parts[part] === 0) [starAt, starPart, part] = [at, part, part + 1];
    else if (part < parts.length && (parts[part] === 1 || parts[part] === text[at])) {
      at += 1;
      part += 1;
    } else if (starPart >= 0) [starAt, at, part] = [starAt + 1, starAt + 1, starPart + 1];
    else return false;
  }
  while (parts[part] === 0) part += 1;
  return part === parts.length;
}
