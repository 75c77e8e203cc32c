/**
 * What stock clients rely on without saying so, asked of real processes by calls of one's own: the paths that the four programs cannot
 * be steered to. `README.md` beside it says which test holds which of the traps.
 */
import { connect as connectHttp2 } from "node:http2";
import { nodeWorld } from "@skein/base";
import { planTopology } from "@skein/cli";
import { openMetastore } from "@skein/metastore";
import { metapb, pdpb, resource_manager } from "@skein/placement/wire";
import { createRpcClient, type Input, isRpcError, message, names, type RpcClient, service, text, unary } from "@skein/rpc";
import { encodeKey, kvrpcpb, tikvpb } from "@skein/store/wire";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type OpenCluster, openCluster } from "../support/region-cluster.ts";

const world = nodeWorld();
const { methods: pd } = pdpb.pd;
const { methods: kv } = tikvpb.tikv;
const bytes = (content: string) => Buffer.from(content);
const shown = (content: Uint8Array) => Buffer.from(content).toString();

const Check = unary(
  message<{ readonly service: string }>("grpc.health.v1.HealthCheckRequest", { service: text(1) }),
  message<{ readonly status: string }>("grpc.health.v1.HealthCheckResponse", {
    status: names(1, ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"] as const),
  }),
);
const { Check: check } = service("grpc.health.v1.Health", { Check }).methods;

let it: OpenCluster;
let toPd: RpcClient;
let toStore: RpcClient;
let header: { readonly cluster_id: bigint };

beforeAll(async () => {
  it = await openCluster(world, "traps", {
    topology: planTopology({ pds: 1, stores: 1, labels: [] }),
    network: "loopback",
    storeConfig: "[storage]\nenable-ttl = true\n",
  });
  const { cluster } = it;
  toPd = createRpcClient(world, cluster.pdEndpoints[0] ?? "");
  toStore = createRpcClient(world, cluster.stores[0]?.address ?? "");
  header = { cluster_id: (await toPd.request(pd.GetMembers, {})).header?.cluster_id ?? 0n };
}, 120_000);
afterAll(async () => {
  toPd?.close();
  toStore?.close();
  await it?.[Symbol.asyncDispose]();
});

async function timestamp(): Promise<bigint> {
  return it.client.timestamp();
}

/** The region that holds a key, with the context that a client makes of the placement driver's answer. */
async function locate(key: Uint8Array) {
  const answer = await toPd.request(pd.GetRegion, { header, region_key: key, need_buckets: true });
  const region = answer.region as metapb.Region;
  return { region, leader: answer.leader, context: contextOf(region) };
}
const contextOf = (region: metapb.Region): Input<kvrpcpb.Context> => ({
  region_id: region.id,
  region_epoch: region.region_epoch ?? {},
  peer: region.peers[0] ?? {},
  // as the Go client fills them
  max_execution_duration_ms: 20_000,
  priority: "Normal",
  request_source: "unknown",
  keyspace_id: 0xffff_ffff,
});
const at = async (key: string) => (await locate(encodeKey(bytes(key)))).context;
const atRaw = async (key: string) => (await locate(bytes(key))).context;

const put = (key: string, value = "v") => ({ op: "Put" as const, key: bytes(key), value: bytes(value) });

interface Batched {
  readonly kind: string;
  readonly value: object;
}
/** Sends commands in one message of a stream; gives the answers by their ids. */
function batch(requests: readonly Batched[]): Promise<ReadonlyMap<number, Batched | null>> {
  return new Promise((resolve, reject) => {
    const answers = new Map<number, Batched | null>();
    const stream = toStore.open(kv.BatchCommands, {
      over: (error) => reject(error ?? new Error("the stream has ended")),
      message: ({ responses, request_ids: ids }) => {
        for (const [index, id] of ids.entries()) answers.set(id, (responses[index] as Batched | null | undefined) ?? null);
        if (answers.size < requests.length) return;
        resolve(answers);
        stream.cancel();
      },
    });
    stream.send({ requests: requests as never, request_ids: requests.map((_, index) => 1000 + index) });
  });
}

describe("connections", () => {
  test("T1: pings without a call, far more often than each 10 s, are answered on both ports, and end no connection", async () => {
    for (const address of [it.cluster.pdEndpoints[0], it.cluster.stores[0]?.address]) {
      const session = connectHttp2(`http://${address}`);
      try {
        await new Promise<void>((resolve, reject) => session.once("connect", () => resolve()).once("error", reject));
        let goaways = 0;
        session.on("goaway", () => goaways++);
        for (let i = 0; i < 100; i++)
          await new Promise<void>((resolve, reject) => session.ping((error) => (error === null ? resolve() : reject(error))));
        expect([goaways, session.closed]).toEqual([0, false]);
      } finally {
        session.destroy();
      }
    }
  });

  test("T2: whatever spelling of its host a client forwards to, the leader serves the call itself", async () => {
    const own = it.cluster.pdEndpoints[0] ?? "";
    for (const host of [`http://${own}`, `http://${own.replace("127.0.0.1", "localhost")}`, "http://nowhere.invalid:2379"]) {
      const before = (await toPd.request(pd.AllocID, { header })).id;
      const { id } = await toPd.request(pd.AllocID, { header }, { metadata: { "pd-forwarded-host": host }, deadlineMs: 2_000 });
      expect(id).toBeGreaterThan(before);
    }
  });

  test("T3: members tell the cluster, its leader, and addresses that answer", async () => {
    const answer = await toPd.request(pd.GetMembers, {});
    expect(answer.header?.cluster_id).not.toBe(0n);
    expect(answer.leader).not.toBeNull();
    for (const member of [answer.leader, ...answer.members])
      for (const url of member?.client_urls ?? []) {
        expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
        using there = createRpcClient(world, url);
        expect((await there.request(pd.GetMembers, {})).header?.cluster_id).toBe(header.cluster_id);
      }
  });

  test("T5: the stream of tokens stays open, and as silent as its client", async () => {
    const heard: unknown[] = [];
    const stream = toPd.open(resource_manager.resourceManager.methods.AcquireTokenBuckets, {
      message: (each) => heard.push(each),
      over: (error) => heard.push(error),
    });
    for (let i = 0; i < 100; i++) await toPd.request(pd.GetRegion, { header, region_key: bytes("t5") });
    stream.send({});
    for (let i = 0; i < 100; i++) await toPd.request(pd.GetRegion, { header, region_key: bytes("t5") });
    expect(heard).toEqual([]);
    stream.cancel();
  });

  test("the safe point that client-go looks for behind etcd's protocol is found on the placement driver's port", async () => {
    await using etcd = await openMetastore(world, { kind: "etcd", endpoints: [...it.cluster.pdEndpoints] });
    const key = "/tidb/store/gcworker/saved_safe_point";
    const none = await etcd.range({ key });
    expect([none.items.length, none.revision > 0]).toEqual([0, true]);
    await etcd.put(key, "445000000000000000");
    const { items } = await etcd.range({ key });
    expect(items.map(({ value }) => shown(value))).toEqual(["445000000000000000"]);
    await etcd.delete({ key });
  });

  test("T8: both ports say that they serve", async () => {
    for (const client of [toPd, toStore]) expect((await client.request(check, { service: "" })).status).toBe("SERVING");
  });
});

describe("answers about keys", () => {
  test("T6: an absent key is said to be absent; a key with an empty value is there", async () => {
    const context = await atRaw("t6");
    expect((await toStore.request(kv.RawPut, { context, key: bytes("t6-empty"), value: bytes(""), for_cas: true })).error).toBe("");
    const raw = (key: string) => toStore.request(kv.RawGet, { context, key: bytes(key) });
    expect([(await raw("t6-empty")).not_found, (await raw("t6-none")).not_found]).toEqual([false, true]);
    const ttl = (key: string) => toStore.request(kv.RawGetKeyTTL, { context, key: bytes(key) });
    expect([await ttl("t6-empty"), await ttl("t6-none")]).toMatchObject([
      { not_found: false, ttl: 0 },
      { not_found: true, ttl: 0 },
    ]);
    const start = await timestamp();
    const txn = await at("t6");
    await toStore.request(kv.KvPrewrite, {
      context: txn,
      mutations: [put("t6-empty", ""), put("t6-gone")],
      primary_lock: bytes("t6-empty"),
      start_version: start,
      lock_ttl: 3_000,
      try_one_pc: true,
    });
    const gone = await timestamp();
    await toStore.request(kv.KvPrewrite, {
      context: txn,
      mutations: [{ op: "Del", key: bytes("t6-gone") }],
      primary_lock: bytes("t6-gone"),
      start_version: gone,
      lock_ttl: 3_000,
      try_one_pc: true,
    });
    const version = await timestamp();
    const requests = ["t6-empty", "t6-none", "t6-gone"].map((key) => ({ context: txn, key: bytes(key), version }));
    const alone = await Promise.all(requests.map((request) => toStore.request(kv.KvGet, request)));
    const batched = [...(await batch(requests.map((value) => ({ kind: "Get", value })))).values()].map((answer) => answer?.value);
    for (const answers of [alone, batched])
      expect(answers.map((answer) => (answer as kvrpcpb.GetResponse).not_found)).toEqual([false, true, true]);
  });

  test("T7: absent keys are left out of what many keys give", async () => {
    const context = await atRaw("t7");
    const pairs = [0, 2, 4].map((i) => ({ key: bytes(`t7-${i}`), value: bytes(`v${i}`) }));
    await toStore.request(kv.RawBatchPut, { context, pairs, ttls: [0, 100, 0] });
    const keys = [4, 1, 0, 3, 2].map((i) => bytes(`t7-${i}`));
    const raw = await toStore.request(kv.RawBatchGet, { context, keys });
    expect(raw.pairs.map(({ key, value }) => `${shown(key)}=${shown(value)}`).sort()).toEqual(["t7-0=v0", "t7-2=v2", "t7-4=v4"]);
    const left = await toStore.request(kv.RawGetKeyTTL, { context, key: bytes("t7-2") });
    expect([left.not_found, left.ttl > 90 && left.ttl <= 100]).toEqual([false, true]);
    const txn = await at("t7");
    await toStore.request(kv.KvPrewrite, {
      context: txn,
      mutations: [put("t7-0"), put("t7-2")],
      primary_lock: bytes("t7-0"),
      start_version: await timestamp(),
      lock_ttl: 3_000,
      try_one_pc: true,
    });
    const found = await toStore.request(kv.KvBatchGet, { context: txn, keys, version: await timestamp() });
    expect(found.pairs.map(({ key }) => shown(key)).sort()).toEqual(["t7-0", "t7-2"]);
  });

  test("T9: regions are looked up by plain keys and by encoded ones; requests carry plain keys, borders are encoded", async () => {
    const context = await at("t9");
    const split = await toStore.request(kv.SplitRegion, { context, split_keys: [bytes("t9-m")] });
    const border = Buffer.from(encodeKey(bytes("t9-m")));
    expect(split.regions.map(({ start_key }) => Buffer.from(start_key)).at(-1)).toEqual(border);
    await expect.poll(async () => Buffer.from((await locate(border)).region.start_key), { timeout: 10_000, interval: 20 }).toEqual(border);
    const [before, behind] = [await locate(encodeKey(bytes("t9-a"))), await locate(encodeKey(bytes("t9-z")))];
    expect(Buffer.from(before.region.end_key)).toEqual(border);
    const version = await timestamp();
    const get = (key: string, where: typeof before) => toStore.request(kv.KvGet, { context: where.context, key: bytes(key), version });
    expect((await get("t9-z", behind)).region_error).toBeNull();
    expect((await get("t9-z", before)).region_error?.key_not_in_region?.region_id).toBe(before.region.id);
    // A raw client's border is the key itself.
    const raw = await toStore.request(kv.SplitRegion, { context: await atRaw("zt9"), split_keys: [bytes("zt9-m")], is_raw_kv: true });
    expect(raw.regions.map(({ start_key }) => shown(start_key)).at(-1)).toBe("zt9-m");
    await expect.poll(async () => shown((await locate(bytes("zt9-q"))).region.start_key), { timeout: 10_000, interval: 20 }).toBe("zt9-m");
    expect((await toStore.request(kv.RawGet, { context: await atRaw("zt9-q"), key: bytes("zt9-q") })).region_error).toBeNull();
  });

  test("T10: a region never comes without its leader, also one that a split has just made", async () => {
    for (let round = 0; round < 10; round++) {
      const key = `t10-${round}`;
      await toStore.request(kv.SplitRegion, { context: await at(key), split_keys: [bytes(key)] });
      const { region, leader } = await locate(encodeKey(bytes(key)));
      expect(leader?.id).toBe(region.peers[0]?.id);
      const scanned = await toPd.request(pd.ScanRegions, { header, limit: 1000 });
      expect(scanned.leaders.length).toBe(scanned.region_metas.length);
      for (const each of scanned.regions) expect(each.leader?.store_id).toBeGreaterThan(0);
    }
  });

  test("T11: an old epoch is answered with all regions of now, and soon the placement driver knows them, too", async () => {
    for (let round = 0; round < 5; round++) {
      const key = `t11-${round}`;
      const old = await at(key);
      await toStore.request(kv.SplitRegion, { context: old, split_keys: [bytes(`${key}-h`), bytes(`${key}-q`)] });
      const refused = await toStore.request(kv.KvGet, { context: old, key: bytes(key), version: await timestamp() });
      const current = refused.region_error?.epoch_not_match?.current_regions ?? [];
      const own = current.find(({ id }) => id === old.region_id);
      expect(own?.region_epoch?.version).toBeGreaterThan(old.region_epoch?.version ?? 0);
      // The parts beside it come along: who fills its cache from them asks nobody else.
      expect(current.map(({ end_key }) => Buffer.from(end_key).toString("hex"))).toContain(
        Buffer.from(encodeKey(bytes(`${key}-h`))).toString("hex"),
      );
      // The Rust client asks the placement driver, between 2 ms and 500 ms apart.
      const known = async () => (await locate(encodeKey(bytes(key)))).region.region_epoch?.version ?? 0;
      await expect.poll(known, { timeout: 5_000, interval: 2 }).toBe(own?.region_epoch?.version);
    }
  });

  test("T12: what is too large is refused in words or as such, not as a store that is busy, and the next write is not held up", async () => {
    const context = await atRaw("t12");
    const large = await toStore.request(kv.RawPut, { context, key: bytes("t12"), value: Buffer.alloc(9 * 1024 * 1024) });
    expect([large.region_error, large.error]).toEqual([null, expect.stringContaining("over the limit")]);
    const pairs = Array.from({ length: 9 }, (_, i) => ({ key: bytes(`t12-${i}`), value: Buffer.alloc(1024 * 1024) }));
    const many = await toStore.request(kv.RawBatchPut, { context, pairs });
    expect(many.region_error?.raft_entry_too_large?.region_id).toBe(context.region_id);
    expect((await toStore.request(kv.RawPut, { context, key: bytes("t12"), value: bytes("1") })).region_error).toBeNull();
  });
});

/** One harmless request of each kind that clients put into BatchCommands, with the unary call that does the same. */
const kinds: readonly (readonly [keyof tikvpb.BatchRequests, keyof typeof kv, object])[] = [
  ["Get", "KvGet", { key: bytes("t13"), version: 1n }],
  ["Scan", "KvScan", { start_key: bytes("t13"), limit: 256, version: 1n }],
  ["Prewrite", "KvPrewrite", { mutations: [], primary_lock: bytes("t13"), start_version: 5n }],
  ["Commit", "KvCommit", { keys: [bytes("t13")], start_version: 5n, commit_version: 6n }],
  ["Cleanup", "KvCleanup", { key: bytes("t13"), start_version: 5n }],
  ["BatchGet", "KvBatchGet", { keys: [bytes("t13")], version: 1n }],
  ["BatchRollback", "KvBatchRollback", { keys: [bytes("t13")], start_version: 5n }],
  ["ScanLock", "KvScanLock", { max_version: 1n, limit: 1024 }],
  ["ResolveLock", "KvResolveLock", { start_version: 5n }],
  ["GC", "KvGC", { safe_point: 0n }],
  ["DeleteRange", "KvDeleteRange", { start_key: bytes("t13-x"), end_key: bytes("t13-y") }],
  ["RawGet", "RawGet", { key: bytes("t13") }],
  ["RawBatchGet", "RawBatchGet", { keys: [bytes("t13")] }],
  ["RawPut", "RawPut", { key: bytes("t13"), value: bytes("1") }],
  ["RawBatchPut", "RawBatchPut", { pairs: [{ key: bytes("t13"), value: bytes("1") }] }],
  ["RawDelete", "RawDelete", { key: bytes("t13"), for_cas: true }],
  ["RawBatchDelete", "RawBatchDelete", { keys: [bytes("t13")], for_cas: true }],
  ["RawScan", "RawScan", { start_key: bytes("t13"), limit: 10_240 }],
  ["RawDeleteRange", "RawDeleteRange", { start_key: bytes("t13-x"), end_key: bytes("t13-y") }],
  ["RawBatchScan", "RawBatchScan", { ranges: [{ start_key: bytes("t13"), end_key: bytes("t14") }], each_limit: 5 }],
  ["Coprocessor", "Coprocessor", { tp: 103 }],
  ["PessimisticLock", "KvPessimisticLock", { mutations: [], primary_lock: bytes("t13"), start_version: 5n, for_update_ts: 5n }],
  ["PessimisticRollback", "KVPessimisticRollback", { keys: [bytes("t13")], start_version: 5n, for_update_ts: 5n }],
  ["CheckTxnStatus", "KvCheckTxnStatus", { primary_key: bytes("t13-p"), lock_ts: 5n, caller_start_ts: 6n, current_ts: 7n }],
  ["CheckSecondaryLocks", "KvCheckSecondaryLocks", { keys: [], start_version: 5n }],
  ["TxnHeartBeat", "KvTxnHeartBeat", { primary_lock: bytes("t13"), start_version: 5n, advise_lock_ttl: 20_000 }],
];

describe("requests", () => {
  test("T13: each kind of command in one message is answered under its id, with the type and content of its unary call", async () => {
    const context = await at("t13");
    const alone = new Map<number, unknown>();
    for (const [index, [, method, value]] of kinds.entries())
      alone.set(1000 + index, await toStore.request(kv[method] as never, { context, ...value } as never));
    const batched = await batch([
      ...kinds.map(([kind, , value]) => ({ kind, value: { context, ...value } })),
      { kind: "Empty", value: { test_id: 7 } },
    ]);
    expect([...batched.keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: kinds.length + 1 }, (_, index) => 1000 + index));
    for (const [id, answer] of batched) {
      const [kind] = kinds[id - 1000] ?? ["Empty"];
      expect([id, answer?.kind]).toEqual([id, kind]);
      // What is written at 5 was rolled back by the first round: the second says the same, or that it is so.
      if (kind === "Empty") expect(answer?.value).toEqual({ test_id: 7 });
      else if (!["RawDelete", "RawBatchDelete"].includes(kind)) expect([kind, answer?.value]).toEqual([kind, alone.get(id)]);
    }
  });

  test("T14: fields of a context that are not known are passed over, and so is a cluster id", async () => {
    const { region } = await locate(encodeKey(bytes("t14")));
    const known = kvrpcpb.Context.encode(contextOf(region));
    // trace_context (a message at 16), cluster_id (100), and a field that nobody has
    const more = Buffer.from([0x82, 0x01, 0x03, 0x0a, 0x01, 0x78, 0xa0, 0x06, 0x2a, 0xfa, 0x3e, 0x02, 0x68, 0x69]);
    const context = Buffer.concat([known, more]);
    const key = bytes("t14");
    const raw = Buffer.concat([Buffer.from([0x0a]), varint(context.length), context, Buffer.from([0x12, key.length]), key]);
    const session = connectHttp2(`http://${it.cluster.stores[0]?.address}`);
    try {
      const frame = Buffer.alloc(5);
      frame.writeUInt32BE(raw.length, 1);
      const stream = session.request({ ":method": "POST", ":path": kv.RawGet.path, "content-type": "application/grpc", te: "trailers" });
      stream.end(Buffer.concat([frame, raw]));
      const parts: Buffer[] = [];
      for await (const part of stream) parts.push(part as Buffer);
      expect(kvrpcpb.RawGetResponse.decode(Buffer.concat(parts).subarray(5))).toMatchObject({
        region_error: null,
        not_found: true,
        error: "",
      });
    } finally {
      session.destroy();
    }
  });

  test("T15: a commit that chooses its timestamp goes behind every read before it, asked with both limits, or with none", async () => {
    const context = await at("t15");
    for (const [name, limits] of [
      ["go", true],
      ["rust", false],
    ] as const) {
      const key = bytes(`t15-${name}`);
      const start = await timestamp();
      const read = await timestamp();
      expect((await toStore.request(kv.KvGet, { context, key, version: read })).not_found).toBe(true);
      const asked = {
        context,
        mutations: [put(`t15-${name}`)],
        primary_lock: key,
        start_version: start,
        lock_ttl: 3_000,
        ...(limits ? { min_commit_ts: start + 1n, max_commit_ts: start + (2_000n << 18n) } : {}),
      };
      const onePc = await toStore.request(kv.KvPrewrite, { ...asked, try_one_pc: true, secondaries: [] });
      expect([onePc.errors, onePc.one_pc_commit_ts > read]).toEqual([[], true]);
      expect((await toStore.request(kv.KvGet, { context, key, version: read })).not_found).toBe(true);
      const second = await timestamp();
      const later = await timestamp();
      await toStore.request(kv.KvBatchGet, { context, keys: [key], version: later });
      const lock = await toStore.request(kv.KvPrewrite, {
        ...asked,
        start_version: second,
        use_async_commit: true,
        secondaries: [],
        ...(limits ? { min_commit_ts: second + 1n, max_commit_ts: second + (2_000n << 18n) } : {}),
      });
      expect([lock.errors, lock.min_commit_ts > later]).toEqual([[], true]);
      await toStore.request(kv.KvCommit, { context, keys: [key], start_version: second, commit_version: lock.min_commit_ts });
    }
    // A limit that has passed: the store does not choose, and the client goes on with two phases.
    const start = await timestamp();
    await toStore.request(kv.KvGet, { context, key: bytes("t15-late"), version: await timestamp() });
    const late = await toStore.request(kv.KvPrewrite, {
      context,
      mutations: [put("t15-late")],
      primary_lock: bytes("t15-late"),
      start_version: start,
      lock_ttl: 3_000,
      use_async_commit: true,
      try_one_pc: true,
      min_commit_ts: start + 1n,
      max_commit_ts: start + 1n,
    });
    expect([late.errors, late.min_commit_ts, late.one_pc_commit_ts]).toEqual([[], 0n, 0n]);
    await toStore.request(kv.KvBatchRollback, { context, keys: [bytes("t15-late")], start_version: start });
  });

  test("T16: who waited for a lock whose holder commits is answered with the conflict, and gets the lock with a newer timestamp", async () => {
    const context = await at("t16");
    const lock = (start: bigint, forUpdate: bigint, waitMs: number) =>
      toStore.request(kv.KvPessimisticLock, {
        context,
        mutations: [{ op: "PessimisticLock", key: bytes("t16") }],
        primary_lock: bytes("t16"),
        start_version: start,
        for_update_ts: forUpdate,
        lock_ttl: 20_000,
        is_first_lock: true,
        wait_timeout: waitMs,
        min_commit_ts: forUpdate + 1n,
      });
    const holder = await timestamp();
    expect((await lock(holder, holder, 0)).errors).toEqual([]);
    const waiter = await timestamp();
    expect((await lock(waiter, waiter, -1)).errors[0]?.locked?.lock_version).toBe(holder); // no wait
    const waited = lock(waiter, waiter, Number.MAX_SAFE_INTEGER);
    await toStore.request(kv.KvPrewrite, {
      context,
      mutations: [put("t16")],
      primary_lock: bytes("t16"),
      start_version: holder,
      for_update_ts: holder,
      pessimistic_actions: ["DO_PESSIMISTIC_CHECK"],
      lock_ttl: 20_000,
    });
    const commit = await timestamp();
    await toStore.request(kv.KvCommit, { context, keys: [bytes("t16")], start_version: holder, commit_version: commit });
    const conflict = (await waited).errors[0]?.conflict;
    expect([conflict?.start_ts, conflict?.conflict_ts, conflict?.conflict_commit_ts]).toEqual([waiter, holder, commit]);
    const newer = await timestamp();
    expect((await lock(waiter, newer, 0)).errors).toEqual([]);
    await toStore.request(kv.KVPessimisticRollback, { context, keys: [bytes("t16")], start_version: waiter, for_update_ts: newer });
  });

  test("T18: scattering with fewer stores than replicas says so in a status; a region without an operator is not found", async () => {
    const { region } = await locate(encodeKey(bytes("t18")));
    const refused = await toPd.request(pd.ScatterRegion, { header, region_id: region.id }).catch((error: unknown) => error);
    expect(isRpcError(refused) && [refused.status, refused.text]).toEqual(["unknown", `region ${region.id} is not fully replicated`]);
    const many = await toPd.request(pd.ScatterRegion, { header, regions_id: [region.id] });
    expect([many.header?.error, many.failed_regions_id, many.finished_percentage]).toEqual([null, [region.id], 0]);
    expect((await toPd.request(pd.ScatterRegion, { header, region_id: 987_654 })).header?.error?.type).toBe("REGION_NOT_FOUND");
    expect((await toPd.request(pd.GetOperator, { header, region_id: region.id })).header?.error).toEqual({
      type: "REGION_NOT_FOUND",
      message: "Not Found",
    });
  });

  test("T19: a primary that is not written yet is an error of its own; when the time is over the client's question rolls it back", async () => {
    const context = await at("t19");
    const start = await timestamp();
    const secondary = await toStore.request(kv.KvPrewrite, {
      context,
      mutations: [put("t19-b")],
      primary_lock: bytes("t19-a"),
      start_version: start,
      lock_ttl: 3_000,
      secondaries: [],
    });
    expect(secondary.errors).toEqual([]);
    const status = async (rollback: boolean) =>
      toStore.request(kv.KvCheckTxnStatus, {
        context,
        primary_key: bytes("t19-a"),
        lock_ts: start,
        caller_start_ts: await timestamp(),
        current_ts: await timestamp(),
        rollback_if_not_exist: rollback,
        verify_is_primary: true,
      });
    const missing = (await status(false)).error?.txn_not_found;
    expect([missing?.start_ts, shown(missing?.primary_key ?? new Uint8Array(0))]).toEqual([start, "t19-a"]);
    const ended = await status(true);
    expect([ended.error, ended.lock_ttl, ended.commit_version]).toEqual([null, 0, 0n]);
    await toStore.request(kv.KvResolveLock, { context, start_version: start });
    const late = await toStore.request(kv.KvPrewrite, {
      context,
      mutations: [put("t19-a")],
      primary_lock: bytes("t19-a"),
      start_version: start,
      lock_ttl: 3_000,
    });
    expect(late.errors.length).toBe(1);
    expect((await toStore.request(kv.KvGet, { context, key: bytes("t19-b"), version: await timestamp() })).not_found).toBe(true);
  });
});

function varint(value: number): Buffer {
  const out: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 128) return Buffer.from([...out, rest]);
    out.push((rest & 127) | 128);
  }
}
