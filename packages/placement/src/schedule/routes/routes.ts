/** All routes of the scheduling part. */
import type { HttpRoute } from "../../server/http-routes.ts";
import type { SchedulingState } from "../state.ts";
import { hotRoutes } from "./hot.ts";
import { operatorRoutes } from "./operators.ts";
import { regionRoutes } from "./regions.ts";
import { stateSource } from "./request.ts";
import { schedulerRoutes } from "./schedulers.ts";
import { storeRoutes } from "./stores.ts";
import { trendRoutes } from "./trend.ts";
import { whyRoutes } from "./why.ts";

export function routesOf(get: () => SchedulingState | null): readonly HttpRoute[] {
  const state = stateSource(get);
  return [
    ...storeRoutes(state),
    ...regionRoutes(state),
    ...operatorRoutes(state),
    ...schedulerRoutes(state),
    ...hotRoutes(state),
    ...trendRoutes(state),
    ...whyRoutes(state),
  ];
}
