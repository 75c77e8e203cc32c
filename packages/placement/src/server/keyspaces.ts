/**
 * Keyspaces: the one that all keys of this store belong to, as clients and consoles ask for it. Stores speak the API without keyspaces in
 * keys, so no others can be made.
 */
import { pdErrors } from "../errors.ts";
import type { KeyspaceMeta } from "../wire/keyspacepb.ts";
import { HttpRefusal, type HttpRoute, type PdHttpAnswer, refusal } from "./http-routes.ts";
import { goJsonWide } from "./json.ts";

export const defaultKeyspace = { id: 0, name: "DEFAULT" } as const;

export function keyspaceMeta(bootstrapTimeNs: bigint): KeyspaceMeta {
  const createdS = Number(bootstrapTimeNs / 1_000_000_000n);
  return { ...defaultKeyspace, state: "ENABLED", created_at: createdS, state_changed_at: createdS };
}

export const noKeyspaceText = "[PD:keyspace:ErrKeyspaceNotFound]keyspace does not exist";
const v2 = "/pd/api/v2/keyspaces";

export function keyspaceRoutes(bootstrapTimeNs: () => bigint): readonly HttpRoute[] {
  const shown = () => ({ ...keyspaceMeta(bootstrapTimeNs()), config: {} });
  const found = (isIt: boolean): PdHttpAnswer => {
    if (!isIt) throw refusal(404, noKeyspaceText);
    return wide(shown());
  };
  const refused = (): never => {
    throw refusal(
      501,
      pdErrors.unsupported([
        "A keyspace besides DEFAULT",
        "Stores keep keys without a keyspace's prefix (API v1): give each tenant a prefix of its own keys, or a cluster of its own.",
      ]).detail,
    );
  };
  return [
    {
      method: "GET",
      path: v2,
      handle: ({ query }) => {
        const [token, limit] = [query.get("page_token") ?? "", query.get("limit") ?? ""];
        for (const text of [token, limit])
          if (text !== "" && !/^\d{1,9}$/.test(text))
            throw refusal(400, `strconv.ParseUint: parsing ${JSON.stringify(text)}: invalid syntax`);
        return wide({ keyspaces: token === "" || token === "0" ? [shown()] : [], next_page_token: "" });
      },
    },
    { method: "GET", path: `${v2}/:name`, handle: ({ params }) => found(params["name"] === defaultKeyspace.name) },
    { method: "GET", path: `${v2}/id/:id`, handle: ({ params }) => found(params["id"] === String(defaultKeyspace.id)) },
    { method: "POST", path: v2, handle: refused },
    { method: "PATCH", path: `${v2}/:name/config`, handle: refused },
    { method: "PUT", path: `${v2}/:name/state`, handle: refused },
    ...(["GET", "POST", "PUT", "DELETE", "PATCH"] as const).flatMap((method) =>
      ["/pd/api/v2/tso/keyspace-groups", "/pd/api/v2/tso/keyspace-groups/*"].map(
        (path): HttpRoute => ({
          method,
          path,
          isEarly: true,
          handle: () => {
            // The words of the original where timestamps are not a service of their own, as they never are here.
            throw new HttpRefusal({ status: 500, json: "keyspace group manager is not initialized" });
          },
        }),
      ),
    ),
  ];
}

/** Answers of this newer part of the interface are indented by four. */
function wide(value: unknown): PdHttpAnswer {
  return { status: 200, text: goJsonWide(value), type: "application/json; charset=utf-8" };
}
