/** Where a server program is, and how it is run so that it ends with this process. */
import { join, resolve } from "node:path";
import type { World } from "@skein/base";

/** A command line without the arguments of the program itself. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  /** Where the program's own files are (`share/` …), when that is not the machine's `/usr`. */
  readonly basedir: string | null;
}

/** Root of the checkout, where `.cache/` is. */
export const checkoutFolder = resolve(import.meta.dirname, "../../..");

const systemFolders = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/usr/libexec", "/opt/mysql/bin"];

/** The installed program, or null. */
export async function findProgram(world: World, name: string): Promise<Program | null> {
  for (const folder of systemFolders) {
    const path = join(folder, name);
    if ((await world.disk.stat(path))?.kind === "file") return { command: path, args: [], basedir: null };
  }
  return null;
}

/**
 * A program of an unpacked tree. One of Debian packages is run by the tree's own loader and libraries: it needs no chroot,
 * hence no root, and sees the machine's files. One that its makers built for every Linux (`bin/` at the root) runs as it is.
 * Null when the tree has no such program.
 */
export async function findProgramInTree(world: World, tree: string, name: string): Promise<Program | null> {
  const portable = join(tree, "bin", name);
  if ((await world.disk.stat(portable))?.kind === "file") return { command: portable, args: [], basedir: tree };
  const machine = process.arch === "arm64" ? "aarch64" : "x86_64";
  const loader = join(tree, "usr/lib", `${machine}-linux-gnu`, process.arch === "arm64" ? "ld-linux-aarch64.so.1" : "ld-linux-x86-64.so.2");
  for (const folder of ["usr/sbin", "usr/bin"]) {
    const path = join(tree, folder, name);
    if ((await world.disk.stat(path))?.kind !== "file" || (await world.disk.stat(loader)) === null) continue;
    const libraries = ["usr/lib/mysql/private", `usr/lib/${machine}-linux-gnu`, "usr/lib"].map((part) => join(tree, part)).join(":");
    return { command: loader, args: ["--library-path", libraries, path], basedir: join(tree, "usr") };
  }
  return null;
}

/** The kernel kills the child when this process ends in any way, kill -9 included (util-linux has `setpriv` on every Debian). */
export async function endsWithUs(world: World, program: Program): Promise<Program> {
  const guard = await findProgram(world, "setpriv");
  if (guard === null) return program;
  return { ...program, command: guard.command, args: ["--pdeathsig", "SIGKILL", program.command, ...program.args] };
}

/** Root must name itself to the database servers; others run as who they are. */
export const asRoot = (): readonly string[] => (process.getuid?.() === 0 ? ["--user=root"] : []);
