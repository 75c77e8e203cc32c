/**
 * The worker process: registers, keeps its lease, and handles the source that it is bound to.
 *
 *   listen ─▶ register (again and again until a master answers) ─▶ ┌ lease + keepalive key ─▶ follow the bound key ┐ ─▶ …
 *                                                                  └────────── lease lost: kill, wait 1 s ◀────────┘
 *
 * W1 Units run only under a lease that is held, as far as this worker can know. When it is lost (expired, revoked, or the keepalive key
 *    was deleted by a leader that got no answer), units are killed: nothing is committed, nothing is flushed. What a frozen worker
 *    cannot know, the fence in the target catches.
 * W2 A source is stopped before another one is started.
 */
import { isAbort, type Logger, TaskGroup, type TlsFiles, type World } from "@skein/base";
import { follow, type Metastore, metastoreErrors, openMetastore, openSession, type Session, textOf } from "@skein/metastore";
import { createRpcClient, createServer, isRpcError, type RpcServer } from "@skein/rpc";
import { createPasswordCipher, type PasswordCipher } from "../config/crypto.ts";
import type { SourceConfig } from "../config/source-config.ts";
import type { StartOptions, SubtaskConfig } from "../config/subtask-config.ts";
import { dmErrors } from "../errors.ts";
import { type BoundValue, type CliArgsValue, encode, keys } from "../wire/keys.ts";
import type { Answer } from "../wire/messages.ts";
import { masterWire, workerWire } from "../wire/wire.ts";
import { createWorkerMetrics } from "./metrics.ts";
import { workerService } from "./service.ts";
import { SourceWorker } from "./source-worker.ts";
import type { Units } from "./unit-context.ts";

export interface WorkerOptions {
  readonly name: string;
  /** Where it listens. */
  readonly host: string;
  readonly port: number;
  /** What others dial; `host:port`. */
  readonly advertiseAddr: string;
  /** `host:port` of masters. */
  readonly join: readonly string[];
  readonly keepaliveTtlSeconds: number;
  readonly tls?: TlsFiles;
  /** Common names of the clients that are served; empty: any. */
  readonly certAllowedCn?: readonly string[];
  /** Its configuration as TOML, for `config worker`. */
  readonly configToml: string;
  readonly versionText: string;
}

/** What turns texts of the metadata store into configurations. */
export interface WorkerReaders {
  readonly readSource: (toml: string) => SourceConfig;
  readonly readSubtask: (toml: string, source: SourceConfig, decrypt: (text: string) => string) => SubtaskConfig;
  readonly startOptions: (args: CliArgsValue | null) => StartOptions;
}

export interface Worker {
  readonly port: number;
  /** Rejects when the worker cannot go on: its name is taken by another address. */
  readonly ended: Promise<void>;
  /** Graceful: transactions end, checkpoints are flushed, then the keepalive key is removed, so that another takes over at once. */
  close(): Promise<void>;
}

const registerPauseMs = { min: 200, max: 3000 } as const;

export async function startWorker(world: World, options: WorkerOptions, parts: WorkerReaders & Units): Promise<Worker> {
  const process = new WorkerProcess(world, options, parts);
  await process.listen();
  process.start();
  return process;
}

class WorkerProcess implements Worker {
  readonly ended: Promise<void>;
  readonly #world: World;
  readonly #log: Logger;
  readonly #options: WorkerOptions;
  readonly #parts: WorkerReaders & Units;
  readonly #metrics;
  readonly #group = new TaskGroup();
  readonly #store: Promise<Metastore>;
  #server: RpcServer | null = null;
  /** With the cluster's key once a master gave it. */
  #cipher: PasswordCipher;
  #source: SourceWorker | null = null;
  #settle: { readonly resolve: () => void; readonly reject: (error: unknown) => void };

  constructor(world: World, options: WorkerOptions, parts: WorkerReaders & Units) {
    this.#world = world;
    this.#options = options;
    this.#parts = parts;
    this.#cipher = createPasswordCipher(null, (length) => world.random.bytes(length));
    this.#log = world.log.with({ component: "worker", worker: options.name });
    this.#metrics = createWorkerMetrics(options.name, () => this.#source);
    this.#store = openMetastore(world, {
      kind: "etcd",
      endpoints: options.join,
      ...(options.tls === undefined ? {} : { tls: options.tls }),
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#settle = { resolve, reject };
  }

