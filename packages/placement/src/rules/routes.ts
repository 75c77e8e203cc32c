/** HTTP routes of rules, groups, bundles and region labels (spec §2.5). */

import { keyOfHex } from "../core/keys.ts";
import type { RegionId, RegionView } from "../core/model.ts";
import { type HttpRoute, inputRefusal, json, type PdHttpAnswer, type PdHttpRequest, refusal } from "../server/http-routes.ts";
import type { PdServices } from "../server/services.ts";
import {
  batch,
  type Changed,
  type ChangeFacts,
  deleteBundles,
  deleteGroup,
  deleteRule,
  setBundle,
  setBundles,
  setGroup,
  setRule,
  setRules,
} from "./core/changes.ts";
import type { CheckerContext } from "./core/checker.ts";
import { fitRegion, type RegionFit } from "./core/fit.ts";
import { findingText, lintRules } from "./core/lint.ts";
import { compilePattern, PatternError } from "./core/pattern.ts";
import { type LabelRule, labelJson, labelOf, labelRuleJson, labelsOf, sortedLabelRules } from "./core/region-labels.ts";
import { groupOf, type RuleInput } from "./core/rule.ts";
import {
  bundleJson,
  groupJson,
  JsonTypeProblem,
  offsetOf,
  readBundle,
  readBundles,
  readGroup,
  readOperations,
  readRule,
  readRules,
  ruleJson,
} from "./core/rule-json.ts";
import { type RuleSet, rangeAt, ruleOf, rulesFor, rulesOfGroup, sortedGroups, sortedRules } from "./core/rule-set.ts";
import { dryRunText, simulateRules } from "./core/simulate.ts";
import { regionWhy } from "./core/why.ts";
import { asRefusal, type RuleManager } from "./manager.ts";
import { simulationFacts } from "./policy.ts";

export interface RouteOptions {
  readonly manager: RuleManager;
  /** As the schedulers see the cluster; without them, as it can be seen from here. */
  readonly contextOf: (set: RuleSet, services: PdServices) => CheckerContext;
  readonly operatorText: (regionId: RegionId) => string | null;
}

const base = "/pd/api/v1";

