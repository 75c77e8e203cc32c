/**
 * Query events: a statement as text, with the session that ran it.
 *
 *   thread u32 · seconds u32 · schema length u8 · error u16 · status length u16 · status · schema · 0 · SQL
 *   status: { number u8 · value of a size by number } …
 */
import { ByteReader } from "@skein/base";
import { charsetOfCollation, decodeText } from "../../core/charset.ts";
import type { QueryEvent } from "./events.ts";

type Session = Pick<
  QueryEvent,
  | "sqlMode"
  | "clientCollation"
  | "connectionCollation"
  | "serverCollation"
  | "schemaCollation"
  | "defaultCollations"
  | "timeZone"
  | "foreignKeyChecks"
  | "uniqueChecks"
  | "explicitDefaultsForTimestamp"
>;
export type QueryFields = Session &
  Pick<QueryEvent, "schema" | "sql" | "sqlBytes" | "errorCode" | "executionSeconds" | "threadId" | "role">;

/** Option bits in the status. */
const noForeignKeyChecks = 1 << 26;
const relaxedUniqueChecks = 1 << 27;

/** Flags of an ALTER TABLE in two phases. */
const alterBegun = 2;
const alterCommitted = 4;
const alterGivenUp = 8;

/** `expand` unpacks the SQL of a compressed query event. */
export function parseQuery(body: Buffer, expand: ((bytes: Buffer) => Buffer) | null): QueryFields {
  const reader = new ByteReader(body);
  const threadId = reader.u32();
  const executionSeconds = reader.u32();
  const schemaLength = reader.u8();
  const errorCode = reader.u16();
  const statusLength = reader.u16();
  const { isAnnounced, ...session } = parseStatus(new ByteReader(reader.bytes(statusLength)));
  const schemaAt = reader.skip(schemaLength);
  const schema = body.toString("utf8", schemaAt, schemaAt + schemaLength);
  reader.skip(1);
  const rest = body.subarray(reader.offset);
  const sqlBytes = expand === null ? rest : expand(rest);
  const charset = session.clientCollation === null ? null : charsetOfCollation(session.clientCollation);
  const sql = decodeText(sqlBytes, charset);
  return { ...session, schema, sql, sqlBytes, errorCode, executionSeconds, threadId, role: isAnnounced ? "announced" : roleOf(sql) };
}

interface Status extends Session {
  /** Nothing is done by it yet, or any more. */
  readonly isAnnounced: boolean;
}

function parseStatus(reader: ByteReader): Status {
  const session: { -readonly [Key in keyof Status]: Status[Key] } = {
    isAnnounced: false,
    sqlMode: null,
    clientCollation: null,
    connectionCollation: null,
    serverCollation: null,
    schemaCollation: null,
    defaultCollations: [],
    timeZone: null,
    foreignKeyChecks: null,
    uniqueChecks: null,
    explicitDefaultsForTimestamp: null,
  };
  while (reader.left > 0) {
    switch (reader.u8()) {
      case 0: {
        const options = reader.u32();
        session.foreignKeyChecks = (options & noForeignKeyChecks) === 0;
        session.uniqueChecks = (options & relaxedUniqueChecks) === 0;
        break;
      }
      case 1:
        session.sqlMode = reader.u64();
        break;
      case 2: // catalog with a zero at its end
        reader.skip(reader.u8() + 1);
        break;
      case 3: // auto_increment increment and offset
        reader.skip(4);
        break;
      case 4:
        session.clientCollation = reader.u16();
        session.connectionCollation = reader.u16();
        session.serverCollation = reader.u16();
        break;
      case 5:
        session.timeZone = Buffer.from(reader.bytes(reader.u8())).toString("latin1");
        break;
      case 6: // catalog
        reader.skip(reader.u8());
        break;
      case 7: // lc_time_names
        reader.skip(2);
        break;
      case 8:
        session.schemaCollation = reader.u16();
        break;
      case 9: // tables of a multi-table update
        reader.skip(8);
        break;
      case 10: // bytes written
        reader.skip(4);
        break;
      case 11: // invoker: user, host
        reader.skip(reader.u8());
        reader.skip(reader.u8());
        break;
      case 12: {
        const count = reader.u8();
        if (count !== 254) for (let index = 0; index < count; index++) reader.untilZero();
        break;
      }
      case 13: // microseconds
      case 128:
        reader.skip(3);
        break;
      case 16:
        session.explicitDefaultsForTimestamp = reader.u8() !== 0;
        break;
      case 17: // ddl xid
      case 129:
        reader.skip(8);
        break;
      case 18:
        session.defaultCollations = [{ charset: "utf8mb4", collation: reader.u16() }];
        break;
      case 19: // sql_require_primary_key
      case 20: // default_table_encryption
        reader.skip(1);
        break;
      case 130: {
        // MariaDB: an ALTER TABLE in two phases; those that end one name the transaction that began it
        const phase = reader.u8();
        if ((phase & (alterCommitted | alterGivenUp)) !== 0) reader.skip(8);
        session.isAnnounced = (phase & (alterBegun | alterGivenUp)) !== 0;
        break;
      }
      case 131: {
        // MariaDB's character_set_collations: the charset's own default collation, and the one in its place
        const pairs: { charset: string; collation: number }[] = [];
        for (let left = reader.u8(); left > 0; left--) {
          const charset = charsetOfCollation(reader.u16());
          const collation = reader.u16();
          if (charset !== null) pairs.push({ charset, collation });
        }
        session.defaultCollations = pairs;
        break;
      }
      default: // the size of what is not known is not known: the rest cannot be read, and nothing needs it
        return session;
    }
  }
  return session;
}

const savepointForm = /^(?:SAVEPOINT|RELEASE\s+SAVEPOINT|ROLLBACK\s+(?:WORK\s+)?TO)\b/i;

function roleOf(sql: string): QueryEvent["role"] {
  const head = sql.slice(0, 40).trimStart();
  if (/^(?:BEGIN|START\s+TRANSACTION)\b/i.test(head)) return "begin";
  if (/^COMMIT\b/i.test(head)) return "commit";
  if (savepointForm.test(head)) return "savepoint";
  if (/^ROLLBACK\b/i.test(head)) return "rollback";
  if (/^XA\s/i.test(head)) return "xa";
  return "statement";
}
