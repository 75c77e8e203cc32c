/**
 * A store's process:
 *
 *   data folder ─ engine, Raft log ─ region peers ─┬─ transactions, raw ─ tikvpb.Tikv, deadlock, health ─┐
 *   placement driver ── client ── link ────────────┤                                                     ├ --addr
 *   other stores ────── frames over TCP ───────────┴─────────────────────────────────────────────────────┘
 *                                                                         status pages                     --status-addr
 *
 * Started from below, stopped from above; before it stops it hands its leaders over.
 */
import { isAbort, TaskGroup, type TlsFiles, type World } from "@skein/base";
import type { StoreMeta } from "@skein/placement";
import { createPdClient, type PdClient } from "@skein/placement/client";
import { createServer } from "@skein/rpc";
import { findDamage, isOfStoreItself } from "../engine/check-files.ts";
import type { Engine } from "../engine/engine.ts";
import { storeErrors } from "../errors.ts";
import { identIn } from "../raftstore/founding.ts";
import { createPdLink } from "../raftstore/pd-link.ts";
import { RaftStore } from "../raftstore/raft-store.ts";
import { createTcpTransport, peerPrefix } from "../raftstore/tcp-transport.ts";
import { RawKv } from "../raw/raw-kv.ts";
import { RegionError } from "../region-kv.ts";
import { limitLargeReads } from "../service/large-reads.ts";
import { createTikvServices } from "../service/tikv-service.ts";
import { ConcurrencyManager } from "../txn/concurrency.ts";
import { LeaderDetector } from "../txn/deadlock.ts";
import { Transactions } from "../txn/transactions.ts";
import { configDocument, type ServerConfig, splitAddress } from "./config.ts";
import { openDataDir } from "./data-dir.ts";
import { connectDetector } from "./detector-line.ts";
import { watchRoom } from "./disk-room.ts";
import { type Claimed, claimStore, keepClaim, patientLink, patiently } from "./joining.ts";
import { createStoreMetrics } from "./metrics.ts";
import { raftOptionsOf } from "./raft-options.ts";
import { startStatusServer } from "./status-server.ts";
import { keepTimestampLimit } from "./timestamp-limit.ts";
import { storeVersion } from "./version.ts";

export interface TikvServer {
  readonly port: number;
  /** 0: there are no status pages. */
  readonly statusPort: number;
  readonly storeId: number;
  /** Rejects when the store cannot go on; else never settles. */
  readonly ended: Promise<void>;
  /** Hands leaders over, finishes what is under way, and ends. */
  close(): Promise<void>;
}

export interface ProcessFacts {
  memory(): { readonly rss: number; readonly heapUsed: number };
  cpuSeconds(): number;
}

/** For the leaders to move away. */
const handOverMsMax = 5_000;
const handOverStepMs = 200;
/** As long as nobody takes any: those who could may be ending, too. */
const handOverStallMsMax = 1_000;
const graceMs = 500;
const retryMs = 200;
const checkedBytesPerSecond = 16 * 1024 * 1024;

