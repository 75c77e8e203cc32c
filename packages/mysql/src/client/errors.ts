/** What can go wrong with a connection. Units turn these into coded errors; match on `errno` and `code`. */

/** The server refused a statement. The text is that of the server, in the form that the field's drivers print. */
export class MysqlServerError extends Error {
  readonly errno: number;
  /** Five characters; empty when the server sent none. */
  readonly sqlState: string;
  /** The server's own words. */
  readonly serverMessage: string;
  /** In `executeAll`: which of the statements it was. */
  statementIndex?: number;

  constructor(errno: number, sqlState: string, serverMessage: string, options?: ErrorOptions) {
    super(sqlState === "" ? `Error ${errno}: ${serverMessage}` : `Error ${errno} (${sqlState}): ${serverMessage}`, options);
    this.name = "MysqlServerError";
    this.errno = errno;
    this.sqlState = sqlState;
    this.serverMessage = serverMessage;
  }
}

/**
 * The connection could not be made or was lost: the outcome of what ran on it is unknown. `code` is the system's
 * (`ECONNREFUSED`, `ECONNRESET`, `ETIMEDOUT` …), or `CLOSED` (by the server without a word), `PROTOCOL` (the server broke the
 * protocol), `DESTROYED` (by this side).
 */
export class MysqlConnectionError extends Error {
  readonly code: string;
  readonly host: string;
  readonly port: number;
  statementIndex?: number;

  constructor(code: string, endpoint: { readonly host: string; readonly port: number }, what: string, options?: ErrorOptions) {
    super(`${endpoint.host}:${endpoint.port}: ${what}`, options);
    this.name = "MysqlConnectionError";
    this.code = code;
    this.host = endpoint.host;
    this.port = endpoint.port;
  }
}
