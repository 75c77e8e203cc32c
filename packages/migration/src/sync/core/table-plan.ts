/**
 * How rows of one source table become rows of one target table: which values go where, how each is written as SQL, what
 * identifies a row in the target, and which of its values another row must not have at the same time.
 */
import {
  type ByteString,
  type ColumnDefinition,
  quoteByteString,
  quoteIdentifier,
  type Row,
  type TableDefinition,
  type Value,
} from "@skein/mysql";
import { bytesOf, nameLiteral, textLiteral } from "../../target/core/meta-tables.ts";

export interface PlanColumn {
  readonly name: string;
  /** Quoted. */
  readonly sqlName: string;
  /** Number of the source's column; -1 for a value that the route adds. */
  readonly sourceIndex: number;
  /** To be stored. */
  readonly literal: (value: Value) => ByteString;
  /** To be compared with the column, so that its index and its collation are used. */
  readonly comparable: (value: Value) => ByteString;
  /** ` = 'x'`, ` IS NULL`: for rows that have no key. */
  readonly matches: (value: Value) => ByteString;
}

export interface UniqueKey {
  /** Null: computed by the target from what is not known here, so any change of the row may change it. */
  readonly columns: readonly number[] | null;
  /**
   * A text that is equal whenever the target would take two rows' keys for equal (it may be equal more often); `null`: a NULL in
   * it, so it conflicts with nothing; `undefined`: the collation's rules are not known here, so it may equal any other.
   */
  readonly fold: (row: Row) => string | null | undefined;
}

export interface TablePlan {
  /** Of the source. */
  readonly sourceSchema: string;
  readonly sourceTable: string;
  /** Quoted. */
  readonly target: ByteString;
  readonly targetSchema: string;
  readonly targetTable: string;
  readonly columns: readonly PlanColumn[];
  /** `(a,b,c)`, quoted. */
  readonly columnList: ByteString;
  /** Numbers into `columns` of the key that finds a row; null: the table has none, and all columns are compared. */
  readonly key: readonly number[] | null;
  /** A row's identity: equal for two images of a row only when they are the same row. Null for tables whose changes keep their order. */
  readonly identity: ((row: Row) => string | number) | null;
  /**
   * A foreign key of the target carries changes between this table and others (CASCADE, SET NULL): what the source's engine did
   * on its own is in no log, so the target's engine has to do it again, in the same order.
   */
  readonly cascades: boolean;
  /** Every other unique key of the target, and the identifying one when its collation takes different bytes for the same. */
  readonly uniques: readonly UniqueKey[];
}

export interface ExtractedValue {
  readonly column: string;
  readonly value: string;
}

const textTypes: ReadonlySet<string> = new Set(["char", "varchar", "tinytext", "text", "mediumtext", "longtext"]);
const numberTypes: ReadonlySet<string> = new Set(["tinyint", "smallint", "mediumint", "int", "bigint", "year", "bit", "decimal"]);
const floatTypes: ReadonlySet<string> = new Set(["float", "double"]);
const nameTypes: ReadonlySet<string> = new Set(["enum", "set"]);

/** `sourceNames` are the columns of the source's rows in order. Columns that the target computes itself are left out. */
export function planTable(
  source: TableDefinition,
  target: TableDefinition,
  extracted: readonly ExtractedValue[] = [],
  cascades = false,
): TablePlan {
  const byName = new Map(target.columns.map((column) => [column.name.toLowerCase(), column]));
  const columns: PlanColumn[] = [];
  const targetOf: (ColumnDefinition | undefined)[] = [];
  source.columns.forEach((column, index) => {
    const there = byName.get(column.name.toLowerCase());
    if (there?.generated !== undefined) return;
    // A computed column of the source that the target stores plainly is data like any other; one that is nowhere is not.
    if (there === undefined && column.generated !== undefined) return;
    columns.push(planColumn(column, there, index));
    targetOf.push(there);
  });
  for (const { column, value } of extracted) {
    const literal = textLiteral(value);
    const constant = () => literal;
    columns.push({
      name: column,
      sqlName: nameLiteral(column),
      sourceIndex: -1,
      literal: constant,
      comparable: constant,
      matches: () => ` = ${literal}`,
    });
    targetOf.push(byName.get(column.toLowerCase()));
  }
  const position = new Map(columns.map(({ name }, index) => [name.toLowerCase(), index]));
  const uniques = target.indexes.flatMap((index) => {
    if (index.kind !== "primary" && index.kind !== "unique") return [];
    const parts = index.parts.map((part) => (part.column === null ? undefined : position.get(part.column.toLowerCase())));
    return [{ index, parts }];
  });
  const key = uniques.find(
    ({ index, parts }) =>
      parts.every((part) => part !== undefined && targetOf[part]?.nullable === false) &&
      index.parts.every(({ prefixLength }) => prefixLength === undefined),
  );
  const keyColumns = key === undefined ? null : (key.parts as number[]);
  return {
    sourceSchema: source.schema,
    sourceTable: source.name,
    target: `${nameLiteral(target.schema)}.${nameLiteral(target.name)}`,
    targetSchema: target.schema,
    targetTable: target.name,
    columns,
    columnList: `(${columns.map(({ sqlName }) => sqlName).join(",")})`,
    key: keyColumns,
    cascades,
    identity: keyColumns === null || cascades ? null : identityOf(keyColumns.map((part) => columns[part] as PlanColumn)),
    uniques: uniques.flatMap((unique) => {
      const folds = unique.parts.map((part, at) => {
        if (part === undefined) return null; // an expression, or a computed column
        const column = targetOf[part];
        return foldPart((columns[part] as PlanColumn).sourceIndex, column, unique.index.parts[at]?.prefixLength);
      });
      if (unique === key && folds.every((fold) => fold !== null && fold.isExact)) return [];
      const known = folds.every((fold) => fold !== null) ? folds : null;
      return [{ columns: unique.parts.every((part) => part !== undefined) ? unique.parts : null, fold: foldOf(known) }];
    }),
  };
}

