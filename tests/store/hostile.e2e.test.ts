/**
 * Input that wants to do harm, through real processes: what each port of a placement driver and of its stores answers to peers that do
 * not speak what it speaks, that lie about lengths, that never end, and that ask for what cannot be.
 *
 * After each family: the same processes live, they are small, and one who means well is served.
 */
import { once } from "node:events";
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import type { Duplex } from "node:stream";
import { crc32, gzipSync } from "node:zlib";
import { nodeWorld, seededRandom } from "@skein/base";
import { httpCall, planTopology, type RegionCluster, type RegionProcess } from "@skein/cli";
import type { KvClient } from "@skein/kvclient";
import { pdpb } from "@skein/placement/wire";
import { createRpcClient, type Input, isRpcError, type RpcClient, type UnaryMethod } from "@skein/rpc";
import { memoryOf } from "@skein/servers";
import { encodeKey, type kvrpcpb, tikvpb } from "@skein/store/wire";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { oddBytes } from "../support/odd-bytes.ts";
import { connectRaw, sayRaw } from "../support/raw-bytes.ts";
import { type OpenCluster, openCluster } from "../support/region-cluster.ts";

const world = nodeWorld();
const random = seededRandom(4);
const mib = 1024 * 1024;
/** Of a process, whatever it was sent. A body or message may be 64 MiB, and is held a few times while it is read. */
const residentMibMax = 1024;
const largest = 0xffff_ffff_ffff_ffffn;
const rowCount = 200;
/** What a machine needs at most that has ten times the work of its cores. */
const lateMs = 10_000;

let opened: OpenCluster;
let cluster: RegionCluster;
let client: KvClient;
let pd: RegionProcess;
let store: RegionProcess;
let pids: readonly number[];
let clusterId: bigint;
let storeId: number;
let peerAddress: string;
let toPd: RpcClient;
let toStore: RpcClient;

const processes = () => [...cluster.pds, ...cluster.stores];
const row = (number: number) => Buffer.from(`row/${String(number).padStart(4, "0")}`);

beforeAll(async () => {
  opened = await openCluster(world, "hostile", {
    topology: planTopology({ pds: 1, stores: 2, labels: [] }),
    network: "loopback",
    pdConfig: "[replication]\nmax-replicas = 2\n",
  });
  ({ cluster, client } = opened);
  [pd] = cluster.pds as [RegionProcess];
  const raw = client.raw();
  await raw.batchPut(Array.from({ length: rowCount }, (_, i) => ({ key: row(i), value: row(i) })));
  await client.transact(async (transaction) => {
    for (let i = 0; i < rowCount; i++) transaction.put(Buffer.from(`txn/${i}`), row(i));
  });
  toPd = createRpcClient(world, pd.address);
  clusterId = (await toPd.request(pdpb.pd.methods.GetMembers, {})).header?.cluster_id ?? 0n;
  await meetLeader();
  pids = processes().map(({ pid }) => pid);
}, 120_000);

/** Orders that came by HTTP may have moved it: to scatter regions is nothing that is refused. */
async function meetLeader(): Promise<void> {
  while (((await cluster.ask("/pd/api/v1/operators")) as readonly unknown[]).length > 0) await world.clock.sleep(20);
  const { stores } = await toPd.request(pdpb.pd.methods.GetAllStores, { header: { cluster_id: clusterId } });
  const region = await client.pd.getRegion(new Uint8Array(0));
  storeId = region?.leader?.storeId ?? 0;
  const meta = stores.find(({ id }) => id === storeId);
  peerAddress = meta?.peer_address || (meta?.address ?? "");
  store = cluster.stores.find(({ address }) => address === meta?.address) as RegionProcess;
  toStore?.close();
  toStore = createRpcClient(world, store.address);
}

afterAll(async () => {
  toPd?.close();
  toStore?.close();
  await opened?.[Symbol.asyncDispose]();
});

afterEach(async () => {
  expect(
    processes().map(({ pid }) => pid),
    await cluster.logs(),
  ).toEqual(pids);
  // A transaction and its reading back, raw rows, and what was there before.
  await client.transact(async (transaction) => {
    expect(Buffer.from((await transaction.get(Buffer.from("txn/7"))) ?? "").toString()).toBe(String(row(7)));
    transaction.put(Buffer.from("txn/7"), row(7));
  });
  const rows = await client.raw().scan({ start: row(0), end: Buffer.from("row0"), limit: rowCount + 1 });
  expect(rows.map(({ value }) => Buffer.from(value).toString())).toEqual(Array.from({ length: rowCount }, (_, i) => String(row(i))));
  const resident = await Promise.all(
    processes().map(async ({ name, pid }) => ({ name, mib: Math.round((await memoryOf(world, pid)).nowMib) })),
  );
  expect(resident.filter((each) => each.mib > residentMibMax)).toEqual([]);
}, 120_000);

const connect = (address: string) => connectRaw(world, address);
const say = (address: string, parts: readonly (string | Uint8Array)[]) => sayRaw(world, address, parts, 2_000);

const odd = oddBytes(random);

