/** GTID events of both families. */
import { ByteReader } from "@skein/base";
import { readLength } from "../../core/result-packets.ts";
import { formatUuid } from "../../gtid/mysql-gtid-set.ts";
import type { GtidEvent } from "./events.ts";
import { MalformedBinlogError } from "./malformed.ts";

export type GtidFields = Omit<GtidEvent, keyof import("./events.ts").EventFacts | "kind">;

const nothing = {
  commitTimestampUs: null,
  originalCommitTimestampUs: null,
  lastCommitted: null,
  sequenceNumber: null,
  commitId: null,
  isStandalone: false,
  isDdl: null,
  alterPhase: null,
  transactionBytes: null,
} as const;

const hasOriginalTimestamp = 1n << 55n;

/**
 *   flags u8 · uuid 16 · number u64 · 2 · last committed u64 · sequence number u64 · commit timestamp u56 (bit 55: another
 *   u56, the original) · transaction length …
 */
export function parseMysqlGtid(body: Buffer, isAnonymous: boolean): GtidFields {
  const reader = new ByteReader(body);
  reader.u8();
  const uuid = formatUuid(reader.bytes(16));
  const number = reader.u64();
  const gtid = isAnonymous ? null : `${uuid}:${number}`;
  if (reader.left < 17 || reader.u8() !== 2) return { ...nothing, gtid };
  const lastCommitted = reader.u64();
  const sequenceNumber = reader.u64();
  if (reader.left < 7) return { ...nothing, gtid, lastCommitted, sequenceNumber };
  const first = u56(reader);
  const commitTimestampUs = first & (hasOriginalTimestamp - 1n);
  const originalCommitTimestampUs = (first & hasOriginalTimestamp) === 0n ? commitTimestampUs : u56(reader);
  const transactionBytes = reader.left > 0 ? readLength(reader) : null;
  return { ...nothing, gtid, lastCommitted, sequenceNumber, commitTimestampUs, originalCommitTimestampUs, transactionBytes };
}

function u56(reader: ByteReader): bigint {
  return BigInt(reader.u32()) | (BigInt(reader.u24()) << 32n);
}

/**
 * Tagged GTIDs come in a form of numbered fields: version · size · last number that may not be skipped · { number · value } …
 * Integers have a variable length: as many low ones in the first byte as bytes follow. Signed ones put the sign in the low bit.
 */
export function parseTaggedGtid(body: Buffer): GtidFields {
  const reader = new ByteReader(body);
  variable(reader);
  variable(reader);
  variable(reader);
  let uuid = "";
  let tag = "";
  let number = 0n;
  let commitTimestampUs: bigint | null = null;
  let originalCommitTimestampUs: bigint | null = null;
  let lastCommitted: bigint | null = null;
  let sequenceNumber: bigint | null = null;
  let transactionBytes: number | null = null;
  reading: while (reader.left > 0) {
    switch (Number(variable(reader))) {
      case 0:
        variable(reader);
        break;
      case 1:
        uuid = formatUuid(Uint8Array.from({ length: 16 }, () => Number(variable(reader) & 0xffn)));
        break;
      case 2:
        number = signed(variable(reader));
        break;
      case 3: {
        const length = Number(variable(reader));
        tag = Buffer.from(reader.bytes(length)).toString("latin1");
        break;
      }
      case 4:
        lastCommitted = signed(variable(reader));
        break;
      case 5:
        sequenceNumber = signed(variable(reader));
        break;
      case 6:
        commitTimestampUs = variable(reader);
        break;
      case 7:
        originalCommitTimestampUs = variable(reader);
        break;
      case 8:
        transactionBytes = Number(variable(reader));
        break;
      default: // versions and group commit tickets: nothing that a reader needs
        break reading;
    }
  }
  if (uuid === "" || number <= 0n) throw new MalformedBinlogError("a tagged GTID event without a GTID");
  return {
    ...nothing,
    gtid: tag === "" ? `${uuid}:${number}` : `${uuid}:${tag}:${number}`,
    commitTimestampUs,
    originalCommitTimestampUs: originalCommitTimestampUs ?? commitTimestampUs,
    lastCommitted,
    sequenceNumber,
    transactionBytes,
  };
}

function variable(reader: ByteReader): bigint {
  const first = reader.u8();
  let extra = 0;
  while (extra < 8 && ((first >> extra) & 1) === 1) extra++;
  if (extra === 8) return reader.u64();
  let value = BigInt(first >> (extra + 1));
  let shift = BigInt(7 - extra);
  for (let index = 0; index < extra; index++) {
    value |= BigInt(reader.u8()) << shift;
    shift += 8n;
  }
  return value;
}

function signed(value: bigint): bigint {
  return (value & 1n) === 0n ? value >> 1n : -((value + 1n) >> 1n);
}

const standalone = 1;
const hasCommitId = 2;
const ddl = 32;
const preparedXa = 64;
const completedXa = 128;

/** sequence u64 · domain u32 · flags u8 · [commit id u64] · [xid] · [more flags u8 …]; the server id is that of the event. */
export function parseMariadbGtidEvent(body: Buffer, serverId: number): GtidFields {
  const reader = new ByteReader(body);
  const sequence = reader.u64();
  const domain = reader.u32();
  const flags = reader.u8();
  const commitId = (flags & hasCommitId) === 0 ? null : reader.u64();
  if ((flags & (preparedXa | completedXa)) !== 0) {
    reader.skip(4);
    reader.skip(reader.u8() + reader.u8());
  }
  let alterPhase: GtidFields["alterPhase"] = null;
  if (reader.left > 0) {
    const more = reader.u8();
    alterPhase = (more & 2) !== 0 ? "start" : (more & 4) !== 0 ? "commit" : (more & 8) !== 0 ? "rollback" : null;
  }
  return {
    ...nothing,
    gtid: `${domain}-${serverId}-${sequence}`,
    commitId,
    isStandalone: (flags & standalone) !== 0,
    isDdl: (flags & ddl) !== 0,
    alterPhase,
  };
}
