/**
 * Rules through the whole of scheduling over model stores: the checker suggests, operators are built and carried out step by step, stores
 * die and come back, rules change while peers are on their way. The model holds that no region loses its quorum.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Simulation, seeds } from "@skein/sim";
import { afterEach, describe, expect, test } from "vitest";
import { type ModelCluster, startModel } from "../schedule/testing/model-cluster.ts";
import type { PdServices } from "../server/services.ts";
import { type ChangeFacts, defaultRule, setBundles } from "./core/changes.ts";
import { fitRegion, isSatisfied } from "./core/fit.ts";
import { buildLabelSet, type LabelSet, noLabels } from "./core/region-labels.ts";
import { readBundles } from "./core/rule-json.ts";
import { buildRuleSet, type RuleSet, rulesFor } from "./core/rule-set.ts";
import { reviveRule } from "./core/validate.ts";
import { createRulePolicy } from "./policy.ts";
import { labelsFrom } from "./testing/model-cluster.ts";

const twoCentres: unknown = JSON.parse(readFileSync(fileURLToPath(new URL("testing/rule.json", import.meta.url)), "utf8"));
const unlimited = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [String(index + 1), { addPeer: 6000, removePeer: 6000 }]));
const bare: ChangeFacts = { keyType: "raw", maxReplicas: 3, stores: [], nowSeconds: 1 };

let model: ModelCluster | null = null;
afterEach(() => model?.stop());

const first = reviveRule(defaultRule({ maxReplicas: 3, locationLabels: [], isolationLevel: "" }));

async function start(seed: number) {
  const sim = new Simulation({ seed });
  const rules: { set: RuleSet; labels: LabelSet; services: PdServices | null } = {
    set: buildRuleSet(new Map([["2:pd/default", first]]), new Map()),
    labels: noLabels,
    services: null,
  };
  const cluster = await startModel(sim, {
    schedule: { storeLimit: unlimited, maxStoreDownTimeMs: 300_000 },
    policy: (contextOf) => createRulePolicy(rules, contextOf),
  });
  model = cluster;
  rules.services = cluster.services;
  const zones = ["zone=east rack=e1 host=1", "zone=east rack=e2 host=2", "zone=west rack=w1 host=3", "zone=west rack=w2 host=4"];
  for (const [index, labels] of zones.entries()) cluster.addStore(index + 1, labelsFrom(labels.split(" ")));
  const save = (bundles: unknown) => {
    rules.set = setBundles(rules.set, readBundles(bundles), false, bare).set;
  };
  const isMet = () =>
    [...cluster.regions.values()].every(({ meta, leaderPeerId, pending }) => {
      const region = cluster.cluster.region(meta.id);
      if (region === null || pending.size > 0) return false;
      const effective = rulesFor(rules.set, meta.startKey, meta.endKey);
      return isSatisfied(fitRegion({ ...region, meta, leaderPeerId }, effective, (id) => cluster.storeView(id)));
    });
  return { sim, cluster, rules, save, settle: () => sim.run({ until: isMet, timeMaxMs: 3_600_000 }) };
}

const key = (index: number) => `k${String(index).padStart(3, "0")}`;

function fill(cluster: ModelCluster, layouts: readonly (readonly number[])[]): void {
  for (const [index, stores] of layouts.entries())
    cluster.addRegion(index === 0 ? "" : key(index), index === layouts.length - 1 ? "" : key(index + 1), stores, 50);
}

const layouts = [[1, 2, 3], [1, 3, 4], [2, 3, 4], [1], [3, 4], [4], [1, 2, 3, 4], [1, 2]];

describe("rules over model stores", () => {
  test.each(seeds({ fixed: 6, fresh: 2 }))("the two-centre document's rules and back, seed %i", async (seed) => {
    const { sim, cluster, save, settle } = await start(seed);
    fill(cluster, layouts);
    await settle();
    save(twoCentres);
    await settle();
    for (const { meta } of cluster.regions.values()) {
      const roles = new Map(meta.peers.map((peer) => [peer.storeId, peer.role]));
      expect([roles.get(1), roles.get(2)]).toEqual(["voter", "voter"]);
      expect([roles.get(3), roles.get(4)].sort((a, b) => ((a ?? "") < (b ?? "") ? -1 : 1))).toEqual(["learner", "voter"]);
    }
    const before = { ...cluster.done };
    await sim.pass(300_000);
    expect(cluster.done.moves).toBe(before.moves);
    save([{ group_id: "pd", rules: [{ id: "default", role: "voter", count: 3 }] }]);
    await settle();
    for (const { meta } of cluster.regions.values()) expect(meta.peers.map((peer) => peer.role)).toEqual(["voter", "voter", "voter"]);
  });

  test.each(seeds({ fixed: 6, fresh: 2 }))("a store of the west dies and a spare one takes its peers, seed %i", async (seed) => {
    const { sim, cluster, save, settle } = await start(seed);
    cluster.addStore(5, labelsFrom(["zone=west", "rack=w1", "host=5"]));
    fill(cluster, layouts);
    save(twoCentres);
    await settle();
    cluster.kill(4);
    const isEmpty = () => [...cluster.regions.values()].every(({ meta }) => meta.peers.every((peer) => peer.storeId !== 4));
    await sim.run({ until: isEmpty, timeMaxMs: 3_600_000 });
    await settle();
    for (const { meta } of cluster.regions.values())
      expect(meta.peers.map((peer) => peer.storeId).sort((a, b) => a - b)).toEqual([1, 2, 3, 5]);
    cluster.revive(4);
    await settle();
  });

  test.each(seeds({ fixed: 4, fresh: 1 }))("rules change while peers are on their way, seed %i", async (seed) => {
    const { sim, cluster, save, settle } = await start(seed);
    fill(cluster, layouts);
    for (let round = 0; round < 6; round++) {
      save(round % 2 === 0 ? twoCentres : [{ group_id: "pd", rules: [{ id: "default", role: "voter", count: 3 }] }]);
      await sim.pass(1000 + sim.random.below(20_000));
    }
    save(twoCentres);
    await settle();
  });

  test.each(seeds({ fixed: 3 }))("borders of rules and labels split a region first, seed %i", async (seed) => {
    const { cluster, rules, save, settle, sim } = await start(seed);
    cluster.addRegion("", "", [1, 2, 3], 50);
    const hex = (text: string) => Buffer.from(text).toString("hex");
    save([
      {
        group_id: "pd",
        rules: [
          { id: "default", role: "voter", count: 3 },
          { id: "more", role: "learner", count: 1, start_key: hex("k3"), end_key: hex("k5") },
        ],
      },
    ]);
    const bytes = (text: string) => new TextEncoder().encode(text);
    rules.labels = buildLabelSet(
      new Map([
        [
          "quiet",
          {
            id: "quiet",
            index: 0,
            labels: [{ key: "schedule", value: "deny", ttl: "", startAt: "", endsMs: null }],
            ruleType: "key-range",
            ranges: [{ startKeyHex: hex("k4"), endKeyHex: "", startKey: bytes("k4"), endKey: new Uint8Array() }],
          },
        ],
      ]),
    );
    await sim.run({ until: () => cluster.regions.size === 4, timeMaxMs: 600_000 });
    await settle();
    const starts = [...cluster.regions.values()].map(({ meta }) => new TextDecoder().decode(meta.startKey)).sort();
    expect(starts).toEqual(["", "k3", "k4", "k5"]);
    for (const { meta } of cluster.regions.values()) {
      const start = new TextDecoder().decode(meta.startKey);
      expect(meta.peers).toHaveLength(start === "k3" || start === "k4" ? 4 : 3);
    }
  });
});
