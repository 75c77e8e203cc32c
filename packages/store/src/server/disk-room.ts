/** Whether there is room on the disk of a store. */
import type { World } from "@skein/base";

export interface RoomOptions {
  readonly path: string;
  /** That is kept free for what must be written yet (`storage.reserve-space`); of a small disk a twentieth. 0: nothing is. */
  readonly reserveBytes: number;
  /** Called when it changes. */
  readonly onChange: (hasRoom: boolean, availableBytes: number) => void;
}

const lookMs = 1_000;
/** More than was reserved, so that it does not come and go. */
const againFactor = 1.2;

/** Looks until the signal aborts. */
export async function watchRoom({ clock, disk, log }: Pick<World, "clock" | "disk" | "log">, options: RoomOptions, signal: AbortSignal) {
  const { path, reserveBytes, onChange } = options;
  if (reserveBytes === 0) return;
  let hasRoom = true;
  for (;;) {
    try {
      const { totalBytes, availableBytes } = await disk.freeSpace(path);
      const reserved = Math.min(reserveBytes, totalBytes / 20);
      const hasNow: boolean = availableBytes >= (hasRoom ? reserved : reserved * againFactor);
      if (hasNow !== hasRoom) {
        hasRoom = hasNow;
        onChange(hasRoom, availableBytes);
      }
    } catch (error) {
      log.warn("how much room the disk has cannot be told", { error });
    }
    await clock.sleep(lookMs, signal);
  }
}
