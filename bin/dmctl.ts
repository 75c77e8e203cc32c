/** Launcher of dmctl. */
import { nodeWorld } from "@skein/base";
import { runDmctl } from "../packages/migration/src/control/dmctl.ts";
import { terminalIo } from "../packages/migration/src/control/node-io.ts";
import { versionText } from "../packages/migration/src/version.ts";

const stop = new AbortController();
process.once("SIGINT", () => stop.abort(new DOMException("interrupted", "AbortError")));
process.once("SIGTERM", () => stop.abort(new DOMException("terminated", "AbortError")));
process.exitCode = await runDmctl(nodeWorld(), {
  argv: process.argv.slice(2),
  io: terminalIo(process),
  versionText: versionText(),
  signal: stop.signal,
});
