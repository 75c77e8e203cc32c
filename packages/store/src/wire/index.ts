/** The schemas of a store's services; a namespace for each package of the field's protocol, with its own names. */
import * as coprocessor from "./coprocessor.ts";
import * as deadlock from "./deadlock.ts";
import * as errorpb from "./errorpb.ts";
import * as kvrpcpb from "./kvrpcpb.ts";
import * as tikvpb from "./tikvpb.ts";

export { coprocessor, deadlock, errorpb, kvrpcpb, tikvpb };
