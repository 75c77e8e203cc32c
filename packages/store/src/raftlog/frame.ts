/**
 * One write of the log, for all regions of a store. Numbers are little endian.
 *
 *   ┌ magic u32 │ segment u32 │ regions length u32 │ records length u32 │ head checksum u32 │ records checksum u32 ┐
 *   └ regions: ids as varints │ records ………………………………………………………………………………………………………………………………………………………… ┘
 *
 * The head checksum covers the numbers before it and the regions: when only the records are damaged, it is known whose they
 * were and where the next frame begins. The segment's number in each frame tells it from what an earlier use of the file left.
 */
import { crc32 } from "node:zlib";
import type { Encoder } from "./core/encoder.ts";
import { Decoder } from "./core/encoder.ts";

export const frameHeadBytes = 24;
const magic = 0x6c67726b;

export type FrameRead =
  | { readonly kind: "frame"; readonly regions: readonly number[]; readonly recordsFrom: number; readonly end: number }
  /** The head is whole, the records are not. */
  | { readonly kind: "damagedRecords"; readonly regions: readonly number[]; readonly end: number }
  | { readonly kind: "noFrame" };

/** Puts a frame's head into `out`, where `frameHeadBytes` zeros and then the regions and records stand already. */
export function sealFrame(out: Encoder, segment: number, regionsBytes: number): void {
  const recordsFrom = frameHeadBytes + regionsBytes;
  out.setU32(0, magic);
  out.setU32(4, segment);
  out.setU32(8, regionsBytes);
  out.setU32(12, out.length - recordsFrom);
  out.setU32(16, crc32(out.view(frameHeadBytes, recordsFrom), crc32(out.view(0, 16))));
  out.setU32(20, crc32(out.view(recordsFrom)));
}

export function readFrame(input: Buffer, at: number, segment: number): FrameRead {
  if (at + frameHeadBytes > input.length) return { kind: "noFrame" };
  if (input.readUInt32LE(at) !== magic || input.readUInt32LE(at + 4) !== segment) return { kind: "noFrame" };
  const regionsFrom = at + frameHeadBytes;
  const recordsFrom = regionsFrom + input.readUInt32LE(at + 8);
  if (recordsFrom > input.length) return { kind: "noFrame" };
  const headChecksum = crc32(input.subarray(regionsFrom, recordsFrom), crc32(input.subarray(at, at + 16)));
  if (headChecksum !== input.readUInt32LE(at + 16)) return { kind: "noFrame" };
  const end = recordsFrom + input.readUInt32LE(at + 12);
  const regions: number[] = [];
  const ids = new Decoder(input, regionsFrom, recordsFrom);
  while (ids.left > 0) regions.push(ids.varint());
  if (end > input.length || crc32(input.subarray(recordsFrom, end)) !== input.readUInt32LE(at + 20))
    return { kind: "damagedRecords", regions, end: Math.min(end, input.length) };
  return { kind: "frame", regions, recordsFrom, end };
}

/** The next place at or after `from` that begins a frame whose head is whole; -1 when there is none. */
export function findFrame(input: Buffer, from: number, segment: number): number {
  const pattern = Buffer.alloc(8);
  pattern.writeUInt32LE(magic, 0);
  pattern.writeUInt32LE(segment, 4);
  for (let at = input.indexOf(pattern, from); at !== -1; at = input.indexOf(pattern, at + 1))
    if (readFrame(input, at, segment).kind !== "noFrame") return at;
  return -1;
}
