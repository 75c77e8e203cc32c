/** Functions of expressions: those whose result depends on their arguments alone. */
import { arithmetic, negate, roundTo, roundWhole } from "./operators.ts";
import { compareScalars, fullDatetime, type Scalar, Text, toNumber, toText, truth } from "./values.ts";

interface SqlFunction {
  readonly argumentsMin: number;
  readonly argumentsMax: number;
  readonly run: (values: readonly Scalar[]) => Scalar;
}

const many = 64;

/** NULL in, NULL out. */
function strict(argumentsMin: number, argumentsMax: number, run: (...values: Exclude<Scalar, null>[]) => Scalar): SqlFunction {
  return {
    argumentsMin,
    argumentsMax,
    run: (values) => (values.includes(null) ? null : run(...(values as Exclude<Scalar, null>[]))),
  };
}

function lenient(argumentsMin: number, argumentsMax: number, run: (values: readonly Scalar[]) => Scalar): SqlFunction {
  return { argumentsMin, argumentsMax, run };
}

type Plain = Exclude<Scalar, null>;

/** Text of the same collation as where it came from. */
const derived = (from: Plain, text: string): Text => new Text(text, from instanceof Text ? from.collation : null);
const bit = (value: boolean): bigint => (value ? 1n : 0n);
const whole = (value: Plain): number => Math.trunc(toNumber(value));
const characters = (value: Plain): string[] => Array.from(toText(value));
const byteLength = (value: Plain): number =>
  value instanceof Text && value.collation === "binary" ? value.text.length : Buffer.byteLength(toText(value));

/** One character for one, as the servers do it: `ß` has no upper case. */
function mapped(value: Plain, change: (character: string) => string): string {
  return characters(value)
    .map((character) => (Array.from(change(character)).length === 1 ? change(character) : character))
    .join("");
}

/** Positions count from 1, from the end when negative. */
function substring(value: Plain, start: Plain, length?: Plain): Scalar {
  const all = characters(value);
  const from = whole(start);
  const begin = from > 0 ? from - 1 : from < 0 ? all.length + from : -1;
  if (begin < 0 || (length !== undefined && whole(length) <= 0)) return derived(value, "");
  return derived(value, all.slice(begin, length === undefined ? undefined : begin + whole(length)).join(""));
}

function extreme(sign: 1 | -1): (...values: Plain[]) => Scalar {
  return (...values) => values.reduce((best, value) => ((compareScalars(value, best) as number) * sign > 0 ? value : best));
}

function datePart(from: number, to: number): SqlFunction {
  return strict(1, 1, (value) => {
    const full = fullDatetime(toText(value));
    return full === null ? null : BigInt(full.slice(from, to));
  });
}

function timePart(index: number): SqlFunction {
  return strict(1, 1, (value) => {
    const match = /(\d{1,3}):(\d{1,2})(?::(\d{1,2}))?/.exec(toText(value));
    if (match !== null) return BigInt(match[index] ?? 0);
    return fullDatetime(toText(value)) === null ? null : 0n;
  });
}

const day = datePart(8, 10);
const characterLength = strict(1, 1, (value) => BigInt(characters(value).length));
const octetLength = strict(1, 1, (value) => BigInt(byteLength(value)));
const lower = strict(1, 1, (value) =>
  derived(
    value,
    mapped(value, (character) => character.toLowerCase()),
  ),
);
const upper = strict(1, 1, (value) =>
  derived(
    value,
    mapped(value, (character) => character.toUpperCase()),
  ),
);
const part = strict(2, 3, substring);
const ceiling = strict(1, 1, (value) => roundWhole(value, "ceiling"));

export const functions: Readonly<Record<string, SqlFunction>> = {
  ABS: strict(1, 1, (value) => ((compareScalars(value, 0n) as number) < 0 ? negate(value) : arithmetic("+", value, 0n))),
  CEIL: ceiling,
  CEILING: ceiling,
  CHARACTER_LENGTH: characterLength,
  CHAR_LENGTH: characterLength,
  COALESCE: lenient(1, many, (values) => values.find((value) => value !== null) ?? null),
  CONCAT: strict(1, many, (...values) => derived(values.find((value) => value instanceof Text) ?? 0n, values.map(toText).join(""))),
  CONCAT_WS: lenient(2, many, ([separator, ...values]) => {
    if (separator === null || separator === undefined) return null;
    return new Text(
      values
        .filter((value) => value !== null)
        .map(toText)
        .join(toText(separator)),
    );
  }),
  DATE: strict(1, 1, (value) => {
    const full = fullDatetime(toText(value));
    return full === null ? null : new Text(full.slice(0, 10), null, "date");
  }),
  DAY: day,
  DAYOFMONTH: day,
  FLOOR: strict(1, 1, (value) => roundWhole(value, "floor")),
  GREATEST: strict(2, many, extreme(1)),
  HOUR: timePart(1),
  IF: lenient(3, 3, ([condition, then, otherwise]) => (truth(condition ?? null) === true ? then : otherwise) ?? null),
  IFNULL: lenient(2, 2, ([first, second]) => first ?? second ?? null),
  INSTR: strict(2, 2, (value, part) => {
    const text = toText(value).toLowerCase();
    const at = text.indexOf(toText(part).toLowerCase());
    return at === -1 ? 0n : BigInt(Array.from(text.slice(0, at)).length + 1);
  }),
  ISNULL: lenient(1, 1, ([value]) => bit(value === null)),
  LCASE: lower,
  LEAST: strict(2, many, extreme(-1)),
  LEFT: strict(2, 2, (value, count) =>
    derived(
      value,
      characters(value)
        .slice(0, Math.max(0, whole(count)))
        .join(""),
    ),
  ),
  LENGTH: octetLength,
  LOWER: lower,
  LTRIM: strict(1, 1, (value) => derived(value, toText(value).replace(/^ +/, ""))),
  MID: part,
  MINUTE: timePart(2),
  MOD: strict(2, 2, (a, b) => arithmetic("%", a, b)),
  MONTH: datePart(5, 7),
  NULLIF: lenient(2, 2, ([first = null, second = null]) => (compareScalars(first, second) === 0 ? null : first)),
  OCTET_LENGTH: octetLength,
  REPLACE: strict(3, 3, (value, from, to) =>
    toText(from) === ""
      ? value
      : derived(
          value,
          toText(value).replaceAll(toText(from), () => toText(to)),
        ),
  ),
  REVERSE: strict(1, 1, (value) => derived(value, characters(value).reverse().join(""))),
  RIGHT: strict(2, 2, (value, count) => derived(value, whole(count) <= 0 ? "" : characters(value).slice(-whole(count)).join(""))),
  ROUND: strict(1, 2, (value, digits) => roundTo(value, digits === undefined ? 0 : whole(digits))),
  RTRIM: strict(1, 1, (value) => derived(value, toText(value).replace(/ +$/, ""))),
  SECOND: timePart(3),
  SIGN: strict(1, 1, (value) => BigInt(compareScalars(value, 0n) as number)),
  SUBSTR: part,
  SUBSTRING: part,
  TRIM: strict(1, 1, (value) => derived(value, toText(value).replace(/^ +| +$/g, ""))),
  TRUNCATE: strict(2, 2, (value, digits) => roundTo(value, whole(digits), true)),
  UCASE: upper,
  UPPER: upper,
  YEAR: datePart(0, 4),
};
