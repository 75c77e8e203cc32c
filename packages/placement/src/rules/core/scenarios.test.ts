import { fileURLToPath } from "node:url";
import { parseScenario, runScenario, scenarioFiles, updateScenarios } from "@skein/sim";
import { describe, expect, test } from "vitest";
import { hexOfKey } from "../../core/keys.ts";
import type { RegionView, StoreView } from "../../core/model.ts";
import { checkerContext, labelsFrom, peersText, regionView, storeView } from "../testing/model-cluster.ts";
import { applyTarget } from "./apply.ts";
import {
  batch,
  type Changed,
  type ChangeFacts,
  defaultRule,
  deleteBundles,
  deleteRule,
  setBundles,
  setGroup,
  setRule,
  setRules,
} from "./changes.ts";
import { checkRegion } from "./checker.ts";
import { RuleRefusal } from "./errors.ts";
import { fitRegion } from "./fit.ts";
import { findingText, lintRules } from "./lint.ts";
import { ruleName } from "./rule.ts";
import { JsonTypeProblem, readBundles, readGroup, readOperations, readRule, readRules } from "./rule-json.ts";
import { bordersIn, buildRuleSet, type RuleSet, rulesFor, sortedRules } from "./rule-set.ts";
import { dryRunText, simulateRules } from "./simulate.ts";
import type { RuleVerdict } from "./suggestion.ts";
import { reviveRule } from "./validate.ts";
import { regionWhy } from "./why.ts";

const folder = fileURLToPath(new URL("scenarios", import.meta.url));

/** One cluster, changed and asked by the commands of a file. */
class Bench {
  rules: RuleSet;
  stores = new Map<number, StoreView>();
  keyType = "raw";
  maxReplicas = 3;
  #nextPeer = 5000;
  #regions: RegionView[] = [];

  constructor() {
    const rule = reviveRule(defaultRule({ maxReplicas: 3, locationLabels: [], isolationLevel: "" }));
    this.rules = buildRuleSet(new Map([["2:pd/default", rule]]), new Map());
  }

  get facts(): ChangeFacts {
    return { keyType: this.keyType, maxReplicas: this.maxReplicas, stores: [...this.stores.values()], nowSeconds: 1_000 };
  }

  get list(): readonly StoreView[] {
    return [...this.stores.values()].sort((a, b) => a.meta.id - b.meta.id);
  }

