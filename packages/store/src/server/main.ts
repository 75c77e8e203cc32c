/** The process of tikv-server: its texts and what it knows of itself. */
import { readFileSync } from "node:fs";
import { runServerProcess } from "@skein/base";
import { launch, readTls } from "./config.ts";
import { startTikvServer } from "./tikv-server.ts";
import { versionText } from "./version.ts";

const readFile = (path: string) => readFileSync(path, "utf8");
/** Leaders are handed over for five seconds at the most, calls that run are given half a second. */
const stopMsMax = 10_000;

/** The exit code: 0 after a signal, 1 when it cannot start or cannot go on. */
export function runTikvServer(argv: readonly string[]): Promise<never> {
  const what = launch(argv, { versionText: versionText(process.version), readFile });
  return runServerProcess({
    launch:
      what.kind === "run"
        ? what
        : { kind: "text", text: what.text, ...(what.kind === "print" ? { to: "stdout", code: 0 } : { to: "stderr", code: 1 }) },
    log: (config) => config.log,
    start: (world, config) => {
      world.log.info("tikv-server starts", { "data-dir": config.dataDir, addr: config.addr, pd: config.pdEndpoints.join(",") });
      return startTikvServer(world, config, {
        tls: readTls(config.tls, readFile),
        facts: {
          memory: () => process.memoryUsage(),
          cpuSeconds: () => {
            const { user, system } = process.cpuUsage();
            return (user + system) / 1_000_000;
          },
        },
      });
    },
    startFailedCode: 1,
    stopMsMax,
  });
}
