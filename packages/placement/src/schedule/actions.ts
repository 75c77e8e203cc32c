/** What requests and turns do with operators: add them and ask the leader at once, scatter, split. */
import { compareBytes } from "@skein/base";
import { RpcError } from "@skein/rpc";
import type { RegionId, RegionView } from "../core/model.ts";
import { HeaderRefusal } from "../server/services.ts";
import { splitPlan } from "./core/builder.ts";
import type { RunningOperator } from "./core/controller.ts";
import type { Operator } from "./core/operator.ts";
import type { SchedulingState } from "./state.ts";

/** Adds operators and asks the leader at once, without waiting for its next heartbeat. */
export function addAndPush(state: SchedulingState, operators: readonly Operator[], nowMs: number): boolean {
  const result = state.controller.add(operators, nowMs);
  if (!result.isAdded) return false;
  for (const operator of operators) {
    const region = state.services.cluster.region(operator.regionId);
    if (region === null) continue;
    const action = state.controller.onHeartbeat(region, nowMs);
    if (action !== null) state.services.operators.push(region, action);
  }
  return true;
}

export function wireStatus(running: RunningOperator): "SUCCESS" | "TIMEOUT" | "CANCEL" | "REPLACE" | "RUNNING" {
  switch (running.status) {
    case "created":
    case "started":
      return "RUNNING";
    case "success":
      return "SUCCESS";
    case "timeout":
      return "TIMEOUT";
    case "replaced":
      return "REPLACE";
    case "canceled":
    case "expired":
      return "CANCEL";
  }
}

export async function scatterRegions(
  state: SchedulingState,
  regionIds: readonly RegionId[],
  group: string,
): Promise<{ readonly finishedPercentage: number; readonly failedRegionIds: readonly RegionId[] }> {
  await state.ensureIds(Math.min(256, 8 * regionIds.length));
  const failed: RegionId[] = [];
  for (const id of regionIds) {
    const region = state.services.cluster.region(id);
    if (region === null || (await scatterOne(state, region, group)) !== null) failed.push(id);
  }
  const done = regionIds.length - failed.length;
  return { finishedPercentage: regionIds.length === 0 ? 100 : Math.floor((100 * done) / regionIds.length), failedRegionIds: failed };
}

/** The older form of the request, for one region: why it cannot be is a status, whose words clients know. */
export async function scatterRegion(
  state: SchedulingState,
  regionId: RegionId,
  group: string,
): Promise<{ readonly finishedPercentage: number; readonly failedRegionIds: readonly RegionId[] }> {
  const region = state.services.cluster.region(regionId);
  if (region === null) throw new HeaderRefusal("REGION_NOT_FOUND", "region not found");
  const refusal = await scatterOne(state, region, group);
  if (refusal !== null) throw new RpcError("unknown", refusal);
  return { finishedPercentage: 100, failedRegionIds: [] };
}

/** Why it cannot be; null: the region is well where it is, or on its way. */
async function scatterOne(state: SchedulingState, region: RegionView, group: string): Promise<string | null> {
  await state.ensureIds(8);
  const context = state.context();
  const plan = state.scatterer.scatter(context, region, group);
  if (plan === null) return null;
  if (!("operator" in plan)) return plan.refusal;
  return addAndPush(state, [plan.operator], context.nowMs) ? null : `the operator of region ${region.meta.id} was not added`;
}

/** Asks for splits at the keys and waits for them, a second at a time. */
export async function splitAt(
  state: SchedulingState,
  keys: readonly Uint8Array[],
  retriesMax: number,
): Promise<{ readonly finishedPercentage: number; readonly regionIds: readonly RegionId[] }> {
  const { services } = state;
  const { clock } = services.world;
  const isSplit = (key: Uint8Array) => {
    const region = services.cluster.regionByKey(key);
    return region !== null && compareBytes(region.meta.startKey, key) === 0;
  };
  for (let tries = 0; tries <= Math.min(Math.max(retriesMax, 1), 60); tries++) {
    const open = new Map<RegionId, { region: RegionView; keys: Uint8Array[] }>();
    for (const key of keys) {
      const region = services.cluster.regionByKey(key);
      if (region === null || isSplit(key)) continue;
      const entry = open.get(region.meta.id) ?? { region, keys: [] };
      entry.keys.push(key);
      open.set(region.meta.id, entry);
    }
    if (open.size === 0) break;
    for (const entry of open.values())
      if (state.controller.get(entry.region.meta.id) === null)
        addAndPush(
          state,
          [splitPlan({ description: "region-splitter", kinds: ["admin"] }, entry.region, "useKey", entry.keys)],
          clock.nowMs(),
        );
    await clock.sleep(1000);
  }
  const done = keys.filter(isSplit);
  const regionIds = done.map((key) => services.cluster.regionByKey(key)?.meta.id ?? 0).filter((id) => id !== 0);
  return { finishedPercentage: keys.length === 0 ? 100 : Math.floor((100 * done.length) / keys.length), regionIds };
}
