/** A plain client of its own, so that what is checked is not checked with the code under test. */
import { isUtf8 } from "node:buffer";
import { type Connection, createConnection, type RowDataPacket } from "mysql2/promise";

export interface SqlEndpoint {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
}

export type SqlRow = Record<string, string | null>;

export interface SqlSession extends AsyncDisposable {
  /** Rows by column name, every value as the server prints it; bytes that are no UTF-8 as latin1, so that different bytes stay different; none for a statement without rows. */
  query(sql: string): Promise<SqlRow[]>;
  /** Ends the connection at once; running statements reject. */
  destroy(): void;
}

/** One connection; statements may hold several, separated by `;`. */
export async function openSql(endpoint: SqlEndpoint, options: { readonly database?: string } = {}): Promise<SqlSession> {
  const connection: Connection = await createConnection({
    host: endpoint.host,
    port: endpoint.port,
    user: endpoint.user,
    password: endpoint.password,
    ...(options.database === undefined ? {} : { database: options.database }),
    charset: "utf8mb4",
    multipleStatements: true,
    connectTimeout: 10_000,
    typeCast: (field) => {
      const bytes = field.buffer();
      return bytes === null ? null : bytes.toString(isUtf8(bytes) ? "utf8" : "latin1");
    },
  });
  connection.on("error", () => {}); // the statement that runs rejects; there is nobody else to tell
  return {
    query: async (sql) => {
      const [result] = await connection.query<RowDataPacket[]>(sql);
      return Array.isArray(result) ? result.filter((row) => row !== null && typeof row === "object" && !Array.isArray(row)) : [];
    },
    destroy: () => connection.destroy(),
    [Symbol.asyncDispose]: async () => {
      connection.destroy();
    },
  };
}

/** Runs statements on a connection of their own. */
export async function sql(endpoint: SqlEndpoint, text: string, options: { readonly database?: string } = {}): Promise<SqlRow[]> {
  await using session = await openSql(endpoint, options);
  return await session.query(text);
}
