/**
 * The master process: a metadata store, one port for all, and a campaign for the lead that never ends while the process runs.
 *
 *   store:  alone → embedded in `data-dir`; several masters → a supervised etcd of each (peer-urls)
 *   port:   gRPC pb.Master · gRPC etcd v3 (what workers use as metadata store) · HTTP
 *   lead:   campaign ─▶ load, repair ─▶ serve ─▶ lost, evicted or broken ─▶ campaign …
 *
 * A follower forwards what it is asked to the leader.
 */
import { isAbort, type Logger, TaskGroup, type TlsFiles, type World } from "@skein/base";
import {
  campaign,
  electionLeader,
  etcdServices,
  type MemberStore,
  type Metastore,
  openMemberStore,
  openSession,
  textOf,
} from "@skein/metastore";
import { createRpcClient, createServer, type Message, RpcError, type RpcServer } from "@skein/rpc";
import { createPasswordCipher, parseSecretKey } from "../config/crypto.ts";
import type { MasterConfig } from "../config/process-config.ts";
import { dmErrors } from "../errors.ts";
import { createMasterHttp } from "../openapi/http.ts";
import { releaseVersion } from "../version.ts";
import { encode, type LeaderValue, prefixes } from "../wire/keys.ts";
import { masterWire } from "../wire/wire.ts";
import { type Leader, startLeader } from "./leader.ts";
import { createMasterService, type MasterMethod, type MasterParts, type MasterService } from "./master-service.ts";
import { createMasterMetrics } from "./metrics.ts";
import { splitAddress } from "./probe.ts";
import { createWorkerClients, type WorkerClients } from "./worker-client.ts";

export interface MasterOptions {
  readonly config: MasterConfig;
  readonly tls?: TlsFiles;
  readonly versionText: string;
  readonly parts: MasterParts;
}

export interface Master {
  readonly port: number;
  readonly service: MasterService;
  /** Whether this master leads and serves. */
  readonly isLeader: boolean;
  /** Rejects when the process cannot go on. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

/** The session of a campaigner; a dead leader is replaced after at most this. */
const leaderTtlSeconds = 10;
/** How long a request waits for a leader that is starting. */
const leaderWaitMs = 1000;

export async function startMaster(world: World, options: MasterOptions): Promise<Master> {
  const master = new MasterProcess(world, options);
  try {
    await master.open();
  } catch (error) {
    await master.close();
    throw error;
  }
  return master;
}

class MasterProcess implements Master {
  readonly ended: Promise<void>;
  readonly #world: World;
  readonly #options: MasterOptions;
  readonly #log: Logger;
  readonly #group = new TaskGroup();
  readonly #settle: { readonly resolve: () => void; readonly reject: (error: unknown) => void };
  #store: MemberStore | null = null;
  #server: RpcServer | null = null;
  #service: MasterService | null = null;
  #workers: WorkerClients | null = null;
  #leader: Leader | null = null;
  #isEvicted = false;
  /** A campaign, or what came of it, has not ended yet. */
  #isInRound = false;
  #leaderStarts = 0;
  /** Ends the present campaign or lead. */
  #round = new AbortController();
  /** Wakes those who wait for the lead to change. */
  #changed = Promise.withResolvers<void>();

  constructor(world: World, options: MasterOptions) {
    this.#world = world;
    this.#options = options;
    this.#log = world.log.with({ component: "master", name: options.config.name });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#settle = { resolve, reject };
  }

  get port(): number {
    return this.#server?.port ?? 0;
  }