  get port(): number {
    return this.#server?.port ?? 0;
  }

  async listen(): Promise<void> {
    const { options } = { options: this.#options };
    this.#server = await createServer(this.#world, {
      host: options.host,
      port: options.port,
      ...(options.tls === undefined ? {} : { tls: { ...options.tls, allowedCommonNames: options.certAllowedCn ?? [] } }),
      services: [
        {
          service: workerWire,
          unary: workerService({ name: options.name, configToml: options.configToml, source: () => this.#source }),
        },
      ],
      http: (request, response) => {
        void this.#metrics.answerHttp(request.url ?? "/", options.versionText).then(
          ({ status, type, body }) => {
            response.writeHead(status, { "content-type": type });
            response.end(body);
          },
          () => response.destroy(),
        );
      },
    });
  }

  start(): void {
    this.#group.spawn((signal) => this.#live(signal));
    void this.#group.join().then(
      () => this.#settle.resolve(),
      (error: unknown) => (isAbort(error) ? this.#settle.resolve() : this.#settle.reject(error)),
    );
  }

  async close(): Promise<void> {
    this.#log.info("worker stops");
    // Leaving the lease's scope stops the source gracefully, then revokes the lease.
    this.#group.abort(new DOMException("the worker is closed", "AbortError"));
    await this.#group[Symbol.asyncDispose]();
    await (await this.#store).close();
    await this.#server?.close(1000);
    this.#log.info("worker stopped");
  }

  async #live(signal: AbortSignal): Promise<void> {
    await this.#register(signal);
    const store = await this.#store;
    while (!signal.aborted) {
      try {
        await this.#underLease(store, signal);
      } catch (error) {
        if (isAbort(error, signal) && signal.aborted) throw error;
        this.#log.warn("the lease is lost, or cannot be had; trying again", { error });
      }
      await this.#world.clock.sleep(1000, signal);
    }
  }

  /** Until a master takes the registration. Throws when this name belongs to another address. */
  async #register(signal: AbortSignal): Promise<void> {
    const { name, advertiseAddr, join, tls } = this.#options;
    let pauseMs: number = registerPauseMs.min;
    for (let round = 1; ; round++) {
      const problems: string[] = [];
      for (const endpoint of join) {
        using client = createRpcClient(this.#world, endpoint, tls === undefined ? {} : { tls });
        try {
          const answer = (await client.call(
            masterWire,
            "RegisterWorker",
            { name, address: advertiseAddr },
            { deadlineMs: 3000, signal },
          )) as unknown as Answer & { readonly secretKey?: string | Uint8Array };
          if (answer.result) {
            const key = answer.secretKey ?? "";
            const keyBytes = typeof key === "string" ? Buffer.from(key, "base64") : Buffer.from(key);
            if (keyBytes.length > 0) this.#cipher = createPasswordCipher(keyBytes, (length) => this.#world.random.bytes(length));
            this.#log.info("registered", { endpoint, addr: advertiseAddr });
            return;
          }
          // Waiting does not mend a name that is taken.
          if (answer.msg.includes("[code=46003:")) throw dmErrors.workerJoin([join, answer.msg]);
          problems.push(answer.msg);
        } catch (error) {
          if (!isRpcError(error)) throw error;
          problems.push(error.message);
        }
      }
      if (round === 1 || round % 10 === 0) this.#log.warn("no master takes the registration yet; waiting", { endpoints: join, problems });
      await this.#world.clock.sleep(pauseMs, signal);
      pauseMs = Math.min(registerPauseMs.max, pauseMs * 1.5);
    }
  }

