/** Coded errors of DDL handling; numbers and texts are those of DM's error list. */
import { type CodedError, define } from "@skein/base";

export const ddlErrors = {
  /** The text is not a statement that MySQL or MariaDB knows; the cause says where. */
  parse: define({
    code: 36067,
    class: "sync-unit",
    scope: "internal",
    level: "high",
    message: (sql: string) => `parse DDL: ${sql}`,
    workaround:
      "Check that the source ran this statement as shown. `dmctl binlog skip` passes over it, `dmctl binlog replace` runs another in its place, and a binlog event filter ignores statements like it.",
  }),
  /** The statement does not fit the structures that were tracked so far. */
  track: define({
    code: 44006,
    class: "schema-tracker",
    scope: "internal",
    level: "high",
    message: (what: string) => `cannot track DDL: ${what}`,
    workaround:
      "Compare the tracked structure (`dmctl binlog-schema list`) with the source's SHOW CREATE TABLE, and set it with `dmctl binlog-schema update` when they differ.",
  }),
  /** The table, or a statement about it, has no equal in the target's family. */
  noEqual: define({
    code: 44020,
    class: "schema-tracker",
    scope: "downstream",
    level: "high",
    message: (dialect: string, what: string) => `the target (${dialect}) has no equal of ${what}`,
    workaround: "Create the table in the target yourself in a form that fits, or leave it out with the block-allow-list.",
  }),
};

/** Where in the text parsing stopped. */
class DdlSyntaxError extends Error {
  /** Characters from the start of the text, from 0. */
  readonly offset: number;
  /** From 1. */
  readonly line: number;
  /** Characters, from 1. */
  readonly column: number;

  constructor(text: string, offset: number, why: string) {
    let line = 1;
    let lineStart = 0;
    for (let at = text.indexOf("\n"); at !== -1 && at < offset; at = text.indexOf("\n", at + 1)) {
      line += 1;
      lineStart = at + 1;
    }
    super(`line ${line} column ${offset - lineStart + 1} near "${excerpt(text, offset)}": ${why}`);
    this.name = "DdlSyntaxError";
    this.offset = offset;
    this.line = line;
    this.column = offset - lineStart + 1;
  }
}

const excerptCharactersMax = 80;
const statementCharactersMax = 2_000;

function excerpt(text: string, offset: number): string {
  const end = offset + excerptCharactersMax;
  return text.length > end ? `${text.slice(offset, end)}…` : text.slice(offset);
}

export function parseError(text: string, offset: number, why: string): CodedError {
  const shown = text.length > statementCharactersMax ? `${text.slice(0, statementCharactersMax)}…` : text;
  return ddlErrors.parse([shown], new DdlSyntaxError(text, offset, why));
}
