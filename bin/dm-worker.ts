/** Launcher of dm-worker. */
import { readFileSync } from "node:fs";
import { hostname } from "node:os";
import { flagHelp } from "@skein/base";
import { launchWorker, readTls, sampleWorkerToml, workerFlags } from "../packages/migration/src/config/process-config.ts";
import { splitAddress } from "../packages/migration/src/master/probe.ts";
import { runProcess } from "../packages/migration/src/process.ts";
import { versionText } from "../packages/migration/src/version.ts";
import { startWorker } from "../packages/migration/src/worker/dm-worker.ts";
import { firstStep, openUnit } from "../packages/migration/src/worker/open-unit.ts";
import { workerReaders } from "../packages/migration/src/worker/readers.ts";

const readFile = (path: string) => readFileSync(path, "utf8");

await runProcess({
  launch: launchWorker(process.argv.slice(2), { hostname: hostname(), readFile }),
  sample: sampleWorkerToml,
  help: flagHelp("dm-worker", "copies and replicates for the sources it is bound to", workerFlags, [
    "dm-worker -name w1 -worker-addr 127.0.0.1:8262 -join 127.0.0.1:8261",
    "dm-worker -config dm-worker.toml",
  ]),
  // Subtasks write what they have read and their checkpoints; a target that is away is not waited for longer.
  stopMsMax: 15_000,
  start: (world, config) => {
    const tls = readTls(config.tls, readFile);
    const { host, port } = splitAddress(config.workerAddr);
    return startWorker(
      world,
      {
        name: config.name,
        host: host === "" ? "0.0.0.0" : host,
        port,
        advertiseAddr: config.advertiseAddr,
        join: config.join,
        keepaliveTtlSeconds: config.keepaliveTtlSeconds,
        configToml: config.toml,
        versionText: versionText(),
        ...(tls === null ? {} : { tls, certAllowedCn: config.tls?.certAllowedCn ?? [] }),
      },
      { ...workerReaders, openUnit, firstStep },
    );
  },
});
