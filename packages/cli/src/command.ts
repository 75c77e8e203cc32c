/** A command is data plus a function; only `main.ts` touches the process. */
import type { World } from "@skein/base";

export interface Command {
  readonly name: string;
  /** The whole help text. */
  readonly help: string;
  /** Gives the exit code. */
  run(context: CommandContext): Promise<number>;
}

export interface CommandContext {
  readonly args: readonly string[];
  readonly io: Io;
  readonly world: World;
  /** Aborted by the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
}

export interface Io {
  /** A line to standard output. */
  out(line: string): void;
  /** A line to standard error. */
  err(line: string): void;
  /** Text as it is to standard output, for views that are drawn over. */
  write(text: string): void;
  readonly isTerminal: boolean;
  /** Width of the terminal at the moment; 100 when it is not known. */
  readonly columns: number;
  /** Height of the terminal at the moment; 24 when it is not known. */
  readonly rows: number;
}

/** Bad flags: the text is shown with a hint at `--help`, the exit code is 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
