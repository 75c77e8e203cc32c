/** Small file systems for stores' data, which can be filled and get their room back. */
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { World } from "@skein/base";

export interface SmallDisks extends AsyncDisposable {
  /** Null when they could be mounted, else the reason why not: then there are none. */
  readonly whyNone: string | null;
  /** Data folders by store, for `startRegionCluster`. */
  readonly dataFolders: ReadonlyMap<string, string>;
  /** Until nothing more fits. */
  fill(name: string): Promise<void>;
  /** All of them have room again. */
  heal(): Promise<void>;
}

const mib = 1024 * 1024;

/** In `folder`, one for each name. What is synced to them is in memory: they outlive a killed process, not a machine. */
export async function mountSmallDisks(world: World, folder: string, names: readonly string[], sizeMib: number): Promise<SmallDisks> {
  const mounts = new Map<string, string>();
  const full = new Set<string>();
  const ballastOf = (name: string) => join(mounts.get(name) ?? "", "ballast");
  const unmountAll = async () => {
    for (const mount of mounts.values()) await world.processes.run("umount", ["-l", mount]);
    mounts.clear();
  };
  let whyNone = process.getuid?.() === 0 ? null : "small file systems take root to mount";
  for (const name of whyNone === null ? names : []) {
    const mount = join(folder, `disk-${name}`);
    await world.disk.makeFolder(mount);
    const { code, stderr } = await world.processes.run("mount", ["-t", "tmpfs", "-o", `size=${sizeMib}m,mode=700`, "tmpfs", mount]);
    if (code === 0) mounts.set(name, mount);
    else whyNone = `small file systems cannot be mounted: ${stderr.trim()}`;
  }
  if (whyNone !== null) await unmountAll();
  return {
    whyNone,
    dataFolders: new Map([...mounts].map(([name, mount]) => [name, join(mount, "data")])),
    fill: async (name) => {
      const mount = mounts.get(name);
      if (mount === undefined) throw new Error(`${name} has no small disk`);
      full.add(name);
      const ballast = Buffer.alloc(mib);
      const { availableBytes } = await world.disk.freeSpace(mount);
      for (let left = availableBytes; left > 0; left -= ballast.length)
        // the last piece does not fit: that is the purpose
        await writeFile(ballastOf(name), ballast, { flag: "a" }).catch(() => {});
    },
    heal: async () => {
      for (const name of full) await rm(ballastOf(name), { force: true });
      full.clear();
    },
    [Symbol.asyncDispose]: unmountAll,
  };
}
