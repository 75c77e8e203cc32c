/** What a leader makes of the rules that it finds, and what follows the replication section. */
import { silentLogger } from "@skein/base";
import type { KeySelection, Operation } from "@skein/metastore";
import { Simulation } from "@skein/sim";
import { expect, test } from "vitest";
import type { DynamicConfig } from "../server/config/core/items.ts";
import { defaultReplicationMode, defaultsOf, pdServerForm, replicationForm, scheduleForm } from "../server/config/core/json-form.ts";
import { HttpRefusal } from "../server/http-routes.ts";
import type { ConfigStore, PdServices } from "../server/services.ts";
import { setBundle, setRule, setRules } from "./core/changes.ts";
import { emptyRule, ruleName } from "./core/rule.ts";
import { sortedRules } from "./core/rule-set.ts";
import { createRuleManager } from "./manager.ts";

const hex = (text: string) => Buffer.from(text).toString("hex");
const record = (rule: Record<string, unknown>) => JSON.stringify({ start_key: "", end_key: "", is_witness: false, ...rule });

async function start(
  kept: Readonly<Record<string, string>>,
  stores: PdServices["cluster"] | null = null,
  /** Transactions that are written before the metadata is gone. */
  writesMax = Number.POSITIVE_INFINITY,
) {
  const world = new Simulation({ seed: 1 }).world("pd");
  const data = new Map(Object.entries(kept));
  let writesLeft = writesMax;
  let config: DynamicConfig = {
    schedule: defaultsOf(scheduleForm),
    replication: defaultsOf(replicationForm),
    pdServer: defaultsOf(pdServerForm),
    labelProperty: {},
    clusterVersion: "8.5.0",
    replicationMode: defaultReplicationMode,
  };
  let guard: Parameters<ConfigStore["onReplicationChange"]>[0] = async () => {};
  const configStore = {
    get current() {
      return config;
    },
    set: async (change: Parameters<ConfigStore["set"]>[0]) => {
      config = { ...config, replication: { ...config.replication, ...change.replication } };
    },
    onChange: () => () => {},
    onReplicationChange: (given: typeof guard) => {
      guard = given;
      return () => {};
    },
  };
  const metadata = {
    keyOf: (key: string) => key,
    list: async (prefix: string) =>
      [...data].filter(([key]) => key.startsWith(prefix)).map(([key, value]) => ({ key, value: new TextEncoder().encode(value) })),
    put: (key: string, value: string) => metadata.transaction([], [{ op: "put", key, value }]),
    write: async (changes: readonly { readonly key: string; readonly value: string | null }[]) =>
      changes.length > 0 &&
      metadata.transaction(
        [],
        changes.map(({ key, value }) => (value === null ? { op: "delete", select: { key } } : { op: "put", key, value })),
      ),
    transaction: async (_compare: readonly [], operations: readonly Operation[]) => {
      if (writesLeft-- <= 0) throw new Error("the metadata is gone");
      expect(operations.length).toBeLessThanOrEqual(128);
      for (const operation of operations) {
        if (operation.op === "put") data.set(operation.key, String(operation.value));
        else if (operation.op === "delete") for (const key of data.keys()) if (isSelected(key, operation.select)) data.delete(key);
      }
      return true;
    },
  };
  const services = {
    world,
    log: silentLogger,
    config: configStore,
    cluster: stores ?? { stores: () => [], nowMs: 0 },
    metadata,
  } as unknown as PdServices;
  const manager = createRuleManager();
  const stop = new AbortController();
  await manager.start(services, stop.signal);
  return {
    manager,
    data,
    writes: () => writesMax - writesLeft,
    stop,
    names: () => (manager.set === null ? null : sortedRules(manager.set).map((rule) => `${ruleName(rule)} ${rule.count}`)),
    mendIt: () => {
      writesLeft = 1000;
    },
    breakIt: () => {
      writesLeft = 0;
    },
    config: () => config,
    replicate: async (change: Partial<DynamicConfig["replication"]>) => {
      const next = { ...config.replication, ...change };
      await guard(next, config.replication);
      config = { ...config, replication: next };
    },
  };
}

test("a fresh cluster gets the default rule, durable", async () => {
  const { names, data } = await start({});
  expect(names()).toEqual(["pd/default 3"]);
  expect(data.get(`rules/${hex("pd")}-${hex("default")}`)).toBe(
    '{"group_id":"pd","id":"default","start_key":"","end_key":"","role":"voter","is_witness":false,"count":3}',
  );
});

test("records that cannot be read or stand under a wrong key are mended; the rest is kept", async () => {
  const good = record({ group_id: "pd", id: "a", role: "voter", count: 3 });
  const { names, data } = await start({
    "rules/zz": "not json",
    [`rules/${hex("pd")}-${hex("bad")}`]: record({ group_id: "pd", id: "bad", role: "master", count: 3 }),
    "rules/other": good,
    "rule_group/g": '{"id":"g","index":5}',
    "rule_group/bad": "[",
  });
  expect(names()).toEqual(["pd/a 3"]);
  expect([...data.keys()].sort((a, b) => (a < b ? -1 : 1))).toEqual(["rule_group/g", `rules/${hex("pd")}-${hex("a")}`]);
});

test("kept rules that leave keys without one are joined by the default rule", async () => {
  const { names } = await start({
    [`rules/${hex("pd")}-${hex("a")}`]: record({ group_id: "pd", id: "a", role: "voter", count: 3, start_key: "61" }),
  });
  expect(names()).toEqual(["pd/a 3", "pd/default 3"]);
});

