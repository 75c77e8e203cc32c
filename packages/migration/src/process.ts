/** What the two processes share at their edge: logs, signals, exit codes. Only their `main.ts` use it. */
import { createLogger, isCodedError, logFile, nodeClock, nodeWorld, type World } from "@skein/base";
import type { Launch, LogConfig } from "./config/process-config.ts";
import { versionText } from "./version.ts";

/** A World whose logger writes where the configuration says. */
export function worldWithLog(log: LogConfig): World {
  const logger = createLogger({
    level: log.level,
    format: log.format,
    sink: log.file === "" ? { write: (line) => void process.stderr.write(line) } : logFile(log.file),
    nowMs: () => nodeClock.nowMs(),
    offsetMinutes: (nowMs) => -new Date(nowMs).getTimezoneOffset(),
  });
  return nodeWorld({ log: logger });
}

/** Runs a server process to its end: exit code 0 after a signal, 2 when it cannot start, 1 when it cannot go on. */
export async function runProcess<C extends { readonly log: LogConfig }>(options: {
  readonly launch: Launch<C>;
  readonly sample: string;
  readonly help: string;
  readonly start: (world: World, config: C) => Promise<{ readonly ended: Promise<void>; close(): Promise<void> }>;
}): Promise<number> {
  const { launch } = options;
  if (launch.kind === "print") {
    process.stdout.write(launch.what === "version" ? versionText() : launch.what === "sample" ? options.sample : options.help);
    return 0;
  }
  if (launch.kind === "refuse") {
    process.stderr.write(`parse cmd flags err: ${launch.message}\n`);
    return 2;
  }
  const world = worldWithLog(launch.config.log);
  const stopped = new Promise<"signal">((resolve) => {
    for (const name of ["SIGHUP", "SIGINT", "SIGTERM", "SIGQUIT"] as const) process.on(name, () => resolve("signal"));
  });
  let server: Awaited<ReturnType<typeof options.start>>;
  try {
    server = await options.start(world, launch.config);
  } catch (error) {
    process.stderr.write(`fail to start: ${textOf(error)}\n`);
    world.log.fatal("fail to start", { error });
    return 2;
  }
  try {
    await Promise.race([stopped, server.ended]);
    await server.close();
    return 0;
  } catch (error) {
    world.log.fatal("the process cannot go on", { error });
    process.stderr.write(`${textOf(error)}\n`);
    await server.close().catch(() => {});
    return isCodedError(error) && error.code === 40077 ? 2 : 1;
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
