/** A log file of a real process. */
import { closeSync, openSync, renameSync, statSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { causeText } from "../core/errors.ts";
import type { LogSink } from "../logger.ts";
import { makeFolder } from "./make-folder.ts";

/**
 * Appends to `path`; when it would grow over `bytesMax` (default 512 MiB) it is put aside as `<name>-<time>.log`. Lines that cannot be
 * written are lost: a full disk must not end the process by its log. Standard error says so, once.
 */
export function logFile(path: string, options: { readonly bytesMax?: number } = {}): LogSink {
  const bytesMax = options.bytesMax ?? 512 * 1024 * 1024;
  makeFolder(dirname(path));
  const open = () => openSync(path, "a", 0o640);
  let descriptor = open();
  let size = statSync(path).size;
  /** The last line has no end: a part of it was written. */
  let isTorn = false;
  let hasComplained = false;

  const putAside = () => {
    renameSync(path, `${path.replace(/\.log$/, "")}-${new Date().toISOString().replaceAll(":", "-")}.log`);
    const before = descriptor;
    descriptor = open();
    closeSync(before);
    size = 0;
    isTorn = false;
  };
  return {
    write: (line) => {
      try {
        if (size > 0 && size + Buffer.byteLength(line) > bytesMax) putAside();
        const bytes = Buffer.from(isTorn ? `\n${line}` : line, "utf8");
        const written = writeSync(descriptor, bytes);
        size += written;
        isTorn = written < bytes.length && (isTorn || written > 0);
        if (written < bytes.length) throw new Error("no room");
        hasComplained = false;
      } catch (error) {
        if (!hasComplained) complain(`lines are missing in the log ${path}: ${causeText(error)}\n`);
        hasComplained = true;
      }
    },
  };
}

function complain(text: string): void {
  try {
    writeSync(2, text);
  } catch {
    // nobody can be told: standard error may be on the same disk
  }
}
