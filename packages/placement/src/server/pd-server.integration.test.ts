/** One placement driver in this process: what stores, clients and operators get from it. */
import { createRpcClient, type RpcClient, receivedBytes } from "@skein/rpc";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createPdClient, type PdClient } from "../client/index.ts";
import type { RegionView } from "../core/model.ts";
import type { RegionAction } from "../core/region-action.ts";
import { regionMessage } from "../wire/convert.ts";
import * as pdpb from "../wire/pdpb.ts";
import { health } from "./health.ts";
import type { PdComponent, PdServices } from "./services.ts";
import { startTestPd, type TestPd, testRegion, testStore } from "./testing/pd-harness.ts";

let pd: TestPd;
let client: PdClient;
let rpc: RpcClient;
let services: PdServices | null = null;
let nextAction: RegionAction | null = null;
const heard: RegionView[] = [];

const part: PdComponent = {
  name: "test",
  start: async (given) => {
    services = given;
  },
  onRegionHeartbeat: (region) => {
    heard.push(region);
    const action = nextAction;
    nextAction = null;
    return action;
  },
  routes: () => [
    {
      method: "GET",
      path: "/pd/api/v1/test/:key",
      handle: (request) => ({
        status: 200,
        json: { key: request.params["key"], bytes: request.paramBytes("key").length },
        isCompact: true,
      }),
    },
  ],
};

beforeAll(async () => {
  pd = await startTestPd({ components: () => [part] });
  client = createPdClient(pd.world, { endpoints: [pd.url] });
  rpc = createRpcClient(pd.world, pd.url);
});
afterAll(async () => {
  client.close();
  rpc.close();
  await pd[Symbol.asyncDispose]();
});

const { methods } = pdpb.pd;

describe("before the cluster is bootstrapped", () => {
  test("routes of the cluster answer so, others do", async () => {
    expect(await pd.http("GET", "/test/x")).toEqual({
      status: 500,
      type: "application/json; charset=UTF-8",
      text: '"[PD:cluster:ErrNotBootstrapped]TiKV cluster not bootstrapped, please start TiKV first"\n',
    });
    expect((await pd.http("GET", "/cluster/status")).text).toContain(
      '"raft_bootstrap_time": "0001-01-01T00:00:00Z",\n  "is_initialized": false',
    );
    expect((await pd.http("GET", "/ping")).text).toBe("");
    expect(await pd.http("GET", "/nosuch")).toEqual({ status: 404, type: "text/plain; charset=utf-8", text: "404 page not found\n" });
    expect(await pd.http("PUT", "/cluster")).toMatchObject({ status: 405, text: "" });
  });

  test("stores hear NOT_BOOTSTRAPPED, and what is wrong with a first region", async () => {
    const header = { cluster_id: await client.clusterId() };
    const answer = await rpc.request(methods.GetStore, { header, store_id: 1 });
    expect(answer.header?.error).toEqual({ type: "NOT_BOOTSTRAPPED", message: "cluster is not bootstrapped" });
    const refused = await rpc.request(methods.Bootstrap, { header, store: { id: 1, version: "8.5.0" }, region: { id: 0 } });
    expect(refused.header?.error?.message).toBe(`invalid zero region id for bootstrap ${header.cluster_id}`);
    expect(await client.isBootstrapped()).toBe(false);
  });

  test("another cluster's id is refused by a status", async () => {
    await expect(rpc.request(methods.AllocID, { header: { cluster_id: 5n } })).rejects.toThrow(
      /FailedPrecondition desc = mismatch cluster id, need \d+ but got 5/,
    );
  });
});

test("bootstrap: the first store wins, the second hears of it", async () => {
  const store = testStore(1);
  expect(await client.bootstrap(store, testRegion(2, "", "", [1]))).toMatchObject({
    isFirst: true,
    replicationStatus: { mode: "MAJORITY" },
  });
  expect(await client.bootstrap(testStore(7), testRegion(8, "", "", [7]))).toMatchObject({ isFirst: false });
  expect(await client.isBootstrapped()).toBe(true);
  expect((await client.getRegion(new Uint8Array([1])))?.meta.id).toBe(2);
  // T10: the leader of a region is never left out.
  const answer = await rpc.request(methods.GetRegion, {
    header: { cluster_id: await client.clusterId() },
    region_key: new Uint8Array([1]),
    need_buckets: true,
  });
  expect(answer.leader?.store_id).toBe(1);
  expect(await client.getStore(1)).toMatchObject({ address: store.address, nodeState: "preparing" });
  expect(await client.getStore(99)).toBeNull();
});

