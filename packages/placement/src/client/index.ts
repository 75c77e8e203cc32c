export { pdClientErrors } from "./errors.ts";
export { createPdClient, type PdClient, type PdClientOptions, type RegionInfo, type ServiceSafePoint, type SplitIds } from "./pd-client.ts";
export type { RegionHeartbeatListener, RegionHeartbeatStream } from "./region-heartbeats.ts";
