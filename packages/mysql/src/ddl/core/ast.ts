/**
 * DDL statements as data. Names are unquoted; expressions, partitioning and free options are SQL text in one normal form
 * (backquoted names, single-quoted strings with backslash escapes, no comments), so that they read the same in any session.
 */
import type { TypeName } from "../../core/table.ts";

export interface TableName {
  /** Undefined: the session's default schema. */
  readonly schema?: string;
  readonly name: string;
}

/** A type as written, with synonyms resolved; what the server adds on its own (default lengths, charsets) is not here. */
export interface TypeSpec {
  readonly name: TypeName;
  readonly length?: number;
  readonly decimals?: number;
  readonly unsigned?: boolean;
  readonly zerofill?: boolean;
  readonly members?: readonly string[];
  /** Lower case, as written: `utf8` stays. `binary` for CHAR BYTE is already resolved to the binary type. */
  readonly charset?: string;
  readonly collation?: string;
  /** The BINARY attribute: the `_bin` collation of the charset. */
  readonly binaryCollation?: boolean;
  readonly srid?: number;
}

export interface CheckSpec {
  readonly name?: string;
  readonly expression: string;
  /** Absent: enforced. */
  readonly enforced?: false;
}

export interface ReferencesSpec {
  readonly table: TableName;
  readonly columns: readonly string[];
  /** `CASCADE`, `SET NULL`, `RESTRICT`, `NO ACTION`, `SET DEFAULT` */
  readonly onDelete?: string;
  readonly onUpdate?: string;
  readonly match?: string;
}

export interface ColumnSpec {
  readonly name: string;
  readonly type: TypeSpec;
  /** Absent: not said. */
  readonly nullable?: boolean;
  readonly defaultSql?: string;
  readonly onUpdateSql?: string;
  readonly autoIncrement?: true;
  readonly keys?: readonly ("primary" | "unique")[];
  readonly generated?: { readonly expression: string; readonly stored: boolean };
  readonly invisible?: boolean;
  readonly comment?: string;
  readonly checks?: readonly CheckSpec[];
  readonly references?: ReferencesSpec;
  /** MariaDB system versioning: `GENERATED ALWAYS AS ROW START`. */
  readonly rowBound?: "start" | "end";
  /** `COMPRESSED`, `COLUMN_FORMAT FIXED`, `STORAGE DISK`, `WITHOUT SYSTEM VERSIONING` … as printed. */
  readonly attributes?: readonly string[];
}

export interface IndexPartSpec {
  readonly column: string | null;
  readonly expression?: string;
  readonly prefixLength?: number;
  readonly descending?: boolean;
}

export interface IndexSpec {
  readonly kind: "primary" | "unique" | "index" | "fulltext" | "spatial" | "vector";
  /** Absent: the server makes one up. Never there for a primary key. */
  readonly name?: string;
  readonly parts: readonly IndexPartSpec[];
  readonly using?: "btree" | "hash" | "rtree";
  readonly invisible?: boolean;
  readonly comment?: string;
  /** `KEY_BLOCK_SIZE=8`, `WITH PARSER ngram`, `M=6`, `DISTANCE=cosine`, `CLUSTERING=YES` … as printed. */
  readonly options?: readonly string[];
  /** MariaDB: `WITHOUT OVERLAPS` on the last part, a period. */
  readonly withoutOverlaps?: string;
}

export interface ForeignKeySpec {
  readonly name?: string;
  readonly indexName?: string;
  readonly columns: readonly string[];
  readonly references: ReferencesSpec;
}

export interface TableOption {
  /** Upper case, one form for synonyms: `CHARACTER SET`, `COLLATE`, `ENGINE`, `COMMENT`, `AUTO_INCREMENT` … */
  readonly name: string;
  /** Text of strings and names unquoted for CHARACTER SET, COLLATE, ENGINE, COMMENT; SQL text for the rest. */
  readonly value: string;
}

export interface PeriodSpec {
  readonly name: string;
  readonly start: string;
  readonly end: string;
}