test("timestamps grow over batches, streams and requests by hand", async () => {
  let last = 0n;
  for (let round = 0; round < 20; round++) {
    const all = await Promise.all(Array.from({ length: 50 }, () => client.tso(round + 1)));
    for (const ts of all) {
      expect(ts).toBeGreaterThan(last);
      last = ts + BigInt(round);
    }
  }
  const physical = Number(last >> 18n);
  expect(Math.abs(physical - pd.world.clock.nowMs())).toBeLessThan(2000);
  const ahead = (BigInt(physical + 5000) << 18n) | 7n;
  expect((await pd.http("POST", "/admin/reset-ts", JSON.stringify({ tso: String(ahead) }))).text).toBe('"Reset ts successfully."\n');
  expect(await client.tso()).toBeGreaterThan(ahead);
  expect(await pd.http("POST", "/admin/reset-ts", '{"tso":"121312"}')).toMatchObject({
    status: 403,
    text: '"[PD:tso:ErrResetUserTimestamp]reset user timestamp failed, the specified ts is smaller than now"\n',
  });
  expect((await pd.http("POST", "/admin/reset-ts", '{"tso":"x"}')).text).toBe('"invalid tso value"\n');
});

describe("stores", () => {
  test("register, send heartbeats, and are refused with words", async () => {
    await client.putStore(testStore(3, { labels: [{ key: "zone", value: "east" }] }));
    const answer = await client.storeHeartbeat({ stats: { store_id: 3, capacity: 1000, available: 900 } });
    expect(answer).toMatchObject({ cluster_version: "8.5.0", replication_status: { mode: "MAJORITY" }, recovery_plan: null });
    expect(services?.cluster.store(3)?.stats).toMatchObject({ capacity: 1000, available: 900 });
    await expect(client.putStore(testStore(4, { address: "127.0.0.1:20163" }))).rejects.toThrow("duplicated store address: id:4 ");
    await expect(client.putStore(testStore(5, { version: "6.0.0" }))).rejects.toThrow(
      "version should compatible with version  8.5.0, got 6.0.0",
    );
    await expect(client.storeHeartbeat({ stats: { store_id: 5 } })).rejects.toThrow("store 5 not found");
  });

  test("a heartbeat with a report leaves the numbers as they are", async () => {
    await client.storeHeartbeat({ stats: { store_id: 3, capacity: 5 }, store_report: { step: 1 } });
    expect(services?.cluster.store(3)?.stats?.capacity).toBe(1000);
  });

  test("a store that was buried is refused", async () => {
    await services?.stores.remove(3, true);
    await services?.stores.bury(3, false);
    await expect(client.storeHeartbeat({ stats: { store_id: 3 } })).rejects.toThrow("STORE_TOMBSTONE");
    await services?.stores.removeTombstones();
    expect(await client.getStore(3)).toBeNull();
  });
});

