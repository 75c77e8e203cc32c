/**
 * A table's structure: what `SHOW CREATE TABLE` says, as a value. Used by the DDL tracker, the binlog decoder, the copy
 * and the applier alike, for MariaDB and MySQL.
 */

/** Base types after synonyms are resolved (`INTEGER` → int, `NUMERIC` → decimal, `BOOL` → tinyint(1), `SERIAL` → bigint unsigned …). */
export type TypeName =
  | "tinyint"
  | "smallint"
  | "mediumint"
  | "int"
  | "bigint"
  | "decimal"
  | "float"
  | "double"
  | "bit"
  | "date"
  | "time"
  | "datetime"
  | "timestamp"
  | "year"
  | "char"
  | "varchar"
  | "binary"
  | "varbinary"
  | "tinytext"
  | "text"
  | "mediumtext"
  | "longtext"
  | "tinyblob"
  | "blob"
  | "mediumblob"
  | "longblob"
  | "enum"
  | "set"
  | "json"
  | "geometry"
  | "point"
  | "linestring"
  | "polygon"
  | "multipoint"
  | "multilinestring"
  | "multipolygon"
  | "geometrycollection"
  | "uuid"
  | "inet4"
  | "inet6"
  | "vector"
  | "xmltype";

export interface ColumnType {
  readonly name: TypeName;
  /** Display width, characters, bytes, bits or dimensions; decimal precision. */
  readonly length?: number;
  /** Digits after the point (decimal, float, double), or fractional seconds (time, datetime, timestamp). */
  readonly decimals?: number;
  readonly unsigned?: boolean;
  readonly zerofill?: boolean;
  /** Members of enum and set, in order. */
  readonly members?: readonly string[];
  /** Lower case; null for types without one and for binary strings. */
  readonly charset?: string | null;
  readonly collation?: string | null;
  /** Spatial reference id. */
  readonly srid?: number;
}

export interface ColumnDefinition {
  readonly name: string;
  readonly type: ColumnType;
  readonly nullable: boolean;
  /** SQL text as it would be printed (`'x'`, `1`, `NULL`, `current_timestamp(6)`, `(uuid())`); undefined when there is none. */
  readonly defaultSql?: string;
  readonly onUpdateSql?: string;
  readonly autoIncrement?: boolean;
  readonly generated?: { readonly expression: string; readonly stored: boolean };
  readonly invisible?: boolean;
  readonly comment?: string;
  /** Checks written on the column, MariaDB. */
  readonly check?: string;
  /** `COMPRESSED` (MariaDB), `COLUMN_FORMAT`, `STORAGE` and such, as printed. */
  readonly attributes?: readonly string[];
}

export interface IndexPart {
  /** Column name; null for an expression. */
  readonly column: string | null;
  readonly expression?: string;
  /** Characters (or bytes for binary types) of a prefix. */
  readonly prefixLength?: number;
  readonly descending?: boolean;
}

export interface IndexDefinition {
  /** `PRIMARY` for the primary key. */
  readonly name: string;
  readonly kind: "primary" | "unique" | "index" | "fulltext" | "spatial" | "vector";
  readonly parts: readonly IndexPart[];
  readonly using?: "btree" | "hash" | "rtree";
  readonly invisible?: boolean;
  /** Made by the server for a foreign key: it goes when another key serves as well. Not known from SHOW CREATE TABLE. */
  readonly generated?: boolean;
  readonly comment?: string;
  /** Other options as printed (`KEY_BLOCK_SIZE=8`, `WITH PARSER ngram`, `M=6`). */
  readonly options?: readonly string[];
}

export interface ForeignKeyDefinition {
  readonly name: string;
  readonly columns: readonly string[];
  readonly referencedSchema: string | null;
  readonly referencedTable: string;
  readonly referencedColumns: readonly string[];
  readonly onDelete?: string;
  readonly onUpdate?: string;
}

export interface CheckDefinition {
  readonly name: string;
  readonly expression: string;
  readonly enforced: boolean;
}

export interface TableDefinition {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly ColumnDefinition[];
  /** The primary key first, then in the order of the server's print. */
  readonly indexes: readonly IndexDefinition[];
  readonly foreignKeys: readonly ForeignKeyDefinition[];
  readonly checks: readonly CheckDefinition[];
  readonly charset: string;
  readonly collation: string;
  readonly engine?: string;
  readonly comment?: string;
  readonly rowFormat?: string;
  /** Other options as printed, in order. */
  readonly options?: readonly string[];
  /** The PARTITION BY clause as printed, without interpretation beyond what ALTER … PARTITION needs. */
  readonly partitioning?: string;
}

export interface SchemaDefinition {
  readonly name: string;
  readonly charset: string;
  readonly collation: string;
}