test("a write that fails changes nothing", async () => {
  const { manager, names, breakIt } = await start({});
  breakIt();
  const rule = { ...emptyRule, groupId: "pd", id: "x", role: "voter", count: 1 };
  await expect(manager.change((before, facts) => setRule(before, rule, facts))).rejects.toThrow("the metadata is gone");
  expect(names()).toEqual(["pd/default 3"]);
});

function isSelected(key: string, select: KeySelection): boolean {
  return "key" in select ? key === select.key : "prefix" in select && key.startsWith(select.prefix);
}

const many = (prefix: string, count: number) =>
  Array.from({ length: count }, (_, index) => ({ ...emptyRule, groupId: "pd", id: `${prefix}${index}`, role: "voter", count: 1 }));

test("more changes than one transaction takes are saved all or not at all, whenever the leader crashes", async () => {
  const bundle = { groupId: "pd", groupIndex: 3, isGroupOverride: false };
  const first = await start({});
  await first.manager.change((before, facts) => setBundle(before, { ...bundle, rules: many("old", 150) }, facts));
  const kept = Object.fromEntries(first.data);
  const before = first.names();
  const replace = ({ manager }: Pick<typeof first, "manager">) =>
    manager.change((now, facts) => setBundle(now, { ...bundle, groupIndex: 4, rules: many("new", 250) }, facts));

  const whole = await start(kept, null, 1000);
  await replace(whole);
  const after = whole.names();
  expect(after).not.toEqual(before);
  const seen = new Set<unknown>();
  for (let writes = 0; writes <= whole.writes(); writes++) {
    const crashed = await start(kept, null, writes);
    const isTold = await replace(crashed).then(
      () => true,
      () => false,
    );
    const { names, data, manager } = await start(Object.fromEntries(crashed.data));
    const isAfter = names()?.length === after?.length;
    expect(names(), `a crash after ${writes} transactions`).toEqual(isAfter ? after : before);
    expect(manager.set?.groups.get("pd")?.index).toBe(isAfter ? 4 : 3);
    expect([...data.keys()].filter((key) => !/^rules\/|^rule_group\//.test(key))).toEqual([]);
    expect(data.size).toBe((isAfter ? 250 : 150) + 1);
    if (isTold) expect(isAfter).toBe(true);
    seen.add(isAfter);
  }
  expect(seen).toEqual(new Set([false, true]));
});

test("a large save that was cut short is brought to its end before the next change", async () => {
  const own = (await start({}, null, 1000)).writes();
  // Three parts, the mark, the first records: then it is cut.
  const cut = await start({}, null, own + 5);
  await expect(cut.manager.change((before, facts) => setRules(before, many("r", 250), facts))).rejects.toThrow("the metadata is gone");
  cut.mendIt();
  await cut.manager.change((before, facts) => setRule(before, { ...emptyRule, groupId: "pd", id: "one", role: "voter", count: 1 }, facts));
  expect(cut.names()).toHaveLength(252);
  expect([...cut.data.keys()].filter((key) => key.startsWith("saving/"))).toEqual([]);
});

test("the default rule and the replication section follow each other while it is alone", async () => {
  const { manager, names, config, replicate } = await start({});
  await replicate({ maxReplicas: 5 });
  expect(names()).toEqual(["pd/default 5"]);
  const rule = { ...emptyRule, groupId: "pd", id: "default", role: "voter", count: 1 };
  await manager.change((before, facts) => setRule(before, rule, facts));
  expect(config().replication.maxReplicas).toBe(1);
  await expect(replicate({ maxReplicas: 0 })).rejects.toThrow("invalid count 0");
  await manager.change((before, facts) => setRule(before, { ...rule, id: "other" }, facts));
  await expect(replicate({ maxReplicas: 3 })).rejects.toThrow("not only default rule exists");
  await replicate({ strictlyMatchLabel: true });
});

test("a default rule that says something else is not overwritten", async () => {
  const { manager, replicate } = await start({});
  const rule = { ...emptyRule, groupId: "pd", id: "default", role: "voter", count: 3, locationLabels: ["zone"] };
  await manager.change((before, facts) => setRule(before, rule, facts));
  await expect(replicate({ maxReplicas: 5 })).rejects.toThrow("do not consistent with replication config");
});

test("rules are off, and on again as they were; not off while a store for columns is there", async () => {
  const { manager, names, replicate } = await start({});
  const rule = { ...emptyRule, groupId: "pd", id: "x", role: "voter", count: 1 };
  await manager.change((before, facts) => setRule(before, rule, facts));
  await replicate({ enablePlacementRules: false });
  await replicate({ enablePlacementRules: true });
  expect(names()).toEqual(["pd/default 3", "pd/x 1"]);
  const columns = { stores: () => [{ meta: { state: "up", labels: [{ key: "engine", value: "tiflash" }] } }], nowMs: 0 };
  const other = await start({}, columns as unknown as PdServices["cluster"]);
  await expect(other.replicate({ enablePlacementRules: false })).rejects.toThrow("cannot disable placement rules with TiFlash nodes");
});

test("when the lead is lost nothing is known any more", async () => {
  const { manager, names, stop } = await start({});
  stop.abort();
  expect(names()).toBeNull();
  await expect(
    manager.change((before) => ({ set: before, changes: { rules: new Map(), groups: new Map() }, warnings: [] })),
  ).rejects.toBeInstanceOf(HttpRefusal);
});
