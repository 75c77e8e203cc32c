/**
 * What an operator types, against real processes: three placement drivers, of which one that follows is asked, and four stores. Each
 * command's effect is looked up in what the stores themselves tell, not in the command's answer.
 */
import { join } from "node:path";
import { nodeWorld } from "@skein/base";
import { planTopology } from "@skein/cli";
import { checkoutFolder } from "@skein/servers";
import { expect, test } from "vitest";
import { openCluster } from "../support/region-cluster.ts";

const world = nodeWorld();
const key = (text: string) => new TextEncoder().encode(text);
const hex = (text: string) => Buffer.from(text).toString("hex");

interface Region {
  readonly id: number;
  readonly start_key: string;
  readonly end_key: string;
  readonly peers: readonly { readonly store_id: number; readonly role_name: string }[];
  readonly leader: { readonly store_id?: number };
  readonly pending_peers?: readonly unknown[];
}

/** `2* 3 4-`: the leader, a voter, a learner. */
function shape({ peers, leader }: Region): string {
  return peers
    .map(
      ({ store_id: id, role_name: role }) =>
        `${id}${role === "Voter" ? "" : role === "Learner" ? "-" : `(${role})`}${id === leader.store_id ? "*" : ""}`,
    )
    .sort()
    .join(" ");
}

async function until<T>(what: string, ask: () => Promise<T>, isIt: (value: T) => boolean): Promise<T> {
  let last: T | undefined;
  for (const endMs = world.clock.monotonicMs() + 60_000; world.clock.monotonicMs() < endMs; await world.clock.sleep(200)) {
    last = await ask();
    if (isIt(last)) return last;
  }
  throw new Error(`${what} never came about; last: ${JSON.stringify(last)}`);
}

