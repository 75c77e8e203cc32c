/** The structures of a source's tables as they were at the position that is being replicated. Pure: statements in, facts out. */
import type { SchemaDefinition, TableDefinition } from "../../core/table.ts";
import { alterTable, renamedTable } from "./alter-table.ts";
import type { AlterChange, AlterTable, CreateTable, DatabaseOptions, DdlStatement, TableName } from "./ast.ts";
import { canonicalCharset, canonicalCollation, defaultCollation } from "./collations.ts";
import { ddlErrors } from "./errors.ts";
import type { ServerFlavor } from "./lexer.ts";
import { parseStatement } from "./parser.ts";
import { type BuildContext, buildTable, resolveCharset } from "./table-builder.ts";

export interface TrackerOptions {
  readonly flavor: ServerFlavor;
  /** As in versioned comments: 80400, 90700, 101100. Default: newer than all known. */
  readonly version?: number;
  readonly serverDefaults?: {
    /** `@@character_set_server`, `@@collation_server` */
    readonly charset?: string;
    readonly collation?: string;
    /** Charset → collation: MariaDB's `@@character_set_collations`, MySQL's `@@default_collation_for_utf8mb4`. */
    readonly collations?: Readonly<Record<string, string>>;
    /** Default: true. */
    readonly explicitDefaultsForTimestamp?: boolean;
  };
  /** `@@lower_case_table_names`; with 1 and 2 names of schemas and tables compare without case. Default: 0. */
  readonly lowerCaseTableNames?: 0 | 1 | 2;
}

/** What the binlog says of the session that ran a statement, where it differs from the server's defaults. */
export interface SessionFacts {
  readonly defaultSchema?: string;
  readonly explicitDefaultsForTimestamp?: boolean;
  /** Charset → default collation; then the server's own do not count. */
  readonly collations?: Readonly<Record<string, string>>;
  /** Of the default schema, for schemas that are not tracked. */
  readonly schemaCollation?: string;
}

export type TrackedChange =
  | { readonly kind: "schemaCreated" | "schemaAltered"; readonly schema: SchemaDefinition }
  | { readonly kind: "schemaDropped"; readonly name: string; readonly tables: readonly TableDefinition[] }
  | { readonly kind: "tableCreated"; readonly table: TableDefinition }
  | { readonly kind: "tableAltered"; readonly table: TableDefinition; readonly before: TableDefinition }
  | { readonly kind: "tableDropped"; readonly before: TableDefinition }
  | { readonly kind: "tableRenamed"; readonly table: TableDefinition; readonly before: TableDefinition }
  /** Structure unchanged, rows gone. */
  | { readonly kind: "tableTruncated"; readonly schema: string; readonly name: string };

/** JSON, one per table and schema. */
export interface TrackerSnapshot {
  readonly schemas: readonly SchemaDefinition[];
  readonly tables: readonly TableDefinition[];
}

export interface SchemaTracker {
  /**
   * Follows one statement. Statements of kind `other` change nothing. Throws 44006 when the statement does not fit what is
   * tracked (then nothing changed). As in DM it is no error that a schema exists, or that a schema, table, column or key that
   * is to be dropped does not.
   */
  apply(statement: DdlStatement, session?: SessionFacts): readonly TrackedChange[];
  table(schema: string, name: string): TableDefinition | undefined;
  tables(schema: string): readonly TableDefinition[];
  setTable(table: TableDefinition): void;
  /** Forgets it: true when it was there. */
  removeTable(schema: string, name: string): boolean;
  schema(name: string): SchemaDefinition | undefined;
  setSchema(schema: SchemaDefinition): void;
  schemas(): readonly SchemaDefinition[];
  snapshot(): TrackerSnapshot;
  restore(snapshot: TrackerSnapshot): void;
}

export interface ParseCreateTableOptions extends TrackerOptions {
  readonly schema: string;
  /** Of the session that read the text: only ANSI_QUOTES and NO_BACKSLASH_ESCAPES matter. */
  readonly sqlMode?: string;
}