export function ruleRoutes(options: RouteOptions): readonly HttpRoute[] {
  const { manager } = options;

  const setOf = (): RuleSet => {
    const set = manager.set;
    if (set === null) throw refusal(412, "placement rules feature is disabled");
    return set;
  };
  /** Off is told before the body is looked at. */
  const changing =
    (done: string, read: (request: PdHttpRequest) => (before: RuleSet, facts: ChangeFacts) => Changed) =>
    async (request: PdHttpRequest): Promise<PdHttpAnswer> => {
      setOf();
      const warnings = await manager.change(read(request));
      return warnings.length === 0 ? json(done) : { ...json(done), headers: { warning: warningHeader(warnings) } };
    };
  const get = (path: string, handle: HttpRoute["handle"]): HttpRoute => ({ method: "GET", path: `${base}${path}`, handle });
  const post = (path: string, handle: HttpRoute["handle"]): HttpRoute => ({ method: "POST", path: `${base}${path}`, handle });
  const del = (path: string, handle: HttpRoute["handle"]): HttpRoute => ({ method: "DELETE", path: `${base}${path}`, handle });
  const list = (rules: readonly RuleInput[]) => json(rules.length === 0 ? null : rules.map(ruleJson));

  const regionOf = (request: PdHttpRequest): RegionView => {
    const text = request.params["id"] ?? "";
    if (!/^\d{1,20}$/.test(text)) throw refusal(400, "invalid region id");
    const region = request.pd.cluster.region(Number(text));
    if (region === null) throw refusal(404, `[PD:region:ErrRegionNotFound]region ${text} not found`);
    return region;
  };

  return [
    get("/config/rules", () => list(sortedRules(setOf()))),
    post(
      "/config/rules",
      changing("Update rules successfully.", (request) => {
        const rules = decode(request, readRules);
        return (before, facts) => setRules(before, rules, facts);
      }),
    ),
    post(
      "/config/rules/batch",
      changing("Batch operations successfully.", (request) => {
        const operations = decode(request, readOperations);
        return (before, facts) => batch(before, operations, facts);
      }),
    ),
    get("/config/rules/group/:group", ({ params }) => list(rulesOfGroup(setOf(), params["group"] ?? ""))),
    get("/config/rules/region/:id", (request) => {
      const set = setOf();
      const { meta } = regionOf(request);
      return list(rulesFor(set, meta.startKey, meta.endKey));
    }),
    get("/config/rules/region/:id/detail", (request) => {
      const set = setOf();
      const region = regionOf(request);
      const rules = rulesFor(set, region.meta.startKey, region.meta.endKey);
      return json(fitJson(fitRegion(region, rules, (id) => request.pd.cluster.store(id))));
    }),
    get("/config/rules/region/:id/why", (request) => {
      const set = setOf();
      const region = regionOf(request);
      const nowMs = request.pd.cluster.nowMs;
      const text = regionWhy(options.contextOf(set, request.pd), region, {
        operator: options.operatorText(region.meta.id),
        isSchedulingHalted: request.pd.config.current.schedule.haltScheduling,
        isDenied: labelOf(manager.labels, region.meta.startKey, region.meta.endKey, "schedule", nowMs) === "deny",
      });
      return { status: 200, text: `${text}\n` };
    }),
    get("/config/rules/key/:key", ({ params }) => {
      const set = setOf();
      const key = keyOfHex(params["key"] ?? "");
      if (key === null) throw refusal(400, "key should be in hex format");
      return list(rangeAt(set, key).rules);
    }),
    get("/config/rules/lint", ({ pd }) =>
      json(lintRules(setOf(), pd.cluster.stores()).map((finding) => ({ ...finding, text: findingText(finding) }))),
    ),
    post("/config/rules/dry-run", async (request) => {
      const before = setOf();
      const changed = asRefusal(() => dryRunChange(request)(before, manager.facts()));
      const regions = allRegions(request.pd);
      const simulation = simulateRules(changed.set, regions, simulationFacts(request.pd));
      for (let count = 1; ; count++) {
        const step = simulation.next();
        if (step.done === true)
          return json({ warnings: changed.warnings, ...step.value, text: dryRunText(step.value, changed.set, changed.warnings) });
        if (count % 200 === 0) {
          await request.pd.world.clock.sleep(0, request.signal);
        }
      }
    }),

    post(
      "/config/rule",
      changing("Update rule successfully.", (request) => {
        const rule = decode(request, readRule);
        return (before, facts) => setRule(before, rule, facts);
      }),
    ),
    get("/config/rule/:group/:id", ({ params }) => {
      const rule = ruleOf(setOf(), params["group"] ?? "", params["id"] ?? "");
      return rule === null ? json(null, 404) : json(ruleJson(rule));
    }),
    del(
      "/config/rule/:group/:id",
      changing("Delete rule successfully.", ({ params }) => (before, facts) => {
        return deleteRule(before, params["group"] ?? "", params["id"] ?? "", facts);
      }),
    ),

    get("/config/rule_groups", () => json(sortedGroups(setOf()).map(groupJson))),
    get("/config/rule_group/:id", ({ params }) => {
      const group = sortedGroups(setOf()).find(({ id }) => id === params["id"]);
      return group === undefined ? json(null, 404) : json(groupJson(group));
    }),
    post(
      "/config/rule_group",
      changing("Update rule group successfully.", (request) => {
        const group = decode(request, readGroup);
        return (before, facts) => setGroup(before, group, facts);
      }),
    ),
    del(
      "/config/rule_group/:id",
      changing(
        "Delete rule group successfully.",
        ({ params }) =>
          (before, facts) =>
            deleteGroup(before, params["id"] ?? "", facts),
      ),
    ),

    get("/config/placement-rule", () => {
      const set = setOf();
      return json(sortedGroups(set).map((group) => bundleJson(group, rulesOfGroup(set, group.id))));
    }),
    post(
      "/config/placement-rule",
      changing("Update rules and groups successfully.", (request) => {
        const bundles = decode(request, readBundles);
        const isPartial = request.query.has("partial");
        return (before, facts) => setBundles(before, bundles, isPartial, facts);
      }),
    ),
    get("/config/placement-rule/:group", ({ params }) => {
      const set = setOf();
      const group = groupOf(set.groups, params["group"] ?? "");
      return json(bundleJson(group, rulesOfGroup(set, group.id)));
    }),
    post(
      "/config/placement-rule/:group",
      changing("Update group and rules successfully.", (request) => {
        const id = request.params["group"] ?? "";
        const bundle = decode(request, readBundle);
        if (bundle.groupId !== "" && bundle.groupId !== id)
          throw refusal(400, `group id ${bundle.groupId} does not match request URI ${id}`);
        return (before, facts) => setBundle(before, { ...bundle, groupId: id }, facts);
      }),
    ),
    del(
      "/config/placement-rule/:group",
      changing("Delete group and rules successfully.", ({ params, query }) => {
        const id = params["group"] ?? "";
        const isWanted = query.has("regexp") ? patternOf(id) : (group: string) => group === id;
        return (before, facts) => deleteBundles(before, isWanted, facts);
      }),
    ),

    ...labelRoutes(manager, get, post, del, regionOf),
  ];
}

