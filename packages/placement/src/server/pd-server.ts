/**
 * The placement driver's process: a metadata store, one port for all, and a campaign for the lead that never ends while it runs.
 *
 *   store:  alone → embedded in `data-dir`; several members → a supervised etcd of each (peer URLs)
 *   port:   gRPC pdpb.PD · gRPC etcd v3 · gRPC health · HTTP/1
 *   lead:   campaign ─▶ read ─▶ serve ─▶ lost, resigned or broken ─▶ campaign …
 */
import { request as httpRequest } from "node:http";
import { isAbort, type Logger, type LogLevel, TaskGroup, type TlsFiles, type World } from "@skein/base";
import { etcdServices, type MemberStore, type Metastore, metastoreErrors } from "@skein/metastore";
import { createServer, type RpcServer } from "@skein/rpc";
import { releaseVersion } from "../version.ts";
import { type PdConfig, undefinedText } from "./config/process-config.ts";
import { processRoutes } from "./http-api.ts";
import { createHttpRouter } from "./http-router.ts";
import { campaignForLead, type Leadership, leaderKey } from "./leadership.ts";
import { type Member, Members } from "./members.ts";
import { metaServices } from "./meta-services.ts";
import { u64Bytes, u64Of } from "./metadata.ts";
import { openMetadata } from "./metadata-store.ts";
import { Pd } from "./pd.ts";
import { pdServices } from "./pd-service.ts";
import { openRegionStorage, type RegionStorage } from "./region-storage.ts";
import { createResourceControl } from "./resource-control.ts";
import type { PdComponent } from "./services.ts";

export interface PdServerOptions {
  readonly config: PdConfig;
  readonly hostname: string;
  readonly deployPath: string;
  readonly tls?: TlsFiles;
  /** Parts that plug in, in the order in which they are asked. */
  readonly components: readonly PdComponent[];
  /** Changes with `/admin/log`; whoever made the logger reads it. */
  readonly log: { level: LogLevel };
  readonly residentBytes: () => number;
}

export interface PdServer {
  readonly port: number;
  readonly isLeader: boolean;
  /** Rejects when the process cannot go on. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

const clusterIdKey = "/pd/cluster_id";
/** How long a request waits for an election. */
const leaderWaitMs = 1000;
const probeMs = 2000;
const retryMs = 200;

export async function startPdServer(world: World, options: PdServerOptions): Promise<PdServer> {
  const server = new PdProcess(world, options);
  try {
    await server.open();
  } catch (error) {
    await server.close();
    throw error;
  }
  return server;
}

class PdProcess implements PdServer {
  readonly ended: Promise<void>;
  readonly #world: World;
  readonly #options: PdServerOptions;
  readonly #log: Logger;
  readonly #group = new TaskGroup();
  readonly #settle: { readonly resolve: () => void; readonly reject: (error: unknown) => void };
  #parts: MemberStore | null = null;
  #storage: RegionStorage | null = null;
  #servers: RpcServer[] = [];
  #services: readonly Disposable[] = [];
  #pd: Pd | null = null;
  #leaderStarts = 0;
  /** Ends the present lead. */
  #round: AbortController | null = null;
  #leadership: Leadership | null = null;

  constructor(world: World, options: PdServerOptions) {
    this.#world = world;
    this.#options = options;
    this.#log = world.log.with({ component: "pd-server", name: options.config.name });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#settle = { resolve, reject };
    promise.catch(() => {});
  }

  get port(): number {
    return this.#servers[0]?.port ?? 0;
  }
  get isLeader(): boolean {
    return this.#pd?.isLeader === true;
  }

