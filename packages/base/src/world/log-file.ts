/** A log file of a real process. */
import { closeSync, mkdirSync, openSync, renameSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import type { LogSink } from "../logger.ts";

/** Appends to `path`; when it would grow over `bytesMax` (default 512 MiB) it is put aside as `<name>-<time>.log`. */
export function logFile(path: string, options: { readonly bytesMax?: number } = {}): LogSink {
  const bytesMax = options.bytesMax ?? 512 * 1024 * 1024;
  mkdirSync(dirname(path), { recursive: true });
  const open = () => openSync(path, "a", 0o640);
  let descriptor = open();
  let size = statSync(path).size;
  return {
    write: (line) => {
      const bytes = Buffer.from(line, "utf8");
      if (size > 0 && size + bytes.length > bytesMax) {
        closeSync(descriptor);
        renameSync(path, `${path.replace(/\.log$/, "")}-${new Date().toISOString().replaceAll(":", "-")}.log`);
        descriptor = open();
        size = 0;
      }
      writeSync(descriptor, bytes);
      size += bytes.length;
    },
  };
}
