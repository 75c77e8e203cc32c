/**
 * Statements → SQL text for a family of servers. Within one family nothing is lost: parsing the text gives the same statement
 * again. Across families each difference is mapped and noted, left out and noted, or refused (44020).
 */
import { quoteIdentifier } from "../../core/quote.ts";
import type {
  AlterChange,
  AlterTable,
  CheckSpec,
  ColumnSpec,
  CreateTable,
  DatabaseOptions,
  DdlStatement,
  ForeignKeySpec,
  IndexSpec,
  Position,
  ReferencesSpec,
  TableName,
  TableOption,
  TypeSpec,
} from "./ast.ts";
import { type DdlDialect, mapCharset, mapCollation } from "./collations.ts";
import { ddlErrors } from "./errors.ts";
import { stringSql } from "./lexer.ts";

export interface PrintOptions {
  readonly dialect: DdlDialect;
  /** Receives what differs in the target, one sentence each. */
  readonly note?: (text: string) => void;
}

/** Empty when all that the statement would do was left out: there is nothing to run. */
export function printStatement(statement: DdlStatement, options: PrintOptions): string {
  return new Printer(options).statement(statement);
}

/** A value that came from outside the parser must not smuggle SQL in: free text is only ever taken from parsed statements. */
const quote = quoteIdentifier;

function tableSql(table: TableName): string {
  return table.schema === undefined ? quote(table.name) : `${quote(table.schema)}.${quote(table.name)}`;
}

const columnList = (names: readonly string[]) => `(${names.map(quote).join(", ")})`;
const blobLike = /^(?:tiny|medium|long)?(?:text|blob)$|^json$|^geometry|point$|linestring$|polygon$/;
const spatialTypes = new Set([
  "geometry",
  "point",
  "linestring",
  "polygon",
  "multipoint",
  "multilinestring",
  "multipolygon",
  "geometrycollection",
]);

/** Literals that need no brackets in MySQL's DEFAULT. */
const isCompressed = (attribute: string): boolean => attribute.startsWith("COMPRESSED");

