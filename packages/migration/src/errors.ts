/**
 * Every coded error of migration. Codes, classes, scopes and levels are the ones that operators' scripts and alert rules know;
 * a number is never used again for something else. `docs/errors.md` is made from this table.
 */
import { type CodedError, define, type ErrorLevel, type ErrorScope, isCodedError } from "@skein/base";

type Text = string | number;

const make =
  (className: string, defaultLevel: ErrorLevel, defaultScope: ErrorScope = "internal") =>
  <const Args extends readonly unknown[]>(
    code: number,
    message: (...args: Args) => string,
    workaround = "",
    options: { readonly level?: ErrorLevel; readonly scope?: ErrorScope; readonly class?: string } = {},
  ) =>
    define<Args>({
      code,
      class: options.class ?? className,
      scope: options.scope ?? defaultScope,
      level: options.level ?? defaultLevel,
      message,
      ...(workaround === "" ? {} : { workaround }),
    });

const database = make("database", "high", "not-set");
const functional = make("functional", "high");
const config = make("config", "medium");
const binlogOp = make("binlog-op", "high");
const checkpoint = make("checkpoint", "medium");
const check = make("task-check", "medium");
const relayUnit = make("relay-unit", "high");
const dumpUnit = make("dump-unit", "high");
const loadUnit = make("load-unit", "high");
const syncUnit = make("sync-unit", "high");
const master = make("dm-master", "high");
const worker = make("dm-worker", "high");
const ha = make("ha", "high");
const validator = make("validator", "medium", "not-set");
const tracker = make("schema-tracker", "high");
const scheduler = make("scheduler", "medium");
const dmctl = make("dmctl", "high");
const openapi = make("openapi", "high");

/** Lists as the original prints them: `[a b c]`. */
const list = (items: readonly Text[]): string => `[${items.join(" ")}]`;
const taskFile = (field: string) => `Please check the \`${field}\` config in task configuration file.`;
const sourceFile = (field: string) => `Please check the \`${field}\` config in source configuration file.`;
const masterFile = (field: string) => `Please check the \`${field}\` config in master configuration file.`;
const workerFile = (field: string) => `Please check the \`${field}\` config in worker configuration file.`;