  async #underLease(store: Metastore, signal: AbortSignal): Promise<void> {
    const { name, keepaliveTtlSeconds } = this.#options;
    const session = await openSession(this.#world, store, { ttlSeconds: keepaliveTtlSeconds, log: this.#log });
    const group = new TaskGroup(AbortSignal.any([signal, session.lost]));
    // W1: at once, even when the bound key's follower is in the middle of a graceful stop.
    const onEnd = () => {
      if (!signal.aborted) void this.#source?.kill(session.lost.reason ?? group.signal.reason);
    };
    group.signal.addEventListener("abort", onEnd, { once: true });
    try {
      const key = keys.keepalive(name);
      const revision = await store.put(key, encode.keepalive(name, isoTime(this.#world.clock.nowMs())), { lease: session.lease });
      this.#log.info("keepalive starts", { lease: session.lease.toString(16), ttlSeconds: session.ttlSeconds });
      group.spawn(async (each) => {
        await this.#watchOwnKey(store, key, revision, each);
      });
      group.spawn((each) => this.#followBound(store, session, each));
      await group.join();
    } finally {
      group.abort(session.lost.reason ?? new DOMException("the lease is lost", "AbortError"));
      await this.#endSource(signal.aborted ? "stop" : "kill", session.lost.reason);
      await group[Symbol.asyncDispose]();
      await session.close();
    }
  }

  /** Returns never; throws when the key is gone or is not ours any more. */
  async #watchOwnKey(store: Metastore, key: string, revision: number, signal: AbortSignal): Promise<void> {
    const lost = (): never => {
      throw dmErrors.boundUnknown(["its keepalive key was deleted: a leader took this worker for dead"]);
    };
    for await (const step of follow(this.#world, store, { key }, { signal })) {
      if (step.kind === "content") {
        if (step.items[0]?.modRevision !== revision) lost();
      } else if (step.events.some((event) => event.kind === "delete" || event.item.modRevision !== revision)) lost();
    }
  }

  async #followBound(store: Metastore, session: Session, signal: AbortSignal): Promise<void> {
    const key = keys.bound(this.#options.name);
    for await (const step of follow(this.#world, store, { key }, { signal })) {
      const texts = step.kind === "content" ? [step.items[0] === undefined ? null : textOf(step.items[0])] : [lastOf(step.events)];
      for (const text of texts) {
        const wanted = text === null ? null : (JSON.parse(text) as BoundValue).source;
        if (this.#source !== null && this.#source.sourceId !== wanted) {
          // A leader that took this worker for dead deleted the keepalive key in the same transaction: then nothing may be written.
          const own = await store.get(keys.keepalive(this.#options.name));
          if (own === null || own.lease !== session.lease) throw metastoreErrors.leaseNotFound([session.lease]);
          await this.#endSource("stop", undefined);
        }
        if (wanted !== null && this.#source === null) await this.#startSource(store, wanted);
      }
    }
  }

  async #startSource(store: Metastore, sourceId: string): Promise<void> {
    const item = await store.get(keys.source(sourceId));
    if (item === null) {
      this.#log.error("the bound source has no configuration", { source: sourceId });
      return;
    }
    const { openUnit, firstStep, readSource, readSubtask, startOptions } = this.#parts;
    let source: SourceConfig;
    try {
      source = readSource(textOf(item));
    } catch (error) {
      this.#log.error("the bound source's configuration cannot be read", { source: sourceId, error });
      return;
    }
    this.#log.info("source starts", { source: sourceId });
    this.#source = new SourceWorker({
      world: this.#world,
      store,
      source,
      worker: this.#options.name,
      units: { openUnit, firstStep },
      readSubtask: (toml, config) => readSubtask(toml, config, (password) => this.#cipher.decrypt(password)),
      startOptions,
      log: this.#world.log,
      onFailed: (task, unit, canResume) => this.#metrics.countFailure(task, sourceId, unit, canResume),
    });
  }

  async #endSource(how: "stop" | "kill", reason: unknown): Promise<void> {
    const source = this.#source;
    if (source === null) return;
    this.#log.info("source ends", { source: source.sourceId, how });
    if (how === "stop") await source.stop();
    else await source.kill(reason ?? new DOMException("the lease is lost", "AbortError"));
    this.#source = null;
  }
}

function lastOf(events: readonly { readonly kind: string; readonly item?: { readonly value: Uint8Array } }[]): string | null {
  const last = events.at(-1);
  return last?.item === undefined ? null : new TextDecoder().decode(last.item.value);
}

/** `2026-11-21T06:21:26.069Z` */
function isoTime(nowMs: number): string {
  return new Date(nowMs).toISOString();
}
