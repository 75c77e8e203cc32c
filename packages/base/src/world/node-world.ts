/** The World of a real process. The only file that touches Node's clock, chance, disk, sockets and children. */
import { spawn } from "node:child_process";
import { randomBytes, randomFillSync } from "node:crypto";
import { closeSync, openSync, writeSync } from "node:fs";
import { type FileHandle, open, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { connect as connectTcp, createServer, isIP, type Socket } from "node:net";
import { dirname } from "node:path";
import type { Duplex } from "node:stream";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { type Random, randomFrom } from "../core/random.ts";
import { type Logger, silentLogger } from "../logger.ts";
import { makeFolder } from "./make-folder.ts";
import type { Child, Clock, Disk, DiskFile, Faults, Network, Processes, SpawnOptions, World } from "./world.ts";

export function nodeWorld(options: { readonly log?: Logger; readonly faults?: Faults } = {}): World {
  return {
    clock: nodeClock,
    random: systemRandom(),
    disk: nodeDisk,
    network: nodeNetwork,
    processes: nodeProcesses,
    log: options.log ?? silentLogger,
    faults: options.faults ?? { at: () => Promise.resolve() },
  };
}

export const nodeClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      }, ms);
      signal?.addEventListener("abort", onAbort, { once: true });
    }),
  timer: (ms, run, timerOptions) => {
    const timer = setTimeout(run, ms);
    if (timerOptions?.keepAlive !== true) timer.unref();
    return { cancel: () => clearTimeout(timer) };
  },
  afterTurn: (run) => void setImmediate(run),
};

