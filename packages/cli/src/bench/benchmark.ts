/**
 * What a benchmark is. The files in `/bench` export one each as `benchmark`; the harness prepares it, lets our side and the
 * peers run in turn (ours, peer, ours, peer …: a machine that slows down slows both), and prints medians and ratios.
 */
import type { World } from "@skein/base";

export interface Benchmark {
  /** `copy`: also the name on the command line and of the file in `/bench`. */
  readonly name: string;
  /** One sentence: what is measured, against whom, with what settings. */
  readonly describe: string;
  /** Starts servers and makes data, once. Whatever it opened is closed by disposing the result, also after a failure. */
  prepare(context: BenchContext): Promise<PreparedBenchmark>;
}

export interface PreparedBenchmark extends AsyncDisposable {
  /** Printed above the table: sizes, versions, settings. */
  readonly facts: Readonly<Record<string, string | number>>;
  /** Each case gets a table of its own: `insert-only backlog`, `update-only backlog`. */
  readonly cases: readonly BenchCase[];
}

export interface BenchCase {
  readonly name: string;
  /** The first one is what ratios and goals are about. */
  readonly metrics: readonly Metric[];
  /** In the order in which they run; exactly one is ours. */
  readonly contenders: readonly Contender[];
  /** What must be reached against a peer, by its name: ours is to be this many times better. */
  readonly goals?: Readonly<Record<string, { readonly must: number; readonly aim?: number }>>;
  /** Limits for our own figures that need no peer: `{ "rss peak": { unit: "MiB", must: 400 } }` */
  readonly limits?: Readonly<Record<string, { readonly must: number; readonly aim?: number }>>;
  /** Runs of each contender instead of the usual number, for what takes long and varies little. */
  readonly runsMax?: number;
}

export interface Metric {
  readonly name: string;
  /** `rows/s`, `s`, `MiB`, `ms` */
  readonly unit: string;
  readonly better: "higher" | "lower";
}

export interface Contender {
  readonly name: string;
  readonly isOurs: boolean;
  /** Why it cannot run on this machine (a program that is not installed); it is listed with the reason instead. */
  readonly missing?: string;
  /** One measured run from a clean state (making it clean is part of this call, but not of the figures): value by metric name. */
  run(context: BenchContext): Promise<Readonly<Record<string, number>>>;
}

export interface BenchContext {
  readonly world: World;
  readonly signal: AbortSignal;
  /** 1 is the documented size; `--scale 0.05` makes a quick look. Multiply row counts with it. */
  readonly scale: number;
  /** A private folder of this benchmark, removed at its end. */
  readonly folder: string;
  /** A line of progress for the person who waits. */
  say(line: string): void;
}
