export type { Benchmark, BenchCase, BenchContext, Contender, Metric, PreparedBenchmark } from "./bench/benchmark.ts";