/** Rejects with a coded error when it cannot start; nothing is left running then. */
export async function startTikvServer(
  world: World,
  config: ServerConfig,
  options: { readonly tls: TlsFiles | null; readonly facts: ProcessFacts },
): Promise<TikvServer> {
  const { log } = world;
  for (const warning of config.warnings) log.warn(warning);
  const tls = options.tls ?? undefined;
  const withTls = tls === undefined ? {} : { tls };
  const startTimeS = Math.floor(world.clock.nowMs() / 1000);
  const listen = splitAddress(config.addr) as { host: string; port: number };
  const { promise: ended, reject: end } = Promise.withResolvers<void>();
  ended.catch(() => {}); // whoever waits for it hears of it
  await using stack = new AsyncDisposableStack();

  const folder = stack.use(
    await openDataDir(world, {
      path: config.dataDir,
      enableTtl: config.enableTtl,
      cacheBytes: config.integer("storage.block-cache.capacity"),
      repairDamage: config.flag("storage.repair-damaged-data"),
    }),
  );
  const pd = stack.adopt(createPdClient(world, { endpoints: config.pdEndpoints, ...withTls }), (each) => each.close());
  const ending = new AbortController();
  stack.defer(() => ending.abort(new DOMException("the store closes", "AbortError")));

  // ── region peers; they begin when all that stands on them is in place ──
  let ports = { client: 0, status: 0 };
  const metaOf = (storeId: number): StoreMeta => ({
    id: storeId,
    address: withPort(config.advertiseAddr, ports.client),
    peerAddress: withPort(config.advertiseAddr, ports.client),
    statusAddress: ports.status === 0 ? "" : withPort(config.advertiseStatusAddr, ports.status),
    state: "up",
    nodeState: "serving",
    labels: config.labels,
    version: storeVersion,
    gitHash: "",
    deployPath: config.dataDir,
    startTimestampS: startTimeS,
    lastHeartbeatMs: 0,
    isPhysicallyDestroyed: false,
  });
  const link = stack.use(createPdLink(pd, { store: metaOf, space: () => spaceOf(world, config, folder.engine) }));
  const tries = config.integer("pd.retry-max-count");
  const pauseMs = config.integer("pd.retry-interval");
  const patient = patiently(world, { ms: tries < 0 ? Number.POSITIVE_INFINITY : tries * pauseMs, pauseMs, signal: ending.signal });
  const transport = createTcpTransport(world, {
    resolve: (storeId) => link.storeAddress(storeId),
    ...withTls,
  });
  const store: RaftStore = stack.use(
    new RaftStore(world, {
      engine: folder.engine,
      folder: folder.raftFolder,
      pd: patientLink(link, patient),
      transport,
      options: raftOptionsOf(config),
      repairDamagedLog: config.flag("raftstore.repair-damaged-log"),
      damagedSpans: folder.damaged,
      onFatal: (error) => end(error),
    }),
  );

  // ── transactions ──
  let phase: "serving" | "it starts" | "it starts, and waits for a placement driver" | "it ends" = "it starts";
  const concurrency = new ConcurrencyManager();
  const detector = stack.adopt(
    new LeaderDetector({ clock: world.clock, connect: connectDetector(world, { pd, storeId: () => store.storeId, ...withTls }) }),
    (each) => each.close(),
  );
  store.onLead(detector.began);
  const kv = limitLargeReads(store);
  const transactions = new Transactions({
    kv,
    clock: world.clock,
    detector,
    concurrency,
    timestamp: (signal) => freshTimestamp(world, pd, signal),
    signal: ending.signal,
    waitForLockMsMax: config.integer("pessimistic-txn.wait-for-lock-timeout"),
    wakeDelayMs: config.integer("pessimistic-txn.wake-up-delay-duration"),
  });
  const raw = new RawKv({ kv, leads: transactions.leads, clock: world.clock, enableTtl: config.enableTtl });
  const metrics = createStoreMetrics({
    regionCount: () => store.peers.size,
    leaderCount: () => leadersOf(store).length,
    awakeCount: () => store.awakeCount,
    raft: () => store.stats,
    runningCommands: () => transactions.scheduler.running,
    snapshots: () => store.snapshots,
    leaderlessCount: () =>
      [...store.peers.values()].filter(({ isAsleep, isInitialized, raft }) => isInitialized && !isAsleep && raft.leader === 0).length,
    logFiles: () => (phase === "serving" ? store.log.segmentCount : 0),
    space: () => spaceOf(world, config, folder.engine),
    version: storeVersion,
    waitingLocks: () => transactions.waits.count,
    memoryLocks: () => concurrency.heldLocks,
    memory: () => options.facts.memory(),
    cpuSeconds: () => options.facts.cpuSeconds(),
    startTimeS,
  });

  // ── ports ──
  const server = await createServer(world, {
    host: listen.host,
    port: listen.port,
    ...(tls === undefined ? {} : { tls: { ...tls, requestCert: true, allowedCommonNames: config.tls?.allowedCommonNames ?? [] } }),
    // A firewall knows one port, and the rules for certificates are the same for clients and stores.
    prefixed: { prefix: peerPrefix, onConnection: (connection) => transport.accept(connection) },
    limits: {
      connectionsMax: config.integer("server.connections-max"),
      messageBytesMax: config.integer("server.max-grpc-send-msg-len"),
      callsPerConnectionMax: config.integer("server.grpc-concurrent-stream"),
    },
    services: createTikvServices(world, {
      kv,
      transactions,
      raw,
      log,
      clock: world.clock,
      storeId: () => store.storeId,
      split: (regionId, keys) => store.split(regionId, keys),
      detector,
      isServing: () => phase === "serving",
      observe: (command, seconds, isFailed) => metrics.observe(command, seconds, isFailed),
    }),
  });
  stack.defer(() => server.close());
  const statusListen = config.statusAddr === "" ? null : (splitAddress(config.statusAddr) as { host: string; port: number });
  const status =
    statusListen === null
      ? null
      : stack.use(
          await startStatusServer(world, {
            ...statusListen,
            ...withTls,
            pages: {
              metrics: () => metrics.text(),
              config: () => configDocument(config, { "log.level": config.log.level }),
              region: (id) => regionPage(store, id),
              setLogLevel: (level) => {
                log.warn("the log level is changed", { from: config.log.level, to: level });
                config.log.level = level;
              },
              notServing: () => (phase === "serving" ? null : phase),
              debug: () => ({
                storeId: store.storeId,
                regions: store.peers.size,
                leaders: leadersOf(store).length,
                raft: store.stats,
                commands: { running: transactions.scheduler.running, waiting: transactions.scheduler.waiting },
                maxTs: concurrency.maxTs,
                memoryLocks: concurrency.heldLocks,
                lockWaits: transactions.waits.edges().map((each) => ({ ...each, key: Buffer.from(each.key).toString("hex") })),
                waitGraphEdges: detector.graph.count,
              }),
            },
          }),
        );
  ports = { client: server.port, status: status?.port ?? 0 };

  phase = "it starts, and waits for a placement driver";
  const clusterId = await patient(() => link.clusterId());
  const ident = identIn(folder.engine);
  const heartbeatMs = config.integer("raftstore.pd-store-heartbeat-tick-interval");
  let claimed: Claimed | null = null;
  // Another cluster's data is refused when it is opened.
  if (ident !== null && ident.clusterId === clusterId) {
    const { storeId } = ident;
    const { address } = metaOf(storeId);
    claimed = await claimStore(world, pd, { storeId, address, heartbeatMs }, { patient, signal: ending.signal });
  }
  phase = "it starts";
  await store.open();
  if (folder.damaged.length > 0) await folder.damageIsDealtWith();
  await claimed?.();
  await patient(() => pd.putStore(metaOf(store.storeId)));
  phase = "serving";
  log.info("the store serves", { store: store.storeId, addr: config.addr, cluster: clusterId });

  const background = stack.use(new TaskGroup(ending.signal));
  const claim = { storeId: store.storeId, address: metaOf(store.storeId).address, heartbeatMs };
  background.spawn((signal) => keepClaim(world, pd, claim, { end, signal }));
  background.spawn((signal) => keepTimestampLimit(world, () => pd.tso(), concurrency, signal));
  background.spawn((signal) => collectGarbage(world, pd, transactions, config.integer("gc.poll-interval"), signal));
  background.spawn((signal) => checkData(world, folder.engineFolder, config.integer("storage.check-data-interval"), end, signal));
  const room = {
    path: config.dataDir,
    reserveBytes: config.integer("storage.reserve-space"),
    onChange: (hasRoom: boolean, availableBytes: number) => {
      store.hasRoom = hasRoom;
      if (hasRoom) return log.info("the disk has room again", { availableBytes });
      log.error("the disk is full: no writes are taken, leaders are handed over", { availableBytes });
      background.spawn(() => handOver(world, store));
    },
  };
  background.spawn((signal) => watchRoom(world, room, signal));
  if (config.enableTtl)
    background.spawn((signal) => cleanExpired(world, store, raw, config.integer("storage.ttl-check-poll-interval"), signal));

  const owned = stack.move();
  let closing: Promise<void> | null = null;
  return {
    port: server.port,
    statusPort: status?.port ?? 0,
    storeId: store.storeId,
    ended,
    close: () =>
      (closing ??= (async () => {
        phase = "it ends";
        await handOver(world, store);
        await server.close(graceMs);
        // Calls that wait for a placement driver that is away would hold up the end.
        pd.close();
        await owned.disposeAsync();
      })()),
  };
}

