/** What the launchers of the two processes share: texts and exit codes. */
import { isCodedError, type RunningServer, runServerProcess, type ServerText, type World } from "@skein/base";
import type { Launch, LogConfig } from "./config/process-config.ts";
import { versionText } from "./version.ts";

/** Runs a server process to its end: exit code 0 after a signal, 2 when it cannot start, 1 when it cannot go on. */
export function runProcess<C extends { readonly log: LogConfig }>(options: {
  readonly launch: Launch<C>;
  readonly sample: string;
  readonly help: string;
  readonly stopMsMax: number;
  readonly start: (world: World, config: C) => Promise<RunningServer>;
}): Promise<never> {
  const { launch } = options;
  return runServerProcess<C>({
    launch: launch.kind === "run" ? launch : textOf(launch, options),
    log: (config) => config.log,
    start: options.start,
    stopMsMax: options.stopMsMax,
    startFailedCode: 2,
    failedCode: (error) => (isCodedError(error) && error.code === 40077 ? 2 : 1),
  });
}

function textOf(
  launch: Exclude<Launch<unknown>, { readonly kind: "run" }>,
  texts: { readonly sample: string; readonly help: string },
): ServerText {
  if (launch.kind === "refuse") return { kind: "text", to: "stderr", text: `parse cmd flags err: ${launch.message}\n`, code: 2 };
  const text = launch.what === "version" ? versionText() : texts[launch.what];
  return { kind: "text", to: "stdout", text, code: 0 };
}
