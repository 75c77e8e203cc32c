/** The process of tikv-server: its logs, signals and exit codes. */
import { readFileSync } from "node:fs";
import { createLogger, logFile, nodeClock, nodeWorld, type World } from "@skein/base";
import { launch, readTls, type ServerConfig } from "./config.ts";
import { startTikvServer, type TikvServer } from "./tikv-server.ts";
import { versionText } from "./version.ts";

const readFile = (path: string) => readFileSync(path, "utf8");

/** The exit code: 0 after a signal, 1 when it cannot start or cannot go on. */
export async function runTikvServer(argv: readonly string[]): Promise<number> {
  const what = launch(argv, { versionText: versionText(process.version), readFile });
  if (what.kind === "print") {
    process.stdout.write(what.text);
    return 0;
  }
  if (what.kind === "refuse") {
    process.stderr.write(what.text);
    return 1;
  }
  const { config } = what;
  const world = worldWithLog(config.log);
  const stopped = new Promise<void>((resolve) => {
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const) process.on(name, () => resolve());
  });
  const said = (text: string, error: unknown) => {
    process.stderr.write(`${text}: ${error instanceof Error ? error.message : String(error)}\n`);
    world.log.fatal(text, { error });
    return 1;
  };
  let server: TikvServer;
  try {
    world.log.info("tikv-server starts", { "data-dir": config.dataDir, addr: config.addr, pd: config.pdEndpoints.join(",") });
    server = await Promise.race([
      startTikvServer(world, config, {
        tls: readTls(config.tls, readFile),
        facts: {
          memory: () => process.memoryUsage(),
          cpuSeconds: () => {
            const { user, system } = process.cpuUsage();
            return (user + system) / 1_000_000;
          },
        },
      }),
      stopped.then(() => {
        throw new Error("stopped by a signal before the store served");
      }),
    ]);
  } catch (error) {
    said("fail to start", error);
    // What has begun to start may hold timers and sockets.
    process.exit(1);
  }
  try {
    await Promise.race([stopped, server.ended]);
    await server.close();
    return 0;
  } catch (error) {
    said("the store cannot go on", error);
    process.exit(1);
  }
}

function worldWithLog(log: ServerConfig["log"]): World {
  const logger = createLogger({
    level: log.level,
    format: log.format,
    sink: log.file === "" ? { write: (line) => void process.stderr.write(line) } : logFile(log.file, { bytesMax: log.bytesMax }),
    nowMs: () => nodeClock.nowMs(),
    offsetMinutes: (nowMs) => -new Date(nowMs).getTimezoneOffset(),
  });
  return nodeWorld({ log: logger });
}
