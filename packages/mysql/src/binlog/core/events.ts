/** What a binlog says, as values. */
import type { GtidSet } from "../../gtid/gtid-set.ts";
import type { Position } from "./position.ts";
import type { TableMap } from "./table-map.ts";

export interface EventFacts {
  /** Seconds since 1970 by the source's clock: when the statement began. 0 for what the server makes up for the stream. */
  readonly timestamp: number;
  readonly serverId: number;
  /** With header and checksum, as it stands in the file; inside a compressed transaction: of the event itself. */
  readonly sizeBytes: number;
  /** Offset of the event's first byte; inside a compressed transaction: that of the whole. */
  readonly startOffset: number;
  /**
   * After this event. Its GTID set holds the transactions that are complete by then. To go on from here is possible when
   * `endsTransaction` is true or the event stands between transactions.
   */
  readonly end: Position;
  /** A transaction or a DDL is complete with this event. */
  readonly endsTransaction: boolean;
}

export interface FormatEvent extends EventFacts {
  readonly kind: "format";
  readonly binlogVersion: number;
  readonly serverVersion: string;
  readonly flavor: "mysql" | "mariadb";
  readonly hasChecksums: boolean;
}

export interface RotateEvent extends EventFacts {
  readonly kind: "rotate";
  readonly nextFile: string;
  readonly nextOffset: number;
  /** Made up by the server for the start of a stream; not in any file. */
  readonly isArtificial: boolean;
}

export interface QueryEvent extends EventFacts {
  readonly kind: "query";
  /** The session's default schema; empty when none. */
  readonly schema: string;
  /** Decoded from the session's client charset. */
  readonly sql: string;
  /** As logged. */
  readonly sqlBytes: Uint8Array;
  readonly errorCode: number;
  readonly executionSeconds: number;
  readonly threadId: number;
  /** Bits; `sqlModeNames` names them. Null when the log does not say. */
  readonly sqlMode: bigint | null;
  /** Collation ids of the session; null when the log does not say. */
  readonly clientCollation: number | null;
  readonly connectionCollation: number | null;
  readonly serverCollation: number | null;
  /** Of the default schema, when the log says. */
  readonly schemaCollation: number | null;
  /** What a charset without a collation meant in the session, where that is not the charset's own default. */
  readonly defaultCollations: readonly { readonly charset: string; readonly collation: number }[];
  readonly timeZone: string | null;
  /** `SET foreign_key_checks` … of the session: OPTION bits; null when the log does not say. */
  readonly foreignKeyChecks: boolean | null;
  readonly uniqueChecks: boolean | null;
  /** `announced`: an ALTER TABLE that MariaDB begins or gives up (`binlog_alter_two_phase`): it counts when it comes again as a statement. */
  readonly role: "begin" | "commit" | "rollback" | "savepoint" | "xa" | "announced" | "statement";
  readonly explicitDefaultsForTimestamp: boolean | null;
}

export interface XidEvent extends EventFacts {
  readonly kind: "xid";
  readonly xid: bigint;
}

export interface GtidEvent extends EventFacts {
  readonly kind: "gtid";
  /** `uuid:7`, `uuid:tag:7`, `0-1-7`; null for an anonymous transaction. */
  readonly gtid: string | null;
  /** Microseconds since 1970 of the commit on the server that the stream comes from, and on the first one; null when not logged. */
  readonly commitTimestampUs: bigint | null;
  readonly originalCommitTimestampUs: bigint | null;
  /** MySQL's logical clock: what may run beside it; null when not logged. */
  readonly lastCommitted: bigint | null;
  readonly sequenceNumber: bigint | null;
  /** MariaDB: transactions of one group commit share it; null when not logged. */
  readonly commitId: bigint | null;
  /** MariaDB: one event follows (a DDL), not BEGIN … COMMIT. */
  readonly isStandalone: boolean;
  readonly isDdl: boolean | null;
  /** MariaDB's two-phase ALTER: the start of one changes nothing yet, its commit does. */
  readonly alterPhase: "start" | "commit" | "rollback" | null;
  /** Of the whole transaction, with this event; null when not logged. */
  readonly transactionBytes: number | null;
}

/** The transactions before this file. */
export interface PreviousGtidsEvent extends EventFacts {
  readonly kind: "previousGtids";
  readonly gtidSet: GtidSet;
}

export interface TableMapEvent extends EventFacts {
  readonly kind: "tableMap";
  readonly table: TableMap;
}

export interface RowsEvent extends EventFacts {
  readonly kind: "rows";
  readonly action: "insert" | "update" | "delete";
  readonly table: TableMap;
  /** The last rows event of its statement. */
  readonly endsStatement: boolean;
  readonly foreignKeyChecks: boolean;
  readonly uniqueChecks: boolean;
  /** A bit per column that the images hold. */
  readonly beforeColumns: Uint8Array | null;
  readonly afterColumns: Uint8Array | null;
  /** The after images may hold JSON as differences. */
  readonly isPartial: boolean;
  /** The images; `createRowDecoder` reads them. */
  readonly rowBytes: Buffer;
}

/** The statement behind the rows events that follow (MySQL's rows query, MariaDB's annotate). */
export interface RowsQueryEvent extends EventFacts {
  readonly kind: "rowsQuery";
  readonly sql: string;
}

/** Nothing new: the source has got so far. Comes in streams only. */
export interface HeartbeatEvent extends EventFacts {
  readonly kind: "heartbeat";
}

export interface XaPrepareEvent extends EventFacts {
  readonly kind: "xaPrepare";
  /** `X'…',X'…',1` */
  readonly xid: string;
  readonly onePhase: boolean;
}

/** The source lost events: what follows does not build on what came before. */
export interface IncidentEvent extends EventFacts {
  readonly kind: "incident";
  readonly incident: number;
  readonly message: string;
}

/** Comes only before a statement that was logged as text: INSERT_ID, RAND seeds, a user variable, LOAD DATA's file. */
export interface StatementContextEvent extends EventFacts {
  readonly kind: "statementContext";
  readonly what: "intvar" | "rand" | "userVariable" | "loadData";
  /** For people. */
  readonly detail: string;
}

export interface StopEvent extends EventFacts {
  readonly kind: "stop";
}

/** Carries nothing for a reader of rows: binlog checkpoints, group replication's views, events marked as ignorable. */
export interface OtherEvent extends EventFacts {
  readonly kind: "other";
  readonly type: number;
}

export type BinlogEvent =
  | FormatEvent
  | RotateEvent
  | QueryEvent
  | XidEvent
  | GtidEvent
  | PreviousGtidsEvent
  | TableMapEvent
  | RowsEvent
  | RowsQueryEvent
  | HeartbeatEvent
  | XaPrepareEvent
  | IncidentEvent
  | StatementContextEvent
  | StopEvent
  | OtherEvent;
