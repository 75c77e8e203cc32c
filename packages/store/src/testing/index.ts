/** For the tests of what stands on a store. */
export { createMemoryRegions, type MemoryRegions, type MemoryRegionsOptions, type MemoryStore } from "./memory-region-kv.ts";
export { type MemoryTikv, type MemoryTikvOptions, startMemoryTikv } from "./memory-store.ts";