describe("bytes that no port speaks", () => {
  test("on all ports at once, with idle and slow connections beside them", async () => {
    const status = cluster.stores.map(({ statusAddress }) => statusAddress);
    const places = [
      { address: pd.address, idle: 600 },
      { address: store.address, idle: 600 },
      { address: peerAddress, idle: 300 },
      ...status.map((address) => ({ address, idle: 40 })),
    ];
    const held: Duplex[] = [];
    for (const { address, idle } of places)
      for (let i = 0; i < idle; i++) {
        const stream = await connect(address);
        held.push(stream);
        if (i % 4 === 1) stream.write("PRI"); // undecided: half a preface
        if (i % 4 === 2) stream.write("POST /pd/api/v1/config HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{");
        if (i % 4 === 3) stream.write("SKNR");
      }
    await Promise.all(places.flatMap(({ address }) => Object.values(odd).map((parts) => say(address, parts))));
    for (const stream of held) stream.write("x"); // one more byte from the slow ones
    for (const [i, stream] of held.entries()) if (i % 2 === 0) stream.end(); // half open: we say no more, and do not close
    await client.raw().put(Buffer.from("beside"), Buffer.from("them"));
    expect((await httpCall(world, pd.address, "GET", "/pd/api/v1/ping")).status).toBe(200);
    for (const address of status) expect((await httpCall(world, address, "GET", "/ready")).status).toBe(200);
    for (const stream of held) stream.destroy();
  }, 120_000);

  test("one who asks for much and reads none of it", async () => {
    const held: Duplex[] = [];
    for (let i = 0; i < 30; i++) {
      const stream = await connect(pd.address);
      stream.pause();
      held.push(stream);
      stream.write("GET /pd/api/v1/config/default HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2_000));
    }
    await client.raw().put(Buffer.from("beside"), Buffer.from("them"));
    for (const stream of held) stream.destroy();
  }, 120_000);
});

// ── gRPC ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

function frame(message: Uint8Array, length = message.length, isCompressed = false): Buffer {
  const out = Buffer.alloc(5 + message.length);
  out.writeUInt8(isCompressed ? 1 : 0, 0);
  out.writeUInt32BE(length, 1);
  out.set(message, 5);
  return out;
}

/** `grpc-status` of a call; "" when there was none, "late" when even a busy machine would have answered. */
async function call(session: ClientHttp2Session, path: string, body: Uint8Array, headers: Record<string, string> = {}): Promise<string> {
  const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers", ...headers });
  let status = "";
  stream.on("response", (got) => (status ||= String(got["grpc-status"] ?? "")));
  stream.on("trailers", (got) => (status = String(got["grpc-status"] ?? "")));
  stream.on("error", () => {});
  stream.resume();
  stream.end(body);
  const closed = stream.closed ? Promise.resolve() : once(stream, "close").catch(() => {});
  const late = new AbortController();
  await Promise.race([
    closed,
    world.clock.sleep(lateMs, late.signal).then(
      () => (status ||= "late"),
      () => {},
    ),
  ]);
  late.abort();
  stream.destroy();
  return status;
}

async function withSession<T>(address: string, run: (session: ClientHttp2Session) => Promise<T>): Promise<T> {
  const session = connectHttp2(`http://${address}`);
  session.on("error", () => {});
  try {
    return await run(session);
  } finally {
    session.destroy();
  }
}

const etcdPaths = [
  "KV/Range",
  "KV/Put",
  "KV/DeleteRange",
  "KV/Txn",
  "KV/Compact",
  "Watch/Watch",
  "Lease/LeaseGrant",
  "Lease/LeaseKeepAlive",
  "Lease/LeaseTimeToLive",
  "Cluster/MemberList",
  "Maintenance/Status",
].map((each) => `/etcdserverpb.${each}`);

describe("messages that are none", () => {
  /** Bodies of one message, each not what any method takes. */
  const bad: Readonly<Record<string, Uint8Array>> = {
    noise: frame(random.bytes(500)),
    "a field that claims 4 GiB": frame(Buffer.concat([Buffer.from([0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f]), random.bytes(40)])),
    "a number of 80 bits": frame(Buffer.from([0x08, ...Array.from({ length: 11 }, () => 0xff), 1])),
    "groups in groups": frame(Buffer.alloc(100_000, 0x0b)),
    "a message that is cut short": frame(random.bytes(20), 400),
    "a length of 2 GiB": frame(random.bytes(20), 0x7fff_ffff),
    "compressed by nothing": frame(random.bytes(100), 100, true),
    "messages in messages": frame(nested(5_000)),
  };

  test("to each method of each service: an answer or a status, no silence, no end", async () => {
    const pdPaths = [
      ...Object.values(pdpb.pd.methods).map(({ path }) => path),
      ...etcdPaths,
      "/grpc.health.v1.Health/Check",
      "/resource_manager.ResourceManager/AcquireTokenBuckets",
    ];
    const storePaths = [
      ...Object.values(tikvpb.tikv.methods).map(({ path }) => path),
      "/deadlock.Deadlock/Detect",
      "/deadlock.Deadlock/GetWaitForEntries",
      "/grpc.health.v1.Health/Check",
    ];
    const odd = ["/pdpb.PD/Nothing", "/nothing", "/", "//", "/../..", "/pdpb.PD/__proto__", "/__proto__/constructor"];
    const quiet: string[] = [];
    for (const [address, paths] of [
      [pd.address, pdPaths],
      [store.address, storePaths],
    ] as const)
      await withSession(address, async (session) => {
        for (const [what, body] of Object.entries(bad))
          await Promise.all(
            [...paths, ...odd].map(async (path) => {
              const status = await call(session, path, body);
              // a watch of a path of any name has nothing to say
              if (status === "late" && path === pdpb.pd.methods.WatchGlobalConfig.path) return;
              if (status === "late" || status === "") quiet.push(`${path}: ${what}: ${status}`);
            }),
          );
      });
    // What is over the limit of headers may end the connection.
    for (const address of [pd.address, store.address])
      await withSession(address, (session) =>
        Promise.all(
          Array.from({ length: 50 }, (_, i) => call(session, `/${"x".repeat(4_000 * (i % 5))}`, bad["noise"] ?? new Uint8Array(0))),
        ),
      );
    expect(quiet).toEqual([]);
  }, 120_000);

  test("a gigabyte of zeros that came as a megabyte", async () => {
    const bomb = gzipSync(Buffer.alloc(256 * mib));
    for (const [address, path] of [
      [pd.address, "/pdpb.PD/GetMembers"],
      [store.address, "/tikvpb.Tikv/RawPut"],
    ] as const)
      await withSession(address, async (session) => {
        const statuses = await Promise.all(
          Array.from({ length: 4 }, () => call(session, path, frame(bomb, bomb.length, true), { "grpc-encoding": "gzip" })),
        );
        for (const status of statuses) expect(status).not.toBe("0");
      });
  }, 120_000);
});

/** Field 1, which holds field 1, which …: lengths that are right. */
function nested(depth: number): Buffer {
  const parts: Buffer[] = [];
  let length = 0;
  for (let i = 0; i < depth; i++) {
    const head: number[] = [0x0a];
    for (let rest = length; ; rest >>>= 7) {
      if (rest < 128) {
        head.push(rest);
        break;
      }
      head.push((rest & 127) | 128);
    }
    parts.push(Buffer.from(head));
    length += head.length;
  }
  return Buffer.concat(parts.reverse());
}

/** The words of a refusal: of a status, or of an answer's header; null for one that was done. */
async function refusalOf<Q, A extends { readonly header: pdpb.ResponseHeader | null }>(
  method: UnaryMethod<Q, A>,
  request: Input<Q>,
  deadlineMs = 5_000,
): Promise<string | null> {
  try {
    const { header } = await toPd.request(method, request, { deadlineMs });
    return header?.error === null || header?.error === undefined || header.error.type === "OK"
      ? null
      : `${header.error.type}: ${header.error.message}`;
  } catch (error) {
    if (!isRpcError(error)) throw error;
    return `${error.status}: ${error.text}`;
  }
}

// ── the placement driver ──────────────────────────────────────────────────────────────────────────────────────────────

describe("a placement driver's services", () => {
  const m = pdpb.pd.methods;
  const header = () => ({ cluster_id: clusterId });
  const max = Number.MAX_SAFE_INTEGER;

  test("what is for another cluster, or cannot be, is refused; the oracle, ids and regions stay as they are", async () => {
    const before = await client.timestamp();
    const region = {
      id: 77,
      start_key: row(1),
      end_key: row(2),
      region_epoch: { conf_ver: 1, version: 1 },
      peers: [{ id: 78, store_id: storeId }],
    };
    const other = { header: { cluster_id: clusterId + 1n } };
    for (const [name, method] of Object.entries(m)) {
      // these say no cluster
      if (method.kind !== "unary" || name === "GetMembers" || name === "GetClusterInfo" || name.endsWith("GlobalConfig")) continue;
      expect([name, await refusalOf(method as never, other as never)]).toEqual([name, expect.stringMatching(/mismatch|unimplemented/)]);
    }
    const own = { header: header() };
    const refused: Record<string, string | null> = {
      "a store of no id": await refusalOf(m.PutStore, { ...own, store: { id: 0, address: "x:1" } }),
      "a store where another is": await refusalOf(m.PutStore, { ...own, store: { id: 900, address: store.address, version: "8.5.0" } }),
      "a store of a strange version": await refusalOf(m.PutStore, { ...own, store: { id: 901, address: "x:2", version: "v'; --" } }),
      "no store": await refusalOf(m.PutStore, own),
      "a second beginning": await refusalOf(m.Bootstrap, { ...own, store: { id: 9, address: "x:9" }, region }),
      "stats of nobody": await refusalOf(m.StoreHeartbeat, { ...own, stats: { store_id: max } }),
      "no stats": await refusalOf(m.StoreHeartbeat, own),
      "a split into 2^32-1": await refusalOf(m.AskBatchSplit, { ...own, region, split_count: 0xffff_ffff }),
      "a split of nothing": await refusalOf(m.AskSplit, own),
      "an operator of nothing": await refusalOf(m.GetOperator, { ...own, region_id: max }),
      "resolved timestamps of nobody": await refusalOf(m.ReportMinResolvedTS, { ...own, store_id: max, min_resolved_ts: largest }),
    };
    expect(Object.entries(refused).filter(([, words]) => words === null)).toEqual([]);
    // Asked for too much: an answer within limits.
    for (const limit of [-1, 0, 0x7fff_ffff, -0x8000_0000]) {
      const { regions } = await toPd.request(m.ScanRegions, { ...own, limit });
      expect(regions.length).toBeLessThan(100);
    }
    const many = Array.from({ length: 20_000 }, (_, i) => Buffer.from(encodeKey(Buffer.from(`split/${i}`))));
    await refusalOf(m.SplitRegions, { ...own, split_keys: many, retry_limit: max }, 1_000);
    await refusalOf(m.SplitRegions, { ...own, split_keys: [new Uint8Array(0), Buffer.alloc(mib)], retry_limit: 1 });
    await refusalOf(m.ScatterRegion, { ...own, regions_id: Array.from({ length: 100_000 }, (_, i) => i), retry_limit: max });
    await refusalOf(m.BatchScanRegions, { ...own, ranges: Array.from({ length: 100_000 }, () => ({})), limit: -1 });
    const spoken = await client.timestamp();
    expect(Number((spoken - before) >> 18n)).toBeLessThan(60_000);
    const { id } = await toPd.request(m.AllocID, own);
    expect(id).toBeLessThan(1_000_000);
  }, 120_000);

  test("a store with a hundred thousand labels, and figures that no machine has", async () => {
    const labels = Array.from({ length: 100_000 }, (_, i) => ({ key: `k${i}`, value: "v" }));
    const words = await refusalOf(m.PutStore, { header: header(), store: { id: 900, address: "127.0.0.1:1", version: "8.5.0", labels } });
    expect(words).toMatch(/label/);
    for (const stats of [
      {
        store_id: storeId,
        capacity: max,
        available: max,
        used_size: max,
        region_count: 0xffff_ffff,
        interval: { start_timestamp: max, end_timestamp: 0 },
      },
      {
        store_id: storeId,
        capacity: 0,
        available: max,
        peer_stats: Array.from({ length: 50_000 }, (_, i) => ({ region_id: i, read_keys: max, written_bytes: max })),
        interval: { start_timestamp: 0, end_timestamp: max },
      },
      {
        store_id: storeId,
        slow_score: max,
        damaged_regions_id: Array.from({ length: 100_000 }, (_, i) => i),
        cpu_usages: [{ key: "\u0000", value: max }],
      },
    ])
      await refusalOf(m.StoreHeartbeat, { header: header(), stats });
    for (const path of [
      "stores",
      "regions",
      "hotspot/regions/write",
      "hotspot/stores",
      "stats/region",
      "store/" + storeId,
      "regions/writeflow",
    ]) {
      const { status, text } = await httpCall(world, pd.address, "GET", `/pd/api/v1/${path}`);
      expect([path, status]).toEqual([path, 200]);
      JSON.parse(text);
    }
  }, 120_000);

  test("regions' heartbeats that cannot be are refused, each by an answer of its own", async () => {
    const peer = { id: 1_000_001, store_id: storeId };
    const epoch = { conf_ver: 1, version: 1 };
    const wild: Input<pdpb.RegionHeartbeatRequest>[] = [
      {},
      { region: {}, leader: peer },
      { region: { id: 0, region_epoch: epoch, peers: [peer] }, leader: peer },
      { region: { id: 7_000, region_epoch: epoch, peers: [{ id: 5, store_id: max }] }, leader: { id: 5, store_id: max } },
      { region: { id: 7_000, start_key: row(9), end_key: row(1), region_epoch: epoch, peers: [peer] }, leader: peer },
      { region: { id: 7_000, start_key: row(1), end_key: row(9), region_epoch: null, peers: [peer] }, leader: peer },
      { region: { id: 7_000, start_key: row(1), end_key: row(9), region_epoch: epoch, peers: [peer, peer] }, leader: peer },
      {
        region: { id: 7_000, start_key: row(1), end_key: row(9), region_epoch: epoch, peers: [peer] },
        leader: { id: 9, store_id: storeId },
      },
      {
        region: {
          id: 7_000,
          region_epoch: { conf_ver: 1, version: 0 },
          peers: Array.from({ length: 3_000 }, (_, i) => ({ id: i + 1, store_id: i === 0 ? storeId : i + 100 })),
        },
        leader: { id: 1, store_id: storeId },
      },
    ];
    const answers: pdpb.RegionHeartbeatResponse[] = [];
    const { promise, resolve } = Promise.withResolvers<unknown>();
    const stream = toPd.open(m.RegionHeartbeat, {
      message: (answer) => {
        answers.push(answer);
        if (answers.length === wild.length) resolve(null);
      },
      over: resolve,
    });
    for (const each of wild) stream.send({ header: header(), ...each });
    expect(await promise).toBe(null);
    stream.cancel();
    expect(answers.map(({ header: got }) => got?.error?.message ?? "taken").filter((words) => words === "taken")).toEqual([]);
    expect((await client.pd.getRegion(row(1)))?.meta.id).not.toBe(7_000);
  }, 120_000);

  test("timestamps: counts of none and of all, requests that nobody reads", async () => {
    const before = await client.timestamp();
    for (const count of [0, 0xffff_ffff, 300_000]) {
      const { promise, resolve } = Promise.withResolvers<unknown>();
      const stream = toPd.open(m.Tso, { message: resolve, over: resolve });
      stream.send({ header: header(), count });
      expect(isRpcError(await promise), String(count)).toBe(true);
      stream.cancel();
    }
    await withSession(pd.address, async (session) => {
      const stream = session.request({ ":method": "POST", ":path": m.Tso.path, "content-type": "application/grpc", te: "trailers" });
      stream.on("error", () => {});
      stream.pause();
      const one = frame(pdpb.TsoRequest.encode({ header: header(), count: 1 }));
      const some = Buffer.concat(Array.from({ length: 1_000 }, () => one));
      stream.setMaxListeners(0);
      for (let i = 0; i < 100; i++) if (!stream.write(some)) await Promise.race([once(stream, "drain"), world.clock.sleep(20)]);
    });
    expect(Number(((await client.timestamp()) - before) >> 18n)).toBeLessThan(60_000);
  }, 120_000);

  test("points of garbage collection: services that hold it back for ever may come, and go; its names are no paths", async () => {
    const safe = await client.pd.gcSafePoint();
    for (const [service, TTL, safe_point] of [
      ["../../x", 100, 0n],
      ['\u0000"}', 100, 1n],
      ["x".repeat(100_000), 1, 0n],
      ["", 100, 1n],
      ["forever", max, largest],
      ["gone", -max, 0n],
    ] as const)
      await refusalOf(m.UpdateServiceGCSafePoint, { header: header(), service_id: Buffer.from(service), TTL, safe_point });
    const { text, status } = await httpCall(world, pd.address, "GET", "/pd/api/v1/gc/safepoint");
    expect(status, text).toBe(200);
    expect(await client.pd.gcSafePoint()).toBe(safe);
  }, 120_000);
});

describe("a placement driver's HTTP", () => {
  const deep = (mark: string, end: string, depth: number) => mark.repeat(depth) + "1" + end.repeat(depth);
  const bodies: Readonly<Record<string, string>> = {
    nothing: "",
    "brackets without end": "[".repeat(mib),
    "brackets, deep": deep("[", "]", 200_000),
    "objects, deep": deep('{"a":', "}", 100_000),
    "a long list": `[${"{},".repeat(100_000)}{}]`,
    "a long key": JSON.stringify({ ["k".repeat(mib)]: 1 }),
    "many keys": JSON.stringify(Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`k${i}`, i]))),
    "the prototype": '{"__proto__": {"polluted": true}, "constructor": {"prototype": {"polluted": true}}}',
    "a great number": `{"max-replicas": ${"9".repeat(100_000)}}`,
    "a great exponent": '{"max-replicas": 1e999999, "schedule.max-store-down-time": "1e99h"}',
    "a negative": '{"max-replicas": -1, "leader-schedule-limit": -18446744073709551616}',
    "no text": "\u0000\ud800".repeat(1000),
    "wrong types":
      '{"group_id": [], "id": {}, "count": "x", "role": 9, "location_labels": 1, "label_constraints": "x", "store_id": "1", "name": 7}',
    null: "null",
  };
  const posts = [
    "config",
    "config/schedule",
    "config/replicate",
    "config/pd-server",
    "config/rule",
    "config/rules",
    "config/rules/batch",
    "config/rules/dry-run",
    "config/rule_group",
    "config/placement-rule",
    "config/placement-rule/x",
    "config/region-label/rule",
    "config/label-property",
    "config/replication-mode",
    "config/cluster-version",
    "operators",
    "schedulers",
    "stores/limit",
    "store/1/label",
    "store/1/weight",
    "store/1/limit",
    "regions/split",
    "regions/scatter",
    "regions/accelerate-schedule",
    "admin/log",
    "admin/reset-ts",
    "admin/base-alloc-id",
    "members/name/pd-1",
    "scheduler-config/balance-hot-region-scheduler/config",
  ];

  /** The same reader reads them for all: two routes will do. */
  const readerBombs = ["brackets without end", "brackets, deep", "objects, deep", "a long key", "a great number", "no text"];
  /** Members that they do not know are passed over, and without those that they know they do little or nothing: as in the field. */
  const mayTake =
    /^(config\/rules|config\/rules\/batch|config\/rule_group|config\/placement-rule\/x|config\/replication-mode|regions\/scatter|regions\/accelerate-schedule|members\/name\/pd-1)$/;

  test("bodies that are bombs: refused, and nothing has changed", async () => {
    const before = await cluster.ask("/pd/api/v1/config");
    const rules = await cluster.ask("/pd/api/v1/config/rules");
    const taken: string[] = [];
    for (const [what, body] of Object.entries(bodies))
      for (const path of readerBombs.includes(what) ? ["config", "config/rules"] : posts) {
        const beginMs = world.clock.monotonicMs();
        const answer = await httpCall(world, pd.address, "POST", `/pd/api/v1/${path}`, body);
        const tookMs = world.clock.monotonicMs() - beginMs;
        if (answer.status < 300 && !mayTake.test(path)) taken.push(`${path} took ${what}: ${answer.text.slice(0, 80)}`);
        if (tookMs > lateMs) taken.push(`${path} thought ${Math.round(tookMs)} ms about ${what}`);
        if (inner.test(answer.text)) taken.push(`${path}, ${what}: ${answer.status} ${answer.text.slice(0, 120)}`);
      }
    expect(taken).toEqual([]);
    expect(await cluster.ask("/pd/api/v1/config")).toEqual(before);
    expect(await cluster.ask("/pd/api/v1/config/rules")).toEqual(rules);
  }, 120_000);
});

