/** Launcher of pd-server. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { dirname } from "node:path";
import { flagHelp } from "@skein/base";
import { pdComponents } from "../packages/placement/src/server/components.ts";
import { launchPd, pdFlags, readTls } from "../packages/placement/src/server/config/process-config.ts";
import { startPdServer } from "../packages/placement/src/server/pd-server.ts";
import { runPd } from "../packages/placement/src/server/process.ts";

const readFile = (path: string) => readFileSync(path, "utf8");

await runPd({
  launch: launchPd(process.argv.slice(2), { hostname: hostname(), readFile, cwd: process.cwd() }),
  help: flagHelp("pd-server", "places regions on stores, gives timestamps, keeps the cluster's metadata", pdFlags, [
    "pd-server -name pd-1 -data-dir ./pd-1 -client-urls http://127.0.0.1:2379 -peer-urls http://127.0.0.1:2380",
    "pd-server -name pd-2 -data-dir ./pd-2 -client-urls http://127.0.0.1:2389 -peer-urls http://127.0.0.1:2390 -join http://127.0.0.1:2379",
    "pd-server -config pd.toml",
  ]),
  start: (world, config, log) => {
    const tls = readTls(config.tls, readFile);
    return startPdServer(world, {
      config,
      hostname: hostname(),
      deployPath: dirname(process.argv[1] ?? "."),
      components: pdComponents(),
      log,
      residentBytes: () => process.memoryUsage().rss,
      ...(tls === null ? {} : { tls }),
    });
  },
});
