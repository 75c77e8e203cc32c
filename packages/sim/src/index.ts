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
