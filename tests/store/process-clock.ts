/**
 * The wall clock of a running program that is not ours: etcd. It asks the time of the page of code that the kernel puts into each
 * process (the vDSO); we write a clock of our own over the function there, which adds seconds to the system's.
 *
 * The page is private to the process once it is written to, so nothing else on the machine sees a change. What the program measures
 * time with (the monotonic clock) stays right, as with a real clock that is set.
 */
import { type FileHandle, open, readdir, readFile } from "node:fs/promises";
import type { World } from "@skein/base";

const symbolTable = 11;
const symbolBytes = 24;
const patience = { tries: 200, pauseMs: 5 };

/**
 *   mov eax, 228 (clock_gettime) · syscall · test edi, edi (CLOCK_REALTIME is 0) · jne over the next · add qword [rsi], seconds · ret
 */
const code = Buffer.from("b8e40000000f0585ff750748810600000000c3", "hex");
const secondsAt = 14;

/** Null when clocks of other programs can be set here, else the reason why not. */
export function whyNoProcessClocks(): string | null {
  if (process.platform !== "linux" || process.arch !== "x64")
    return `clocks of other programs are not set on ${process.platform} ${process.arch}`;
  return process.getuid?.() === 0 ? null : "setting another program's clock takes root";
}

/** Sets the wall clock of a process by so many seconds from the true time; 0 makes it right. The process is stopped for a moment. */
export async function setProcessClock(world: World, pid: number, seconds: number): Promise<void> {
  const maps = await readFile(`/proc/${pid}/maps`, "utf8");
  const [, from = "", to = ""] = /^([0-9a-f]+)-([0-9a-f]+) .*\[vdso\]$/m.exec(maps) ?? [];
  const start = Number.parseInt(from, 16);
  const memory = await open(`/proc/${pid}/mem`, "r+");
  try {
    const image = Buffer.alloc(Number.parseInt(to, 16) - start);
    await memory.read(image, 0, image.length, start);
    const { offset, size } = functionIn(image, "__vdso_clock_gettime");
    process.kill(pid, "SIGSTOP");
    try {
      await untilOutside(world, pid, start + offset, size);
      await write(memory, start + offset, seconds);
    } finally {
      process.kill(pid, "SIGCONT");
    }
  } finally {
    await memory.close();
  }
}

async function write(memory: FileHandle, at: number, seconds: number): Promise<void> {
  const bytes = Buffer.from(code);
  bytes.writeInt32LE(seconds, secondsAt);
  await memory.write(bytes, 0, bytes.length, at);
}

/** Place and size of a function in an ELF image of 64 bits. */
function functionIn(image: Buffer, name: string): { readonly offset: number; readonly size: number } {
  const number = (at: number) => Number(image.readBigUInt64LE(at));
  const [sectionsAt, sectionBytes, count] = [number(0x28), image.readUInt16LE(0x3a), image.readUInt16LE(0x3c)];
  const section = (index: number) => sectionsAt + index * sectionBytes;
  for (let i = 0; i < count; i++) {
    if (image.readUInt32LE(section(i) + 4) !== symbolTable) continue;
    const names = number(section(image.readUInt32LE(section(i) + 40)) + 24);
    const [at, bytes] = [number(section(i) + 24), number(section(i) + 32)];
    for (let symbol = at; symbol < at + bytes; symbol += symbolBytes) {
      const text = names + image.readUInt32LE(symbol);
      if (image.toString("latin1", text, image.indexOf(0, text)) === name) return { offset: number(symbol + 8), size: number(symbol + 16) };
    }
  }
  throw new Error(`the system's page of code has no ${name}`);
}

/** Until the process is stopped with none of its threads inside the function: a thread must not wake up in the middle of other code. */
async function untilOutside(world: World, pid: number, at: number, size: number): Promise<void> {
  for (let tries = 0; tries < patience.tries; tries++) {
    const places = await Promise.all(
      (await readdir(`/proc/${pid}/task`)).map(async (thread) => {
        const words = (await readFile(`/proc/${pid}/task/${thread}/syscall`, "utf8")).trim().split(" ");
        return words[0] === "running" ? null : Number.parseInt(words.at(-1) ?? "", 16);
      }),
    );
    if (places.every((place) => place !== null && (place <= at || place >= at + size))) return;
    if (places.every((place) => place !== null)) {
      process.kill(pid, "SIGCONT");
      await world.clock.sleep(patience.pauseMs);
      process.kill(pid, "SIGSTOP");
    }
    await world.clock.sleep(patience.pauseMs); // the kernel tells nobody
  }
  throw new Error(`process ${pid} does not stop outside of its clock`);
}

/** Processes of this name below another one. */
export async function descendants(pid: number, name: string): Promise<number[]> {
  const children = new Map<number, { readonly pid: number; readonly name: string }[]>();
  for (const entry of await readdir("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = await readFile(`/proc/${entry}/stat`, "utf8").catch(() => ""); // it has ended meanwhile
    const [, own, parent] = /^\d+ \((.*)\) \S (\d+)/s.exec(stat) ?? [];
    if (own === undefined) continue;
    children.set(Number(parent), [...(children.get(Number(parent)) ?? []), { pid: Number(entry), name: own }]);
  }
  const found: number[] = [];
  for (const open = [pid]; open.length > 0; )
    for (const child of children.get(open.pop() as number) ?? []) {
      if (child.name === name) found.push(child.pid);
      open.push(child.pid);
    }
  return found;
}
