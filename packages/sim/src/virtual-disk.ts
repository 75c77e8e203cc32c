import { posix } from "node:path";
import type { Disk, DiskFile, Random } from "@skein/base";

/**
 * A disk that keeps what was synced and may lose, tear or keep the rest when its node crashes.
 *
 *   write ──▶ page cache (`content`) ──sync──▶ platter (`durable`)
 *   names: create, rename, remove are a list of changes that a folder's sync makes durable; a crash keeps a prefix of it
 *
 * A failed sync may drop the pages it could not write, as real kernels do: later syncs then succeed without them.
 */
export interface DiskFaults {
  /** Chance that one sync fails with EIO. */
  readonly syncFails?: number;
  /** Chance that one write fails with EIO before anything is written. */
  readonly writeFails?: number;
  /** Bytes the disk holds; writes over it fail with ENOSPC. */
  readonly capacityBytes?: number;
}

const sectorBytes = 512;

interface Inode {
  content: Uint8Array;
  durable: Uint8Array;
  unsynced: { readonly offset: number; readonly data: Uint8Array }[];
  modifiedMs: number;
}

type NameChange = { readonly folder: string; readonly apply: (names: Map<string, Inode | "folder">) => void };

export class VirtualDisk implements Disk {
  readonly #random: Random;
  readonly #nowMs: () => number;
  #names = new Map<string, Inode | "folder">([["/", "folder"]]);
  #durableNames = new Map<string, Inode | "folder">([["/", "folder"]]);
  #changes: NameChange[] = [];
  faults: DiskFaults = {};

  constructor(random: Random, nowMs: () => number) {
    this.#random = random;
    this.#nowMs = nowMs;
  }

