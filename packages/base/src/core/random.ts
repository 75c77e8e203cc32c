/** Chance from a seed: the same seed and the same stream name give the same draws, whatever other streams do. */
export interface Random {
  /** A stream of its own: its draws do not shift those of this one. */
  fork(name: string): Random;
  /** 0 … 2^32-1. */
  u32(): number;
  /** 0 ≤ x < 1. */
  float(): number;
  /** 0 ≤ x < below. */
  below(limit: number): number;
  /** `min` ≤ x ≤ `max`, whole numbers. */
  between(min: number, max: number): number;
  chance(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
  bytes(count: number): Uint8Array;
}

function hash(text: string, seed: number): number {
  let h = seed ^ 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h ^= h >>> 16;
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A seeded stream (sfc32): fast, and good enough for simulation and jitter; not for secrets. */
export function seededRandom(seed: number, name = ""): Random {
  let a = hash(name, seed);
  let b = hash(name, seed + 1);
  let c = hash(name, seed + 2);
  let d = 1;
  const u32 = (): number => {
    const t = (((a + b) | 0) + d) | 0;
    d = (d + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  };
  for (let i = 0; i < 12; i++) u32();
  return randomFrom(u32, (fork) => seededRandom(hash(fork, seed), `${name}/${fork}`));
}

/** Builds the rest of a stream from its 32-bit draws. */
export function randomFrom(u32: () => number, fork: (name: string) => Random): Random {
  const float = () => u32() / 0x1_0000_0000;
  const below = (limit: number) => Math.floor(float() * limit);
  return {
    fork,
    u32,
    float,
    below,
    between: (min, max) => min + below(max - min + 1),
    chance: (probability) => float() < probability,
    pick: <T>(items: readonly T[]): T => {
      if (items.length === 0) throw new RangeError("nothing to pick from");
      return items[below(items.length)] as T;
    },
    bytes: (count) => {
      const out = new Uint8Array(count);
      for (let i = 0; i < count; i++) out[i] = u32() & 0xff;
      return out;
    },
  };
}
