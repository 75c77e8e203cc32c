export { type BinlogFileOptions, readBinlogFile } from "./binlog/binlog-file.ts";
export { type BinlogStreamOptions, openBinlogStream } from "./binlog/binlog-stream.ts";
export type {
  BinlogEvent,
  EventFacts,
  FormatEvent,
  GtidEvent,
  HeartbeatEvent,
  IncidentEvent,
  OtherEvent,
  PreviousGtidsEvent,
  QueryEvent,
  RotateEvent,
  RowsEvent,
  RowsQueryEvent,
  StatementContextEvent,
  StopEvent,
  TableMapEvent,
  XaPrepareEvent,
  XidEvent,
} from "./binlog/core/events.ts";
export { MalformedBinlogError } from "./binlog/core/malformed.ts";
export {
  type BinlogFileName,
  compareBinlogFiles,
  comparePositions,
  comparePositionsByGtid,
  firstOffset,
  formatPosition,
  type Position,
  parseBinlogFileName,
  parsePosition,
} from "./binlog/core/position.ts";
export type { RowDecoder } from "./binlog/core/row-decoder.ts";
export type { MappedColumn, TableMap } from "./binlog/core/table-map.ts";
export {
  type BinlogFileFacts,
  currentPosition,
  gtidSetAt,
  listBinlogs,
  mariadbGtidsAtEnd,
  mariadbGtidsByReading,
} from "./binlog/positions.ts";
export { createRowDecoder } from "./binlog/tools.ts";
export { type MysqlEndpoint } from "./client/authenticate.ts";
export {
  type Connection,
  type ConnectionMode,
  type ConnectionOptions,
  type ExecuteResult,
  openConnection,
  type PreparedStatement,
  type ResultSet,
  type RowPacketBatch,
} from "./client/connection.ts";
export { MysqlConnectionError, MysqlServerError } from "./client/errors.ts";
export { createPool, type Lease, type Pool, type PoolOptions } from "./client/pool.ts";
export { charsetOfCollation, decodeText, utf8ByteString } from "./core/charset.ts";
export { parametersMax, type RowSpan } from "./core/prepared-rows.ts";
export { quoteByteString, quoteIdentifier, quoteTable, quoteText } from "./core/quote.ts";
export type { ResultColumn } from "./core/result-packets.ts";
export { sqlModeNames } from "./core/sql-mode.ts";
export type {
  CheckDefinition,
  ColumnDefinition,
  ColumnType,
  ForeignKeyDefinition,
  IndexDefinition,
  IndexPart,
  SchemaDefinition,
  TableDefinition,
  TypeName,
} from "./core/table.ts";
export type { ByteString, Row, Value } from "./core/value.ts";
export type {
  AlterChange,
  AlterTable,
  CheckSpec,
  ColumnSpec,
  CreateTable,
  DatabaseOptions,
  DdlStatement,
  ForeignKeySpec,
  IndexSpec,
  OtherStatement,
  TableName,
  TableOption,
  TypeSpec,
} from "./ddl/core/ast.ts";
export { type DdlDialect, mapCharset, mapCollation } from "./ddl/core/collations.ts";
export { ddlErrors } from "./ddl/core/errors.ts";
export { createLexer, type ServerFlavor, type Token as SqlToken } from "./ddl/core/lexer.ts";
export { type ParseOptions, parseStatement, parseStatements } from "./ddl/core/parser.ts";
export { type PrintOptions, printStatement } from "./ddl/core/printer.ts";
export {
  createSchemaTracker,
  type ParseCreateTableOptions,
  parseCreateTable,
  type SchemaTracker,
  type SessionFacts,
  type TrackedChange,
  type TrackerOptions,
  type TrackerSnapshot,
} from "./ddl/core/schema-tracker.ts";
export {
  ddlEventTypes,
  mapTables,
  type QualifiedName,
  splitStatement,
  statementRenames,
  statementSchema,
  statementTables,
  withDefaultSchema,
} from "./ddl/core/statement-operations.ts";
export { definitionToStatement, type TargetOptions, type TargetTable, targetCreateTable } from "./ddl/core/target-table.ts";
export { binlogErrors } from "./errors.ts";
export {
  emptyGtidSet,
  type GtidSet,
  gtidFlavorOf,
  gtidSetContains,
  gtidSetSubtract,
  gtidSetUnion,
  parseGtidSet,
} from "./gtid/gtid-set.ts";
export { type MariadbGtid, MariadbGtidSet, parseMariadbGtidSet } from "./gtid/mariadb-gtid-set.ts";
export { MysqlGtidSet, parseMysqlGtidSet } from "./gtid/mysql-gtid-set.ts";
