/** The edge of the process: texts, log, exit codes. Only the launcher uses it. */
import { type LogLevel, type RunningServer, runServerProcess, type ServerText, type World } from "@skein/base";
import { versionText } from "../version.ts";
import type { Launch, PdConfig } from "./config/process-config.ts";

/** A member that leads ends its lease, its last calls and its etcd: half a second each at the most. */
const stopMsMax = 2_000;

/** Runs pd-server to its end: exit code 0 after a signal, 1 when it cannot start or go on. */
export function runPd(options: {
  readonly launch: Launch;
  readonly help: string;
  readonly start: (world: World, config: PdConfig, log: { level: LogLevel }) => Promise<RunningServer>;
}): Promise<never> {
  const { launch } = options;
  const log: { level: LogLevel } = { level: launch.kind === "run" ? launch.config.log.level : "info" };
  return runServerProcess<PdConfig>({
    launch: launch.kind === "run" ? launch : textOf(launch, options.help),
    log: (config) => ({
      ...config.log,
      get level() {
        return log.level;
      },
    }),
    start: (world, config) => options.start(world, config, log),
    startFailedCode: 1,
    stopMsMax,
  });
}

function textOf(launch: Exclude<Launch, { readonly kind: "run" }>, help: string): ServerText {
  if (launch.kind === "refuse") return { kind: "text", to: "stderr", text: `${launch.message}\n`, code: 1 };
  const text = launch.kind === "checked" ? `${launch.message}\n` : launch.what === "version" ? versionText() : help;
  return { kind: "text", to: "stdout", text, code: 0 };
}
