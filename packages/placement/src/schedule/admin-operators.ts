/** Operators that a person asks for (`pd-ctl operator add …`): checked, planned, added. The refusals' texts are those of golden/operator.txt. */

import { keyOfHex } from "../core/keys.ts";
import type { RegionView, StoreId } from "../core/model.ts";
import { pdErrors } from "../errors.ts";
import { refusal } from "../server/http-routes.ts";
import { addAndPush } from "./actions.ts";
import { buildPlan, currentTarget, mergePlan, type Plan, splitPlan, type TargetRole, transferLeaderPlan } from "./core/builder.ts";
import { movesToMatch } from "./core/checkers/merge.ts";
import { mayLead } from "./core/checkers/patrol.ts";
import type { Operator } from "./core/operator.ts";
import { peerOn } from "./core/regions.ts";
import { numberOf } from "./routes/request.ts";
import type { SchedulingState } from "./state.ts";

type Body = Readonly<Record<string, unknown>>;

const heading = (name: string) => ({ description: `admin-${name}`, kinds: ["admin"] as const, priority: "urgent" as const });

/** Throws a refusal with the status and the text of the answer. */
export async function addAdminOperator(state: SchedulingState, body: Body): Promise<void> {
  const name = body["name"];
  if (typeof name !== "string") throw refusal(400, "missing operator name");
  const make = makers[name];
  if (make === undefined) throw refusal(400, "unknown operator");
  await state.ensureIds(8);
  const operators = make(state, body);
  if (operators.length === 0) return;
  const nowMs = state.services.world.clock.nowMs();
  if (!addAndPush(state, operators, nowMs))
    throw refusal(500, "[PD:operator:ErrAddOperator]failed to add operator, maybe already have one");
}

const makers: Readonly<Record<string, (state: SchedulingState, body: Body) => readonly Operator[]>> = {
  "transfer-leader": (state, body) => {
    const regionId = idIn(body, "region_id", "missing region id");
    const to = idIn(body, "to_store_id", "missing store id to transfer leader to");
    const region = regionOf(state, regionId);
    const peer = peerOn(region.meta, to);
    if (peer === null || peer.role === "learner") throw refusal(500, `region has no voter in store ${to}`);
    return [transferLeaderPlan(heading("transfer-leader"), region, to)];
  },
  "transfer-region": (state, body) => {
    const regionId = idIn(body, "region_id", "missing region id");
    const ids = listIn(body["to_store_ids"]).map(numberOf);
    if (ids.length === 0) throw refusal(400, "missing store ids to transfer region to");
    if (ids.some((id) => id === null)) throw refusal(400, "invalid store ids to transfer region to");
    const roles = listIn(body["peer_roles"]).map(String);
    const byRules = state.services.config.current.replication.enablePlacementRules;
    if (roles.length === 0 && byRules)
      throw refusal(500, "transfer region without peer role is not supported when placement rules enabled");
    for (const role of roles)
      if (!["leader", "voter", "follower", "learner"].includes(role)) throw refusal(400, `invalid peer role ${role}`);
    if (roles.length > 0 && roles.length !== ids.length) throw refusal(400, "the counts of stores and of peer roles differ");
    const region = regionOf(state, regionId);
    const target = new Map<StoreId, TargetRole>();
    let leader: StoreId | null = null;
    for (const [index, id] of (ids as number[]).entries()) {
      storeFor(state, id, region);
      const role = roles[index] ?? "voter";
      target.set(id, role === "learner" ? "learner" : "voter");
      if (role === "leader") leader = id;
    }
    const noLead = new Set((ids as number[]).filter((_id, index) => roles[index] === "follower"));
    return [planned(state, region, "move-region", target, leader, (storeId) => !noLead.has(storeId))];
  },
  "transfer-peer": (state, body) => {
    const region = regionOf(state, idIn(body, "region_id", "missing region id"));
    const from = idIn(body, "from_store_id", "invalid store id to transfer peer from");
    const to = idIn(body, "to_store_id", "invalid store id to transfer peer to");
    const target = currentTarget(region);
    const role = target.get(from);
    if (role === undefined) throw refusal(500, `region has no peer in store ${from}`);
    if (target.has(to)) throw refusal(500, `region already has peer in store ${to}`);
    storeFor(state, to, region);
    target.delete(from);
    target.set(to, role);
    return [planned(state, region, "move-peer", target, null)];
  },
  "add-peer": (state, body) => [addPeer(state, body, "voter")],
  "add-learner": (state, body) => [addPeer(state, body, "learner")],
  "remove-peer": (state, body) => {
    const region = regionOf(state, idIn(body, "region_id", "missing region id"));
    const from = idIn(body, "store_id", "invalid store id to transfer peer from");
    const target = currentTarget(region);
    if (!target.delete(from)) throw refusal(500, `region has no peer in store ${from}`);
    return [planned(state, region, "remove-peer", target, null)];
  },
  "merge-region": (state, body) => {
    const source = regionOf(state, idIn(body, "source_region_id", "invalid region id to merge from"));
    const target = regionOf(state, idIn(body, "target_region_id", "invalid region id to merge to"));
    const { previous, next } = state.services.cluster.neighbours(source.meta.id);
    if (previous?.meta.id !== target.meta.id && next?.meta.id !== target.meta.id)
      throw refusal(500, "[PD:region:ErrRegionNotAdjacent]two regions are not adjacent");
    const moves = movesToMatch(state.context(), source, target);
    if (moves === null)
      throw refusal(
        500,
        "the peers of the regions cannot be brought to the same stores; move the source's leader to a store of the target first",
      );
    return mergePlan(heading("merge-region"), source, target, moves);
  },
  "split-region": (state, body) => {
    const region = regionOf(state, idIn(body, "region_id", "missing region id"));
    const policy = typeof body["policy"] === "string" ? body["policy"].toLowerCase() : "";
    if (!["scan", "approximate", "usekey"].includes(policy)) throw refusal(400, `invalid split policy ${policy}`);
    const keys = listIn(body["keys"]).map((text) => {
      const key = keyOfHex(String(text));
      if (key === null) throw refusal(400, `split key ${String(text)} is not in hex format`);
      return key;
    });
    return [splitPlan(heading("split-region"), region, policy === "usekey" ? "useKey" : (policy as "scan" | "approximate"), keys)];
  },
  "scatter-region": (state, body) => {
    const region = regionOf(state, idIn(body, "region_id", "invalid region id"));
    const plan = state.scatterer.scatter(state.context(), region, typeof body["group"] === "string" ? body["group"] : "");
    return plan === null ? [] : [operatorIn(plan)];
  },
  "scatter-regions": (state, body) => {
    const ids = listIn(body["region_ids"]).map(numberOf);
    if (ids.length === 0 || ids.some((id) => id === null)) throw refusal(400, "invalid region ids");
    const found: Operator[] = [];
    for (const id of ids as number[]) {
      const plan = state.scatterer.scatter(state.context(), regionOf(state, id), typeof body["group"] === "string" ? body["group"] : "");
      if (plan !== null && "operator" in plan) found.push(plan.operator);
    }
    return found;
  },
};

