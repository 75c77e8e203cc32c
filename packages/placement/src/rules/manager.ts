/**
 * The rules of a cluster while this member leads: loaded from the metadata, changed one request after the other, durable before they
 * count. `pd/default` and the replication section of the configuration say the same while that rule is the only one (spec §2.3).
 */
import { type Logger, parseDuration, Semaphore } from "@skein/base";
import type { ReplicationConfig } from "../server/config/core/items.ts";
import { refusal } from "../server/http-routes.ts";
import type { PdServices } from "../server/services.ts";
import {
  agrees,
  type Changed,
  type ChangeFacts,
  defaultGroup,
  defaultRule,
  defaultRuleId,
  setRule,
  soleDefaultRule,
} from "./core/changes.ts";
import { RuleRefusal } from "./core/errors.ts";
import { findingText, lintRules } from "./core/lint.ts";
import { buildLabelSet, type LabelRule, type LabelSet, labelRuleJson, noLabels, readLabelRule } from "./core/region-labels.ts";
import { emptyRule, type Rule, type RuleGroup, ruleKey } from "./core/rule.ts";
import { groupJson, readGroup, readRule, ruleJson } from "./core/rule-json.ts";
import { buildRuleSet, isDefaultGroup, type RuleSet } from "./core/rule-set.ts";
import { reviveRule } from "./core/validate.ts";
import { finishSave, saveAll, type Write } from "./large-save.ts";

/** That are logged and answered. */
const warningsMax = 10;

export interface RuleManager {
  /** Null while placement rules are off, or this member does not lead. */
  readonly set: RuleSet | null;
  readonly labels: LabelSet;
  readonly services: PdServices | null;
  facts(): ChangeFacts;
  /** Makes the change durable, then counts by it. Answers what its author should know. Throws `HttpRefusal`. */
  change(make: (before: RuleSet, facts: ChangeFacts) => Changed): Promise<readonly string[]>;
  changeLabels(changes: ReadonlyMap<string, LabelRule | null>): Promise<void>;
  /** A label rule from a request, or a refusal with the original's words. */
  readLabelRule(body: unknown): LabelRule | string;
  start(services: PdServices, signal: AbortSignal): Promise<void>;
}

export function createRuleManager(): RuleManager {
  return new StoredRules();
}

class StoredRules implements RuleManager {
  #services: PdServices | null = null;
  #log: Logger | null = null;
  #set: RuleSet | null = null;
  #labels: LabelSet = noLabels;
  #turn = new Semaphore(1);
  /** A save may have happened whose records are not all written. */
  #isSaveOpen = false;

  get set(): RuleSet | null {
    return this.#set;
  }
  get labels(): LabelSet {
    return this.#labels;
  }
  get services(): PdServices | null {
    return this.#services;
  }

  async start(services: PdServices, signal: AbortSignal): Promise<void> {
    this.#services = services;
    this.#log = services.log.with({ component: "rules" });
    this.#turn = new Semaphore(1);
    this.#isSaveOpen = false;
    signal.addEventListener("abort", () => {
      if (this.#services !== services) return;
      this.#services = null;
      this.#set = null;
      this.#labels = noLabels;
    });
    await this.#read(services);
    services.config.onReplicationChange((next, before) => this.#follow(services, next, before));
    services.config.onChange((now) => {
      if (!now.replication.enablePlacementRules) this.#set = null;
    });
  }

  async #read(services: PdServices): Promise<void> {
    await finishSave(services.metadata);
    this.#isSaveOpen = false;
    this.#labels = await this.#loadLabels(services);
    const { replication } = services.config.current;
    this.#set = replication.enablePlacementRules ? await this.#load(services, replication) : null;
  }

  facts(): ChangeFacts {
    const services = this.#running();
    const { replication, pdServer } = services.config.current;
    return {
      keyType: pdServer.keyType,
      maxReplicas: replication.maxReplicas,
      stores: services.cluster.stores().filter((store) => store.meta.state !== "tombstone"),
      nowSeconds: Math.floor(services.world.clock.nowMs() / 1000),
    };
  }

  async change(make: (before: RuleSet, facts: ChangeFacts) => Changed): Promise<readonly string[]> {
    const services = this.#running();
    const changed = await this.#inTurn(async () => {
      const before = this.#set;
      if (before === null) throw refusal(412, "placement rules feature is disabled");
      const made = asRefusal(() => make(before, this.facts()));
      await this.#write(services, made);
      if (this.#services === services) this.#set = made.set;
      return { made, before };
    });
    await this.#tellConfig(services, changed.made);
    const findings = lintRules(changed.made.set, services.cluster.stores()).map(findingText);
    const warnings = [...changed.made.warnings, ...findings].slice(0, warningsMax);
    for (const warning of warnings) this.#log?.warn("placement rules were changed", { warning });
    return warnings;
  }