/** The answer of SHOW CREATE TABLE as a structure. Throws 36067 when it is not one. */
export function parseCreateTable(text: string, options: ParseCreateTableOptions): TableDefinition {
  const statement = parseStatement(text, options);
  if (statement.kind !== "createTable" || statement.asSelect !== undefined) {
    throw ddlErrors.parse([text], new Error("this is not the CREATE TABLE statement of a table"));
  }
  return buildTable(options.schema, statement, contextOf(options, serverSchema(options, options.schema), undefined, true));
}

const latestVersion = 999_999;

function serverSchema(options: TrackerOptions, name: string): SchemaDefinition {
  const { flavor, serverDefaults = {} } = options;
  const charset = canonicalCharset(serverDefaults.charset ?? (flavor === "mysql" ? "utf8mb4" : "latin1"));
  const collation = serverDefaults.collation ?? defaultCollation(charset, flavor, serverDefaults.collations);
  return { name, charset, collation: canonicalCollation(collation) };
}

function contextOf(
  options: TrackerOptions,
  schema: SchemaDefinition,
  session: SessionFacts | undefined,
  fromServer: boolean,
): BuildContext {
  const { serverDefaults = {} } = options;
  return {
    flavor: options.flavor,
    version: options.version ?? latestVersion,
    charset: schema.charset,
    collation: schema.collation,
    collations: session?.collations ?? serverDefaults.collations ?? {},
    explicitDefaultsForTimestamp: session?.explicitDefaultsForTimestamp ?? serverDefaults.explicitDefaultsForTimestamp ?? true,
    fromServer,
  };
}

export function createSchemaTracker(options: TrackerOptions): SchemaTracker {
  return new Tracker(options);
}

const refuse = (what: string): never => {
  throw ddlErrors.track([what]);
};

interface TrackedSchema {
  definition: SchemaDefinition;
  readonly tables: Map<string, TableDefinition>;
}

class Tracker implements SchemaTracker {
  readonly #options: TrackerOptions;
  #schemas = new Map<string, TrackedSchema>();

  constructor(options: TrackerOptions) {
    this.#options = options;
  }

