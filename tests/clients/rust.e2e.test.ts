import { stockClientSuite } from "./suite.ts";

stockClientSuite({ client: "rust", keys: "rs", rawChecks: 9, txnChecks: 15 });
