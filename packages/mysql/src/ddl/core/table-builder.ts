/**
 * Statement → structure, by the rules that the servers follow without saying so: default lengths and charsets, names of keys
 * and constraints, keys that foreign keys bring along, NOT NULL of primary keys, defaults of timestamps.
 */
import type {
  CheckDefinition,
  ColumnDefinition,
  ColumnType,
  ForeignKeyDefinition,
  IndexDefinition,
  IndexPart,
  TableDefinition,
} from "../../core/table.ts";
import type { CheckSpec, ColumnSpec, CreateTable, ForeignKeySpec, IndexSpec, TableOption, TypeSpec } from "./ast.ts";
import {
  binaryCollation,
  canonicalCharset,
  canonicalCollation,
  charsetBytesMax,
  charsetOfCollation,
  defaultCollation,
} from "./collations.ts";
import { canonicalDefault } from "./default-value.ts";
import { ddlErrors } from "./errors.ts";
import type { ServerFlavor } from "./lexer.ts";

export interface BuildContext {
  readonly flavor: ServerFlavor;
  /** As in versioned comments; see SqlDialectOptions. */
  readonly version: number;
  /** Of the schema. */
  readonly charset: string;
  readonly collation: string;
  /** Charset → default collation, where the server's differs from the compiled one. */
  readonly collations: Readonly<Record<string, string>>;
  readonly explicitDefaultsForTimestamp: boolean;
  /** The text is the server's own SHOW CREATE TABLE: nothing is added, what is absent is absent. */
  readonly fromServer: boolean;
  /** Another table, when it is tracked: for the columns that foreign keys refer to. A schema of null is the table's own. */
  readonly tableOf?: (schema: string | null, table: string) => TableDefinition | undefined;
}

export type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export const sameName = (left: string, right: string) => left.toLowerCase() === right.toLowerCase();

export function findColumn(columns: readonly ColumnDefinition[], name: string): ColumnDefinition | undefined {
  return columns.find((column) => sameName(column.name, name));
}

const refuse = (what: string): never => {
  throw ddlErrors.track([what]);
};

/** Charset and collation of a table or schema from its options; the parent's where nothing is said. */
export function resolveCharset(
  given: { readonly charset?: string | undefined; readonly collation?: string | undefined },
  parent: { readonly charset: string; readonly collation: string },
  context: Pick<BuildContext, "flavor" | "collations">,
): { charset: string; collation: string } {
  const isDefault = given.charset === "default";
  const charsetGiven = given.charset === undefined || isDefault ? undefined : canonicalCharset(given.charset);
  if (given.collation !== undefined && given.collation !== "default") {
    const collation = canonicalCollation(given.collation);
    const charset = charsetOfCollation(collation);
    if (charset !== null) return { charset, collation };
    // `uca1400_ai_ci`: goes with the charset at hand.
    const own = charsetGiven ?? parent.charset;
    return { charset: own, collation: `${own}_${collation}` };
  }
  // MariaDB: the parent's charset with the charset's own collation, neither the parent's nor what the server has in its place.
  if (isDefault && context.flavor === "mariadb")
    return { charset: parent.charset, collation: defaultCollation(parent.charset, context.flavor) };
  if (charsetGiven === undefined) return { charset: parent.charset, collation: parent.collation };
  return { charset: charsetGiven, collation: defaultCollation(charsetGiven, context.flavor, context.collations) };
}

/** MySQL that keeps CHECKs, and no longer names foreign keys after their index. */
const mysqlConstraintsSince = 80_016;

const displayWidths: Record<string, readonly [signed: number, unsigned: number]> = {
  tinyint: [4, 3],
  smallint: [6, 5],
  mediumint: [9, 8],
  int: [11, 10],
  bigint: [20, 20],
};

const stringTypes = new Set(["char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"]);
const binaryForms: Record<string, ColumnType["name"]> = {
  char: "binary",
  varchar: "varbinary",
  tinytext: "tinyblob",
  text: "blob",
  mediumtext: "mediumblob",
  longtext: "longblob",
};

