/** Flags of the front door's commands: `node:util` parses, this gives types and messages. */
import { type ParseArgsOptionsConfig, parseArgs } from "node:util";
import { UsageError } from "./command.ts";

export function parseFlags<const Options extends ParseArgsOptionsConfig>(args: readonly string[], options: Options) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    // what Node says beyond the first sentence is advice that does not help here
    throw new UsageError((error instanceof Error ? error.message : String(error)).split(". ", 1)[0] ?? "");
  }
}

/** A whole number in a range, or a usage error that names the flag. */
export function numberFlag(name: string, text: string | undefined, options: { byDefault: number; min: number; max: number }): number {
  if (text === undefined) return options.byDefault;
  const value = Number(text.replaceAll("_", ""));
  if (text.trim() === "" || !Number.isInteger(value) || value < options.min || value > options.max)
    throw new UsageError(`--${name} is to be a whole number from ${options.min} to ${options.max}, not ${text}`);
  return value;
}