export type Position = { readonly kind: "first" } | { readonly kind: "after"; readonly column: string };

export type AlterChange =
  | { readonly kind: "addColumn"; readonly column: ColumnSpec; readonly position?: Position; readonly ifNotExists?: true }
  | { readonly kind: "dropColumn"; readonly name: string; readonly ifExists?: true }
  | { readonly kind: "modifyColumn"; readonly column: ColumnSpec; readonly position?: Position; readonly ifExists?: true }
  | {
      readonly kind: "changeColumn";
      readonly from: string;
      readonly column: ColumnSpec;
      readonly position?: Position;
      readonly ifExists?: true;
    }
  | { readonly kind: "renameColumn"; readonly from: string; readonly to: string; readonly ifExists?: true }
  /** `defaultSql` absent: DROP DEFAULT. */
  | { readonly kind: "alterColumnDefault"; readonly name: string; readonly defaultSql?: string; readonly ifExists?: true }
  | { readonly kind: "alterColumnVisibility"; readonly name: string; readonly invisible: boolean }
  | { readonly kind: "addIndex"; readonly index: IndexSpec; readonly constraintName?: string; readonly ifNotExists?: true }
  /** `PRIMARY` is the primary key. */
  | { readonly kind: "dropIndex"; readonly name: string; readonly ifExists?: true }
  | { readonly kind: "renameIndex"; readonly from: string; readonly to: string; readonly ifExists?: true }
  | { readonly kind: "alterIndexVisibility"; readonly name: string; readonly invisible: boolean; readonly ifExists?: true }
  | { readonly kind: "addForeignKey"; readonly foreignKey: ForeignKeySpec; readonly ifNotExists?: true }
  | { readonly kind: "dropForeignKey"; readonly name: string; readonly ifExists?: true }
  | { readonly kind: "addCheck"; readonly check: CheckSpec; readonly ifNotExists?: true }
  | { readonly kind: "dropCheck"; readonly name: string; readonly ifExists?: true }
  | { readonly kind: "alterCheck"; readonly name: string; readonly enforced: boolean }
  /** A check, a foreign key or a unique key: the name decides. */
  | { readonly kind: "dropConstraint"; readonly name: string; readonly ifExists?: true }
  | { readonly kind: "renameTable"; readonly to: TableName }
  | { readonly kind: "convertCharset"; readonly charset: string; readonly collation?: string }
  | { readonly kind: "options"; readonly options: readonly TableOption[] }
  | { readonly kind: "orderBy"; readonly text: string }
  | { readonly kind: "partitionBy"; readonly text: string }
  | { readonly kind: "removePartitioning" }
  /** `text`: the definitions in parentheses, or `PARTITIONS 4`. */
  | { readonly kind: "addPartition"; readonly text: string; readonly ifNotExists?: true }
  | { readonly kind: "dropPartition"; readonly names: readonly string[]; readonly ifExists?: true }
  /** `names` empty: ALL. */
  | { readonly kind: "truncatePartition"; readonly names: readonly string[] }
  | { readonly kind: "coalescePartition"; readonly count: number }
  /** `text`: the new definitions in parentheses; with no names it is absent. */
  | { readonly kind: "reorganizePartition"; readonly names: readonly string[]; readonly text?: string }
  | { readonly kind: "exchangePartition"; readonly partition: string; readonly table: TableName; readonly withoutValidation?: true }
  /** MariaDB: CONVERT PARTITION p TO TABLE t. */
  | { readonly kind: "convertPartitionToTable"; readonly partition: string; readonly table: TableName }
  /** MariaDB: CONVERT TABLE t TO PARTITION p VALUES …; `text` is what follows the partition's name. */
  | { readonly kind: "convertTableToPartition"; readonly table: TableName; readonly partition: string; readonly text: string }
  /** REBUILD, ANALYZE, CHECK, OPTIMIZE, REPAIR, DISCARD, IMPORT: no change of structure. `names` empty: ALL. */
  | { readonly kind: "maintainPartition"; readonly action: string; readonly names: readonly string[]; readonly suffix: string }
  /** ENABLE KEYS, FORCE, DISCARD TABLESPACE, SECONDARY_LOAD, WITH VALIDATION … no change of structure. */
  | { readonly kind: "maintenance"; readonly text: string }
  | { readonly kind: "systemVersioning"; readonly action: "add" | "drop" }
  | { readonly kind: "addPeriod"; readonly period: PeriodSpec; readonly ifNotExists?: true }
  | { readonly kind: "dropPeriod"; readonly name: string; readonly ifExists?: true };

