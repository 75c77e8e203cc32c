/** What a leader makes of the rules that it finds, and what follows the replication section. */
import { silentLogger } from "@skein/base";
import { Simulation } from "@skein/sim";
import { expect, test } from "vitest";
import type { DynamicConfig } from "../server/config/core/items.ts";
import { defaultReplicationMode, defaultsOf, pdServerForm, replicationForm, scheduleForm } from "../server/config/core/json-form.ts";
import { HttpRefusal } from "../server/http-routes.ts";
import type { ConfigStore, PdServices } from "../server/services.ts";
import { setRule, setRules } from "./core/changes.ts";
import { emptyRule } from "./core/rule.ts";
import { ruleName } from "./core/rule.ts";
import { sortedRules } from "./core/rule-set.ts";
import { createRuleManager } from "./manager.ts";

const hex = (text: string) => Buffer.from(text).toString("hex");
const record = (rule: Record<string, unknown>) => JSON.stringify({ start_key: "", end_key: "", is_witness: false, ...rule });

async function start(kept: Readonly<Record<string, string>>, stores: PdServices["cluster"] | null = null) {
  const world = new Simulation({ seed: 1 }).world("pd");
  const data = new Map(Object.entries(kept));
  let isBroken = false;
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
  const services = {
    world,
    log: silentLogger,
    config: configStore,
    cluster: stores ?? { stores: () => [], nowMs: 0 },
    metadata: {
      list: async (prefix: string) =>
        [...data].filter(([key]) => key.startsWith(prefix)).map(([key, value]) => ({ key, value: new TextEncoder().encode(value) })),
      write: async (changes: readonly { readonly key: string; readonly value: string | null }[]) => {
        if (isBroken) throw new Error("the metadata is gone");
        expect(changes.length).toBeLessThanOrEqual(128);
        for (const { key, value } of changes) {
          if (value === null) data.delete(key);
          else data.set(key, value);
        }
      },
    },
  } as unknown as PdServices;
  const manager = createRuleManager();
  const stop = new AbortController();
  await manager.start(services, stop.signal);
  return {
    manager,
    data,
    stop,
    names: () => (manager.set === null ? null : sortedRules(manager.set).map((rule) => `${ruleName(rule)} ${rule.count}`)),
    breakIt: () => {
      isBroken = true;
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

test("more changes than one transaction takes are written in parts", async () => {
  const { manager, data } = await start({});
  const rules = Array.from({ length: 300 }, (_, index) => ({ ...emptyRule, groupId: "pd", id: `r${index}`, role: "learner", count: 1 }));
  await manager.change((before, facts) => setRules(before, rules, facts));
  expect(data.size).toBe(301);
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