/** Chance of the operating system; the pool spares a system call per draw. */
function systemRandom(): Random {
  const pool = new Uint32Array(256);
  let used = pool.length;
  const u32 = () => {
    if (used === pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    return pool[used++] as number;
  };
  const random: Random = { ...randomFrom(u32, () => random), bytes: (count) => new Uint8Array(randomBytes(count)) };
  return random;
}

/** So few bytes are copied into the system's cache sooner than a thread is woken to do it, and this one by that. */
const promptWriteBytesMax = 32 * 1024;

function diskFile(handle: FileHandle): DiskFile {
  const close = async () => handle.close();
  return {
    read: async (offset, length) => {
      const buffer = new Uint8Array(length);
      let done = 0;
      while (done < length) {
        const { bytesRead } = await handle.read(buffer, done, length - done, offset + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return buffer.subarray(0, done);
    },
    write: async (offset, data) => {
      let done = 0;
      if (data.length <= promptWriteBytesMax)
        while (done < data.length) done += writeSync(handle.fd, data, done, data.length - done, offset + done);
      while (done < data.length) {
        const { bytesWritten } = await handle.write(data, done, data.length - done, offset + done);
        done += bytesWritten;
      }
    },
    sync: () => handle.datasync(),
    truncate: (length) => handle.truncate(length),
    size: async () => (await handle.stat()).size,
    close,
    [Symbol.asyncDispose]: close,
  };
}

async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

export const nodeDisk: Disk = {
  open: async (path, options = {}) => {
    const mode = options.mode ?? 0o600;
    if (options.readOnly === true) return diskFile(await open(path, "r"));
    try {
      return diskFile(await open(path, "r+"));
    } catch (error) {
      if (options.create !== true || (error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      return diskFile(await open(path, "wx+", mode));
    }
  },
  readFile: async (path, options = {}) => {
    const handle = await open(path, "r");
    try {
      const { size } = await handle.stat();
      const limitBytes = options.limitBytes ?? 64 * 1024 * 1024;
      if (size > limitBytes) throw new RangeError(`${path} has ${size} bytes, over the limit of ${limitBytes}`);
      return new Uint8Array(await handle.readFile());
    } finally {
      await handle.close();
    }
  },
  writeFileAtomic: async (path, data, options = {}) => {
    const temporary = `${path}.${randomBytes(6).toString("hex")}.tmp`;
    try {
      const handle = await open(temporary, "wx", options.mode ?? 0o600);
      try {
        await handle.writeFile(data);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await syncFolder(dirname(path));
  },
  list: async (path) => (await readdir(path)).sort(),
  stat: async (path) => {
    try {
      const facts = await stat(path);
      return { kind: facts.isFile() ? "file" : facts.isDirectory() ? "folder" : "other", sizeBytes: facts.size, modifiedMs: facts.mtimeMs };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    }
  },
  makeFolder: async (path, options = {}) => makeFolder(path, options.mode ?? 0o700),
  rename: (from, to) => rename(from, to),
  remove: (path, options = {}) => rm(path, { force: true, recursive: options.recursive ?? false }),
  syncFolder,
  freeSpace: async (path) => {
    const facts = await statfs(path);
    return { totalBytes: facts.blocks * facts.bsize, availableBytes: facts.bavail * facts.bsize };
  },
};

/** A peer that vanished without a word (power, a firewall that forgot the connection) is noticed in about 20 s. */
const deadPeers = { keepAlive: true, keepAliveInitialDelay: 10_000 } as const;

const nodeNetwork: Network = {
  connect: (options) =>
    new Promise<Duplex>((resolve, reject) => {
      if (options.signal?.aborted) return reject(options.signal.reason);
      const socket: Socket =
        options.tls === undefined
          ? connectTcp({ host: options.host, port: options.port, noDelay: true, ...deadPeers })
          : connectTls({
              host: options.host,
              port: options.port,
              // Server name indication has no addresses; without a name the certificate is checked against the host.
              ...serverName(options.tls.serverName ?? options.host),
              ...tlsMaterial(options.tls),
              ...deadPeers,
            });
      const timer =
        options.timeoutMs === undefined
          ? undefined
          : setTimeout(
              () => finish(Object.assign(new Error(`connect ETIMEDOUT ${options.host}:${options.port}`), { code: "ETIMEDOUT" })),
              options.timeoutMs,
            );
      const onAbort = () => finish(options.signal?.reason);
      const finish = (error: unknown) => {
        clearTimeout(timer);
        options.signal?.removeEventListener("abort", onAbort);
        socket.off("error", finish);
        if (error !== undefined) {
          socket.on("error", () => {});
          socket.destroy();
          reject(error);
        } else {
          socket.setNoDelay(true);
          resolve(socket);
        }
      };
      options.signal?.addEventListener("abort", onAbort, { once: true });
      socket.once("error", finish);
      socket.once(options.tls === undefined ? "connect" : "secureConnect", () => finish(undefined));
    }),

  listen: (options, onConnection) =>
    new Promise((resolve, reject) => {
      const open = new Set<Socket>();
      const accept = (socket: Socket) => {
        if (open.size >= (options.connectionsMax ?? 10_000)) return void socket.destroy();
        open.add(socket);
        socket.setNoDelay(true);
        socket.once("close", () => open.delete(socket));
        onConnection(socket, peerOf(socket));
      };
      const allowed = options.tls?.allowedCommonNames ?? [];
      const server =
        options.tls === undefined
          ? createServer({ noDelay: true, ...deadPeers }, accept)
          : createTlsServer(
              {
                ...tlsMaterial(options.tls),
                ...deadPeers,
                noDelay: true,
                requestCert: options.tls.requestCert === true || allowed.length > 0,
                rejectUnauthorized: true,
                handshakeTimeout: tlsHandshakeMs,
                ...(options.tls.alpn === undefined ? {} : { ALPNProtocols: [...options.tls.alpn] }),
              },
              (socket) => {
                if (allowed.length === 0) return accept(socket);
                const { CN } = socket.getPeerCertificate().subject ?? {};
                const names = typeof CN === "string" ? [CN] : (CN ?? []);
                if (names.some((name) => allowed.includes(name))) return accept(socket);
                options.tls?.onRefused?.(`the certificate's common name ${JSON.stringify(names.join(","))} is not allowed`, peerOf(socket));
                socket.on("error", () => {});
                socket.destroy();
              },
            ).on("tlsClientError", (error, socket) => options.tls?.onRefused?.(error.message, peerOf(socket)));
      server.once("error", reject);
      server.listen(options.port, options.host, () => {
        server.off("error", reject);
        const address = server.address();
        const close = () =>
          new Promise<void>((done) => {
            server.close(() => done());
            for (const socket of open) socket.destroy();
          });
        resolve({
          port: typeof address === "object" && address !== null ? address.port : options.port,
          close,
          [Symbol.asyncDispose]: close,
        });
      });
    }),
};

/** How long a client may take for its handshake. */
const tlsHandshakeMs = 10_000;

function serverName(name: string): { readonly servername?: string } {
  return isIP(name) === 0 ? { servername: name } : {};
}

function peerOf(socket: Socket): { readonly address: string; readonly port: number } {
  return { address: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 };
}

function tlsMaterial(tls: { ca?: string | Uint8Array; cert?: string | Uint8Array; key?: string | Uint8Array }) {
  const buffer = (data: string | Uint8Array) => (typeof data === "string" ? data : Buffer.from(data));
  return {
    ...(tls.ca === undefined ? {} : { ca: buffer(tls.ca) }),
    ...(tls.cert === undefined ? {} : { cert: buffer(tls.cert) }),
    ...(tls.key === undefined ? {} : { key: buffer(tls.key) }),
  };
}

function startChild(command: string, args: readonly string[], options: SpawnOptions = {}) {
  const output = options.outputFile === undefined ? undefined : openSync(options.outputFile, "a", 0o600);
  const child = spawn(command, [...args], {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { ...process.env, ...options.env },
    detached: options.detached ?? false,
    stdio: output === undefined ? "pipe" : ["ignore", output, output],
  });
  if (output !== undefined) closeSync(output);
  if (options.detached === true) child.unref();
  const exited = new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  return { child, exited };
}

const nodeProcesses: Processes = {
  spawn: (command, args, options): Child => {
    const { child, exited } = startChild(command, args, options);
    exited.catch(() => {}); // whoever awaits `exited` hears of it; a child that nobody awaits must not end this process
    return {
      pid: child.pid ?? -1,
      stdin: child.stdin,
      stdout: child.stdout,
      stderr: child.stderr,
      exited,
      kill: (signal) => void child.kill(signal),
    };
  },
  run: async (command, args, options = {}) => {
    const { child, exited } = startChild(command, args, options);
    const limitBytes = options.outputLimitBytes ?? 1024 * 1024;
    const collect = (stream: NodeJS.ReadableStream | null) => {
      const parts: Buffer[] = [];
      let sizeBytes = 0;
      stream?.on("data", (part: Buffer) => {
        if (sizeBytes < limitBytes) parts.push(part.subarray(0, limitBytes - sizeBytes));
        sizeBytes += part.length;
      });
      return () => Buffer.concat(parts).toString("utf8");
    };
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    const onAbort = () => void child.kill("SIGKILL");
    options.signal?.addEventListener("abort", onAbort, { once: true });
    child.stdin?.on("error", () => {}); // a child that ends before it has read its input: its exit code tells
    child.stdin?.end(options.input);
    try {
      const { code, signal } = await exited;
      return { code, signal, stdout: stdout(), stderr: stderr() };
    } finally {
      options.signal?.removeEventListener("abort", onAbort);
    }
  },
};
