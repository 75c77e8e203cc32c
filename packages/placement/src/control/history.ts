/** What was typed at the prompt before: kept in a file of the person's own, as shells do. */
import type { Terminal, World } from "@skein/base";

export const linesMax = 1000;
const fileBytesMax = 1024 * 1024;

export interface History {
  /** Oldest first. */
  readonly lines: readonly string[];
  add(line: string): void;
  /** Puts them into the file. */
  keep(): Promise<void>;
}

/** Null where nobody types, or where there is no home folder. */
export async function openHistory(world: World, io: Pick<Terminal, "isTerminal" | "env" | "stderr">): Promise<History | null> {
  const home = io.env["HOME"] ?? "";
  if (!io.isTerminal || home === "") return null;
  const path = `${home}/.pd_ctl_history`;
  let lines: string[] = [];
  try {
    const text = new TextDecoder().decode(await world.disk.readFile(path, { limitBytes: fileBytesMax }));
    lines = text.split("\n").filter((line) => line !== "");
  } catch (error) {
    if ((error as { readonly code?: unknown }).code !== "ENOENT") io.stderr(`${path} cannot be read: ${textOf(error)}\n`);
  }
  return {
    lines,
    add: (line) => {
      if (line.trim() !== "" && lines.at(-1) !== line) lines.push(line);
    },
    keep: async () => {
      const kept = lines.slice(-linesMax).map((line) => `${line}\n`);
      try {
        await world.disk.writeFileAtomic(path, kept.join(""), { mode: 0o600 });
      } catch (error) {
        io.stderr(`${path} cannot be written: ${textOf(error)}\n`);
      }
    },
  };
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