// ── stores ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What a mistake of the program sounds like. */
const inner = /Cannot |undefined|is not a (function|constructor)|RangeError|TypeError|Invalid |call stack|out of range|BigInt/;

describe("a store's services", () => {
  const m = tikvpb.tikv.methods;
  beforeAll(meetLeader);
  const contextAt = async (key: Uint8Array): Promise<Input<kvrpcpb.Context>> => {
    const { meta: region, leader } = (await client.pd.getRegion(key)) ?? {};
    return {
      region_id: region?.id ?? 0,
      region_epoch: { conf_ver: region?.epoch.confVer ?? 0, version: region?.epoch.version ?? 0 },
      peer: { id: leader?.id ?? 0, store_id: leader?.storeId ?? 0 },
    };
  };
  /** All that an answer says went wrong; "" when it was done. */
  const wordsOf = async (method: unknown, request: object): Promise<string> => {
    try {
      const answer = await toStore.request(method as UnaryMethod<object, Record<string, unknown>>, request, { deadlineMs: 8_000 });
      const { region_error: region, error, errors, other_error: other } = answer;
      const said = [region, error, other, ...((errors as unknown[]) ?? [])].filter(
        (each) => each !== null && each !== undefined && each !== "",
      );
      return said
        .map((each) =>
          typeof each === "string" ? each : JSON.stringify(each, (_key, v: unknown) => (typeof v === "bigint" ? String(v) : v)),
        )
        .join(" ");
    } catch (error) {
      if (!isRpcError(error)) throw error;
      return `${error.status}: ${error.text}`;
    }
  };
  const unaryMethods = () =>
    Object.entries(m).filter(([name, { kind }]) => kind === "unary" && name !== "UnsafeDestroyRange") as unknown as [
      string,
      UnaryMethod<never, never>,
    ][];
  const maxTs = async () => {
    const { text } = await httpCall(world, store.statusAddress, "GET", "/debug/state");
    return BigInt((JSON.parse(text) as { maxTs: string }).maxTs);
  };

  test("requests for other regions, epochs, stores and peers, and with contexts of nonsense, are refused", async () => {
    const good = await contextAt(row(1));
    const max = Number.MAX_SAFE_INTEGER;
    const contexts: Input<kvrpcpb.Context>[] = [
      {},
      { ...good, region_id: max },
      { ...good, region_epoch: { conf_ver: max, version: max } },
      { ...good, region_epoch: null },
      { ...good, peer: { id: max, store_id: max } },
      { ...good, api_version: "V2" },
    ];
    const keyed = [
      "RawGet",
      "RawPut",
      "RawDelete",
      "RawScan",
      "KvGet",
      "KvScan",
      "KvPrewrite",
      "SplitRegion",
      "KvDeleteRange",
      "RawDeleteRange",
    ];
    const bad: string[] = [];
    for (const [i, context] of contexts.entries())
      for (const name of keyed) {
        const request = {
          context,
          key: row(1),
          start_key: row(1),
          end_key: row(2),
          value: row(1),
          version: 5n,
          limit: 1,
          split_key: row(1),
          mutations: [{ key: row(1) }],
        };
        const words = await wordsOf((m as Readonly<Record<string, unknown>>)[name], request);
        if (inner.test(words)) bad.push(`${name} ${i}: ${words}`);
        if (words === "" && !["RawScan", "KvScan"].includes(name)) bad.push(`${name} ${i}: taken`);
      }
    expect(bad).toEqual([]);
  }, 120_000);

  test("empty requests, and ones full of the largest numbers, never meet a mistake of the program", async () => {
    const context = await contextAt(Buffer.from("evil"));
    const wild = {
      context,
      key: Buffer.from("evil"),
      keys: [Buffer.from("evil"), new Uint8Array(0)],
      start_key: Buffer.from("evil"),
      end_key: Buffer.from("evil2"),
      start_version: largest,
      commit_version: 1n,
      lock_version: largest,
      lock_ts: largest,
      caller_start_ts: largest,
      current_ts: largest,
      version: largest - 1n,
      limit: 0xffff_ffff,
      lock_ttl: 2 ** 53 - 1,
      ttl: 2 ** 53 - 1,
      for_update_ts: largest,
      min_commit_ts: largest,
      max_commit_ts: largest,
      wait_timeout: -5,
      cf: "\0nope",
      primary_lock: Buffer.from("evil"),
      primary_key: Buffer.from("evil"),
      mutations: [{ op: "Put", key: Buffer.from("evil"), value: row(1) }],
      safe_point: 0n,
      max_version: largest,
      ranges: Array.from({ length: 1_000 }, () => ({})),
    };
    const bad: string[] = [];
    // With the region's epoch and nothing else, a deletion means all of the region: as it was asked.
    for (const [name, method] of unaryMethods())
      for (const request of name.endsWith("DeleteRange") ? [{}, wild] : [{}, { context }, wild]) {
        const words = await wordsOf(method, request);
        if (inner.test(words)) bad.push(`${name}: ${words}`);
      }
    expect(bad).toEqual([]);
    const now = await client.timestamp();
    expect((await maxTs()) - now < 3_600_000n << 18n).toBe(true);
    await toStore.request(m.KvBatchRollback, { context, start_version: largest, keys: [Buffer.from("evil")] });
  }, 120_000);

  test("timestamps from the far future move neither the largest read one, nor the oracle, nor the commits of others", async () => {
    const key = Buffer.from("future");
    const context = await contextAt(key);
    const start = await client.timestamp();
    const far = 2n ** 62n;
    const prewrite = {
      context,
      primary_lock: key,
      start_version: start,
      lock_ttl: 20_000,
      mutations: [{ op: "Put" as const, key, value: row(3) }],
    };
    expect(await wordsOf(m.KvPrewrite, prewrite)).toBe("");
    const asked = { context, primary_key: key, lock_ts: start, caller_start_ts: far, current_ts: start };
    expect(await wordsOf(m.KvCheckTxnStatus, asked)).toMatch(/far/);
    expect(await wordsOf(m.KvGet, { context, key: Buffer.from("none"), version: far })).toMatch(/far/);
    expect(await wordsOf(m.KvGet, { context, key: Buffer.from("none"), version: largest })).toBe("");
    for (const each of [
      { start_version: far },
      { use_async_commit: true, start_version: start + 1n, min_commit_ts: far },
      { try_one_pc: true, start_version: start + 1n, min_commit_ts: far },
      { for_update_ts: far, start_version: start + 1n },
    ]) {
      const other = Buffer.from("future2");
      await wordsOf(m.KvPrewrite, {
        ...prewrite,
        primary_lock: other,
        mutations: [{ op: "Put", key: other, value: row(1) }],
        ...each,
      });
      await wordsOf(m.KvBatchRollback, { context, start_version: each.start_version, keys: [other] });
    }
    const now = await client.timestamp();
    expect((await maxTs()) - now < 3_600_000n << 18n).toBe(true);
    expect(now - start < 60_000n << 18n).toBe(true);
    expect(await wordsOf(m.KvCommit, { context, start_version: start, commit_version: now, keys: [key] })).toBe("");
    await client.transact(async (transaction) => {
      expect(Buffer.from((await transaction.get(key)) ?? "").toString()).toBe(String(row(3)));
    });
  }, 120_000);

  test("no keys, a hundred thousand keys, enormous keys and values", async () => {
    const context = await contextAt(Buffer.from("many"));
    const start = await client.timestamp();
    const primary = Buffer.from("many/0");
    const many = Array.from({ length: 100_000 }, (_, i) => ({ op: "Put" as const, key: Buffer.from(`many/${i}`), value: row(1) }));
    const base = { context, primary_lock: primary, start_version: start, lock_ttl: 3_000 };
    const bad: string[] = [];
    const said = async (what: string, method: keyof typeof m, request: object) => {
      const words = await wordsOf(m[method], request);
      if (inner.test(words)) bad.push(`${what}: ${words.slice(0, 300)}`);
      return words;
    };
    await said("no mutations", "KvPrewrite", { ...base, mutations: [] });
    const beginMs = world.clock.monotonicMs();
    const prewritten = said("many mutations", "KvPrewrite", { ...base, mutations: many });
    await client.raw().put(Buffer.from("beside"), Buffer.from("them"));
    expect(world.clock.monotonicMs() - beginMs).toBeLessThan(lateMs);
    await prewritten;
    await said("rollback of many", "KvBatchRollback", { context, start_version: start, keys: many.slice(0, 1_000).map(({ key }) => key) });
    expect(
      await said("an enormous key", "KvPrewrite", { ...base, mutations: [{ op: "Put", key: Buffer.alloc(8 * mib, "k"), value: row(1) }] }),
    ).not.toBe("");
    await said("an enormous value", "RawPut", { context, key: Buffer.from("huge"), value: Buffer.alloc(40 * mib) });
    expect(await said("an enormous raw key", "RawPut", { context, key: Buffer.alloc(8 * mib, "k"), value: row(1) })).not.toBe("");
    await said("an empty raw key", "RawPut", { context, key: new Uint8Array(0), value: row(1) });
    await said("many raw", "RawBatchPut", { context, pairs: many.map(({ key }) => ({ key, value: row(1) })) });
    await said("many ranges", "RawBatchScan", { context, ranges: Array.from({ length: 300 }, () => ({})), each_limit: 0xffff_ffff });
    await said("locks of many", "KvResolveLock", { context, txn_infos: many.map((_, i) => ({ txn: BigInt(i), status: 0n })) });
    await said("split at nothing", "SplitRegion", { context, split_keys: [new Uint8Array(0)] });
    expect(
      await said("split at the enormous", "SplitRegion", {
        context: await contextAt(Buffer.from("z")),
        split_keys: [Buffer.alloc(4 * mib, "z")],
      }),
    ).toContain("bytes");
    expect(
      await said("split at too many", "SplitRegion", {
        context: await contextAt(Buffer.from("many")),
        split_keys: many.map(({ key }) => key),
      }),
    ).toContain("the most");
    expect(bad).toEqual([]);
    await client.raw().deleteRange({ start: Buffer.from("many"), end: Buffer.from("many0") });
  }, 120_000);
});