  async open(): Promise<void> {
    const { config, tls } = this.#options;
    const world = this.#world;
    if (config.undefinedItems.length > 0) this.#log.warn(undefinedText(config.undefinedItems));
    const parts = await openMetadata(world, config, tls);
    this.#parts = parts;
    const clusterId = await clusterIdOf(world, parts.store);
    this.#storage = openRegionStorage(world, `${config.dataDir}/regions.sqlite`);
    // The file is this process's alone, so whoever led in it before is dead: its lease need not be waited for.
    if (parts.cluster === null) await parts.store.delete({ key: leaderKey(`/pd/${clusterId}`) });
    const pd = new Pd({
      world,
      store: parts.store,
      clusterId,
      file: config.dynamic,
      storage: this.#storage,
      folder: config.dataDir,
      components: this.#options.components,
      tsoUpdateIntervalMs: config.tsoUpdateIntervalMs,
      tsoWindowMs: config.tsoSaveIntervalMs,
      onBroken: (error) => {
        this.#log.error("the leader cannot go on, it starts anew", { error });
        this.#round?.abort(new DOMException("the leader is broken", "AbortError"));
      },
    });
    this.#pd = pd;
    const members = await Members.open({
      world,
      store: parts.store,
      cluster: parts.cluster,
      clusterId,
      log: this.#log,
      self: {
        name: config.name,
        peer_urls: config.advertisePeerUrls,
        client_urls: config.advertiseClientUrls,
        deploy_path: this.#options.deployPath,
        binary_version: releaseVersion,
        git_hash: "None",
      },
    });
    const router = createHttpRouter({
      world,
      log: this.#log,
      name: config.name,
      pd,
      isLeader: () => pd.isLeader,
      leaderUrl: async () => {
        const isOther = () => members.leader !== null && members.leader.member_id !== members.selfId;
        await members.until(() => pd.isLeader || isOther(), leaderWaitMs);
        return members.leader?.client_urls[0] ?? null;
      },
      ...(tls === undefined ? {} : { tls }),
    });
    const control = createResourceControl(parts.store, (compare, operations) => pd.metadata.transaction(compare, operations));
    router.add(
      processRoutes({
        control,
        world,
        pd,
        members,
        config,
        hostname: this.#options.hostname,
        startedS: Math.floor(world.clock.nowMs() / 1000),
        leaderStarts: () => this.#leaderStarts,
        residentBytes: this.#options.residentBytes,
        log: this.#options.log,
        resign: (next) => this.#resign(members, next),
        isHealthy: (member) => this.#isHealthy(members, member),
      }),
    );
    for (const component of this.#options.components) router.add(component.routes?.() ?? []);
    const own = pdServices({
      world,
      pd,
      members,
      store: parts.store,
      clientUrls: [...config.clientUrls, ...config.advertiseClientUrls],
      ...(tls === undefined ? {} : { tls }),
    });
    this.#services = own;
    const etcd = etcdServices(world, parts.store, {
      name: config.name,
      clientUrls: config.advertiseClientUrls,
      cluster: parts.cluster,
    });
    for (const url of config.clientUrls) {
      const { hostname, port } = new URL(url);
      this.#servers.push(
        await createServer(world, {
          host: hostname.replace(/^\[|\]$/g, ""),
          port: Number(port),
          ...(tls === undefined ? {} : { tls: { ...tls, allowedCommonNames: config.tls?.certAllowedCn ?? [] } }),
          services: [...own, ...metaServices({ pd, store: parts.store, control }), ...etcd],
          http: router.listener,
          limits: { connectionsMax: 10_000, headerBytesMax: 64 * 1024 },
        }),
      );
    }
    this.#log.info("the placement driver listens", { urls: config.clientUrls.join(","), cluster: String(clusterId), port: this.port });
    this.#group.spawn((signal) => this.#campaignOn(parts.store, pd, members, signal));
    void this.#group.join().then(
      () => this.#settle.resolve(),
      (error: unknown) => (isAbort(error) ? this.#settle.resolve() : this.#settle.reject(error)),
    );
  }