export interface CreateTable {
  readonly kind: "createTable";
  readonly table: TableName;
  readonly orReplace?: true;
  readonly ifNotExists?: true;
  readonly columns: readonly ColumnSpec[];
  readonly indexes: readonly IndexSpec[];
  readonly foreignKeys: readonly ForeignKeySpec[];
  readonly checks: readonly CheckSpec[];
  readonly periods?: readonly PeriodSpec[];
  readonly options: readonly TableOption[];
  readonly partitioning?: string;
  readonly systemVersioning?: true;
  /** CREATE TABLE … AS SELECT: the query with what stands before it (`IGNORE AS SELECT …`). Its columns are not known here. */
  readonly asSelect?: string;
}

export interface AlterTable {
  readonly kind: "alterTable";
  readonly table: TableName;
  readonly ifExists?: true;
  readonly online?: true;
  readonly ignore?: true;
  readonly changes: readonly AlterChange[];
  /** Upper case: `INPLACE`, `COPY`, `INSTANT`, `NOCOPY`, `DEFAULT`. */
  readonly algorithm?: string;
  readonly lock?: string;
  /** MariaDB: seconds to wait for locks, or `nowait`. */
  readonly wait?: number | "nowait";
}

export interface DatabaseOptions {
  readonly charset?: string;
  readonly collation?: string;
  readonly comment?: string;
  /** ENCRYPTION, READ ONLY: as printed. */
  readonly other?: readonly string[];
}

export type DdlStatement =
  | CreateTable
  | {
      readonly kind: "createTableLike";
      readonly table: TableName;
      readonly like: TableName;
      readonly orReplace?: true;
      readonly ifNotExists?: true;
    }
  | AlterTable
  | { readonly kind: "dropTables"; readonly tables: readonly TableName[]; readonly ifExists?: true }
  | {
      readonly kind: "renameTables";
      readonly pairs: readonly { readonly from: TableName; readonly to: TableName }[];
      readonly ifExists?: true;
    }
  | { readonly kind: "truncateTable"; readonly table: TableName }
  | {
      readonly kind: "createIndex";
      readonly table: TableName;
      readonly index: IndexSpec;
      readonly orReplace?: true;
      readonly ifNotExists?: true;
      readonly algorithm?: string;
      readonly lock?: string;
    }
  | {
      readonly kind: "dropIndex";
      readonly table: TableName;
      readonly name: string;
      readonly ifExists?: true;
      readonly algorithm?: string;
      readonly lock?: string;
    }
  | {
      readonly kind: "createDatabase";
      readonly name: string;
      readonly orReplace?: true;
      readonly ifNotExists?: true;
      readonly options: DatabaseOptions;
    }
  /** `name` absent: the session's default schema. */
  | { readonly kind: "alterDatabase"; readonly name?: string; readonly options: DatabaseOptions }
  | { readonly kind: "dropDatabase"; readonly name: string; readonly ifExists?: true }
  | OtherStatement;

/** A statement that is known, and is not about the structure of a table. */
export interface OtherStatement {
  readonly kind: "other";
  /** Lower case: `create view`, `insert`, `grant`, `begin`, `create temporary table` … */
  readonly what: string;
  readonly group:
    | "view"
    | "trigger"
    | "routine"
    | "event"
    | "user"
    | "dml"
    | "transaction"
    | "maintenance"
    | "temporary table"
    | "sequence"
    | "session"
    | "server";
  /** The statement as it came, without the delimiter. */
  readonly text: string;
}