function addPeer(state: SchedulingState, body: Body, role: TargetRole): Operator {
  const region = regionOf(state, idIn(body, "region_id", "missing region id"));
  const to = idIn(body, "store_id", "invalid store id to transfer peer to");
  const target = currentTarget(region);
  if (target.has(to)) throw refusal(500, `region already has peer in store ${to}`);
  storeFor(state, to, region);
  target.set(to, role);
  return planned(state, region, role === "voter" ? "add-peer" : "add-learner", target, null);
}

function planned(
  state: SchedulingState,
  region: RegionView,
  name: string,
  target: ReadonlyMap<StoreId, TargetRole>,
  leader: StoreId | null,
  also: (storeId: StoreId) => boolean = () => true,
): Operator {
  const context = state.context();
  return operatorIn(
    buildPlan({
      ...heading(name),
      view: context.view,
      region,
      target,
      leader,
      mayLead: (storeId) => also(storeId) && mayLead(context, region, storeId),
      newPeerId: context.newPeerId,
      useJoint: context.schedule.enableJointConsensus,
      storeDownMs: context.schedule.maxStoreDownTimeMs,
    }),
  );
}

function operatorIn(plan: Plan): Operator {
  if ("refusal" in plan) throw refusal(500, plan.refusal);
  return plan.operator;
}

function idIn(body: Body, name: string, missing: string): number {
  const id = numberOf(body[name]);
  if (id === null || !Number.isSafeInteger(id) || id < 0) throw refusal(400, missing);
  return id;
}

function listIn(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function regionOf(state: SchedulingState, id: number): RegionView {
  const region = state.services.cluster.region(id);
  if (region === null) throw refusal(500, `[PD:region:ErrRegionNotFound]region ${id} not found`);
  return region;
}

/** A store that can take a peer because somebody says so: limits do not count, its state does. */
function storeFor(state: SchedulingState, id: StoreId, region: RegionView): void {
  const store = state.services.cluster.store(id);
  if (store === null) throw refusal(500, pdErrors.storeNotFound([id]).detail);
  if (store.meta.state !== "up" && peerOn(region.meta, id) === null)
    throw refusal(500, `store ${id} is being removed or gone and takes no peers`);
}
