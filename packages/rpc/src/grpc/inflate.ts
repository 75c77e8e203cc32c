/** Compressed messages. A few kilobytes can become as much as a message may have, so large ones are unpacked one after the other. */

import { promisify } from "node:util";
import { constants, gunzip, gunzipSync, inflate, inflateSync } from "node:zlib";
import { RpcError } from "../errors.ts";

export type Encoding = "gzip" | "deflate";

const gunzipLater = promisify(gunzip);
const inflateLater = promisify(inflate);
/** What is unpacked at once: it takes a fraction of a millisecond. */
const atOnceBytesMax = 64 * 1024;
let last: Promise<unknown> = Promise.resolve();

/**
 * Calls `done` with the message, at once when it is small. `isWanted` is asked before work begins that had to wait.
 * Errors are `RpcError`: `resource_exhausted` when it has more than `bytesMax`, `internal` when it is not what it says.
 */
export function unpack(
  encoding: Encoding,
  bytes: Uint8Array,
  bytesMax: number,
  isWanted: () => boolean,
  done: (message: Uint8Array | RpcError) => void,
): void {
  if (bytes.length <= atOnceBytesMax) {
    try {
      const options = { maxOutputLength: Math.min(atOnceBytesMax, bytesMax) };
      return done(encoding === "gzip" ? gunzipSync(bytes, options) : inflateSync(bytes, options));
    } catch (error) {
      if (!isTooLarge(error)) return done(notPacked(error));
      if (bytesMax <= atOnceBytesMax) return done(tooLarge(bytesMax));
    }
  }
  const run = async (): Promise<Uint8Array | RpcError | null> => {
    if (!isWanted()) return null;
    const options = { maxOutputLength: bytesMax, chunkSize: 128 * 1024, finishFlush: constants.Z_FINISH };
    try {
      return await (encoding === "gzip" ? gunzipLater(bytes, options) : inflateLater(bytes, options));
    } catch (error) {
      return isTooLarge(error) ? tooLarge(bytesMax) : notPacked(error);
    }
  };
  last = last.then(run).then((message) => {
    if (message !== null) done(message);
  });
}

function isTooLarge(error: unknown): boolean {
  return (error as { readonly code?: unknown }).code === "ERR_BUFFER_TOO_LARGE";
}

function tooLarge(bytesMax: number): RpcError {
  return new RpcError("resource_exhausted", `Received message that decompresses to a size larger than ${bytesMax}`);
}

function notPacked(error: unknown): RpcError {
  return new RpcError("internal", "Failed to decompress message", error);
}