  run(command: string, args: readonly string[], input: string): string {
    const flags = new Set(args.filter((arg) => !arg.includes("=")));
    const named = new Map<string, string>();
    for (const arg of args) {
      const at = arg.indexOf("=");
      if (at > 0) named.set(arg.slice(0, at), arg.slice(at + 1));
    }
    switch (command) {
      case "config":
        this.keyType = named.get("key-type") ?? this.keyType;
        this.maxReplicas = Number(named.get("max-replicas") ?? this.maxReplicas);
        return "";
      case "store": {
        const id = Number(args[0]);
        this.stores.set(
          id,
          storeView({
            id,
            labels: labelsFrom(args),
            state: flags.has("offline") ? "offline" : flags.has("tombstone") ? "tombstone" : "up",
            isDown: flags.has("down"),
            isDisconnected: flags.has("disconnected"),
            isBusy: flags.has("busy"),
            regionSize: Number(named.get("size") ?? 0),
          }),
        );
        return "";
      }
      case "drop":
        this.stores.delete(Number(args[0]));
        return "";
      case "save-bundles":
        return this.#change(input, (body) => setBundles(this.rules, readBundles(body), flags.has("partial"), this.facts));
      case "set-rule":
        return this.#change(input, (body) => setRule(this.rules, readRule(body), this.facts));
      case "set-rules":
        return this.#change(input, (body) => setRules(this.rules, readRules(body), this.facts));
      case "batch":
        return this.#change(input, (body) => batch(this.rules, readOperations(body), this.facts));
      case "set-group":
        return this.#change(input, (body) => setGroup(this.rules, readGroup(body), this.facts));
      case "delete-rule":
        return this.#change("null", () => deleteRule(this.rules, args[0] ?? "", args[1] ?? "", this.facts));
      case "delete-bundle":
        return this.#change("null", () => deleteBundles(this.rules, (id) => id === args[0], this.facts));
      case "rules":
        return sortedRules(this.rules)
          .map((rule) => `${ruleName(rule)} ${rule.role} ${rule.count} v${rule.version}`)
          .join("\n");
      case "effective":
        return this.rules.ranges
          .map(({ startKey, endKey, effective }) => `[${hexOfKey(startKey)}, ${hexOfKey(endKey)}) ${effective.map(ruleName).join(" ")}`)
          .join("\n");
      case "fit":
        return this.#fit(regionView(args.join(" ")));
      case "check":
        return verdictText(checkRegion(checkerContext(this.rules, this.list), regionView(args.join(" "))));
      case "settle":
        return this.#settle(regionView(args.join(" ")));
      case "lint":
        return lintRules(this.rules, this.list).map(findingText).join("\n");
      case "why": {
        const facts = { operator: null, isSchedulingHalted: flags.has("halted"), isDenied: flags.has("denied") };
        const peers = args.filter((arg) => /^\d/.test(arg)).join(" ");
        return regionWhy(checkerContext(this.rules, this.list), regionView(peers), facts);
      }
      case "region": {
        const region = regionView(args.slice(1).join(" "), { id: Number(args[0]) });
        this.#regions = [...this.#regions.filter(({ meta }) => meta.id !== region.meta.id), region];
        return "";
      }
      case "dry-run": {
        const changed = setBundles(this.rules, readBundles(JSON.parse(input)), flags.has("partial"), this.facts);
        const context = checkerContext(changed.set, this.list);
        const simulation = simulateRules(changed.set, this.#regions, {
          stores: this.list,
          isDown: context.isDown,
          lastingHindrance: (store) => {
            const hindrance = context.targetHindrance(store);
            return hindrance === null || hindrance.isTemporary ? null : hindrance.reason;
          },
          regionScore: (store, delta) => store.regionSize + delta,
          locationLabels: (named.get("labels") ?? "").split(",").filter((label) => label !== ""),
        });
        for (;;) {
          const step = simulation.next();
          if (step.done === true) return dryRunText(step.value, changed.set, changed.warnings);
        }
      }
      default:
        throw new Error(`there is no ${command}`);
    }
  }

  #change(input: string, make: (body: unknown) => Changed): string {
    try {
      const changed = make(JSON.parse(input));
      this.rules = changed.set;
      return ["ok", ...changed.warnings.map((warning) => `warning: ${warning}`)].join("\n");
    } catch (error) {
      if (error instanceof RuleRefusal) return `${error.status} ${error.message}`;
      if (error instanceof JsonTypeProblem) return `400 ${error.message}`;
      throw error;
    }
  }

  #fit(region: RegionView): string {
    const rules = rulesFor(this.rules, region.meta.startKey, region.meta.endKey);
    if (rules.length === 0)
      return `no rule: split at ${bordersIn(this.rules, region.meta.startKey, region.meta.endKey).map(hexOfKey).join(" ")}`;
    const fit = fitRegion(region, rules, (id) => this.stores.get(id) ?? null);
    const stores = (peers: readonly { readonly storeId: number }[]) => peers.map((peer) => peer.storeId).join(" ");
    const lines = fit.fits.map((each) => {
      const wrong = each.differentRole.length === 0 ? "" : ` wrong role: ${stores(each.differentRole)}`;
      return `${ruleName(each.rule)}: [${stores(each.peers)}]${wrong}${each.isolationScore === 0 ? "" : ` isolation ${each.isolationScore}`}`;
    });
    return [...lines, ...(fit.orphans.length === 0 ? [] : [`orphans: [${stores(fit.orphans)}]`])].join("\n");
  }

  #settle(start: RegionView): string {
    const lines: string[] = [];
    let region = start;
    for (let step = 0; step < 20; step++) {
      const verdict = checkRegion(checkerContext(this.rules, this.list), region);
      if (verdict.kind !== "suggestion") return [...lines, verdict.kind === "settled" ? "settled" : verdictText(verdict)].join("\n");
      region = applyTarget(region, verdict.suggestion.target, verdict.suggestion.leader, () => this.#nextPeer++);
      lines.push(`${verdictText(verdict)} => ${peersText(region)}`);
    }
    return [...lines, "goes on and on"].join("\n");
  }
}

function verdictText(verdict: RuleVerdict): string {
  if (verdict.kind === "split") return `split ${verdict.keys.map(hexOfKey).join(" ")}`;
  if (verdict.kind === "blocked")
    return verdict.blocks
      .map((block) => `${block.isTemporary ? "waits" : "blocked"}: ${block.what} ${block.rule}: ${block.reason}`)
      .join("\n");
  if (verdict.kind !== "suggestion") return verdict.kind;
  const { description, from, to, leader, priority } = verdict.suggestion;
  const move = from !== 0 && to !== 0 ? `${from} -> ${to}` : from !== 0 ? `- ${from}` : `+ ${to}`;
  return `${description} ${move}${leader === null ? "" : ` leader ${leader}`}${priority === "medium" ? "" : ` (${priority})`}`;
}

describe("scenario files", () => {
  for (const file of scenarioFiles(folder))
    test(file.name, async () => {
      expect(parseScenario(file.text).length).toBeGreaterThan(0);
      const bench = new Bench();
      const { actual, expected } = await runScenario(file.text, ({ command, args, input }) => bench.run(command, args, input));
      if (updateScenarios) file.update(actual);
      else expect(actual).toBe(expected);
    });
});
