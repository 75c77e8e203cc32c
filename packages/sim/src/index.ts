export { checkLinearizable, type Model, type Operation, type Verdict } from "./history/linearizability.ts";
export {
  checkRegisters,
  describeKeyVerdict,
  type KeyOperation,
  type KeyVerdict,
  type RegisterInput,
  type RegisterOutput,
  registerModel,
} from "./history/register.ts";
export { checkSnapshotIsolation, findLongFork, type RecordedTransaction } from "./history/snapshot-isolation.ts";
export {
  parseScenario,
  renderScenario,
  runScenario,
  type ScenarioRunner,
  type ScenarioStep,
  scenarioFiles,
  updateScenarios,
} from "./scenario.ts";
export { repeatCommand, seeds } from "./seeds.ts";
export { InjectedFault, SeededFaults, Simulation, type SimulationOptions, SimulationStuck } from "./simulation.ts";
export { VirtualClock } from "./virtual-clock.ts";
export { type DiskFaults, VirtualDisk } from "./virtual-disk.ts";
export { type NetworkFaults, VirtualNetwork } from "./virtual-network.ts";