function planColumn(source: ColumnDefinition, target: ColumnDefinition | undefined, sourceIndex: number): PlanColumn {
  const introducer = introducerOf(source, target);
  const isText = textTypes.has(source.type.name);
  const isNumber = numberTypes.has(source.type.name);
  const isFloat = floatTypes.has(source.type.name);
  const literal = (value: Value): ByteString => {
    if (value === null) return "NULL";
    if (typeof value === "string") return isNumber ? value : introducer + quoteByteString(value);
    if (isFloat && value === 0 && Object.is(value, -0)) return "-0e0";
    return String(value);
  };
  // A plain literal is a binary string here, and comparing with one would leave the index of a text column unused.
  const compareWith = isText ? charsetIntroducer(source.type.charset) : introducer;
  const isFloat32 = source.type.name === "float";
  const comparable = (value: Value): ByteString => {
    if (value === null) return "NULL";
    if (typeof value === "string") return isNumber ? value : compareWith + quoteByteString(value);
    return String(isFloat32 ? Math.fround(Number(value)) : value);
  };
  const sqlName = quoteIdentifier(bytesOf(target?.name ?? source.name));
  const isJson = source.type.name === "json" || target?.type.name === "json";
  return {
    name: target?.name ?? source.name,
    sqlName,
    sourceIndex,
    literal,
    comparable,
    matches: (value) => {
      if (value === null) return " IS NULL";
      return isJson && target?.type.name === "json" && target.type.charset === undefined
        ? ` = CAST(${comparable(value)} AS JSON)`
        : ` = ${comparable(value)}`;
    },
  };
}

/** The charset that a literal must name, so that the target stores the same characters; empty when its bytes are right as they are. */
function introducerOf(source: ColumnDefinition, target: ColumnDefinition | undefined): ByteString {
  if (source.type.name === "json" || nameTypes.has(source.type.name) || target?.type.name === "json") return "_utf8mb4";
  if (!textTypes.has(source.type.name)) return "";
  const from = source.type.charset ?? null;
  const to = target?.type.charset ?? null;
  if (from === null || from === "binary" || from === to || to === null) return "";
  return charsetIntroducer(from);
}

function charsetIntroducer(charset: string | null | undefined): ByteString {
  if (charset === null || charset === undefined || charset === "binary") return "";
  return `_${charset === "utf8" ? "utf8mb3" : charset}`;
}

/** A number or a text that names the row. Parts are joined with their lengths, so that no two different keys give one text. */
function identityOf(columns: readonly PlanColumn[]): (row: Row) => string | number {
  const indexes = columns.map(({ sourceIndex }) => sourceIndex);
  const [only] = indexes;
  if (indexes.length === 1 && only !== undefined && only >= 0) {
    return (row) => {
      const value = row[only];
      return typeof value === "number" || typeof value === "string" ? value : String(value);
    };
  }
  return (row) => {
    let text = "";
    for (const index of indexes) {
      if (index < 0) continue; // the same for every row of this source table; another source table has another plan
      const part = String(row[index]);
      text += `${part.length}:${part}`;
    }
    for (const column of columns) if (column.sourceIndex < 0) text += column.literal(null);
    return text;
  };
}

interface Fold {
  readonly isExact: boolean;
  readonly read: (row: Row) => string | null | undefined;
}

const plainAscii = /^[\x20-\x7e]*$/;

function foldPart(sourceIndex: number, column: ColumnDefinition | undefined, prefixLength: number | undefined): Fold | null {
  if (sourceIndex < 0) return { isExact: true, read: () => "" };
  const collation = column?.type.collation ?? null;
  const isText = column !== undefined && textTypes.has(column.type.name) && collation !== null && collation !== "binary";
  const isExact = prefixLength === undefined && !isText;
  if (!isText) {
    return {
      isExact,
      read: (row) => {
        const value = row[sourceIndex];
        if (value === null || value === undefined) return null;
        const text = String(value);
        return prefixLength === undefined ? text : text.slice(0, prefixLength);
      },
    };
  }
  const isBinary = collation.endsWith("_bin");
  return {
    isExact: false,
    read: (row) => {
      const value = row[sourceIndex];
      if (value === null || value === undefined) return null;
      let text = String(value);
      // A character has at least one byte, so as many bytes as the prefix has characters are within it.
      if (prefixLength !== undefined) text = text.slice(0, prefixLength);
      if (!isBinary) {
        if (!plainAscii.test(text)) return undefined; // ß = ss, ä = a: the collation knows, this side does not
        text = text.toLowerCase();
      }
      return text.replace(/ +$/, "");
    },
  };
}

function foldOf(parts: readonly Fold[] | null): (row: Row) => string | null | undefined {
  if (parts === null) return () => undefined;
  return (row) => {
    let text = "";
    let isKnown = true;
    for (const { read } of parts) {
      const part = read(row);
      if (part === null) return null;
      if (part === undefined) isKnown = false;
      else text += `${part.length}:${part}`;
    }
    return isKnown ? text : undefined;
  };
}
