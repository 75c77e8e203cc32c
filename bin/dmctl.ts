/** Launcher of dmctl. */
import { nodeWorld, terminalOf } from "@skein/base";
import { runDmctl } from "../packages/migration/src/control/dmctl.ts";
import { versionText } from "../packages/migration/src/version.ts";

const stop = new AbortController();
process.once("SIGINT", () => stop.abort(new DOMException("interrupted", "AbortError")));
process.once("SIGTERM", () => stop.abort(new DOMException("terminated", "AbortError")));
process.exitCode = await runDmctl(nodeWorld(), {
  argv: process.argv.slice(2),
  io: terminalOf(process),
  versionText: versionText(),
  signal: stop.signal,
});
