/** The terminal of a console's process: what its launcher gives to it. */
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";

export interface Terminal {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A person sits at standard input. */
  readonly isTerminal: boolean;
  /** Lines of standard input; asks with `prompt` where a person sits there, who can go back to `earlier` lines (oldest first). */
  readonly lines: (prompt: string, earlier?: readonly string[]) => AsyncIterable<string>;
}

export function terminalOf(streams: {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
}): Terminal {
  const isTerminal = streams.stdin.isTTY === true;
  // Whoever reads may have seen enough (`pd-ctl store | head`): that is no failure of ours.
  for (const stream of [streams.stdout, streams.stderr])
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
    });
  return {
    stdout: (text) => void streams.stdout.write(text),
    stderr: (text) => void streams.stderr.write(text),
    env: streams.env,
    isTerminal,
    lines: async function* (prompt, earlier = []) {
      const reader = createInterface({
        input: streams.stdin,
        terminal: isTerminal,
        historySize: 1000,
        history: [...earlier].reverse(),
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
