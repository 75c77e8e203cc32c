/** The edge of the process: logs, signals, exit codes. Only the launcher uses it. */
import { createLogger, isCodedError, logFile, type LogLevel, nodeClock, nodeWorld, type World } from "@skein/base";
import { detailOf } from "../errors.ts";
import { versionText } from "../version.ts";
import type { Launch, PdConfig } from "./config/process-config.ts";

/** Runs pd-server to its end: exit code 0 after a signal, 1 when it cannot start or go on. */
export async function runPd(options: {
  readonly launch: Launch;
  readonly help: string;
  readonly start: (
    world: World,
    config: PdConfig,
    log: { level: LogLevel },
  ) => Promise<{ readonly ended: Promise<void>; close(): Promise<void> }>;
}): Promise<number> {
  const { launch } = options;
  if (launch.kind === "print") {
    process.stdout.write(launch.what === "version" ? versionText() : options.help);
    return 0;
  }
  if (launch.kind === "checked") {
    process.stdout.write(`${launch.message}\n`);
    return 0;
  }
  if (launch.kind === "refuse") {
    process.stderr.write(`${launch.message}\n`);
    return 1;
  }
  const log = { level: launch.config.log.level };
  const world = nodeWorld({
    log: createLogger({
      level: () => log.level,
      format: launch.config.log.format,
      sink: launch.config.log.file === "" ? { write: (line) => void process.stderr.write(line) } : logFile(launch.config.log.file),
      nowMs: () => nodeClock.nowMs(),
      offsetMinutes: (nowMs) => -new Date(nowMs).getTimezoneOffset(),
    }),
  });
  const stopped = new Promise<"signal">((resolve) => {
    for (const name of ["SIGHUP", "SIGINT", "SIGTERM", "SIGQUIT"] as const) process.on(name, () => resolve("signal"));
  });
  let server: Awaited<ReturnType<typeof options.start>>;
  try {
    const starting = options.start(world, launch.config, log);
    // A member waits for the others, perhaps for minutes. What it has opened by then ends with it; its etcd does, too.
    if ((await Promise.race([starting, stopped])) === "signal") {
      world.log.info("ended before it had started");
      process.exit(0);
    }
    server = await starting;
  } catch (error) {
    process.stderr.write(`fail to start: ${isCodedError(error) ? error.message : detailOf(error)}\n`);
    world.log.fatal("fail to start", { error });
    return 1;
  }
  try {
    await Promise.race([stopped, server.ended]);
    await server.close();
    return 0;
  } catch (error) {
    world.log.fatal("the process cannot go on", { error });
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    await server.close().catch(() => {});
    return 1;
  }
}
