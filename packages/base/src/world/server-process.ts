/** The edge of a server's process: its log, signals and exit codes. */
import { createLogger, type LogLevel } from "../logger.ts";
import { logFile } from "./log-file.ts";
import { nodeClock, nodeWorld } from "./node-world.ts";
import type { World } from "./world.ts";

export interface ServerLog {
  /** Read with every line: it may change while the process runs. */
  readonly level: LogLevel;
  /** Empty for standard error. */
  readonly file: string;
  readonly format: "text" | "json";
  /** Of a file, before it is put aside. */
  readonly bytesMax?: number;
}

export interface RunningServer {
  /** Rejects when the process cannot go on. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

export interface ServerProcess<C> {
  /** What the command line asks for: to run, or a text and an exit code. */
  readonly launch: { readonly kind: "run"; readonly config: C } | ServerText;
  readonly log: (config: C) => ServerLog;
  readonly start: (world: World, config: C) => Promise<RunningServer>;
  /** When it cannot start. */
  readonly startFailedCode: number;
  /** When it cannot go on; 1 unless said. */
  readonly failedCode?: (error: unknown) => number;
  /**
   * How long it may take to end after a signal. What is not done by then is left as a crash would leave it: others that end at the same
   * moment may be what it waits for.
   */
  readonly stopMsMax: number;
}

export interface ServerText {
  readonly kind: "text";
  readonly to: "stdout" | "stderr";
  readonly text: string;
  readonly code: number;
}

/** Runs a server to its end, and the process with it. The exit code: 0 after a signal, even one that comes before it serves. */
export async function runServerProcess<C>(options: ServerProcess<C>): Promise<never> {
  const { launch } = options;
  if (launch.kind === "text") {
    process[launch.to].write(launch.text);
    process.exit(launch.code);
  }
  // who read the log may have gone, and the disk under it may be full: both are no reason to end
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});
  const world = worldWithLog(options.log(launch.config));
  const stopped = new Promise<"signal">((resolve) => {
    for (const name of ["SIGHUP", "SIGINT", "SIGTERM", "SIGQUIT"] as const) process.on(name, () => resolve("signal"));
  });
  const failed = (what: string, error: unknown) => {
    process.stderr.write(`${what}${error instanceof Error ? error.message : String(error)}\n`);
    world.log.fatal(what === "" ? "the process cannot go on" : "fail to start", { error });
  };
  let server: RunningServer;
  try {
    const starting = options.start(world, launch.config);
    // It may wait for others, perhaps for minutes. What it has opened by then ends with it; its children do, too.
    if ((await Promise.race([starting, stopped])) === "signal") {
      world.log.info("ended before it had started");
      process.exit(0);
    }
    server = await starting;
  } catch (error) {
    failed("fail to start: ", error);
    process.exit(options.startFailedCode); // what has begun to start may hold timers and sockets
  }
  const close = async () => {
    const limit = world.clock.timer(
      options.stopMsMax,
      () => {
        world.log.warn("the end takes too long: the rest is left as it is", { limitMs: options.stopMsMax });
        process.exit();
      },
      { keepAlive: true },
    );
    await server.close();
    limit.cancel();
  };
  try {
    await Promise.race([stopped, server.ended]);
    await close();
    process.exit(0);
  } catch (error) {
    failed("", error);
    process.exitCode = options.failedCode?.(error) ?? 1;
    await close().catch((closeError: unknown) => world.log.warn("the end has failed, too", { error: closeError }));
    process.exit();
  }
}

function worldWithLog(log: ServerLog): World {
  return nodeWorld({
    log: createLogger({
      level: () => log.level,
      format: log.format,
      sink: log.file === "" ? { write: (line) => void process.stderr.write(line) } : logFile(log.file, log),
      nowMs: () => nodeClock.nowMs(),
      offsetMinutes: (nowMs) => -new Date(nowMs).getTimezoneOffset(),
    }),
  });
}