// Reading

/** Throws a 400 with the words and the place of the original's decoder. */
function decode<T>(request: PdHttpRequest, read: (body: unknown) => T): T {
  const body = request.json();
  try {
    return read(body);
  } catch (error) {
    if (!(error instanceof JsonTypeProblem)) throw error;
    throw inputRefusal(error.message, {
      Value: error.value,
      Type: {},
      Offset: offsetOf(new TextDecoder().decode(request.body), error.path),
      Struct: error.struct,
      Field: error.field,
    });
  }
}

/** `{operation, partial, group, body}`: what would be sent to another route. */
function dryRunChange(request: PdHttpRequest): (before: RuleSet, facts: ChangeFacts) => Changed {
  const given = request.json();
  const { operation, partial, body } = (typeof given === "object" && given !== null ? given : {}) as Readonly<Record<string, unknown>>;
  const read = <T>(reader: (value: unknown) => T): T => {
    try {
      return reader(body);
    } catch (error) {
      if (error instanceof JsonTypeProblem) throw inputRefusal(error.message);
      throw error;
    }
  };
  switch (operation) {
    case "bundles": {
      const bundles = read(readBundles);
      return (before, facts) => setBundles(before, bundles, partial === true, facts);
    }
    case "bundle": {
      const bundle = read(readBundle);
      return (before, facts) => setBundle(before, bundle, facts);
    }
    case "batch": {
      const operations = read(readOperations);
      return (before, facts) => batch(before, operations, facts);
    }
    case "group": {
      const group = read(readGroup);
      return (before, facts) => setGroup(before, group, facts);
    }
    default:
      throw refusal(400, "operation should be one of bundles, bundle, batch, group");
  }
}

function patternOf(text: string): (groupId: string) => boolean {
  try {
    return compilePattern(text);
  } catch (error) {
    if (error instanceof PatternError) throw refusal(500, error.message);
    throw error;
  }
}

