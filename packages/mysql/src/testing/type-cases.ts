/** Column types with the values at their edges: what the binlog says of them must be what SELECT says. */
import type { ColumnType } from "../core/table.ts";

export interface TypeCase {
  readonly sql: string;
  /** As the DDL tracker would have it; what logs with minimal metadata leave out. */
  readonly type: ColumnType;
  /** SQL literals; NULL is added. */
  readonly values: readonly string[];
  /** What to select in place of the column (`v`). */
  readonly select?: string;
  readonly only?: "mysql" | "mariadb";
  /** The first version that has it, as in versioned comments. */
  readonly since?: number;
}

/** The cases that a server has. */
export const casesFor = (family: "mysql" | "mariadb", version: number): TypeCase[] =>
  typeCases.filter(({ only, since }) => (only ?? family) === family && (since ?? 0) <= version);

const integers = (name: "tinyint" | "smallint" | "mediumint" | "int" | "bigint", bits: bigint): TypeCase[] => [
  { sql: name, type: { name }, values: [`${-(1n << (bits - 1n))}`, "-1", "0", "1", `${(1n << (bits - 1n)) - 1n}`] },
  { sql: `${name} unsigned`, type: { name, unsigned: true }, values: ["0", "1", `${1n << (bits - 1n)}`, `${(1n << bits) - 1n}`] },
];

const decimals = (precision: number, decimals: number): TypeCase => {
  const whole = "9".repeat(precision - decimals) || "0";
  const digits = decimals === 0 ? whole : `${whole}.${"9".repeat(decimals)}`;
  const small = decimals === 0 ? "1" : `0.${"0".repeat(decimals - 1)}1`;
  const middle = decimals === 0 ? "0" : `0.${"123456789".repeat(5).slice(0, decimals)}`;
  return {
    sql: `decimal(${precision},${decimals})`,
    type: { name: "decimal", length: precision, decimals },
    values: ["0", small, `-${small}`, digits, `-${digits}`, middle, `-${middle}`],
  };
};

const fractions = [0, 1, 2, 3, 4, 5, 6] as const;
const part = (digits: number, text: string) => (digits === 0 ? "" : `.${text.slice(0, digits)}`);

const texts = ["''", "'a'", "'  spaces  '", "'it''s \\\\ \\n\\0 \"q\"'", `REPEAT('x', 250)`];
const wide = ["'é😀ß'", "'日本語'", "'\u0000\u001f'"];
const members = ["a", "b c", "é", "日本", "it's", "😀"] as const;
const setBits = Array.from({ length: 64 }, (_, bit) => `m${bit}`);
const quotedList = (items: readonly string[]) => items.map((item) => `'${item.replaceAll("'", "''")}'`).join(",");

