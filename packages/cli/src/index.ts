export type { BenchCase, BenchContext, Benchmark, Contender, Metric, PreparedBenchmark } from "./bench/benchmark.ts";
export {
  type CompareOptions,
  compareSchemas,
  compareTable,
  type TableComparison,
  type TablePair,
} from "./compare/compare.ts";
export type { ComparedTable } from "./compare/core/comparison-sql.ts";
export type { RowDifference } from "./compare/core/diff-rows.ts";
export { type ClusterProcess, type DmCluster, startCluster } from "./demo/cluster.ts";
export { sumOfMetric } from "./playground/core/metrics.ts";
export { planTopology, type StorePlan, type Topology } from "./playground/core/topology.ts";
export { type NetworkKind, type PlaygroundNetwork, whyNoNamespaces } from "./playground/network.ts";
export {
  httpCall,
  type RegionCluster,
  type RegionClusterOptions,
  type RegionProcess,
  startRegionCluster,
} from "./playground/region-cluster.ts";