test("operators, schedulers and what is hot, by pd-ctl through a placement driver that follows", { timeout: 240_000 }, async () => {
  await using opened = await openCluster(world, "pd-ctl", {
    topology: planTopology({ pds: 3, stores: 4, labels: [] }),
    network: "loopback",
    storeConfig: '[raftstore]\npd-store-heartbeat-tick-interval = "1s"\npd-heartbeat-tick-interval = "1s"\n',
  });
  const { cluster, client } = opened;
  const run = async (endpoint: string, words: readonly string[]) => {
    const { code, stdout, stderr } = await world.processes.run(join(checkoutFolder, "bin", "pd-ctl"), [
      "-u",
      `http://${endpoint}`,
      ...words,
    ]);
    expect({ code, stderr }, words.join(" ")).toEqual({ code: 0, stderr: "" });
    return stdout;
  };
  const first = cluster.pdEndpoints[0] as string;
  const leads = JSON.parse(await run(first, ["member", "leader", "show"])) as { readonly client_urls: readonly string[] };
  const follower = cluster.pdEndpoints.find((endpoint) => !leads.client_urls.some((url) => url.endsWith(endpoint))) as string;
  const ctl = (line: string) => run(follower, line.split(" "));
  const done = async (line: string) => expect(await ctl(line), line).toMatch(/^Success!/);
  const regionAt = async (text: string) => JSON.parse(await ctl(`region key ${hex(text)}`)) as Region;
  const untilShape = (at: string, wanted: string) =>
    until(
      wanted,
      async () => shape(await regionAt(at)),
      (now) => now === wanted,
    );
  /** A region has one operator at a time, and one that has added a peer is over when the peer has caught up, not when it is listed. */
  const untilOver = async (regionId: number, line: string) => {
    const answer = await until(
      `${line}: over`,
      () => ctl(`operator check ${regionId}`),
      (text) => !text.includes("status: RUNNING"),
    );
    expect(answer, line).toContain("status: SUCCESS");
  };
  const operate = async (regionId: number, line: string) => {
    await done(`operator add ${line}`);
    await untilOver(regionId, line);
  };

  const raw = client.raw();
  for (const text of ["a", "b1", "c1", "d1"]) await raw.put(key(text), new Uint8Array(1000));
  await client.split([key("b"), key("d")], { isRaw: true });
  // A region that splits while its third peer is a learner leaves one with a learner; the checker that is paused below promotes it.
  const untilWell = () =>
    until(
      "three regions of three voters that nothing moves",
      async () => ({
        running: (await ctl("operator show")).trim(),
        regions: (JSON.parse(await ctl("region")) as { readonly regions: readonly Region[] }).regions,
      }),
      ({ running, regions }) =>
        running === "[]" &&
        regions.length === 3 &&
        regions.every(
          ({ peers, pending_peers: pending, leader }) =>
            peers.length === 3 &&
            peers.every(({ role_name: role }) => role === "Voter") &&
            pending === undefined &&
            leader.store_id !== undefined,
        ),
    );
  await untilWell();
  // Nothing moves but what is typed here. Splits are refused while scheduling is halted, so it is not.
  await done("scheduler pause all 1000");
  for (const checker of ["rule", "merge"]) await done(`checker pause ${checker} 1000`);
  await untilWell(); // what was begun before the pause

  const region = await regionAt("b1");
  const ids = (JSON.parse(await ctl("store")) as { readonly stores: readonly { readonly store: { readonly id: number } }[] }).stores.map(
    ({ store }) => store.id,
  );
  const own = region.peers.map(({ store_id: id }) => id);
  const free = ids.find((id) => !own.includes(id)) as number;
  const lead = region.leader.store_id as number;
  const [second, third] = own.filter((id) => id !== lead) as [number, number];
  const sorted = (...words: string[]) => words.sort().join(" ");

  await operate(region.id, `transfer-leader ${region.id} ${second}`);
  await untilShape("b1", sorted(`${lead}`, `${second}*`, `${third}`));
  await operate(region.id, `transfer-peer ${region.id} ${lead} ${free}`);
  await untilShape("b1", sorted(`${free}`, `${second}*`, `${third}`));
  await operate(region.id, `add-learner ${region.id} ${lead}`);
  await untilShape("b1", sorted(`${free}`, `${second}*`, `${third}`, `${lead}-`));
  await operate(region.id, `remove-peer ${region.id} ${lead}`);
  await untilShape("b1", sorted(`${free}`, `${second}*`, `${third}`));
  await operate(region.id, `transfer-region ${region.id} ${lead} leader ${second} voter ${third} learner`);
  await untilShape("b1", sorted(`${lead}*`, `${second}`, `${third}-`));
  await operate(region.id, `transfer-region ${region.id} ${lead} leader ${second} voter ${third} voter`);
  await untilShape("b1", sorted(`${lead}*`, `${second}`, `${third}`));

  await operate(region.id, `split-region ${region.id} --policy=usekey --keys=${hex("c")}`);
  await until(
    "both have told of themselves",
    () => ctl("region range-holes"),
    (holes) => holes.trim() === "[]",
  );
  const left = await regionAt("b1");
  expect(left.end_key).toBe(hex("c").toUpperCase());
  const right = await regionAt("c1");
  expect(right.start_key).toBe(left.end_key);
  await operate(right.id, `merge-region ${right.id} ${left.id}`);
  await until(
    "one region again",
    () => regionAt("c1"),
    ({ id }) => id === left.id,
  );
  expect(new Uint8Array((await raw.get(key("c1"))) ?? [])).toEqual(new Uint8Array(1000));
  expect(await ctl("operator history")).toContain(`admin-merge-region {merge: region ${right.id} to ${left.id}}`);

  // Written hard, it is hot; granted, it goes to the stores that are named, and its lead to the first of them.
  const over = new AbortController();
  const writing = (async () => {
    while (!over.signal.aborted) {
      await Promise.all(Array.from({ length: 8 }, () => raw.put(key("b1"), new Uint8Array(4000))));
      await world.clock.sleep(20);
    }
  })();
  try {
    const isHot = (text: string) => text.includes(`"region_id": ${left.id},`);
    await until("hot by writes", () => ctl("hot write"), isHot);
    const named = [free, second, third];
    await done(`scheduler add grant-hot-region-scheduler ${free} ${named.join(",")}`);
    await untilShape("b1", sorted(`${free}*`, `${second}`, `${third}`));
    await done("scheduler remove grant-hot-region-scheduler");
    await done("config set hot-regions-write-interval 1s");
    const nowMs = world.clock.nowMs();
    const line = `hot history ${nowMs - 600_000} ${nowMs + 600_000} hot_region_type write region_id ${left.id} is_leader true`;
    await until("a record of it", () => ctl(line), isHot);
  } finally {
    over.abort();
    await writing;
  }

  await done(`scheduler add evict-leader-scheduler ${free}`);
  // What one scheduler holds paused does not hold up another; the evicting one was added after the pause.
  await until(
    "no leader on it",
    () => ctl(`store ${free} --jq=.status.leader_count`),
    (count) => count.trim() === "0",
  );
  await done(`scheduler remove evict-leader-scheduler-${free}`);
  expect(await ctl("unsafe remove-failed-stores 1")).toContain("[PD:skein:ErrUnsupported]");
});