describe("regions", () => {
  test("heartbeats split the first region; answers carry what a part wants, and pushes come between", async () => {
    await client.putStore(testStore(3));
    const answers: pdpb.RegionHeartbeatResponse[] = [];
    let wake = () => {};
    const next = () => new Promise<void>((resolve) => (wake = resolve));
    const header = { cluster_id: await client.clusterId() };
    const stream = rpc.open(methods.RegionHeartbeat, {
      message: (answer) => {
        answers.push(answer);
        wake();
      },
      over: () => {},
    });
    const left = testRegion(20, "", "m", [1, 3], { epoch: { confVer: 3, version: 2 } });
    const right = testRegion(2, "m", "", [1], { epoch: { confVer: 1, version: 2 } });
    nextAction = { kind: "changePeerV2", changes: [] };
    const first = next();
    for (const region of [left, right])
      stream.send({
        header,
        region: regionMessage(region),
        leader: { id: region.id * 100 + 1, store_id: 1 },
        approximate_size: 7 * 1024 * 1024,
        term: 5,
      });
    await first;
    expect(answers[0]).toMatchObject({
      region_id: 20,
      region_epoch: { conf_ver: 3, version: 2 },
      target_peer: { id: 2001, store_id: 1 },
      change_peer_v2: { changes: [] },
    });
    await expect.poll(() => heard.length).toBe(2);
    expect((await client.scanRegions(new Uint8Array(0), new Uint8Array(0), 10)).map(({ meta }) => meta.id)).toEqual([20, 2]);
    expect((await client.getPrevRegion(new TextEncoder().encode("z")))?.meta.id).toBe(20);
    const pushed = next();
    const view = services?.cluster.region(20);
    expect(view?.approximateSize).toBe(7);
    const peer = left.peers[1] as (typeof left.peers)[number];
    expect(services?.operators.push(view as RegionView, { kind: "transferLeader", peer, peers: [peer] })).toBe(true);
    await pushed;
    expect(answers[1]).toMatchObject({ region_id: 20, transfer_leader: { peer: { store_id: 3 } }, change_peer_v2: null });
    const refused = next();
    stream.send({ header, region: regionMessage({ ...left, epoch: { confVer: 2, version: 1 } }), leader: { id: 2001, store_id: 1 } });
    await refused;
    expect(answers[2]?.header?.error?.message).toMatch(
      /^region is stale: region id:20 end_key:"m" region_epoch:<conf_ver:2 version:1 > .* origin id:20 /,
    );
    // A store that has just gone is nobody to ask first, while the region has another voter; one that is heard of again is.
    const openStreams = async () => Number(/^pd_server_region_streams (\d+)$/m.exec(await (await fetch(`${pd.url}/metrics`)).text())?.[1]);
    const asked = async (key: string) => (await client.getRegion(new TextEncoder().encode(key)))?.leader?.storeId;
    expect([await asked("a"), await asked("z")]).toEqual([1, 1]);
    // another stream in its name, whoever's it is, says nothing of the first one
    const other = rpc.open(methods.RegionHeartbeat, { message: () => {}, over: () => {} });
    other.send({ header, region: regionMessage(left), leader: { id: 2001, store_id: 1 }, term: 5 });
    await expect.poll(openStreams).toBe(2);
    other.cancel();
    await expect.poll(openStreams).toBe(1);
    expect(await asked("a")).toBe(1);
    stream.cancel();
    await expect.poll(() => asked("a")).toBe(3);
    expect(await asked("z")).toBe(1);
    expect(services?.cluster.region(20)?.leaderPeerId).toBe(2001);
    await client.storeHeartbeat({ stats: { store_id: 1 } });
    expect(await asked("a")).toBe(1);
  });

  test("ids of a split are new; halted scheduling refuses one", async () => {
    const region = testRegion(20, "", "m", [1, 3], { epoch: { confVer: 3, version: 2 } });
    const ids = await client.askBatchSplit(region, 3);
    const all = ids.flatMap(({ regionId, peerIds }) => [regionId, ...peerIds]);
    expect([ids.length, new Set(all).size]).toEqual([3, 9]);
    expect(await client.allocId()).toBeGreaterThan(Math.max(...all));
    await pd.http("POST", "/config", '{"halt-scheduling":"true"}');
    await expect(client.askBatchSplit(region, 1)).rejects.toThrow("[PD:cluster:ErrSchedulingIsHalted]scheduling is halted");
    await pd.http("POST", "/config", '{"halt-scheduling":"false"}');
    await expect(client.askBatchSplit({ ...region, epoch: { confVer: 3, version: 1 } }, 1)).rejects.toThrow("invalid region epoch");
  });

  test("T18: no operator is told as not found", async () => {
    const header = { cluster_id: await client.clusterId() };
    expect((await rpc.request(methods.GetOperator, { header, region_id: 20 })).header?.error).toEqual({
      type: "REGION_NOT_FOUND",
      message: "Not Found",
    });
  });
});

describe("clients", () => {
  test("T3, T4, T8: members without a header, the kind of service, health", async () => {
    const members = await rpc.request(methods.GetMembers, {});
    expect(members.leader).toMatchObject({ name: "m", client_urls: [pd.url] });
    expect(members.members.map(({ name }) => name)).toEqual(["m"]);
    expect((await rpc.request(methods.GetClusterInfo, {})).serviceModes).toEqual(["PD_SVC_MODE"]);
    expect(await rpc.request(health.methods.Check, { service: "" })).toEqual({ status: "SERVING" });
  });

  test("T2: a forwarded call that names this member, or another that does not exist, is served here by the leader", async () => {
    const header = { cluster_id: await client.clusterId() };
    for (const host of [pd.url, pd.url.replace("127.0.0.1", "localhost"), "http://nowhere.invalid:1"])
      expect((await rpc.request(methods.AllocID, { header }, { metadata: { "pd-forwarded-host": host } })).id).toBeGreaterThan(0);
  });

  test("T17: service safe points", async () => {
    const header = { cluster_id: await client.clusterId() };
    expect(await client.updateServiceGcSafePoint("br", 60, 100n)).toMatchObject({ serviceId: "gc_worker", safePoint: 0n });
    expect(await client.updateServiceGcSafePoint("gc_worker", Number.MAX_SAFE_INTEGER, 500n)).toMatchObject({
      serviceId: "br",
      safePoint: 100n,
    });
    expect((await client.updateServiceGcSafePoint("br", 0, 0n)).serviceId).toBe("gc_worker");
    expect(await client.updateGcSafePoint(90n)).toBe(90n);
    expect(await client.updateGcSafePoint(80n)).toBe(90n);
    expect((await rpc.request(methods.GetGCSafePoint, { header })).safe_point).toBe(90n);
    expect(JSON.parse((await pd.http("GET", "/gc/safepoint")).text)).toMatchObject({ gc_safe_point: 90, min_service_gc_safe_point: 500 });
    expect(await pd.http("DELETE", "/gc/safepoint/gc_worker")).toMatchObject({
      status: 500,
      text: '"cannot remove service safe point of gc_worker"\n',
    });
    expect((await pd.http("DELETE", "/gc/safepoint/nobody")).text).toBe('"Delete service GC safepoint successfully."\n');
  });
});

