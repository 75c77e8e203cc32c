/** Real placement drivers on loopback: one that is killed, three on etcd that lose their leader, one that joins. */
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Child, freePort, nodeWorld } from "@skein/base";
import { createRpcClient } from "@skein/rpc";

import { afterEach, describe, expect, test } from "vitest";
import { createPdClient, type PdClient } from "../client/index.ts";
import * as pdpb from "../wire/pdpb.ts";
import { testRegion, testStore } from "./testing/pd-harness.ts";

const world = nodeWorld();
const program = resolve(import.meta.dirname, "../../../../bin/pd-server");
let folder = "";
let members: Member[] = [];
const clients: PdClient[] = [];

interface Member {
  readonly name: string;
  readonly url: string;
  readonly peerUrl: string;
  child: Child;
  restart(): void;
  kill(): Promise<void>;
}

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const member of members) {
    member.child.kill("SIGCONT");
    member.child.kill("SIGKILL");
  }
  for (const member of members) await member.child.exited;
  members = [];
  await rm(folder, { recursive: true, force: true });
}, 60_000);

async function addresses(count: number): Promise<readonly { readonly name: string; readonly url: string; readonly peerUrl: string }[]> {
  const list = [];
  for (let at = 1; at <= count; at++)
    list.push({ name: `pd-${at}`, url: `http://127.0.0.1:${await freePort(world)}`, peerUrl: `http://127.0.0.1:${await freePort(world)}` });
  return list;
}

function start(place: { readonly name: string; readonly url: string; readonly peerUrl: string }, flags: readonly string[]): Member {
  const { name, url, peerUrl } = place;
  const spawn = () =>
    world.processes.spawn(
      program,
      [
        "-name",
        name,
        "-data-dir",
        join(folder, name),
        "-client-urls",
        url,
        "-peer-urls",
        peerUrl,
        "-log-file",
        join(folder, `${name}.log`),
        ...flags,
      ],
      { outputFile: join(folder, `${name}.out`) },
    );
  const member: Member = {
    ...place,
    child: spawn(),
    restart: () => {
      member.child = spawn();
    },
    kill: async () => {
      member.child.kill("SIGKILL");
      await member.child.exited;
    },
  };
  members.push(member);
  return member;
}

function clientOf(...of: readonly Member[]): PdClient {
  const client = createPdClient(world, { endpoints: of.map(({ url }) => url), patienceMs: 60_000 });
  clients.push(client);
  return client;
}

async function http(member: Member, path: string, init: RequestInit = {}): Promise<{ readonly status: number; readonly text: string }> {
  const answer = await fetch(`${member.url}/pd/api/v1${path}`, init);
  return { status: answer.status, text: await answer.text() };
}

/** Whom one of the members names as the leader; `among` are those that it may be. */
async function leaderOf(of: readonly Member[], except?: Member, among: readonly Member[] = of): Promise<Member> {
  for (;;) {
    for (const member of of) {
      const answer = await http(member, "/leader").catch(() => null);
      const name = answer?.status === 200 ? (JSON.parse(answer.text) as { readonly name: string }).name : "";
      const leader = among.find((each) => each.name === name);
      if (leader !== undefined && leader !== except) return leader;
    }
    await world.clock.sleep(50);
  }
}

interface Growth {
  /** Waits until so many more of both have come. */
  more(count: number): Promise<void>;
  /** Throws when one was not larger than all before it. */
  done(): Promise<void>;
}

