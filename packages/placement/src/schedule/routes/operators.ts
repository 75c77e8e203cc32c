/** Operators: listed, looked up, asked for, taken back (golden/operator.txt). */
import { type HttpRoute, json, type PdHttpRequest, refusal } from "../../server/http-routes.ts";
import { wireStatus } from "../actions.ts";
import { addAdminOperator } from "../admin-operators.ts";
import type { RunningOperator } from "../core/controller.ts";
import type { OperatorKind } from "../core/operator.ts";
import { operatorText, recordText } from "../core/operator-text.ts";
import type { SchedulingState } from "../state.ts";
import { api, idOf, objectOf, type StateOf } from "./request.ts";

const kinds: readonly OperatorKind[] = ["admin", "leader", "replica", "region"];

export function operatorRoutes(state: StateOf): readonly HttpRoute[] {
  return [
    {
      method: "GET",
      path: `${api}/operators`,
      handle: ({ query }) => {
        const wanted = query.getAll("kind");
        const all = state().controller.list();
        if (wanted.length === 0) return json(all.map((each) => textOf(state(), each)));
        const found = all.filter(({ operator }) =>
          wanted.some((kind) => kinds.includes(kind as OperatorKind) && operator.kinds.includes(kind as OperatorKind)),
        );
        // An empty list of a kind is null in the original.
        return json(found.length === 0 ? null : found.map((each) => textOf(state(), each)));
      },
    },
    {
      method: "POST",
      path: `${api}/operators`,
      handle: async (request: PdHttpRequest) => {
        await addAdminOperator(state(), objectOf(request));
        return json("The operator is created.");
      },
    },
    {
      method: "GET",
      path: `${api}/operators/records`,
      handle: ({ query }) => {
        const text = query.get("from") ?? "";
        if (text !== "" && !/^-?\d+$/.test(text)) throw refusal(400, `strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
        const { controller, startedMs } = state();
        const nowMs = nowOf(state());
        const records = controller.history(text === "" ? 0 : Number(text) * 1000, nowMs);
        return json(records.map((record) => recordText(record.operator, timesOf(record), startedMs)));
      },
    },
    {
      method: "GET",
      path: `${api}/operators/:id`,
      handle: ({ params }) => {
        const id = idOf(params["id"] ?? "");
        const found = state().controller.get(id) ?? state().controller.lastRecord(id, nowOf(state()));
        if (found === null) throw refusal(500, notFound);
        return json(
          `status: ${wireStatus(found)}, operator: ${operatorText(found.operator, { ...timesOf(found), status: "" }, state().startedMs)}`,
        );
      },
    },
    {
      method: "DELETE",
      path: `${api}/operators/:id`,
      handle: ({ params }) => {
        if (!state().controller.cancel(idOf(params["id"] ?? ""), "admin stop", nowOf(state()))) throw refusal(500, notFound);
        return json("The pending operator is canceled.");
      },
    },
  ];
}

const notFound = "[PD:operator:ErrOperatorNotFound]operator not found";

function nowOf(state: SchedulingState): number {
  return state.services.world.clock.nowMs();
}

export function timesOf(running: RunningOperator) {
  return {
    createdMs: running.createdMs,
    startedMs: running.startedMs,
    finishedMs: running.finishedMs,
    currentStep: running.currentStep,
    status: "" as const,
  };
}

function textOf(state: SchedulingState, running: RunningOperator): string {
  return operatorText(running.operator, timesOf(running), state.startedMs);
}