describe("configuration", () => {
  const set = (body: unknown) => pd.http("POST", "/config", JSON.stringify(body));
  test.each([
    [{ "leader-schedule-limit": 8 }, 200, '"The config is updated."\n'],
    [{ "schedule.leader-schedule-limit": 4 }, 200, '"The config is updated."\n'],
    [
      { "leader-schedule-limit": "x" },
      400,
      '"json: cannot unmarshal string into Go struct field ScheduleConfig.leader-schedule-limit of type uint64"\n',
    ],
    [
      { "max-snapshot-count": 1e22 },
      400,
      '"json: cannot unmarshal number 1e+22 into Go struct field ScheduleConfig.max-snapshot-count of type uint64"\n',
    ],
    [{ "no-such-item": 1 }, 400, '"config item no-such-item not found"\n'],
    [{ "enable-one-way-merge": "maybe" }, 400, '"json: invalid use of ,string struct tag, trying to unmarshal \\"maybe\\" into bool"\n'],
    [{ "low-space-ratio": 1.5 }, 400, '"low-space-ratio should between 0 and 1"\n'],
    [{ "low-space-ratio": 0.5 }, 400, '"low-space-ratio should be larger than high-space-ratio"\n'],
    [{ "max-store-down-time": "x" }, 400, '"time: invalid duration \\"x\\""\n'],
    [{ "leader-schedule-policy": "bogus" }, 400, '"leader-schedule-policy bogus is invalid"\n'],
    [{ "max-replicas": 0 }, 400, '"[PD:placement:ErrRuleContent]invalid rule content, invalid count 0"\n'],
    [{ "location-labels": "bad!,x" }, 400, '"bad! does not match format \\"^[$]?[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$\\""\n'],
    [{ "key-type": "bogus" }, 400, '"key-type bogus is invalid"\n'],
    [{ "replication-mode": { "replication-mode": "majority" } }, 400, '"cannot update config prefix replication-mode"\n'],
    [{ "replication-mode.replication-mode": "majority" }, 200, '"The config is updated."\n'],
    [{ "log.level": "debug" }, 200, '"The config is updated."\n'],
    [{ "pd-server.flow-round-by-digit": 4 }, 200, '"The config is updated."\n'],
  ])("%j", async (body, status, text) => {
    expect(await set(body)).toMatchObject({ status, text });
  });

  test("label properties, replication mode, versions", async () => {
    const property = { type: "reject-leader", "label-key": "zone", "label-value": "west" };
    await pd.http("POST", "/config/label-property", JSON.stringify({ ...property, action: "set" }));
    expect(JSON.parse((await pd.http("GET", "/config/label-property")).text)).toEqual({
      "reject-leader": [{ key: "zone", value: "west" }],
    });
    await pd.http("POST", "/config/label-property", JSON.stringify({ ...property, action: "delete" }));
    expect((await pd.http("GET", "/config/label-property")).text).toBe("{}\n");
    expect(await pd.http("POST", "/config/replication-mode", '{"replication-mode":"bogus"}')).toMatchObject({
      status: 500,
      text: '"invalid replication mode: bogus"\n',
    });
    expect(
      JSON.parse((await pd.http("POST", "/config/replication-mode", '{"dr-auto-sync":{"wait-store-timeout":"bogus"}}')).text),
    ).toMatchObject({
      code: "internal",
      msg: 'time: invalid duration "bogus"',
    });
    await pd.http("POST", "/config/replication-mode", '{"replication-mode":"DR_AUTO_SYNC","nosuch":1}');
    expect((await pd.http("GET", "/config/replication-mode")).text).toContain('"replication-mode": "dr-auto-sync"');
    await pd.http("POST", "/config/replication-mode", '{"replication-mode":"majority"}');
    expect((await pd.http("POST", "/config/cluster-version", '{"cluster-version":"9.0.0"}')).text).toBe(
      '"The cluster version is updated."\n',
    );
    expect(await pd.http("POST", "/config/cluster-version", '{"cluster-version":"x"}')).toMatchObject({ status: 500 });
    expect((await pd.http("GET", "/config/cluster-version")).text).toBe('"9.0.0"\n');
  });

  test("the sections' order and forms are the original's", async () => {
    expect((await pd.http("GET", "/config/replicate")).text).toBe(
      '{\n  "max-replicas": 3,\n  "location-labels": "",\n  "strictly-match-label": "false",\n  "enable-placement-rules": "true",\n  "enable-placement-rules-cache": "false",\n  "isolation-level": ""\n}\n',
    );
    const schedule = Object.keys(JSON.parse((await pd.http("GET", "/config/schedule")).text) as object);
    expect([schedule[0], schedule.length, schedule.at(-1)]).toEqual(["max-snapshot-count", 43, "halt-scheduling"]);
    expect(JSON.parse((await pd.http("GET", "/config")).text)).toMatchObject({ lease: 5, schedule: { "patrol-region-interval": "10ms" } });
  });

  test("bodies that are no JSON", async () => {
    expect(JSON.parse((await pd.http("POST", "/config/schedule", "{bad")).text)).toEqual({
      code: "input",
      msg: "invalid character 'b' looking for beginning of object key string",
      data: { Offset: 2 },
    });
    expect(await pd.http("POST", "/config", "x")).toMatchObject({
      status: 400,
      text: `"invalid character 'x' looking for beginning of value"\n`,
    });
    expect(await pd.http("POST", "/admin/log", '"bogus"')).toMatchObject({ status: 400, text: '"log level bogus is illegal"\n' });
  });
});

