export type { Engine, EngineReader, EngineSnapshot, EngineWrite, Family, KeyRange, Pair, ReadTally, ScanOptions } from "./engine/engine.ts";
export { storeErrors } from "./errors.ts";
export {
  type RegionContext,
  type RegionDescription,
  RegionError,
  type RegionErrorReason,
  type RegionKv,
  type RegionSnapshot,
  type RegionWrite,
} from "./region-kv.ts";