const plainDefault =
  /^(?:NULL|TRUE|FALSE|[-+]?[0-9.]+(?:e[-+]?[0-9]+)?|N?'.*|_[a-z0-9]+\s*'.*|b'.*|0x.*|x''|CURRENT_TIMESTAMP(?:\([0-6]\))?|\(.*)$/is;

const mysqlEngines = /^(?:innodb|myisam|memory|heap|csv|archive|blackhole|merge|mrg_myisam|federated|ndb|ndbcluster)$/i;
const mariadbEngines = /^(?:ndb|ndbcluster)$/i;

const mariadbOnlyOptions = new Set([
  "PAGE_CHECKSUM",
  "TRANSACTIONAL",
  "PAGE_COMPRESSED",
  "`PAGE_COMPRESSED`",
  "PAGE_COMPRESSION_LEVEL",
  "`PAGE_COMPRESSION_LEVEL`",
  "ENCRYPTED",
  "`ENCRYPTED`",
  "ENCRYPTION_KEY_ID",
  "`ENCRYPTION_KEY_ID`",
  "IETF_QUOTES",
  "SEQUENCE",
  "`TABLE_TYPE`",
]);
const mysqlOnlyOptions = new Set([
  "COMPRESSION",
  "ENCRYPTION",
  "ENGINE_ATTRIBUTE",
  "SECONDARY_ENGINE",
  "SECONDARY_ENGINE_ATTRIBUTE",
  "TABLESPACE",
  "STORAGE",
  "AUTOEXTEND_SIZE",
  "START TRANSACTION",
]);
const tidbOptions = new Set(["CHARACTER SET", "COLLATE", "COMMENT", "AUTO_INCREMENT", "ENGINE"]);

class Printer {
  readonly #dialect: DdlDialect;
  readonly #note: (text: string) => void;
  /** MySQL has no IF [NOT] EXISTS inside ALTER TABLE, nor for indexes. */
  readonly #conditional: boolean;

  constructor(options: PrintOptions) {
    this.#dialect = options.dialect;
    this.#note = options.note ?? (() => {});
    this.#conditional = options.dialect !== "mysql";
  }

  #refuse(what: string): never {
    throw ddlErrors.noEqual([this.#dialect, what]);
  }

  #if(flag: boolean | undefined, text: string): string {
    if (flag !== true) return "";
    if (this.#conditional) return `${text} `;
    this.#note(`${text} is left out: MySQL has no such form here`);
    return "";
  }

  statement(statement: DdlStatement): string {
    switch (statement.kind) {
      case "createTable":
        return this.#createTable(statement);
      case "createTableLike":
        return `${this.#create(statement.orReplace)}TABLE ${statement.ifNotExists ? "IF NOT EXISTS " : ""}${tableSql(statement.table)} LIKE ${tableSql(statement.like)}`;
      case "alterTable":
        return this.#alterTable(statement);
      case "dropTables":
        return `DROP TABLE ${statement.ifExists ? "IF EXISTS " : ""}${statement.tables.map(tableSql).join(", ")}`;
      case "renameTables":
        return `RENAME TABLE ${this.#if(statement.ifExists, "IF EXISTS")}${statement.pairs.map((pair) => `${tableSql(pair.from)} TO ${tableSql(pair.to)}`).join(", ")}`;
      case "truncateTable":
        return `TRUNCATE TABLE ${tableSql(statement.table)}`;
      case "createIndex": {
        const { index } = statement;
        const kind = index.kind === "index" ? "" : `${index.kind.toUpperCase()} `;
        const exists = this.#if(statement.ifNotExists, "IF NOT EXISTS");
        return `${this.#create(statement.orReplace)}${kind}INDEX ${exists}${quote(index.name ?? "")} ON ${tableSql(statement.table)} ${this.#indexParts(index)}${this.#algorithm(statement, " ")}`;
      }
      case "dropIndex":
        return `DROP INDEX ${this.#if(statement.ifExists, "IF EXISTS")}${quote(statement.name)} ON ${tableSql(statement.table)}${this.#algorithm(statement, " ")}`;
      case "createDatabase":
        return `${this.#create(statement.orReplace)}DATABASE ${statement.ifNotExists ? "IF NOT EXISTS " : ""}${quote(statement.name)}${this.#databaseOptions(statement.options)}`;
      case "alterDatabase":
        return `ALTER DATABASE${statement.name === undefined ? "" : ` ${quote(statement.name)}`}${this.#databaseOptions(statement.options)}`;
      case "dropDatabase":
        return `DROP DATABASE ${statement.ifExists ? "IF EXISTS " : ""}${quote(statement.name)}`;
      case "other":
        return statement.text;
    }
  }

  #create(orReplace: true | undefined): string {
    if (orReplace === undefined) return "CREATE ";
    if (this.#dialect !== "mariadb") this.#refuse("CREATE OR REPLACE (split the statement into DROP and CREATE)");
    return "CREATE OR REPLACE ";
  }

  #algorithm(source: { readonly algorithm?: string; readonly lock?: string }, separator: string): string {
    if (this.#dialect === "tidb") return "";
    let text = "";
    // NOCOPY is MariaDB's; a hint that the target may refuse is worth less than the change.
    if (source.algorithm !== undefined && !(this.#dialect === "mysql" && source.algorithm === "NOCOPY")) {
      text += `${separator}ALGORITHM=${source.algorithm}`;
    }
    if (source.lock !== undefined) text += `${separator}LOCK=${source.lock}`;
    return text;
  }

  #charset(name: string): string {
    const mapped = mapCharset(name, this.#dialect);
    if (mapped.note !== undefined) this.#note(mapped.note);
    return mapped.name;
  }

  #collation(name: string): string {
    const mapped = mapCollation(name, this.#dialect);
    if (mapped.note !== undefined) this.#note(mapped.note);
    return mapped.name;
  }

  #databaseOptions(options: DatabaseOptions): string {
    let text = "";
    if (options.charset !== undefined) text += ` CHARACTER SET ${this.#charset(options.charset)}`;
    if (options.collation !== undefined) text += ` COLLATE ${this.#collation(options.collation)}`;
    if (options.comment !== undefined) {
      if (this.#dialect === "mariadb") text += ` COMMENT ${stringSql(options.comment)}`;
      else this.#note("the comment of the schema is left out");
    }
    for (const other of options.other ?? []) {
      if (this.#dialect === "mysql") text += ` ${other}`;
      else this.#note(`${other} of the schema is left out`);
    }
    return text;
  }

  #createTable(create: CreateTable): string {
    const parts = [
      ...create.columns.map((column) => this.column(column)),
      ...create.indexes.flatMap((index) => this.#index(index) ?? []),
      ...create.foreignKeys.map((foreignKey) => this.#foreignKey(foreignKey)),
      ...create.checks.flatMap((check) => this.#check(check) ?? []),
      ...(create.periods ?? []).map((period) => this.#period(period.name, period.start, period.end)),
    ];
    let text = `${this.#create(create.orReplace)}TABLE ${create.ifNotExists ? "IF NOT EXISTS " : ""}${tableSql(create.table)}`;
    if (parts.length > 0) text += ` (${parts.join(", ")})`;
    text += this.#tableOptions(create.options);
    if (create.systemVersioning) {
      if (this.#dialect === "mariadb") text += " WITH SYSTEM VERSIONING";
      else this.#note("system versioning is left out: the target keeps current rows only");
    }
    if (create.partitioning !== undefined) text += this.#partitioning(create.partitioning);
    if (create.asSelect !== undefined) text += ` ${create.asSelect}`;
    return text;
  }

  #partitioning(text: string): string {
    if (this.#dialect !== "mariadb" && /^SYSTEM_TIME\b/i.test(text)) {
      this.#note("partitioning by SYSTEM_TIME is left out");
      return "";
    }
    return ` PARTITION BY ${text}`;
  }

  #period(name: string, start: string, end: string): string {
    if (this.#dialect !== "mariadb") this.#refuse(`the period ${name}`);
    // SYSTEM_TIME is a keyword: quoted it would be an application period of that name.
    const period = name.toUpperCase() === "SYSTEM_TIME" ? "SYSTEM_TIME" : quote(name);
    return `PERIOD FOR ${period} (${quote(start)}, ${quote(end)})`;
  }

  #tableOptions(options: readonly TableOption[]): string {
    return options
      .flatMap((option) => this.#tableOption(option) ?? [])
      .map((text) => ` ${text}`)
      .join("");
  }

  #tableOption(option: TableOption): string | undefined {
    const { name, value } = option;
    if (this.#dialect === "tidb" && !tidbOptions.has(name)) return this.#leaveOut(option);
    if (this.#dialect !== "mariadb" && (mariadbOnlyOptions.has(name.toUpperCase()) || (name === "ROW_FORMAT" && value === "PAGE"))) {
      return this.#leaveOut(option);
    }
    if (this.#dialect === "mariadb" && mysqlOnlyOptions.has(name)) return this.#leaveOut(option);
    switch (name) {
      case "CHARACTER SET":
        return `DEFAULT CHARACTER SET=${this.#charset(value)}`;
      case "COLLATE":
        return `COLLATE=${this.#collation(value)}`;
      case "COMMENT":
        return `COMMENT=${stringSql(value)}`;
      case "ENGINE": {
        const known = this.#dialect === "mariadb" ? !mariadbEngines.test(value) : mysqlEngines.test(value);
        if (known) return `ENGINE=${/^\w+$/.test(value) ? value : quote(value)}`;
        this.#note(`storage engine ${value} becomes InnoDB`);
        return "ENGINE=InnoDB";
      }
      default:
        return `${name}=${value}`;
    }
  }

  #leaveOut(option: TableOption): undefined {
    this.#note(`table option ${option.name} is left out`);
    return undefined;
  }

  /** `compressed`: MariaDB has that word right after the length; from 11 on it is taken nowhere else. */
  type(type: TypeSpec, compressed = ""): string {
    if (this.#dialect === "tidb" && spatialTypes.has(type.name)) this.#refuse(`the type ${type.name}`);
    let { name, length }: { name: string; length?: number | undefined } = type;
    if (this.#dialect !== "mariadb") {
      const mapped = foreignTypes[name];
      if (mapped !== undefined) {
        this.#note(`type ${name} becomes ${mapped}`);
        return mapped;
      }
      if (name === "xmltype") {
        this.#note("type xmltype becomes longtext");
        name = "longtext";
        length = undefined;
      }
    }
    let text: string = name;
    if (type.members !== undefined) text += `(${type.members.map(stringSql).join(",")})`;
    else if (length !== undefined) text += type.decimals === undefined ? `(${length})` : `(${length},${type.decimals})`;
    else if (type.decimals !== undefined) text += `(${type.decimals})`;
    if (type.unsigned) text += " unsigned";
    if (type.zerofill) text += " zerofill";
    text += compressed;
    if (type.charset !== undefined) text += ` CHARACTER SET ${this.#charset(type.charset)}`;
    if (type.binaryCollation) text += " BINARY";
    // `binary` has one collation, and MySQL 8.0 does not take its name there.
    if (type.collation !== undefined && type.collation !== "binary") text += ` COLLATE ${this.#collation(type.collation)}`;
    return text;
  }

  #default(sql: string, type: TypeSpec): string {
    if (this.#dialect === "mariadb") return sql;
    if (!plainDefault.test(sql)) return `(${sql})`;
    // MySQL: a literal default of a BLOB, TEXT, JSON or GEOMETRY column has to be an expression.
    if (blobLike.test(type.name) && sql !== "NULL" && !sql.startsWith("(")) return `(${sql})`;
    return sql;
  }

  column(column: ColumnSpec): string {
    const compressed = column.attributes?.find(isCompressed);
    let text = `${quote(column.name)} ${this.type(column.type, compressed === undefined ? "" : this.#attribute(compressed, column.name))}`;
    // MariaDB takes it as a part of the type.
    if (column.type.srid !== undefined && this.#dialect === "mariadb") text += ` REF_SYSTEM_ID=${column.type.srid}`;
    if (column.rowBound !== undefined) {
      if (this.#dialect !== "mariadb") this.#refuse(`the row bound column ${column.name}`);
      text += ` GENERATED ALWAYS AS ROW ${column.rowBound.toUpperCase()}`;
    }
    if (column.generated !== undefined) {
      text += ` GENERATED ALWAYS AS (${column.generated.expression}) ${column.generated.stored ? "STORED" : "VIRTUAL"}`;
    }
    // MariaDB refuses NULL and NOT NULL on generated columns.
    if (column.nullable !== undefined && !(this.#dialect === "mariadb" && column.generated !== undefined)) {
      text += column.nullable ? " NULL" : " NOT NULL";
    }
    if (column.type.srid !== undefined && this.#dialect === "mysql") text += ` SRID ${column.type.srid}`;
    if (column.invisible) {
      if (this.#dialect === "tidb") this.#note(`column ${column.name} is visible: TiDB has no invisible columns`);
      else text += this.#dialect === "mysql" ? " /*!80023 INVISIBLE */" : " INVISIBLE"; // older ones have it visible
    }
    if (column.defaultSql !== undefined) text += ` DEFAULT ${this.#default(column.defaultSql, column.type)}`;
    if (column.onUpdateSql !== undefined) text += ` ON UPDATE ${column.onUpdateSql}`;
    if (column.autoIncrement) text += " AUTO_INCREMENT";
    for (const key of column.keys ?? []) text += key === "primary" ? " PRIMARY KEY" : " UNIQUE KEY";
    if (column.comment !== undefined) text += ` COMMENT ${stringSql(column.comment)}`;
    for (const attribute of column.attributes ?? []) if (!isCompressed(attribute)) text += this.#attribute(attribute, column.name);
    for (const check of column.checks ?? []) {
      const printed = this.#check(check);
      if (printed !== undefined) text += ` ${printed}`;
    }
    if (column.references !== undefined) text += ` ${this.#references(column.references)}`;
    return text;
  }

  #attribute(attribute: string, column: string): string {
    const ofMysql = /^(?:COLUMN_FORMAT|STORAGE|NOT SECONDARY|ENGINE_ATTRIBUTE|SECONDARY_ENGINE_ATTRIBUTE)/.test(attribute);
    if (this.#dialect === (ofMysql ? "mysql" : "mariadb")) return ` ${attribute}`;
    this.#note(`attribute ${attribute} of column ${column} is left out`);
    return "";
  }

  #check(check: CheckSpec): string | undefined {
    if (check.enforced === false && this.#dialect === "mariadb") {
      this.#note(`check ${check.name ?? check.expression} is left out: it is not enforced, and MariaDB enforces all`);
      return undefined;
    }
    const name = check.name === undefined ? "" : `CONSTRAINT ${quote(check.name)} `;
    return `${name}CHECK (${check.expression})${check.enforced === false ? " NOT ENFORCED" : ""}`;
  }

  #references(references: ReferencesSpec): string {
    let text = `REFERENCES ${tableSql(references.table)}`;
    if (references.columns.length > 0) text += ` ${columnList(references.columns)}`;
    if (references.match !== undefined) text += ` MATCH ${references.match}`;
    if (references.onDelete !== undefined) text += ` ON DELETE ${references.onDelete}`;
    if (references.onUpdate !== undefined) text += ` ON UPDATE ${references.onUpdate}`;
    return text;
  }

  #foreignKey(key: ForeignKeySpec): string {
    const name = key.name === undefined ? "" : `CONSTRAINT ${quote(key.name)} `;
    const indexName = key.indexName === undefined ? "" : `${quote(key.indexName)} `;
    return `${name}FOREIGN KEY ${indexName}${columnList(key.columns)} ${this.#references(key.references)}`;
  }

  #indexParts(index: IndexSpec): string {
    const parts = index.parts.map((part) => {
      let text: string;
      if (part.column === null) {
        if (this.#dialect === "mariadb") this.#refuse(`an index on an expression (${index.name ?? part.expression ?? ""})`);
        text = `(${part.expression ?? ""})`;
      } else {
        text = quote(part.column);
        if (part.prefixLength !== undefined) text += `(${part.prefixLength})`;
      }
      return part.descending ? `${text} DESC` : text;
    });
    if (index.withoutOverlaps !== undefined) {
      if (this.#dialect !== "mariadb") this.#refuse("WITHOUT OVERLAPS");
      parts.push(`${quote(index.withoutOverlaps)} WITHOUT OVERLAPS`);
    }
    let text = `(${parts.join(", ")})`;
    if (index.using !== undefined) text += ` USING ${index.using.toUpperCase()}`;
    for (const option of index.options ?? []) {
      const ofMariadb = /^(?:M|DISTANCE|CLUSTERING)=/i.test(option);
      if (ofMariadb && this.#dialect !== "mariadb") this.#note(`index option ${option} is left out`);
      else text += ` ${option}`;
    }
    if (index.comment !== undefined) text += ` COMMENT ${stringSql(index.comment)}`;
    if (index.invisible) text += this.#dialect === "mariadb" ? " IGNORED" : " INVISIBLE";
    return text;
  }

  #index(index: IndexSpec, constraintName?: string, exists = ""): string | undefined {
    if (index.kind === "vector" && this.#dialect !== "mariadb") {
      this.#note(`vector index ${index.name ?? ""} is left out`);
      return undefined;
    }
    if (index.kind === "spatial" && this.#dialect === "tidb") this.#refuse("a SPATIAL index");
    const kind = {
      primary: "PRIMARY KEY",
      unique: "UNIQUE KEY",
      index: "KEY",
      fulltext: "FULLTEXT KEY",
      spatial: "SPATIAL KEY",
      vector: "VECTOR KEY",
    };
    const constraint = constraintName === undefined ? "" : `CONSTRAINT ${quote(constraintName)} `;
    const name = index.name === undefined ? "" : `${quote(index.name)} `;
    return `${constraint}${kind[index.kind]} ${exists}${name}${this.#indexParts(index)}`;
  }

  #alterTable(alter: AlterTable): string {
    let text = "ALTER ";
    if (alter.online && this.#dialect === "mariadb") text += "ONLINE ";
    if (alter.ignore && this.#dialect === "mariadb") text += "IGNORE ";
    text += `TABLE ${this.#if(alter.ifExists, "IF EXISTS")}${tableSql(alter.table)}`;
    if (alter.wait !== undefined && this.#dialect === "mariadb") text += alter.wait === "nowait" ? " NOWAIT" : ` WAIT ${alter.wait}`;
    const changes = alter.changes.flatMap((change) => this.#change(change) ?? []);
    if (changes.length === 0 && alter.changes.length > 0) return "";
    const hints = this.#algorithm(alter, ", ");
    // Partitioning ends the statement and takes no comma before it, so hints go first.
    const partitioning = changes.filter((change) => /^(?:PARTITION BY|REMOVE PARTITIONING)/.test(change));
    const plain = changes.filter((change) => !partitioning.includes(change));
    const list = `${plain.join(", ")}${hints}`.replace(/^, /, "");
    return [text, list, ...partitioning].filter((part) => part !== "").join(" ");
  }

  #position(position: Position | undefined): string {
    if (position === undefined) return "";
    return position.kind === "first" ? " FIRST" : ` AFTER ${quote(position.column)}`;
  }

  #change(change: AlterChange): string | undefined {
    switch (change.kind) {
      case "addColumn":
        return `ADD COLUMN ${this.#if(change.ifNotExists, "IF NOT EXISTS")}${this.column(change.column)}${this.#position(change.position)}`;
      case "dropColumn":
        return `DROP COLUMN ${this.#if(change.ifExists, "IF EXISTS")}${quote(change.name)}`;
      case "modifyColumn":
        return `MODIFY COLUMN ${this.#if(change.ifExists, "IF EXISTS")}${this.column(change.column)}${this.#position(change.position)}`;
      case "changeColumn":
        return `CHANGE COLUMN ${this.#if(change.ifExists, "IF EXISTS")}${quote(change.from)} ${this.column(change.column)}${this.#position(change.position)}`;
      case "renameColumn":
        return `RENAME COLUMN ${this.#if(change.ifExists, "IF EXISTS")}${quote(change.from)} TO ${quote(change.to)}`;
      case "alterColumnDefault": {
        const head = `ALTER COLUMN ${this.#if(change.ifExists, "IF EXISTS")}${quote(change.name)}`;
        if (change.defaultSql === undefined) return `${head} DROP DEFAULT`;
        const needsBrackets = this.#dialect !== "mariadb" && !plainDefault.test(change.defaultSql);
        return `${head} SET DEFAULT ${needsBrackets ? `(${change.defaultSql})` : change.defaultSql}`;
      }
      case "alterColumnVisibility":
        if (this.#dialect !== "mysql") this.#refuse(`ALTER COLUMN ${change.name} SET ${change.invisible ? "INVISIBLE" : "VISIBLE"}`);
        return `ALTER COLUMN ${quote(change.name)} SET ${change.invisible ? "INVISIBLE" : "VISIBLE"}`;
      case "addIndex": {
        const printed = this.#index(change.index, change.constraintName, this.#if(change.ifNotExists, "IF NOT EXISTS"));
        return printed === undefined ? undefined : `ADD ${printed}`;
      }
      case "dropIndex":
        return change.name === "PRIMARY" ? "DROP PRIMARY KEY" : `DROP INDEX ${this.#if(change.ifExists, "IF EXISTS")}${quote(change.name)}`;
      case "renameIndex":
        return `RENAME INDEX ${this.#if(change.ifExists, "IF EXISTS")}${quote(change.from)} TO ${quote(change.to)}`;
      case "alterIndexVisibility": {
        const words = this.#dialect === "mariadb" ? ["IGNORED", "NOT IGNORED"] : ["INVISIBLE", "VISIBLE"];
        return `ALTER INDEX ${this.#if(change.ifExists, "IF EXISTS")}${quote(change.name)} ${change.invisible ? words[0] : words[1]}`;
      }
      case "addForeignKey": {
        const exists = this.#if(change.ifNotExists, "IF NOT EXISTS");
        const { foreignKey } = change;
        const name = foreignKey.name === undefined ? "" : `CONSTRAINT ${quote(foreignKey.name)} `;
        const indexName = foreignKey.indexName === undefined ? "" : `${quote(foreignKey.indexName)} `;
        return `ADD ${name}FOREIGN KEY ${exists}${indexName}${columnList(foreignKey.columns)} ${this.#references(foreignKey.references)}`;
      }
      case "dropForeignKey":
        return `DROP FOREIGN KEY ${this.#if(change.ifExists, "IF EXISTS")}${quote(change.name)}`;
      case "addCheck": {
        const printed = this.#check(change.check);
        if (printed === undefined) return undefined;
        if (change.ifNotExists === undefined || change.check.name === undefined) return `ADD ${printed}`;
        return `ADD ${printed.replace("CONSTRAINT ", `CONSTRAINT ${this.#if(true, "IF NOT EXISTS")}`)}`;
      }
      case "dropCheck":
        return this.#dialect === "mariadb" ? `DROP CONSTRAINT ${quote(change.name)}` : `DROP CHECK ${quote(change.name)}`;
      case "alterCheck":
        if (this.#dialect === "mariadb") this.#refuse(`ALTER CHECK ${change.name} (MariaDB enforces every check)`);
        return `ALTER CHECK ${quote(change.name)} ${change.enforced ? "" : "NOT "}ENFORCED`;
      case "dropConstraint":
        return `DROP CONSTRAINT ${this.#if(change.ifExists, "IF EXISTS")}${quote(change.name)}`;
      case "renameTable":
        return `RENAME TO ${tableSql(change.to)}`;
      case "convertCharset": {
        const charset = change.charset === "default" ? "DEFAULT" : this.#charset(change.charset);
        return `CONVERT TO CHARACTER SET ${charset}${change.collation === undefined ? "" : ` COLLATE ${this.#collation(change.collation)}`}`;
      }
      case "options": {
        const printed = this.#tableOptions(change.options).trimStart();
        return printed === "" ? undefined : printed;
      }
      case "orderBy":
        if (this.#dialect === "tidb") return undefined;
        return `ORDER BY ${change.text}`;
      case "partitionBy":
        return this.#partitioning(change.text).trimStart() || undefined;
      case "removePartitioning":
        return "REMOVE PARTITIONING";
      case "addPartition":
        return `ADD PARTITION ${this.#if(change.ifNotExists, "IF NOT EXISTS")}${change.text}`;
      case "dropPartition":
        return `DROP PARTITION ${this.#if(change.ifExists, "IF EXISTS")}${change.names.map(quote).join(", ")}`;
      case "truncatePartition":
        return `TRUNCATE PARTITION ${partitions(change.names)}`;
      case "coalescePartition":
        return `COALESCE PARTITION ${change.count}`;
      case "reorganizePartition":
        return change.text === undefined ? "REORGANIZE PARTITION" : `REORGANIZE PARTITION ${partitions(change.names)} INTO ${change.text}`;
      case "exchangePartition":
        return `EXCHANGE PARTITION ${quote(change.partition)} WITH TABLE ${tableSql(change.table)}${change.withoutValidation ? " WITHOUT VALIDATION" : ""}`;
      case "convertPartitionToTable":
        if (this.#dialect !== "mariadb") this.#refuse("CONVERT PARTITION … TO TABLE");
        return `CONVERT PARTITION ${quote(change.partition)} TO TABLE ${tableSql(change.table)}`;
      case "convertTableToPartition":
        if (this.#dialect !== "mariadb") this.#refuse("CONVERT TABLE … TO PARTITION");
        return `CONVERT TABLE ${tableSql(change.table)} TO PARTITION ${quote(change.partition)} ${change.text}`;
      case "maintainPartition":
        return `${change.action} PARTITION ${partitions(change.names)}${change.suffix === "" ? "" : ` ${change.suffix}`}`;
      case "maintenance":
        return change.text;
      case "systemVersioning":
        if (this.#dialect === "mariadb") return `${change.action.toUpperCase()} SYSTEM VERSIONING`;
        this.#note("system versioning is left out: the target keeps current rows only");
        return undefined;
      case "addPeriod":
        return `ADD ${this.#period(change.period.name, change.period.start, change.period.end).replace("PERIOD FOR ", change.ifNotExists ? "PERIOD FOR IF NOT EXISTS " : "PERIOD FOR ")}`;
      case "dropPeriod":
        if (this.#dialect !== "mariadb") this.#refuse(`the period ${change.name}`);
        return `DROP PERIOD FOR ${change.ifExists ? "IF EXISTS " : ""}${change.name.toUpperCase() === "SYSTEM_TIME" ? "SYSTEM_TIME" : quote(change.name)}`;
    }
  }
}

function partitions(names: readonly string[]): string {
  return names.length === 0 ? "ALL" : names.map(quote).join(", ");
}

/** MariaDB's types as MySQL and TiDB can hold them, in their text form. */
const foreignTypes: Record<string, string> = { uuid: "char(36)", inet4: "varchar(15)", inet6: "varchar(39)" };