/** Looks at all of the engine's files again and again, at a pace that costs a few percent of a core; damage ends the store. */
async function checkData(
  world: World,
  folder: string,
  intervalMs: number,
  end: (error: Error) => void,
  signal: AbortSignal,
): Promise<void> {
  if (intervalMs === 0) return;
  const pause = (bytes: number) => world.clock.sleep((bytes / checkedBytesPerSecond) * 1000, signal);
  for (;;) {
    const [damage] = await findDamage(world, folder, { isAtRest: false, pause, signal });
    if (damage !== undefined)
      return end(storeErrors.dataDamaged([damage.file, damage.offset, !isOfStoreItself(damage) && damage.patch !== null]));
    await world.clock.sleep(intervalMs, signal);
  }
}

const hostOf = (address: string): string => address.slice(0, address.lastIndexOf(":"));

/** A port that the system chose takes the place of 0. */
function withPort(address: string, port: number): string {
  return address.endsWith(":0") ? `${hostOf(address)}:${port}` : address;
}

function leadersOf(store: RaftStore) {
  return [...store.peers.values()].filter((peer) => peer.isLeader);
}

function regionPage(store: RaftStore, id: number): Readonly<Record<string, unknown>> | null {
  const peer = store.peers.get(id);
  if (peer === undefined) return null;
  const { region } = peer;
  return {
    id,
    start_key: Buffer.from(region.startKey).toString("hex").toUpperCase(),
    end_key: Buffer.from(region.endKey).toString("hex").toUpperCase(),
    epoch: { conf_ver: region.confVer, version: region.version },
    peers: region.peers.map(({ id: peerId, storeId, role }) => ({ id: peerId, store_id: storeId, role })),
    peer_id: peer.id,
    state: peer.kind,
    role: peer.raft.role,
    term: peer.raft.term,
    applied_index: peer.applied,
  };
}

