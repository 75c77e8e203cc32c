export { type CopiedTable, type CopyState, loadCopyState } from "./copy/copy-store.ts";
export { type CopyUnitOptions, createCopyUnit } from "./copy/copy-unit.ts";
export { masterWire, wireSchema, workerWire } from "./wire/wire.ts";
export { type Master, type MasterOptions, startMaster } from "./master/dm-master.ts";
export type { CheckOutcome, MasterMethod, MasterParts, MasterService } from "./master/master-service.ts";
export { startWorker, type Worker, type WorkerOptions, type WorkerReaders } from "./worker/dm-worker.ts";
export { createSyncUnit, endpointOf, type SyncUnit, type SyncUnitOptions } from "./sync/sync-unit.ts";
export { openTarget, removeMeta, type Target, type TargetConfig } from "./target/target.ts";
