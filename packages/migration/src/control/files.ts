/** Files that commands read, with the original's texts for what is wrong with them. */
import { parseYaml, type World } from "@skein/base";
import { ControlError } from "./command.ts";

export async function fileText(world: World, path: string): Promise<string> {
  try {
    return new TextDecoder().decode(await world.disk.readFile(path, { limitBytes: 16 * 1024 * 1024 }));
  } catch (error) {
    throw new ControlError(`error in get file content: ${openError(path, error)}`);
  }
}

/** `open x: no such file or directory` */
export function openError(path: string, error: unknown): string {
  const { code, message } = error as { readonly code?: string; readonly message?: string };
  const why: Record<string, string> = { ENOENT: "no such file or directory", EACCES: "permission denied", EISDIR: "is a directory" };
  return `open ${path}: ${(code !== undefined && why[code]) || message || String(error)}`;
}

/** A task's name, or the file that has it: what cannot be read is taken as a name. */
export async function taskName(world: World, argument: string): Promise<string> {
  if (!/\.ya?ml$/.test(argument)) return argument;
  try {
    const parsed = parseYaml(await fileText(world, argument), argument);
    const name = (parsed as { readonly name?: unknown } | null)?.name;
    return typeof name === "string" && name !== "" ? name : argument;
  } catch {
    return argument;
  }
}