/** Takes timestamps and ids without a break. */
function watchGrowth(client: PdClient): Growth {
  const state = { isOver: false, timestamps: 0, ids: 0 };
  const runTimestamps = async () => {
    let last = 0n;
    while (!state.isOver) {
      const count = 1 + (state.timestamps % 7);
      const ts = await client.tso(count).catch(() => null);
      await world.clock.sleep(1);
      if (ts === null) continue;
      if (ts <= last) throw new Error(`timestamp ${ts} after ${last}`);
      last = ts + BigInt(count - 1);
      state.timestamps++;
    }
  };
  const runIds = async () => {
    let last = 0;
    while (!state.isOver) {
      const id = await client.allocId().catch(() => null);
      await world.clock.sleep(1);
      if (id === null) continue;
      if (id <= last) throw new Error(`id ${id} after ${last}`);
      last = id;
      state.ids++;
    }
  };
  const running = Promise.all([runTimestamps(), runIds()]);
  running.catch(() => {});
  return {
    more: async (count) => {
      const { timestamps, ids } = state;
      const enough = async () => {
        while (state.timestamps < timestamps + count || state.ids < ids + count) await world.clock.sleep(5);
      };
      await Promise.race([enough(), running]);
    },
    done: async () => {
      state.isOver = true;
      await running;
    },
  };
}

test("alone: killed again and again, it keeps cluster, regions and stores, and what it gives only grows", async () => {
  folder = await mkdtemp(join(tmpdir(), "skein-pd-"));
  const [place] = await addresses(1);
  const member = start(place as NonNullable<typeof place>, []);
  const client = clientOf(member);
  expect(await client.bootstrap(testStore(1), testRegion(2, "", "", [1]))).toMatchObject({ isFirst: true });
  const growth = watchGrowth(client);
  for (let round = 0; round < 3; round++) {
    await growth.more(50);
    await member.kill();
    member.restart();
  }
  await growth.more(50);
  await growth.done();
  expect(await client.isBootstrapped()).toBe(true);
  expect((await client.getRegion(new Uint8Array([1])))?.meta.id).toBe(2);
  // A clean end: code 0, and the log says so.
  member.child.kill("SIGTERM");
  expect(await member.child.exited).toEqual({ code: 0, signal: null });
  expect(await readFile(join(folder, "pd-1.log"), "utf8")).toContain("the placement driver has stopped");
}, 60_000);

