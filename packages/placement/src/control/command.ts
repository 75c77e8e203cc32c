/**
 * Commands of pd-ctl as data: usage, flags, help, and what they do. Parts of the placement driver register theirs in
 * `control/root-command.ts`; the program parses the line, talks to the servers and prints.
 *
 * What the original does is kept (golden/placement): answers of the server are printed as they came, failures of the server are
 * text with exit code 0, and only lines that cannot be understood end with 1.
 */
import type { CommandShape, World } from "@skein/base";

/** What the server answered. `text` is the body as it came. */
export interface PdAnswer {
  readonly status: number;
  readonly text: string;
}

export interface CommandContext {
  readonly world: World;
  readonly signal: AbortSignal;
  readonly args: readonly string[];
  /** The flag's value, its fallback, or "". */
  flag(name: string): string;
  isSet(name: string): boolean;
  /** Of a flag of kind `strings`. */
  list(name: string): readonly string[];
  /** Prints the text and a newline on stdout. */
  print(text: string): void;
  /** Prints the text and a newline on stderr. */
  warn(text: string): void;
  /** Prints the command's usage, as after a wrong count of arguments; the exit code stays 0. */
  usage(): void;
  /**
   * Asks the first server that can be reached. `path` is what follows `/pd/api/v1/`, or starts with `/` for a whole path.
   * Rejects with `NoEndpoint` when none can; a status other than 200 is an answer like any other.
   */
  request(method: "GET" | "POST" | "DELETE" | "PATCH" | "PUT", path: string, body?: string): Promise<PdAnswer>;
  /** GET: prints the body and a newline; `onFailure` makes the text of a failure from `[404] "…"`, which else stands alone. */
  get(path: string, onFailure?: (failure: string) => string): Promise<void>;
  /** POST of JSON: `Success! ` and the body without its first quote, or `Failed! [500] …`. */
  post(path: string, body: unknown): Promise<void>;
  /** Files that a command reads and writes are those of the World's disk, relative to where pd-ctl runs. */
  readonly interactive: boolean;
}

export interface Command extends CommandShape {
  readonly subcommands?: readonly Command[];
  readonly run?: (context: CommandContext) => Promise<void>;
}

/** No server could be reached; the text is for the person who typed the command. */
export class NoEndpoint extends Error {
  override readonly name = "NoEndpoint";
}

/** `[404] "store 99 not found"`, as failures of the server are shown. */
export function failureText(answer: PdAnswer): string {
  return `[${answer.status}] ${answer.text}`;
}
