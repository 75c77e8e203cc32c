/** Clusters whose clocks drift, whose leaders are cut off from all but one, and whose stores forget in between: reads by lease stay linearizable. */
import { seeds } from "@skein/sim";
import { describe, expect, test } from "vitest";
import type { Engine } from "../engine/engine.ts";
import type { Region } from "./core/region.ts";
import { StoreCluster, storm } from "./testing/cluster.ts";

const quick = { loss: 0.02, duplication: 0.02, delayMsMax: 8 };
const late = { loss: 0.02, duplication: 0.15, delayMsMax: 60 };
const adverse = { drift: 0.05, isolate: 0.06, bounce: 0.015, transfer: 0.02 };

const storms = [
  { name: "R9: three stores", stores: 3, faults: quick, harm: adverse, keys: 4, options: { hibernate: false } },
  { name: "R9: five replicas", stores: 5, replicas: 5, faults: quick, harm: { ...adverse, partition: 0.01 }, keys: 4 },
  { name: "R7, R9: peers come and go", stores: 5, faults: late, harm: { ...adverse, member: 0.2 }, keys: 4 },
  { name: "S8, M2: regions split and merge", stores: 3, faults: late, harm: { ...adverse, split: 0.06, merge: 0.06 }, keys: 30 },
  {
    name: "everything at once, late and twice",
    stores: 5,
    faults: { loss: 0.04, duplication: 0.2, delayMsMax: 120 },
    harm: { ...adverse, split: 0.05, merge: 0.06, crash: 0.01, partition: 0.01, member: 0.1, consistency: 0.02 },
    keys: 30,
  },
] as const;

describe.each(storms)("$name", ({ name: _name, ...config }) => {
  test.each(seeds({ fixed: 5, fresh: 3 }))("seed %i", async (seed) => {
    const cluster = await storm({ seed, clients: 6, ...config });
    expect(cluster.acknowledged).toBeGreaterThan(0); // few, when most of the time nobody can lead
  });
});

test("S8: a new leader reads by its lease only what it has applied, and that is not all before an entry of its own term is", async () => {
  const gates: (Promise<void> | null)[] = [];
  let opened = 0;
  const engine = (plain: Engine): Engine => {
    const at = opened++;
    const write: Engine["write"] = async (...args) => {
      await gates[at];
      await plain.write(...args);
    };
    return new Proxy(plain, {
      get: (target, key) => {
        if (key === "write") return write;
        const member = target[key as keyof Engine] as unknown;
        return typeof member === "function" ? (member.bind(target) as unknown) : member;
      },
    });
  };
  const cluster = new StoreCluster({ seed: 1, stores: 3, options: { hibernate: false }, mutate: { engine } });
  await cluster.start(3);
  const { id } = cluster.pd.firstRegion as Region;
  const bytes = (text: string) => new TextEncoder().encode(text);
  const put = async (value: string) => {
    const { store, peer } = cluster.leader(id) as NonNullable<ReturnType<typeof cluster.leader>>;
    await cluster.sim.complete(
      store.write(contextOf(peer.region), peer.raft.term, [{ kind: "put", family: "default", key: bytes("k"), value: bytes(value) }]),
    );
  };
  await put("old");
  await cluster.sim.pass(500);
  const old = cluster.leader(id) as NonNullable<ReturnType<typeof cluster.leader>>;
  const at = cluster.machines.findIndex(({ store }) => store !== old.store);
  const next = cluster.machines[at]?.store as NonNullable<(typeof cluster.machines)[number]["store"]>;
  // Its log takes everything; its engine takes its time.
  let open = (): void => {};
  gates[at] = new Promise((done) => {
    open = done;
  });
  await put("new");
  old.store.transferLeader(id, next.peers.get(id)?.id ?? 0);
  const peer = () => next.peers.get(id);
  await cluster.until("the next one leads, and rounds of its are confirmed", () => {
    const raft = peer()?.raft;
    return raft?.role === "leader" && raft.confirmedRound > 1 && raft.committed === raft.lastIndex;
  });
  let answer = "";
  const read = next.snapshot(contextOf(peer()?.region as Region)).then((snapshot) => {
    answer = new TextDecoder().decode(snapshot.reader.get("default", bytes("k")) ?? new Uint8Array(0));
  });
  await cluster.sim.pass(300);
  expect(answer).toBe("");
  open();
  await cluster.sim.complete(read);
  expect(answer).toBe("new");
});

function contextOf({ id, confVer, version }: Region) {
  return { regionId: id, confVer, version, peerId: 0, storeId: 0, replicaRead: false };
}