async function spaceOf(world: World, config: ServerConfig, engine: Engine) {
  const { totalBytes, availableBytes } = await world.disk.freeSpace(config.dataDir);
  const everything = { start: new Uint8Array(0), end: new Uint8Array(0) };
  let usedSize = 0;
  for (const family of ["default", "write", "lock"] as const) usedSize += await engine.approximateSize(family, everything);
  const capacity = config.capacityBytes === 0 ? totalBytes : Math.min(config.capacityBytes, totalBytes);
  return { capacity, usedSize, available: Math.max(0, Math.min(availableBytes, capacity - usedSize)) };
}

/** Asks until it is answered; rejects when the signal aborts. */
async function freshTimestamp(world: World, pd: PdClient, signal: AbortSignal): Promise<bigint> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await pd.tso();
    } catch (error) {
      if (signal.aborted) throw error;
      world.log.warn("no timestamp from the placement driver yet", { error });
      await world.clock.sleep(retryMs, signal);
    }
  }
}

async function collectGarbage(world: World, pd: PdClient, transactions: Transactions, pollMs: number, signal: AbortSignal): Promise<void> {
  let last = 0n;
  // At once after a start: what was collected before it must not be read.
  for (;;) {
    try {
      const safePoint = await pd.gcSafePoint();
      if (safePoint > last) {
        const removed = await transactions.gcLed(safePoint, signal);
        last = safePoint;
        world.log.info("garbage was collected", { "safe-point": safePoint, versions: removed });
      }
    } catch (error) {
      if (isAbort(error, signal)) throw error;
      world.log.warn("garbage could not be collected, it is tried again", { error });
    }
    await world.clock.sleep(pollMs, signal);
  }
}

async function cleanExpired(world: World, store: RaftStore, raw: RawKv, pollMs: number, signal: AbortSignal): Promise<void> {
  for (;;) {
    await world.clock.sleep(pollMs, signal);
    for (const { region } of leadersOf(store)) {
      try {
        const { id, confVer, version } = region;
        await raw.clean({ regionId: id, confVer, version, peerId: 0, storeId: 0, replicaRead: false, signal });
      } catch (error) {
        if (isAbort(error, signal)) throw error;
        // A region that moved or split is its next leader's, or the next round's.
        if (!(error instanceof RegionError)) world.log.warn("expired keys could not be removed", { region: region.id, error });
      }
    }
  }
}

/** So that clients go on at once, instead of waiting for elections. What cannot be moved stays. */
async function handOver(world: World, store: RaftStore): Promise<void> {
  const untilMs = world.clock.monotonicMs() + handOverMsMax;
  let targetAt = 0;
  let fewest = Number.POSITIVE_INFINITY;
  let stalledAtMs = 0;
  for (;;) {
    const leaders = leadersOf(store).filter(({ region }) => region.peers.length > 1);
    const nowMs = world.clock.monotonicMs();
    if (leaders.length < fewest) {
      fewest = leaders.length;
      stalledAtMs = nowMs + handOverStallMsMax;
    }
    if (leaders.length === 0 || nowMs >= Math.min(untilMs, stalledAtMs)) return;
    for (const peer of leaders) {
      const others = peer.region.peers.filter(({ id, role }) => id !== peer.id && role === "voter");
      const target = others[targetAt % Math.max(1, others.length)];
      if (target !== undefined) store.transferLeader(peer.regionId, target.id);
    }
    targetAt++;
    await world.clock.sleep(handOverStepMs);
  }
}