  /** Power is lost: what was not durable survives, is torn at a sector, or is gone, by the seed. */
  crash(): void {
    const kept = this.#random.below(this.#changes.length + 1);
    for (const change of this.#changes.slice(0, kept)) change.apply(this.#durableNames);
    this.#changes = [];
    for (const inode of new Set(this.#durableNames.values())) {
      if (inode === "folder") continue;
      for (const { offset, data } of inode.unsynced) {
        const fate = this.#random.float();
        if (fate < 0.4) continue;
        const sectors = Math.ceil(data.length / sectorBytes);
        const length = fate < 0.7 ? data.length : Math.min(data.length, this.#random.below(sectors + 1) * sectorBytes);
        inode.durable = overwrite(inode.durable, offset, data.subarray(0, length));
      }
      inode.unsynced = [];
      inode.content = inode.durable.slice();
    }
    this.#names = new Map(this.#durableNames);
  }

  /** The disk as one life of a node sees it: once that life is over, its calls neither do anything nor return. */
  forLife(isDead: () => boolean): Disk {
    const disk: Disk = whileAlive<Disk>(this, isDead, {
      open: async (...args) => whileAlive(await this.open(...args), isDead),
      writeFileAtomic: (path, data) => writeAtomically(disk, path, data), // step by step, so that it can die in between
    });
    return disk;
  }

  /** Flips one bit of what is durable: what a damaged disk does. */
  corrupt(path: string, offset: number): void {
    const inode = this.#file(path);
    inode.content[offset] = (inode.content[offset] ?? 0) ^ (1 << this.#random.below(8));
    inode.durable = inode.content.slice();
  }

  async open(path: string, options: { create?: boolean; readOnly?: boolean } = {}): Promise<DiskFile> {
    const name = posix.normalize(path);
    if (!this.#names.has(name)) {
      if (options.create !== true || options.readOnly === true) throw systemError("ENOENT", `open '${path}'`);
      this.#requireFolder(posix.dirname(name));
      const inode: Inode = { content: new Uint8Array(0), durable: new Uint8Array(0), unsynced: [], modifiedMs: this.#nowMs() };
      this.#change(posix.dirname(name), (names) => names.set(name, inode));
    }
    const inode = this.#file(name);
    const writable = () => {
      if (options.readOnly === true) throw systemError("EBADF", `write '${path}'`);
    };
    const file: DiskFile = {
      read: async (offset, length) => inode.content.slice(offset, offset + length),
      write: async (offset, data) => {
        writable();
        if (this.#random.chance(this.faults.writeFails ?? 0)) throw systemError("EIO", `write '${path}'`);
        const growth = Math.max(0, offset + data.length - inode.content.length);
        if (this.#usedBytes() + growth > (this.faults.capacityBytes ?? Number.POSITIVE_INFINITY))
          throw systemError("ENOSPC", `write '${path}'`);
        inode.unsynced.push({ offset, data: data.slice() });
        inode.content = overwrite(inode.content, offset, data);
        inode.modifiedMs = this.#nowMs();
      },
      sync: async () => {
        if (this.#random.chance(this.faults.syncFails ?? 0)) {
          inode.unsynced = inode.unsynced.filter(() => this.#random.chance(0.5));
          throw systemError("EIO", `fsync '${path}'`);
        }
        inode.durable = inode.content.slice();
        inode.unsynced = [];
      },
      truncate: async (length) => {
        writable();
        inode.content = resize(inode.content, length);
        inode.durable = resize(inode.durable, Math.min(length, inode.durable.length));
      },
      size: async () => inode.content.length,
      close: async () => {},
      [Symbol.asyncDispose]: async () => {},
    };
    return file;
  }

  async readFile(path: string, options: { limitBytes?: number } = {}): Promise<Uint8Array> {
    const { content } = this.#file(path);
    const limitBytes = options.limitBytes ?? 64 * 1024 * 1024;
    if (content.length > limitBytes) throw new RangeError(`${path} has ${content.length} bytes, over the limit of ${limitBytes}`);
    return content.slice();
  }

  writeFileAtomic(path: string, data: Uint8Array | string): Promise<void> {
    return writeAtomically(this, path, data);
  }

  async list(path: string): Promise<string[]> {
    const folder = posix.normalize(path);
    this.#requireFolder(folder);
    const prefix = folder === "/" ? "/" : `${folder}/`;
    const inside = [...this.#names.keys()].filter((name) => name.startsWith(prefix) && name !== folder);
    return [...new Set(inside.map((name) => name.slice(prefix.length).split("/")[0] as string))].sort();
  }

  async stat(path: string) {
    const entry = this.#names.get(posix.normalize(path));
    if (entry === undefined) return null;
    return entry === "folder"
      ? ({ kind: "folder", sizeBytes: 0, modifiedMs: 0 } as const)
      : ({ kind: "file", sizeBytes: entry.content.length, modifiedMs: entry.modifiedMs } as const);
  }

  async makeFolder(path: string): Promise<void> {
    const name = posix.normalize(path);
    if (this.#names.get(name) === "folder") return;
    if (name !== "/") await this.makeFolder(posix.dirname(name));
    this.#change(posix.dirname(name), (names) => names.set(name, "folder"));
  }

  async rename(from: string, to: string): Promise<void> {
    const inode = this.#file(from);
    const [source, target] = [posix.normalize(from), posix.normalize(to)];
    this.#change(posix.dirname(target), (names) => {
      names.delete(source);
      names.set(target, inode);
    });
  }

  async remove(path: string, options: { recursive?: boolean } = {}): Promise<void> {
    const name = posix.normalize(path);
    if (!this.#names.has(name)) return;
    this.#change(posix.dirname(name), (names) => {
      names.delete(name);
      if (options.recursive === true) for (const other of names.keys()) if (other.startsWith(`${name}/`)) names.delete(other);
    });
  }

  async syncFolder(path: string): Promise<void> {
    const folder = posix.normalize(path);
    const upTo = this.#changes.findLastIndex((change) => change.folder === folder);
    for (const change of this.#changes.splice(0, upTo + 1)) change.apply(this.#durableNames); // in order: a journal commits what came before too
  }

  async freeSpace() {
    const totalBytes = this.faults.capacityBytes ?? 2 ** 40;
    return { totalBytes, availableBytes: Math.max(0, totalBytes - this.#usedBytes()) };
  }

  #change(folder: string, apply: NameChange["apply"]): void {
    apply(this.#names);
    this.#changes.push({ folder, apply });
  }

  #file(path: string): Inode {
    const entry = this.#names.get(posix.normalize(path));
    if (entry === undefined) throw systemError("ENOENT", `open '${path}'`);
    if (entry === "folder") throw systemError("EISDIR", `open '${path}'`);
    return entry;
  }

  #requireFolder(path: string): void {
    if (this.#names.get(path) !== "folder") throw systemError("ENOENT", `folder '${path}'`);
  }

  #usedBytes(): number {
    let bytes = 0;
    for (const entry of this.#names.values()) if (entry !== "folder") bytes += entry.content.length;
    return bytes;
  }
}

async function writeAtomically(disk: Disk, path: string, data: Uint8Array | string): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await disk.open(temporary, { create: true });
  await file.truncate(0);
  await file.write(0, typeof data === "string" ? new TextEncoder().encode(data) : data);
  await file.sync();
  await disk.rename(temporary, path);
  await disk.syncFolder(posix.dirname(path));
}

/** `target` with every method guarded; `special` ones are guarded too, in place of the target's own. */
function whileAlive<T extends object>(target: T, isDead: () => boolean, special: Partial<T> = {}): T {
  return new Proxy(target, {
    get: (_target, key) => {
      const member = (special[key as keyof T] ?? target[key as keyof T]) as unknown;
      if (typeof member !== "function") return member;
      return (...args: unknown[]) => (isDead() ? new Promise(() => {}) : (member.apply(target, args) as unknown));
    },
  });
}

function overwrite(content: Uint8Array, offset: number, data: Uint8Array): Uint8Array {
  const out = content.length >= offset + data.length ? content.slice() : resize(content, offset + data.length);
  out.set(data, offset);
  return out;
}

function resize(content: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  out.set(content.subarray(0, length));
  return out;
}

export function systemError(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code });
}
