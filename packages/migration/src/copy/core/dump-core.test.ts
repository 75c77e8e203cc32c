import { expect, test } from "vitest";
import { dumpFileName, formatMetadata, parseDumpFileName, parseMetadata } from "./dump-files.ts";
import { rewriteInsert, SqlSplitter } from "./split-sql.ts";

test("file names carry any name and are read back", () => {
  for (const name of ["t", "a.b", "we/ird %", "日本", "x-schema", 'q"`']) {
    const data = { kind: "data", schema: name, table: name, number: "0000000010000" } as const;
    expect(parseDumpFileName(dumpFileName(data))).toEqual(data);
    expect(parseDumpFileName(dumpFileName({ kind: "schema", schema: name }))).toEqual({ kind: "schema", schema: name });
  }
  expect(parseDumpFileName("d.t-schema.sql")).toEqual({ kind: "table", schema: "d", table: "t" });
  expect(parseDumpFileName("d.v-schema-view.sql")).toBeNull();
  expect(parseDumpFileName("notes.txt")).toBeNull();
});

test("metadata: written as documented; GTIDs over several lines, a second location, and none are read", () => {
  const position = { file: "bin.000001", offset: 2022, gtidSet: null };
  const text = formatMetadata("2024-01-01 00:00:00", "2024-01-01 00:00:01", { position, after: { ...position, offset: 3000 } });
  expect(parseMetadata(text, "mysql")).toEqual({ position, after: { ...position, offset: 3000 } });
  const gtids = "24bc7850-2c16-11e6-a073-0242ac110002:1-9,\n24bc7850-2c16-11e6-a073-0242ac110003:1-5";
  const read = parseMetadata(
    `Started dump at: x\nSHOW BINARY LOG STATUS:\n\tLog: b.000002\n\tPos: 4\n\tGTID:${gtids}\n\nFinished dump at: y\n`,
    "mysql",
  );
  expect(read?.position.gtidSet?.toString()).toContain("110003:1-5");
  expect(parseMetadata("Started dump at: x\nFinished dump at: y\n", "mysql")).toBeNull();
  expect(() => parseMetadata("nonsense", "mysql")).toThrow(RangeError);
});

test("statements are the same wherever the stream is cut", () => {
  const text = "/*!40101 SET NAMES binary;*/;\nINSERT INTO `a``;` VALUES (1,'x;''\\';','\\\\'),(2,\";\");\n-- note;\n# note;\nSET a=1;";
  const whole = (() => {
    const splitter = new SqlSplitter({ statementBytesMax: 1000 });
    return [...splitter.feed(Buffer.from(text)), ...splitter.end()].map(({ statement, endOffset }) => [statement.toString(), endOffset]);
  })();
  expect(whole).toHaveLength(3);
  for (let cut = 1; cut < text.length; cut++) {
    const splitter = new SqlSplitter({ statementBytesMax: 1000 });
    const parts = [...splitter.feed(Buffer.from(text.slice(0, cut))), ...splitter.feed(Buffer.from(text.slice(cut))), ...splitter.end()];
    expect(parts.map(({ statement, endOffset }) => [statement.toString(), endOffset])).toEqual(whole);
  }
  const broken = new SqlSplitter({ statementBytesMax: 1000 });
  broken.feed(Buffer.from("INSERT INTO a VALUES ('x"));
  expect(() => broken.end()).toThrow("inside of a statement");
  expect(() => new SqlSplitter({ statementBytesMax: 10 }).feed(Buffer.from("x".repeat(100)))).toThrow("larger than 10");
});

test("an INSERT for another table keeps its rows", () => {
  const to = { verb: "REPLACE", name: "`x`.`y`", extraNames: [], extraLiterals: [] };
  expect(rewriteInsert("\nINSERT INTO `t` (`a`,`b``)`) VALUES\n(1,')'),(2,'')", to)).toBe(
    "REPLACE INTO `x`.`y` (`a`,`b``)`) VALUES (1,')'),(2,'')",
  );
  expect(rewriteInsert("INSERT INTO `d`.`t` VALUES (1)", to)).toBe("REPLACE INTO `x`.`y`  VALUES (1)");
  expect(rewriteInsert("INSERT INTO t (`a`) VALUES ('(\\')'),(NOW(6))", { ...to, extraNames: ["`p`"], extraLiterals: ["'1'"] })).toBe(
    "REPLACE INTO `x`.`y` (`a`,`p`) VALUES ('(\\')','1'),(NOW(6),'1')",
  );
  expect(rewriteInsert("DROP TABLE t", to)).toBeNull();
});
