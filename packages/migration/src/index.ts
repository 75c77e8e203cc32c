export { type CheckOptions, checkTask } from "./check/check-task.ts";
export type { CheckProblem, CheckReport, CheckResult } from "./check/core/report.ts";
export { createPasswordCipher, type PasswordCipher, parseSecretKey } from "./config/crypto.ts";
export {
  type Launch,
  launchMaster,
  launchWorker,
  type MasterConfig,
  masterFlags,
  sampleMasterToml,
  sampleSourceYaml,
  sampleWorkerToml,
  type WorkerConfig,
  workerFlags,
} from "./config/process-config.ts";
export type { SourceConfig, SourceEndpoint } from "./config/source-config.ts";
export { parseSource, sourceToYaml } from "./config/source-yaml.ts";
export { sourceFromToml, sourceToToml, subtaskFromToml, subtaskToToml } from "./config/stored.ts";
export type { DbConfig, StartOptions, SubtaskConfig } from "./config/subtask-config.ts";
export { makeSubtasks, parseTask, type Task, taskToYaml } from "./config/task-yaml.ts";
export { type CopiedTable, type CopyState, loadCopyState } from "./copy/copy-store.ts";
export { type CopyUnitOptions, createCopyUnit } from "./copy/copy-unit.ts";
export { createDumpUnit } from "./copy/dump-unit.ts";
export { createLoadUnit } from "./copy/load-unit.ts";
export { dmErrors } from "./errors.ts";
export { type Master, type MasterOptions, startMaster } from "./master/dm-master.ts";
export type { CheckOutcome, MasterMethod, MasterParts, MasterService } from "./master/master-service.ts";
export { createSyncUnit, endpointOf, type SyncUnit, type SyncUnitOptions } from "./sync/sync-unit.ts";
export { openTarget, removeMeta, type Target, type TargetConfig } from "./target/target.ts";
export { masterWire, wireSchema, workerWire } from "./wire/wire.ts";
export { startWorker, type Worker, type WorkerOptions, type WorkerReaders } from "./worker/dm-worker.ts";
