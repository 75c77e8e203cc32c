/** A subtask's configuration for tests, from one server to another. */
import { Secret } from "@skein/base";
import type { DatabaseServer } from "@skein/servers";
import { type DbConfig, emptyTableFilter, type StartOptions, type SubtaskConfig } from "../config/subtask-config.ts";

function dbConfig(server: DatabaseServer): DbConfig {
  return { host: server.host, port: server.port, user: server.user, password: new Secret(server.password), session: {}, tls: null };
}

export function testSubtask(source: DatabaseServer, target: DatabaseServer, change: Partial<SubtaskConfig> = {}): SubtaskConfig {
  return {
    name: "task",
    mode: "incremental",
    shardMode: "",
    strictOptimisticShardMode: false,
    ignoreCheckingItems: [],
    metaSchema: "dm_meta",
    timezone: "",
    caseSensitive: true,
    onlineDdl: true,
    shadowTableRules: ["^_(.+)_(?:new|gho)$"],
    trashTableRules: ["^_(.+)_(?:ghc|del|old)$"],
    cleanDumpFile: true,
    collationCompatible: "loose",
    asyncCheckpointFlush: false,
    sourceId: "src-1",
    flavor: source.family,
    serverId: 4242,
    enableGtid: false,
    useRelay: false,
    relayDir: "",
    checker: {
      checkEnable: true,
      backoffRollbackMs: 300_000,
      backoffMaxMs: 300_000,
      checkIntervalMs: 5000,
      backoffMinMs: 1000,
      backoffJitter: true,
      backoffFactor: 2,
    },
    from: dbConfig(source),
    to: dbConfig(target),
    meta: null,
    routes: [],
    filters: [],
    blockAllowList: emptyTableFilter,
    expressionFilters: [],
    dumper: {
      threads: 4,
      chunkFilesizeBytes: 64 << 20,
      chunkFilesize: "64",
      statementSizeBytes: 0,
      rows: 0,
      where: "",
      skipTzUtc: false,
      extraArgs: "",
    },
    loader: {
      poolSize: 4,
      dir: "./dumped_data",
      importMode: "logical",
      onDuplicateLogical: "replace",
      physical: {
        onDuplicate: "none",
        sortingDir: "",
        diskQuota: 0,
        checksum: "required",
        analyze: "optional",
        rangeConcurrency: 0,
        compressKvPairs: "",
        pdAddr: "",
      },
    },
    syncer: {
      workerCount: 4,
      batch: 100,
      queueSize: 1024,
      checkpointFlushIntervalMs: 30_000,
      compact: true,
      multipleRows: true,
      safeMode: false,
      safeModeDurationMs: 60_000,
    },
    validator: {
      mode: "none",
      workerCount: 4,
      validateIntervalMs: 10_000,
      checkIntervalMs: 5000,
      rowErrorDelayMs: 1_800_000,
      metaFlushIntervalMs: 60_000,
      batchQuerySize: 100,
      maxPendingRowSize: "500m",
      maxPendingRowCount: 2_147_483_647,
    },
    ...change,
  };
}

export const plainStart: StartOptions = { startTime: "", safeModeDurationMs: null, waitTimeOnStopMs: 10_000 };
