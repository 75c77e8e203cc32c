export { Channel } from "./channel.ts";
export {
  CommandLineError,
  type CommandShape,
  type Flag,
  type FlagValues,
  flagList,
  flagText,
  helpText,
  nameOf,
  type ParsedLine,
  parseLine,
  usageText,
} from "./command-line/command-line.ts";
export { type FlagDefinition, FlagError, flagHelp, type ParsedFlags, parseFlags } from "./command-line/program-flags.ts";
export { splitWords } from "./command-line/split-words.ts";
export { type Terminal, terminalOf } from "./command-line/terminal.ts";
export {
  ConfigError,
  type ConfigProblem,
  checkShape,
  formatConfigProblem,
  parseToml,
  parseYaml,
  type Static,
  stringifyToml,
  type TObject,
  type TProperties,
  type TSchema,
  Type,
} from "./config.ts";
export { AssertionError, assert, assertNever } from "./core/assert.ts";
export type { Branded } from "./core/brand.ts";
export { ByteReader, ByteWriter, compareBytes, ShortInputError } from "./core/bytes.ts";
export { formatDuration, parseDuration } from "./core/duration.ts";
export {
  CodedError,
  type CodedErrorFields,
  causeText,
  type DefinedError,
  define,
  type ErrorDefinition,
  type ErrorLevel,
  type ErrorScope,
  formatCodedError,
  isCodedError,
} from "./core/errors.ts";
export { type Random, randomFrom, seededRandom } from "./core/random.ts";
export { Secret } from "./core/secret.ts";
export { Backoff, Semaphore } from "./limits.ts";
export {
  createLogger,
  formatLogTime,
  type LogFields,
  type Logger,
  type LogLevel,
  type LogSink,
  logLevels,
  silentLogger,
} from "./logger.ts";
export { isAbort, TaskGroup } from "./task-group.ts";
export { freePort, isPortFree } from "./world/free-port.ts";
export { logFile } from "./world/log-file.ts";
export { nodeClock, nodeDisk, nodeWorld } from "./world/node-world.ts";
export { type RunningServer, runServerProcess, type ServerLog, type ServerText } from "./world/server-process.ts";
export type {
  Child,
  Clock,
  Disk,
  DiskFile,
  Faults,
  FileFacts,
  Listener,
  Network,
  Processes,
  SpawnOptions,
  Timer,
  TlsFiles,
  World,
} from "./world/world.ts";
