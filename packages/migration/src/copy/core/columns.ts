/**
 * How each column of a source table is read and written so that the target holds the same value.
 *
 * Sessions on both sides are in "bytes" mode with time zone +00:00, so text arrives in its column's charset and goes into a column
 * of the same charset as it is. What needs more:
 *
 *   float            the server prints six digits; as a double it prints all that are needed to get the same float32 back
 *   float, double    quoted: `-0` as a number literal would lose its sign
 *   json, uuid, …    refuse binary strings: an introducer says that it is text
 *   other charset    an introducer names the source column's, the target converts
 *   bit, geometry    hexadecimal
 *   generated        left out, the target makes it
 */
import { type ByteString, type ColumnDefinition, quoteIdentifier, type TableDefinition } from "@skein/mysql";
import { bytesOf } from "../../target/core/meta-tables.ts";
import type { EncodedColumn } from "./encode-rows.ts";

export interface CopyColumns {
  /** Select list. */
  readonly select: ByteString;
  /** Column list of the INSERT, the constant ones at the end. */
  readonly insert: ByteString;
  readonly encoded: readonly EncodedColumn[];
  /** LOAD DATA keeps every value exact: no column needs an introducer or hexadecimal. */
  readonly isPlain: boolean;
  /** Every value can go as bytes without a charset: no column needs an introducer. */
  readonly isBytes: boolean;
}

export interface ColumnMismatch {
  readonly missing: readonly string[];
}

const nameOf = (name: string) => quoteIdentifier(bytesOf(name));

/** Whether the server makes the column's values by itself. */
function isMade(column: ColumnDefinition): boolean {
  return column.generated !== undefined || (column.attributes?.some((attribute) => attribute.startsWith("GENERATED ALWAYS")) ?? false);
}

/** The columns that rows are copied in. `target` null: as if it were equal. */
export function copyColumns(
  source: TableDefinition,
  target: TableDefinition | null,
  constants: readonly string[],
): CopyColumns | ColumnMismatch {
  const targets = new Map((target ?? source).columns.map((column) => [column.name.toLowerCase(), column]));
  const columns = source.columns.filter((column) => !isMade(column));
  const missing = [...columns.map(({ name }) => name), ...constants].filter((name) => target !== null && !targets.has(name.toLowerCase()));
  if (missing.length > 0) return { missing };
  const written = columns.filter((column) => {
    const there = targets.get(column.name.toLowerCase());
    return there === undefined || !isMade(there);
  });
  const encoded = written.map((column) => encodedColumn(column, targets.get(column.name.toLowerCase()) ?? column));
  return {
    select: written.map((column) => (column.type.name === "float" ? `${nameOf(column.name)} + 0e0` : nameOf(column.name))).join(", "),
    insert: [...written.map(({ name }) => name), ...constants].map(nameOf).join(","),
    encoded,
    isPlain: encoded.every(({ kind, introducer }) => kind !== "hex" && introducer === ""),
    isBytes: encoded.every(({ introducer }) => introducer === ""),
  };
}

function encodedColumn({ type }: ColumnDefinition, target: ColumnDefinition): EncodedColumn {
  switch (type.name) {
    case "tinyint":
    case "smallint":
    case "mediumint":
    case "int":
    case "bigint":
    case "decimal":
    case "year":
      return { kind: "plain", introducer: "" };
    case "float":
    case "double":
    case "date":
    case "time":
    case "datetime":
    case "timestamp":
      return { kind: "quoted", introducer: "" };
    case "bit":
    case "geometry":
    case "point":
    case "linestring":
    case "polygon":
    case "multipoint":
    case "multilinestring":
    case "multipolygon":
    case "geometrycollection":
    case "vector":
      return { kind: "hex", introducer: "" };
    case "json":
    case "uuid":
    case "inet4":
    case "inet6":
    case "xmltype":
      return { kind: "escaped", introducer: "_utf8mb4" };
    case "binary":
    case "varbinary":
    case "tinyblob":
    case "blob":
    case "mediumblob":
    case "longblob":
      return { kind: "escaped", introducer: "" };
    case "char":
    case "varchar":
    case "tinytext":
    case "text":
    case "mediumtext":
    case "longtext":
    case "enum":
    case "set": {
      const own = sameName(type.charset ?? "binary");
      const there = sameName(target.type.charset ?? (target.type.name === "json" ? "json" : "binary"));
      return { kind: "escaped", introducer: own === there || own === "binary" ? "" : `_${own}` };
    }
  }
}

const sameName = (charset: string) => (charset === "utf8" ? "utf8mb3" : charset);