describe("a store's port for other stores", () => {
  const varint = (value: number): number[] => (value < 128 ? [value] : [(value % 128) | 128, ...varint(Math.floor(value / 128))]);
  const framed = (body: Uint8Array) => {
    const head = Buffer.alloc(8);
    head.writeUInt32LE(body.length, 0);
    head.writeUInt32LE(crc32(body), 4);
    return Buffer.concat([head, body]);
  };
  const hello = (kind: number, cluster: bigint) => {
    const bytes = Buffer.alloc(22);
    bytes.set([0x93, 0x53, 0x4b, 0x52, 1, kind], 0);
    bytes.writeBigUInt64LE(cluster, 6);
    bytes.writeBigUInt64LE(77n, 14);
    return bytes;
  };
  /** Region, from, to, epoch and the rest as numbers, to a region that is not there. */
  const envelope = (kind: number, ...rest: number[]) =>
    framed(Buffer.from([kind, ...[9_000 + kind, 1, 77, 500, storeId, 1, 1, ...rest].flatMap(varint)]));
  const huge = Number.MAX_SAFE_INTEGER;

  test("lies about the cluster, lengths, checksums, messages and snapshots end their connection and nothing else", async () => {
    const damaged = framed(random.bytes(100));
    damaged[20] = (damaged[20] ?? 0) ^ 1;
    const long = Buffer.alloc(8);
    long.writeUInt32LE(0xffff_ffff, 0);
    const talks: (readonly Uint8Array[])[] = [
      [hello(1, clusterId + 1n), envelope(4, 1, 1, 1)],
      [hello(9, clusterId), random.bytes(1000)],
      [hello(1, clusterId), random.bytes(64 * 1024)],
      [hello(1, clusterId), damaged],
      [hello(1, clusterId), long, new Uint8Array(mib)],
      [hello(1, clusterId), framed(random.bytes(5_000))],
      [hello(1, clusterId), framed(new Uint8Array(0)), framed(Buffer.alloc(50_000, 0xff))],
      ...Array.from({ length: 24 }, (_, kind) => [hello(1, clusterId), envelope(kind, huge, huge, huge, huge, huge)]),
      ...[1, 4, 6, 8].map((kind) => [hello(1, clusterId), envelope(kind, huge, 0, 0, 0, 0, 0)]),
      [hello(2, clusterId), framed(random.bytes(300)), framed(random.bytes(100_000)), framed(new Uint8Array(0))],
      [hello(2, clusterId), framed(Buffer.alloc(2_000, 1)), framed(new Uint8Array(0))],
      [hello(2, clusterId), long],
      ...Array.from({ length: 40 }, () => [hello(1, clusterId).subarray(0, 10)]),
    ];
    await Promise.all(talks.map((parts) => say(peerAddress, parts)));
  }, 120_000);
});

