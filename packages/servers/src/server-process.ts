/** One server as a child process: start, wait until it answers, kill, start again. */
import { type Child, causeText, freePort, type World } from "@skein/base";
import { serverErrors } from "./errors.ts";
import { logEnd } from "./folders.ts";
import { endsWithUs, type Program } from "./program.ts";

export type KillSignal = Parameters<Child["kill"]>[0];

export interface ServerProcess extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly dataFolder: string;
  /** What the server prints. */
  readonly logFile: string;
  readonly pid: number;
  readonly isRunning: boolean;
  /** Sends a signal; waits for the end of the process unless the signal only stops or continues it. */
  kill(signal: KillSignal): Promise<void>;
  /** In order: SIGTERM, and SIGKILL when it takes longer than 60 s. The data stays. */
  stop(): Promise<void>;
  /** Stops it when it runs, then starts it on the same data and port, and waits until it answers. */
  restart(): Promise<void>;
}

export interface LaunchOptions {
  readonly program: Program;
  readonly args: (port: number) => readonly string[];
  /** Null takes a free one. */
  readonly port: number | null;
  readonly dataFolder: string;
  readonly logFile: string;
  /** Resolves when the server answers, rejects when it does not yet. */
  readonly probe: (port: number) => Promise<void>;
  readonly readyTimeoutMs: number;
  /** Called once, after the last end of the process. */
  readonly cleanUp: () => Promise<void>;
}

const stopTimeoutMs = 60_000;
const startTriesMax = 5;

export async function launchServer(world: World, options: LaunchOptions): Promise<ServerProcess> {
  for (let triesLeft = options.port === null ? startTriesMax : 1; ; triesLeft--) {
    const server = new Launched(world, options, await endsWithUs(world, options.program), options.port ?? (await freePort(world)));
    try {
      await server.restart();
      return server;
    } catch (error) {
      await server.kill("SIGKILL");
      const portTaken = /address already in use|bind on TCP\/IP port/i.test(await logEnd(world, options.logFile));
      if (triesLeft > 1 && portTaken) continue; // somebody was quicker: the next one
      await options.cleanUp();
      throw error;
    }
  }
}

class Launched implements ServerProcess {
  readonly host = "127.0.0.1";
  readonly port: number;
  readonly #world: World;
  readonly #options: LaunchOptions;
  readonly #program: Program;
  #child: Child | undefined;

  constructor(world: World, options: LaunchOptions, program: Program, port: number) {
    this.#world = world;
    this.#options = options;
    this.#program = program;
    this.port = port;
  }

  get dataFolder(): string {
    return this.#options.dataFolder;
  }
  get logFile(): string {
    return this.#options.logFile;
  }
  get pid(): number {
    return this.#child?.pid ?? -1;
  }
  get isRunning(): boolean {
    return this.#child !== undefined;
  }

  async kill(signal: KillSignal): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    child.kill(signal);
    if (signal === "SIGSTOP" || signal === "SIGCONT" || signal === "SIGHUP") return;
    await child.exited.catch(() => {}); // it never started: `restart` tells
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    child.kill("SIGCONT");
    const timer = this.#world.clock.timer(stopTimeoutMs, () => child.kill("SIGKILL"));
    await this.kill("SIGTERM");
    timer.cancel();
  }

  async restart(): Promise<void> {
    await this.stop();
    const { program, logFile, dataFolder, args, probe, readyTimeoutMs } = this.#options;
    const child = this.#world.processes.spawn(this.#program.command, [...this.#program.args, ...args(this.port)], {
      cwd: dataFolder,
      outputFile: logFile,
    });
    this.#child = child;
    let ended: string | undefined;
    void child.exited
      .then(({ code, signal }) => `it ended with ${signal ?? `code ${code}`}`, causeText)
      .then((what) => {
        ended = what;
        if (this.#child === child) this.#child = undefined;
      });
    const startedMs = this.#world.clock.monotonicMs();
    for (;;) {
      let failure: unknown;
      try {
        await probe(this.port);
        return;
      } catch (error) {
        failure = error;
      }
      if (ended !== undefined) throw serverErrors.startFailed([program.command, ended, await logEnd(this.#world, logFile)]);
      if (this.#world.clock.monotonicMs() - startedMs > readyTimeoutMs) {
        await this.kill("SIGKILL");
        throw serverErrors.startFailed(
          [program.command, `no answer within ${readyTimeoutMs} ms`, await logEnd(this.#world, logFile)],
          failure,
        );
      }
      await this.#world.clock.sleep(50); // it can only be asked
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill("SIGKILL");
    await this.#options.cleanUp();
  }
}