export function isStringType(type: ColumnType): boolean {
  return stringTypes.has(type.name);
}

const blobNames = ["tiny", "", "medium", "long"] as const;
const blobBytesMax = [255, 65_535, 16_777_215, 4_294_967_295] as const;

/** The smallest TEXT or BLOB type that holds so many bytes. */
function blobForBytes(family: "text" | "blob", bytes: number): ColumnType["name"] {
  const index = blobBytesMax.findIndex((max) => bytes <= max);
  return `${blobNames[index === -1 ? 3 : index] as "tiny"}${family}`;
}

/** TEXT types that grow or shrink when their charset changes, so that as many characters fit: `CONVERT TO CHARACTER SET`. */
export function convertedTextType(name: ColumnType["name"], from: string, to: string): ColumnType["name"] {
  if (!name.endsWith("text")) return name;
  const index = blobNames.indexOf(name.slice(0, -4) as "tiny");
  const bytes = Math.floor((blobBytesMax[index] as number) / charsetBytesMax(from)) * charsetBytesMax(to);
  return blobForBytes("text", bytes);
}

function resolveType(spec: TypeSpec, table: { charset: string; collation: string }, context: BuildContext): ColumnType {
  const { charset, collation, binaryCollation: binary, ...plain } = spec;
  const type: Mutable<ColumnType> = { ...plain };
  const widths = displayWidths[type.name];
  if (widths !== undefined) {
    const width = widths[type.unsigned ? 1 : 0];
    if (context.flavor === "mariadb") type.length ??= width;
    else if (type.zerofill) type.length ??= width;
    else if (!(type.name === "tinyint" && type.length === 1 && !type.unsigned)) delete type.length;
  }
  switch (type.name as string) {
    case "decimal":
      type.length ??= 10;
      if (type.length === 0) type.length = 10;
      type.decimals ??= 0;
      break;
    case "bit":
    case "char":
    case "binary":
      type.length ??= 1;
      break;
    case "year":
      if (context.flavor === "mariadb") type.length ??= 4;
      else delete type.length;
      break;
    case "vector":
      if (context.flavor === "mysql") type.length ??= 2048;
      break;
    case "json":
      if (context.flavor === "mariadb") return { name: "longtext", charset: "utf8mb4", collation: "utf8mb4_bin" };
      return type;
    default:
  }
  if (type.members !== undefined) type.members = type.members.map((member) => member.replace(/ +$/, ""));
  if (!stringTypes.has(type.name)) {
    if (type.name === "blob" && type.length !== undefined) {
      type.name = blobForBytes("blob", type.length);
      delete type.length;
    }
    return type;
  }
  const resolved = resolveCharset({ charset, collation }, table, context);
  if (binary && collation === undefined) resolved.collation = binaryCollation(resolved.charset);
  const binaryForm = resolved.charset === "binary" ? binaryForms[type.name] : undefined;
  if (binaryForm !== undefined) type.name = binaryForm;
  if ((type.name === "text" || type.name === "blob") && type.length !== undefined) {
    const bytes = type.length * (type.name === "text" ? charsetBytesMax(resolved.charset) : 1);
    type.name = blobForBytes(type.name, bytes);
    delete type.length;
  }
  if (binaryForm !== undefined) return type;
  return { ...type, charset: resolved.charset, collation: resolved.collation };
}

/** What a column brings to its table besides itself. */
export interface BuiltColumn {
  readonly column: ColumnDefinition;
  readonly indexes: readonly IndexSpec[];
  readonly foreignKeys: readonly ForeignKeySpec[];
  /** MySQL keeps them with the table. */
  readonly checks: readonly CheckSpec[];
}

