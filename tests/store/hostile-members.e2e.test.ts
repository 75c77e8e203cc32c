/**
 * Three placement drivers, their etcds and stores, under input that wants to do harm: every port that any of these processes listens
 * at gets bytes that it does not speak, connections that stay, answers that nobody reads, and fields of later versions.
 */
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2";
import type { Duplex } from "node:stream";
import { nodeWorld, seededRandom } from "@skein/base";
import { httpCall, planTopology, type RegionCluster } from "@skein/cli";
import { pdpb } from "@skein/placement/wire";
import { createRpcClient } from "@skein/rpc";
import { listeningPorts, memoryOf } from "@skein/servers";
import { tikvpb } from "@skein/store/wire";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { oddBytes } from "../support/odd-bytes.ts";
import { connectRaw, sayRaw } from "../support/raw-bytes.ts";
import { type OpenCluster, openCluster } from "../support/region-cluster.ts";
import { descendants } from "./process-clock.ts";

const world = nodeWorld();
const mib = 1024 * 1024;
const residentMibMax = 1024;
const idlePerPort = 150;
const rows = 400;
const row = (number: number) => Buffer.from(`row/${String(number).padStart(4, "0")}`);
const large = Buffer.alloc(32 * 1024, "v");

let opened: OpenCluster;
let cluster: RegionCluster;
/** Of all processes, etcds too. */
let pids: readonly number[];
let ports: ReadonlyMap<number, readonly number[]>;

beforeAll(async () => {
  opened = await openCluster(world, "members", { topology: planTopology({ pds: 3, stores: 1, labels: [] }), network: "loopback" });
  ({ cluster } = opened);
  for (let i = 0; i < rows; i += 50)
    await opened.client.raw().batchPut(Array.from({ length: 50 }, (_, j) => ({ key: row(i + j), value: large })));
  const own = [...cluster.pds, ...cluster.stores].map(({ pid }) => pid);
  const etcds = (await Promise.all(cluster.pds.map(({ pid }) => descendants(pid, "etcd")))).flat();
  expect(etcds).toHaveLength(3);
  // what was started as one process with a guard before it listens in a child of that
  const nodes = (await Promise.all(own.map((pid) => descendants(pid, "node")))).flat();
  pids = [...new Set([...own, ...nodes, ...etcds])];
  ports = new Map(await Promise.all(pids.map(async (pid) => [pid, await listeningPorts(world, pid)] as const)));
}, 180_000);

afterAll(async () => {
  await opened?.[Symbol.asyncDispose]();
});

afterEach(async () => {
  for (const pid of pids) {
    const memory = await memoryOf(world, pid).catch(() => null); // it has ended
    expect(memory, memory === null ? await cluster.logs() : "").not.toBeNull();
    expect(memory?.nowMib, String(pid)).toBeLessThan(residentMibMax);
  }
  await opened.client.transact(async (transaction) => transaction.put(Buffer.from("after"), Buffer.from("it")));
  expect(Buffer.from((await opened.client.raw().get(row(7))) ?? "").equals(large)).toBe(true);
  for (const { address } of cluster.pds) expect((await httpCall(world, address, "GET", "/pd/api/v1/members")).status).toBe(200);
}, 60_000);

const allPorts = () => [...ports.values()].flat().map((port) => `127.0.0.1:${port}`);

test("there are three ports of each placement driver, and two of a store", () => {
  expect(allPorts().length).toBeGreaterThanOrEqual(3 * 3 + 2);
});

test("bytes that no port speaks, on every port, beside connections that stay", async () => {
  const random = seededRandom(9);
  const held: Duplex[] = [];
  for (const address of allPorts())
    for (let i = 0; i < idlePerPort; i++) {
      const stream = await connectRaw(world, address);
      held.push(stream);
      if (i % 3 === 1) stream.write("PRI");
      if (i % 3 === 2) stream.write("GET / HTTP/1.1\r\nhost: x\r\n");
    }
  for (const parts of Object.values(oddBytes(random))) await Promise.all(allPorts().map((address) => sayRaw(world, address, parts, 1_000)));
  await opened.client.raw().put(Buffer.from("beside"), Buffer.from("them"));
  for (const stream of held) stream.destroy();
}, 120_000);

// ── who does not read ─────────────────────────────────────────────────────────────────────────────────────────────────

/** A peer that asks and lets nothing through: the window of its streams is closed. */
function unreading(address: string): ClientHttp2Session {
  const session = connectHttp2(`http://${address}`, { settings: { initialWindowSize: 0 } });
  session.on("error", () => {});
  session.setMaxListeners(0);
  return session;
}

function framed(message: Uint8Array): Buffer {
  const out = Buffer.alloc(5 + message.length);
  out.writeUInt32BE(message.length, 1);
  out.set(message, 5);
  return out;
}

