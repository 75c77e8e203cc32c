/** Changes by `/config`: which item a key means, and what a configuration must hold. Throws `ConfigRefusal`. */
import { checkLabelForm } from "../../../cluster/core/store-state.ts";
import { detailOf, pdErrors } from "../../../errors.ts";
import type { DynamicConfig } from "./items.ts";
import {
  ConfigRefusal,
  isObject,
  type JsonObject,
  pdServerForm,
  replicationForm,
  scheduleForm,
  takeReplicationMode,
  takeSection,
} from "./json-form.ts";

/** Keys whose owner is the process's own file: taken, and kept until the process ends. */
const processSections: ReadonlySet<string> = new Set(["log"]);

/** Whole sections or single items: `{"leader-schedule-limit": 8}`, `{"schedule.leader-schedule-limit": 8}`. */
export function applyChanges(config: DynamicConfig, changes: JsonObject): DynamicConfig {
  let next = config;
  for (const [key, value] of Object.entries(changes)) {
    const [section, item] = placeOf(key);
    const one = item === null ? value : { [item]: value };
    const part = isObject(one) ? one : {};
    const unknown = (name: string): never => {
      throw new ConfigRefusal(`config item ${name} not found`);
    };
    switch (section) {
      case "schedule":
        if (item === null) return unknown(key);
        next = { ...next, schedule: takeSection(scheduleForm, next.schedule, part, unknown) };
        break;
      case "replication":
        if (item === null) return unknown(key);
        next = { ...next, replication: takeSection(replicationForm, next.replication, part, unknown) };
        break;
      case "pd-server":
        if (item === null) return unknown(key);
        next = { ...next, pdServer: takeSection(pdServerForm, next.pdServer, part, unknown) };
        break;
      case "replication-mode": {
        if (item === null) throw new ConfigRefusal(`cannot update config prefix ${key}`);
        const [head = "", leaf] = item.split(".");
        next = {
          ...next,
          replicationMode: takeReplicationMode(
            next.replicationMode,
            leaf === undefined ? { [head]: value } : { [head]: { [leaf]: value } },
          ),
        };
        break;
      }
      case "cluster-version":
        if (typeof value !== "string") throw new ConfigRefusal(`cannot update cluster-version`);
        next = { ...next, clusterVersion: value };
        break;
      default:
        if (!processSections.has(section))
          throw new ConfigRefusal(item === null ? `config item ${key} not found` : `config prefix ${section} not found`);
    }
  }
  check(next);
  checkServed(next.schedule, config.schedule);
  return Object.freeze(next);
}

/** Items are kept as the field's files have them; to switch on what is not there would be silence for a refusal. */
function checkServed(next: DynamicConfig["schedule"], before: DynamicConfig["schedule"]): void {
  const refuse = (what: string, instead: string) => {
    throw new ConfigRefusal(pdErrors.unsupported([what, instead]).detail);
  };
  if (next.enableWitness && !before.enableWitness) refuse("enable-witness (replicas without data)", "Use rules with role learner.");
  if (next.storeLimitVersion !== before.storeLimitVersion && next.storeLimitVersion === "v2")
    refuse("store-limit-version v2", "Set rates with v1: pd-ctl store limit all 30.");
}

/** A key without a dot is looked for in all sections. */
function placeOf(key: string): readonly [string, string | null] {
  const dot = key.indexOf(".");
  if (dot >= 0) return [key.slice(0, dot), key.slice(dot + 1)];
  if (Object.hasOwn(scheduleForm.items, key)) return ["schedule", key];
  if (Object.hasOwn(replicationForm.items, key)) return ["replication", key];
  if (Object.hasOwn(pdServerForm.items, key)) return ["pd-server", key];
  return [key, null];
}

/** What must hold between items. */
export function check({ schedule, replication, pdServer }: DynamicConfig): void {
  const refuse = (text: string): never => {
    throw new ConfigRefusal(text);
  };
  if (schedule.tolerantSizeRatio < 0) refuse("tolerant-size-ratio should be non-negative");
  if (schedule.lowSpaceRatio < 0 || schedule.lowSpaceRatio > 1) refuse("low-space-ratio should between 0 and 1");
  if (schedule.highSpaceRatio < 0 || schedule.highSpaceRatio > 1) refuse("high-space-ratio should between 0 and 1");
  if (schedule.lowSpaceRatio <= schedule.highSpaceRatio) refuse("low-space-ratio should be larger than high-space-ratio");
  if (schedule.leaderSchedulePolicy !== "count" && schedule.leaderSchedulePolicy !== "size")
    refuse(`leader-schedule-policy ${schedule.leaderSchedulePolicy} is invalid`);
  if (schedule.slowStoreEvictingAffectedStoreRatioThreshold <= 0 || schedule.slowStoreEvictingAffectedStoreRatioThreshold > 1)
    refuse("slow-store-evicting-affected-store-ratio-threshold is not in range (0, 1]");
  if (schedule.storeLimitVersion !== "v1" && schedule.storeLimitVersion !== "v2")
    refuse(`store-limit-version ${schedule.storeLimitVersion} is invalid`);
  for (const label of replication.locationLabels) {
    try {
      checkLabelForm([{ key: label, value: "" }]);
    } catch (error) {
      refuse(detailOf(error));
    }
  }
  if (replication.isolationLevel !== "" && !replication.locationLabels.includes(replication.isolationLevel))
    refuse("isolation-level must be one of location-labels or empty");
  if (replication.maxReplicas === 0) refuse("[PD:placement:ErrRuleContent]invalid rule content, invalid count 0");
  if (!["table", "raw", "txn"].includes(pdServer.keyType)) refuse(`key-type ${pdServer.keyType} is invalid`);
  if (pdServer.flowRoundByDigit < 0) refuse("flow round by digit cannot be negative number");
}
