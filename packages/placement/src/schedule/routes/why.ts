/** `GET /store/{id}/why`: what holds a store back, as sentences with the next command. Not in the original. */
import { pdErrors } from "../../errors.ts";
import { type HttpRoute, json, refusal } from "../../server/http-routes.ts";
import { peerOn } from "../core/regions.ts";
import { shownState } from "../core/store-facts.ts";
import { whyStore } from "../core/why.ts";
import { regionsOf } from "./regions.ts";
import { api, idOf, type StateOf } from "./request.ts";

export function whyRoutes(state: StateOf): readonly HttpRoute[] {
  return [
    {
      method: "GET",
      path: `${api}/store/:id/why`,
      handle: ({ params, pd }) => {
        const id = idOf(params["id"] ?? "");
        const context = state().context();
        const store = context.view.store(id);
        if (store === null) throw refusal(404, pdErrors.storeNotFound([id]).detail);
        const regions = store.meta.state === "up" ? [] : [...regionsOf(pd)].filter((region) => peerOn(region.meta, id) !== null);
        return json({
          id,
          state_name: shownState(store, context.nowMs, context.schedule.maxStoreDownTimeMs),
          reasons: whyStore(context, store, regions, (regionId) => state().controller.get(regionId)),
        });
      },
    },
  ];
}
