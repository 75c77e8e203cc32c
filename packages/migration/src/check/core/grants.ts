/**
 * What an account may do, from the lines of SHOW GRANTS: MariaDB's and MySQL's names (`BINLOG MONITOR` is what was
 * `REPLICATION CLIENT`), schema patterns with wildcards, lists of columns, partial revokes.
 */
import { createLexer, type SqlToken } from "@skein/mysql";

export interface Grants {
  /** Everywhere; or on a schema; or on a table. A privilege on some columns only does not count. */
  has(privilege: string, schema?: string, table?: string): boolean;
}

interface Grant {
  readonly privileges: ReadonlySet<string>;
  /** `*` for all. */
  readonly schema: string;
  readonly table: string;
}

/** Newer names of MariaDB → the ones asked for. */
const sameAs: Readonly<Record<string, string>> = {
  "BINLOG MONITOR": "REPLICATION CLIENT",
  "REPLICATION REPLICA": "REPLICATION SLAVE",
  "ALL PRIVILEGES": "ALL",
};

export function parseGrants(lines: readonly string[]): Grants {
  const granted: Grant[] = [];
  const revoked: Grant[] = [];
  for (const line of lines) {
    const tokens = tokensOf(line);
    const isRevoke = tokens[0]?.keyword === "REVOKE";
    const on = tokens.findIndex(({ keyword }) => keyword === "ON");
    const to = tokens.findIndex(({ keyword }) => keyword === (isRevoke ? "FROM" : "TO"));
    if (on === -1 || to === -1 || on > to) continue; // a role, or SET DEFAULT ROLE: what roles give has lines of its own
    const privileges = privilegesOf(tokens.slice(1, on));
    const scope = tokens.slice(on + 1, to).filter(({ keyword }) => keyword !== "TABLE");
    if (["FUNCTION", "PROCEDURE", "PACKAGE", "PROXY"].some((kind) => scope[0]?.keyword === kind)) continue;
    const [schema, , table] = scope;
    if (schema === undefined || table === undefined) continue;
    (isRevoke ? revoked : granted).push({ privileges, schema: schema.text, table: table.text });
  }
  const covers = (grant: Grant, privilege: string, schema?: string, table?: string): boolean => {
    if (!grant.privileges.has(privilege) && !(grant.privileges.has("ALL") && privilege !== "GRANT OPTION")) return false;
    if (grant.schema === "*") return true;
    if (schema === undefined || !matchesSchema(grant.schema, schema)) return false;
    return grant.table === "*" || (table !== undefined && grant.table === table);
  };
  return {
    has: (privilege, schema, table) => {
      if (!granted.some((grant) => covers(grant, privilege, schema, table))) return false;
      return schema === undefined || !revoked.some((grant) => grant.schema !== "*" && covers(grant, privilege, schema, table));
    },
  };
}

function tokensOf(line: string): SqlToken[] {
  const lexer = createLexer(line, { flavor: "mysql" });
  const tokens: SqlToken[] = [];
  for (let token = lexer.next(); token.kind !== "end"; token = lexer.next()) tokens.push(token);
  return tokens;
}

/** `SELECT, INSERT (a, b), CREATE TEMPORARY TABLES`; what is on columns is left out. */
function privilegesOf(tokens: readonly SqlToken[]): Set<string> {
  const names = new Set<string>();
  let words: string[] = [];
  let depth = 0;
  let onColumns = false;
  const finish = () => {
    const name = words.join(" ");
    if (name !== "" && !onColumns) names.add(sameAs[name] ?? name);
    words = [];
    onColumns = false;
  };
  for (const token of tokens) {
    if (token.text === "(") {
      depth += 1;
      onColumns = true;
    } else if (token.text === ")") depth -= 1;
    else if (depth > 0) continue;
    else if (token.text === ",") finish();
    else words.push(token.text.toUpperCase());
  }
  finish();
  return names;
}

/** `_` one character, `%` any, `\_` and `\%` themselves. */
function matchesSchema(pattern: string, schema: string): boolean {
  const source = pattern.replace(/\\([_%])|([_%])|([\\^$.*+?()[\]{}|])/g, (_all, plain?: string, wildcard?: string, special?: string) =>
    plain !== undefined ? plain : wildcard === "_" ? "." : wildcard === "%" ? ".*" : `\\${special ?? ""}`,
  );
  return new RegExp(`^${source}$`, "su").test(schema);
}
