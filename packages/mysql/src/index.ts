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