export const typeCases: readonly TypeCase[] = [
  ...integers("tinyint", 8n),
  ...integers("smallint", 16n),
  ...integers("mediumint", 24n),
  ...integers("int", 32n),
  ...integers("bigint", 64n),
  {
    sql: "bigint",
    type: { name: "bigint" },
    values: ["9007199254740991", "9007199254740992", "-9007199254740991", "-9007199254740993", "-4294967296", "4294967295"],
  },
  decimals(1, 0),
  decimals(5, 2),
  decimals(9, 9),
  decimals(10, 0),
  decimals(18, 9),
  decimals(20, 1),
  decimals(38, 30),
  decimals(65, 0),
  decimals(65, 30),
  {
    sql: "float",
    type: { name: "float" },
    values: ["0", "1", "-1.5", "0.1", "3.4028234e38", "1.17549435e-38", "16777217", "123456.789", "1e-45", "-0.3333333"],
    select: "v + 0e0",
  },
  {
    sql: "double",
    type: { name: "double" },
    values: ["0", "0.1", "-1.5", "1.7976931348623157e308", "2.2250738585072014e-308", "5e-324", "123456789012345678", "1e15", "1e-7"],
  },
  { sql: "bit(1)", type: { name: "bit", length: 1 }, values: ["b'0'", "b'1'"], select: "v + 0" },
  { sql: "bit(9)", type: { name: "bit", length: 9 }, values: ["b'0'", "b'100000001'", "511"], select: "v + 0" },
  { sql: "bit(53)", type: { name: "bit", length: 53 }, values: ["0", "9007199254740991"], select: "v + 0" },
  {
    sql: "bit(64)",
    type: { name: "bit", length: 64 },
    values: ["0", "18446744073709551615", "9223372036854775808", "42"],
    select: "v + 0",
  },
  { sql: "year", type: { name: "year" }, values: ["0", "1901", "2155", "2024"] },
  {
    sql: "date",
    type: { name: "date" },
    values: ["'0000-00-00'", "'0000-01-01'", "'1000-01-01'", "'9999-12-31'", "'2024-02-29'", "'2024-00-00'", "'2023-01-00'"],
  },
  ...fractions.flatMap((digits): TypeCase[] => [
    {
      sql: `time(${digits})`,
      type: { name: "time", decimals: digits },
      values: [
        "'00:00:00'",
        `'838:59:59${part(digits, "000000")}'`,
        `'-838:59:59${part(digits, "000000")}'`,
        `'-00:00:00${part(digits, "123456") || ".0"}'`,
        `'-00:00:01${part(digits, "900000")}'`,
        `'-12:34:56${part(digits, "100001")}'`,
        `'23:59:59${part(digits, "999999")}'`,
      ],
    },
    {
      sql: `datetime(${digits})`,
      type: { name: "datetime", decimals: digits },
      values: [
        "'0000-00-00 00:00:00'",
        `'1000-01-01 00:00:00${part(digits, "000001")}'`,
        `'9999-12-31 23:59:59${part(digits, "999999")}'`,
        `'2024-02-29 12:34:56${part(digits, "100200")}'`,
      ],
    },
    {
      sql: `timestamp(${digits}) NULL`,
      type: { name: "timestamp", decimals: digits },
      values: [
        "'0000-00-00 00:00:00'",
        `'1970-01-01 00:00:01${part(digits, "000000")}'`,
        `'2038-01-19 03:14:07${part(digits, "000000")}'`,
        `'2024-02-29 23:59:59${part(digits, "987654")}'`,
        `'2000-03-01 00:00:00${part(digits, "5")}'`,
      ],
    },
  ]),
  { sql: "char(255) character set utf8mb4", type: { name: "char", length: 255, charset: "utf8mb4" }, values: [...texts, ...wide] },
  { sql: "char(3) character set latin1", type: { name: "char", length: 3, charset: "latin1" }, values: ["''", "'a'", "'éß€'", "'a  '"] },
  { sql: "char(200) character set ucs2", type: { name: "char", length: 200, charset: "ucs2" }, values: ["''", "'a'", "'日本'", "'a  '"] },
  { sql: "varchar(300) character set utf8mb4", type: { name: "varchar", length: 300, charset: "utf8mb4" }, values: [...texts, ...wide] },
  { sql: "varchar(255) character set latin1", type: { name: "varchar", length: 255, charset: "latin1" }, values: [...texts, "'éß€'"] },
  {
    sql: "varchar(100) character set gbk",
    type: { name: "varchar", length: 100, charset: "gbk" },
    values: ["''", "_gbk x'815c'", "'啊中国'"],
  },
  {
    sql: "varchar(20000) character set latin1",
    type: { name: "varchar", length: 20000, charset: "latin1" },
    values: ["''", "REPEAT('é', 20000)"],
  },
  { sql: "varchar(100) character set utf16", type: { name: "varchar", length: 100, charset: "utf16" }, values: ["''", "'é😀'"] },
  { sql: "binary(5)", type: { name: "binary", length: 5 }, values: ["''", "'ab'", "x'0001000000'", "x'ffffffffff'", "'a    '"] },
  { sql: "binary(255)", type: { name: "binary", length: 255 }, values: ["''", "REPEAT(x'00ff', 100)"] },
  { sql: "varbinary(300)", type: { name: "varbinary", length: 300 }, values: ["''", "x'00'", "x'27275c5c'", "REPEAT(x'00', 300)"] },
  { sql: "tinytext character set utf8mb4", type: { name: "tinytext", charset: "utf8mb4" }, values: [...texts, ...wide] },
  { sql: "text character set gbk", type: { name: "text", charset: "gbk" }, values: ["''", "_gbk x'815c'", "'啊中国'"] },
  { sql: "mediumtext character set utf8mb4", type: { name: "mediumtext", charset: "utf8mb4" }, values: [...wide, "REPEAT('é', 100000)"] },
  { sql: "longtext character set utf8mb4", type: { name: "longtext", charset: "utf8mb4" }, values: [...wide, "REPEAT('é', 100000)"] },
  { sql: "tinyblob", type: { name: "tinyblob" }, values: ["''", "x'00'", "REPEAT(x'ff', 255)"] },
  { sql: "blob", type: { name: "blob" }, values: ["''", "x'00'", "REPEAT(x'ff', 65535)"] },
  { sql: "mediumblob", type: { name: "mediumblob" }, values: ["''", "x'00'", "REPEAT(x'ff', 70000)"] },
  { sql: "longblob", type: { name: "longblob" }, values: ["''", "x'00'", "REPEAT(x'ff', 70000)"] },
  ...["utf8mb4", "latin1"].map((charset): TypeCase => {
    const usable = charset === "latin1" ? members.filter((member) => /^[\u0020-\u00ff]*$/.test(member)) : members;
    return {
      sql: `enum(${quotedList(usable)}) character set ${charset}`,
      type: { name: "enum", members: usable, charset },
      values: usable.map((member) => quotedList([member])),
      select: "CONVERT(v USING utf8mb4)",
    };
  }),
  {
    sql: `enum(${quotedList(Array.from({ length: 300 }, (_, index) => `v${index}`))})`,
    type: { name: "enum", members: Array.from({ length: 300 }, (_, index) => `v${index}`), charset: "utf8mb4" },
    values: ["'v0'", "'v254'", "'v255'", "'v256'", "'v299'"],
  },
  {
    sql: `set(${quotedList(members)}) character set utf8mb4`,
    type: { name: "set", members, charset: "utf8mb4" },
    values: ["''", "'a'", "'a,é,😀'", "'b c,it''s'"],
  },
  {
    sql: `set(${quotedList(setBits)})`,
    type: { name: "set", members: setBits, charset: "utf8mb4" },
    values: ["''", "'m0,m63'", `'${setBits.join(",")}'`, "'m52,m53'"],
  },
  {
    sql: "json",
    type: { name: "json" },
    values: [
      "'{}'",
      "'[]'",
      "'null'",
      "'true'",
      "'\"text\"'",
      "'[1,-1,32767,32768,-32769,65535,65536,2147483648,-2147483649,4294967296,9223372036854775807,18446744073709551615,-9223372036854775808]'",
      "'[0.1,1.5,1e10,1e20,1e100,1e-5,1e-7,123456789012345680000,-0.5,5e-324,1.7976931348623157e308,3.0,1e15,1e16,1e17,123456.789,0.0001,0.00001234,-0.0,0.0,1.2345678901234567e15,1.2345678901234568e16,1.5e15,1e14,1e-15,1e-16,1.5e-14]'",
      `'{"b":1,"a":{"z":[{"y":null},[[]],{}]},"long key":"é😀","":"empty"}'`,
      `'{"q":"\\\\"\\\\\\\\\\\\/\\\\b\\\\f\\\\n\\\\r\\\\t\\\\u0001\\\\u001f\\\\u007f","u":"\\\\u00e9\\\\ud83d\\\\ude00"}'`,
    ],
  },
  {
    sql: "json",
    only: "mysql",
    type: { name: "json" },
    values: [
      "JSON_ARRAY(CAST(1.50 AS DECIMAL(10,2)), CAST(-12345678901234567890.123456789 AS DECIMAL(40,9)), CAST('2024-02-29' AS DATE), CAST('2024-02-29 01:02:03.000004' AS DATETIME(6)), CAST('-12:34:56.5' AS TIME(6)), CAST('838:59:59' AS TIME))",
      "JSON_ARRAY(TIMESTAMP'2024-01-01 00:00:00', x'00ff', CAST('bin' AS BINARY), CAST(b'1011' AS JSON))",
      "JSON_OBJECT('blob', REPEAT(x'00ff', 100))",
      "JSON_OBJECT('many', CAST(CONCAT('[', REPEAT('12345,', 20000), '0]') AS JSON))",
      "JSON_OBJECT('big', REPEAT('x', 70000), 'other', 100000)",
    ],
  },
  {
    sql: "geometry",
    type: { name: "geometry" },
    values: [
      "ST_GeomFromText('POINT(1 2)')",
      "ST_GeomFromText('POINT(1.5 -2.25)', 4326)",
      "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))')",
    ],
  },
  { sql: "polygon", type: { name: "polygon" }, values: ["ST_GeomFromText('POLYGON((0 0,0 1,1 1,0 0))')"] },
  {
    sql: "vector(3)",
    only: "mysql",
    since: 90_000,
    type: { name: "vector", length: 3 },
    values: ["TO_VECTOR('[1,2,3]')", "TO_VECTOR('[-0.5,0,1e10]')"],
  },
  {
    sql: "vector(3)",
    only: "mariadb",
    since: 110_700,
    type: { name: "vector", length: 3 },
    values: ["VEC_FromText('[1,2,3]')", "VEC_FromText('[-0.5,0,1e10]')"],
  },
  ...[0, 6].map(
    (digits): TypeCase => ({
      sql: `timestamp(${digits}) NULL`,
      only: "mariadb",
      since: 110_500, // before, time ends in 2038
      type: { name: "timestamp", decimals: digits },
      values: [`'2038-01-19 03:14:08${part(digits, "000000")}'`, `'2106-02-07 06:28:15${part(digits, "999999")}'`],
    }),
  ),
  {
    sql: "varchar(1000) compressed",
    only: "mariadb",
    type: { name: "varchar", length: 1000, charset: "utf8mb4" },
    values: ["''", "'short'", "REPEAT('abc', 300)", "'é'"],
  },
  { sql: "blob compressed", only: "mariadb", type: { name: "blob" }, values: ["''", "x'00'", "REPEAT('abc', 3000)"] },
  {
    sql: "longtext compressed character set utf8mb4",
    only: "mariadb",
    type: { name: "longtext", charset: "utf8mb4" },
    values: ["''", "REPEAT('é', 30000)"],
  },
  {
    sql: "inet6",
    only: "mariadb",
    type: { name: "inet6" },
    values: ["'::'", "'2001:db8::ff00:0'", "'ffff::'"],
    select: "CAST(v AS BINARY(16))",
  },
  {
    sql: "inet4",
    only: "mariadb",
    type: { name: "inet4" },
    values: ["'0.0.0.0'", "'192.168.0.0'", "'255.255.255.255'"],
    select: "CAST(v AS BINARY(4))",
  },
  {
    sql: "uuid",
    only: "mariadb",
    type: { name: "uuid" },
    values: [
      "'00000000-0000-0000-0000-000000000000'",
      "'123e4567-e89b-12d3-a456-426655440000'",
      "'f47ac10b-58cc-4372-a567-0e02b2c3d479'",
      "'018f0000-0000-7000-8000-000000000000'",
    ],
    select: "CAST(v AS BINARY(16))",
  },
];