  /** `max-replicas` follows the count of `pd/default`. Not in turn: the configuration may wait for us at the same time. */
  async #tellConfig(services: PdServices, made: Changed): Promise<void> {
    const key = ruleKey(defaultGroup, defaultRuleId);
    const rule = made.changes.rules.get(key);
    if (rule === undefined || rule === null) return;
    if (rule.count !== services.config.current.replication.maxReplicas)
      await services.config.set({ replication: { maxReplicas: rule.count } });
  }

  /** Before the replication section changes. */
  async #follow(services: PdServices, next: ReplicationConfig, before: ReplicationConfig): Promise<void> {
    if (before.enablePlacementRules && !next.enablePlacementRules) {
      const isTiFlash = (value: string) => value.toLowerCase().startsWith("tiflash");
      const stores = services.cluster.stores().filter((store) => store.meta.state !== "tombstone");
      if (stores.some((store) => store.meta.labels.some(({ key, value }) => key.toLowerCase() === "engine" && isTiFlash(value))))
        throw refusal(400, "cannot disable placement rules with TiFlash nodes");
      return;
    }
    if (!next.enablePlacementRules) return;
    await this.#inTurn(async () => {
      if (!before.enablePlacementRules || this.#set === null) {
        this.#set = await this.#load(services, next);
        return;
      }
      if (agrees({ ...emptyRule, ...factsRule(next) }, before)) return;
      const sole = soleDefaultRule(this.#set);
      if (sole === null)
        throw refusal(
          400,
          "cannot update MaxReplicas, LocationLabels or IsolationLevel when placement rules feature is enabled and not only default rule exists, please update rule instead",
        );
      if (!agrees(sole, before))
        throw refusal(
          400,
          "cannot to update replication config, the default rules do not consistent with replication config, please update rule instead",
        );
      const set = this.#set;
      const made = asRefusal(() => setRule(set, { ...sole, ...factsRule(next) }, this.facts()));
      await this.#write(services, made);
      this.#set = made.set;
    });
  }

  // Metadata

  async #load(services: PdServices, replication: ReplicationConfig): Promise<RuleSet> {
    const rules = new Map<string, Rule>();
    const groups = new Map<string, RuleGroup>();
    const mend: Write[] = [];
    const text = new TextDecoder();
    for (const { key, value } of await services.metadata.list("rules/")) {
      let rule: Rule;
      try {
        rule = reviveRule(readRule(JSON.parse(text.decode(value))));
      } catch (error) {
        this.#log?.error("a placement rule that cannot be read is dropped", { key, error });
        mend.push({ key, value: null });
        continue;
      }
      if (key !== ruleRecord(rule)) {
        this.#log?.warn("a placement rule was kept under a wrong key", { key });
        mend.push({ key, value: null });
        if (rules.has(ruleKey(rule.groupId, rule.id))) continue;
        mend.push({ key: ruleRecord(rule), value: JSON.stringify(ruleJson(rule)) });
      }
      rules.set(ruleKey(rule.groupId, rule.id), rule);
    }
    for (const { key, value } of await services.metadata.list("rule_group/")) {
      try {
        const group = readGroup(JSON.parse(text.decode(value)));
        if (group.id !== "" && !isDefaultGroup(group)) groups.set(group.id, group);
      } catch (error) {
        this.#log?.error("a rule group that cannot be read is dropped", { key, error });
        mend.push({ key, value: null });
      }
    }
    let set: RuleSet | null = null;
    if (rules.size > 0) {
      try {
        set = buildRuleSet(rules, groups);
      } catch (error) {
        this.#log?.error("the kept placement rules do not cover all keys: the default rule joins them", { error });
      }
    }
    if (set === null) {
      const rule = reviveRule(defaultRule(replication));
      rules.set(ruleKey(rule.groupId, rule.id), rule);
      mend.push({ key: ruleRecord(rule), value: JSON.stringify(ruleJson(rule)) });
      try {
        set = buildRuleSet(rules, groups);
      } catch {
        // Two leaders over one range, or overrides that leave nothing: only the default rule counts; the others stay in the metadata.
        set = buildRuleSet(new Map([[ruleKey(rule.groupId, rule.id), rule]]), new Map());
      }
    }
    await this.#save(services, mend);
    return set;
  }

  async #write(services: PdServices, made: Changed): Promise<void> {
    const writes: Write[] = [];
    for (const [key, rule] of made.changes.rules) {
      const old = rule ?? this.#set?.rules.get(key);
      if (old !== undefined) writes.push({ key: ruleRecord(old), value: rule === null ? null : JSON.stringify(ruleJson(rule)) });
    }
    for (const [id, group] of made.changes.groups) {
      const isKept = group !== null && !isDefaultGroup(group);
      writes.push({ key: `rule_group/${id}`, value: isKept ? JSON.stringify(groupJson(group)) : null });
    }
    await this.#save(services, writes);
  }

  async #save(services: PdServices, writes: readonly Write[]): Promise<void> {
    try {
      await saveAll(services.metadata, writes);
    } catch (error) {
      this.#isSaveOpen = true;
      const hasHappened = await finishSave(services.metadata);
      this.#isSaveOpen = false;
      if (!hasHappened) throw error;
    }
  }

  // Labels of ranges

  async #loadLabels(services: PdServices): Promise<LabelSet> {
    const rules = new Map<string, LabelRule>();
    for (const { key, value } of await services.metadata.list("region_label/")) {
      try {
        const rule = this.readLabelRule(JSON.parse(new TextDecoder().decode(value)));
        if (typeof rule === "string") throw new Error(rule);
        rules.set(rule.id, rule);
      } catch (error) {
        this.#log?.error("a region label rule that cannot be read is passed over", { key, error });
      }
    }
    return buildLabelSet(rules);
  }

  readLabelRule(body: unknown): LabelRule | string {
    return readLabelRule(body, this.#running().world.clock.nowMs(), {
      durationMs: parseDuration,
      timeMs: (text) => {
        const ms = Date.parse(text);
        return Number.isNaN(ms) ? null : ms;
      },
      timeText: (ms) => new Date(ms).toISOString(),
    });
  }

  async changeLabels(changes: ReadonlyMap<string, LabelRule | null>): Promise<void> {
    const services = this.#running();
    await this.#inTurn(async () => {
      await this.#save(
        services,
        [...changes].map(([id, rule]) => ({
          key: `region_label/${id}`,
          value: rule === null ? null : JSON.stringify(labelRuleJson(rule)),
        })),
      );
      const rules = new Map(this.#labels.rules);
      for (const [id, rule] of changes) {
        if (rule === null) rules.delete(id);
        else rules.set(id, rule);
      }
      if (this.#services === services) this.#labels = buildLabelSet(rules);
    });
  }

  #running(): PdServices {
    if (this.#services === null) throw refusal(500, "this placement driver does not lead");
    return this.#services;
  }

  async #inTurn<T>(run: () => Promise<T>): Promise<T> {
    using _held = await this.#turn.acquire();
    if (this.#isSaveOpen) await this.#read(this.#running());
    return await run();
  }
}

function factsRule(config: ReplicationConfig) {
  return { count: config.maxReplicas, locationLabels: config.locationLabels, isolationLevel: config.isolationLevel };
}

function ruleRecord(rule: { readonly groupId: string; readonly id: string }): string {
  return `rules/${Buffer.from(rule.groupId).toString("hex")}-${Buffer.from(rule.id).toString("hex")}`;
}

/** Refusals of the core as answers. */
export function asRefusal<T>(run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (error instanceof RuleRefusal) throw refusal(error.status, error.message);
    throw error;
  }
}