describe("HTTP", () => {
  test("numbers of 64 bits are whole, parameters may be any bytes", async () => {
    const id = String(await client.clusterId());
    expect((await pd.http("GET", "/cluster")).text).toBe(`{\n  "id": ${id},\n  "max_peer_count": 3\n}\n`);
    expect(await pd.http("GET", "/test/a%2Fb%ff")).toEqual({
      status: 200,
      type: "application/octet-stream",
      text: '{"key":"a/b\uFFFD","bytes":4}',
    });
  });

  test("bodies count with all else that has come, until they are answered", async () => {
    const room = receivedBytes.bytesMax * 1.25;
    for (let taken = 0; taken < room; taken += 65_536) receivedBytes.take(65_536);
    expect(await pd.http("POST", "/config", "{}")).toMatchObject({ status: 503 });
    receivedBytes.free(room);
    expect(await pd.http("POST", "/config", "{}")).toMatchObject({ status: 200 });
    await expect.poll(() => receivedBytes.used).toBe(0);
  });

  test("members: priority, removal, transfer", async () => {
    expect(await pd.http("POST", "/leader/transfer/nobody")).toMatchObject({
      status: 500,
      text: '"no valid pd to transfer etcd leader"\n',
    });
    expect(await pd.http("DELETE", "/members/name/nobody")).toMatchObject({ status: 404, text: '"not found, pd: nobody"\n' });
    expect((await pd.http("POST", "/members/name/m", '{"leader-priority":5}')).text).toBe('"The leader priority is updated."\n');
    expect((await pd.http("GET", "/members")).text).toContain('"leader_priority": 5');
  });

  test("metrics are Prometheus' text", async () => {
    const text = await (await fetch(`${pd.url}/metrics`)).text();
    expect(text).toContain('pd_cluster_status{type="region_count",namespace="global"} 2');
    expect(text).toContain('pd_server_is_leader{name="m"} 1');
  });
});

test("after resigning, and after a restart, all is as it was, and timestamps and ids go on", async () => {
  const ts = await client.tso();
  const id = await client.allocId();
  expect((await pd.http("POST", "/leader/resign")).text).toBe('"The resign command is submitted."\n');
  const later = await client.tso();
  expect(later).toBeGreaterThan(ts);
  await pd.restart();
  expect(await client.tso()).toBeGreaterThan(later);
  expect(await client.allocId()).toBeGreaterThan(id);
  expect((await client.scanRegions(new Uint8Array(0), new Uint8Array(0), 10)).map(({ meta }) => meta.id)).toEqual([20, 2]);
  expect((await client.getStores()).map((store) => store.id)).toEqual([1, 3]);
  expect((await pd.http("GET", "/config/cluster-version")).text).toBe('"9.0.0"\n');
  expect(await client.gcSafePoint()).toBe(90n);
});
