/**
 * Events from bytes, one after the other: what has to be remembered between events is here (file and offset, checksums, table
 * maps, the GTIDs so far), and nothing else.
 *
 *   event: timestamp u32 · type u8 · server id u32 · size u32 · end offset u32 · flags u16 · body · [CRC-32 u32]
 *
 * The end offset has 32 bits only, so the decoder counts on its own and uses it to stay aligned: files over 4 GiB read right.
 */
import { ByteReader, ShortInputError } from "@skein/base";
import { readLength } from "../../core/result-packets.ts";
import type { GtidSet } from "../../gtid/gtid-set.ts";
import { MariadbGtidSet } from "../../gtid/mariadb-gtid-set.ts";
import { decodeMysqlGtidSet, MysqlGtidSet } from "../../gtid/mysql-gtid-set.ts";
import type { BinlogEvent, EventFacts, RowsEvent } from "./events.ts";
import { parseMariadbGtidEvent, parseMysqlGtid, parseTaggedGtid } from "./gtid-event.ts";
import { MalformedBinlogError } from "./malformed.ts";
import { firstOffset, type Position } from "./position.ts";
import { parseQuery } from "./query-event.ts";
import { parseTableMap, type TableMap } from "./table-map.ts";
import type { BinlogTools } from "./tools.ts";

export const headerBytes = 19;

/** Numbers of the event types. */
export const eventType = {
  query: 2,
  stop: 3,
  rotate: 4,
  intvar: 5,
  load: 6,
  createFile: 8,
  appendBlock: 9,
  execLoad: 10,
  deleteFile: 11,
  newLoad: 12,
  rand: 13,
  userVariable: 14,
  format: 15,
  xid: 16,
  beginLoadQuery: 17,
  executeLoadQuery: 18,
  tableMap: 19,
  writeRowsV0: 20,
  updateRowsV0: 21,
  deleteRowsV0: 22,
  writeRowsV1: 23,
  updateRowsV1: 24,
  deleteRowsV1: 25,
  incident: 26,
  heartbeat: 27,
  ignorable: 28,
  rowsQuery: 29,
  writeRowsV2: 30,
  updateRowsV2: 31,
  deleteRowsV2: 32,
  gtid: 33,
  anonymousGtid: 34,
  previousGtids: 35,
  transactionContext: 36,
  viewChange: 37,
  xaPrepare: 38,
  partialUpdateRows: 39,
  transactionPayload: 40,
  heartbeatV2: 41,
  taggedGtid: 42,
  annotateRows: 160,
  binlogCheckpoint: 161,
  mariadbGtid: 162,
  gtidList: 163,
  startEncryption: 164,
  queryCompressed: 165,
  writeRowsCompressedV1: 166,
  updateRowsCompressedV1: 167,
  deleteRowsCompressedV1: 168,
  writeRowsCompressedV2: 169,
  updateRowsCompressedV2: 170,
  deleteRowsCompressedV2: 171,
} as const;

const artificialFlag = 0x20;
const ignorableFlag = 0x80;
/** Table id of a rows event that only ends a statement. */
const dummyTableId = 0xff_ffff;
/** Table maps that are remembered. */
const tablesMax = 4096;

/** A compressed transaction; whoever drives the decoder unpacks it and hands its events to `decodeInner`. */
export interface Payload {
  readonly kind: "payload";
  readonly compression: "zstd" | "none";
  readonly data: Buffer;
  readonly uncompressedBytes: number;
}

export interface DecoderOptions {
  readonly tools: BinlogTools;
  /** Events are read from a file, not from a server's stream. */
  readonly fromFile: boolean;
  readonly start: Position;
  /** Whether events have checksums before a format description says so: in streams the first one is an artificial rotation. */
  readonly hasChecksums?: boolean;
  /** Largest event, and largest unpacked part of one. */
  readonly eventBytesMax: number;
}

export class BinlogDecoder {
  readonly #tools: BinlogTools;
  readonly #fromFile: boolean;
  readonly #eventBytesMax: number;
  #file: string;
  #offset: number;
  #gtidSet: GtidSet | null;
  #pendingGtid: string | null = null;
  #inTransaction = false;
  #hasChecksums = false;
  #payloadStart = 0;
  #flavor: "mysql" | "mariadb" = "mysql";
  #tableIdBytes: 4 | 6 = 6;
  readonly #tables = new Map<number, { readonly body: Buffer; readonly map: TableMap }>();