function ask(session: ClientHttp2Session, path: string, message: Uint8Array): void {
  const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" });
  stream.on("error", () => {});
  stream.end(framed(message));
}

test("answers that nobody reads: scans of a store, ranges and watches of metadata, pages of both", async () => {
  const [pd] = cluster.pds;
  const [store] = cluster.stores;
  const region = await opened.client.pd.getRegion(row(0));
  const context = {
    region_id: region?.meta.id ?? 0,
    region_epoch: { conf_ver: region?.meta.epoch.confVer ?? 0, version: region?.meta.epoch.version ?? 0 },
    peer: { id: region?.leader?.id ?? 0, store_id: region?.leader?.storeId ?? 0 },
  };
  const { RawScan } = tikvpb.tikv.methods;
  const scan = RawScan.request.encode({ context, start_key: row(0), end_key: Buffer.from("row0"), limit: rows });
  const everything = Buffer.from([0x0a, 1, 0, 0x12, 1, 0]);
  const sessions: ClientHttp2Session[] = [];
  for (let i = 0; i < 4; i++) {
    const atStore = unreading(store?.address ?? "");
    const atPd = unreading(pd?.address ?? "");
    sessions.push(atStore, atPd);
    // 12 MiB each
    for (let j = 0; j < 20; j++) ask(atStore, RawScan.path, scan);
    for (let j = 0; j < 40; j++) ask(atPd, "/etcdserverpb.KV/Range", everything);
    // a watch of everything: create_request { key: 0, range_end: 0 }
    for (let j = 0; j < 20; j++) ask(atPd, "/etcdserverpb.Watch/Watch", Buffer.from([0x0a, everything.length, ...everything]));
  }
  const held: Duplex[] = [];
  for (const address of [store?.statusAddress ?? "", pd?.address ?? ""])
    for (let i = 0; i < 10; i++) {
      const stream = await connectRaw(world, address);
      stream.pause();
      held.push(stream);
      stream.write("GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2_000));
    }
  // what they watch changes meanwhile, and others are served
  for (let i = 0; i < 20; i++) {
    const changed = await httpCall(
      world,
      pd?.address ?? "",
      "POST",
      "/pd/api/v1/config",
      JSON.stringify({ "leader-schedule-limit": 4 + (i % 3) }),
    );
    expect(changed.status).toBe(200);
    await opened.client.raw().put(Buffer.from("beside"), Buffer.from("them"));
  }
  for (const pid of pids) expect((await memoryOf(world, pid)).nowMib).toBeLessThan(residentMibMax);
  for (const session of sessions) session.destroy();
  for (const stream of held) stream.destroy();
}, 120_000);

// ── fields of later versions ──────────────────────────────────────────────────────────────────────────────────────────

test("fields that nobody knows are passed over, whatever their type and size", async () => {
  // field 1500: a number, 64 bits, bytes, 32 bits
  const unknown = Buffer.concat([
    Buffer.from([0xe0, 0x5d, 0xff, 0xff, 0x03]),
    Buffer.from([0xe1, 0x5d, 1, 2, 3, 4, 5, 6, 7, 8]),
    Buffer.from([0xe2, 0x5d, 0x80, 0x80, 0x40]),
    Buffer.alloc(mib, 0xee),
    Buffer.from([0xe5, 0x5d, 1, 2, 3, 4]),
  ]);
  const statusOf = async (address: string, path: string, message: Uint8Array): Promise<string> => {
    const session = connectHttp2(`http://${address}`);
    session.on("error", () => {});
    try {
      return await new Promise((resolve, reject) => {
        const stream = session.request({ ":method": "POST", ":path": path, "content-type": "application/grpc", te: "trailers" });
        let status = "";
        stream.on("response", (headers) => (status ||= String(headers["grpc-status"] ?? "")));
        stream.on("trailers", (headers) => (status = String(headers["grpc-status"] ?? "")));
        stream.on("close", () => resolve(status));
        stream.on("error", reject);
        stream.resume();
        stream.end(framed(message));
      });
    } finally {
      session.destroy();
    }
  };
  for (const { address } of cluster.pds) {
    expect(await statusOf(address, "/pdpb.PD/GetMembers", unknown)).toBe("0");
    expect(await statusOf(address, "/etcdserverpb.KV/Range", Buffer.concat([Buffer.from([0x0a, 1, 0x61]), unknown]))).toBe("0");
    expect(await statusOf(address, "/grpc.health.v1.Health/Check", unknown)).toBe("0");
  }
  const [store] = cluster.stores;
  for (const name of ["RawGet", "KvGet", "KvPrewrite", "RawScan"] as const)
    expect([name, await statusOf(store?.address ?? "", tikvpb.tikv.methods[name].path, unknown)]).toEqual([name, "0"]);
  using client = createRpcClient(world, cluster.pds[0]?.address ?? "");
  expect((await client.request(pdpb.pd.methods.GetMembers, {})).members).toHaveLength(3);
}, 60_000);
