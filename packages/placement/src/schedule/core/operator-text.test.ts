/** Texts against lines that the original printed (golden/operator.txt). */
import { expect, test } from "vitest";
import { nowMs, regionOf, storeOf, viewOf } from "../testing/plain-view.ts";
import { buildPlan, currentTarget, splitPlan, transferLeaderPlan } from "./builder.ts";
import type { Operator } from "./operator.ts";
import { operatorText, recordText, timeText } from "./operator-text.ts";

const start = Date.UTC(2026, 10, 21, 6, 31, 26) + 557;
const created = Date.UTC(2026, 10, 21, 6, 32, 5) + 463;
const times = { createdMs: created, startedMs: created, finishedMs: created + 93, currentStep: 0, status: "" as const };
const plainTimes = (text: string) => text.replace(/\d{4}-[^,)]+/g, "T");

function moved(operator: Operator | { readonly refusal: string }): Operator {
  if ("refusal" in operator) throw new Error(operator.refusal);
  return operator;
}

test("times as Go prints them", () => {
  expect(timeText(Date.UTC(2026, 10, 21, 6, 32, 5) + 463.5, start)).toBe("2026-11-21 06:32:05.4635 +0000 UTC m=+38.906500000");
  expect(timeText(Date.UTC(2026, 10, 21, 6, 32, 5), start)).toMatch(/^2026-11-21 06:32:05 \+0000 UTC m=/);
  expect(timeText(0, start)).toBe("0001-01-01 00:00:00 +0000 UTC");
});

test("a transfer of a leader", () => {
  const operator = transferLeaderPlan({ description: "admin-transfer-leader", kinds: ["admin"] }, regionOf(100, ["1*", "2", "3"]), 2);
  expect(plainTimes(operatorText(operator, times, start))).toBe(
    "admin-transfer-leader {transfer leader: store 1 to 2} (kind:admin,leader, region:100(2, 5), createAt:T, startAt:T, currentStep:0, size:20, steps:[0:{transfer leader from store 1 to store 2}], timeout:[1m0s])",
  );
});

test("a move of a peer", () => {
  const region = regionOf(100, ["1*", "2", "3"]);
  const target = currentTarget(region);
  target.delete(3);
  target.set(6, "voter");
  const plan = buildPlan({
    description: "admin-move-peer",
    kinds: ["admin"],
    view: viewOf(
      [1, 2, 3, 6].map((id) => storeOf(id)),
      [region],
      () => nowMs,
    ),
    region,
    target,
    mayLead: () => true,
    newPeerId: () => 5003,
    useJoint: true,
    storeDownMs: 1_800_000,
  });
  const operator = moved("operator" in plan ? plan.operator : plan);
  expect(plainTimes(operatorText(operator, times, start)).replaceAll("10003", "1003")).toBe(
    "admin-move-peer {mv peer: store [3] to [6]} (kind:admin,region, region:100(2, 5), createAt:T, startAt:T, currentStep:0, size:20, steps:[0:{add learner peer 5003 on store 6}, 1:{use joint consensus, promote learner peer 5003 on store 6 to voter, demote voter peer 1003 on store 3 to learner}, 2:{leave joint state, promote learner peer 5003 on store 6 to voter, demote voter peer 1003 on store 3 to learner}, 3:{remove peer on store 3}], timeout:[17m0s])",
  );
});

test("a split, ended", () => {
  const keys = [Uint8Array.from(Buffer.from("6B303030303030303178", "hex"))];
  const operator = splitPlan({ description: "admin-split-region", kinds: ["admin"] }, regionOf(101, ["1*", "2", "3"]), "useKey", keys);
  expect(plainTimes(recordText(operator, times, start))).toBe(
    "admin-split-region {split: region 101 use policy USEKEY and keys [6B303030303030303178]} (kind:admin,split, region:101(2, 5), createAt:T, startAt:T, currentStep:0, size:20, steps:[0:{split region with policy USEKEY}], timeout:[1m0s]) (finishAt:T, duration:93ms)",
  );
});
