export type { ServerFamily, ServerSettings } from "./core/settings.ts";
export {
  type DatabaseServer,
  type DatabaseServerOptions,
  startMariadb,
  startMysql,
  whyNotDatabase,
} from "./database-server.ts";
export { serverErrors } from "./errors.ts";
export { type EtcdOptions, type EtcdServer, startEtcd, whyNotEtcd } from "./etcd.ts";
export { logEnd, makePrivateFolder } from "./folders.ts";
export { cpuSecondsOf, cpuSecondsOfEndedChildren, listeningPorts, memoryOf } from "./process-figures.ts";
export { checkoutFolder, endsWithUs, findProgram, findProgramInTree, type Program } from "./program.ts";
export type { ServerRelease } from "./releases.ts";
export type { KillSignal, ServerProcess } from "./server-process.ts";
export { openSql, type SqlEndpoint, type SqlRow, type SqlSession, sql } from "./sql.ts";
