/** Names of the bits of `sql_mode` as the binlog carries them. Bits above 31 differ between the families. */
const common = [
  "REAL_AS_FLOAT",
  "PIPES_AS_CONCAT",
  "ANSI_QUOTES",
  "IGNORE_SPACE",
  "IGNORE_BAD_TABLE_OPTIONS",
  "ONLY_FULL_GROUP_BY",
  "NO_UNSIGNED_SUBTRACTION",
  "NO_DIR_IN_CREATE",
  "POSTGRESQL",
  "ORACLE",
  "MSSQL",
  "DB2",
  "MAXDB",
  "NO_KEY_OPTIONS",
  "NO_TABLE_OPTIONS",
  "NO_FIELD_OPTIONS",
  "MYSQL323",
  "MYSQL40",
  "ANSI",
  "NO_AUTO_VALUE_ON_ZERO",
  "NO_BACKSLASH_ESCAPES",
  "STRICT_TRANS_TABLES",
  "STRICT_ALL_TABLES",
  "NO_ZERO_IN_DATE",
  "NO_ZERO_DATE",
  "ALLOW_INVALID_DATES",
  "ERROR_FOR_DIVISION_BY_ZERO",
  "TRADITIONAL",
  "NO_AUTO_CREATE_USER",
  "HIGH_NOT_PRECEDENCE",
  "NO_ENGINE_SUBSTITUTION",
  "PAD_CHAR_TO_FULL_LENGTH",
] as const;
const upper = {
  mysql: ["TIME_TRUNCATE_FRACTIONAL"],
  mariadb: ["EMPTY_STRING_IS_NULL", "SIMULTANEOUS_ASSIGNMENT", "TIME_ROUND_FRACTIONAL"],
} as const;

export function sqlModeNames(bits: bigint, flavor: "mysql" | "mariadb"): string[] {
  return [...common, ...upper[flavor]].filter((_, bit) => ((bits >> BigInt(bit)) & 1n) === 1n);
}