  #key(name: string): string {
    return this.#options.lowerCaseTableNames ? name.toLowerCase() : name;
  }

  #stored(name: string): string {
    return this.#options.lowerCaseTableNames === 1 ? name.toLowerCase() : name;
  }

  table(schema: string, name: string): TableDefinition | undefined {
    return this.#schemas.get(this.#key(schema))?.tables.get(this.#key(name));
  }

  tables(schema: string): readonly TableDefinition[] {
    return [...(this.#schemas.get(this.#key(schema))?.tables.values() ?? [])];
  }

  setTable(table: TableDefinition): void {
    this.#schemaFor(table.schema, undefined).tables.set(this.#key(table.name), table);
  }

  removeTable(schema: string, name: string): boolean {
    return this.#schemas.get(this.#key(schema))?.tables.delete(this.#key(name)) ?? false;
  }

  schema(name: string): SchemaDefinition | undefined {
    return this.#schemas.get(this.#key(name))?.definition;
  }

  setSchema(schema: SchemaDefinition): void {
    const known = this.#schemas.get(this.#key(schema.name));
    if (known === undefined) this.#schemas.set(this.#key(schema.name), { definition: schema, tables: new Map() });
    else known.definition = schema;
  }

  schemas(): readonly SchemaDefinition[] {
    return [...this.#schemas.values()].map((one) => one.definition);
  }

  snapshot(): TrackerSnapshot {
    const all = [...this.#schemas.values()];
    return { schemas: all.map((one) => one.definition), tables: all.flatMap((one) => [...one.tables.values()]) };
  }

  restore(snapshot: TrackerSnapshot): void {
    this.#schemas = new Map();
    for (const schema of snapshot.schemas) this.setSchema(schema);
    for (const table of snapshot.tables) this.setTable(table);
  }

  apply(statement: DdlStatement, session: SessionFacts = {}): readonly TrackedChange[] {
    switch (statement.kind) {
      case "createTable":
        return this.#createTable(statement, session);
      case "createTableLike":
        return this.#createTableLike(statement, session);
      case "alterTable":
        return this.#alterTable(statement, session);
      case "createIndex": {
        const change: AlterChange = { kind: "addIndex", index: statement.index, ...(statement.ifNotExists ? { ifNotExists: true } : {}) };
        const drop: AlterChange[] = statement.orReplace ? [{ kind: "dropIndex", name: statement.index.name ?? "" }] : [];
        return this.#alterTable({ kind: "alterTable", table: statement.table, changes: [...drop, change] }, session);
      }
      case "dropIndex":
        return this.#alterTable(
          { kind: "alterTable", table: statement.table, changes: [{ kind: "dropIndex", name: statement.name }] },
          session,
        );
      case "dropTables":
        return statement.tables.flatMap((table) => this.#drop(this.#resolve(table, session)));
      case "renameTables": {
        const before = this.#schemas;
        // All or nothing, and each pair sees what the ones before it did.
        this.#schemas = new Map([...before].map(([key, one]) => [key, { definition: one.definition, tables: new Map(one.tables) }]));
        try {
          return statement.pairs.flatMap((pair) =>
            this.#rename(this.#resolve(pair.from, session), this.#resolve(pair.to, session), statement.ifExists === true),
          );
        } catch (error) {
          this.#schemas = before;
          throw error;
        }
      }
      case "truncateTable": {
        const { schema, name } = this.#resolve(statement.table, session);
        return [{ kind: "tableTruncated", schema, name }];
      }
      case "createDatabase":
        return this.#createDatabase(statement, session);
      case "alterDatabase":
        return this.#alterDatabase(statement.name, statement.options, session);
      case "dropDatabase": {
        const known = this.#schemas.get(this.#key(statement.name));
        if (known === undefined) return [];
        this.#schemas.delete(this.#key(statement.name));
        return [{ kind: "schemaDropped", name: known.definition.name, tables: [...known.tables.values()] }];
      }
      case "other":
        return [];
    }
  }

  #resolve(table: TableName, session: SessionFacts): { readonly schema: string; readonly name: string } {
    const schema = table.schema ?? session.defaultSchema;
    if (schema === undefined || schema === "") return refuse(`no schema is chosen for table ${table.name}`);
    return { schema: this.#stored(schema), name: this.#stored(table.name) };
  }

  /** As the log says it is; where it does not, as it was told of; else with the server's defaults. */
  #schemaFor(name: string, session: SessionFacts | undefined): TrackedSchema {
    const known = this.#schemas.get(this.#key(name));
    const collation =
      session?.defaultSchema !== undefined && this.#key(session.defaultSchema) === this.#key(name) ? session.schemaCollation : undefined;
    if (known !== undefined && collation === undefined) return known;
    const server = serverSchema(this.#options, name);
    const definition =
      collation === undefined
        ? server
        : { name, ...resolveCharset({ collation }, server, { flavor: this.#options.flavor, collations: {} }) };
    if (known !== undefined) {
      known.definition = { ...definition, name: known.definition.name };
      return known;
    }
    const created = { definition, tables: new Map<string, TableDefinition>() };
    this.#schemas.set(this.#key(name), created);
    return created;
  }

  #context(schema: SchemaDefinition, session: SessionFacts): BuildContext {
    return {
      ...contextOf(this.#options, schema, session, false),
      tableOf: (referencedSchema, table) => this.table(referencedSchema ?? schema.name, table),
    };
  }

  #createTable(create: CreateTable, session: SessionFacts): readonly TrackedChange[] {
    const { schema, name } = this.#resolve(create.table, session);
    const existing = this.table(schema, name);
    if (existing !== undefined && create.ifNotExists) return [];
    if (existing !== undefined && !create.orReplace) refuse(`table ${schema}.${name} exists`);
    if (create.asSelect !== undefined) {
      refuse(
        `the columns of ${schema}.${name} come from a query (CREATE TABLE … SELECT), which the log of a source in ROW format never holds; replace the statement by a CREATE TABLE with columns`,
      );
    }
    const tracked = this.#schemaFor(schema, session);
    const table = buildTable(schema, { ...create, table: { schema, name } }, this.#context(tracked.definition, session));
    tracked.tables.set(this.#key(name), table);
    const changes: TrackedChange[] = existing === undefined ? [] : [{ kind: "tableDropped", before: existing }];
    return [...changes, { kind: "tableCreated", table }];
  }

  #createTableLike(statement: Extract<DdlStatement, { kind: "createTableLike" }>, session: SessionFacts): readonly TrackedChange[] {
    const { schema, name } = this.#resolve(statement.table, session);
    const source = this.#resolve(statement.like, session);
    const existing = this.table(schema, name);
    if (existing !== undefined && statement.ifNotExists) return [];
    if (existing !== undefined && !statement.orReplace) refuse(`table ${schema}.${name} exists`);
    const like = this.table(source.schema, source.name) ?? refuse(`table ${source.schema}.${source.name} is not known`);
    // Foreign keys are not copied. MySQL makes up new names for all checks.
    const checks =
      this.#options.flavor === "mysql" ? like.checks.map((check, index) => ({ ...check, name: `${name}_chk_${index + 1}` })) : like.checks;
    const table: TableDefinition = { ...like, schema, name, foreignKeys: [], checks };
    this.#schemaFor(schema, session).tables.set(this.#key(name), table);
    const changes: TrackedChange[] = existing === undefined ? [] : [{ kind: "tableDropped", before: existing }];
    return [...changes, { kind: "tableCreated", table }];
  }

  #alterTable(alter: AlterTable, session: SessionFacts): readonly TrackedChange[] {
    const { schema, name } = this.#resolve(alter.table, session);
    const before = this.table(schema, name);
    if (before === undefined) return alter.ifExists ? [] : refuse(`table ${schema}.${name} is not known`);
    const tracked = this.#schemaFor(schema, session);
    const table = alterTable(before, alter.changes, this.#context(tracked.definition, session));
    const renames = alter.changes.filter((change) => change.kind === "renameTable");
    const target = renames.at(-1);
    const to = target === undefined ? undefined : this.#resolve({ schema, ...target.to }, session);
    if (to !== undefined && this.#sameTable(to, before)) return this.#altered(before, table, alter.changes);
    if (to !== undefined && this.table(to.schema, to.name) !== undefined) refuse(`table ${to.schema}.${to.name} exists`);
    const changes = this.#altered(before, table, alter.changes);
    if (to === undefined) return changes;
    return [
      ...changes.filter((change) => change.kind !== "tableAltered" || alter.changes.length > renames.length),
      ...this.#rename({ schema, name }, to, false),
    ];
  }

  #sameTable(left: { readonly schema: string; readonly name: string }, right: { readonly schema: string; readonly name: string }): boolean {
    return this.#key(left.schema) === this.#key(right.schema) && this.#key(left.name) === this.#key(right.name);
  }

  #altered(before: TableDefinition, table: TableDefinition, changes: readonly AlterChange[]): readonly TrackedChange[] {
    this.setTable(table);
    this.#followColumns(before, changes);
    const facts: TrackedChange[] = [{ kind: "tableAltered", table, before }];
    for (const change of changes) {
      if (change.kind === "convertPartitionToTable") {
        const schema = this.#stored(change.table.schema ?? before.schema);
        const { partitioning: _, ...plain } = table;
        const created = { ...plain, schema, name: this.#stored(change.table.name), foreignKeys: [] };
        this.setTable(created);
        facts.push({ kind: "tableCreated", table: created });
      } else if (change.kind === "convertTableToPartition") {
        facts.push(...this.#drop({ schema: this.#stored(change.table.schema ?? before.schema), name: this.#stored(change.table.name) }));
      }
    }
    return facts;
  }

  /** Foreign keys of other tables name this one's columns. */
  #followColumns(parent: TableDefinition, changes: readonly AlterChange[]): void {
    const renames = new Map<string, string>();
    for (const change of changes) {
      if (change.kind === "renameColumn") renames.set(change.from.toLowerCase(), change.to);
      if (change.kind === "changeColumn") renames.set(change.from.toLowerCase(), change.column.name);
    }
    if (renames.size === 0) return;
    this.#updateReferences(parent, (key) => ({
      ...key,
      referencedColumns: key.referencedColumns.map((column) => renames.get(column.toLowerCase()) ?? column),
    }));
  }

  #updateReferences(
    parent: { readonly schema: string; readonly name: string },
    change: (key: TableDefinition["foreignKeys"][number], child: TableDefinition) => TableDefinition["foreignKeys"][number],
  ): void {
    for (const { tables } of this.#schemas.values()) {
      for (const [key, child] of tables) {
        const refers = (one: TableDefinition["foreignKeys"][number]) =>
          this.#sameTable({ schema: one.referencedSchema ?? child.schema, name: one.referencedTable }, parent);
        if (child.foreignKeys.some(refers))
          tables.set(key, { ...child, foreignKeys: child.foreignKeys.map((one) => (refers(one) ? change(one, child) : one)) });
      }
    }
  }

  #rename(
    from: { readonly schema: string; readonly name: string },
    to: { readonly schema: string; readonly name: string },
    ifExists: boolean,
  ): readonly TrackedChange[] {
    const before = this.table(from.schema, from.name);
    if (before === undefined) return ifExists ? [] : refuse(`table ${from.schema}.${from.name} is not known`);
    if (this.table(to.schema, to.name) !== undefined && !this.#sameTable(from, to)) refuse(`table ${to.schema}.${to.name} exists`);
    this.removeTable(from.schema, from.name);
    this.setTable(renamedTable(before, to, this.#options.flavor));
    this.#updateReferences(from, (key, child) => ({
      ...key,
      referencedSchema: to.schema === child.schema ? null : to.schema,
      referencedTable: to.name,
    }));
    const table = this.table(to.schema, to.name) as TableDefinition;
    return [{ kind: "tableRenamed", table, before }];
  }

  #drop(table: { readonly schema: string; readonly name: string }): TrackedChange[] {
    const before = this.table(table.schema, table.name);
    if (before === undefined) return [];
    this.removeTable(table.schema, table.name);
    return [{ kind: "tableDropped", before }];
  }

  #createDatabase(statement: Extract<DdlStatement, { kind: "createDatabase" }>, session: SessionFacts): readonly TrackedChange[] {
    const name = this.#stored(statement.name);
    const known = this.#schemas.get(this.#key(name));
    if (known !== undefined && !statement.orReplace) return [];
    const server = serverSchema(this.#options, name);
    const schema = { name, ...resolveCharset(statement.options, server, this.#context(server, session)) };
    this.#schemas.set(this.#key(name), { definition: schema, tables: new Map() });
    const dropped: TrackedChange[] = known === undefined ? [] : [{ kind: "schemaDropped", name, tables: [...known.tables.values()] }];
    return [...dropped, { kind: "schemaCreated", schema }];
  }

  #alterDatabase(given: string | undefined, options: DatabaseOptions, session: SessionFacts): readonly TrackedChange[] {
    const name = given ?? session.defaultSchema;
    if (name === undefined) return refuse("ALTER DATABASE without a name, and no schema is chosen");
    // The session's collation is that of the schema it is in, which need not be this one.
    const tracked = this.#schemaFor(this.#stored(name), undefined);
    const parent = options.charset === "default" ? serverSchema(this.#options, name) : tracked.definition;
    tracked.definition = { name: tracked.definition.name, ...resolveCharset(options, parent, this.#context(parent, session)) };
    return [{ kind: "schemaAltered", schema: tracked.definition }];
  }
}
