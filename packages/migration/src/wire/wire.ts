import { loadSchema, type Schema, type ServiceCodec } from "@skein/rpc";
import { wireSchemaText } from "./schema-text.ts";

/** The parsed schema of package `pb`. */
export const wireSchema: Schema = loadSchema(wireSchemaText);
/** `pb.Master`: what dmctl, the gateway and workers ask a master. */
export const masterWire: ServiceCodec = wireSchema.service("pb.Master");
/** `pb.Worker`: what a master asks a worker. */
export const workerWire: ServiceCodec = wireSchema.service("pb.Worker");
