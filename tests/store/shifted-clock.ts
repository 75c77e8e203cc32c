/**
 * Loaded into a server before all else: its wall clock is off by the milliseconds that a file tells, as if somebody had set it.
 * What the process measures time with, and its timers, go on as they did, as with a real clock that is set.
 */
import { readFileSync, watchFile } from "node:fs";

const file = process.env["SKEIN_CLOCK_FILE"] ?? "";
const lookMs = 50;
const RealDate = Date;
let offsetMs = 0;

function look(): void {
  try {
    offsetMs = Number(readFileSync(file, "utf8"));
  } catch {
    offsetMs = 0; // it was never set
  }
}

const now = () => RealDate.now() + offsetMs;
globalThis.Date = new Proxy(RealDate, {
  construct: (target, args: []) => (args.length === 0 ? new target(now()) : new target(...args)),
  apply: () => new RealDate(now()).toString(),
  get: (target, key) => (key === "now" ? now : (Reflect.get(target, key) as unknown)),
});
look();
watchFile(file, { interval: lookMs, persistent: false }, look);
