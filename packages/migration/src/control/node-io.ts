/** The terminal of a real process: what the launcher gives to `runDmctl`. */
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import type { ControlIo } from "./command.ts";

export function terminalIo(streams: {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
}): ControlIo {
  return {
    stdout: (text) => void streams.stdout.write(text),
    stderr: (text) => void streams.stderr.write(text),
    env: streams.env,
    lines: async function* (prompt) {
      const isTerminal = streams.stdin.isTTY === true;
      const reader = createInterface({
        input: streams.stdin,
        terminal: isTerminal,
        historySize: 1000,
        prompt,
        ...(isTerminal ? { output: streams.stdout } : {}),
      });
      if (isTerminal) reader.prompt();
      try {
        for await (const line of reader) {
          yield line;
          if (isTerminal) reader.prompt();
        }
      } finally {
        reader.close();
      }
    },
  };
}