  async close(): Promise<void> {
    this.#log.info("the placement driver stops");
    this.#group.abort(new DOMException("the placement driver is closed", "AbortError"));
    await this.#group[Symbol.asyncDispose]();
    for (const server of this.#servers) await server.close(500);
    for (const service of this.#services) service[Symbol.dispose]();
    this.#storage?.[Symbol.dispose]();
    await this.#parts?.close();
    this.#log.info("the placement driver has stopped");
  }

  async #campaignOn(store: Metastore, pd: Pd, members: Members, signal: AbortSignal): Promise<void> {
    const { config } = this.#options;
    while (!signal.aborted) {
      const round = new AbortController();
      this.#round = round;
      try {
        const { leadership, session } = await campaignForLead(
          { world: this.#world, store, root: pd.root, name: config.name, value: members.record(), leaseS: config.leaseS, log: this.#log },
          AbortSignal.any([signal, round.signal]),
          (item) => members.setLeader(item),
        );
        this.#leadership = leadership;
        try {
          await pd.lead(leadership);
          this.#leaderStarts++;
          members.setLeader(await store.get(leaderKey(pd.root)));
          this.#log.info("this member leads");
          await this.#whileLeading(members, leadership);
        } finally {
          this.#leadership = null;
          await pd.stopLeading();
          members.setLeader(null);
          await session.close();
          this.#log.info("this member leads no longer");
        }
      } catch (error) {
        // A file that could not be written is not written again by this process: whoever starts it anew reads what is there.
        if (signal.aborted || metastoreErrors.storageFailed.is(error)) throw error;
        if (!isAbort(error)) this.#log.warn("the campaign has failed, it starts again", { error });
      }
      if (!signal.aborted) await this.#world.clock.sleep(retryMs, signal);
    }
  }

  /** Until the lead is lost; looks now and then whether another member is to lead rather than this one. */
  async #whileLeading(members: Members, leadership: Leadership): Promise<void> {
    const { lost } = leadership;
    while (!lost.aborted) {
      await this.#world.clock.sleep(this.#options.config.leaderPriorityCheckMs, lost).catch(() => {});
      if (lost.aborted || members.isAlone) continue;
      const better = await this.#betterLeader(members).catch(() => null);
      if (better !== null) await this.#resign(members, better).catch(() => {});
    }
  }

  async #betterLeader(members: Members): Promise<string | null> {
    const list = await members.list();
    const own = list.find(({ member_id }) => member_id === members.selfId)?.leader_priority ?? 0;
    const better = list.filter(({ leader_priority }) => leader_priority > own).sort((a, b) => b.leader_priority - a.leader_priority);
    for (const member of better) if (await this.#isHealthy(members, member)) return member.name;
    return null;
  }

  async #resign(members: Members, next: string | null): Promise<void> {
    if (this.#leadership === null) return;
    if (next !== null) await members.nominate(next, this.#options.config.leaseS);
    this.#log.info("the lead is given up", { next: next ?? "" });
    this.#round?.abort(new DOMException("the lead is given up", "AbortError"));
  }

  async #isHealthy(members: Members, member: Member): Promise<boolean> {
    if (member.member_id === members.selfId) return true;
    for (const url of member.client_urls) if (await this.#answers(url)) return true;
    return false;
  }

  async #answers(url: string): Promise<boolean> {
    const { hostname, port, protocol } = new URL(url);
    const { tls } = this.#options;
    try {
      const connection = await this.#world.network.connect({
        host: hostname,
        port: Number(port),
        timeoutMs: probeMs,
        ...(protocol === "https:" && tls !== undefined ? { tls } : {}),
      });
      return await new Promise<boolean>((resolve) => {
        const timer = this.#world.clock.timer(probeMs, () => connection.destroy());
        const asked = httpRequest(
          {
            path: "/pd/api/v1/ping",
            headers: { host: `${hostname}:${port}`, connection: "close" },
            createConnection: () => connection,
          },
          (answer) => {
            answer.resume();
            resolve(answer.statusCode === 200);
          },
        );
        asked.once("error", () => resolve(false));
        asked.once("close", () => {
          timer.cancel();
          connection.destroy();
          resolve(false);
        });
        asked.end();
      });
    } catch {
      return false;
    }
  }
}

/** Made by the first member that starts: the time in seconds, and chance below. */
async function clusterIdOf(world: World, store: Metastore): Promise<bigint> {
  const present = await store.get(clusterIdKey);
  if (present !== null) return u64Of(clusterIdKey, present.value);
  const id = (BigInt(Math.floor(world.clock.nowMs() / 1000)) << 32n) | BigInt(world.random.u32());
  const { succeeded } = await store.txn({
    compare: [{ key: clusterIdKey, target: "createRevision", is: "=", value: 0 }],
    success: [{ op: "put", key: clusterIdKey, value: u64Bytes(id) }],
  });
  if (succeeded) return id;
  return u64Of(clusterIdKey, (await store.get(clusterIdKey))?.value ?? null);
}