  get service(): MasterService {
    if (this.#service === null) throw dmErrors.schedulerNotStarted([]);
    return this.#service;
  }

  get isLeader(): boolean {
    return this.#leader !== null;
  }

  async open(): Promise<void> {
    const { config, tls, parts } = this.#options;
    const secretKey =
      config.secretKeyPath === ""
        ? null
        : parseSecretKey(new TextDecoder().decode(await this.#world.disk.readFile(config.secretKeyPath, { limitBytes: 4096 })));
    const store = await openStore(this.#world, config, tls);
    this.#store = store;
    // The file is this process's alone, so whoever campaigned in it before is dead: its lease need not be waited for.
    if (store.cluster === null) await store.store.delete({ prefix: prefixes.leader });
    const workers = createWorkerClients(this.#world, {
      timeoutMs: config.rpcTimeoutMs,
      callsMax: config.rpcRateBurst,
      ...(tls === undefined ? {} : { tls }),
    });
    this.#workers = workers;
    const cipher = createPasswordCipher(secretKey, (length) => this.#world.random.bytes(length));
    const own = createMasterService({
      world: this.#world,
      name: config.name,
      advertiseAddr: config.advertiseAddr,
      peerUrls: config.advertisePeerUrls.split(","),
      configToml: config.toml,
      store: store.store,
      cluster: store.cluster,
      workers,
      cipher,
      secretKey,
      parts,
      leader: () => this.#leaderInTime(),
      evict: (isEvicted) => this.#evict(isEvicted),
      masterConfigAt: async (url, signal) => {
        using client = createRpcClient(this.#world, url, tls === undefined ? {} : { tls });
        return String((await client.call(masterWire, "GetMasterCfg", {}, { signal }))["cfg"]);
      },
      ...(tls === undefined ? {} : { tls }),
    });
    this.#service = this.#forwarding(own);
    const http = createMasterHttp({
      world: this.#world,
      service: this.#service,
      store: store.store,
      decrypt: (text) => cipher.decrypt(text),
      removeMeta: parts.removeMeta,
      isOpenApiEnabled: config.openapi,
      version: releaseVersion,
    });
    const metrics = createMasterMetrics({ leader: () => this.#leader, leaderStarts: () => this.#leaderStarts });
    const { host, port } = splitAddress(config.masterAddr);
    this.#server = await createServer(this.#world, {
      host: host === "" ? "0.0.0.0" : host,
      port,
      ...(tls === undefined ? {} : { tls: { ...tls, allowedCommonNames: config.tls?.certAllowedCn ?? [] } }),
      services: [
        {
          service: masterWire,
          unary: Object.fromEntries(
            Object.entries(this.#service).map(([method, handle]) => [
              method,
              async (request: Message, { signal }: { readonly signal: AbortSignal }) => {
                try {
                  return await handle(request, signal);
                } catch (error) {
                  // Clients print the text of a status as it is.
                  if (dmErrors.notLeader.is(error)) throw new RpcError("unknown", error.message, error);
                  throw error;
                }
              },
            ]),
          ),
        },
        ...etcdServices(this.#world, store.store, { name: config.name, clientUrls: [clientUrl(config, tls)], cluster: store.cluster }),
      ],
      http: (request, response) => {
        const path = (request.url ?? "/").split("?")[0] ?? "/";
        void metrics.answerHttp(path, this.#options.versionText).then(
          (answer) => {
            if (answer === null) return http(request, response);
            response.writeHead(answer.status, { "content-type": answer.type });
            response.end(answer.body);
          },
          () => response.destroy(),
        );
      },
    });
    this.#log.info("master listens", { addr: config.masterAddr, advertise: config.advertiseAddr, port: this.#server.port });
    this.#group.spawn((signal) => this.#campaignOn(store.store, signal));
    void this.#group.join().then(
      () => this.#settle.resolve(),
      (error: unknown) => (isAbort(error) ? this.#settle.resolve() : this.#settle.reject(error)),
    );
  }

  async close(): Promise<void> {
    this.#log.info("master stops");
    this.#group.abort(new DOMException("the master is closed", "AbortError"));
    await this.#group[Symbol.asyncDispose]();
    await this.#server?.close(500);
    this.#workers?.[Symbol.dispose]();
    await this.#store?.close();
    this.#log.info("master stopped");
  }

  async #campaignOn(store: Metastore, signal: AbortSignal): Promise<void> {
    const { name, advertiseAddr } = this.#options.config;
    while (!signal.aborted) {
      if (this.#isEvicted) {
        await Promise.race([this.#changed.promise, aborted(signal)]);
        continue;
      }
      const round = new AbortController();
      this.#round = round;
      this.#isInRound = true;
      const both = AbortSignal.any([signal, round.signal]);
      try {
        await using session = await openSession(this.#world, store, { ttlSeconds: leaderTtlSeconds, log: this.#log });
        const leadership = await campaign(store, session, {
          prefix: prefixes.leader,
          value: encode.leader({ id: name, addr: advertiseAddr }),
          signal: both,
        });
        this.#log.info("became leader", { key: leadership.key });
        const lost = AbortSignal.any([both, leadership.lost]);
        {
          await using leader = await startLeader(
            {
              world: this.#world,
              store,
              leadership,
              log: this.#world.log,
              onBroken: (error) => {
                this.#log.error("the leader cannot go on, it starts anew", { error });
                round.abort(new DOMException("the leader is broken", "AbortError"));
              },
              ...(this.#options.tls === undefined ? {} : { tls: this.#options.tls }),
            },
            lost,
          );
          this.#leaderStarts++;
          this.#setLeader(leader);
          await aborted(lost).catch(() => {});
          this.#setLeader(null);
        }
        this.#log.info("no longer leader");
      } catch (error) {
        this.#setLeader(null);
        if (signal.aborted) throw error;
        if (!isAbort(error)) this.#log.warn("campaign failed, trying again", { error });
      } finally {
        this.#isInRound = false;
        this.#wake();
      }
      if (!signal.aborted) await this.#world.clock.sleep(200, signal);
    }
  }

  #setLeader(leader: Leader | null): void {
    this.#leader = leader;
    this.#wake();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  async #evict(isEvicted: boolean): Promise<void> {
    this.#isEvicted = isEvicted;
    this.#log.info(isEvicted ? "this master stops campaigning" : "this master campaigns again");
    if (isEvicted) this.#round.abort(new DOMException("the master is evicted", "AbortError"));
    this.#wake();
    // The caller sees the change: the key of an evicted master is gone when it is answered.
    if (isEvicted) await this.#until(() => !this.#isInRound, leaderWaitMs);
  }

  async #leaderInTime(): Promise<Leader> {
    await this.#until(() => this.#leader !== null, leaderWaitMs);
    if (this.#leader === null) throw dmErrors.schedulerNotStarted([]);
    return this.#leader;
  }

  async #until(holds: () => boolean, limitMs: number): Promise<void> {
    const limit = new AbortController();
    const timer = this.#world.clock.timer(limitMs, () => limit.abort(), { keepAlive: true });
    while (!holds() && !limit.signal.aborted) await Promise.race([this.#changed.promise, aborted(limit.signal).catch(() => {})]);
    timer.cancel();
  }

  /** Everything but what a master answers for itself goes to the leader. */
  #forwarding(own: MasterService): MasterService {
    const local: ReadonlySet<string> = new Set<MasterMethod>(["OperateLeader", "GetMasterCfg", "Encrypt"]);
    const forward = async (method: MasterMethod, request: Message, signal?: AbortSignal): Promise<Message> => {
      if (local.has(method) || this.#leader !== null) return own[method](request, signal);
      const addr = await this.#leaderAddress();
      const isOwn = addr === this.#options.config.advertiseAddr;
      if (addr === null || (isOwn && this.#isEvicted)) throw dmErrors.notLeader([]);
      if (isOwn) return own[method](request, signal);
      using client = createRpcClient(this.#world, addr, this.#options.tls === undefined ? {} : { tls: this.#options.tls });
      return await client.call(masterWire, method, request, { deadlineMs: 600_000, ...(signal === undefined ? {} : { signal }) });
    };
    return Object.fromEntries(
      (Object.keys(own) as MasterMethod[]).map((method) => [
        method,
        (request: Message, signal?: AbortSignal) => forward(method, request, signal),
      ]),
    ) as unknown as MasterService;
  }

  /** The leader's address; waits a moment while one is being elected. */
  async #leaderAddress(): Promise<string | null> {
    const store = this.#store?.store;
    if (store === undefined) return null;
    for (let tries = 0; ; tries++) {
      const item = await electionLeader(store, prefixes.leader);
      if (item !== null) return (JSON.parse(textOf(item)) as LeaderValue).addr;
      if (tries >= 4 || this.#isEvicted) return null;
      await this.#world.clock.sleep(leaderWaitMs / 5);
    }
  }
}

/** Rejects when the signal aborts. */
function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) return reject(signal.reason as Error);
    signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}

function openStore(world: World, config: MasterConfig, tls: TlsFiles | undefined): Promise<MemberStore> {
  return openMemberStore(world, {
    name: config.name,
    dataDir: config.dataDir,
    initialCluster: config.initialCluster,
    initialClusterState: config.initialClusterState,
    join: config.join,
    peerUrls: config.peerUrls.split(","),
    advertisePeerUrls: config.advertisePeerUrls.split(","),
    advertiseClientUrls: [clientUrl(config, tls)],
    operationsMax: config.maxTxnOps,
    requestBytesMax: config.maxRequestBytes,
    tls: tls === undefined || config.tls === null ? null : { files: tls, ...config.tls },
    allowedCommonNames: config.tls?.certAllowedCn ?? [],
    flags: {
      "auto-compaction-mode": config.autoCompactionMode,
      "auto-compaction-retention": config.autoCompactionRetention,
      "quota-backend-bytes": String(config.quotaBackendBytes),
    },
    errors: {
      startFailed: (cause) => dmErrors.startEtcd([], cause),
      joinFailed: (problem, cause) => dmErrors.joinEtcd([problem], cause),
      takenText: `missing data or joining a duplicate member ${config.name}`,
      unfinishedText: "there is a member that has not joined successfully, continue the join or remove it",
    },
  });
}

function clientUrl(config: MasterConfig, tls: TlsFiles | undefined): string {
  return `${tls === undefined ? "http" : "https"}://${config.advertiseAddr}`;
}
