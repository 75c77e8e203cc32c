/** Where a server program is, and how it is run so that it ends with this process. */
import { join, resolve } from "node:path";
import type { World } from "@skein/base";

/** A command line without the arguments of the program itself. */
export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  /** Root of the tree that its files are in; `/` for an installed package. */
  readonly tree: string;
}

/** Root of the checkout, where `.cache/` is. */
export const checkoutFolder = resolve(import.meta.dirname, "../../..");

/** MySQL is in no stable Debian release; `./skein setup` unpacks a tree of the unstable one here. */
export const mysqlTree = join(checkoutFolder, ".cache", "mysql-9");

const systemFolders = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin", "/usr/libexec", "/opt/mysql/bin"];

/** The installed program, or null. */
export async function findProgram(world: World, name: string): Promise<Program | null> {
  for (const folder of systemFolders) {
    const path = join(folder, name);
    if ((await world.disk.stat(path))?.kind === "file") return { command: path, args: [], tree: "/" };
  }
  return null;
}

/**
 * A program of an unpacked Debian tree, run by the tree's own loader and libraries: it needs no chroot, hence no root, and
 * sees the machine's files. Null when the tree has no such program.
 */
export async function findProgramInTree(world: World, tree: string, name: string): Promise<Program | null> {
  const machine = process.arch === "arm64" ? "aarch64" : "x86_64";
  const loader = join(tree, "usr/lib", `${machine}-linux-gnu`, process.arch === "arm64" ? "ld-linux-aarch64.so.1" : "ld-linux-x86-64.so.2");
  for (const folder of ["usr/sbin", "usr/bin"]) {
    const path = join(tree, folder, name);
    if ((await world.disk.stat(path))?.kind !== "file" || (await world.disk.stat(loader)) === null) continue;
    const libraries = ["usr/lib/mysql/private", `usr/lib/${machine}-linux-gnu`, "usr/lib"].map((part) => join(tree, part)).join(":");
    return { command: loader, args: ["--library-path", libraries, path], tree };
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