/** `firstTimestamp`: no TIMESTAMP column stands before it in the table (for servers without explicit defaults). */
export function buildColumn(
  spec: ColumnSpec,
  table: { charset: string; collation: string },
  context: BuildContext,
  options: { inPrimaryKey: boolean; firstTimestamp: boolean },
): BuiltColumn {
  const type = resolveType(spec.type, table, context);
  const column: Mutable<ColumnDefinition> = { name: spec.name, type, nullable: spec.nullable ?? true };
  const inPrimaryKey = options.inPrimaryKey || (spec.keys?.includes("primary") ?? false);
  const implicitTimestamp =
    type.name === "timestamp" && !context.explicitDefaultsForTimestamp && !context.fromServer && spec.generated === undefined;
  if (implicitTimestamp && spec.nullable === undefined) column.nullable = false;
  if (inPrimaryKey || spec.autoIncrement || spec.rowBound !== undefined) column.nullable = false;
  if (spec.generated !== undefined) {
    column.generated = spec.generated;
    if (context.flavor === "mariadb") column.nullable = true;
  } else if (spec.rowBound === undefined) {
    if (spec.defaultSql !== undefined && (column.nullable || !/^NULL$/i.test(spec.defaultSql))) {
      column.defaultSql = canonicalDefault(spec.defaultSql, type, context.flavor);
    } else if (spec.defaultSql === undefined && implicitTimestamp && !column.nullable && spec.onUpdateSql === undefined) {
      column.defaultSql = canonicalDefault(options.firstTimestamp ? now(type) : "'0000-00-00 00:00:00'", type, context.flavor);
      if (options.firstTimestamp) column.onUpdateSql = canonicalDefault(now(type), type, context.flavor);
    } else if (column.nullable && (!context.fromServer || printsNoDefault(type, context))) column.defaultSql = "NULL";
  }
  if (spec.onUpdateSql !== undefined) column.onUpdateSql = canonicalDefault(spec.onUpdateSql, type, context.flavor);
  if (spec.autoIncrement) column.autoIncrement = true;
  if (spec.invisible) column.invisible = true;
  if (spec.comment !== undefined && spec.comment !== "") column.comment = spec.comment;
  const attributes = [...(spec.attributes ?? [])];
  if (spec.rowBound !== undefined) attributes.push(`GENERATED ALWAYS AS ROW ${spec.rowBound.toUpperCase()}`);
  if (attributes.length > 0) column.attributes = attributes;
  const checks: CheckSpec[] = [];
  if (context.flavor === "mariadb") {
    const expression =
      spec.checks?.[0]?.expression ?? (spec.type.name === "json" ? `json_valid(\`${spec.name.replaceAll("`", "``")}\`)` : undefined);
    if (expression !== undefined) column.check = expression;
  } else checks.push(...(spec.checks ?? []));
  const indexes: IndexSpec[] = [];
  if (spec.keys?.includes("primary")) indexes.push({ kind: "primary", parts: [{ column: spec.name }] });
  if (spec.keys?.includes("unique")) indexes.push({ kind: "unique", parts: [{ column: spec.name }] });
  const honoursInline = context.flavor === "mariadb" || context.version >= 90_000;
  const foreignKeys = spec.references !== undefined && honoursInline ? [{ columns: [spec.name], references: spec.references }] : [];
  return { column, indexes, foreignKeys, checks };
}

const now = (type: ColumnType) => (type.decimals === undefined ? "CURRENT_TIMESTAMP" : `CURRENT_TIMESTAMP(${type.decimals})`);

/** MySQL prints no DEFAULT NULL for these, though they have it. */
function printsNoDefault(type: ColumnType, context: BuildContext): boolean {
  return context.flavor === "mysql" && /text$|blob$|^json$|^geometry|point$|linestring$|polygon$|^vector$/.test(type.name);
}

/** A table while it is being put together. */
export interface Draft extends Mutable<Omit<TableDefinition, "columns" | "indexes" | "foreignKeys" | "checks" | "options">> {
  columns: ColumnDefinition[];
  indexes: IndexDefinition[];
  foreignKeys: ForeignKeyDefinition[];
  checks: CheckDefinition[];
  options?: string[];
}

export function draftOf(table: TableDefinition): Draft {
  const { columns, indexes, foreignKeys, checks, options, ...rest } = table;
  const draft: Draft = { ...rest, columns: [...columns], indexes: [...indexes], foreignKeys: [...foreignKeys], checks: [...checks] };
  if (options !== undefined) draft.options = [...options];
  return draft;
}

export function buildTable(schema: string, create: CreateTable, context: BuildContext): TableDefinition {
  const option = (name: string) => create.options.findLast((one) => one.name === name)?.value;
  const base = resolveCharset({ charset: option("CHARACTER SET"), collation: option("COLLATE") }, context, context);
  const draft: Draft = { schema, name: create.table.name, columns: [], indexes: [], foreignKeys: [], checks: [], ...base };
  setOptions(draft, create.options);
  const primary = new Set(create.indexes.find((index) => index.kind === "primary")?.parts.map((part) => part.column?.toLowerCase()));
  const indexes: IndexSpec[] = [];
  const foreignKeys: ForeignKeySpec[] = [];
  const checks: CheckSpec[] = [];
  let firstTimestamp = true;
  for (const written of create.columns) {
    // Both ends of a period take no NULL.
    const inPeriod = create.periods?.some((period) => sameName(period.start, written.name) || sameName(period.end, written.name)) ?? false;
    const spec = inPeriod ? { ...written, nullable: false } : written;
    if (findColumn(draft.columns, spec.name) !== undefined) refuse(`duplicate column ${spec.name} in table ${schema}.${create.table.name}`);
    const built = buildColumn(spec, base, context, { inPrimaryKey: primary.has(spec.name.toLowerCase()), firstTimestamp });
    if (built.column.type.name === "timestamp") firstTimestamp = false;
    draft.columns.push(built.column);
    indexes.push(...built.indexes);
    foreignKeys.push(...built.foreignKeys);
    checks.push(...built.checks);
  }
  addChecks(draft, [...checks, ...create.checks], context, 0);
  addKeys(draft, [...indexes, ...create.indexes], [...foreignKeys, ...create.foreignKeys], context, 0);
  if (create.partitioning !== undefined) draft.partitioning = create.partitioning;
  const extra = [
    ...(create.periods ?? []).map((period) => `PERIOD FOR ${period.name} (${period.start}, ${period.end})`),
    ...(create.systemVersioning ? ["WITH SYSTEM VERSIONING"] : []),
  ];
  if (extra.length > 0) draft.options = [...(draft.options ?? []), ...extra];
  return draft;
}

/** All but charsets, and AUTO_INCREMENT's next value: that is data. */
export function setOptions(draft: Draft, options: readonly TableOption[]): void {
  for (const { name, value } of options) {
    switch (name) {
      case "CHARACTER SET":
      case "COLLATE":
      case "AUTO_INCREMENT":
        break;
      case "ENGINE":
        draft.engine = value;
        break;
      case "COMMENT":
        if (value === "") delete draft.comment;
        else draft.comment = value;
        break;
      case "ROW_FORMAT":
        if (value === "DEFAULT") delete draft.rowFormat;
        else draft.rowFormat = value;
        break;
      default:
        draft.options = [...(draft.options ?? []).filter((one) => !one.startsWith(`${name}=`)), `${name}=${value}`];
        if (value === "DEFAULT") draft.options.pop();
    }
  }
  if (draft.options?.length === 0) delete draft.options;
}

/** `lastNumber`: of the names that the server made up so far. A new table counts from 1, whatever names are written in it. */
export function addChecks(draft: Draft, specs: readonly CheckSpec[], context: BuildContext, lastNumber: number): void {
  if (context.flavor === "mysql" && context.version < mysqlConstraintsSince) return; // read, and forgotten
  let number = lastNumber;
  for (const spec of specs) {
    let { name } = spec;
    if (name === undefined && context.flavor === "mysql") {
      number += 1;
      name = `${draft.name}_chk_${number}`;
    }
    name ??= freeCheckName(draft);
    const taken = name;
    if (draft.checks.some((check) => sameName(check.name, taken))) refuse(`duplicate check ${name} in table ${draft.schema}.${draft.name}`);
    draft.checks.push({ name, expression: spec.expression, enforced: spec.enforced !== false });
  }
}

/** MariaDB: the first number that is free. */
function freeCheckName(draft: Draft): string {
  for (let number = 1; ; number += 1) {
    const name = `CONSTRAINT_${number}`;
    if (!draft.checks.some((check) => sameName(check.name, name))) return name;
  }
}

/** The highest number in names that the server made up: `t_chk_7` → 7. */
export function lastGeneratedNumber(named: readonly { readonly name: string }[], prefix: string): number {
  let highest = 0;
  for (const { name } of named) {
    if (!name.toLowerCase().startsWith(prefix.toLowerCase())) continue;
    const digits = name.slice(prefix.length);
    if (/^\d+$/.test(digits)) highest = Math.max(highest, Number(digits));
  }
  return highest;
}

/** Adds keys and foreign keys, names what has no name, and drops generated keys that another key serves as well. */
export function addKeys(
  draft: Draft,
  specs: readonly IndexSpec[],
  foreignKeys: readonly ForeignKeySpec[],
  context: BuildContext,
  lastForeignKeyNumber: number,
): void {
  const generatedKeys: IndexSpec[] = [];
  let number = lastForeignKeyNumber;
  for (const spec of foreignKeys) {
    generatedKeys.push(foreignKeyIndex(spec));
    // MariaDB names a foreign key for its index, when that has a name.
    const takesIndexName = context.flavor === "mariadb" || context.version < mysqlConstraintsSince;
    let name = spec.name ?? (takesIndexName ? spec.indexName : undefined);
    if (name === undefined) {
      number += 1;
      name = `${draft.name}_ibfk_${number}`;
    }
    addForeignKey(draft, spec, name, context);
  }
  // In SHOW CREATE TABLE every key is listed, also those that came with foreign keys.
  const candidates: { index: IndexSpec; generated: boolean }[] = specs.map((index) => ({ index, generated: false }));
  if (!context.fromServer) candidates.push(...generatedKeys.map((index) => ({ index, generated: true })));
  const all = [
    ...draft.indexes.map((index) => ({ index: index as IndexSpec, generated: index.generated ?? false, old: index })),
    ...candidates.map((one) => ({ ...one, old: undefined })),
  ];
  const dropped = new Set<number>();
  for (let later = 0; later < all.length; later += 1) {
    for (let earlier = 0; earlier < later; earlier += 1) {
      const a = all[later] as (typeof all)[number];
      const b = all[earlier] as (typeof all)[number];
      if (dropped.has(earlier) || !servesAsWell(a, b)) continue;
      if (!b.generated || (a.generated && a.index.parts.length < b.index.parts.length)) {
        dropped.add(later);
        break;
      }
      dropped.add(earlier);
    }
  }
  draft.indexes = [];
  for (const [position, one] of all.entries()) {
    if (dropped.has(position)) continue;
    if (one.old !== undefined) draft.indexes.push(one.old);
    else draft.indexes.push(buildIndex(draft, one.index, one.generated, all.slice(position + 1), context));
  }
  sortIndexes(draft);
}

/** Whether one of two keys is generated and a prefix of the other. */
function servesAsWell(left: { index: IndexSpec; generated: boolean }, right: { index: IndexSpec; generated: boolean }): boolean {
  let [a, b] = [left, right];
  if (a.generated) {
    if (b.generated && a.index.parts.length > b.index.parts.length) [a, b] = [b, a];
  } else {
    if (!b.generated) return false;
    [a, b] = [b, a];
  }
  if (a.index.parts.length > b.index.parts.length) return false;
  return a.index.parts.every((part, index) => {
    const other = b.index.parts[index] as IndexPart;
    return (
      part.column !== null &&
      other.column !== null &&
      sameName(part.column, other.column) &&
      part.prefixLength === other.prefixLength &&
      (part.descending ?? false) === (other.descending ?? false)
    );
  });
}

function foreignKeyIndex(spec: ForeignKeySpec): IndexSpec {
  const name = spec.name ?? spec.indexName;
  return { kind: "index", parts: spec.columns.map((column) => ({ column })), ...(name === undefined ? {} : { name }) };
}

function buildIndex(
  draft: Draft,
  spec: IndexSpec,
  generated: boolean,
  later: readonly { index: IndexSpec }[],
  context: BuildContext,
): IndexDefinition {
  const taken = (name: string) =>
    sameName(name, "PRIMARY") ||
    draft.indexes.some((index) => sameName(index.name, name)) ||
    later.some(({ index }) => index.name !== undefined && sameName(index.name, name));
  let name = "PRIMARY";
  if (spec.kind === "primary") {
    if (draft.indexes.some((index) => index.kind === "primary")) refuse(`multiple primary keys of table ${draft.schema}.${draft.name}`);
  } else if (spec.name !== undefined) {
    name = spec.name;
    if (draft.indexes.some((index) => sameName(index.name, name)))
      refuse(`duplicate key name ${name} in table ${draft.schema}.${draft.name}`);
  } else {
    const [first] = spec.parts;
    const base =
      first === undefined || first.column === null ? "functional_index" : (findColumn(draft.columns, first.column)?.name ?? first.column);
    name = base;
    for (let number = 2; taken(name); number += 1) name = `${base}_${number}`;
  }
  const parts = spec.parts.map((part): IndexPart => {
    if (part.column === null) return part;
    const position = draft.columns.findIndex((column) => sameName(column.name, part.column as string));
    const column = draft.columns[position];
    if (column === undefined) return refuse(`key column ${part.column} is not in table ${draft.schema}.${draft.name}`);
    if (spec.kind === "primary" && column.nullable) {
      const { defaultSql, ...rest } = column;
      draft.columns[position] =
        defaultSql === undefined || defaultSql === "NULL" ? { ...rest, nullable: false } : { ...rest, defaultSql, nullable: false };
    }
    const built: Mutable<IndexPart> = { ...part, column: column.name };
    if (spec.kind === "fulltext" || spec.kind === "spatial") {
      delete built.prefixLength;
      delete built.descending;
    } else fitPrefix(built, column.type);
    if (spec.kind !== "fulltext" && spec.kind !== "spatial" && built.prefixLength === undefined)
      implicitPrefix(built, column.type, spec.kind, context);
    return built;
  });
  const index: Mutable<IndexDefinition> = {
    name,
    kind: spec.kind,
    parts: context.flavor === "mariadb" ? hashedParts(draft, spec.kind, parts) : parts,
  };
  if (spec.using !== undefined) index.using = spec.using;
  if (spec.invisible) index.invisible = true;
  if (spec.comment !== undefined && spec.comment !== "") index.comment = spec.comment;
  const options = [...(spec.options ?? []), ...(spec.withoutOverlaps === undefined ? [] : [`WITHOUT OVERLAPS ${spec.withoutOverlaps}`])];
  if (options.length > 0) index.options = options;
  if (generated) index.generated = true;
  return index;
}

/** A prefix as long as the column is none; one of a column that has no prefixes is dropped. */
export function fitPrefix(part: Mutable<IndexPart>, type: ColumnType): void {
  if (part.prefixLength === undefined) return;
  if (/text$|blob$/.test(type.name)) {
    const bytes = typeof type.charset === "string" ? charsetBytesMax(type.charset) : 1;
    part.prefixLength = Math.min(part.prefixLength, Math.floor(keyPartBytesMax / bytes));
    return;
  }
  if (/^json$|^geometry|point$|linestring$|polygon$/.test(type.name)) return;
  if (!["char", "varchar", "binary", "varbinary"].includes(type.name) || part.prefixLength >= (type.length ?? 1)) delete part.prefixLength;
}

const keyPartBytesMax = 3072;

/** MariaDB: a unique key on a whole TEXT or BLOB column is one of hashes, which have no direction. */
export function hashedParts(draft: Draft, kind: IndexDefinition["kind"], parts: readonly IndexPart[]): readonly IndexPart[] {
  const isWhole = (part: IndexPart) =>
    part.prefixLength === undefined && /text$|blob$/.test(findColumn(draft.columns, part.column ?? "")?.type.name ?? "");
  if (kind !== "unique" || !parts.some(isWhole)) return parts;
  return parts.map((part) => {
    const { descending: _, ...ascending } = part;
    return ascending;
  });
}

/** MariaDB: a plain key on a TEXT or BLOB column without a length gets the longest prefix that fits. */
export function implicitPrefix(part: Mutable<IndexPart>, type: ColumnType, kind: IndexSpec["kind"], context: BuildContext): void {
  if (context.flavor !== "mariadb" || context.fromServer || kind !== "index" || !/text$|blob$/.test(type.name)) return;
  part.prefixLength = Math.floor(keyPartBytesMax / (typeof type.charset === "string" ? charsetBytesMax(type.charset) : 1));
  if (type.name === "tinytext" || type.name === "tinyblob") delete part.prefixLength;
}

function addForeignKey(draft: Draft, spec: ForeignKeySpec, name: string, context: BuildContext): void {
  if (draft.foreignKeys.some((key) => sameName(key.name, name)))
    refuse(`duplicate foreign key ${name} in table ${draft.schema}.${draft.name}`);
  const columns = spec.columns.map(
    (column) =>
      findColumn(draft.columns, column)?.name ?? refuse(`foreign key column ${column} is not in table ${draft.schema}.${draft.name}`),
  );
  const { table } = spec.references;
  const referencedSchema = table.schema === undefined || table.schema === draft.schema ? null : table.schema;
  const parent = referencedSchema === null && table.name === draft.name ? draft : context.tableOf?.(referencedSchema, table.name);
  let referencedColumns: readonly string[] = spec.references.columns.map(
    (column) => findColumn(parent?.columns ?? [], column)?.name ?? column,
  );
  if (referencedColumns.length === 0) {
    const primary = parent?.indexes.find((index) => index.kind === "primary");
    referencedColumns = primary?.parts.flatMap((part) => part.column ?? []) ?? [];
  }
  const key: Mutable<ForeignKeyDefinition> = { name, columns, referencedSchema, referencedTable: table.name, referencedColumns };
  // The family's own default is not printed.
  const standard = context.flavor === "mariadb" ? "RESTRICT" : "NO ACTION";
  const { onDelete, onUpdate } = spec.references;
  if (onDelete !== undefined && onDelete !== standard) key.onDelete = onDelete;
  if (onUpdate !== undefined && onUpdate !== standard) key.onUpdate = onUpdate;
  draft.foreignKeys.push(key);
}

/** The server's order: primary, unique without NULLs, unique, others, full text; else as they came. */
export function sortIndexes(draft: Draft): void {
  const hasNulls = (index: IndexDefinition) =>
    index.parts.some((part) => part.column !== null && (findColumn(draft.columns, part.column)?.nullable ?? false));
  const rank = (index: IndexDefinition) => {
    if (index.kind === "primary") return 0;
    if (index.kind === "unique") return hasNulls(index) ? 2 : 1;
    return index.kind === "fulltext" ? 4 : 3;
  };
  draft.indexes = draft.indexes
    .map((index, position) => ({ index, position, rank: rank(index) }))
    .sort((a, b) => a.rank - b.rank || a.position - b.position)
    .map(({ index }) => index);
}