  constructor(options: DecoderOptions) {
    this.#tools = options.tools;
    this.#fromFile = options.fromFile;
    this.#eventBytesMax = options.eventBytesMax;
    this.#hasChecksums = options.hasChecksums ?? false;
    this.#file = options.start.file;
    this.#offset = options.start.offset;
    this.#gtidSet = options.start.gtidSet;
  }

  /** After the last event. */
  get position(): Position {
    return { file: this.#file, offset: this.#offset, gtidSet: this.#gtidSet };
  }
  get isInTransaction(): boolean {
    return this.#inTransaction || this.#pendingGtid !== null;
  }
  get hasChecksums(): boolean {
    return this.#hasChecksums;
  }

  /** Goes on from another offset of the same file; the transaction that was under way is forgotten. */
  seek(offset: number): void {
    this.#offset = offset;
    this.#pendingGtid = null;
    this.#inTransaction = false;
  }

  /** One event, whole. The bytes stay in use by what is returned. Throws MalformedBinlogError. */
  decode(bytes: Buffer): BinlogEvent | Payload {
    return this.#guarded(() => this.#decode(bytes, true));
  }

  /** An event of a compressed transaction: no checksum, no place of its own. */
  decodeInner(bytes: Buffer): BinlogEvent {
    return this.#guarded(() => {
      const event = this.#decode(bytes, false);
      if (event.kind === "payload") throw new MalformedBinlogError("a compressed transaction inside of one");
      return event;
    });
  }

  #guarded<T>(run: () => T): T {
    try {
      return run();
    } catch (error) {
      if (error instanceof MalformedBinlogError) throw error;
      if (error instanceof ShortInputError || error instanceof RangeError || error instanceof TypeError) {
        throw new MalformedBinlogError(`an event cannot be read: ${error.message}`, { cause: error });
      }
      throw error;
    }
  }

  #decode(bytes: Buffer, isOuter: boolean): BinlogEvent | Payload {
    if (bytes.length < headerBytes) throw new MalformedBinlogError(`an event of ${bytes.length} bytes`);
    const type = bytes[4] as number;
    const sizeBytes = bytes.readUInt32LE(9);
    if (sizeBytes !== bytes.length) throw new MalformedBinlogError(`an event that says ${sizeBytes} bytes and has ${bytes.length}`);
    const flags = bytes.readUInt16LE(17);
    let end = bytes.length;
    if (type === eventType.format) this.#readFormat(bytes);
    if (isOuter && this.#hasChecksums) {
      end -= 4;
      if (end < headerBytes) throw new MalformedBinlogError("an event without its checksum");
      this.#verify(bytes, end);
    }
    const before = this.#offset;
    if (isOuter) this.#advance(type, flags, bytes.readUInt32LE(13), sizeBytes);
    // A stream leaves out events that nobody asked for: the start is where the end says, not where the last one ended.
    const startOffset = isOuter ? Math.max(before, this.#offset - sizeBytes) : this.#payloadStart;
    if (type === eventType.transactionPayload) this.#payloadStart = startOffset;
    const context: Context = {
      timestamp: bytes.readUInt32LE(0),
      serverId: bytes.readUInt32LE(5),
      sizeBytes,
      startOffset,
      flags,
      type,
    };
    return this.#body(type, bytes.subarray(headerBytes, end), context);
  }

  #verify(bytes: Buffer, end: number): void {
    const expected = bytes.readUInt32LE(end);
    if (this.#tools.crc32(bytes.subarray(0, end)) === expected) return;
    // The flag "in use" of a log that is open is set after its checksum was made.
    if (bytes[4] === eventType.format && ((bytes[17] as number) & 1) === 1) {
      const closed = Buffer.from(bytes.subarray(0, end));
      closed[17] = (closed[17] as number) & 0xfe;
      if (this.#tools.crc32(closed) === expected) return;
    }
    throw new MalformedBinlogError("binlog checksum mismatch, data may be corrupted");
  }

  /** Moves the offset to the end of this event; what the server makes up has no place in the file. */
  #advance(type: number, flags: number, endOffset: number, sizeBytes: number): void {
    if (type === eventType.heartbeat || type === eventType.heartbeatV2) return;
    if (type === eventType.rotate && (endOffset === 0 || (flags & artificialFlag) !== 0)) return;
    if (this.#fromFile) {
      this.#offset += sizeBytes;
      return;
    }
    if (type === eventType.format) {
      if (this.#offset <= firstOffset && endOffset !== 0) this.#offset = endOffset;
      return;
    }
    if (endOffset === 0) {
      // MariaDB from 11 on leaves it out within transactions, and has it right again at their end.
      if ((flags & artificialFlag) === 0) this.#offset += sizeBytes;
      return;
    }
    const wrap = 0x1_0000_0000;
    let aligned = this.#offset - (this.#offset % wrap) + endOffset;
    if (aligned < this.#offset) aligned += wrap;
    this.#offset = aligned;
  }

  #facts(context: Context, endsTransaction: boolean): EventFacts {
    return {
      timestamp: context.timestamp,
      serverId: context.serverId,
      sizeBytes: context.sizeBytes,
      startOffset: context.startOffset,
      end: { file: this.#file, offset: this.#offset, gtidSet: this.#gtidSet },
      endsTransaction,
    };
  }

  /** The transaction is complete: its GTID joins the set. */
  #complete(): true {
    this.#inTransaction = false;
    const gtid = this.#pendingGtid;
    this.#pendingGtid = null;
    if (gtid !== null && this.#gtidSet !== null) {
      // An empty set has no family of its own yet.
      if (this.#gtidSet.flavor === "mysql" && this.#flavor === "mysql") this.#gtidSet = this.#gtidSet.add(gtid);
      else if (this.#flavor === "mariadb")
        this.#gtidSet = (this.#gtidSet.flavor === "mariadb" ? this.#gtidSet : new MariadbGtidSet()).add(gtid);
      else this.#gtidSet = new MysqlGtidSet().add(gtid);
    }
    return true;
  }

  #body(type: number, body: Buffer, context: Context): BinlogEvent | Payload {
    switch (type) {
      case eventType.tableMap:
        return { kind: "tableMap", table: this.#tableMap(body), ...this.#facts(context, false) };
      case eventType.writeRowsV0:
      case eventType.writeRowsV1:
      case eventType.writeRowsV2:
      case eventType.writeRowsCompressedV1:
      case eventType.writeRowsCompressedV2:
        return this.#rows(body, context, "insert");
      case eventType.updateRowsV0:
      case eventType.updateRowsV1:
      case eventType.updateRowsV2:
      case eventType.partialUpdateRows:
      case eventType.updateRowsCompressedV1:
      case eventType.updateRowsCompressedV2:
        return this.#rows(body, context, "update");
      case eventType.deleteRowsV0:
      case eventType.deleteRowsV1:
      case eventType.deleteRowsV2:
      case eventType.deleteRowsCompressedV1:
      case eventType.deleteRowsCompressedV2:
        return this.#rows(body, context, "delete");
      case eventType.query:
      case eventType.queryCompressed:
        return this.#query(body, context, type === eventType.queryCompressed);
      case eventType.xid: {
        const xid = body.readBigUInt64LE(0);
        return { kind: "xid", xid, ...this.#facts(context, this.#complete()) };
      }
      case eventType.gtid:
      case eventType.anonymousGtid:
        return this.#gtid(parseMysqlGtid(body, type === eventType.anonymousGtid), context);
      case eventType.taggedGtid:
        return this.#gtid(parseTaggedGtid(body), context);
      case eventType.mariadbGtid:
        return this.#gtid(parseMariadbGtidEvent(body, context.serverId), context);
      case eventType.previousGtids:
        return this.#previous(decodeMysqlGtidSet(body), context);
      case eventType.gtidList:
        return this.#previous(parseGtidList(body), context);
      case eventType.rotate:
        return this.#rotate(body, context);
      case eventType.format:
        return this.#format(body, context);
      case eventType.rowsQuery:
        // The first byte is the length, cut to 8 bits: the rest of the event is the text.
        return { kind: "rowsQuery", sql: body.toString("utf8", 1), ...this.#facts(context, false) };
      case eventType.annotateRows:
        return { kind: "rowsQuery", sql: body.toString("utf8"), ...this.#facts(context, false) };
      case eventType.heartbeat:
      case eventType.heartbeatV2:
        return this.#heartbeat(body, context);
      case eventType.xaPrepare:
        return this.#xaPrepare(body, context);
      case eventType.incident: {
        const incident = body.readUInt16LE(0);
        const length = body[2] ?? 0;
        return { kind: "incident", incident, message: body.toString("utf8", 3, 3 + length), ...this.#facts(context, false) };
      }
      case eventType.transactionPayload:
        return parsePayload(body, this.#eventBytesMax);
      case eventType.stop:
        return { kind: "stop", ...this.#facts(context, false) };
      case eventType.intvar: {
        const name = body[0] === 1 ? "LAST_INSERT_ID" : "INSERT_ID";
        return { kind: "statementContext", what: "intvar", detail: `${name} = ${body.readBigUInt64LE(1)}`, ...this.#facts(context, false) };
      }
      case eventType.rand:
        return { kind: "statementContext", what: "rand", detail: "seeds of RAND()", ...this.#facts(context, false) };
      case eventType.userVariable: {
        const length = body.readUInt32LE(0);
        const name = body.toString("utf8", 4, 4 + Math.min(length, 256));
        return { kind: "statementContext", what: "userVariable", detail: `@${name}`, ...this.#facts(context, false) };
      }
      case eventType.load:
      case eventType.newLoad:
      case eventType.createFile:
      case eventType.appendBlock:
      case eventType.execLoad:
      case eventType.deleteFile:
      case eventType.beginLoadQuery:
      case eventType.executeLoadQuery:
        return { kind: "statementContext", what: "loadData", detail: "LOAD DATA logged as a statement", ...this.#facts(context, false) };
      case eventType.startEncryption:
        if (this.#fromFile) throw new MalformedBinlogError("the binlog file is encrypted: read it through its server");
        return { kind: "other", type, ...this.#facts(context, false) };
      case eventType.ignorable:
      case eventType.binlogCheckpoint:
      case eventType.transactionContext:
      case eventType.viewChange:
        return { kind: "other", type, ...this.#facts(context, false) };
      default:
        if ((context.flags & ignorableFlag) === 0) throw new MalformedBinlogError(`an event of type ${type}, which is not known`);
        return { kind: "other", type, ...this.#facts(context, false) };
    }
  }

  #tableMap(body: Buffer): TableMap {
    const tableId = this.#tableIdBytes === 6 ? body.readUIntLE(0, 6) : body.readUInt32LE(0);
    const known = this.#tables.get(tableId);
    if (known !== undefined && known.body.equals(body)) return known.map;
    const map = parseTableMap(body, this.#tableIdBytes, this.#flavor);
    if (this.#tables.size >= tablesMax) this.#tables.clear();
    this.#tables.set(tableId, { body: Buffer.from(body), map });
    return map;
  }

  #rows(body: Buffer, context: Context, action: RowsEvent["action"]): BinlogEvent {
    const { type } = context;
    const reader = new ByteReader(body);
    const tableId = this.#tableIdBytes === 6 ? reader.u48() : reader.u32();
    const flags = reader.u16();
    if (
      (type >= eventType.writeRowsV2 && type <= eventType.deleteRowsV2) ||
      type === eventType.partialUpdateRows ||
      type >= eventType.writeRowsCompressedV2
    ) {
      const extra = reader.u16();
      if (extra < 2) throw new MalformedBinlogError("a rows event of an unknown form");
      reader.skip(extra - 2);
    }
    if (tableId === dummyTableId) return { kind: "other", type, ...this.#facts(context, false) };
    const table = this.#tables.get(tableId)?.map;
    if (table === undefined) throw new MalformedBinlogError(`rows of table number ${tableId}, of which the log said nothing before`);
    const count = readLength(reader) ?? 0;
    if (count !== table.columns.length) {
      throw new MalformedBinlogError(`rows of ${count} columns for ${table.schema}.${table.table}, which has ${table.columns.length}`);
    }
    const bitBytes = (count + 7) >> 3;
    const first = reader.copy(bitBytes);
    const second = action === "update" ? reader.copy(bitBytes) : null;
    const rest = body.subarray(reader.offset);
    const rowBytes = type >= eventType.writeRowsCompressedV1 ? this.#expand(rest) : rest;
    return {
      kind: "rows",
      action,
      table,
      endsStatement: (flags & 1) !== 0,
      foreignKeyChecks: (flags & 2) === 0,
      uniqueChecks: (flags & 4) === 0,
      beforeColumns: action === "insert" ? null : first,
      afterColumns: action === "insert" ? first : second,
      isPartial: type === eventType.partialUpdateRows,
      rowBytes,
      ...this.#facts(context, false),
    };
  }

  /** MariaDB's compressed parts: 0x80 | method << 4 | bytes of the length · length big endian · zlib data. */
  #expand(bytes: Buffer): Buffer {
    const head = bytes[0] ?? 0;
    const width = head & 7;
    if ((head & 0xf0) !== 0x80 || width < 1 || width > 4 || bytes.length < 1 + width) {
      throw new MalformedBinlogError("a compressed event of an unknown form");
    }
    const length = bytes.readUIntBE(1, width);
    if (length > this.#eventBytesMax) throw new MalformedBinlogError(`an event of ${length} bytes, the limit is ${this.#eventBytesMax}`);
    const plain = this.#unpack(bytes.subarray(1 + width), length);
    if (plain.length !== length) throw new MalformedBinlogError("a compressed event of another length than it says");
    return plain;
  }

  #unpack(bytes: Buffer, bytesMax: number): Buffer {
    try {
      return this.#tools.zlib(bytes, bytesMax);
    } catch (error) {
      throw new MalformedBinlogError("a compressed event cannot be unpacked", { cause: error });
    }
  }

  #query(body: Buffer, context: Context, isCompressed: boolean): BinlogEvent {
    const fields = parseQuery(body, isCompressed ? (bytes) => this.#expand(bytes) : null);
    const facts = (endsTransaction: boolean): BinlogEvent => ({ kind: "query", ...fields, ...this.#facts(context, endsTransaction) });
    switch (fields.role) {
      case "begin":
        this.#inTransaction = true;
        return facts(false);
      case "commit":
      case "rollback":
        return facts(this.#complete());
      case "savepoint":
        return facts(false);
      case "xa":
        if (/^\s*XA\s+(?:COMMIT|ROLLBACK)\b/i.test(fields.sql)) return facts(this.#complete());
        this.#inTransaction = true;
        return facts(false);
      case "announced":
        return facts(this.#inTransaction ? false : this.#complete());
      case "statement":
        if (this.#inTransaction) return facts(false);
        // CREATE TABLE … SELECT of MySQL: the rows follow, up to an XID.
        if (/^\s*CREATE\b/i.test(fields.sql) && /\bSTART\s+TRANSACTION\s*$/i.test(fields.sql.slice(-40))) {
          this.#inTransaction = true;
          return facts(false);
        }
        return facts(this.#complete());
    }
  }

  #gtid(fields: ReturnType<typeof parseMysqlGtid>, context: Context): BinlogEvent {
    this.#pendingGtid = fields.gtid;
    // MariaDB's GTID event is its BEGIN too.
    this.#inTransaction = context.type === eventType.mariadbGtid && !fields.isStandalone;
    return { kind: "gtid", ...fields, ...this.#facts(context, false) };
  }

  #previous(gtidSet: GtidSet, context: Context): BinlogEvent {
    if (this.#gtidSet === null || this.#fromFile) this.#gtidSet = gtidSet;
    return { kind: "previousGtids", gtidSet, ...this.#facts(context, false) };
  }

  #rotate(body: Buffer, context: Context): BinlogEvent {
    const offset = body.readBigUInt64LE(0);
    if (offset > BigInt(Number.MAX_SAFE_INTEGER)) throw new MalformedBinlogError(`a rotation to offset ${offset}`);
    const nextFile = body.toString("utf8", 8);
    if (nextFile === "" || nextFile.length > 512 || /[\0/]/.test(nextFile))
      throw new MalformedBinlogError("a rotation to a file without a proper name");
    const nextOffset = Number(offset);
    const isArtificial = (context.flags & artificialFlag) !== 0 || context.timestamp === 0;
    this.#tables.clear();
    if (!this.#fromFile) {
      this.#file = nextFile;
      this.#offset = nextOffset;
    }
    return { kind: "rotate", nextFile, nextOffset, isArtificial, ...this.#facts(context, false) };
  }

  /** Checksums and widths must be known before the event's own checksum is looked at. */
  #readFormat(bytes: Buffer): void {
    // version u16 · server version 50 · created u32 · header length u8 · lengths u8 … · checksum method u8 · CRC
    const version = bytes.readUInt16LE(headerBytes);
    if (version !== 4) throw new MalformedBinlogError(`binlog version ${version}`);
    if (bytes[headerBytes + 56] !== headerBytes) throw new MalformedBinlogError("events with headers of an unknown size");
    const lengthsAt = headerBytes + 57;
    const serverVersion = formatVersion(bytes);
    this.#flavor = /mariadb/i.test(serverVersion) ? "mariadb" : "mysql";
    const method = bytes.length >= lengthsAt + 5 ? (bytes[bytes.length - 5] as number) : 0;
    if (method > 1 && method !== 255) throw new MalformedBinlogError(`checksums of an unknown kind: ${method}`);
    const hasMethod = supportsChecksums(serverVersion);
    // With the method "none", the event itself has four bytes for a checksum all the same, which may be anything.
    this.#hasChecksums = hasMethod && method === 1;
    this.#tableIdBytes = bytes[lengthsAt + eventType.tableMap - 1] === 6 ? 4 : 6;
  }

  #format(body: Buffer, context: Context): BinlogEvent {
    this.#tables.clear();
    const serverVersion = formatVersion(Buffer.concat([Buffer.alloc(headerBytes), body]));
    return {
      kind: "format",
      binlogVersion: body.readUInt16LE(0),
      serverVersion,
      flavor: this.#flavor,
      hasChecksums: this.#hasChecksums,
      ...this.#facts(context, false),
    };
  }

  #heartbeat(body: Buffer, context: Context): BinlogEvent {
    return { kind: "heartbeat", ...this.#facts({ ...context, startOffset: this.#offset, sizeBytes: body.length }, false) };
  }

  /** one phase u8 · format u32 · length u32 · length u32 · both parts */
  #xaPrepare(body: Buffer, context: Context): BinlogEvent {
    const reader = new ByteReader(body);
    const onePhase = reader.u8() === 1;
    const format = reader.u32();
    const globalLength = reader.u32();
    const branchLength = reader.u32();
    const global = Buffer.from(reader.bytes(globalLength)).toString("hex");
    const branch = Buffer.from(reader.bytes(branchLength)).toString("hex");
    return { kind: "xaPrepare", xid: `X'${global}',X'${branch}',${format}`, onePhase, ...this.#facts(context, this.#complete()) };
  }
}

interface Context {
  readonly timestamp: number;
  readonly serverId: number;
  readonly sizeBytes: number;
  readonly startOffset: number;
  readonly flags: number;
  readonly type: number;
}

function formatVersion(bytes: Buffer): string {
  const text = bytes.toString("latin1", headerBytes + 2, headerBytes + 52);
  const zero = text.indexOf("\0");
  return zero === -1 ? text : text.slice(0, zero);
}

/** MySQL from 5.6.1 on, MariaDB from 5.3 on: both write 10.x, 8.x … today. */
function supportsChecksums(serverVersion: string): boolean {
  const match = /^(\d+)\.(\d+)\.(\d+)/.exec(serverVersion);
  if (match === null) return true;
  const [major = 0, minor = 0, patch = 0] = match.slice(1).map(Number);
  if (/mariadb/i.test(serverVersion)) return major > 5 || minor >= 3;
  return major > 5 || minor > 6 || (minor === 6 && patch >= 1);
}

/** count u32 (upper 4 bits: flags) · { domain u32 · server u32 · sequence u64 } … */
function parseGtidList(body: Buffer): MariadbGtidSet {
  const reader = new ByteReader(body);
  const count = reader.u32() & 0x0fff_ffff;
  if (count * 16 > reader.left) throw new MalformedBinlogError(`a GTID list of ${count} entries in ${reader.left} bytes`);
  let set = new MariadbGtidSet();
  for (let index = 0; index < count; index++) {
    const domain = reader.u32();
    const server = reader.u32();
    set = set.union(new MariadbGtidSet().add({ domain, server, sequence: reader.u64() }));
  }
  return set;
}

/** { field · length · value } …: 1 size of the payload, 2 compression (0 zstd, 255 none), 3 size unpacked; 0 ends them, the payload follows. */
function parsePayload(body: Buffer, bytesMax: number): Payload {
  const reader = new ByteReader(body);
  let size: number | null = null;
  let compression = 255;
  let uncompressedBytes = 0;
  for (;;) {
    const field = readLength(reader) ?? 0;
    if (field === 0) break;
    const length = readLength(reader) ?? 0;
    const value = new ByteReader(reader.bytes(length));
    if (field === 1) size = readLength(value);
    else if (field === 2) compression = readLength(value) ?? 0;
    else if (field === 3) uncompressedBytes = readLength(value) ?? 0;
  }
  if (compression !== 0 && compression !== 255) throw new MalformedBinlogError(`a transaction compressed by method ${compression}`);
  const data = body.subarray(reader.offset);
  if (size !== null && size !== data.length) throw new MalformedBinlogError("a compressed transaction of another size than it says");
  if (data.length > bytesMax) throw new MalformedBinlogError(`an event of ${data.length} bytes, the limit is ${bytesMax}`);
  return { kind: "payload", compression: compression === 0 ? "zstd" : "none", data, uncompressedBytes };
}
