export { type MysqlEndpoint } from "./client/authenticate.ts";
export {
  type Connection,
  type ConnectionMode,
  type ConnectionOptions,
  type ExecuteResult,
  openConnection,
  type ResultSet,
  type RowPacketBatch,
} from "./client/connection.ts";
export { MysqlConnectionError, MysqlServerError } from "./client/errors.ts";
export { createPool, type Lease, type Pool, type PoolOptions } from "./client/pool.ts";
export { quoteByteString, quoteIdentifier, quoteTable, quoteText } from "./core/quote.ts";
export type { ResultColumn } from "./core/result-packets.ts";
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
