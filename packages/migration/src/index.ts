export { masterWire, wireSchema, workerWire } from "./wire/wire.ts";
