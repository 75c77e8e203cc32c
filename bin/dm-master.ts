/** Launcher of dm-master. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { flagHelp } from "@skein/base";
import { launchMaster, masterFlags, readTls, sampleMasterToml } from "../packages/migration/src/config/process-config.ts";
import { startMaster } from "../packages/migration/src/master/dm-master.ts";
import { masterParts } from "../packages/migration/src/master/parts.ts";
import { runProcess } from "../packages/migration/src/process.ts";
import { versionText } from "../packages/migration/src/version.ts";

const readFile = (path: string) => readFileSync(path, "utf8");

await runProcess({
  launch: launchMaster(process.argv.slice(2), { hostname: hostname(), readFile }),
  sample: sampleMasterToml,
  help: flagHelp("dm-master", "schedules migration tasks and answers dmctl and the OpenAPI", masterFlags, [
    "dm-master -master-addr 127.0.0.1:8261 -data-dir ./master",
    "dm-master -config dm-master.toml",
  ]),
  // A leader ends its lease, its last calls and its etcd: half a second each at the most.
  stopMsMax: 2_000,
  start: (world, config) => {
    const tls = readTls(config.tls, readFile);
    return startMaster(world, {
      config,
      versionText: versionText(),
      parts: masterParts(world),
      ...(tls === null ? {} : { tls }),
    });
  },
});
