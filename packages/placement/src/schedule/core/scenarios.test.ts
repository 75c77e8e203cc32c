/** Scenario files: plans from one layout of peers to another, and the lives of operators. */
import { fileURLToPath } from "node:url";
import { formatDuration } from "@skein/base";
import { runScenario, type ScenarioStep, scenarioFiles, updateScenarios } from "@skein/sim";
import { expect, test } from "vitest";
import type { RegionView } from "../../core/model.ts";
import type { RegionAction } from "../../core/region-action.ts";
import { nowMs, regionOf, storeOf, viewOf } from "../testing/plain-view.ts";
import { buildPlan, currentTarget, leaveJointPlan, type Plan, transferLeaderPlan } from "./builder.ts";
import { createOperatorController, type OperatorController } from "./controller.ts";
import { kindsText, operatorTimeMs, stepText } from "./operator-text.ts";
import { createStoreLimits } from "./store-limits.ts";

const stores = [1, 2, 3, 4, 5, 6].map((id) => storeOf(id));

function options(words: readonly string[]) {
  return new Map(words.filter((word) => word.includes("=")).map((word) => word.split("=") as [string, string]));
}

const plain = (words: readonly string[]) => words.filter((word) => !word.includes("="));

function planText(plan: Plan): string {
  if ("refusal" in plan) return `refused: ${plan.refusal}`;
  const { operator } = plan;
  return [
    `${operator.brief} (kind:${kindsText(operator.kinds)}, timeout:${formatDuration(operatorTimeMs(operator))})`,
    ...operator.steps.map((step, index) => `${index}: ${stepText(step)}`),
  ].join("\n");
}

function peerIds(): () => number {
  let next = 5001;
  return () => next++;
}

function plan({ args }: ScenarioStep): string {
  const at = args.indexOf("->");
  const chosen = options(args);
  const region = regionOf(1, args.slice(0, at), { size: Number(chosen.get("size") ?? 20) });
  const target = currentTarget(regionOf(1, plain(args.slice(at + 1))));
  const only = chosen.get("only");
  return planText(
    buildPlan({
      description: "test",
      kinds: [],
      view: viewOf(stores, [region]),
      region,
      target,
      leader: chosen.has("lead") ? Number(chosen.get("lead")) : null,
      mayLead: (storeId) => only === undefined || Number(only) === storeId,
      newPeerId: peerIds(),
      useJoint: chosen.get("joint") !== "off",
      storeDownMs: 1_800_000,
    }),
  );
}

function actionText(action: RegionAction | null): string {
  if (action === null) return "nothing is asked";
  switch (action.kind) {
    case "changePeerV2":
      return action.changes.length === 0
        ? "leave the joint state"
        : action.changes.map(({ type, peer }) => `${type} ${peer.id} on ${peer.storeId}`).join(", ");
    case "changePeer":
      return `${action.change.type} ${action.change.peer.id}`;
    case "transferLeader":
      return `transfer leader to store ${action.peer.storeId}`;
    case "merge":
      return `merge into ${action.target.id}`;
    case "splitRegion":
      return `split by ${action.policy}`;
    case "switchWitnesses":
      return "switch witnesses";
  }
}

class Bench {
  #region: RegionView = regionOf(1, ["1*", "2", "3"]);
  #nowMs = nowMs;
  #controller: OperatorController = this.#fresh();
  #ids = peerIds();

  #fresh(): OperatorController {
    return createOperatorController({
      view: () => viewOf(stores, [this.#region], () => this.#nowMs),
      limits: createStoreLimits(() => 15),
      useJoint: () => true,
    });
  }

  run({ command, args }: ScenarioStep): string {
    const chosen = options(args);
    const words = plain(args);
    switch (command) {
      case "new":
        this.#ids = peerIds();
        this.#region = regionOf(1, words, { size: Number(chosen.get("size") ?? 20) });
        this.#controller = this.#fresh();
        return "";
      case "pass":
        this.#nowMs += Number(words[0]);
        return "";
      case "heartbeat": {
        const { confVer, version } = this.#region.meta.epoch;
        const peers = regionOf(1, words);
        // Peers that came by an operator have its ids.
        const known = new Map(
          this.#controller
            .get(1)
            ?.operator.steps.flatMap((step) => (step.kind === "addLearner" ? [[step.storeId, step.peerId] as const] : [])),
        );
        const renamed = (id: number) => {
          const storeId = peers.meta.peers.find((peer) => peer.id === id)?.storeId ?? 0;
          return known.get(storeId) ?? id;
        };
        this.#region = {
          ...peers,
          meta: {
            ...peers.meta,
            epoch: { confVer: Number(chosen.get("conf") ?? confVer), version },
            peers: peers.meta.peers.map((peer) => ({ ...peer, id: renamed(peer.id) })),
          },
          leaderPeerId: renamed(peers.leaderPeerId),
          pendingPeers: peers.pendingPeers.map(renamed),
        };
        return `${actionText(this.#controller.onHeartbeat(this.#region, this.#nowMs))}\n${this.#state()}`;
      }
      case "tick":
        return `${
          this.#controller
            .tick(this.#nowMs)
            .map(({ action }) => actionText(action))
            .join("\n") || "nothing is due"
        }\n${this.#state()}`;
      case "cancel":
        return String(this.#controller.cancel(1, "admin stop", this.#nowMs));
      case "add":
        return this.#add(words, Number(chosen.get("epoch") ?? this.#region.meta.epoch.confVer));
      default:
        throw new Error(`no such command: ${command}`);
    }
  }

  #add(words: readonly string[], confVer: number): string {
    const [what, first, second] = words;
    const heading = {
      description: what as string,
      kinds: [],
      priority: words.includes("urgent") ? ("urgent" as const) : ("medium" as const),
    };
    const region = { ...this.#region, meta: { ...this.#region.meta, epoch: { ...this.#region.meta.epoch, confVer } } };
    let made: Plan;
    if (what === "lead") made = { operator: transferLeaderPlan(heading, region, Number(first)) };
    else {
      const target = currentTarget(region);
      target.delete(Number(first));
      target.set(Number(second), "voter");
      made = buildPlan({
        ...heading,
        view: viewOf(stores, [region]),
        region,
        target,
        mayLead: () => true,
        newPeerId: this.#ids,
        useJoint: true,
        storeDownMs: 1_800_000,
      });
    }
    if ("refusal" in made) return made.refusal;
    const result = this.#controller.add([made.operator], this.#nowMs);
    return result.isAdded ? "added" : result.reason;
  }

  #state(): string {
    const running = this.#controller.get(1);
    if (running !== null) return `${running.status}, step ${running.currentStep}`;
    const record = this.#controller.lastRecord(1, this.#nowMs);
    return record === null ? "none" : `${record.status}${record.reason === null ? "" : ` (${record.reason})`}`;
  }
}

test.each(scenarioFiles(fileURLToPath(new URL("scenarios", import.meta.url))))("$name", async ({ text, update }) => {
  const bench = new Bench();
  const { actual, expected } = await runScenario(text, (step) => {
    if (step.command === "plan") return plan(step);
    if (step.command === "leave")
      return planText(leaveJointPlan({ description: "leave-joint-state", kinds: [] }, regionOf(1, step.args), () => true));
    return bench.run(step);
  });
  if (updateScenarios) update(actual);
  else expect(actual).toBe(expected);
});
