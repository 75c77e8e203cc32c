/** Launcher of pd-ctl. */
import { nodeWorld, terminalOf } from "@skein/base";
import { runPdCtl } from "../packages/placement/src/control/pd-ctl.ts";
import { versionText } from "../packages/placement/src/version.ts";

const stop = new AbortController();
process.once("SIGINT", () => stop.abort(new DOMException("interrupted", "AbortError")));
process.once("SIGTERM", () => stop.abort(new DOMException("terminated", "AbortError")));
process.exitCode = await runPdCtl(nodeWorld(), {
  argv: process.argv.slice(2),
  io: terminalOf(process),
  versionText: versionText(),
  signal: stop.signal,
});
