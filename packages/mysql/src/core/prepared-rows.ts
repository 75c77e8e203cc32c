/**
 * Rows of the text protocol as parameters of a prepared INSERT, byte for byte: a value has the same form in both.
 *
 *   text row    02 '4' '2'   fb     05 'h' 'e' 'l' 'l' 'o'
 *   COM_STMT_EXECUTE   17   statement u32   00   01 00 00 00   NULL bits: 010   has types: 01   types: fc 00 fc 00 fc 00
 *                      02 '4' '2'          05 'h' 'e' 'l' 'l' 'o'
 */

import { framePacket, partBytesMax } from "./packet-framer.ts";

const headerBytes = 4;
const comStmtPrepare = 0x16;
const comStmtExecute = 0x17;
const comStmtClose = 0x19;

/** What the protocol's 16-bit count of parameters allows. */
export const parametersMax = 65_535;

/** BLOB: bytes that no charset is applied to. The server makes of them what it makes of a binary literal. */
const blobType = 0xfc;

/** Rows `[from, to)` of packets that came from the text protocol; see `RowPacketBatch`. */
export interface RowSpan {
  readonly bytes: Buffer;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
  readonly from: number;
  readonly to: number;
}

/**
 * COM_STMT_EXECUTE with these rows as parameters, framed.
 *
 * @param columns values in each row
 * @param sendTypes with the first execution of a statement; the server remembers them
 * @param reserve gives the memory of the packet, at least so many bytes of it: what is returned is its beginning, or a copy of that
 */
export function frameExecute(
  statement: number,
  columns: number,
  spans: readonly RowSpan[],
  sendTypes: boolean,
  reserve: (bytes: number) => Buffer,
): Buffer {
  let rows = 0;
  let valueBytes = 0;
  for (const { starts, ends, from, to } of spans) {
    rows += to - from;
    for (let row = from; row < to; row++) valueBytes += (ends[row] as number) - (starts[row] as number);
  }
  const parameters = rows * columns;
  const nullsAt = headerBytes + 10;
  const typesAt = nullsAt + ((parameters + 7) >> 3);
  const valuesAt = typesAt + 1 + (sendTypes ? parameters * 2 : 0);
  const packet = reserve(valuesAt + valueBytes);
  packet[headerBytes] = comStmtExecute;
  packet.writeUInt32LE(statement, headerBytes + 1);
  packet[headerBytes + 5] = 0; // no cursor
  packet.writeUInt32LE(1, headerBytes + 6);
  packet.fill(0, nullsAt, valuesAt);
  if (sendTypes) {
    packet[typesAt] = 1;
    for (let index = typesAt + 1; index < valuesAt; index += 2) packet[index] = blobType;
  }
  let at = valuesAt;
  let parameter = 0;
  for (const { bytes, starts, ends, from, to } of spans) {
    for (let row = from; row < to; row++) {
      const end = ends[row] as number;
      let position = starts[row] as number;
      let clean = position;
      for (let column = 0; column < columns; column++, parameter++) {
        const length = position < end ? (bytes[position] as number) : ended(end - (starts[row] as number), columns);
        if (length < 0xfb) position += 1 + length;
        else if (length === 0xfb) {
          at += bytes.copy(packet, at, clean, position);
          clean = ++position;
          packet[nullsAt + (parameter >> 3)] = (packet[nullsAt + (parameter >> 3)] as number) | (1 << (parameter & 7));
        } else if (length === 0xfc) position += 3 + bytes.readUInt16LE(position + 1);
        else if (length === 0xfd) position += 4 + bytes.readUIntLE(position + 1, 3);
        else position += 9 + Number(bytes.readBigUInt64LE(position + 1));
      }
      if (position !== end) ended(end - (starts[row] as number), columns);
      at += bytes.copy(packet, at, clean, end);
    }
  }
  if (at - headerBytes >= partBytesMax) return framePacket(packet.subarray(headerBytes, at), 0);
  packet.writeUIntLE(at - headerBytes, 0, 3);
  packet[3] = 0;
  return packet.subarray(0, at);
}

function ended(rowBytes: number, columns: number): never {
  throw new RangeError(`a row of ${rowBytes} bytes does not have ${columns} values`);
}

export function preparePayload(sql: string, encoding: "utf8" | "latin1"): Buffer {
  return Buffer.concat([Uint8Array.of(comStmtPrepare), Buffer.from(sql, encoding)]);
}

export function closePayload(statement: number): Buffer {
  const packet = Buffer.allocUnsafe(5);
  packet[0] = comStmtClose;
  packet.writeUInt32LE(statement, 1);
  return packet;
}
