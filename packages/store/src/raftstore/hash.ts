/** A checksum of all that a replica holds, to compare replicas at one point of the log. */
import { crc32 } from "node:zlib";
import type { EngineReader } from "../engine/engine.ts";
import type { Region } from "./core/region.ts";

export async function replicaHash(reader: EngineReader, region: Region): Promise<number> {
  let hash = 0;
  const length = Buffer.alloc(4);
  const add = (bytes: Uint8Array) => {
    length.writeUInt32LE(bytes.length);
    hash = crc32(bytes, crc32(length, hash));
  };
  for (const family of ["default", "lock", "write"] as const) {
    add(Buffer.from(family));
    for await (const block of reader.scan(family, { start: region.startKey, end: region.endKey }))
      for (const { key, value } of block) {
        add(key);
        add(value);
      }
  }
  return hash;
}
