/** A disk that holds one file. */
import type { Disk, World } from "@skein/base";

export function worldWithFile(world: World, content: Uint8Array): World {
  const file = {
    read: async (offset: number, length: number) => content.subarray(offset, offset + length),
    close: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
  return { ...world, disk: { ...world.disk, open: async () => file } as unknown as Disk };
}
