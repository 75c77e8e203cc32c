/** Coded errors of reading binlogs, in the product's table. */
import { define } from "@skein/base";

export const binlogErrors = {
  /** The source refused, hung up for good, or sent what cannot be read. */
  getEvent: define({
    code: 36069,
    class: "sync-unit",
    scope: "upstream",
    level: "high",
    message: (what: string) => `get binlog event error: ${what}`,
    workaround: "Please check if the binlog file could be parsed by `mysqlbinlog`.",
  }),
  /** A local file cannot be read as a binlog; the cause says where and why. */
  parseFile: define({
    code: 11038,
    class: "functional",
    scope: "internal",
    level: "high",
    message: (file: string) => `parse relay log file ${file}`,
  }),
  /** The row images in the log and the tracked structure of the table do not have the same columns. */
  columnCount: define({
    code: 36027,
    class: "sync-unit",
    scope: "internal",
    level: "high",
    message: (tracked: number, logged: number) => `Column count doesn't match value count: ${tracked} (columns) vs ${logged} (values)`,
    workaround: "Please check the log files to see if a related DDL has been skipped, and use `binlog-schema update` to set the structure.",
  }),
  /** A statement was logged as text instead of rows. */
  statementFormat: define({
    code: 36014,
    class: "sync-unit",
    scope: "internal",
    level: "high",
    message: () => "only support ROW format binlog, unexpected DML statement found in query event",
    workaround: "Please set `binlog_format=ROW` on the source for all sessions, and start again from after this statement.",
  }),
};