/** RFC 7234's form; header values are ASCII. */
function warningHeader(warnings: readonly string[]): string {
  const ascii = (text: string) =>
    text
      .slice(0, 500)
      .replace(/[^\x20-\x7e]/g, "?")
      .replace(/["\\]/g, "\\$&");
  return warnings.map((warning) => `299 - "${ascii(warning)}"`).join(", ");
}

/** In key order, a page at a time: a million of them need not be in memory at once. */
function* allRegions(pd: PdServices): Generator<RegionView> {
  let from = new Uint8Array(0);
  for (;;) {
    const page = pd.cluster.scanRegions(from, new Uint8Array(0), 512);
    yield* page;
    const end = page.at(-1)?.meta.endKey;
    if (end === undefined || end.length === 0) return;
    from = Uint8Array.from(end);
  }
}

// Printing

function fitJson(fit: RegionFit) {
  const peers = (all: RegionFit["orphans"]) =>
    all.length === 0
      ? null
      : all.map((peer) => ({
          id: peer.id,
          store_id: peer.storeId,
          role: { voter: undefined, learner: 1, incomingVoter: 2, demotingVoter: 3 }[peer.role],
          is_witness: peer.isWitness || undefined,
        }));
  return {
    "rule-fits":
      fit.fits.length === 0
        ? null
        : fit.fits.map((each) => ({
            rule: ruleJson(each.rule),
            peers: peers(each.peers),
            "peers-different-role": peers(each.differentRole),
            "isolation-score": each.isolationScore,
            "witness-score": 0,
          })),
    "orphan-peers": peers(fit.orphans),
  };
}

// Region labels

function labelRoutes(
  manager: RuleManager,
  get: (path: string, handle: HttpRoute["handle"]) => HttpRoute,
  post: (path: string, handle: HttpRoute["handle"]) => HttpRoute,
  del: (path: string, handle: HttpRoute["handle"]) => HttpRoute,
  regionOf: (request: PdHttpRequest) => RegionView,
): readonly HttpRoute[] {
  const read = (body: unknown): LabelRule => {
    const rule = manager.readLabelRule(body);
    if (typeof rule === "string") throw refusal(400, rule);
    return rule;
  };
  const labelsAt = (request: PdHttpRequest) => {
    const { meta } = regionOf(request);
    return labelsOf(manager.labels, meta.startKey, meta.endKey, request.pd.cluster.nowMs);
  };
  return [
    get("/config/region-label/rules", () => json(sortedLabelRules(manager.labels).map(labelRuleJson))),
    get("/config/region-label/rules/ids", (request) => {
      const ids = request.json();
      if (!Array.isArray(ids)) throw refusal(400, "the body should be a list of rule ids");
      return json(ids.flatMap((id) => (typeof id === "string" ? (manager.labels.rules.get(id) ?? []) : [])).map(labelRuleJson));
    }),
    {
      method: "PATCH",
      path: `${base}/config/region-label/rules`,
      handle: async (request) => {
        const body = request.json();
        const { sets, deletes } = (typeof body === "object" && body !== null ? body : {}) as Readonly<Record<string, unknown>>;
        const changes = new Map<string, LabelRule | null>();
        for (const id of Array.isArray(deletes) ? deletes : []) if (typeof id === "string") changes.set(id, null);
        for (const each of Array.isArray(sets) ? sets : []) {
          const rule = read(each);
          changes.set(rule.id, rule);
        }
        await manager.changeLabels(changes);
        return json("Update region label rules successfully.");
      },
    },
    get("/config/region-label/rule/*", ({ params }) => {
      const rule = manager.labels.rules.get(restOf(params));
      return rule === undefined ? json(null, 404) : json(labelRuleJson(rule));
    }),
    post("/config/region-label/rule", async (request) => {
      const rule = read(request.json());
      await manager.changeLabels(new Map([[rule.id, rule]]));
      return json("Update region label rule successfully.");
    }),
    del("/config/region-label/rule/*", async ({ params }) => {
      const id = restOf(params);
      if (!manager.labels.rules.has(id)) throw refusal(404, `[PD:region:ErrRegionRuleNotFound]region label rule not found for id ${id}`);
      await manager.changeLabels(new Map([[id, null]]));
      return json("Delete region label rule successfully.");
    }),
    get("/region/id/:id/labels", (request) => json(labelsAt(request).map(labelJson))),
    get("/region/id/:id/label/:key", (request) => {
      const label = labelsAt(request).find(({ key }) => key === request.params["key"]);
      return json(label?.value ?? "");
    }),
  ];
}

/** Ids such as `keyspaces/0` hold slashes. */
function restOf(params: Readonly<Record<string, string>>): string {
  return params["*"] ?? "";
}