describe("the metadata that a placement driver serves as etcd does", () => {
  const field = (tag: number, bytes: Uint8Array) => {
    const head = [tag];
    let rest = bytes.length;
    for (; rest > 127; rest = Math.floor(rest / 128)) head.push((rest % 128) | 128);
    return Buffer.concat([Buffer.from([...head, rest]), bytes]);
  };

  test("values and transactions that are too large, ranges of everything, leases that never end", async () => {
    const put = (size: number) => Buffer.concat([field(0x0a, Buffer.from("hostile")), field(0x12, Buffer.alloc(size))]);
    const minus = Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
    await withSession(pd.address, async (session) => {
      const at = (path: string, message: Uint8Array) => call(session, `/etcdserverpb.${path}`, frame(message));
      expect(await at("KV/Put", put(20 * mib))).not.toMatch(/^(late|)$/); // placement drivers of the field take more
      const operation = field(0x12, field(0x12, put(10)));
      expect(await at("KV/Txn", Buffer.concat(Array.from({ length: 20_000 }, () => operation)))).not.toMatch(/^(0|late|)$/);
      for (const message of [
        Buffer.concat([Buffer.from([0x08]), minus, Buffer.from([0x10, 0x07])]),
        Buffer.from([0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x10, 0x09]),
        Buffer.alloc(0),
      ])
        expect(await at("Lease/LeaseGrant", message)).not.toMatch(/^(late|)$/);
      expect(
        await at("KV/Range", Buffer.concat([field(0x0a, Buffer.from([0])), field(0x12, Buffer.from([0])), Buffer.from([0x18]), minus])),
      ).not.toMatch(/^(late|)$/);
      expect(await at("KV/Compact", Buffer.from([0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]))).not.toMatch(/^(0|late|)$/);
    });
    expect((await httpCall(world, pd.address, "GET", "/pd/api/v1/health")).status).toBe(200);
  }, 120_000);
});
