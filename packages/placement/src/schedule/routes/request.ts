/** What the routes share: numbers from paths and bodies with the words of the original's refusals. */
import { HttpRefusal, type PdHttpAnswer, type PdHttpRequest, refusal } from "../../server/http-routes.ts";
import type { SchedulingState } from "../state.ts";

export const api = "/pd/api/v1";

/** A path's parameter as an id; 400 with the words of the original's number parser. */
export function idOf(text: string): number {
  if (!/^\d+$/.test(text)) throw refusal(400, `strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`);
  const id = Number(text);
  if (!Number.isSafeInteger(id)) throw refusal(400, `strconv.ParseUint: parsing ${JSON.stringify(text)}: value out of range`);
  return id;
}

/** The body as an object; 400 for anything else. */
export function objectOf(request: PdHttpRequest): Readonly<Record<string, unknown>> {
  const value = request.json();
  if (value === null || typeof value !== "object" || Array.isArray(value)) {
    const kind = Array.isArray(value) ? "array" : value === null ? "null" : typeof value === "boolean" ? "bool" : typeof value;
    throw new HttpRefusal({
      status: 400,
      json: {
        code: "input",
        msg: `json: cannot unmarshal ${kind} into Go value of type map[string]interface {}`,
        data: { Value: kind, Type: {}, Offset: request.body.length, Struct: "", Field: "" },
      },
    });
  }
  return value as Readonly<Record<string, unknown>>;
}

/** A whole number of a body, null when it is absent or something else. */
export function numberOf(value: unknown): number | null {
  if (typeof value === "bigint") return Number(value);
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

export function compact(value: unknown, status = 200): PdHttpAnswer {
  return { status, json: value, isCompact: true };
}

/** The part runs only on the leader: a route asked for in the instant when the lead is lost says so. */
export type StateOf = () => SchedulingState;

export function stateSource(get: () => SchedulingState | null): StateOf {
  return () => {
    const state = get();
    if (state === null) throw refusal(500, "redirect to not leader");
    return state;
  };
}

/** `limit=` of a query; at most ten thousand and a bit, as the original. */
export function limitOf(request: PdHttpRequest, fallback = 16): number {
  const text = request.query.get("limit");
  if (text === null || text === "") return fallback;
  if (!/^-?\d+$/.test(text)) throw refusal(400, `strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
  const limit = Number(text);
  return limit <= 0 ? fallback : Math.min(limit, 10_240);
}
