/**
 * The World: all that is outside of a process comes in as one injected object (design decision D2).
 *
 * Production builds it from Node (`nodeWorld`), simulation from a seed (`@skein/sim`). Nothing else in the house touches
 * `Date`, `Math.random`, timers, sockets, files or child processes; a test holds that.
 */
import type { Duplex, Readable, Writable } from "node:stream";
import type { Random } from "../core/random.ts";
import type { Logger } from "../logger.ts";

export interface World {
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly network: Network;
  readonly processes: Processes;
  readonly log: Logger;
  /** Fault points: a no-op in production, a seeded draw in simulation. `await world.faults.at("relay:fsync")` */
  readonly faults: Faults;
}

export interface Clock {
  /** Wall time, milliseconds since 1970. May jump. */
  nowMs(): number;
  /** Never goes back; only differences mean something. Milliseconds, with fractions. */
  monotonicMs(): number;
  /** Rejects with the signal's reason when it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls once after `ms`, unless cancelled. A pending timer keeps the process alive only when `keepAlive` is true. */
  timer(ms: number, run: () => void, options?: { readonly keepAlive?: boolean }): Timer;
  /** Calls once, after the input that has arrived by now was handled: for work that many requests of one moment can share. */
  afterTurn(run: () => void): void;
}

export interface Timer {
  cancel(): void;
}

export interface Disk {
  /** Opens for reading and writing at offsets; `create` makes the file when it is missing (mode 0600 unless said). */
  open(path: string, options?: { readonly create?: boolean; readonly readOnly?: boolean; readonly mode?: number }): Promise<DiskFile>;
  /** The whole file; refuses one that is larger than `limitBytes`. */
  readFile(path: string, options?: { readonly limitBytes?: number }): Promise<Uint8Array>;
  /** Old content or new content, never a mixture, and durable when it returns: temporary file, sync, rename, sync of the folder. */
  writeFileAtomic(path: string, data: Uint8Array | string, options?: { readonly mode?: number }): Promise<void>;
  /** Names in a folder, sorted. */
  list(path: string): Promise<string[]>;
  /** Null when nothing is there. */
  stat(path: string): Promise<FileFacts | null>;
  makeFolder(path: string, options?: { readonly mode?: number }): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** Removing what is not there is no error. */
  remove(path: string, options?: { readonly recursive?: boolean }): Promise<void>;
  /** Makes the names in a folder durable. */
  syncFolder(path: string): Promise<void>;
  freeSpace(path: string): Promise<{ readonly totalBytes: number; readonly availableBytes: number }>;
}

export interface FileFacts {
  readonly kind: "file" | "folder" | "other";
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

export interface DiskFile extends AsyncDisposable {
  /** Up to `length` bytes from `offset`; fewer only at the end of the file. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Writes all of `data`, or throws. */
  write(offset: number, data: Uint8Array): Promise<void>;
  /** Durable when it returns. After a failure the file must be closed and read again: the kernel may have dropped the data. */
  sync(): Promise<void>;
  truncate(length: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

export interface TlsFiles {
  readonly ca?: string | Uint8Array;
  readonly cert?: string | Uint8Array;
  readonly key?: string | Uint8Array;
  /** Name to verify instead of the host. */
  readonly serverName?: string;
}

export interface Network {
  /** A connected stream with TCP_NODELAY; rejects with the system's error (`code` is kept). */
  connect(options: {
    readonly host: string;
    readonly port: number;
    readonly timeoutMs?: number;
    readonly signal?: AbortSignal;
    readonly tls?: TlsFiles;
  }): Promise<Duplex>;
  listen(
    options: {
      readonly host: string;
      /** 0 takes a free one; see `Listener.port`. */
      readonly port: number;
      readonly tls?: TlsFiles & {
        /** Clients must show a certificate that `ca` signed. */
        readonly requestCert?: boolean;
        /** Common names that clients' certificates may have; implies `requestCert`. Empty: any. */
        readonly allowedCommonNames?: readonly string[];
        /** Called with the reason for each connection that is refused before `onConnection`. */
        readonly onRefused?: (reason: string, peer: { readonly address: string; readonly port: number }) => void;
        /** Protocols that are offered to clients which ask for one, best first: `h2`, `http/1.1`. */
        readonly alpn?: readonly string[];
      };
      /** Connections over this count are closed at once. Default 10 000. */
      readonly connectionsMax?: number;
    },
    onConnection: (connection: Duplex, peer: { readonly address: string; readonly port: number }) => void,
  ): Promise<Listener>;
}

export interface Listener extends AsyncDisposable {
  readonly port: number;
  /** Takes no more connections and ends those that are open. */
  close(): Promise<void>;
}

export interface Processes {
  spawn(command: string, args: readonly string[], options?: SpawnOptions): Child;
  /** Runs to its end; output is kept up to `outputLimitBytes` (1 MiB unless said). Does not throw on a non-zero exit. */
  run(
    command: string,
    args: readonly string[],
    options?: SpawnOptions & { readonly input?: string | Uint8Array; readonly outputLimitBytes?: number; readonly signal?: AbortSignal },
  ): Promise<{ readonly code: number | null; readonly signal: string | null; readonly stdout: string; readonly stderr: string }>;
}

export interface SpawnOptions {
  readonly cwd?: string;
  /** Added to the environment of this process. Never put secrets into argv; use this or standard input. */
  readonly env?: Readonly<Record<string, string>>;
  /** Write output to this file instead of keeping pipes. */
  readonly outputFile?: string;
  /** The child outlives this process. */
  readonly detached?: boolean;
}

export interface Child {
  readonly pid: number;
  readonly stdin: Writable | null;
  readonly stdout: Readable | null;
  readonly stderr: Readable | null;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  kill(signal: "SIGTERM" | "SIGKILL" | "SIGSTOP" | "SIGCONT" | "SIGINT" | "SIGHUP"): void;
}

export interface Faults {
  /** May throw an injected error, delay, or never return (a crash in simulation). */
  at(point: string): Promise<void>;
}
