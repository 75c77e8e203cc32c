/** The schemas of a store's services; a namespace for each package of the field's protocol, with its own names. */
import { decodeKey, encodeKey } from "../txn/core/keys.ts";
import * as coprocessor from "./coprocessor.ts";
import * as deadlock from "./deadlock.ts";
import * as errorpb from "./errorpb.ts";
import * as kvrpcpb from "./kvrpcpb.ts";
import * as tikvpb from "./tikvpb.ts";

export { coprocessor, deadlock, decodeKey, encodeKey, errorpb, kvrpcpb, tikvpb };
