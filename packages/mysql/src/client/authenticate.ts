/**
 * Connecting and authenticating, by mysql2: its handshake, its authentication plugins, its TLS. Once the server has said OK,
 * the socket is taken over and mysql2 is out: everything after that is `ServerSocket`'s.
 */
import type { Duplex } from "node:stream";
import type { Secret, TlsFiles, World } from "@skein/base";
import { type ConnectionOptions, createConnection } from "mysql2";
import { MysqlConnectionError, MysqlServerError } from "./errors.ts";

export interface MysqlEndpoint {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: Secret;
  /** With `ca`, the server's certificate must be signed by it and be for `serverName` or the host. */
  readonly tls?: TlsFiles;
  /** Session variables: name → value. Numbers go unquoted, all else is text. */
  readonly session?: Readonly<Record<string, string>>;
  /** For connecting and authenticating together. Default 10 s. */
  readonly connectTimeoutMs?: number;
}

export interface Authenticated {
  readonly socket: Duplex;
  readonly id: number;
  readonly serverVersion: string;
}

/** What mysql2 has inside and its types do not tell. */
interface Internals {
  readonly stream: Duplex;
  readonly _handshakePacket?: { readonly serverVersion?: string; readonly connectionId?: number };
  on(event: "connect", run: (handshake: { readonly serverVersion?: string; readonly connectionId?: number }) => void): void;
  on(event: "error", run: (error: MysqlTwoError) => void): void;
  removeAllListeners(): void;
}

interface MysqlTwoError extends Error {
  readonly code?: string;
  readonly errno?: number;
  readonly sqlState?: string;
}

// FOUND_ROWS stays: an UPDATE that changes nothing still counts the row that it matched. IGNORE_SPACE would change the session's
// sql_mode; the others would only add forms to the answers.
const flags = ["-IGNORE_SPACE", "-ODBC", "-SESSION_TRACK", "-CLIENT_QUERY_ATTRIBUTES", "-MULTI_STATEMENTS"];

export async function authenticate(world: World, endpoint: MysqlEndpoint, signal?: AbortSignal): Promise<Authenticated> {
  signal?.throwIfAborted();
  const timeoutMs = endpoint.connectTimeoutMs ?? 10_000;
  const startedMs = world.clock.monotonicMs();
  let socket: Duplex;
  try {
    socket = await world.network.connect({
      host: endpoint.host,
      port: endpoint.port,
      timeoutMs,
      ...(signal === undefined ? {} : { signal }),
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw connectFailure(endpoint, error);
  }
  // Node checks a certificate against this name where there is no server name, as with addresses.
  Object.assign(socket, { _host: endpoint.tls?.serverName ?? endpoint.host });
  const options: ConnectionOptions = {
    host: endpoint.tls?.serverName ?? endpoint.host,
    port: endpoint.port,
    user: endpoint.user,
    password: endpoint.password.reveal(),
    stream: socket,
    charset: "UTF8MB4_GENERAL_CI",
    flags,
    connectTimeout: 0,
    connectAttributes: { program_name: "skein" },
    ...(endpoint.tls === undefined ? {} : { ssl: sslOptions(endpoint.tls) }),
  };
  let connection: Internals | undefined;
  let timer: { cancel(): void } | undefined;
  let onAbort: (() => void) | undefined;
  try {
    const handshake = await new Promise<{ readonly serverVersion?: string; readonly connectionId?: number }>((resolve, reject) => {
      const leftMs = Math.max(1, timeoutMs - (world.clock.monotonicMs() - startedMs));
      timer = world.clock.timer(leftMs, () =>
        reject(new MysqlConnectionError("ETIMEDOUT", endpoint, `no handshake within ${timeoutMs} ms`)),
      );
      onAbort = () => reject(signal?.reason);
      signal?.addEventListener("abort", onAbort, { once: true });
      connection = createConnection(options) as unknown as Internals;
      connection.on("connect", resolve);
      connection.on("error", reject);
    });
    const { stream } = connection as unknown as Internals;
    detach(connection as unknown as Internals, stream, socket);
    return { socket: stream, id: handshake.connectionId ?? 0, serverVersion: handshake.serverVersion ?? "" };
  } catch (error) {
    if (connection !== undefined) detach(connection, connection.stream, socket);
    connection?.stream.destroy();
    socket.destroy();
    if (error === signal?.reason && signal?.aborted === true) throw error;
    throw connectFailure(endpoint, error);
  } finally {
    timer?.cancel();
    if (onAbort !== undefined) signal?.removeEventListener("abort", onAbort);
  }
}

function detach(connection: Internals, stream: Duplex, socket: Duplex): void {
  stream.pause(); // what arrives before the next owner listens must wait in the stream
  for (const each of new Set([stream, socket])) {
    for (const event of ["end", "close", "error"]) each.removeAllListeners(event);
    each.on("error", () => {}); // the owner's own listener tells; a destroyed socket's late error must not end the process
  }
  stream.removeAllListeners("data");
  connection.removeAllListeners();
  connection.on("error", () => {});
}

function sslOptions(tls: TlsFiles): NonNullable<ConnectionOptions["ssl"]> {
  const text = (data: string | Uint8Array) => (typeof data === "string" ? data : Buffer.from(data).toString("utf8"));
  return {
    rejectUnauthorized: true,
    verifyIdentity: true,
    ...(tls.ca === undefined ? {} : { ca: text(tls.ca) }),
    ...(tls.cert === undefined ? {} : { cert: text(tls.cert) }),
    ...(tls.key === undefined ? {} : { key: text(tls.key) }),
  };
}

function connectFailure(endpoint: MysqlEndpoint, error: unknown): Error {
  if (error instanceof MysqlConnectionError || error instanceof MysqlServerError) return error;
  const { code, errno, sqlState, message } = error as MysqlTwoError;
  if (typeof errno === "number" && errno > 0 && (sqlState !== undefined || errno >= 1000)) {
    return new MysqlServerError(errno, sqlState ?? "", message);
  }
  return new MysqlConnectionError(code ?? "CLOSED", endpoint, message, { cause: error });
}