describe("three members on etcd", () => {
  async function startThree(): Promise<readonly Member[]> {
    folder = await mkdtemp(join(tmpdir(), "skein-pd-"));
    const places = await addresses(3);
    const initial = places.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(",");
    const all = places.map((place) => start(place, ["-initial-cluster", initial]));
    for (const member of all) await leaderOf([member], undefined, all);
    return all;
  }

  test("the leader is killed, frozen and asked to hand over: timestamps and ids grow through it all", async () => {
    const all = await startThree();
    const client = clientOf(...all);
    await client.bootstrap(testStore(1), testRegion(2, "", "", [1]));
    const growth = watchGrowth(client);

    await growth.more(50);
    const first = await leaderOf(all);
    await first.kill();
    const second = await leaderOf(
      all.filter((member) => member !== first),
      first,
    );
    await growth.more(50);
    first.restart();

    // The frozen one must not go on as the leader when it wakes up: what it gives would be older than what others gave.
    second.child.kill("SIGSTOP");
    await leaderOf(
      all.filter((member) => member !== second),
      second,
    );
    await growth.more(50);
    second.child.kill("SIGCONT");
    await growth.more(200);

    const present = await leaderOf(all);
    const next = all.find((member) => member !== present) as Member;
    expect((await http(present, `/leader/transfer/${next.name}`, { method: "POST" })).text).toBe('"The transfer command is submitted."\n');
    await expect.poll(async () => (await leaderOf(all)).name, { timeout: 20_000, interval: 100 }).toBe(next.name);
    await growth.more(50);
    await growth.done();
    expect((await client.getStores()).map(({ id }) => id)).toEqual([1]);
  }, 120_000);

  test("members that are ended at the same moment end within two seconds, though nobody is left to take the lead", async () => {
    const all = await startThree();
    await leaderOf(all);
    for (const member of all) member.child.kill("SIGTERM");
    const startMs = world.clock.monotonicMs();
    expect(await Promise.all(all.map(({ child }) => child.exited))).toEqual(all.map(() => ({ code: 0, signal: null })));
    // Two, and what a busy machine adds; one that waits for the others took five and more.
    expect(world.clock.monotonicMs() - startMs).toBeLessThan(4000);
  }, 60_000);

  test("followers forward HTTP, answer for members themselves, and refuse or forward gRPC", async () => {
    const all = await startThree();
    const client = clientOf(...all);
    await client.bootstrap(testStore(1), testRegion(2, "", "", [1]));
    const leader = await leaderOf(all);
    const follower = all.find((member) => member !== leader) as Member;
    const set = await http(follower, "/config", { method: "POST", body: '{"leader-schedule-limit":9}' });
    expect(set).toEqual({ status: 200, text: '"The config is updated."\n' });
    expect(JSON.parse((await http(leader, "/config/schedule")).text)).toMatchObject({ "leader-schedule-limit": 9 });
    expect(await http(follower, "/cluster")).toEqual(await http(leader, "/cluster"));
    // Its own, of which it knows nothing of the cluster; and a second hop is refused.
    expect(await http(follower, "/min-resolved-ts", { headers: { "PD-Allow-follower-handle": "true" } })).toMatchObject({
      status: 500,
      text: '"[PD:cluster:ErrNotBootstrapped]TiKV cluster not bootstrapped, please start TiKV first"\n',
    });
    expect(await http(follower, "/cluster", { headers: { "PD-Redirector": "x" } })).toEqual({
      status: 500,
      text: "redirect to not leader\n",
    });
    const listed = JSON.parse((await http(follower, "/members")).text) as {
      readonly members: readonly { readonly name: string }[];
      readonly leader: { readonly name: string };
    };
    expect([listed.members.map(({ name }) => name), listed.leader.name]).toEqual([["pd-1", "pd-2", "pd-3"], leader.name]);
    const healths = JSON.parse((await http(follower, "/health")).text) as readonly { readonly health: boolean }[];
    expect(healths.map(({ health }) => health)).toEqual([true, true, true]);

    using direct = createRpcClient(world, follower.url);
    const header = { cluster_id: await client.clusterId() };
    expect((await direct.request(pdpb.pd.methods.GetMembers, {})).leader?.name).toBe(leader.name);
    await expect(direct.request(pdpb.pd.methods.AllocID, { header })).rejects.toThrow("Unavailable desc = not leader");
    // T2: its own address in a spelling that it does not know is no way round in a circle: the second time nothing is sent on.
    const itself = { "pd-forwarded-host": follower.url.replace("127.0.0.1", "LocalHost") };
    await expect(direct.request(pdpb.pd.methods.AllocID, { header }, { metadata: itself })).rejects.toThrow("not leader");
    const metadata = { "pd-forwarded-host": leader.url };
    expect((await direct.request(pdpb.pd.methods.AllocID, { header }, { metadata })).id).toBeGreaterThan(0);
    const answered = Promise.withResolvers<pdpb.TsoResponse>();
    const stream = direct.open(
      pdpb.pd.methods.Tso,
      { message: (given) => answered.resolve(given), over: (error) => answered.reject(error ?? new Error("it ended")) },
      { metadata },
    );
    stream.send({ header, count: 3 });
    const ts = await answered.promise;
    stream.cancel();
    expect(ts).toMatchObject({ count: 3, timestamp: { suffix_bits: 0 } });
  }, 60_000);

  test("a fourth joins through a client URL, and is removed by its name", async () => {
    const all = await startThree();
    const [, , , place] = await addresses(4);
    const joined = start(place as NonNullable<typeof place>, ["-join", all.map(({ url }) => url).join(",")]);
    const names = async (member: Member) => {
      const answer = await http(member, "/members").catch(() => null);
      return answer === null
        ? ""
        : (JSON.parse(answer.text) as { readonly members: readonly { readonly name: string }[] }).members.map(({ name }) => name).join(" ");
    };
    await expect.poll(() => names(joined), { timeout: 40_000, interval: 200 }).toBe("pd-1 pd-2 pd-3 pd-4");
    expect((await http(all[0] as Member, "/members/name/pd-4", { method: "DELETE" })).text).toBe('"removed, pd: pd-4"\n');
    await expect.poll(() => names(all[0] as Member), { timeout: 10_000, interval: 100 }).toBe("pd-1 pd-2 pd-3");
  }, 90_000);
});
