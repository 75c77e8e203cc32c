/**
 * What a worker runs: one task on one source, with every default filled in. Frozen; carries no run-time state.
 *
 * It is made from task.yaml and source.yaml (`makeSubtasks`), kept in the metastore as TOML (`subtaskToToml`), and read back
 * by the worker (`subtaskFromToml`), which takes the source's own fields from the source's present configuration.
 */
import type { Secret, TlsFiles } from "@skein/base";

export type TaskMode = "full" | "incremental" | "all" | "dump" | "load" | "load&sync";
export type ShardMode = "" | "pessimistic" | "optimistic";

export interface DbConfig {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** In clear: decrypted where it was encrypted. */
  readonly password: Secret;
  /** Session variables, as text. */
  readonly session: Readonly<Record<string, string>>;
  readonly tls: TlsFiles | null;
}

export interface TablePattern {
  readonly schema: string;
  /** "" is the whole schema. */
  readonly table: string;
}

export interface TableFilterRules {
  readonly doDbs: readonly string[];
  readonly ignoreDbs: readonly string[];
  readonly doTables: readonly TablePattern[];
  readonly ignoreTables: readonly TablePattern[];
}

export interface RouteRule {
  readonly schemaPattern: string;
  readonly tablePattern: string;
  readonly targetSchema: string;
  readonly targetTable: string;
  readonly extractTable: { readonly regexp: string; readonly column: string } | null;
  readonly extractSchema: { readonly regexp: string; readonly column: string } | null;
  readonly extractSource: { readonly regexp: string; readonly column: string } | null;
}

export interface EventFilterRule {
  readonly schemaPattern: string;
  readonly tablePattern: string;
  readonly events: readonly string[];
  readonly sqlPatterns: readonly string[];
  readonly action: "Do" | "Ignore" | "Error";
}

export interface ExpressionFilterRule {
  readonly name: string;
  readonly schema: string;
  readonly table: string;
  readonly insertValueExpr: string;
  readonly updateOldValueExpr: string;
  readonly updateNewValueExpr: string;
  readonly deleteValueExpr: string;
}

export interface DumperConfig {
  readonly threads: number;
  /** Bytes of one data file. */
  readonly chunkFilesizeBytes: number;
  /** As written: `64`, `64M`. */
  readonly chunkFilesize: string;
  /** Bytes of one INSERT; 0 takes the dumper's default of 1 000 000. */
  readonly statementSizeBytes: number;
  /** Rows of one chunk; 0 takes the default of 200 000. */
  readonly rows: number;
  readonly where: string;
  readonly skipTzUtc: boolean;
  readonly extraArgs: string;
}

export interface LoaderConfig {
  readonly poolSize: number;
  /** With the task's suffix. */
  readonly dir: string;
  readonly importMode: "logical";
  readonly onDuplicateLogical: "replace" | "error" | "ignore";
  /** Kept for the file's sake; only physical import reads them. */
  readonly physical: {
    readonly onDuplicate: string;
    readonly sortingDir: string;
    readonly diskQuota: number;
    readonly checksum: string;
    readonly analyze: string;
    readonly rangeConcurrency: number;
    readonly compressKvPairs: string;
    readonly pdAddr: string;
  };
}

export interface SyncerConfig {
  readonly workerCount: number;
  readonly batch: number;
  readonly queueSize: number;
  readonly checkpointFlushIntervalMs: number;
  readonly compact: boolean;
  readonly multipleRows: boolean;
  readonly safeMode: boolean;
  readonly safeModeDurationMs: number;
}

export interface ValidatorConfig {
  readonly mode: "none" | "fast" | "full";
  readonly workerCount: number;
  readonly validateIntervalMs: number;
  readonly checkIntervalMs: number;
  readonly rowErrorDelayMs: number;
  readonly metaFlushIntervalMs: number;
  readonly batchQuerySize: number;
  readonly maxPendingRowSize: string;
  readonly maxPendingRowCount: number;
}

export interface MetaConfig {
  readonly binlogName: string;
  readonly binlogPos: number;
  readonly binlogGtid: string;
}

export interface CheckerConfig {
  readonly checkEnable: boolean;
  readonly backoffRollbackMs: number;
  readonly backoffMaxMs: number;
  readonly checkIntervalMs: number;
  readonly backoffMinMs: number;
  readonly backoffJitter: boolean;
  readonly backoffFactor: number;
}

export interface SubtaskConfig {
  readonly name: string;
  readonly mode: TaskMode;
  readonly shardMode: ShardMode;
  readonly strictOptimisticShardMode: boolean;
  readonly ignoreCheckingItems: readonly string[];
  readonly metaSchema: string;
  /** "" is the target's own; else an IANA name or `±hh:mm`. */
  readonly timezone: string;
  readonly caseSensitive: boolean;
  readonly onlineDdl: boolean;
  readonly shadowTableRules: readonly string[];
  readonly trashTableRules: readonly string[];
  readonly cleanDumpFile: boolean;
  readonly collationCompatible: "loose" | "strict";
  readonly asyncCheckpointFlush: boolean;

  readonly sourceId: string;
  /** "" until the source's own configuration is put in. */
  readonly flavor: "" | "mysql" | "mariadb";
  readonly serverId: number;
  readonly enableGtid: boolean;
  readonly useRelay: boolean;
  readonly relayDir: string;
  readonly checker: CheckerConfig;
  readonly from: DbConfig;
  readonly to: DbConfig;

  /** Start point of incremental mode; null takes the source's position at the start. */
  readonly meta: MetaConfig | null;
  readonly routes: readonly RouteRule[];
  readonly filters: readonly EventFilterRule[];
  readonly blockAllowList: TableFilterRules;
  readonly expressionFilters: readonly ExpressionFilterRule[];
  readonly dumper: DumperConfig;
  readonly loader: LoaderConfig;
  readonly syncer: SyncerConfig;
  readonly validator: ValidatorConfig;
}

export const emptyTableFilter: TableFilterRules = { doDbs: [], ignoreDbs: [], doTables: [], ignoreTables: [] };

/** What a run adds to the configuration: flags of the command that started it. */
export interface StartOptions {
  /** `2024-01-02 15:04:05`; "" is none. Only the first start honours it. */
  readonly startTime: string;
  /** Overrides the configured duration when not null. */
  readonly safeModeDurationMs: number | null;
  readonly waitTimeOnStopMs: number;
}
