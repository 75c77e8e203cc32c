/** What the integration tests of the copy share: a subtask between two servers, tables of every type, equality. */
import { nodeWorld, Secret } from "@skein/base";
import { type MysqlEndpoint, openConnection, parseCreateTable } from "@skein/mysql";
import type { DatabaseServer } from "@skein/servers";
import { emptyTableFilter, type SubtaskConfig } from "../../config/subtask-config.ts";
import { bytesOf } from "../../target/core/meta-tables.ts";
import { testSubtask } from "../../testing/subtask.ts";
import { copyColumns } from "../core/columns.ts";

export const world = nodeWorld();
export const never: AbortSignal = new AbortController().signal;

export function endpoint(server: DatabaseServer): MysqlEndpoint {
  return { host: server.host, port: server.port, user: server.user, password: new Secret(server.password) };
}

export function subtask(source: DatabaseServer, target: DatabaseServer, change: Partial<SubtaskConfig> = {}): SubtaskConfig {
  return testSubtask(source, target, {
    name: "t",
    mode: "full",
    caseSensitive: false,
    blockAllowList: { ...emptyTableFilter, ignoreDbs: ["dm_meta"] },
    ...change,
  });
}

/** Each row as one text with the bytes of every value, sorted. JSON is compared as what it means. */
export async function rowsOf(server: DatabaseServer, tableName: string): Promise<string[]> {
  const table = bytesOf(tableName);
  await using connection = await openConnection(world, endpoint(server), { mode: "bytes", session: { time_zone: "+00:00" } });
  const create = await connection.query(`SHOW CREATE TABLE ${table}`);
  const definition = parseCreateTable(Buffer.from(create.rows[0]?.[1] ?? "", "latin1").toString("utf8"), {
    schema: "d",
    flavor: connection.flavor,
  });
  const columns = copyColumns(definition, null, []);
  if ("missing" in columns) throw new Error("a table fits itself");
  const { rows, columns: facts } = await connection.query(`SELECT ${columns.select} FROM ${table}`);
  const isJson = (name: string) => /json/i.test(name);
  return rows
    .map((row) =>
      JSON.stringify(row.map((value, index) => (value !== null && isJson(facts[index]?.name ?? "") ? JSON.parse(value) : value))),
    )
    .sort();
}

/** One table with every type that both families have, and rows at their edges. */
export const everyType = String.raw`
CREATE TABLE d.every_type (
  id INT PRIMARY KEY, a TINYINT, b SMALLINT UNSIGNED, c MEDIUMINT, d BIGINT, e BIGINT UNSIGNED, f DECIMAL(65,30), g FLOAT, h DOUBLE, i BIT(1), j BIT(64),
  k DATE, l TIME(6), m DATETIME(6), n TIMESTAMP(3) NULL, o YEAR, p CHAR(10) CHARACTER SET latin1, q VARCHAR(100) CHARACTER SET utf8mb4, r VARCHAR(100) CHARACTER SET gbk,
  s TEXT CHARACTER SET utf8mb4, t BINARY(5), u VARBINARY(300), v LONGBLOB, w ENUM('a','é','it''s') CHARACTER SET utf8mb4, x SET('a','b c','日本') CHARACTER SET utf8mb4,
  js JSON, geo GEOMETRY, gen INT GENERATED ALWAYS AS (a + 1) STORED, ucs VARCHAR(50) CHARACTER SET ucs2, si VARCHAR(20) CHARACTER SET sjis, z INT(5) UNSIGNED ZEROFILL
) DEFAULT CHARSET utf8mb4;
INSERT INTO d.every_type (id) VALUES (0);
INSERT INTO d.every_type (id,a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q,r,s,t,u,v,w,x,js,geo,ucs,si,z) VALUES
 (1,-128,65535,-8388608,-9223372036854775808,18446744073709551615,'99999999999999999999999999999999999.999999999999999999999999999999',3.4028234e38,1.7976931348623157e308,b'1',18446744073709551615,'0000-00-00','838:59:59.000000','0000-00-00 00:00:00','1970-01-01 00:00:01.000',2155,'éß€','it''s \\ "q" 😀\n\t\r\0','啊中国',REPEAT('é',20000),x'0001000000',x'27275c5c00',REPEAT(x'00ff275c0a',70000),'é','a,日本','{"a":[1,2.5,null,"é😀\\"\\\\"],"b":{"c":true}}',ST_GeomFromText('POINT(1 2)'),'日本',_sjis x'835c',42),
 (2,127,0,8388607,9223372036854775807,0,'-0.000000000000000000000000000001',0.1,0.1,b'0',1,'9999-12-31','-838:59:59.000000','9999-12-31 23:59:59.999999','2038-01-19 03:14:07.999',1901,'','','','',x'',x'',x'','it''s','','[]',ST_GeomFromText('POINT(1.5 -2.25)',4326),'',NULL,0),
 (3,0,1,0,0,1,0,16777217,-5e-324,b'0',0,'2024-02-29','-00:00:01.900000','2024-02-29 12:34:56.100200','2024-03-31 01:30:00.000',0,'a','  a  ',_gbk x'815c',' ',x'ffffffffff',x'00',x'00','a','b c','"text"',ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1),LINESTRING(0 0,1 1))'),'a','a',99999),
 (4,0,1,0,0,1,0,123456.789,123456789012345680,b'0',9223372036854775808,'1000-01-01','23:59:59.999999','1000-01-01 00:00:00.000001','2000-03-01 00:00:00.5',2024,'a','\\N','\\','\\N',x'5c4e',x'5c',x'5c4e','a','a,b c,日本','null',NULL,'é','ｱ',1),
 (5,-1,1,-1,-1,1,1.5,-0.3333333,1e15,b'1',256,'2024-12-31','12:00:00','2024-12-31 00:00:00','2024-12-31 00:00:00',1999,'x','\'','\'','tab	here',x'09',x'0a0d',x'00','a','a','{}',NULL,'x','x',1);
`;