export const dmErrors = {
  // ── database ──
  databaseDriver: database(
    10001,
    () => "database driver error",
    "Please check the database connection and the database config in configuration file.",
  ),
  databaseBadConnection: database(10002, () => "database driver", "Please check the database connection, then `resume-task`."),
  databaseInvalidConnection: database(
    10003,
    () => "database driver",
    "The outcome of the last transaction is not known. Please check the database connection, then `resume-task`.",
  ),
  databaseQuery: database(10005, (sql: string) => `query statement failed: ${sql}`),
  databaseExecute: database(10006, (sql: string) => `execute statement failed: ${sql}`),

  // ── functional ──
  dumpMetadata: functional(
    11001,
    (problem: string, text: string) => `parse mydumper metadata error: ${problem}, metadata: ${text}`,
    "Please check the file `metadata` of the dump.",
  ),
  shardDropTables: functional(
    11003,
    (sql: string) => `not allowed operation: drop multiple tables in one statement: ${sql}`,
    "Drop one table in a statement while tables are merged.",
  ),
  shardRenameTables: functional(
    11004,
    (sql: string) => `not allowed operation: rename multiple tables in one statement: ${sql}`,
    "Rename one table in a statement while tables are merged.",
  ),
  shardAlterTables: functional(
    11005,
    (sql: string) => `not allowed operation: alter multiple tables in one statement: ${sql}`,
    "Alter one table in a statement while tables are merged.",
  ),
  parseStatement: functional(11006, (sql: string) => `parse statement: ${sql}`, "Please check the statement and its schema names."),
  relayFileSmaller: functional(
    11034,
    (file: string) => `file size of relay log ${file} become smaller`,
    "Please check the relay folder: something else writes to it. Then `stop-relay` and `start-relay`.",
  ),
  parseRelayFile: functional(
    11038,
    (file: string) => `parse relay log file ${file}`,
    "Please check the file with `mysqlbinlog`; a damaged one is pulled again after `purge-relay`.",
  ),
  decodePassword: functional(
    11050,
    (text: string) => `decode base64 encoded password ${text}`,
    "Please encrypt it again with `dmctl encrypt`.",
  ),
  optimisticLock: functional(
    11111,
    (id: string, problem: string) => `fail to try sync the optimistic shard ddl lock ${id}: ${problem}`,
    "Please use `shard-ddl-lock` to see the lock, and `binlog skip` or `binlog replace` to solve the conflict.",
    { level: "medium" },
  ),
  invalidOperatorPosition: functional(
    11118,
    (text: string) => `invalid --binlog-pos ${text} in handle-error operation: the format should be filename:pos, position string ${text}`,
    "Please make sure the args are correct.",
    { level: "low" },
  ),
  dumpLocationMissing: functional(
    11123,
    (file: string) => `didn't found binlog location in dumped metadata file ${file}`,
    "Please check the log of the dump, and that the source writes a binlog.",
  ),
  emptyMasterStatus: functional(
    11125,
    () => "upstream returns an empty result for SHOW MASTER STATUS",
    "Please make sure the source's binlog is on (`log_bin`).",
    { scope: "upstream" },
  ),
  binlogColumnsMissing: functional(
    11126,
    () => "upstream didn't log enough columns in binlog",
    "Please check if session `binlog_row_image` variable is not FULL, restart task to the corresponding location",
    { class: "binlog-op", scope: "upstream" },
  ),
  optimisticConflict: functional(
    11127,
    (id: string, problem: string) =>
      `receive conflict DDL for the optimistic shard ddl lock ${id}: ${problem}. Now DM does not support conflicting DDLs, or the conflicting DDLs are too complex for DM`,
    "Please use `shard-ddl-lock` command for more details.",
    { level: "medium" },
  ),
  optimisticReAdd: functional(
    11128,
    (id: string, problem: string) => `fail to resolve adding not fully dropped columns for optimistic shard ddl lock ${id}: ${problem}`,
    "Please use `binlog skip` command to skip this error.",
    { level: "medium" },
  ),
  ddlCancelled: syncUnit(
    11129,
    (sql: string) => `DDL ${sql} executed in background and met error`,
    "Please manually check the error from TiDB and handle it.",
  ),

  // ── config ──
  checkItemUnknown: config(
    20001,
    (name: string, known: string) => `checking item ${name} is not supported\n${known}`,
    taskFile("ignore-checking-items"),
  ),
  configMissingFile: config(20002, (what: string) => `read ${what}`, "Please check the file and its path."),
  configYaml: config(20003, (what: string) => what, "Please check the configuration file has correct YAML format."),
  configToml: config(20004, (what: string) => what, "Please check the configuration file has correct TOML format."),
  onlineDdlScheme: config(
    20007,
    (scheme: string) => `online scheme ${scheme} not supported`,
    `${taskFile("online-ddl-scheme")} It can be set to \`gh-ost\`/\`pt\`; \`online-ddl: true\` handles both.`,
  ),
  timezone: config(20008, (text: string) => text, taskFile("timezone")),
  metaMissing: config(
    20011,
    (what: string) =>
      `${what}must specify \`binlog-name\` without GTID enabled for the source or specify \`binlog-gtid\` with GTID enabled for the source`,
    taskFile("meta"),
  ),
  instancesMissing: config(20013, () => "must specify at least one mysql-instances", taskFile("mysql-instances")),
  instancesSameSource: config(
    20014,
    (first: number, second: number, source: string) => `mysql-instance (${first}) and (${second}) have same source-id (${source})`,
    taskFile("mysql-instances"),
  ),
  mydumperConflict: config(20015, () => "mydumper-config-name and mydumper should only specify one", taskFile("mydumper-config-name")),
  loaderConflict: config(20016, () => "loader-config-name and loader should only specify one", taskFile("loader-config-name")),
  syncerConflict: config(20017, () => "syncer-config-name and syncer should only specify one", taskFile("syncer-config-name")),
  taskNameMissing: config(20019, () => "must specify a unique task name", taskFile("name")),
  taskMode: config(
    20020,
    () => "please specify right task-mode, support `full`, `incremental`, `all`, `dump`, `load`, `load&sync`",
    taskFile("task-mode"),
  ),
  targetMissing: config(20021, () => "must specify target-database", taskFile("target-database")),
  instanceMetaMissing: config(
    20022,
    (source: string, mode: string) => `mysql-instance(${source}) must set meta for task-mode ${mode}`,
    taskFile("meta"),
  ),
  routeMissing: config(
    20023,
    (index: number, name: string) => `mysql-instance(${index})'s route-rules ${name} not exist in routes`,
    taskFile("route-rules"),
  ),
  filterMissing: config(
    20024,
    (index: number, name: string) => `mysql-instance(${index})'s filter-rules ${name} not exist in filters`,
    taskFile("filter-rules"),
  ),
  columnMappingMissing: config(
    20025,
    (index: number, name: string) => `mysql-instance(${index})'s column-mapping-rules ${name} not exist in column-mapping`,
    taskFile("column-mapping-rules"),
  ),
  allowListMissing: config(
    20026,
    (index: number, name: string) => `mysql-instance(${index})'s list ${name} not exist in block allow list`,
    taskFile("block-allow-list"),
  ),
  mydumperMissing: config(
    20027,
    (index: number, name: string) => `mysql-instance(${index})'s mydumper config ${name} not exist in mydumpers`,
    taskFile("mydumper-config-name"),
  ),
  mydumperPath: config(20028, () => "mydumper-path must not be empty", taskFile("mydumper-path")),
  loaderMissing: config(
    20029,
    (index: number, name: string) => `mysql-instance(${index})'s loader config ${name} not exist in loaders`,
    taskFile("loader-config-name"),
  ),
  syncerMissing: config(
    20030,
    (index: number, name: string) => `mysql-instance(${index})'s syncer config ${name} not exist in syncers`,
    taskFile("syncer-config-name"),
  ),
  sourceNotDeployed: config(
    20031,
    (source: string) => `source ${source} in deployment configuration not found`,
    "Please use `operate-source create source-config-file-path` to add source.",
  ),
  ruleDuplicate: config(
    20032,
    (index: number, names: readonly string[]) => `mysql-instance(${index})'s rules ${list(names)} are named more than once`,
    "Please name each rule once.",
  ),
  shardMode: config(
    20033,
    (mode: string) => `shard mode ${mode} not supported`,
    "Please check the `shard-mode` config in task configuration file, which can be set to `pessimistic`/`optimistic`.",
  ),
  unusedConfigs: config(
    20038,
    (names: readonly string[]) =>
      `The configurations as following ${list(names)} are set in global configuration but instances don't use them`,
    "Please check the configuration files.",
    { level: "high" },
  ),
  expressionKinds: config(
    20039,
    (name: string, fields: readonly string[]) => `expression filter ${name}: more than one kind of expression is set: ${list(fields)}`,
    taskFile("expression-filter"),
  ),
  expressionMissing: config(
    20040,
    (index: number, name: string) => `mysql-instance(${index})'s expression-filters ${name} not exist in expression-filter`,
    taskFile("expression-filters"),
  ),
  expressionGrammar: config(
    20041,
    (name: string, expression: string, problem: string) => `expression filter ${name}: \`${expression}\`: ${problem}`,
    taskFile("expression-filter"),
  ),
  expressionTable: config(
    20042,
    (name: string, field: string) => `expression filter ${name}: \`${field}\` must be set`,
    taskFile("expression-filter"),
  ),
  checkerBackoff: config(
    20043,
    (max: string, min: string) => `backoff-max ${max} is smaller than backoff-min ${min}`,
    sourceFile("checker"),
  ),
  chunkFilesize: config(
    20047,
    (text: string) => `invalid \`chunk-filesize\` ${text}`,
    `${taskFile("mydumpers")} It is a number of MB, or a number with a unit such as \`64M\`.`,
  ),
  onlineDdlRule: config(
    20048,
    (kind: string, text: string, problem: string) => `invalid ${kind} \`${text}\`: ${problem}`,
    "Please give a regular expression with exactly one group, such as `^_(.+)_(?:new|gho)$`.",
  ),
  onlineDdlMixed: config(
    20049,
    (sql: string) => `rename pair matches shadow-table-rules or trash-table-rules on one side only: ${sql}`,
    "Please check the `shadow-table-rules` and `trash-table-rules` config in task configuration file.",
  ),
  openapiTaskExists: config(
    20050,
    (name: string) => `the openapi task config for '${name}' already exist`,
    "Please use another name, or `overwrite`.",
    { level: "low" },
  ),
  openapiTaskMissing: config(20051, (name: string) => `the openapi task config for '${name}' does not exist`, "", { level: "low" }),
  collationCompatible: config(
    20052,
    (text: string) => `collation compatible ${text} not supported`,
    `${taskFile("collation_compatible")} It can be set to \`loose\`/\`strict\`.`,
  ),
  importMode: config(
    20053,
    (text: string) => `invalid load mode '${text}'`,
    `${taskFile("import-mode")} This build imports with \`logical\`.`,
  ),
  onDuplicate: config(
    20054,
    (text: string) => `invalid load on-duplicate '${text}'`,
    `${taskFile("on-duplicate-logical")} It can be set to \`replace\`/\`error\`/\`ignore\`.`,
  ),
  validatorMode: config(
    20055,
    (text: string) => `invalid validation mode '${text}'`,
    `${taskFile("validators")} It can be set to \`none\`/\`fast\`/\`full\`.`,
  ),
  validatorMissing: config(
    20056,
    (index: number, name: string) => `mysql-instance(${index})'s validator config ${name} not exist in validators`,
    taskFile("validator-config-name"),
  ),
  startTimeTooLate: config(
    20057,
    (time: string) => `start-time ${time} is too late, no binlog location matches it`,
    "Please check the `--start-time` is expected or try again later.",
    { level: "high" },
  ),
  binlogRangeEmpty: config(20058, (what: string) => what, "Please check that the source still has its binlog files."),
  safeModeDuration: config(
    20060,
    (text: string, problem: string) => `safe-mode-duration '${text}' parsed failed: ${problem}`,
    taskFile("safe-mode-duration"),
  ),
  safeModeConflict: config(20061, () => "safe-mode(true) conflicts with safe-mode-duration(0s)", taskFile("safe-mode")),
  onDuplicatePhysical: config(
    20062,
    (text: string) => `invalid load on-duplicate-physical option '${text}'`,
    `${taskFile("on-duplicate-physical")} It can be set to \`none\`/\`manual\`.`,
  ),
  checksumPhysical: config(
    20063,
    (text: string) => `invalid load checksum-physical option '${text}'`,
    `${taskFile("checksum-physical")} It can be set to \`required\`/\`optional\`/\`off\`.`,
  ),
  columnMapping: config(
    20064,
    () => "column-mapping is not supported since v6.6.0",
    "Please use extract-table/extract-schema/extract-source to handle data conflict when merge tables.",
  ),
  analyze: config(
    20065,
    (text: string) => `invalid load analyze option '${text}'`,
    `${taskFile("analyze")} It can be set to \`required\`/\`optional\`/\`off\`.`,
  ),
  strictOptimistic: config(
    20066,
    () => "cannot enable `strict-optimistic-shard-mode` while `shard-mode` is not `optimistic`",
    taskFile("shard-mode"),
  ),
  secretKeyPath: config(20067, (problem: string) => `invalid secret key path: ${problem}`, masterFile("secret-key-path")),
  importIntoShard: config(20068, () => "import-mode `import-into` takes neither `shard-mode` nor several sources", taskFile("import-mode")),
  importIntoDir: config(20069, () => "import-mode `import-into` needs a shared `dir`", taskFile("dir")),
  foreignKeyConflict: config(
    20070,
    (field: string) => `\`${field}\` cannot be used while session \`foreign_key_checks\` is on`,
    "Please turn it off in the task configuration file, or turn `foreign_key_checks` off.",
  ),

  // ── binlog positions, checkpoint, checks ──
  invalidPosition: binlogOp(22003, (text: string) => `invalid binlog pos, should be like (mysql-bin.000001, 2345), got ${text}`),
  checkpointInvalid: checkpoint(
    24001,
    (what: string) => `invalid checkpoint: ${what}`,
    "Please check the checkpoint tables in the meta schema; `start-task --remove-meta` begins anew.",
    { level: "high" },
  ),
  checkpointSave: checkpoint(24002, (what: string) => `save checkpoint: ${what}`, "Please check the target, then `resume-task`.", {
    scope: "downstream",
    level: "high",
  }),
  sameTableNames: check(
    26001,
    (names: readonly string[]) => `same table name in case-insensitive ${list(names)}`,
    "Please check the tables, or set `case-sensitive: true`.",
  ),
  checkDsn: check(
    26002,
    (user: string, host: string, port: number) => `failed to open DSN ${user}:***@${host}:${port}`,
    "Please check the database config in configuration file.",
    { level: "high" },
  ),
  checkFailed: check(
    26005,
    (what: string, problem: string, detail: string) => `${what}: ${problem}${detail === "" ? "" : `\n    \tdetail: ${detail}`}`,
  ),
  gtidMode: check(
    26007,
    (source: string, mode: string) => `${source} has GTID_MODE = ${mode} instead of ON`,
    "Please check the upstream or turn `enable-gtid` off.",
  ),

  // ── relay ──
  relayMasterSwitch: relayUnit(30034, () => "can only switch relay's master server when GTID enabled", "Please enable GTID."),
  relayPurging: relayUnit(30036, () => "relay log purge is running", "Please try again later."),
  relayPurgeForbidden: relayUnit(
    30037,
    (why: string) => `relay log purge is forbidden temporarily, because ${why}`,
    "Please try again later.",
  ),
  relayFakeRotate: relayUnit(
    30044,
    () => "receive fake rotate event with different server_id",
    "Please use `resume-relay` command if upstream database has changed",
  ),

  // ── dump, load ──
  dumpRun: dumpUnit(
    32001,
    (output: string) => `mydumper/dumpling runs with error, with output (may empty): ${output}`,
    "Please check the source and the `mydumpers` config, then `resume-task`.",
  ),
  dumpGlobalLock: dumpUnit(
    32004,
    () => "Couldn't acquire global lock",
    "Please check upstream privileges about `FLUSH TABLES WITH READ LOCK` or set `--consistency none` in `extra-args`; tables with a key are copied without any lock by default.",
  ),
  loadOtherWorker: functional(
    34017,
    (previous: string, current: string) => `different worker in load stage, previous worker: ${previous}, current worker: ${current}`,
    "Please check if the previous worker is online.",
  ),
  loadCheckpointMismatch: functional(
    34018,
    () => "inconsistent checkpoints between loader and target database",
    "If you want to redo the whole task, please check that you have not forgotten to add -remove-meta flag for start-task command.",
  ),
  loadRun: loadUnit(
    34019,
    () => "the full copy failed",
    "Please check the cause; the copy goes on from its last chunk after `resume-task`.",
  ),

  // ── sync ──
  syncClosed: syncUnit(36001, (what: string) => `sync unit: ${what}`),
  shardGroupNewTable: syncUnit(
    36005,
    (table: string) => `table ${table} may not join a group in the middle of its DDL`,
    "Please solve the lock first; see `shard-ddl-lock`.",
  ),
  shardGroupDropTable: syncUnit(
    36006,
    (table: string) => `table ${table} may not leave a group in the middle of its DDL`,
    "Please solve the lock first; see `shard-ddl-lock`.",
  ),
  shardDdlSequence: syncUnit(
    36008,
    (got: string, expected: string) => `detect inconsistent DDL sequence from source ${got}, right DDL sequence should be ${expected}`,
    "Please use `show-ddl-locks` command for more details.",
  ),
  safeModeCounter: syncUnit(36012, (value: number) => `the safe mode counter would be ${value}`),
  statementInBinlog: syncUnit(
    36014,
    (sql: string) => `only support ROW format binlog, unexpected DML statement found in query event: ${sql}`,
    "Please set `binlog_format = ROW` at the source, and start from a position after the statement.",
    { scope: "upstream" },
  ),
  eventFilter: syncUnit(
    36015,
    (event: string, where: string) => `event ${event} on ${where}`,
    "Please check the `filters` config in task configuration file.",
  ),
  operatorNoSchema: syncUnit(
    36024,
    (sql: string) => `injected DDL ${sql} without schema name not valid`,
    "Please write table names with their schema.",
    { level: "low" },
  ),
  opNotSupported: syncUnit(36025, (op: string) => `op ${op} not supported`, "Please turn `foreign_key_checks` off in the target session."),
  columnCount: syncUnit(
    36027,
    (columns: number, values: number) => `Column count doesn't match value count: ${columns} (columns) vs ${values} (values)`,
    "Please check the log files to see if a related DDL has been skipped, and you could use `binlog-schema update` to set a correct table structure.",
  ),
  onlineRenameReal: syncUnit(
    36044,
    (sql: string) => `rename the real table to a gh-ost temporary table not supported: ${sql}`,
    "Please wait until gh-ost or pt-osc is done, or turn `online-ddl` off.",
  ),
  onlineRenameOther: syncUnit(
    36045,
    (sql: string) => `rename gh-ost temporary table to other temporary table ${sql} not supported`,
    "Please wait until gh-ost or pt-osc is done.",
  ),
  onlineMetadata: syncUnit(
    36046,
    (schema: string, table: string) => `online ddl metadata for ghost temporary table \`${schema}\`.\`${table}\` not found`,
    "Please use `binlog replace` to run the change on the real table: what the tool did before this task began is not known.",
  ),
  updateWhileSharding: syncUnit(
    36058,
    (tables: string) => `try update config when some tables' (${tables}) sharding DDL not synced not supported`,
    "Please solve the lock first; see `shard-ddl-lock`.",
  ),
  ddlJob: syncUnit(
    36061,
    (sql: string) => `fail to handle ddl job for ${sql}`,
    "Please check the cause; `binlog skip` or `binlog replace` handles a DDL that the target refuses.",
  ),
  optimisticShardDdl: syncUnit(
    36062,
    (sqls: readonly string[], problem: string) =>
      `fail to handle shard ddl ${list(sqls)} in optimistic mode, because schema conflict detected, conflict error: ${problem}`,
    "Please use `shard-ddl-lock` command for more details.",
  ),
  operatorNotDdl: syncUnit(
    36064,
    () => "only support replace or inject with DDL currently",
    "Please give DDL statements with schema names.",
  ),
  operatorMissing: syncUnit(
    36065,
    (position: string) => `error operator not exist, position: ${position}`,
    "`binlog list` shows the operators that are set.",
  ),
  parseDdl: syncUnit(
    36067,
    (sql: string) => `parse DDL: ${sql}`,
    "Please confirm your DDL statement is correct and needed. If you are sure you do not need it, please use `binlog skip` or `binlog replace`.",
  ),
  statementNotSupported: syncUnit(
    36068,
    (sql: string, mode: string) => `\`${sql}\` statement not supported in ${mode} mode`,
    "Please use `binlog skip` or `binlog replace`.",
  ),
  binlogEvent: syncUnit(
    36069,
    (problem: string) => `get binlog event error: ${problem}`,
    "Please check if the binlog file could be parsed by `mysqlbinlog`.",
    { scope: "upstream" },
  ),
  safeModeNeeded: syncUnit(
    36071,
    () => "your `safe-mode-duration` in task.yaml is set to 0s, the task can't be re-processed without safe mode currently",
    "Please stop and re-start this task. If you want to start task successfully, you need set `safe-mode-duration` greater than 0s.",
  ),
  /** Ours: the fence (design D6). */
  fenced: syncUnit(
    36101,
    (source: string, epoch: number, current: string, owner: string) =>
      `this worker lost source ${source}: its epoch is ${epoch}, the target's is ${current}, held by ${owner}`,
    "Nothing was written. No action is needed: the worker that took the source over goes on.",
  ),

  // ── dm-master ──
  masterSql: master(38001, (what: string) => `start dm-master: ${what}`),
  grpcRequest: master(
    38008,
    () => "grpc request error",
    "Please check that the dm-worker is up with `list-member`; a source whose worker is gone moves to a free one by itself.",
  ),
  masterParseFlags: master(38010, (problem: string) => `parse config flag set: ${problem}`, "Please see `dm-master --help`.", {
    level: "medium",
  }),
  masterConfigToml: master(
    38011,
    (problem: string) => `config toml transform: ${problem}`,
    "Please check the configuration file has correct TOML format.",
    { level: "medium" },
  ),
  masterInvalidFlag: master(38012, (text: string) => `'${text}' is an invalid flag`, "Please see `dm-master --help`.", { level: "medium" }),
  masterTimeout: master(38014, (text: string) => `parse rpc timeout str: ${text}`, masterFile("rpc-timeout"), { level: "medium" }),
  shardDdlDifferent: master(
    38016,
    (lock: string, ddls: string) => `sharding ddls in ddl lock ${lock} is different with ${ddls}`,
    "Please use `show-ddl-locks` command for more details.",
  ),
  emitOpportunity: master(
    38018,
    (source: string) => `fail to get emit opportunity for source ${source}`,
    "Please try again later: too many requests wait for this worker.",
  ),
  lockMissing: master(38019, (id: string) => `lock with ID ${id} not found`, "Please use show-ddl-locks command to see lock id."),
  lockResolving: master(38020, (what: string) => what, "Please use `shard-ddl-lock` to see the lock."),
  lockOwner: master(
    38022,
    (owner: string, sources: readonly string[]) =>
      `owner ${owner} is not waiting for a lock, but sources ${list(sources)} are waiting for the lock`,
    "Please choose a source that waits, with `-o`.",
  ),
  lockOwnerNotDone: master(
    38024,
    (owner: string, id: string) => `the owner ${owner} of the lock ${id} has not done the operation`,
    "Please check the owner's task with `query-status`, or use `--force-remove`.",
  ),
  lockPartlyResolved: master(
    38025,
    (id: string) => `DDL lock ${id} owner ExecuteDDL successfully, so DDL lock removed, but some dm-workers ExecuteDDL fail`,
    "Please check the tasks with `query-status`.",
  ),
  workerClientMissing: master(
    38029,
    (source: string) => `${source} relevant worker-client not found`,
    "Please use list-member command to see if the some workers are offline.",
  ),
  workerError: master(
    38032,
    (problem: string) => `some error occurs in dm-worker: ${problem}`,
    "Please execute `query-status` to check status.",
  ),
  workerTimeout: master(
    38033,
    (name: string) => `request to dm-worker ${name} is timeout, but request may be successful`,
    "Please execute `query-status` to check status.",
  ),
  masterAddress: master(38035, (text: string) => `master-addr ${text} is invalid`, masterFile("master-addr"), { level: "medium" }),
  startEtcd: master(
    38038,
    () => "fail to start embed etcd",
    "Please check all dm-master of `initial-cluster` in configuration file is up, and check the log for a detailed error.",
  ),
  joinEtcd: master(38040, (problem: string) => `fail to join embed etcd: ${problem}`, "Please check configs in master configuration file."),
  advertiseAddress: master(38042, (text: string) => `advertise-addr ${text} is invalid`, masterFile("advertise-addr"), { level: "medium" }),
  notLeader: master(
    38043,
    () => "master is not leader, and can't forward request to leader",
    "Please use `list-member` to see the leader, or try again when one is elected.",
  ),
  unexpectedResult: master(
    38045,
    () => "fail to get expected result",
    "The request is stored and will be carried out. Please check with `query-status`.",
    { level: "medium" },
  ),
  masterMissing: master(
    38048,
    (name: string) => `dm-master with name ${name} not exists`,
    "Please use list-member command to see masters.",
    { level: "low" },
  ),
  offlineType: master(38049, (type: string) => `invalid offline type ${type}`, "Please use `--master` or `--worker`.", { level: "low" }),
  peerUrls: master(38050, (text: string) => `advertise-peer-urls ${text} is invalid`, masterFile("advertise-peer-urls"), {
    level: "medium",
  }),
  masterTls: master(
    38051,
    (problem: string) => `invalid TLS config: ${problem}`,
    "Please check the `ssl-ca`, `ssl-cert` and `ssl-key` config in master configuration file.",
    { level: "medium" },
  ),
  boundChanging: master(
    38052,
    (source: string, what: string) => `bound of source ${source} is changing: ${what}`,
    "Please try again later.",
    { level: "low" },
  ),
  v1Sources: master(38053, (problem: string) => `upgrade from v1.0: ${problem}`, "Please check the `v1-sources-path`."),
  taskCannotStart: master(
    38058,
    (task: string, reason: string) => `can not start task: ${task} reason: ${reason}`,
    "Please enable the source, or leave it out.",
  ),
  /** Ours. */
  unitNotBuilt: master(
    38101,
    (what: string) => `this build does not run ${what}`,
    "Nothing was changed. Please leave it out of the configuration; docs/runbooks/migration.md lists what runs.",
  ),

  // ── dm-worker ──
  workerParseFlags: worker(40001, (problem: string) => `parse dm-worker config flag set: ${problem}`, "Please see `dm-worker --help`.", {
    level: "medium",
  }),
  workerInvalidFlag: worker(40002, (text: string) => `'${text}' is an invalid flag`, "Please see `dm-worker --help`.", { level: "medium" }),
  workerConfigToml: worker(
    40004,
    (problem: string) => `toml decode file: ${problem}`,
    "Please check the configuration file has correct TOML format.",
    { level: "medium" },
  ),
  sourceIdMissing: worker(
    40005,
    () =>
      "dm-worker should bind a non-empty source ID which represents a MySQL/MariaDB instance or a replica group. \n notice: if you use old version dm-ansible, please update to newest version.",
    sourceFile("source-id"),
    { level: "medium" },
  ),
  sourceIdLong: worker(40006, (id: string) => `the length of source ID ${id} is more than max allowed value 32`, sourceFile("source-id"), {
    level: "medium",
  }),
  relayBinlogName: worker(40007, (name: string) => `binlog filename ${name} is invalid`, sourceFile("relay-binlog-name"), {
    level: "medium",
  }),
  relayStage: worker(
    40039,
    (stage: string) => `current stage of the relay is ${stage}, invalid for the operation`,
    "Please check with `query-status -s <source>`.",
  ),
  stageNotPaused: worker(40051, (stage: string) => `current stage is ${stage} but not paused, invalid`, "Please `pause-task` first."),
  updateUnit: worker(
    40052,
    (unit: string) => `can only update task on sync unit, but current unit is ${unit}`,
    "Please wait until the full copy is done.",
  ),
  subtaskMissing: worker(40054, (name: string) => `sub task with name ${name} not found`, "Please use `query-status` to see tasks."),
  notSyncer: worker(
    40056,
    (unit: string) => `such operation is only available for syncer, but now syncer is not running. current unit is ${unit}`,
    "Please wait until the full copy is done.",
  ),
  noUnits: worker(40060, (mode: string) => `no suitable units for task mode ${mode}`, taskFile("task-mode")),
  relayCatchUp: worker(
    40067,
    (limit: string, loader: string, relay: string) =>
      `waiting for relay to catch up with loader is timeout (exceeding ${limit}), loader: ${loader}, relay: ${relay}`,
    "Please check the relay with `query-status -s <source>`.",
  ),
  relayPurgingSubtask: worker(40068, () => "relay log purger is purging, cannot start sub task", "Please try again later."),
  workerAddress: worker(40069, (text: string) => `worker-addr ${text} is invalid`, workerFile("worker-addr"), { level: "medium" }),
  workerNoSource: worker(
    40070,
    () => "no mysql source is being handled in the worker",
    "Please use `list-member` to see which worker handles the source.",
    { level: "medium" },
  ),
  workerOtherSource: worker(
    40071,
    (name: string, started: string, wanted: string) =>
      `mysql source worker ${name} has already started with source ${started}, but get a request with source ${wanted}`,
    "Please try if restart could solve it.",
    { level: "medium" },
  ),
  workerTls: worker(
    40076,
    (problem: string) => `invalid TLS config: ${problem}`,
    "Please check the `ssl-ca`, `ssl-cert` and `ssl-key` config in worker configuration file.",
    { level: "medium" },
  ),
  workerJoin: worker(
    40077,
    (endpoints: readonly string[], problem: string) => `cannot join with master endpoints: ${list(endpoints)}, error: ${problem}`,
    "Please check network connection of worker and check worker name is unique.",
  ),
  relayWait: worker(40078, (problem: string) => `wait for relay: ${problem}`, "Please check the relay with `query-status -s <source>`."),
  boundUnknown: worker(40079, (what: string) => `the bound of this worker does not fit: ${what}`, "Please restart the worker."),
  routeConflict: worker(
    40080,
    (schema: string, table: string) => `table ${schema}.${table} matches more than one rule`,
    "please check the route rules in the task config",
  ),
  updateRefused: worker(
    40081,
    (what: string) => `cannot update the task: ${what}`,
    "Please `stop-task`, then `start-task` with the new file: the checkpoint is kept.",
  ),
  validatorStage: worker(
    40082,
    (stage: string) => `current validator stage is ${stage} but not paused, invalid`,
    "Please stop the validator first.",
  ),

  // ── high availability, validation, tracker ──
  metastoreTxn: ha(
    42501,
    (what: string) => `fail to do etcd txn operation: ${what}`,
    "Please check dm-master's node status and the network between this node and dm-master",
  ),
  validatorMissingForTask: validator(43006, (task: string, source: string) => `validator not found for task ${task} with source ${source}`),
  validatorTooMuch: validator(
    43008,
    (sizeCurrent: number, sizeMax: number, countCurrent: number, countMax: number) =>
      `too much pending data, stop validator. row size(curr/max): ${sizeCurrent}/${sizeMax}, row count(curr/max): ${countCurrent}/${countMax}`,
    "Please raise `max-pending-row-size` or `max-pending-row-count`, then `validation start`.",
    { scope: "internal" },
  ),
  trackerDdl: tracker(
    44006,
    (sql: string) => `cannot track DDL: ${sql}`,
    "Please check the statement; `binlog-schema update` sets a structure by hand.",
  ),
  trackerTarget: tracker(
    44007,
    (target: string, source: string) =>
      `cannot fetch downstream table schema of ${target} to initialize upstream schema ${source} in schema tracker`,
    "Please check that the table exists in the target, or set its structure with `binlog-schema update`.",
    { scope: "downstream" },
  ),
  trackerCreate: tracker(44009, (sql: string) => `${sql} is not a valid \`CREATE TABLE\` statement`, "", { level: "medium" }),

  // ── scheduler ──
  schedulerNotStarted: scheduler(46001, () => "the scheduler has not started", "Please try again: a leader is starting.", {
    level: "high",
  }),
  workerExists: scheduler(
    46003,
    (worker_: string) => `dm-worker with name ${worker_} already exists`,
    "Please choose another name, or `offline-member` the old one.",
  ),
  workerMissing: scheduler(
    46004,
    (name: string) => `dm-worker with name ${name} not exists`,
    "Please use list-member command to see workers.",
  ),
  workerOnline: scheduler(46005, (name: string) => `dm-worker with name ${name} is still online`, "Please shut it down first."),
  workerTransformation: scheduler(
    46006,
    (name: string, from: string, to: string) => `invalid stage transformation for dm-worker ${name}, from ${from} to ${to}`,
  ),
  sourceExists: scheduler(46007, (id: string) => `source config with ID ${id} already exists`),
  sourceMissing: scheduler(46008, (id: string) => `source config with ID ${id} not exists`),
  sourcesNotBound: scheduler(
    46009,
    (ids: readonly string[]) => `sources ${list(ids)} have not bound`,
    "Please start another dm-worker: each handles one source.",
    { class: "dm-master" },
  ),
  sourceHasTasks: scheduler(
    46010,
    (id: string, tasks: readonly string[]) => `source with name ${id} need to operate has existing tasks ${list(tasks)}`,
    "Please `stop-task` first.",
    { class: "dm-master" },
  ),
  relaySourcesMissing: scheduler(46012, (ids: readonly string[]) => `sources ${list(ids)} need to update expectant relay stage not exist`),
  subtasksMixed: scheduler(46013, (tasks: readonly string[]) => `subtasks of several tasks ${list(tasks)} cannot be added at once`),
  subtasksExist: scheduler(
    46014,
    (task: string, sources: readonly string[]) => `subtasks with name ${task} for sources ${list(sources)} already exist`,
    "Please use `query-status` command to see tasks.",
  ),
  stageInvalid: scheduler(46015, (stage: string) => `invalid expectant subtask stage ${stage}`, "", { class: "dm-master" }),
  subtasksMissing: scheduler(
    46016,
    (task: string) => `subtasks with name ${task} need to be operate not exist`,
    "Please use `query-status` command to see tasks.",
    { class: "dm-master" },
  ),
  sourcesMissing: scheduler(46017, (ids: readonly string[]) => `sources ${list(ids)} need to be operate not exist`, "", {
    class: "dm-master",
  }),
  taskMissing: scheduler(46018, (task: string) => `task with name ${task} not exist`, "Please use `query-status` command to see tasks."),
  transferUnit: scheduler(
    46019,
    (tasks: readonly string[], source: string) => `running tasks ${list(tasks)} to be transferred on source ${source} should in sync unit`,
    "Please wait until the full copy is done, or `pause-task`.",
  ),
  relayWorkersOtherSource: scheduler(
    46020,
    (workers: readonly string[], sources: readonly string[]) =>
      `these workers ${list(workers)} have started relay for sources ${list(sources)} respectively`,
    "Please use `stop-relay` to stop them, or change your topology.",
    { level: "high" },
  ),
  relayWorkersBound: scheduler(
    46021,
    (workers: readonly string[], sources: readonly string[]) =>
      `these workers ${list(workers)} have bound for another sources ${list(sources)} respectively`,
    "Please `start-relay` on free or same source workers.",
    { level: "high" },
  ),
  relayWorkersWrong: scheduler(
    46022,
    (workers: readonly string[], sources: readonly string[]) =>
      `these workers ${list(workers)} have started relay for another sources ${list(sources)} respectively`,
    "Please correct sources in `stop-relay`.",
    { level: "high" },
  ),
  sourceHasRelay: scheduler(
    46023,
    (id: string, workers: string) => `source with name ${id} need to operate has existing relay workers ${workers}`,
    "Please `stop-relay` first.",
  ),
  latchInUse: scheduler(
    46024,
    (what: string, resource: string) => `when ${what}, resource ${resource} is in use by other client`,
    "Please try again later.",
  ),
  sourceUpdate: scheduler(
    46025,
    (id: string) => `source ${id} can only update when relay and tasks are not running`,
    "Please stop its relay and tasks first.",
  ),
  transferRelay: scheduler(
    46027,
    (worker_: string, source: string) => `worker ${worker_} relays another source ${source}`,
    "Please `stop-relay` first.",
  ),
  startRelayWorkers: scheduler(
    46028,
    (workers: readonly string[]) =>
      `the source has \`start-relay\` with worker name for workers ${list(workers)}, so it can't \`start-relay\` without worker name now`,
    "Please stop all relay workers first, or specify worker name for `start-relay`.",
    { level: "low" },
  ),
  stopRelayWorkers: scheduler(
    46029,
    (workers: readonly string[]) =>
      `the source has \`start-relay\` with worker name for workers ${list(workers)}, so it can't \`stop-relay\` without worker name now`,
    "Please specify worker names for `stop-relay`.",
    { level: "low" },
  ),
  startRelayNamed: scheduler(
    46030,
    (source: string) => `source ${source} has \`start-relay\` without worker name, so it can't \`start-relay\` with worker name now`,
    "Please `stop-relay` without worker name first.",
    { level: "low" },
  ),
  stopRelayNamed: scheduler(
    46031,
    (source: string) => `source ${source} has \`start-relay\` without worker name, so it can't \`stop-relay\` with worker name now`,
    "Please `stop-relay` without worker name.",
    { level: "low" },
  ),
  transferPause: scheduler(
    46032,
    (source: string, tasks: readonly string[]) => `tasks ${list(tasks)} of source ${source} did not pause, so it is not transferred`,
    "Please check them with `query-status`, then try again.",
  ),
  workerNotFree: scheduler(46033, (name: string) => `dm-worker with name ${name} not free`, "", { level: "low" }),
  updateRunning: scheduler(
    46035,
    (task: string, source: string) => `subtask with name ${task} source name ${source} can only update when no running tasks for now`,
    "",
    { level: "low" },
  ),

  // ── dmctl, openapi ──
  dmctlConnect: dmctl(48001, (endpoints: string) => `can't connect to ${endpoints}`, "Please check your network connection."),
  dmctlTls: dmctl(48002, () => "invalid TLS config", "Please check the `ssl-ca`, `ssl-cert` and `ssl-key` config in command line.", {
    level: "medium",
  }),
  dmctlConfig: dmctl(48003, (problem: string) => `invalid dmctl config: ${problem}`, "Please see `dmctl --help`.", { level: "medium" }),
  openapiCommon: openapi(
    49001,
    (problem: string) => `some unexpected errors have occurred, please check the detailed error message: ${problem}`,
  ),
  openapiTaskSource: openapi(49002, (source: string) => `data source '${source}' of the task is not known`, "Please create it first."),
  notSet: define({ code: 50000, class: "not-set", scope: "not-set", level: "high", message: (problem: string) => problem }),
} as const;

/** Any thrown value as a coded error: what has no code of its own gets 50000. */
export function asCodedError(error: unknown): CodedError {
  if (isCodedError(error)) return error;
  return dmErrors.notSet([error instanceof Error ? error.message : String(error)], error);
}
