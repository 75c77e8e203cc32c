import type { CommandShape, Terminal, World } from "@skein/base";
import type { Message } from "@skein/rpc";

export interface CommandContext {
  readonly world: World;
  readonly io: Pick<Terminal, "stdout" | "stderr">;
  readonly args: readonly string[];
  readonly signal: AbortSignal;
  /** Asks the master. Connects at the first call. */
  call(method: string, request: Message): Promise<Message>;
  flag(name: string): string;
  isSet(name: string): boolean;
  list(name: string): readonly string[];
  /** Prints an answer of the master: `method`'s response type. */
  answer(method: string, message: Message): void;
  print(text: string): void;
}

export interface Command extends CommandShape {
  readonly subcommands?: readonly Command[];
  readonly run?: (context: CommandContext) => Promise<void>;
}

/** What is wrong has been printed: the process ends with 1. */
export class SoftFailure extends Error {
  override readonly name = "SoftFailure";
  /** Print the usage of the command, too. */
  readonly withUsage: boolean;
  constructor(options: { readonly withUsage?: boolean } = {}) {
    super("please check output to see error");
    this.withUsage = options.withUsage ?? false;
  }
}

/** The help of the command, and exit code 0: what the original does with wrong arguments of some groups. */
export class ShowHelp extends Error {
  override readonly name = "ShowHelp";
}

export class ControlError extends Error {
  override readonly name = "ControlError";
}

/** A wrong count of arguments: usage on stdout, exit code 1. */
export function wrongUse(): never {
  throw new SoftFailure({ withUsage: true });
}
