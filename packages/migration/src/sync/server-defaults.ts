/** What a server takes where a DDL says nothing: charsets, collations, and what its version makes of the text. */
import { type Connection, MysqlServerError } from "@skein/mysql";

export interface ServerDefaults {
  /** As in versioned comments: 80015, 101111, 110806. */
  readonly version: number;
  readonly charset: string | null;
  readonly collation: string | null;
  /** Charset → collation of `CHARACTER SET x` without more: MariaDB 11's `@@character_set_collations`, MySQL's choice for utf8mb4. */
  readonly collations: Readonly<Record<string, string>>;
  readonly lowerCaseTableNames: 0 | 1 | 2;
}

const unknownColumn = 1054;

type Queries = Pick<Connection, "query" | "flavor" | "serverVersion">;

export async function readServerDefaults(server: Queries, signal: AbortSignal): Promise<ServerDefaults> {
  const { rows } = await server.query("SELECT @@character_set_server, @@collation_server, @@lower_case_table_names", signal);
  const [charset = null, collation = null, names] = rows[0] ?? [];
  return {
    version: commentVersion(server.serverVersion),
    charset,
    collation,
    collations: await defaultCollations(server, signal),
    lowerCaseTableNames: names === "1" ? 1 : names === "2" ? 2 : 0,
  };
}

/** `11.8.6-MariaDB…` → 110806, in both families. MariaDB before 11 says 5.5.5 first, for clients of old. */
function commentVersion(text: string): number {
  const [, major = "0", minor = "0", patch = "0"] = /^(?:5\.5\.5-)?(\d+)\.(\d+)\.(\d+)/.exec(text) ?? [];
  return Number(major) * 10_000 + Number(minor) * 100 + Number(patch);
}

async function defaultCollations(server: Queries, signal: AbortSignal): Promise<Readonly<Record<string, string>>> {
  const isMysql = server.flavor === "mysql";
  const variable = isMysql ? "default_collation_for_utf8mb4" : "character_set_collations";
  const { rows } = await server.query(`SHOW GLOBAL VARIABLES LIKE '${variable}'`, signal); // older ones have none
  const text = rows[0]?.[1] ?? "";
  if (text === "") return {};
  if (isMysql) return { utf8mb4: text };
  return Object.fromEntries(text.split(",").map((pair) => pair.split("=", 2) as [string, string]));
}

/** Collations of a server by the numbers that its binlog has for them. */
export async function readCollationNames(server: Queries, signal: AbortSignal): Promise<ReadonlyMap<number, string>> {
  // From MariaDB 10.10 on one name may go with several charsets, and has no number of its own.
  const full = "SELECT id, full_collation_name FROM information_schema.collation_character_set_applicability";
  const plain = "SELECT id, collation_name FROM information_schema.collations";
  const { rows } = await server.query(server.flavor === "mariadb" ? full : plain, signal).catch((error: unknown) => {
    if (error instanceof MysqlServerError && error.errno === unknownColumn) return server.query(plain, signal);
    throw error;
  });
  return new Map(rows.flatMap(([id, name]): [number, string][] => (id == null || name == null ? [] : [[Number(id), name]])));
}

/** Whether the two servers make different tables of the same text. */
export function differInDefaults(a: ServerDefaults, b: ServerDefaults): boolean {
  const series = ({ version }: ServerDefaults) => Math.trunc(version / 100);
  const collations = ({ collations: all }: ServerDefaults) =>
    Object.entries(all)
      .map((pair) => pair.join("="))
      .sort()
      .join();
  return series(a) !== series(b) || a.charset !== b.charset || a.collation !== b.collation || collations(a) !== collations(b);
}
